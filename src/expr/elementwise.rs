//! Elementwise functions and operations: shapes broadcast, dtypes are promoted, and what changes nothing is dropped.

use smallvec::smallvec;

use super::literal::{fold_binary, fold_unary};
use super::node::{Expr, Op};
use super::op::{BinaryOp, DTypeRule, Integers, Logic, UnaryOp};
use super::range::{check_element, settle};
use super::unsigned;
use super::views::carry;
use crate::base::dtype::result_type;
use crate::{DType, Error, Result, Scalar, Shape};

impl Expr {
    /// Applies an elementwise function.
    ///
    /// The named methods ([`exp`](Self::exp), [`abs`](Self::abs), …) are this with the operation filled in.
    #[must_use]
    pub fn unary(&self, op: UnaryOp) -> Self {
        carry(self.try_unary(op))
    }

    fn try_unary(&self, op: UnaryOp) -> Result<Self> {
        self.check()?;
        if let Some(value) = self.as_scalar() {
            return fold_unary(op, value).map(Self::scalar);
        }
        if self.as_number().is_some() {
            return self.grounded().try_unary(op);
        }
        let row = op.row();
        let (from, to) = row.rule.dtypes(op.name(), self.dtype())?;
        let is_own_result = match row.rule {
            DTypeRule::Same(Logic::Itself) if from == DType::Bool => true,
            _ => matches!(row.integers, Integers::Itself) && !from.is_float(),
        };
        if is_own_result {
            return Ok(self.clone());
        }
        if from == DType::U64
            && let Some(result) = unsigned::unary(op, self)
        {
            return Ok(result);
        }
        match op {
            // A double negation is nothing.
            UnaryOp::Neg if matches!(self.0.op, Op::Unary(UnaryOp::Neg)) => return Ok(self.0.args[0].clone()),
            // No integer differs from itself.
            UnaryOp::IsNan if !from.is_float() => return self.try_binary(BinaryOp::Ne, self),
            _ => {}
        }
        Ok(Self::new(Op::Unary(op), smallvec![self.convert(from)], self.shape().clone(), to))
    }

    /// Applies an elementwise operation of two arguments, broadcasting and promoting as PyTorch does.
    #[must_use]
    pub fn binary(&self, op: BinaryOp, rhs: impl Into<Self>) -> Self {
        carry(self.try_binary(op, &rhs.into()))
    }

    fn try_binary(&self, op: BinaryOp, rhs: &Self) -> Result<Self> {
        self.check()?;
        rhs.check()?;
        if let (Some(a), Some(b)) = (self.as_scalar(), rhs.as_scalar()) {
            return fold_binary(op, a, b).map(Self::scalar);
        }
        if self.as_number().is_some() && rhs.as_number().is_some() {
            return self.grounded().try_binary(op, &rhs.grounded());
        }
        let shape = self.shape().broadcast(rhs.shape(), op.name())?;
        let operands = [(self.dtype(), self.0.standing), (rhs.dtype(), rhs.0.standing)];
        let promoted = result_type(op.name(), operands)?;
        let rule = op.row().rule;
        let (from, to) = rule.dtypes(op.name(), promoted)?;
        if let Some(result) = settle(op, [self, rhs], from, to)? {
            return Ok(result);
        }
        if shape == *self.shape()
            && to == self.dtype()
            && let Some(same) = rhs.as_scalar().and_then(|s| self.simplify_right(op, s))
        {
            return Ok(same);
        }
        if op == BinaryOp::Mul && shape == *rhs.shape() && to == rhs.dtype() && is_one(self) {
            return Ok(rhs.clone());
        }
        if from == DType::U64
            && let Some(result) = unsigned::binary(op, self, rhs)?
        {
            return Ok(result);
        }
        // Arithmetic on bool is logic: one operation fewer for every backend to know.
        let op = match rule {
            DTypeRule::Same(Logic::And) | DTypeRule::Bits(Some(Logic::And)) if from == DType::Bool => BinaryOp::And,
            DTypeRule::Same(Logic::Or) | DTypeRule::Bits(Some(Logic::Or)) if from == DType::Bool => BinaryOp::Or,
            DTypeRule::Bits(Some(Logic::Xor)) if from == DType::Bool => BinaryOp::Ne,
            _ => op,
        };
        let from = if from == DType::Bool && op.row().rule == DTypeRule::Predicate { DType::U8 } else { from };
        let mut args = smallvec![self.convert(from), rhs.convert(from)];
        // On the right a number would be the bound of a clamp, which has another gradient.
        if matches!(op, BinaryOp::Maximum | BinaryOp::Minimum) && rhs.as_number().is_some() {
            args.reverse();
        }
        Ok(Self::new(Op::Binary(op), args, shape, to))
    }

    /// `self op number` simplified, if that changes no result, not even of NaN, an infinity or a signed zero.
    fn simplify_right(&self, op: BinaryOp, rhs: Scalar) -> Option<Self> {
        let rhs = rhs.to_f64();
        match op {
            BinaryOp::Mul | BinaryOp::Div | BinaryOp::Pow if rhs == 1.0 => Some(self.clone()),
            // x + 0 is not x where x is -0; x - 0 is.
            BinaryOp::Sub if rhs == 0.0 && rhs.is_sign_positive() => Some(self.clone()),
            BinaryOp::Pow if rhs == 2.0 => Some(self.square()),
            BinaryOp::Pow if rhs == 3.0 => Some(self.square().binary(BinaryOp::Mul, self)),
            BinaryOp::Pow if rhs == 0.5 && self.dtype().is_float() => Some(self.sqrt()),
            BinaryOp::Pow if rhs == -1.0 && self.dtype().is_float() => Some(self.reciprocal()),
            _ => None,
        }
    }

    /// Converts to `dtype`, rounding once to nearest even. Floats become integers by truncation, saturating, and
    /// bool by comparison with 0; integers wrap.
    #[must_use]
    pub fn cast(&self, dtype: DType) -> Self {
        if self.error().is_some() || self.dtype() == dtype && self.as_number().is_none() {
            return self.clone();
        }
        if self.as_number().is_none()
            && let Some(result) = unsigned::cast(self, dtype)
        {
            return result;
        }
        Self::new(Op::Cast, smallvec![self.clone()], self.shape().clone(), dtype)
    }

    /// A cell as a value of rank 0, which it is where it meets no tensor. Other numbers stay as they are.
    fn grounded(&self) -> Self {
        if self.as_scalar().is_some() {
            return self.clone();
        }
        Self::new(Op::Promote, smallvec![self.clone()], Shape::default(), self.dtype())
    }

    /// Converts an argument to the dtype an operation works in. Numbers are converted when the kernel is prepared.
    pub(crate) fn convert(&self, dtype: DType) -> Self {
        if self.as_number().is_some() || self.dtype() == dtype {
            return self.clone();
        }
        if let Some(result) = unsigned::cast(self, dtype) {
            return result;
        }
        Self::new(Op::Promote, smallvec![self.clone()], self.shape().clone(), dtype)
    }

    /// Elements of `self` where `condition` is true and of `other` elsewhere: PyTorch's `where(condition, self, other)`.
    /// All three broadcast. NaN in the branch not taken does not leak.
    #[must_use]
    pub fn select(condition: impl Into<Self>, on_true: impl Into<Self>, on_false: impl Into<Self>) -> Self {
        Self::select_of([&condition.into(), &on_true.into(), &on_false.into()])
    }

    fn select_of(args: [&Self; 3]) -> Self {
        carry((|| {
            for arg in args {
                arg.check()?;
            }
            let [c, a, b] = args;
            if c.dtype() != DType::Bool {
                return Err(Error::DType { op: "where", expected: "a bool condition", found: c.dtype() });
            }
            let dtype = result_type("where", [(a.dtype(), a.0.standing), (b.dtype(), b.0.standing)])?;
            for branch in [a, b] {
                match branch.as_scalar() {
                    // PyTorch lets what is rounded more than once become an infinity.
                    Some(Scalar::Float(_)) if matches!(dtype, DType::F16 | DType::BF16) => {}
                    Some(number) => check_element("where", number, dtype)?,
                    None => {}
                }
            }
            let shape = c.shape().broadcast(a.shape(), "where")?.broadcast(b.shape(), "where")?;
            Ok(Self::new(Op::Select, smallvec![c.clone(), a.convert(dtype), b.convert(dtype)], shape, dtype))
        })())
    }

    /// `self` kept between `low` and `high`; NaN stays. Where `low > high` the result is `high`, as in PyTorch. At a bound
    /// that is a number the gradient is 0; with one that is a tensor each has half of it.
    #[must_use]
    pub fn clamp(&self, low: impl Into<Self>, high: impl Into<Self>) -> Self {
        self.clamp_min(low).clamp_max(high)
    }

    /// The larger of `self` and a bound: [`maximum`](Self::maximum), but of a number with a gradient of 0 where they are
    /// equal, as [`clamp`](Self::clamp) has it.
    #[must_use]
    pub fn clamp_min(&self, low: impl Into<Self>) -> Self {
        self.maximum(low).with_bound_right()
    }

    /// The smaller of `self` and a bound; see [`clamp_min`](Self::clamp_min).
    #[must_use]
    pub fn clamp_max(&self, high: impl Into<Self>) -> Self {
        self.minimum(high).with_bound_right()
    }

    /// A maximum or minimum of a number and something else with the number on its right, which says that it is a bound.
    fn with_bound_right(self) -> Self {
        match (&self.0.op, &self.0.args[..]) {
            (Op::Binary(BinaryOp::Maximum | BinaryOp::Minimum), [bound, of]) if bound.as_number().is_some() => {
                self.with_args(smallvec![of.clone(), bound.clone()])
            }
            _ => self,
        }
    }

    /// The smaller of `self` and a number; NaN stays. Where they are equal `self` has the whole gradient, as where a
    /// formula for one side holds at its end, too.
    pub(super) fn capped(&self, most: impl Into<Self>) -> Self {
        let most = most.into();
        Self::select(self.gt(&most), most, self)
    }

    /// The root of order `p` of what is not negative, with a gradient of 0 where it is 0. The slope is infinite there,
    /// and infinity times the 0 that what is below hands on would be NaN; PyTorch's norms and deviations have 0, too.
    pub(super) fn root_flat_at_zero(&self, p: f64) -> Self {
        let is_zero = self.eq(0);
        // Whatever stands in for 0 is not taken. It is small, so that a value in doubt has a root near 0, too.
        let positive = Self::select(&is_zero, 1e-30, self);
        Self::select(is_zero, 0, if p == 2.0 { positive.sqrt() } else { positive.pow(1.0 / p) })
    }

    /// `self + weight * (end - self)`, computed from the nearer end so that both ends are exact. Integers are an error, as
    /// in PyTorch.
    #[must_use]
    pub fn lerp(&self, end: impl Into<Self>, weight: impl Into<Self>) -> Self {
        let (end, weight) = (end.into(), weight.into());
        // The way from one integer to another may be longer than their dtype has numbers for.
        if self.error().or(end.error()).is_none() {
            match self.dtype().promoted(end.dtype(), "lerp") {
                Ok(dtype) if dtype.is_float() => {}
                Ok(found) => {
                    return Self::invalid(Error::DType { op: "lerp", expected: "floats (cast integers first)", found });
                }
                Err(error) => return Self::invalid(error),
            }
        }
        let step = &end - self;
        match weight.as_scalar() {
            Some(w) if w.to_f64().abs() < 0.5 => self + weight * step,
            Some(_) => &end - step * (1 - weight),
            // One sum of what is chosen, not a choice of two sums: the gradient of the other would be 0 times the
            // weight, which is NaN where that is infinite.
            None => {
                let is_near = weight.abs().lt(0.5);
                let from = Self::select(&is_near, self, &end);
                from + Self::select(is_near, &weight, &weight - 1) * step
            }
        }
    }

    /// `self * self`; of a bool, as an i64.
    #[must_use]
    pub fn square(&self) -> Self {
        if self.dtype() == DType::Bool {
            return self.binary(BinaryOp::Mul, 1);
        }
        self.binary(BinaryOp::Mul, self)
    }

    /// `1 / self`.
    #[must_use]
    pub fn reciprocal(&self) -> Self {
        Self::from(1.0).binary(BinaryOp::Div, self)
    }
}

fn is_one(expr: &Expr) -> bool {
    expr.as_scalar().is_some_and(|s| s.to_f64() == 1.0)
}
