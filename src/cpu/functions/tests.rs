//! Each formula, for either kind of CPU, against the operation's meaning: `hadamard check` sees but the one that the machine
//! chooses.

use super::{Fused, Split, double, single};
use crate::{BinaryOp, UnaryOp};

/// An argument's bits all over f32, and numbers from where functions are mostly used.
fn arguments() -> impl Iterator<Item = f32> {
    let spread = (0..=u32::MAX).step_by(9973).map(f32::from_bits);
    let usual = [0.001, 1.0, 10.0, 90.0]
        .into_iter()
        .flat_map(|size| (0..20_000).map(move |i| size * ((i as f32 * 0.618_034).fract() * 2.0 - 1.0)));
    let special = [0.0, -0.0, 1.0, -1.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MIN_POSITIVE, 1e-40];
    spread.chain(usual).chain(special)
}

/// The error in units in the last place of a dtype of so many digits. Results that may be subnormal have none.
fn error(got: f64, want: f64, (digits, lowest, most): (i32, i32, f64)) -> f64 {
    let beyond = want.abs() > most * (1.0 - 2f64.powi(-digits));
    if got == want || got.is_nan() && want.is_nan() || beyond && got.abs() >= most || want.abs() < 2f64.powi(lowest) {
        return 0.0;
    }
    if got.is_nan() || want.is_nan() || got.is_infinite() {
        return f64::INFINITY;
    }
    let power = f64::from_bits(want.to_bits() & (0x7ff << 52));
    (got - want).abs() / (power * 2f64.powi(-digits))
}

const SINGLE: (i32, i32, f64) = (23, -126, f32::MAX as f64);
const DOUBLE: (i32, i32, f64) = (52, -1022, f64::MAX);

/// What is not to be measured: differences below 0, of which the bound is in last places of their terms.
fn is_difference(op: UnaryOp, x: f64) -> bool {
    matches!(op, UnaryOp::Lgamma | UnaryOp::Digamma) && x < 0.0
}

fn hold(op: UnaryOp, singles: [fn(f32) -> f32; 2], doubles: [fn(f64) -> f64; 2], is_far: [fn(f64) -> bool; 2]) {
    for x in arguments() {
        let exact = f64::from(x);
        let want = op.apply(exact);
        if is_difference(op, exact) || x.is_subnormal() {
            continue;
        }
        for i in 0..2 {
            if is_far[i](exact) {
                continue;
            }
            let got = singles[i](x);
            let off = error(got.into(), want, SINGLE);
            assert!(off <= op.ulp(), "{op:?}({x:e}) of f32, formula {i}: {got:e} not {want:e}, {off} off");
            let got = doubles[i](exact);
            let off = error(got, want, DOUBLE);
            assert!(off <= op.ulp(), "{op:?}({x:e}) of f64, formula {i}: {got:e} not {want:e}, {off} off");
        }
    }
}

macro_rules! hold {
    ($($op:ident $name:ident),*) => {
        $(hold(
            UnaryOp::$op,
            [single::$name::<Fused>, single::$name::<Split>],
            [double::$name::<Fused>, double::$name::<Split>],
            [|_| false; 2],
        );)*
    };
}

#[test]
fn formulas_of_one_argument_keep_their_bounds() {
    hold!(Exp exp, Exp2 exp2, Expm1 expm1, Log log, Log1p log1p, Log2 log2, Log10 log10, Sinh sinh, Cosh cosh, Tanh tanh);
    hold!(Asinh asinh, Acosh acosh, Atanh atanh, Asin asin, Acos acos, Atan atan, Erf erf, Erfc erfc, Erfinv erfinv);
    hold!(Sigmoid sigmoid, Gelu gelu, Ndtr ndtr, Lgamma lgamma, Digamma digamma, I0 i0, I1 i1);
}

#[test]
fn circular_formulas_keep_their_bounds_up_to_where_they_are_left() {
    macro_rules! circular {
        ($($op:ident $name:ident),*) => {
            $(hold(
                UnaryOp::$op,
                [single::$name::<Fused>, single::$name::<Split>],
                [double::$name::<Fused>, double::$name::<Split>],
                [|x| single::is_far::<Fused>(x as f32), |x| single::is_far::<Split>(x as f32)],
            );)*
        };
    }
    circular!(Sin sin, Cos cos, Tan tan);
}

#[test]
fn formulas_of_two_arguments_keep_their_bounds() {
    type Single = fn((f32, f32)) -> f32;
    type Double = fn((f64, f64)) -> f64;
    let table: [(BinaryOp, [Single; 2], [Double; 2]); 3] = [
        (BinaryOp::Pow, [single::pow::<Fused>, single::pow::<Split>], [double::pow::<Fused>, double::pow::<Split>]),
        (
            BinaryOp::Atan2,
            [single::atan2::<Fused>, single::atan2::<Split>],
            [double::atan2::<Fused>, double::atan2::<Split>],
        ),
        (
            BinaryOp::Hypot,
            [single::hypot::<Fused>, single::hypot::<Split>],
            [double::hypot::<Fused>, double::hypot::<Split>],
        ),
    ];
    let second = |i: usize| (i as f32 * 0.414_213_56).fract() * 8.0 - 4.0;
    for (op, singles, doubles) in table {
        for (i, a) in arguments().enumerate() {
            for b in [second(i), second(i).round(), a, f32::from_bits((i as u32).wrapping_mul(0x9e37_79b9))] {
                if a.is_subnormal() || b.is_subnormal() {
                    continue;
                }
                let (x, y) = (f64::from(a), f64::from(b));
                let want = op.apply(x, y);
                for k in 0..2 {
                    let off = error(singles[k]((a, b)).into(), want, SINGLE);
                    assert!(off <= op.ulp(), "{op:?}({a:e}, {b:e}) of f32, formula {k}: {off} off");
                    let off = error(doubles[k]((x, y)), want, DOUBLE);
                    assert!(off <= op.ulp(), "{op:?}({a:e}, {b:e}) of f64, formula {k}: {off} off");
                }
            }
        }
    }
}

#[test]
fn what_is_left_of_a_division_is_exact() {
    use super::division as left;
    let second = |i: usize| (i as f32 * 0.414_213_56).fract() * 8.0 - 4.0;
    let same = |got: f64, want: f64| got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan();
    for (i, a) in arguments().enumerate() {
        for b in [second(i), second(i).round(), a, a * 0.3, 1e-42, f32::from_bits((i as u32).wrapping_mul(0x9e37_79b9))]
        {
            let (x, y) = (f64::from(a), f64::from(b));
            for (op, single, double) in [
                (
                    BinaryOp::Fmod,
                    left::fmod_f32 as fn((f32, f32)) -> f32,
                    left::fmod_f64::<Fused> as fn((f64, f64)) -> f64,
                ),
                (BinaryOp::Remainder, left::remainder_f32, left::remainder_f64::<Fused>),
                (BinaryOp::FloorDivide, left::floor_divide_f32, left::floor_divide_f64::<Fused>),
            ] {
                let want = op.apply(x, y);
                if !left::is_far_f32((a, b)) {
                    assert!(
                        same(single((a, b)).into(), (want as f32).into()),
                        "{op:?} {a:e} by {b:e} of f32: {}",
                        single((a, b))
                    );
                }
                if !left::is_far_f64::<Fused>((x, y)) {
                    assert!(same(double((x, y)), want), "{op:?} {a:e} by {b:e} of f64: {} not {want}", double((x, y)));
                }
            }
        }
    }
}
