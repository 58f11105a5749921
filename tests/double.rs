//! f64 where an adapter cannot compute in it: conversions are exact to the bit on every device, what only moves f64s
//! works, and what computes in it is refused by name.

mod devices;

use devices::{devices, note};
use hadamard::{DType, Device, Element, Error, Expr, Tensor, cat};
#[cfg(feature = "io")]
use hadamard::{read_npz, write_npz};
use half::{bf16, f16};

/// Patterns of bits: every exponent with significands about the places where a shorter float ends, then many at random.
fn patterns() -> Vec<f64> {
    let mut bits = Vec::new();
    for exponent in 0..0x800_u64 {
        for place in [0, 1, 8, 28, 29, 30, 41, 42, 43, 44, 45, 51] {
            let one = 1_u64 << place;
            for significand in [0, one, one - 1, one + 1, 3 * one, (1 << 52) - one, (1 << 52) - 1] {
                bits.push(exponent << 52 | significand & ((1 << 52) - 1));
            }
        }
    }
    bits.extend((0..100_000_u64).map(|i| (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(i as u32)));
    // What a short float's last places come to, near every power of two that an integer dtype ends at.
    for power in [7, 8, 15, 16, 31, 32, 52, 53, 62, 63, 64] {
        let edge = 2f64.powi(power);
        bits.extend([edge, edge.next_down(), edge.next_up(), edge - 1.0, edge - 0.5, edge + 1.0].map(f64::to_bits));
    }
    let negative: Vec<u64> = bits.iter().map(|b| b ^ 1 << 63).collect();
    bits.extend(negative);
    bits.into_iter().map(f64::from_bits).collect()
}

fn tensor<T: Element>(values: &[T], device: &Device) -> Tensor {
    Tensor::from_slice(values, [values.len()], device).unwrap()
}

fn cast<T: Element>(x: &Tensor) -> Vec<T> {
    x.cast(T::DTYPE).eval().unwrap().to_vec::<T>().unwrap()
}

/// Holds a cast against Rust's own: `same` bit for bit, but for which NaN it is.
fn agrees<T: Element, U: Element>(device: &Device, from: &[T], want: &[U], same: impl Fn(U, U) -> bool) {
    let got: Vec<U> = cast(&tensor(from, device));
    assert_eq!(got.len(), want.len());
    for ((x, got), want) in from.iter().zip(&got).zip(want) {
        assert!(same(*got, *want), "{device}: {x:?} of {} to {} is {want:?}, not {got:?}", T::DTYPE, U::DTYPE);
    }
}

/// The f32 from which rounding once more gives what rounding `x` would: the one towards zero, its last bit set where that
/// is not `x`. (The crate `half` drops an f64's lower word.)
fn odd(x: f64) -> f32 {
    let near = x as f32;
    let toward_zero = if f64::from(near).abs() > x.abs() { f32::from_bits(near.to_bits() - 1) } else { near };
    if f64::from(near) == x || x.is_nan() { near } else { f32::from_bits(toward_zero.to_bits() | 1) }
}

#[test]
fn from_f64_every_dtype_is_rounded_once() {
    let all = patterns();
    for device in devices() {
        // An adapter that has f64 may flush what is subnormal as f32, and f64's own.
        let flushes = device.is_gpu() && device.info().f64;
        let kept: Vec<f64> =
            all.iter().copied().filter(|x| !(flushes && x.abs() < f64::from(f32::MIN_POSITIVE) && *x != 0.0)).collect();
        let x = &kept[..];
        let f32s: Vec<f32> = x.iter().map(|&x| x as f32).collect();
        agrees(&device, x, &f32s, |a, b| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan());
        let f16s: Vec<f16> = x.iter().map(|&x| f16::from_f32(odd(x))).collect();
        agrees(&device, x, &f16s, |a, b| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan());
        let bf16s: Vec<bf16> = x.iter().map(|&x| bf16::from_f32(odd(x))).collect();
        agrees(&device, x, &bf16s, |a, b| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan());
        agrees(&device, x, &x.iter().map(|&x| x as i64).collect::<Vec<_>>(), |a, b| a == b);
        agrees(&device, x, &x.iter().map(|&x| x as i32).collect::<Vec<_>>(), |a, b| a == b);
        agrees(&device, x, &x.iter().map(|&x| x as i32 as i16).collect::<Vec<_>>(), |a, b| a == b);
        agrees(&device, x, &x.iter().map(|&x| x as i32 as u8).collect::<Vec<_>>(), |a, b| a == b);
        agrees(&device, x, &x.iter().map(|&x| x != 0.0).collect::<Vec<_>>(), |a, b| a == b);
        note(&format!("{device}: {} f64s convert as they should", x.len()));
    }
}

#[test]
fn to_f64_is_exact() {
    let mut f32s: Vec<f32> = (0..=u16::MAX).map(|bits| f32::from_bits(u32::from(bits) << 16 | 0x5a5b)).collect();
    f32s.extend((0..33).map(|shift| f32::from_bits(1_u32.checked_shl(shift).unwrap_or(0x7fff))));
    f32s.extend([0.0, -0.0, f32::MIN_POSITIVE, f32::MAX, f32::INFINITY, f32::NEG_INFINITY, f32::NAN]);
    let halves: Vec<u16> = (0..=u16::MAX).collect();
    let f16s: Vec<f16> = halves.iter().map(|&bits| f16::from_bits(bits)).collect();
    let bf16s: Vec<bf16> = halves.iter().map(|&bits| bf16::from_bits(bits)).collect();
    let mut i64s: Vec<i64> = vec![0, i64::MAX, i64::MIN];
    for shift in 0..63 {
        i64s.extend([0, 1, -1, 3].map(|by: i64| (1_i64 << shift).wrapping_add(by << (shift / 2))));
        i64s.extend([1023, 1024, 1025, 3072].map(|by| (1_i64 << shift).wrapping_add(by)));
    }
    i64s.extend((1..10_000_i64).map(|i| i.wrapping_mul(0x1e37_79b9_7f4a_7c15).rotate_left(i as u32)));
    let negative: Vec<i64> = i64s.iter().map(|x| x.wrapping_neg()).collect();
    i64s.extend(negative);
    let i32s: Vec<i32> = i64s.iter().map(|&x| x as i32).collect();
    let same = |a: f64, b: f64| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
    for device in devices() {
        let flushes = device.is_gpu() && device.info().f64;
        let f32s: Vec<f32> = f32s.iter().copied().filter(|x| !(flushes && x.is_subnormal())).collect();
        let bf16s: Vec<bf16> = bf16s.iter().copied().filter(|x| !(flushes && x.to_f32().is_subnormal())).collect();
        agrees(&device, &f32s, &f32s.iter().map(|&x| f64::from(x)).collect::<Vec<_>>(), same);
        agrees(&device, &f16s, &f16s.iter().map(|x| x.to_f64()).collect::<Vec<_>>(), same);
        agrees(&device, &bf16s, &bf16s.iter().map(|x| x.to_f64()).collect::<Vec<_>>(), same);
        agrees(&device, &i64s, &i64s.iter().map(|&x| x as f64).collect::<Vec<_>>(), same);
        agrees(&device, &i32s, &i32s.iter().map(|&x| f64::from(x)).collect::<Vec<_>>(), same);
        agrees(&device, &[false, true], &[0.0, 1.0], same);
    }
}

/// A number in an expression is the same in a kernel, which puts it together from its bits by arithmetic where the adapter
/// has any.
#[test]
fn numbers_are_exact_at_every_exponent() {
    let ends = [1, (1 << 52) - 1, 0x7fe << 52, 0x7ff << 52, 1023 << 52, 1 << 63].map(f64::from_bits);
    let random = |i: u64| (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) & !(0x7ff << 52);
    let each = (0..0x7ff).map(|exponent| f64::from_bits(exponent << 52 | random(exponent)));
    let numbers: Vec<f64> = each.chain(ends).chain([-0.1, f64::NEG_INFINITY, f64::MIN]).collect();
    for device in devices() {
        let (never, zero) = (tensor(&[false], &device), tensor(&[0.0_f64], &device));
        for &x in &numbers {
            let got = Expr::select(&never, &zero, x).eval().unwrap().item::<f64>().unwrap();
            assert_eq!(got.to_bits(), x.to_bits(), "{device}: {x:e}, not {got:e}");
        }
        let nan = Expr::select(&never, &zero, f64::NAN).eval().unwrap().item::<f64>().unwrap();
        assert!(nan.is_nan(), "{device}: {nan}");
    }
}

#[test]
fn what_moves_f64s_works_without_arithmetic() {
    let values: Vec<f64> = (0..35).map(|i| f64::from(i) + 1e-13).collect();
    for device in devices() {
        let x = Tensor::from_slice(&values, [5, 7], &device).unwrap();
        let of = |e: Expr| e.eval().unwrap().to_vec::<f64>().unwrap();
        let turned = of(Expr::from(&x).transpose(0, 1).reshape([35]));
        assert_eq!(turned, (0..35).map(|i| values[i % 5 * 7 + i / 5]).collect::<Vec<_>>(), "{device}");
        let joined = cat(&[Expr::from(&x.slice(0, 0, 5, 2).unwrap()), x.narrow(0, 1, 1).unwrap().into()], 0);
        assert_eq!(of(joined), [&values[..7], &values[14..21], &values[28..], &values[7..14]].concat(), "{device}");
        let condition = tensor(&[true, false, true, false, false, true, false], &device);
        let chosen = Expr::select(&condition, &x, 0.1);
        let want = |i: usize| if [0, 2, 5].contains(&(i % 7)) { values[i] } else { 0.1 };
        assert_eq!(of(chosen), (0..35).map(want).collect::<Vec<_>>(), "{device}");

        let y = Tensor::full([5, 7], 0.3_f64, &device).unwrap();
        y.narrow(1, 2, 3).unwrap().assign(x.narrow(1, 0, 3).unwrap()).unwrap();
        y.narrow(0, 4, 1).unwrap().assign(2.5_f64).unwrap();
        let want = |i: usize| match (i / 7, i % 7) {
            (4, _) => 2.5,
            (_, 2..5) => values[i - 2],
            _ => 0.3,
        };
        assert_eq!(y.to_vec::<f64>().unwrap(), (0..35).map(want).collect::<Vec<_>>(), "{device}");
        assert!(y.to_string().contains("2.5"), "{device}: {y}");
        let again = y.to_device(&Device::cpu()).unwrap().to_device(&device).unwrap();
        assert_eq!(again.to_vec::<f64>().unwrap(), y.to_vec::<f64>().unwrap(), "{device}");

        // Converted on the way into a reduction, and out of one.
        let sum = x.cast(DType::F32).sum(1).cast(DType::F64);
        let want: Vec<f64> =
            values.chunks(7).map(|row| f64::from(row.iter().map(|&v| v as f32).sum::<f32>())).collect();
        assert_eq!(of(sum), want, "{device}");
        let any = x.any(1).eval().unwrap().to_vec::<bool>().unwrap();
        assert_eq!(any, [true; 5], "{device}");
    }
}

#[cfg(feature = "io")]
#[test]
fn f64s_are_read_from_files_and_written_to_them() {
    let folder = tempfile::tempdir().unwrap();
    let values = [0.1, -1e300, 5e-324, f64::INFINITY, -0.0];
    for device in devices() {
        let path = folder.path().join("x.npz");
        write_npz(&path, &[("x", &tensor(&values, &device))]).unwrap();
        let back = read_npz(&path, &device).unwrap().remove(0).1.to_vec::<f64>().unwrap();
        assert_eq!(back.iter().map(|x| x.to_bits()).collect::<Vec<_>>(), values.map(f64::to_bits), "{device}");
    }
}

#[test]
fn arithmetic_is_refused_by_name_where_there_is_none() {
    let mut refused = 0;
    for device in devices() {
        let x = tensor(&[1.0_f64, 2.0], &device);
        let single = tensor(&[1.0_f32, 2.0], &device);
        let row = Tensor::from_slice(&[1.0_f64; 4], [2, 2], &device).unwrap();
        for (name, expr) in [
            ("mul", &x * 2.0),
            ("add", &single + &x),
            ("exp", x.exp()),
            ("lt", x.lt(1.5)),
            ("sum", x.sum(..)),
            ("amax", x.amax(..)),
            ("mul", row.matmul(&row)),
            ("sqrt", Expr::select(single.gt(1.0), x.sqrt(), &x).cast(DType::F32)),
        ] {
            let result = expr.eval();
            if device.info().f64 {
                assert!(result.is_ok(), "{device}: {name}: {result:?}");
                continue;
            }
            refused += 1;
            let Err(error @ Error::Unsupported { .. }) = result else { panic!("{device}: {name}: {result:?}") };
            let said = error.to_string();
            assert!(said.starts_with(&format!("{name}: ")) && said.contains(&device.info().name), "{said}");
            assert!(said.contains("does not support arithmetic in f64") && said.contains("cast(x, f32)"), "{said}");
        }
        assert_eq!((x.cast(DType::F32) * 2.0).eval().unwrap().to_vec::<f32>().unwrap(), [2.0, 4.0], "{device}");
    }
    note(&format!("{refused} refused"));
}
