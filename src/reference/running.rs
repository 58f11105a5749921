//! Reductions and scans one element at a time: what those so far come to, with bounds that hold whatever the order of the
//! additions.

use super::approx::{Allowance, Approx, integer};
use super::elementwise::binary;
use crate::{BinaryOp, DType, ScanOp};

/// What the elements so far come to.
pub(super) enum Running {
    Integer { total: i64, certain: bool, to: DType, step: fn(i64, i64) -> i64 },
    Sum(Sum),
    Product(Product),
    Extreme(Extreme),
    Logsumexp(Logsumexp),
}

impl Running {
    /// Nothing yet of a scan with results of dtype `to`.
    pub(super) fn new(op: ScanOp, to: DType) -> Self {
        match op {
            ScanOp::Cumsum if !to.is_float() => Self::Integer { total: 0, certain: true, to, step: i64::wrapping_add },
            ScanOp::Cumprod if !to.is_float() => Self::Integer { total: 1, certain: true, to, step: i64::wrapping_mul },
            ScanOp::Cumsum => Self::Sum(Sum::new(to.compute())),
            ScanOp::Cumprod => Self::Product(Product::new(to.compute())),
            ScanOp::Cummax => Self::Extreme(Extreme::new(BinaryOp::Maximum, to)),
            ScanOp::Cummin => Self::Extreme(Extreme::new(BinaryOp::Minimum, to)),
            ScanOp::Logcumsumexp => Self::Logsumexp(Logsumexp::new(to.compute())),
        }
    }

    pub(super) fn push(&mut self, x: Approx) {
        match self {
            Self::Integer { total, certain, step, .. } => {
                *total = step(*total, x.v as i64);
                *certain &= x.is_exact();
            }
            Self::Sum(sum) => sum.push(x),
            Self::Product(product) => product.push(x),
            Self::Extreme(extreme) => extreme.push(x),
            Self::Logsumexp(sum) => sum.push(x),
        }
    }

    pub(super) fn value(&self) -> Approx {
        match self {
            &Self::Integer { total, certain, to, .. } => integer(total, to, certain),
            Self::Sum(sum) => sum.value(),
            Self::Product(product) => product.value(),
            Self::Extreme(extreme) => extreme.value(),
            Self::Logsumexp(sum) => sum.value(),
        }
    }
}

/// The sum of *n* values, each `vᵢ ± eᵢ`, in any order: `Σ eᵢ + 2 n ε Σ |vᵢ|`, and nothing at all where no partial
/// sum needs rounding.
pub(super) struct Sum {
    compute: DType,
    n: usize,
    total: f64,
    size: f64,
    error: f64,
    has_infinite: bool,
    has_nan: bool,
    all_negative: bool,
    /// The exponent of the last binary digit of any of them that is not 0.
    lowest: Option<i32>,
}

impl Sum {
    pub(super) fn new(compute: DType) -> Self {
        let (n, total, size, error, has_infinite, has_nan) = (0, 0.0, 0.0, 0.0, false, false);
        Self { compute, n, total, size, error, has_infinite, has_nan, all_negative: true, lowest: None }
    }

    pub(super) fn push(&mut self, x: Approx) {
        self.n += 1;
        self.total += x.v;
        self.error += x.e;
        if x.v.is_finite() {
            self.size += x.v.abs();
        } else {
            self.has_infinite = true;
        }
        self.has_nan |= x.v.is_nan() && x.is_exact();
        self.all_negative &= x.v.is_sign_negative();
        if x.v != 0.0 {
            let digit = lowest_digit(x.v);
            self.lowest = Some(self.lowest.map_or(digit, |lowest| lowest.min(digit)));
        }
    }

    pub(super) fn value(&self) -> Approx {
        let &Self { compute, n, total, size, error, .. } = self;
        if self.has_nan {
            return Approx::exact(f64::NAN);
        }
        let limit = f64::from(f32::MAX);
        if self.has_infinite {
            let may_overflow = compute == DType::F32 && size + error > limit;
            return if may_overflow || error > 0.0 && !error.is_finite() {
                Approx::unknown(total)
            } else {
                Approx::exact(total)
            };
        }
        if n > 0 && size == 0.0 && error == 0.0 && self.all_negative {
            // An engine may start from 0, and 0 + -0 is 0.
            return Approx::exact(total).of_either_sign(compute);
        }
        if n < 2 || error == 0.0 && self.adds_exactly() {
            return Approx { v: total, e: error };
        }
        let allowance = Allowance { relative: 0.0, absolute: 2.0 * n as f64 * size };
        let result = Approx { v: total, e: error }.rounded(allowance, compute);
        // Some order may overflow on the way although the total does not; not if all have one sign.
        if compute == DType::F32 && size + error > limit && total.is_finite() && total.abs() < size {
            return Approx::unknown(total);
        }
        result
    }

    /// Whether all values are multiples of one power of two, and few enough of it that any partial sum, in any order,
    /// is a value of the dtype.
    fn adds_exactly(&self) -> bool {
        let digits = if self.compute == DType::F64 { 53 } else { 24 };
        self.lowest.is_none_or(|lowest| lowest > -120 && self.size <= 2f64.powi(lowest + digits))
    }
}

/// The exponent of the last binary digit that is not 0.
fn lowest_digit(v: f64) -> i32 {
    let bits = v.to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i32;
    let mantissa = (bits & ((1 << 52) - 1)) | if exponent > 0 { 1 << 52 } else { 0 };
    exponent.max(1) - 1075 + mantissa.trailing_zeros() as i32
}

/// The product in any order: the bounds of multiplying one by one, unless some order leaves the range on the way.
pub(super) struct Product {
    compute: DType,
    n: usize,
    one_by_one: Approx,
    /// Sums of the logarithms of sizes above 1 and below.
    above: f64,
    below: f64,
    has_special: bool,
    has_nan: bool,
    /// Whether all are whole numbers, which never round while they have few digits.
    is_whole: bool,
}

impl Product {
    pub(super) fn new(compute: DType) -> Self {
        let (n, one_by_one, above, below) = (0, Approx::exact(1.0), 0.0, 0.0);
        Self { compute, n, one_by_one, above, below, has_special: false, has_nan: false, is_whole: true }
    }

    pub(super) fn push(&mut self, x: Approx) {
        self.n += 1;
        self.one_by_one = binary(BinaryOp::Mul, self.one_by_one, x, self.compute, self.compute);
        if x.v != 0.0 && x.v.is_finite() {
            let log = (x.v.abs() + x.e).log2();
            if log > 0.0 { self.above += log } else { self.below += log }
        } else {
            self.has_special = true;
        }
        self.has_nan |= x.v.is_nan() && x.is_exact();
        self.is_whole &= x.is_exact() && x.v.is_finite() && x.v.fract() == 0.0;
    }

    pub(super) fn value(&self) -> Approx {
        let &Self { compute, n, one_by_one, above, below, .. } = self;
        if self.has_nan {
            return Approx::exact(f64::NAN);
        }
        let range = if compute == DType::F64 { 1020.0 } else { 125.0 };
        let leaves = above > range || below < -range;
        // All factors at least 1 and the product beyond the range: infinite in any order.
        let surely_infinite = one_by_one.v.is_infinite() && below == 0.0 && !self.has_special;
        if leaves && !surely_infinite {
            return Approx::unknown(one_by_one.v);
        }
        if self.is_whole && above < 24.0 {
            return Approx::exact(one_by_one.v);
        }
        // Another order may round where this one happened not to.
        let allowance = Allowance { relative: n as f64, absolute: 0.0 };
        if n < 2 { one_by_one } else { one_by_one.rounded(allowance, compute) }
    }
}

/// The largest or smallest, in any order.
pub(super) struct Extreme {
    op: BinaryOp,
    to: DType,
    /// The extreme of values, of their lower bounds and of their upper bounds; none of nothing.
    of: Option<[f64; 3]>,
    has_unknown: bool,
    has_nan: bool,
    /// Whether there are zeros with the sign and without, of which either may be taken for the larger.
    zeros: [bool; 2],
}

impl Extreme {
    pub(super) fn new(op: BinaryOp, to: DType) -> Self {
        Self { op, to, of: None, has_unknown: false, has_nan: false, zeros: [false; 2] }
    }

    pub(super) fn push(&mut self, x: Approx) {
        let bounds = [x.v, x.v - x.e, x.v + x.e];
        self.of = Some(self.of.map_or(bounds, |of| [0, 1, 2].map(|i| self.op.apply(of[i], bounds[i]))));
        self.has_unknown |= x.is_unknown();
        self.has_nan |= x.v.is_nan() && x.is_exact();
        if x.v == 0.0 {
            self.zeros[usize::from(x.v.is_sign_negative())] = true;
        }
    }

    pub(super) fn value(&self) -> Approx {
        let [v, low, high] = self.of.unwrap_or([f64::NAN; 3]);
        if self.has_unknown && !self.has_nan {
            return Approx::unknown(v);
        }
        let y = Approx::hull(v, &[low, high]);
        if v == 0.0 && self.to.is_float() && self.zeros == [true; 2] { y.of_either_sign(self.to.compute()) } else { y }
    }
}

/// The logarithm of the sum of exponentials, in any order: each step rounds a partial result and adds a few units of what
/// it adds, which is at most log 2.
pub(super) struct Logsumexp {
    compute: DType,
    n: usize,
    largest: f64,
    sum: f64,
    error: f64,
    /// The largest size of any finite value or partial result.
    size: f64,
    has_nan: bool,
}

impl Logsumexp {
    fn new(compute: DType) -> Self {
        Self { compute, n: 0, largest: f64::NEG_INFINITY, sum: 0.0, error: 0.0, size: 0.0, has_nan: false }
    }

    fn push(&mut self, x: Approx) {
        self.n += 1;
        self.error = self.error.max(x.e);
        self.has_nan |= x.v.is_nan() && x.is_exact();
        if x.v > self.largest {
            self.sum = self.sum * (self.largest - x.v).exp() + 1.0;
            self.largest = x.v;
        } else {
            self.sum += if x.v == self.largest { 1.0 } else { (x.v - self.largest).exp() };
        }
        for v in [x.v, self.total()] {
            if v.is_finite() {
                self.size = self.size.max(v.abs());
            }
        }
    }

    fn total(&self) -> f64 {
        self.largest + self.sum.ln()
    }

    fn value(&self) -> Approx {
        if self.has_nan {
            return Approx::exact(f64::NAN);
        }
        let y = Approx { v: self.total(), e: self.error };
        let allowance = Allowance { relative: 0.0, absolute: 2.0 * self.n as f64 * (self.size + 4.0) };
        if self.n < 2 { y } else { y.rounded(allowance, self.compute) }
    }
}
