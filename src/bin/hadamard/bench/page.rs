//! The findings as one self-contained HTML page.

use std::fmt::Write;
use std::time::Duration;

use super::findings::{Contender, Crossover, Findings, Row, crossover};
use super::jobs::{CURVES, Part};
use super::peers::Peer;
use super::plot::{self, Line, Point};
use super::text::{place, shape, words};
use crate::table;

const STYLE: &str = include_str!("page.css");

/// Shown large at the top.
const TILES: [&str; 4] = ["a*b", "w*a+(1-w)*b", "(a*b).sum(0)", "adam"];

// Writing to a String cannot fail: results of `write!` are dropped here and below.

/// The page.
pub(crate) fn html(found: &Findings) -> String {
    let mut page = String::from("<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n");
    page.push_str("<meta name=\"viewport\" content=\"width=device-width\">\n");
    let _ = writeln!(page, "<title>hadamard bench, {}</title>\n<style>\n{STYLE}</style>\n<main>", found.date);
    head(&mut page, found);
    tiles(&mut page, found);
    faults(&mut page, found);
    curves(&mut page, found);
    cases(&mut page, found);
    peers(&mut page, found);
    dtypes(&mut page, found);
    shapes(&mut page, found);
    page.push_str(METHOD);
    page.push_str("</main>\n</html>\n");
    page
}

const METHOD: &str = "<section>\n<h2>How it was measured</h2>\n<ul>
<li>Data counts each input once and each result once, whatever the passes.</li>
<li>The limit is what this machine's memory allows, measured in the same run: a plain copy, by all cores on the CPU and \
from buffer to buffer on the GPU; for sums, which hardly write, a plain dot product. Tensors that fit a cache may \
exceed it.</li>
<li>Times are medians of batches of at least 10 ms, waiting for the device included; bands and whiskers reach from the \
tenth to the ninetieth percentile.</li>
<li>Before a case was timed, the GPU's answers were compared with the CPU's, within the rounding that either may do.</li>
</ul>\n</section>\n";

fn head(page: &mut String, found: &Findings) {
    let version = env!("CARGO_PKG_VERSION");
    let _ = writeln!(page, "<header>\n<h1>hadamard bench</h1>\n<p>{}, hadamard {version}</p>", found.date);
    page.push_str("<div class=\"machines\">\n");
    for contender in &found.devices {
        let Contender { name, detail, bandwidth, .. } = contender;
        let _ = writeln!(page, "<div class=\"machine {}\">\n<b>{}</b>", class(contender), contender.role());
        let _ = writeln!(page, "<p><strong>{}</strong><br>{}</p>", escape(name), escape(detail));
        if let Some(bandwidth) = bandwidth {
            let (copy, read) = (table::plain(bandwidth.copy / 1e9), table::plain(bandwidth.read / 1e9));
            let _ = writeln!(
                page,
                "<p>Its memory copies <strong>{copy} GB/s</strong>, reads <strong>{read} GB/s</strong></p>"
            );
        }
        page.push_str("</div>\n");
    }
    if found.devices.len() == 1 {
        let _ = writeln!(page, "<div class=\"machine\"><p>No GPU, or not asked for.</p></div>");
    }
    page.push_str("</div>\n</header>\n");
}

/// How close the most important cases came to the limit.
fn tiles(page: &mut String, found: &Findings) {
    let row = |name: &str| found.part(Part::Main).find(|row| row.case.name == name);
    let rows: Vec<&Row> = TILES.iter().filter_map(|name| row(name)).collect();
    let Some(first) = rows.first() else { return };
    let _ = writeln!(page, "<section>\n<h2>Of what the memory allows, {}</h2>\n<div class=\"tiles\">", place(first));
    for row in rows {
        let _ = writeln!(page, "<div class=\"tile\">\n<code>{}</code>", escape(row.case.name));
        for (i, contender) in found.devices.iter().enumerate() {
            let share = row.share(contender, i).map_or_else(|| "–".to_owned(), percent);
            let (class, role) = (class(contender), contender.role());
            let _ = writeln!(page, "<p class=\"{class}\"><strong>{share}</strong> {role}</p>");
        }
        page.push_str("</div>\n");
    }
    page.push_str("</div>\n</section>\n");
}

fn faults(page: &mut String, found: &Findings) {
    let faults = found.faults();
    if faults.is_empty() {
        return;
    }
    page.push_str("<section class=\"faults\">\n<h2>What went wrong</h2>\n<ul>\n");
    for fault in faults {
        let _ = writeln!(page, "<li>{}</li>", escape(&fault));
    }
    page.push_str("</ul>\n</section>\n");
}

fn curves(page: &mut String, found: &Findings) {
    if found.part(Part::Sizes).next().is_none() {
        return;
    }
    page.push_str("<section>\n<h2>From small to large</h2>\n<p>Bytes a second against the number of elements. ");
    page.push_str("Dashed: what the memory allows. Higher is better.</p>\n<div class=\"plots\">\n");
    for name in CURVES {
        let rows = found.curve(name);
        if rows.is_empty() {
            continue;
        }
        let lines: Vec<Line> = (0..found.devices.len()).map(|i| line(found, &rows, i)).collect();
        let crossover = crossover(&rows);
        let mark = match crossover {
            Some(Crossover::From(numel)) => Some((numel, format!("GPU wins from {}", table::count(numel as usize)))),
            _ => None,
        };
        let _ = writeln!(page, "<figure>\n<figcaption><code>{}</code>", escape(name));
        if let Some(crossover) = crossover {
            let _ = writeln!(page, "<span>{}</span>", words(crossover));
        }
        let _ = writeln!(page, "</figcaption>\n{}</figure>", plot::svg(&escape(name), &lines, mark));
    }
    page.push_str("</div>\n</section>\n");
}

fn line(found: &Findings, rows: &[&Row], device: usize) -> Line {
    let contender = &found.devices[device];
    let point = |row: &&Row| {
        let timing = row.timing(device)?;
        let rate = |time: Duration| row.bytes() as f64 / time.as_secs_f64().max(1e-9);
        let (rate, low, high) = (rate(timing.median), rate(timing.p90), rate(timing.p10));
        Some(Point { numel: row.size.numel() as f64, rate, low, high })
    };
    let limit = rows.first().and_then(|row| contender.limit(row.case.limit));
    Line { label: contender.role(), class: class(contender), points: rows.iter().filter_map(point).collect(), limit }
}

/// Each case with a bar for each device.
fn cases(page: &mut String, found: &Findings) {
    let rows: Vec<&Row> = found.part(Part::Main).collect();
    let Some(first) = rows.first() else { return };
    let _ = writeln!(page, "<section>\n<h2>Every case, {}</h2>", place(first));
    page.push_str(
        "<p>Bars are shares of what the memory allows, which the upright line marks. Longer is better.</p>\n",
    );
    for row in rows {
        let _ = writeln!(page, "<div class=\"case\">\n<div class=\"what\"><b>{}</b>", escape(row.case.name));
        let _ = writeln!(page, "<code>{}</code></div>\n<div class=\"bars\">", escape(row.case.code));
        for (i, contender) in found.devices.iter().enumerate() {
            bar(page, row, contender, i);
        }
        let faster = match row.speedup() {
            Some(times) if times >= 1.0 => format!("GPU <b class=\"gpu\">{}×</b>", table::plain(times)),
            Some(times) => format!("CPU <b class=\"cpu\">{}×</b>", table::plain(1.0 / times)),
            None => String::new(),
        };
        let _ = writeln!(page, "</div>\n<div class=\"faster\">{faster}</div>\n</div>");
    }
    page.push_str("</section>\n");
}

fn bar(page: &mut String, row: &Row, contender: &Contender, device: usize) {
    let (class, role) = (class(contender), contender.role());
    let Some(timing) = row.timing(device) else {
        let _ = writeln!(page, "<span>{role}</span><i class=\"none\"></i><span>not measured</span>");
        return;
    };
    let mut told = table::time(timing.median);
    if let Some(rate) = contender.limit(row.case.limit).and(row.rate(device)) {
        let _ = write!(told, " · {} GB/s", table::plain(rate / 1e9));
    }
    let _ = write!(page, "<span>{role}</span>");
    match row.share(contender, device) {
        None => page.push_str("<i class=\"none\"></i>"),
        Some(share) => {
            // The track ends a quarter beyond the limit.
            let wide = |share: f64| (share / 1.25 * 100.0).clamp(0.0, 100.0);
            let at = |time: Duration| wide(share * timing.median.as_secs_f64() / time.as_secs_f64().max(1e-9));
            let (low, high) = (at(timing.p90), at(timing.p10));
            let _ =
                write!(page, "<i class=\"track\"><i class=\"fill {class}\" style=\"width:{:.1}%\"></i>", wide(share));
            let _ = write!(page, "<i class=\"whisker\" style=\"left:{low:.1}%;width:{:.1}%\"></i></i>", high - low);
            let _ = write!(told, " · <b>{}</b>", percent(share));
        }
    }
    let _ = writeln!(page, "<span class=\"told\">{told}</span>");
}

/// A table for each device: our time of each case, and how many times as long each library took.
fn peers(page: &mut String, found: &Findings) {
    for (i, contender) in found.devices.iter().enumerate() {
        let beside = |row| {
            let ours = Row::timing(row, i)?.median;
            let peers: Vec<&Peer> = found.peers.iter().filter(|peer| peer.is_of(row, contender)).collect();
            (!peers.is_empty()).then_some((row, ours, peers))
        };
        let rows: Vec<_> = found.part(Part::Main).filter_map(beside).collect();
        let Some((first, ..)) = rows.first() else { continue };
        let names = unique(rows.iter().flat_map(|row| &row.2).map(|peer| &peer.who));
        let role = contender.role();
        let _ = writeln!(page, "<section class=\"peers\">\n<h2>Beside other libraries, {role}, {}</h2>", place(first));
        page.push_str("<p>Their time over hadamard's: above 1, hadamard is the faster one.</p>\n");
        page.push_str("<div class=\"scroll\"><table>\n<tr><th></th><th>hadamard</th>");
        for name in &names {
            let _ = write!(page, "<th>{}</th>", escape(name));
        }
        page.push_str("</tr>\n");
        for (row, ours, peers) in rows {
            let _ = write!(page, "<tr><th><code>{}</code></th><td>{}</td>", escape(row.case.name), table::time(ours));
            for name in &names {
                let peer = peers.iter().find(|peer| &peer.who == *name);
                let cell =
                    peer.map(|peer| peer.time.map_or_else(|| "failed".to_owned(), |time| times(contender, time, ours)));
                let _ = write!(page, "<td>{}</td>", cell.unwrap_or_default());
            }
            page.push_str("</tr>\n");
        }
        page.push_str("</table></div>\n</section>\n");
    }
}

/// How many times as long as ours a peer's time is, and that.
fn times(contender: &Contender, time: Duration, ours: Duration) -> String {
    let times = time.as_secs_f64() / ours.as_secs_f64().max(1e-9);
    let class = if times >= 1.0 { class(contender) } else { "slower" };
    format!("<b class=\"{class}\">{}×</b> {}", table::plain(times), table::time(time))
}

fn dtypes(page: &mut String, found: &Findings) {
    let others: Vec<&Row> = found.part(Part::Dtypes).collect();
    let Some(first) = others.first() else { return };
    let names: Vec<&str> = unique(others.iter().map(|row| row.case.name));
    let main = found.part(Part::Main).filter(|row| names.contains(&row.case.name));
    let rows: Vec<&Row> = main.chain(others.iter().copied()).collect();
    let _ = writeln!(page, "<section>\n<h2>Other dtypes, {}</h2>", shape(first));
    matrix(page, found, &rows, &|row| row.dtype.to_string());
    page.push_str("</section>\n");
}

fn shapes(page: &mut String, found: &Findings) {
    let others: Vec<&Row> = found.part(Part::Shapes).collect();
    let names: Vec<&str> = unique(others.iter().map(|row| row.case.name));
    for dtype in unique(others.iter().map(|row| row.dtype)) {
        // The square belongs between the others; it was measured as part of another job.
        let squares = found.rows.iter().filter(|row| matches!(row.part, Part::Main | Part::Dtypes));
        let all = squares.filter(|row| names.contains(&row.case.name)).chain(others.iter().copied());
        let mut rows: Vec<&Row> = all.filter(|row| row.dtype == dtype).collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.size.rows));
        let _ = writeln!(page, "<section>\n<h2>Sums over other shapes, {dtype}</h2>");
        matrix(page, found, &rows, &shape);
        page.push_str("</section>\n");
    }
}

/// A table: a row for each case, a column for each `label`, and in each cell every device's share of its limit.
fn matrix(page: &mut String, found: &Findings, rows: &[&Row], label: &dyn Fn(&Row) -> String) {
    let across = unique(rows.iter().map(|row| label(row)));
    page.push_str("<p>Share of what the memory allows.</p>\n<div class=\"scroll\"><table>\n<tr><th></th>");
    for label in &across {
        let _ = write!(page, "<th>{}</th>", escape(label));
    }
    page.push_str("</tr>\n");
    for name in unique(rows.iter().map(|row| row.case.name)) {
        let _ = write!(page, "<tr><th><code>{}</code></th>", escape(name));
        for column in &across {
            page.push_str("<td>");
            let row = rows.iter().find(|row| row.case.name == name && label(row) == *column);
            for (i, contender) in found.devices.iter().enumerate() {
                let share = row.and_then(|row| row.share(contender, i));
                let (class, text) = (class(contender), share.map_or_else(|| "–".to_owned(), percent));
                let wide = (share.unwrap_or(0.0) * 100.0).clamp(0.0, 100.0);
                let _ = write!(page, "<span class=\"cell {class}\" style=\"--share:{wide:.0}%\">{text}</span>");
            }
            page.push_str("</td>");
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table></div>\n");
}

/// The distinct values, in order of first appearance.
fn unique<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut once = Vec::new();
    for item in all {
        if !once.contains(&item) {
            once.push(item);
        }
    }
    once
}

fn class(contender: &Contender) -> &'static str {
    if contender.gpu { "gpu" } else { "cpu" }
}

fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent < 9.95 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    #[test]
    fn text_is_escaped() {
        assert_eq!(super::escape("a<b & \"c\""), "a&lt;b &amp; &quot;c&quot;");
    }
}
