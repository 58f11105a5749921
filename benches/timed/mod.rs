//! Texts timed one by one, by turns, for benches that read their table from a file.

use std::time::Instant;

use hadamard::{Expr, Result, Tensor};

/// An expression written to memory that is there, and how long that took each time, in ms.
pub(crate) struct Timed {
    pub(crate) text: &'static str,
    pub(crate) out: Tensor,
    expr: Expr,
    times: Vec<f64>,
}

impl Timed {
    pub(crate) fn new(text: &'static str, operands: &[(&str, &Tensor)]) -> Result<Self> {
        let expr = Expr::parse(text, operands)?;
        Ok(Self { text, out: expr.eval()?, expr, times: Vec::new() })
    }

    /// Evaluates it once for nothing, and then `runs` times.
    pub(crate) fn time(&mut self, runs: usize) -> Result<()> {
        self.out.assign(&self.expr)?;
        for _ in 0..runs {
            let start = Instant::now();
            self.out.assign(&self.expr)?;
            self.times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        Ok(())
    }

    /// The least time and the median.
    pub(crate) fn least_and_median(&mut self) -> [f64; 2] {
        self.times.sort_by(f64::total_cmp);
        [self.times[0], self.times[self.times.len() / 2]]
    }
}
