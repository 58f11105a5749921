//! The findings as tables for a terminal.

use std::fmt::Write;

use super::cases::Limit;
use super::findings::{Crossover, Findings, Row, crossover};
use super::jobs::{CURVES, Part};
use crate::table::{self, Table};

// Writing to a String cannot fail: results of `write!` are dropped here and below.

pub(crate) fn text(found: &Findings) -> String {
    let mut text = String::new();
    for contender in &found.devices {
        let _ = write!(text, "{}  {} ({})", contender.role(), contender.name, contender.detail);
        if let Some(bandwidth) = contender.bandwidth {
            let _ = write!(text, ": copies {:.1} GB/s, reads {:.1} GB/s", bandwidth.copy / 1e9, bandwidth.read / 1e9);
        }
        text.push('\n');
    }
    if found.devices.len() == 1 {
        text.push_str("GPU  none, or not asked for\n");
    }
    let section = |text: &mut String, part: Part, title: &str, label: &dyn Fn(&Row) -> String| {
        let rows: Vec<&Row> = found.part(part).collect();
        if let Some(first) = rows.first() {
            let _ = writeln!(text, "\n{}\n", title.replace("{}", &place(first)));
            text.push_str(&rows_of(found, &rows, label));
        }
    };
    section(&mut text, Part::Main, "Every case, {}", &|row| row.case.name.to_owned());
    section(&mut text, Part::Shapes, "Other shapes", &|row| format!("{} of {}", row.case.name, place(row)));
    section(&mut text, Part::Dtypes, "Other dtypes", &|row| format!("{} of {}", row.case.name, row.dtype));
    section(&mut text, Part::Sizes, "From small to large", &|row| {
        format!("{} of {}", row.case.name, table::count(row.size.numel()))
    });
    text.push_str(
        "\nData counts each input once and each result once. Of limit: of a plain copy; where something is summed, of \
         a plain dot product.\nTimes are medians, waiting for the device included; ± is half of what lies between the \
         tenth and the ninetieth percentile.\n",
    );
    for name in CURVES {
        if let Some(crossover) = crossover(&found.curve(name)) {
            let _ = writeln!(text, "{name}: {}", words(crossover));
        }
    }
    let faults = found.faults();
    if found.devices.len() == 2 && !found.any_wrong() {
        text.push_str("Every answer of the GPU agreed with the CPU's before it was timed.\n");
    }
    for fault in faults {
        let _ = writeln!(text, "{fault}");
    }
    text
}

/// Which device is faster, and from which size on.
pub(crate) fn words(crossover: Crossover) -> String {
    match crossover {
        Crossover::Always => "the GPU is faster at every size measured".to_owned(),
        Crossover::From(numel) => format!("the GPU is faster from about {} elements", table::count(numel as usize)),
        Crossover::Never => "the CPU is faster at every size measured".to_owned(),
    }
}

pub(crate) fn shape(row: &Row) -> String {
    format!("[{}, {}]", row.size.rows, row.size.columns)
}

pub(crate) fn place(row: &Row) -> String {
    format!("{} {}", row.dtype, shape(row))
}

fn rows_of(found: &Findings, rows: &[&Row], label: &dyn Fn(&Row) -> String) -> String {
    let mut titles = vec!["", ">data"];
    let timed = rows.iter().any(|row| row.timing(0).is_some_and(|t| t.kernels.is_some()));
    for contender in &found.devices {
        titles.extend([if contender.gpu { ">GPU" } else { ">CPU" }, ">±"]);
        titles.extend((contender.gpu && timed).then_some(">kernels"));
        titles.extend([">GB/s", ">of limit"]);
    }
    titles.extend((found.devices.len() == 2).then_some(">CPU/GPU"));
    let mut table = Table::new(&titles);
    for row in rows {
        let mut cells = vec![label(row), table::bytes(row.bytes())];
        for (i, contender) in found.devices.iter().enumerate() {
            let Some(timing) = row.timing(i) else {
                cells.extend(["-"; 4].map(str::to_owned));
                cells.extend((contender.gpu && timed).then(String::new));
                continue;
            };
            let spread =
                timing.p90.saturating_sub(timing.p10).as_secs_f64() / 2.0 / timing.median.as_secs_f64().max(1e-9);
            cells.extend([table::time(timing.median), format!("{:.0}%", 100.0 * spread)]);
            cells.extend((contender.gpu && timed).then(|| timing.kernels.map_or_else(String::new, table::time)));
            let bounded = row.case.limit != Limit::Other;
            cells.push(if bounded { table::rate(row.bytes(), timing.median) } else { String::new() });
            cells.push(row.share(contender, i).map_or_else(String::new, |share| format!("{:.0}%", 100.0 * share)));
        }
        cells.extend((found.devices.len() == 2).then(|| row.speedup().map_or("-".into(), |s| format!("{s:.2}"))));
        table.row(cells);
    }
    table.render("")
}
