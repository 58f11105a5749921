//! What a case works on, and what it does.

use std::rc::Rc;

use hadamard::{DType, Device, Expr, Result, Tensor, eval_all};

use super::Size;

/// What the cases read and write. Every value lies between 0.5 and 1.5, `w` below 1.
pub(crate) struct Inputs {
    pub(super) size: Size,
    pub(super) a: Tensor,
    pub(super) b: Tensor,
    pub(super) w: Tensor,
    pub(super) target: Tensor,
    pub(super) out: Tensor,
    pub(super) row: Tensor,
    pub(super) column: Tensor,
}

impl Inputs {
    /// The same numbers on every device. At least four rows, a multiple of four.
    pub(crate) fn new(device: &Device, size: Size, dtype: DType) -> Result<Self> {
        let Size { rows, columns } = size;
        let random = |seed, shape: [usize; 2], high| Tensor::uniform(shape, 0.5..high, dtype, seed, device);
        Ok(Self {
            size,
            a: random(1, [rows, columns], 1.5)?,
            b: random(2, [rows, columns], 1.5)?,
            w: random(3, [rows, columns], 1.0)?,
            target: random(4, [rows, columns], 1.5)?,
            out: Tensor::zeros([rows, columns], dtype, device)?,
            row: random(5, [1, columns], 1.5)?,
            column: random(6, [rows, 1], 1.5)?,
        })
    }

    /// Each row once, neighbours far apart: by a step that shares no factor with their number.
    pub(super) fn rows_in_any_order(&self) -> Result<Tensor> {
        let n = self.size.rows as i64;
        let step = [7919, 7907, 7901].into_iter().find(|step| n % step != 0).unwrap_or(1);
        let numbers: Vec<i64> = (0..n).map(|i| i * step % n).collect();
        Tensor::from_slice(&numbers, [self.size.rows], &self.a.device())
    }

    pub(super) fn combined(&self) -> Expr {
        &self.w * &self.a + (1.0 - &self.w) * &self.b
    }
}

/// A case on one device.
pub(crate) struct Work {
    pub(super) run: Box<dyn Fn() -> Result<()>>,
    /// Runs it once and gives what it computes.
    pub(super) results: Box<dyn Fn() -> Result<Vec<Tensor>>>,
}

impl Work {
    /// Something that is done to `targets`.
    pub(super) fn new(run: impl Fn() -> Result<()> + 'static, targets: Vec<Tensor>) -> Self {
        let run = Rc::new(run);
        let once = run.clone();
        Self { run: Box::new(move || run()), results: Box::new(move || once().map(|()| targets.clone())) }
    }

    /// A value written into an existing tensor.
    pub(super) fn write(target: &Tensor, value: impl Into<Expr>) -> Self {
        let (out, value) = (target.clone(), value.into());
        Self::new(move || out.assign(&value), vec![target.clone()])
    }

    /// Values evaluated together into new tensors.
    pub(super) fn values(values: Vec<Expr>) -> Self {
        let same = values.clone();
        let run = move || match &values[..] {
            // The usual case, without a list to be made.
            [value] => value.eval().map(drop),
            values => eval_all(values).map(drop),
        };
        Self { run: Box::new(run), results: Box::new(move || eval_all(&same)) }
    }

    /// Does the work once. On a GPU it may not be done before the device is synchronized.
    pub(crate) fn run(&self) -> Result<()> {
        (self.run)()
    }

    /// Does the work once and reads the answers back: of large ones the beginning, the middle and the end.
    pub(crate) fn answers(&self) -> Result<Vec<f32>> {
        const WHOLE: usize = 4 << 20;
        const PART: usize = 1 << 20;
        let mut answers = Vec::new();
        for result in (self.results)()? {
            let n = result.numel();
            let flat = result.reshape([n])?;
            let parts =
                if n <= WHOLE { vec![(0, n)] } else { [0, (n - PART) / 2, n - PART].map(|at| (at, PART)).into() };
            for (start, len) in parts {
                answers.extend(flat.narrow(0, start, len)?.to_dtype(DType::F32)?.to_vec::<f32>()?);
            }
        }
        Ok(answers)
    }
}
