//! Transcendental functions of f32 without branches or calls, so that a loop over them becomes SIMD code.
//!
//! Polynomials and splittings of constants are those of Cephes (Stephen Moshier) where nothing else is said. Every
//! result is within a few units in the last place, subnormal results within one subnormal.
//! The standard library's functions are called where there is no loop to win.

/// Adding this to a small number rounds it to an integer, to nearest even, in the low bits of the sum.
const MAGIC: f32 = 12_582_912.0;
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;

/// `2^n` for an integer `n` of -126 to 127.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits(((n + 127) as u32) << 23)
}

/// The integer `n` nearest to `x / ln 2`, and `r = x - n ln 2`.
#[inline(always)]
fn split_exp(x: f32) -> (i32, f32) {
    let shifted = x * std::f32::consts::LOG2_E + MAGIC;
    let n = shifted - MAGIC;
    let r = x - n * LN2_HIGH - n * LN2_LOW;
    ((shifted.to_bits() as i32).wrapping_sub(MAGIC.to_bits() as i32), r)
}

/// `e^r - 1 - r` for `r` up to half of ln 2.
#[inline(always)]
fn exp_short(r: f32) -> f32 {
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_2e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 0.166_666_65;
    let p = p * r + 0.5;
    p * r * r
}

/// `x 2^n`, in two steps: 2^n itself may be infinite or subnormal where the result is neither.
#[inline(always)]
fn scale(x: f32, n: i32) -> f32 {
    let half = n >> 1;
    x * power_of_two(half) * power_of_two(n - half)
}

#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    // Beyond these it is infinity and 0. NaN passes.
    let x = if x > 89.0 { 89.0 } else { x };
    let x = if x < -104.0 { -104.0 } else { x };
    let (n, r) = split_exp(x);
    scale(exp_short(r) + r + 1.0, n)
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[inline(always)]
pub(super) fn tanh(x: f32) -> f32 {
    let magnitude = x.abs();
    let large = 1.0 - 2.0 / (exp(magnitude * 2.0) + 1.0);
    let s = x * x;
    let p = -5.704_988_7e-3;
    let p = p * s + 2.063_909e-2;
    let p = p * s - 5.373_971_6e-2;
    let p = p * s + 0.133_314_42;
    let p = p * s - 0.333_332_8;
    let small = p * s * x + x;
    if magnitude < 0.625 { small } else { large.copysign(x) }
}

#[inline(always)]
pub(super) fn log(x: f32) -> f32 {
    // Subnormals are made normal first.
    let tiny = x < f32::MIN_POSITIVE;
    let scaled = if tiny { x * 8_388_608.0 } else { x };
    // The mantissa between √½ and √2.
    let bits = scaled.to_bits().wrapping_sub(0x3f35_04f3);
    let exponent = (bits as i32 >> 23) as f32 - if tiny { 23.0 } else { 0.0 };
    let m = f32::from_bits((bits & 0x007f_ffff).wrapping_add(0x3f35_04f3)) - 1.0;
    let z = m * m;
    let p = 7.037_683_6e-2;
    let p = p * m - 0.115_146_1;
    let p = p * m + 0.116_769_984;
    let p = p * m - 0.124_201_41;
    let p = p * m + 0.142_493_22;
    let p = p * m - 0.166_680_57;
    let p = p * m + 0.200_007_14;
    let p = p * m - 0.249_999_94;
    let p = p * m + 0.333_333_3;
    let y = p * m * z + exponent * LN2_LOW - 0.5 * z;
    let y = m + y + exponent * LN2_HIGH;
    let y = if x > 0.0 { y } else { f32::NAN };
    let y = if x == 0.0 { f32::NEG_INFINITY } else { y };
    // Infinity and NaN are their own logarithms.
    if x < f32::INFINITY { y } else { x }
}

/// After Norbert Juffa's `erff`.
#[inline(always)]
pub(super) fn erf(x: f32) -> f32 {
    let (t, s) = (x.abs(), x * x);
    let p = -1.728_534_7e-5 * t + 3.831_971_3e-4;
    let q = -3.883_964_4e-3 * t + 2.425_462_2e-2;
    let p = p * s + q;
    let p = p * t - 0.106_777_88;
    let p = p * t - 0.634_846_7;
    let p = p * t - 0.128_717_51;
    let large = (1.0 - exp(p * t - t)).copysign(x);
    let p = -5.967_617e-4;
    let p = p * s + 4.991_194_3e-3;
    let p = p * s - 2.676_813_5e-2;
    let p = p * s + 0.112_819_925;
    let p = p * s - 0.376_125_34;
    let p = p * s + 0.128_379_17;
    let small = p * x + x;
    if t > 0.927_734_4 { large } else { small }
}

/// As in `shaders/lib/gelu.wgsl`.
#[inline(always)]
pub(super) fn gelu(x: f32) -> f32 {
    let z = x * x;
    let p = 5.372_643e-7;
    let p = p * z - 9.274_401e-6;
    let p = p * z + 1.153_207_5e-4;
    let p = p * z - 1.187_288_8e-3;
    let p = p * z + 9.973_581e-3;
    let p = p * z - 6.649_042e-2;
    let p = p * z + 0.398_942_3;
    let near = x * (0.5 + x * p);
    // Beyond this the tail is 0. NaN passes.
    let size = x.abs();
    let a = if size > 14.5 { 14.5 } else { size };
    let (n, e) = exp_half_square(a);
    let u = ((1.207_606e-2 * a + 7.667_377e-2) * a + 0.254_889_16) * a + 0.399_200_05;
    let v = ((3.027_012_8e-2 * a + 0.192_154_27) * a + 0.730_986_24) * a + 1.558_476_7;
    let v = (v * a + 1.895_927_2) * a + 1.0;
    let t = 0.398_942_3 - u / v;
    let tail = scale(t + t * e, n);
    // NaN of minus infinity, which is multiplied by 0.
    let far = if x < 0.0 { x * 0.0 - tail } else { x - tail };
    if size < 1.0 { near } else { far }
}

/// The distribution function Φ of the normal distribution.
///
/// For `a = |x|`, Φ(-a) is `e^(-a²/2) / (√2π a + u(a) / v(a))`, all of whose terms are positive, so that nothing cancels; what
/// rounding makes of `u` and `v` counts less, the larger `a` is. It is quicker than the formulas of `shaders/lib/gelu.wgsl`,
/// and as accurate where division is exact.
/// `u / v` interpolates at the Chebyshev nodes of `(a - 2) / (a + 2)` for `a` from 0 to 14.5, solved for with 90 digits
/// (mpmath). The first coefficient of `u` is twice that of `v`, so that Φ(0) is 1/2.
#[inline(always)]
pub(super) fn ndtr(x: f32) -> f32 {
    // Beyond this the tail is 0. NaN passes.
    let size = x.abs();
    let a = if size > 14.5 { 14.5 } else { size };
    let (n, e) = exp_half_square(a);
    let u = ((2.452_292_7e-3 * a + 2.952_041_3e-2) * a + 0.165_004_83) * a + 0.501_033;
    let u = u * a + 0.797_884_6;
    let v = ((9.782_275e-4 * a + 1.178_183_9e-2) * a + 6.767_548_6e-2) * a + 0.224_838_53;
    let v = (v * a + 0.432_206_6) * a + 0.398_942_3;
    let t = v / (2.506_628_3 * a * v + u);
    let tail = scale(t + t * e, n);
    if x < 0.0 { tail } else { 1.0 - tail }
}

/// `n` and `e` of `e^(-a²/2) = 2^n (1 + e)`. `a²` is in two parts, the first of which is exact: its rounding alone would be
/// off by hundreds of units.
#[inline(always)]
fn exp_half_square(a: f32) -> (i32, f32) {
    let high = f32::from_bits(a.to_bits() & 0xffff_f000);
    let (n, r) = split_exp(-0.5 * (high * high));
    let r = r - 0.5 * (a - high) * (a + high);
    (n, exp_short(r) + r)
}

#[cfg(test)]
mod tests {
    use crate::expr::op::{gelu, ndtr};

    /// The largest error of `f` in units in the last place of the exact value, and where, over every 997th f32.
    fn worst(f: impl Fn(f32) -> f32, exact: impl Fn(f64) -> f64) -> (f64, f32) {
        let mut worst = (0.0, 0.0);
        for bits in (0..=u32::MAX).step_by(997) {
            let x = f32::from_bits(bits);
            let (y, want) = (f64::from(f(x)), exact(f64::from(x)));
            let rounded = want as f32;
            if y == f64::from(rounded) || y.is_nan() && rounded.is_nan() {
                continue;
            }
            let ulp = f64::from(rounded.abs().next_up()) - f64::from(rounded.abs());
            let error = (y - want).abs() / if rounded.is_finite() { ulp } else { f64::from(f32::MAX) * 6e-8 };
            // NaN where there should be none is worse than anything.
            if error > worst.0 || error.is_nan() {
                worst = (if error.is_nan() { f64::INFINITY } else { error }, x);
            }
        }
        worst
    }

    #[test]
    fn functions_are_within_a_few_units_in_the_last_place() {
        type Row = (&'static str, fn(f32) -> f32, fn(f64) -> f64, f64);
        let table: [Row; 7] = [
            ("exp", super::exp, f64::exp, 2.0),
            ("log", super::log, f64::ln, 2.0),
            ("tanh", super::tanh, f64::tanh, 3.0),
            ("erf", super::erf, libm::erf, 3.0),
            ("gelu", super::gelu, gelu, 4.0),
            ("ndtr", super::ndtr, ndtr, 4.0),
            (
                "sigmoid",
                |x| if x < -88.0 { 0.0 } else { super::sigmoid(x) },
                |x| if x < -88.0 { 0.0 } else { 1.0 / (1.0 + (-x).exp()) },
                4.0,
            ),
        ];
        for (name, f, exact, most) in table {
            let (error, at) = worst(f, exact);
            assert!(error <= most, "{name}({at:e}) is off by {error}: {} not {}", f(at), exact(f64::from(at)));
            println!("{name}: {error} at {at:e}");
        }
    }
}
