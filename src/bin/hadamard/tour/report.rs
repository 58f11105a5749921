//! One piece of the tour's work: how long it took on each device, and whether it is right.

use std::fmt::Write;
use std::time::{Duration, Instant};

use hadamard::{Device, Result};

use super::Side;
use crate::table::{self, Table};

pub(super) const EPSILON: f64 = f32::EPSILON as f64;

/// How long one run of a step took, and how many kernels it launched.
pub(super) struct Measured {
    pub(super) time: Duration,
    pub(super) kernels: u64,
}

/// What is shown of one piece of work.
pub(super) struct Report {
    head: String,
    bytes: u64,
    table: Table,
    notes: Vec<String>,
    first: Option<Vec<f32>>,
    apart: Option<f64>,
    wrong: usize,
}

impl Report {
    pub(super) fn new(title: &str, input: &str, code: &str, bytes: u64) -> Self {
        Self {
            head: format!("{title}\n   {input}\n   {code}\n"),
            bytes,
            table: Table::new(&["", ">time", ">data", ">GB/s", ">kernels", ">error", ">allowed", "answer"]),
            notes: Vec::new(),
            first: None,
            apart: None,
            wrong: 0,
        }
    }

    /// Adds a device's row: its answer must lie within `bound(want)` of the plain loop's.
    pub(super) fn side(
        &mut self,
        side: &Side,
        measured: &Measured,
        got: &[f32],
        want: &[f64],
        bound: impl Fn(f64) -> f64,
    ) {
        // The element worst off against its own bound; one that is not a number is worse than any.
        let excess = |got: f32, want: f64| {
            let error = (f64::from(got) - want).abs();
            let excess = if error == 0.0 { 0.0 } else { error / bound(want) };
            if excess.is_nan() { f64::INFINITY } else { excess }
        };
        let worst = got.iter().zip(want).max_by(|a, b| excess(*a.0, *a.1).total_cmp(&excess(*b.0, *b.1)));
        let (error, allowed, ok) = match worst {
            Some((&got_at, &want_at)) if got.len() == want.len() => {
                ((f64::from(got_at) - want_at).abs(), bound(want_at), excess(got_at, want_at) <= 1.0)
            }
            _ => (f64::NAN, 0.0, false),
        };
        self.wrong += usize::from(!ok);
        self.table.row([
            side.name.to_owned(),
            table::time(measured.time),
            table::bytes(self.bytes),
            table::rate(self.bytes, measured.time),
            measured.kernels.to_string(),
            scientific(error),
            scientific(allowed),
            if ok { "ok" } else { "WRONG" }.to_owned(),
        ]);
        match &self.first {
            None => self.first = Some(got.to_vec()),
            Some(first) => {
                let apart = first.iter().zip(got).map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs());
                self.apart = Some(apart.fold(0.0, f64::max));
            }
        }
    }

    pub(super) fn note(&mut self, line: String) {
        self.notes.push(line);
    }

    /// Writes it all, and says how many answers were wrong.
    pub(super) fn finish(&self, bound: &str) -> Result<usize> {
        let mut text = format!("{}{}   allowed: {bound}\n", self.head, self.table.render("   "));
        if let Some(apart) = self.apart {
            let _ = writeln!(text, "   GPU and CPU differ by at most {}", scientific(apart));
        }
        for note in &self.notes {
            let _ = writeln!(text, "   {note}");
        }
        text.push('\n');
        crate::print(&text)?;
        Ok(self.wrong)
    }
}

fn scientific(value: f64) -> String {
    if value == 0.0 { "0".to_owned() } else { format!("{value:.1e}") }
}

/// The median time of a run, and the kernels of one. The first run, which compiles and allocates, is not timed.
pub(super) fn measure(device: &Device, mut run: impl FnMut() -> Result<()>) -> Result<Measured> {
    run()?;
    device.synchronize()?;
    let counted = device.counters().kernels;
    run()?;
    device.synchronize()?;
    let kernels = device.counters().kernels - counted;
    let mut times = Vec::new();
    for _ in 0..15 {
        let start = Instant::now();
        run()?;
        device.synchronize()?;
        times.push(start.elapsed());
    }
    times.sort();
    Ok(Measured { time: times[times.len() / 2], kernels })
}
