//! Sorts of rows so long that GPUs sort them by digits.

mod devices;

use devices::devices;
use hadamard::{DType, Device, Element, Expr, Tensor, eval_all};
use half::{bf16, f16};

fn long(expr: &Expr) -> Vec<i64> {
    expr.eval().unwrap().to_vec().unwrap()
}

/// For each element of a row an integer of the same order: of both zeros 0, of NaN more than of any number.
fn orders(values: &Tensor) -> Vec<i128> {
    if values.dtype() == DType::U64 {
        return values.to_vec::<u64>().unwrap().into_iter().map(i128::from).collect();
    }
    if !values.dtype().is_float() {
        return long(&values.cast(DType::I64)).into_iter().map(i128::from).collect();
    }
    let wide: Vec<f64> = match values.dtype() {
        DType::F16 => values.to_vec::<f16>().unwrap().into_iter().map(f16::to_f64).collect(),
        DType::BF16 => values.to_vec::<bf16>().unwrap().into_iter().map(bf16::to_f64).collect(),
        DType::F32 => values.to_vec::<f32>().unwrap().into_iter().map(f64::from).collect(),
        _ => values.to_vec::<f64>().unwrap(),
    };
    let order = |x: f64| {
        let size = i128::from(x.abs().to_bits());
        if x.is_nan() { i128::MAX } else { size * if x < 0.0 { -1 } else { 1 } }
    };
    wide.into_iter().map(order).collect()
}

/// The bytes of a tensor's elements.
fn bytes(values: &Tensor) -> Vec<u8> {
    fn of<T: Element>(values: &Tensor) -> Vec<u8> {
        T::as_bytes(&values.to_vec::<T>().unwrap()).into_owned()
    }
    match values.dtype() {
        DType::F16 => of::<f16>(values),
        DType::BF16 => of::<bf16>(values),
        DType::F32 => of::<f32>(values),
        DType::F64 => of::<f64>(values),
        DType::U64 => of::<u64>(values),
        _ => of::<i64>(&values.cast(DType::I64).eval().unwrap()),
    }
}

/// Elements of some dtype, made of any bits. Of floats of 16 bits NaN is the one that conversions give.
fn of_bits(bits: &[u64], dtype: DType, device: &Device) -> Tensor {
    fn each<T: Element>(bits: &[u64], device: &Device, f: impl Fn(u64) -> T) -> Tensor {
        Tensor::from_slice(&bits.iter().map(|&bits| f(bits)).collect::<Vec<T>>(), [bits.len()], device).unwrap()
    }
    match dtype {
        DType::Bool => each(bits, device, |bits| bits % 3 == 0),
        DType::U8 => each(bits, device, |bits| bits as u8),
        DType::I8 => each(bits, device, |bits| bits as i8),
        DType::U16 => each(bits, device, |bits| bits as u16),
        DType::I16 => each(bits, device, |bits| bits as i16),
        DType::U32 => each(bits, device, |bits| bits as u32),
        DType::I32 => each(bits, device, |bits| bits as i32),
        DType::U64 => each(bits, device, |bits| bits),
        DType::I64 => each(bits, device, |bits| bits as i64),
        DType::F16 => {
            each(bits, device, |bits| Some(f16::from_bits(bits as u16)).filter(|x| !x.is_nan()).unwrap_or(f16::NAN))
        }
        DType::BF16 => {
            each(bits, device, |bits| Some(bf16::from_bits(bits as u16)).filter(|x| !x.is_nan()).unwrap_or(bf16::NAN))
        }
        DType::F32 => each(bits, device, |bits| f32::from_bits(bits as u32)),
        DType::F64 => each(bits, device, f64::from_bits),
    }
}

fn mixed(i: u64) -> u64 {
    (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31).wrapping_mul(0xd1b5_4a32_d192_ed03)
}

/// The places of elements in their order.
fn places_of(orders: &[i128], descending: bool) -> Vec<i64> {
    let mut places: Vec<i64> = (0..orders.len() as i64).collect();
    places.sort_by_key(|&place| orders[place as usize] * if descending { -1 } else { 1 });
    places
}

/// Rows that GPUs sort by digits, of any bits in every dtype: NaN, infinities and subnormals among floats, all digits of
/// integers. With lengths about the ends of tiles, and few or no equal ones.
#[test]
fn digits_of_every_dtype() {
    for device in &devices() {
        for (i, dtype) in DType::ALL.into_iter().enumerate() {
            if dtype == DType::F64 && !device.info().f64 {
                continue;
            }
            // Of eight digits only longer rows are worth while.
            let n = if dtype.size() == 8 { 140_001 } else { [10 * 1024, 10 * 1024 + 1, 12 * 1024 - 1, 12_345][i % 4] };
            // What is as wide as a word is sorted alike, however many are equal.
            for different in if dtype.size() == 8 { vec![n] } else { vec![n, 40] } {
                let bits: Vec<u64> = (0..n).map(|i| mixed(i % different)).collect();
                let x = of_bits(&bits, dtype, device);
                let orders = orders(&x);
                for descending in [false, true] {
                    let case = format!("{device} {dtype} {n} {different} {descending}");
                    let want = places_of(&orders, descending);
                    let (sorted, places) = x.sort(0, descending);
                    assert!(long(&places) == want, "{case}: places");
                    let whole = bytes(&x);
                    let size = whole.len() / n as usize;
                    let of = |place: &i64| &whole[*place as usize * size..][..size];
                    let wanted: Vec<u8> = want.iter().flat_map(of).copied().collect();
                    let both = eval_all(&[&sorted, &places]).unwrap();
                    assert!(bytes(&both[0]) == wanted, "{case}: elements with places");
                    assert!(both[1].to_vec::<i64>().unwrap() == want, "{case}: places with elements");
                    assert!(bytes(&sorted.eval().unwrap()) == wanted, "{case}: elements");
                }
            }
        }
    }
}

/// A cast may leave fewer digits to sort by than its dtype has, and may not where it wraps.
#[test]
fn digits_of_what_was_cast() {
    let bits: Vec<u64> = (0..12_345).map(mixed).collect();
    for device in &devices() {
        for (stored, cast) in [
            (DType::I64, DType::I32),
            (DType::U32, DType::I32),
            (DType::I32, DType::U32),
            (DType::I32, DType::I64),
            (DType::I8, DType::I64),
            (DType::U8, DType::I8),
            (DType::Bool, DType::I64),
            (DType::I32, DType::Bool),
            (DType::I16, DType::F32),
            (DType::F32, DType::I32),
            (DType::F32, DType::BF16),
            (DType::BF16, DType::F32),
        ] {
            let cast = of_bits(&bits, stored, device).cast(cast);
            let want = places_of(&orders(&cast.eval().unwrap()), true);
            assert!(long(&cast.argsort(0, true)) == want, "{device} {stored} as {}", cast.dtype());
        }
    }
}

/// Rows side by side, of which all ranks are wanted or some, or as many as a few blocks have; and the same bits each time.
#[test]
fn ranks_of_several_long_rows() {
    let (rows, row) = (3, 9 * 1024 + 5);
    let values: Vec<i32> = (0..(rows * row) as u64).map(|i| (mixed(i) % 700) as i32 - 350).collect();
    for device in &devices() {
        let x = Tensor::from_slice(&values, [rows, row], device).unwrap();
        let of_rows = |kept: usize, places: &[i64]| -> Vec<i64> {
            places.iter().enumerate().map(|(i, &place)| values[i / kept * row + place as usize].into()).collect()
        };
        for descending in [false, true] {
            let orders = values.iter().map(|&value| value.into()).collect::<Vec<i128>>();
            let sorted: Vec<Vec<i64>> = orders.chunks(row).map(|row| places_of(row, descending)).collect();
            assert!(long(&x.argsort(1, descending)) == sorted.concat(), "{device} {descending}");
            assert!(long(&x.argsort(1, descending)) == sorted.concat(), "{device} {descending}: again");
            let k = row - 1000;
            let (top, at) = x.topk(k, 1, descending);
            let want: Vec<i64> = sorted.iter().flat_map(|places| places[..k].to_vec()).collect();
            assert!(long(&at) == want, "{device} {descending}: places of {k}");
            assert!(long(&top.cast(DType::I64)) == of_rows(k, &want), "{device} {descending}: {k}");
            for k in [1, 1024, row / 2, row].into_iter().filter(|_| !descending) {
                let want: Vec<i64> = sorted.iter().map(|places| places[k - 1]).collect();
                let (value, at) = x.kthvalue(k, 1);
                assert_eq!(long(&at), want, "{device} {k}");
                assert_eq!(long(&value.cast(DType::I64)), of_rows(1, &want), "{device} {k}");
            }
        }
    }
}
