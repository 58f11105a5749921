//! Plain text tables, and numbers as a reader wants them.

use std::fmt::Write;
use std::time::Duration;

/// Rows of text under a header, each column as wide as its widest cell.
pub(crate) struct Table {
    /// For each column whether it is aligned to the right.
    right: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these column titles. A title that starts with `>` aligns its column to the right.
    pub(crate) fn new(titles: &[&str]) -> Self {
        let right = titles.iter().map(|t| t.starts_with('>')).collect();
        let rows = vec![titles.iter().map(|t| t.trim_start_matches('>').to_owned()).collect()];
        Self { right, rows }
    }

    pub(crate) fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// The table, each line behind `indent` and without blanks at its end.
    pub(crate) fn render(&self, indent: &str) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.right.len()).map(width).collect();
        let mut out = String::new();
        for row in &self.rows {
            let mut line = indent.to_owned();
            for ((cell, &width), &right) in row.iter().zip(&widths).zip(&self.right) {
                // Writing to a string cannot fail.
                let _ = if right { write!(line, "{cell:>width$}  ") } else { write!(line, "{cell:<width$}  ") };
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }
}

/// A time with three digits: `1.23 ms`.
pub(crate) fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    let (value, unit) = match seconds {
        s if s >= 1.0 => (s, "s"),
        s if s >= 1e-3 => (s * 1e3, "ms"),
        s => (s * 1e6, "µs"),
    };
    format!("{} {unit}", digits(value))
}

/// A number of bytes with three digits: `6.56 MB`, decimal as bandwidths are.
pub(crate) fn bytes(bytes: u64) -> String {
    let bytes = bytes as f64;
    let (value, unit) = match bytes {
        b if b >= 1e9 => (b / 1e9, "GB"),
        b if b >= 1e6 => (b / 1e6, "MB"),
        b if b >= 1e3 => (b / 1e3, "kB"),
        b => return format!("{b} B"),
    };
    format!("{} {unit}", digits(value))
}

/// Bytes in a time as GB/s with three digits.
pub(crate) fn rate(bytes: u64, time: Duration) -> String {
    digits(bytes as f64 / time.as_secs_f64().max(1e-12) / 1e9)
}

/// A count in words of a few letters: `1.02 k`, `16.8 M`.
pub(crate) fn count(n: usize) -> String {
    let (value, unit) = match n as f64 {
        n if n >= 1e9 => (n / 1e9, " G"),
        n if n >= 1e6 => (n / 1e6, " M"),
        n if n >= 1e3 => (n / 1e3, " k"),
        n => (n, ""),
    };
    plain(value) + unit
}

/// Three digits at the most, and no zeros after the point.
pub(crate) fn plain(value: f64) -> String {
    if value < 0.1 {
        return format!("{value:.3}").trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    let text = digits(value);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Three digits, without an exponent.
fn digits(value: f64) -> String {
    match value {
        v if v >= 99.95 => format!("{v:.0}"),
        v if v >= 9.995 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["name", ">n"]);
        table.row(["a", "1000"]);
        table.row(["long name", "1"]);
        assert_eq!(table.render("  "), "  name          n\n  a          1000\n  long name     1\n");
    }

    #[test]
    fn numbers_keep_three_digits() {
        assert_eq!(time(Duration::from_micros(1234)), "1.23 ms");
        assert_eq!(time(Duration::from_nanos(99_960)), "100 µs");
        assert_eq!(time(Duration::from_secs(12)), "12.0 s");
        assert_eq!(bytes(6_558_720), "6.56 MB");
        assert_eq!(bytes(12), "12 B");
        assert_eq!((count(1024), count(64), count(1_000_000)), ("1.02 k".into(), "64".into(), "1 M".into()));
        assert_eq!((plain(100.0), plain(0.0101), plain(12.34)), ("100".into(), "0.01".into(), "12.3".into()));
        assert_eq!(rate(2_000_000_000, Duration::from_secs(1)), "2.00");
    }
}
