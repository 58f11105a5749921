//! The rows of operations on the bits of integers, and the rows of those on the parts of floats.

use super::binary::BinaryBound;
use super::division::{has_zero, is_point};
use super::row::{DTypeRule, Draw, EVERYWHERE, Form, Grad, Integers, Logic, Row, Wgsl, Whole, lib, wraps};
use super::whole::Integer;
use crate::Expr;

/// The row of an operation on bits.
const fn bits(rule: DTypeRule, integers: Integers<2>, wgsl: Wgsl) -> Row<2, BinaryBound> {
    Row {
        rule,
        // No float has it.
        meaning: |_| 0.0,
        integers,
        grad: Grad::None,
        bound: BinaryBound::Corners { jump: |_| None },
        wgsl,
        domain: [EVERYWHERE; 2],
        draws: &[[Draw::Whole(-9, 9), Draw::Whole(-9, 9)]],
        places: &[],
    }
}

pub(super) const AND: Row<2, BinaryBound> =
    bits(DTypeRule::Bits(Some(Logic::And)), wraps!(|[a, b]| a & b, |[a, b]| Some(a & b)), Wgsl::operator("&"));

pub(super) const OR: Row<2, BinaryBound> =
    bits(DTypeRule::Bits(Some(Logic::Or)), wraps!(|[a, b]| a | b, |[a, b]| Some(a | b)), Wgsl::operator("|"));

pub(super) const XOR: Row<2, BinaryBound> =
    bits(DTypeRule::Bits(Some(Logic::Xor)), wraps!(|[a, b]| a ^ b, |[a, b]| Some(a ^ b)), Wgsl::operator("^"));

/// By as many bits as there are, or by a negative number of them, nothing is left.
pub(super) const LEFT_SHIFT: Row<2, BinaryBound> = bits(
    DTypeRule::Bits(None),
    wraps!(|[a, b]| a.shifted_left(b), |[a, b]| {
        let shifted = a.checked_shl(u32::try_from(b).ok()?)?;
        (shifted >> b == a).then_some(shifted)
    }),
    Wgsl::text("select(I(0), {0} << bitcast<U>({1} & I(31)), ({1} & I(31)) == {1})"),
);

/// By as many bits as there are, or by a negative number of them, the sign is left: 0 or -1.
pub(super) const RIGHT_SHIFT: Row<2, BinaryBound> = bits(
    DTypeRule::Bits(None),
    wraps!(|[a, b]| a.shifted_right(b), |[a, b]| u32::try_from(b).ok().map(|b| a >> b.min(63))),
    Wgsl::text("{0} >> bitcast<U>(select(I(31), {1}, ({1} & I(31)) == {1}))"),
);

pub(super) const HYPOT: Row<2, BinaryBound> = Row {
    rule: DTypeRule::Float,
    meaning: |[a, b]| a.hypot(b),
    integers: Integers::Converted,
    grad: Grad::Parts([|grad, [a, _], y| Some(grad * a / not_zero(y)), |grad, [_, b], y| Some(grad * b / not_zero(y))]),
    bound: BinaryBound::Corners { jump: hypot_jump },
    wgsl: Wgsl::call(&[lib!("hypot"), lib!("hypot_f64")]),
    domain: [EVERYWHERE; 2],
    draws: &[
        [Draw::Uniform(-9.0, 9.0), Draw::Uniform(-9.0, 9.0)],
        [Draw::Uniform(-9.0, 9.0), Draw::Uniform(-1e-3, 1e-3)],
    ],
    places: &[
        [0.0, 0.0],
        [3.0, 4.0],
        [1.0, 1.0],
        [1e18, 1e18],
        [1e-12, 1e-12],
        [1e-135, 1e-135],
        [1e150, 1e150],
        [2e38, 2e38],
    ],
};

/// `y`, and 1 where it is 0: the gradient of a distance is 0 there, not 0 / 0.
fn not_zero(y: &Expr) -> Expr {
    Expr::select(y.eq(0), 1, y)
}

/// The least and the largest distance of points of a rectangle from the origin.
fn hypot_jump([a, b]: [(f64, f64); 2]) -> Option<(f64, f64)> {
    let least = |x: (f64, f64)| if has_zero(x) { 0.0 } else { x.0.abs().min(x.1.abs()) };
    let largest = |x: (f64, f64)| x.0.abs().max(x.1.abs());
    (!is_point([a, b])).then(|| (least(a).hypot(least(b)), largest(a).hypot(largest(b))))
}

pub(super) const COPYSIGN: Row<2, BinaryBound> = Row {
    rule: DTypeRule::Float,
    meaning: |[a, b]| a.copysign(b),
    integers: Integers::Converted,
    grad: Grad::Parts([
        |grad, [a, _], y| Some(Expr::select(a.eq(0), 0, grad * y / Expr::select(a.eq(0), 1, a))),
        |_, _, _| None,
    ]),
    bound: BinaryBound::Corners { jump: |ends| Some(copysign_ends(ends)) },
    wgsl: Wgsl::call(&[lib!("copysign"), lib!("copysign_f64")]),
    domain: [EVERYWHERE, (0.01, f64::INFINITY)],
    draws: &[[Draw::Quarters(-9, 9), Draw::Uniform(-9.0, 9.0)]],
    places: &[],
};

/// The sign jumps at 0, where no engine promises either.
fn copysign_ends([a, b]: [(f64, f64); 2]) -> (f64, f64) {
    let size = a.0.abs().max(a.1.abs());
    if has_zero(b) {
        return (-size, size);
    }
    let least = if has_zero(a) { 0.0 } else { a.0.abs().min(a.1.abs()) };
    if b.0 > 0.0 { (least, size) } else { (-size, -least) }
}

/// Its meaning is that of f64s, which lie closer together than f32s: where those are computed, it has forms of its own.
pub(super) const NEXTAFTER: Row<2, BinaryBound> = Row {
    rule: DTypeRule::Wide,
    meaning: |[a, b]| libm::nextafter(a, b),
    integers: Integers::Converted,
    grad: Grad::Parts([|grad, _, _| Some(grad.clone()), |_, _, _| None]),
    bound: BinaryBound::Neighbour,
    wgsl: Wgsl::call(&[lib!("nextafter"), lib!("nextafter_f64")]).i32(Form::Operator("+")),
    domain: [EVERYWHERE; 2],
    draws: &[[Draw::Quarters(-3, 3), Draw::Quarters(-3, 3)]],
    places: &[],
};
