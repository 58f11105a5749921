//! One line of JSON for each measurement, as benches/peers/ writes them.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::cases::Limit;
use super::findings::{Contender, Findings, Found, Row};

/// All that was found. Times are in ms, sizes in bytes, rates in GB/s.
pub(crate) fn lines(found: &Findings) -> String {
    let mut text = String::new();
    let mut line = |value: Value| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{value}");
    };
    for contender in &found.devices {
        if let Some(bandwidth) = contender.bandwidth {
            for (case, rate) in [("copy", bandwidth.copy), ("dot", bandwidth.read)] {
                let device = contender.role().to_lowercase();
                line(
                    json!({"who": "limit", "device": device, "name": contender.name, "case": case, "rate": rate / 1e9}),
                );
            }
        }
    }
    for row in &found.rows {
        for (i, contender) in found.devices.iter().enumerate() {
            line(measurement(row, contender, i));
        }
    }
    text
}

fn measurement(row: &Row, contender: &Contender, device: usize) -> Value {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let limit = match row.case.limit {
        Limit::Copy => Some("copy"),
        Limit::Read => Some("dot"),
        Limit::Other => None,
    };
    let mut line = json!({
        "who": "hadamard",
        "version": env!("CARGO_PKG_VERSION"),
        "device": contender.role().to_lowercase(),
        "name": contender.name,
        "case": row.case.name,
        "code": row.case.code,
        "dtype": row.dtype.name(),
        "shape": [row.size.rows, row.size.columns],
        "bytes": row.bytes(),
    });
    let Found { timing, wrong } = &row.found[device];
    match timing {
        Ok(timing) => {
            line["ms"] = ms(timing.median).into();
            line["p10"] = ms(timing.p10).into();
            line["p90"] = ms(timing.p90).into();
            line["kernel_ms"] = timing.kernels.map(ms).into();
            line["limit"] = limit.into();
            line["share"] = row.share(contender, device).into();
        }
        Err(error) => line["error"] = error.as_str().into(),
    }
    line["wrong"] = wrong.as_deref().into();
    line
}
