//! `hadamard devices`: every device of this machine with its capabilities.

use std::fmt::Write;
use std::process::ExitCode;

use hadamard::{DEVICE_VARIABLE, Device, DeviceInfo, Result};

pub(crate) fn run(named: Option<&str>) -> Result<ExitCode> {
    let devices = match named {
        Some(name) => vec![Device::named(name)?],
        None => Device::all(),
    };
    // Opening an adapter twice makes two devices, so the one that `best` picks is recognised by its info.
    let best = Device::best()?.info();
    let mut text = String::new();
    for device in &devices {
        let info = device.info();
        let mark = if info == best { '*' } else { ' ' };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{mark} {}", info.name);
        for (label, value) in rows(&info) {
            let _ = writeln!(text, "    {label:<14}{value}");
        }
    }
    let _ = writeln!(text, "* is used unless --device or {DEVICE_VARIABLE} names another");
    crate::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn rows(info: &DeviceInfo) -> Vec<(&'static str, String)> {
    let mut rows = vec![("kind", info.kind.to_string())];
    if info.threads > 0 {
        rows.push(("threads", info.threads.to_string()));
        return rows;
    }
    let arithmetic = ["f32", "i32"].into_iter().chain(info.f64.then_some("f64")).chain(info.f16.then_some("f16"));
    rows.extend([
        ("backend", info.backend.clone()),
        ("driver", if info.driver.is_empty() { "unknown".to_owned() } else { info.driver.clone() }),
        ("arithmetic", arithmetic.collect::<Vec<_>>().join(" ")),
        ("subgroups", info.subgroup.map_or("no".to_owned(), |(low, high)| format!("{low} to {high}"))),
        ("buffers", format!("up to {}, {} at once", bytes(info.max_buffer), info.max_bindings)),
        ("binding", format!("up to {}", bytes(info.max_binding))),
        (
            "workgroups",
            format!(
                "{} an axis, of up to {} invocations and {}",
                info.max_workgroups,
                info.max_workgroup_size,
                bytes(u64::from(info.max_workgroup_memory))
            ),
        ),
    ]);
    rows
}

/// A number of bytes as people read it: `2 GiB`, `1.5 MiB`.
fn bytes(n: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let unit = (n.max(1).ilog2() / 10) as usize;
    let value = n as f64 / (1_u64 << (10 * unit)) as f64;
    let digits = usize::from(value.fract() > 0.0);
    format!("{value:.digits$} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    #[test]
    fn bytes_read_well() {
        for (n, want) in [(0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (3 << 29, "1.5 GiB"), (1 << 63, "8 EiB")] {
            assert_eq!(super::bytes(n), want);
        }
    }
}
