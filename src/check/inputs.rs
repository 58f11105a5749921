//! Inputs from fixed seeds, and targets filled with a recognisable wrong value between guards.

use crate::base::element::for_dtype;
use crate::expr::op::Draw;
use crate::{DType, Device, Element, Result, Shape, Tensor};

/// How the elements of an input are drawn.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fill {
    /// Evenly between two numbers. Whole for integers.
    Uniform(f64, f64),
    /// Whole numbers between two, both included: their sums and products are exact.
    Whole(i32, i32),
    /// Multiples of 1/4 between two numbers: half of them halfway between whole ones, and pairs are often equal.
    Quarters(i32, i32),
    /// NaN, infinities, zeros of both signs, the huge, the tiny and the ordinary, in turn.
    Special,
    /// The same, each held for as many elements as there are special values: with [`Fill::Special`], every pair.
    SpecialSlow,
    /// The ends of i32 and what lies beside them and zero, in turn.
    Extremes,
    /// The same, each held for as many elements as there are of them.
    ExtremesSlow,
}

impl From<Draw> for Fill {
    fn from(draw: Draw) -> Self {
        match draw {
            Draw::Uniform(low, high) => Self::Uniform(low, high),
            Draw::Whole(low, high) => Self::Whole(low, high),
            Draw::Quarters(low, high) => Self::Quarters(low, high),
        }
    }
}

/// Values at which arithmetic goes wrong first.
pub(super) const SPECIAL: [f64; 20] = [
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -1.5,
    2.5,
    1e-8,
    -1e-38,
    3.4e38,
    -3.4e38,
    65504.0,
    65520.0,
    -65536.0,
    16_777_217.0,
    -2_147_483_648.0,
    1e-40,
];

/// Values at which arithmetic on i32 wraps first.
pub(super) const EXTREMES: [f64; 9] =
    [i32::MIN as f64, i32::MIN as f64 + 1.0, -65536.0, -1.0, 0.0, 1.0, 46341.0, i32::MAX as f64 - 1.0, i32::MAX as f64];

/// Draws inputs for one case on one device.
pub(super) struct Inputs<'a> {
    pub(super) device: &'a Device,
    state: u64,
}

impl<'a> Inputs<'a> {
    pub(super) fn new(device: &'a Device, seed: u64) -> Self {
        Self { device, state: seed }
    }

    /// The next of a sequence of random bits (Steele, Lea and Flood's splitmix64).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn draw(&mut self, fill: Fill, index: usize) -> f64 {
        let unit = (self.next() >> 11) as f64 / 2f64.powi(53);
        let whole = |low: i32, high: i32| (unit * (f64::from(high) - f64::from(low) + 1.0)).floor() + f64::from(low);
        match fill {
            Fill::Uniform(low, high) => low + unit * (high - low),
            Fill::Whole(low, high) => whole(low, high),
            Fill::Quarters(low, high) => whole(low * 4, high * 4) / 4.0,
            Fill::Special => SPECIAL[index % SPECIAL.len()],
            Fill::SpecialSlow => SPECIAL[index / SPECIAL.len() % SPECIAL.len()],
            Fill::Extremes => EXTREMES[index % EXTREMES.len()],
            Fill::ExtremesSlow => EXTREMES[index / EXTREMES.len() % EXTREMES.len()],
        }
    }

    /// A new tensor. A bool is true where the number drawn is above the middle.
    pub(super) fn tensor(&mut self, shape: impl Into<Shape>, dtype: DType, fill: Fill) -> Result<Tensor> {
        let shape = shape.into();
        let values: Vec<f64> = (0..shape.numel())
            .map(|i| if dtype == DType::Bool { (self.next() >> 63) as f64 } else { self.draw(fill, i) })
            .collect();
        upload(&values, dtype, shape, self.device)
    }

    /// A tensor of f32.
    pub(super) fn f32(&mut self, shape: impl Into<Shape>, fill: Fill) -> Result<Tensor> {
        self.tensor(shape, DType::F32, fill)
    }
}

/// Uploads numbers as elements of `dtype`.
pub(super) fn upload(values: &[f64], dtype: DType, shape: Shape, device: &Device) -> Result<Tensor> {
    fn of<T: Element>(values: &[f64], shape: Shape, device: &Device) -> Result<Tensor> {
        let values: Vec<T> = values.iter().map(|&v| T::from_f64(v)).collect();
        Tensor::from_slice(&values, shape, device)
    }
    for_dtype!(dtype, T => of::<T>(values, shape, device))
}

/// A value no case computes, so that an element nobody wrote is seen.
pub(super) fn poison(dtype: DType) -> f64 {
    match dtype {
        DType::Bool => 1.0,
        DType::U8 => 165.0,
        DType::I8 => -91.0,
        DType::U16 => 53_184.0,
        DType::U32 | DType::U64 => 2_779_096_485.0,
        DType::I32 | DType::I64 => -1_515_870_811.0,
        DType::I16 | DType::F16 | DType::BF16 | DType::F32 | DType::F64 => -12_352.0,
    }
}

/// A target of poison in the middle of a buffer of it: what comes before and after must stay. Bools, which have no
/// value to spare, are poisoned with the opposite of what is wanted.
pub(super) fn guarded(shape: &Shape, dtype: DType, wanted: &[f64], front: usize, device: &Device) -> Result<Guarded> {
    const BACK: usize = 9;
    let n = shape.numel();
    let mut values = vec![poison(dtype); front + n + BACK];
    if dtype == DType::Bool {
        for (value, wanted) in values[front..].iter_mut().zip(wanted) {
            *value = 1.0 - wanted;
        }
    }
    let buffer = upload(&values, dtype, Shape::from([front + n + BACK]), device)?;
    let target = buffer.narrow(0, front, n)?.reshape(shape)?;
    Ok(Guarded { target, buffer })
}

/// A target and the whole buffer it is a view of.
pub(super) struct Guarded {
    pub(super) target: Tensor,
    pub(super) buffer: Tensor,
}
