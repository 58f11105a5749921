//! Where the largest and the smallest elements are, and all of them in their order.

use smallvec::SmallVec;

use super::lower::Lowering;
use super::{Fold, Graph, Id, Step};
use crate::base::layout::{Layout, Strides};
use crate::expr::op::{BinaryOp, UnaryOp};
use crate::expr::order::Sort;
use crate::{DType, Scalar, Shape};

impl Lowering {
    /// The row-major number, among `dims`, of the largest element over them, or of the smallest; the first of equals.
    ///
    /// Of elements of 32 bits it is one reduction: an element, turned round if the largest is asked for, and its number are
    /// the words of an i64, of which the smallest has both.
    pub(super) fn arg_of(&mut self, largest: bool, dims: &[usize], arg: Id, shape: &Shape) -> Id {
        let dtype = self.values[arg].dtype;
        let domain = self.values[arg].shape.clone();
        let number = self.push(
            Step::Index { access: numbers(&domain, |d| dims.contains(&d)).into() },
            domain.clone(),
            DType::I32,
        );
        if matches!(dtype, DType::I64 | DType::F64) {
            return self.arg_of_long(largest, dims, arg, number, shape);
        }
        let mut order = arg;
        if dtype == DType::F32 {
            order = self.order(arg, largest);
        } else {
            order = self.convert(order, DType::I32);
            if largest {
                let ones = self.scalar(Scalar::Int(-1), DType::I32);
                order = self.push(Step::Binary(BinaryOp::BitwiseXor, order, ones), domain.clone(), DType::I32);
            }
        }
        let words = self.push(Step::Words([order, number]), domain, DType::I64);
        let step = Step::Reduce { op: Fold::Amin, dims: SmallVec::from_slice(dims), arg: words };
        let found = self.push(step, shape.clone(), DType::I64);
        let lower = self.scalar(Scalar::Int(u32::MAX.into()), DType::I64);
        self.push(Step::Binary(BinaryOp::BitwiseAnd, found, lower), shape.clone(), DType::I64)
    }

    /// Elements in their order along the last dim, or their places.
    pub(super) fn sorted(&mut self, mut arg: Id, sort: Sort, shape: &Shape) -> Id {
        if self.values[arg].dtype == DType::Bool {
            arg = self.convert(arg, DType::I32);
        }
        let dtype = if sort.values { self.values[arg].dtype } else { DType::I32 };
        self.push(Step::Sort { sort, arg }, shape.clone(), dtype)
    }

    /// The order of f32s, or that order turned round, as i32s: NaN first, for its order is the smallest i32, which turned
    /// round is itself. The floats themselves are not turned round: a driver may flush subnormals where it does.
    fn order(&mut self, arg: Id, turned: bool) -> Id {
        let shape = self.values[arg].shape.clone();
        let order = self.push(Step::Order(arg), shape.clone(), DType::I32);
        if turned { self.push(Step::Unary(UnaryOp::Neg, order), shape, DType::I32) } else { order }
    }

    /// [`arg_of`](Self::arg_of) for elements of 64 bits: the smallest number of those equal to the largest element.
    fn arg_of_long(&mut self, largest: bool, dims: &[usize], arg: Id, number: Id, shape: &Shape) -> Id {
        let dtype = self.values[arg].dtype;
        let domain = self.values[arg].shape.clone();
        let fold = if largest { Fold::Amax } else { Fold::Amin };
        let dims: SmallVec<[usize; 4]> = SmallVec::from_slice(dims);
        let found = self.push(Step::Reduce { op: fold, dims: dims.clone(), arg }, shape.clone(), dtype);
        let access = numbers(&domain, |d| !dims.contains(&d)).into();
        let found = self.push(Step::Read { of: found, access }, domain.clone(), dtype);
        let mut is_found = self.push(Step::Binary(BinaryOp::Eq, arg, found), domain.clone(), DType::Bool);
        if dtype == DType::F64 {
            let is_nan = self.push(Step::Unary(UnaryOp::IsNan, arg), domain.clone(), DType::Bool);
            is_found = self.push(Step::Binary(BinaryOp::Or, is_found, is_nan), domain.clone(), DType::Bool);
        }
        let none = self.push(Step::Index { access: none(&domain).into() }, domain.clone(), DType::I32);
        let number = self.push(Step::Select(is_found, number, none), domain, DType::I32);
        let first = self.push(Step::Reduce { op: Fold::Amin, dims, arg: number }, shape.clone(), DType::I32);
        self.convert(first, DType::I64)
    }
}

/// What the steps of [`arg_of`](Lowering::arg_of) for elements of 64 bits come to.
#[derive(Clone, Copy)]
pub(crate) struct Extreme {
    pub(crate) largest: bool,
    /// The elements, and the number of each.
    pub(crate) of: [Id; 2],
}

impl Graph {
    /// The place that a reduction finds with one before it, for those who find both in one go.
    pub(crate) fn extreme_of(&self, id: Id) -> Option<Extreme> {
        let step = |id: Id| &self.values[id].step;
        let Step::Reduce { op: Fold::Amin, dims, arg } = step(id) else { return None };
        let &Step::Select(is_found, number, other) = step(*arg) else { return None };
        let domain = &self.values[*arg].shape;
        let is_none = |step: &Step| matches!(step, Step::Index { access } if access.layout() == Some(&none(domain)));
        if !matches!(step(number), Step::Index { .. }) || !is_none(step(other)) {
            return None;
        }
        let (is_found, nan) = match *step(is_found) {
            Step::Binary(BinaryOp::Or, is_found, nan) => (is_found, Some(nan)),
            _ => (is_found, None),
        };
        let &Step::Binary(BinaryOp::Eq, x, extreme) = step(is_found) else { return None };
        let Step::Read { of, access } = step(extreme) else { return None };
        let Step::Reduce { op, dims: over, arg: of } = step(*of) else { return None };
        let of_kept = numbers(domain, |d| !dims.contains(&d));
        let is_of_all = *of == x && over == dims && access.layout() == Some(&of_kept);
        let looks_for_nan = nan.is_some_and(|nan| matches!(*step(nan), Step::Unary(UnaryOp::IsNan, of) if of == x));
        let fits = match self.values[x].dtype {
            DType::F64 => looks_for_nan,
            DType::I64 => nan.is_none(),
            _ => false,
        };
        let largest = match op {
            Fold::Amax => true,
            Fold::Amin => false,
            _ => return None,
        };
        (is_of_all && fits).then_some(Extreme { largest, of: [x, number] })
    }
}

/// A number that no element has, at each place.
fn none(domain: &Shape) -> Layout {
    Layout::new(domain.clone(), Strides::from_elem(0, domain.rank()), i32::MAX as usize)
}

/// The row-major number of each element among some dims, as a place.
fn numbers(domain: &Shape, among: impl Fn(usize) -> bool) -> Layout {
    let mut strides = Strides::from_elem(0, domain.rank());
    let mut step = 1;
    for dim in (0..domain.rank()).rev().filter(|&dim| among(dim)) {
        strides[dim] = step;
        step *= domain[dim] as isize;
    }
    Layout::new(domain.clone(), strides, 0)
}
