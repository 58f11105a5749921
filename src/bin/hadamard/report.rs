//! What `hadamard bench` found, for a browser and for programs.

use std::fmt::Write;

use crate::findings::Findings;
use crate::table;

const STYLE: &str = "
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff }
h2 { margin: 2rem 0 0; font-size: 1.1rem } code { color: #555; font-size: .85rem }
.bar { display: grid; grid-template-columns: 3.5rem 1fr 15rem; gap: .6rem; align-items: center; margin: .25rem 0 }
.bar i { display: block; height: 1.1rem; border-radius: 2px } .gpu i { background: #2a78b8 } .cpu i { background: #e08a2c }
.copy i { background: #aaa } .bar span:last-child { text-align: right; font-variant-numeric: tabular-nums }
.wrong { color: #b00020; font-weight: bold }
";

/// A page that needs nothing but itself.
pub(crate) fn html(found: &Findings) -> String {
    let mut page = String::from("<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n");
    // Writing to a String cannot fail, here and below.
    let _ = writeln!(page, "<title>hadamard bench</title>\n<style>{STYLE}</style>\n<h1>hadamard bench</h1>\n<ul>");
    for device in &found.devices {
        let _ = writeln!(page, "<li>{}: {}", device.role(), escape(&device.text));
    }
    let _ = writeln!(
        page,
        "<li>{} tensors of [{}, {}], hadamard {}\n</ul>\n<p>Bars are bytes a second. Data counts each input once and \
         each result once. Longer is better.</p>",
        found.dtype,
        found.size,
        found.size,
        env!("CARGO_PKG_VERSION")
    );
    let best = found.rows.iter().flat_map(|row| row.times.iter().map(|&t| row.rate(t)));
    let best = best.fold(found.plain_rate(), f64::max);
    let bar = |class: &str, label: &str, rate: f64, text: &str| {
        let width = 100.0 * rate / best;
        format!(
            "<div class=\"bar {class}\"><span>{label}</span><span><i style=\"width:{width:.2}%\"></i></span><span>{text}</span></div>\n"
        )
    };
    let plain = format!("{:.1} GB/s", found.plain_rate() / 1e9);
    page.push_str("<h2>plain parallel copy on the CPU</h2>\n");
    page.push_str(&bar("copy", "CPU", found.plain_rate(), &plain));
    for row in &found.rows {
        let _ = writeln!(page, "<h2>{}</h2>\n<code>{}</code>", row.case.name, escape(row.case.code));
        for (device, &time) in found.devices.iter().zip(&row.times) {
            let text = format!("{} · {} GB/s", table::time(time), table::rate(row.bytes, time));
            page.push_str(&bar(&device.role().to_lowercase(), device.role(), row.rate(time), &text));
        }
        if let Some(how) = &row.wrong {
            let _ = writeln!(page, "<p class=\"wrong\">WRONG: {}</p>", escape(how));
        }
    }
    page.push_str("</html>\n");
    page
}

/// One JSON object. Times are in seconds, sizes in bytes.
pub(crate) fn json(found: &Findings) -> String {
    let devices: Vec<_> = found
        .devices
        .iter()
        .map(|d| format!("{{\"role\": {}, \"name\": {}}}", quote(d.role()), quote(&d.text)))
        .collect();
    let rows: Vec<_> = found
        .rows
        .iter()
        .map(|row| {
            let times: Vec<_> = row.times.iter().map(|t| format!("{:e}", t.as_secs_f64())).collect();
            format!(
                "    {{\"case\": {}, \"code\": {}, \"bytes\": {}, \"seconds\": [{}], \"wrong\": {}}}",
                quote(row.case.name),
                quote(row.case.code),
                row.bytes,
                times.join(", "),
                row.wrong.as_deref().map_or("null".to_owned(), quote)
            )
        })
        .collect();
    format!(
        "{{\n  \"version\": {},\n  \"dtype\": {},\n  \"size\": {},\n  \"devices\": [{}],\n  \"plain_copy\": \
         {{\"bytes\": {}, \"seconds\": {:e}}},\n  \"cases\": [\n{}\n  ]\n}}\n",
        quote(env!("CARGO_PKG_VERSION")),
        quote(found.dtype.name()),
        found.size,
        devices.join(", "),
        found.plain_bytes,
        found.plain.as_secs_f64(),
        rows.join(",\n")
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c < ' ' => {
                let _ = write!(quoted, "\\u{:04x}", c as u32);
            }
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    #[test]
    fn text_is_quoted() {
        assert_eq!(super::quote("a \"b\" \\ \n é"), r#""a \"b\" \\ \u000a é""#);
        assert_eq!(super::escape("a<b & c"), "a&lt;b &amp; c");
    }
}
