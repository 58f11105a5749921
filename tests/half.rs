//! Conversions to and from f16 and bf16, on every device: every pattern there is, and every place where rounding turns.

mod devices;

use devices::{devices, note};
use hadamard::{DType, Device, Element, Tensor};
use half::{bf16, f16};

/// A dtype of 16 bits.
trait Half: Element {
    const INFINITY: u16;
    fn of_bits(bits: u16) -> Self;
    fn bits(self) -> u16;
    fn of_f32(x: f32) -> Self;
    fn widen(self) -> f32;
}

impl Half for f16 {
    const INFINITY: u16 = 0x7c00;

    fn of_bits(bits: u16) -> Self {
        Self::from_bits(bits)
    }

    fn bits(self) -> u16 {
        self.to_bits()
    }

    fn of_f32(x: f32) -> Self {
        Self::from_f32(x)
    }

    fn widen(self) -> f32 {
        self.to_f32()
    }
}

impl Half for bf16 {
    const INFINITY: u16 = 0x7f80;

    fn of_bits(bits: u16) -> Self {
        Self::from_bits(bits)
    }

    fn bits(self) -> u16 {
        self.to_bits()
    }

    fn of_f32(x: f32) -> Self {
        Self::from_f32(x)
    }

    fn widen(self) -> f32 {
        self.to_f32()
    }
}

fn is_nan<T: Half>(x: T) -> bool {
    x.bits() & 0x7fff > T::INFINITY
}

/// The value between a half and the next larger. Above the largest the next is what infinity stands for in rounding:
/// the next power of two.
fn middle<T: Half>(bits: u16) -> f64 {
    let low = f64::from(T::of_bits(bits).widen());
    let above = f64::from(T::of_bits(bits + 1).widen());
    let below = f64::from(T::of_bits(bits.wrapping_sub(1)).widen());
    low + 0.5 * if above.is_finite() { above - low } else { low - below }
}

fn run<T: Element, U: Element>(values: &[T], device: &Device) -> Vec<U> {
    let x = Tensor::from_slice(values, [values.len()], device).unwrap();
    x.cast(U::DTYPE).eval().unwrap().to_vec().unwrap()
}

/// Every pattern becomes the f32 that the `half` crate says, bit for bit; a NaN becomes some NaN. And back again.
fn widens<T: Half>(device: &Device) {
    let halves: Vec<T> = (0..=u16::MAX).map(T::of_bits).collect();
    let wide: Vec<f32> = run(&halves, device);
    for (&h, &got) in halves.iter().zip(&wide) {
        let want = h.widen();
        let same = if is_nan(h) { got.is_nan() } else { got.to_bits() == want.to_bits() };
        assert!(same, "{device}: {} {:#06x} is {want:e}, not {got:e}", T::DTYPE, h.bits());
    }
    let back: Vec<T> = run(&wide, device);
    for (&h, &got) in halves.iter().zip(&back) {
        let same = if is_nan(h) { is_nan(got) } else { got.bits() == h.bits() };
        assert!(same, "{device}: {} {:#06x} came back as {:#06x}", T::DTYPE, h.bits(), got.bits());
    }
}

/// Every value, every midpoint, and the f32 to either side of each midpoint; what overflows, what vanishes, NaN.
fn rounds<T: Half>(device: &Device) {
    let mut values: Vec<f32> = Vec::new();
    for bits in 0..T::INFINITY {
        // Exact: a midpoint has one digit more than a half.
        let m = middle::<T>(bits) as f32;
        values.extend([T::of_bits(bits).widen(), m.next_down(), m, m.next_up()]);
    }
    let edges = [0.0, f32::from_bits(1), f32::MIN_POSITIVE.next_down(), f32::MIN_POSITIVE, 65504.0, 65519.996, 65520.0];
    values.extend(edges);
    values.extend([65536.0, f32::MAX.next_down(), f32::MAX, f32::INFINITY, f32::NAN]);
    values.extend(values.clone().iter().map(|x| -x));
    let got: Vec<T> = run(&values, device);
    for (&x, &got) in values.iter().zip(&got) {
        let want = T::of_f32(x);
        let same = if x.is_nan() { is_nan(got) } else { got.bits() == want.bits() };
        assert!(same, "{device}: {x:e} to {} is {:#06x}, not {:#06x}", T::DTYPE, want.bits(), got.bits());
    }
    // A rounding that is not stored is the same rounding.
    let x = Tensor::from_slice(&values, [values.len()], device).unwrap();
    let inside: Vec<f32> = x.cast(T::DTYPE).cast(DType::F32).eval().unwrap().to_vec().unwrap();
    for (&x, &got) in values.iter().zip(&inside) {
        let want = T::of_f32(x).widen();
        let same = if x.is_nan() { got.is_nan() } else { got.to_bits() == want.to_bits() };
        assert!(same, "{device}: {x:e} by way of {} is {want:e}, not {got:e}", T::DTYPE);
    }
}

/// From f64 there is one rounding, not one to f32 and another: what lies beside a midpoint by less than f32 can tell
/// goes to its own side.
fn rounds_once_from_f64<T: Half>(device: &Device) {
    let (mut values, mut wants) = (Vec::new(), Vec::new());
    for bits in 0..T::INFINITY {
        let m = middle::<T>(bits);
        for (x, want) in [(m.next_down(), bits), (m, bits + (bits & 1)), (m.next_up(), bits + 1)] {
            values.extend([x, -x]);
            wants.extend([want, want | 0x8000]);
        }
    }
    let got: Vec<T> = run(&values, device);
    for ((&x, &want), &got) in values.iter().zip(&wants).zip(&got) {
        // By way of f32, whose subnormals may be flushed.
        let tiny = x.abs() < f64::from(f32::MIN_POSITIVE) && got.widen() == 0.0;
        assert!(got.bits() == want || tiny, "{device}: {x:e} to {} is {want:#06x}, not {:#06x}", T::DTYPE, got.bits());
    }
}

#[test]
fn every_half_and_every_turn_of_rounding_is_right_on_every_device() {
    for device in devices() {
        widens::<f16>(&device);
        widens::<bf16>(&device);
        rounds::<f16>(&device);
        rounds::<bf16>(&device);
        rounds_once_from_f64::<f16>(&device);
        rounds_once_from_f64::<bf16>(&device);
        note(&format!("{device}: f16 and bf16 convert as they should"));
    }
}

/// The expectations themselves, on values known by heart.
#[test]
fn midpoints_are_where_they_should_be() {
    assert_eq!(middle::<f16>(0x3c00), 1.0 + 2f64.powi(-11));
    assert_eq!(middle::<f16>(0), 2f64.powi(-25));
    assert_eq!(middle::<f16>(0x7bff), 65520.0);
    assert_eq!(middle::<bf16>(0x3f80), 1.0 + 2f64.powi(-8));
    assert_eq!(f16::from_f32(65520.0), f16::INFINITY);
}
