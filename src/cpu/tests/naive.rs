//! What a graph means, one element at a time, in f64: slow, obvious, and sharing nothing with what it judges.

use half::bf16;

use crate::base::access::Access;
use crate::base::dtype::integers;
use crate::base::element::for_dtype;
use crate::expr::graph::{Fold, Graph, Source, Step, Take};
use crate::{BinaryOp, DType, Element, Expr, Tensor};

/// The elements of a tensor, in row-major order.
pub(super) fn elements(tensor: &Tensor) -> Vec<f64> {
    let bytes = tensor.bytes("elements").unwrap();
    decode(&bytes, tensor.dtype())
}

fn decode(bytes: &[u8], dtype: DType) -> Vec<f64> {
    fn all<T: Element>(bytes: &[u8]) -> Vec<f64> {
        T::from_bytes(bytes).into_iter().map(T::to_f64).collect()
    }
    for_dtype!(dtype, T => all::<T>(bytes))
}

/// The value nearest to `x` that `dtype` holds; an integer taken modulo its range.
pub(super) fn fit(x: f64, dtype: DType) -> f64 {
    match dtype {
        DType::Bool => f64::from(u8::from(x != 0.0)),
        integers!() => dtype.wrap(x as i64) as f64,
        DType::F16 => nearest(x, 10, -14, 65504.0),
        DType::BF16 => nearest(x, 7, -126, f64::from(bf16::MAX)),
        DType::F32 => f64::from(x as f32),
        DType::F64 => x,
    }
}

/// To nearest even among numbers of `bits` fraction bits and exponents of at least `low`, from first principles.
fn nearest(x: f64, bits: i32, low: i32, max: f64) -> f64 {
    if x == 0.0 || !x.is_finite() {
        return x;
    }
    let exponent = (((x.to_bits() >> 52) & 0x7ff) as i32 - 1023).max(low);
    let step = 2f64.powi(exponent - bits);
    let y = (x / step).round_ties_even() * step;
    if y.abs() > max { f64::INFINITY.copysign(x) } else { y }
}

/// What each root should hold, and a bound on what it may be off by where sums are in it.
pub(super) fn evaluate(exprs: &[(&Expr, DType)]) -> Vec<Vec<f64>> {
    let graph = Graph::new(exprs).unwrap();
    let buffers: Vec<Vec<f64>> = graph
        .buffers
        .iter()
        .map(|(storage, dtype)| {
            let buffer: &crate::cpu::Buffer = storage.downcast().expect("tensors of these tests are on the CPU");
            decode(buffer.lock().bytes(), *dtype)
        })
        .collect();
    let mut values: Vec<Vec<f64>> = Vec::new();
    for value in &graph.values {
        let n = value.shape.numel();
        let read = |access: &Access, from: &[f64]| (0..n).map(|i| from[access.at(i)]).collect::<Vec<_>>();
        let at = |id: usize, i: usize| if values[id].len() == 1 { values[id][0] } else { values[id][i] };
        let dtype = value.dtype;
        let out: Vec<f64> = match &value.step {
            Step::Load { buffer, access } => read(access, &buffers[*buffer]),
            &Step::Scalar { slot } => vec![fit(graph.scalars[slot].get().to_f64(), dtype)],
            Step::Index { access } => (0..n).map(|i| access.at(i) as f64).collect(),
            Step::Read { of, access } => read(access, &values[*of]),
            Step::Take(Take { from, access, at: steps, .. }) => {
                let from = match from {
                    Source::Buffer(buffer) => &buffers[*buffer],
                    Source::Reduced(of) => &values[*of],
                };
                (0..n).map(|i| from[access.at(i).saturating_add_signed(at(*steps, i) as isize)]).collect()
            }
            &Step::Bounded(bounds, index) => {
                (0..n).map(|i| bounds.resolve(at(index, i) as i64).unwrap().into()).collect()
            }
            &Step::Unary(op, a) => (0..n).map(|i| fit(op.apply(at(a, i)), dtype)).collect(),
            &Step::Binary(op, a, b) if dtype == DType::I32 => {
                (0..n).map(|i| f64::from(op.apply_i32(at(a, i) as i32, at(b, i) as i32))).collect()
            }
            // Of f32s, not of the f64s that lie between them.
            &Step::Binary(BinaryOp::Nextafter, a, b) if dtype == DType::F32 => {
                (0..n).map(|i| libm::nextafterf(at(a, i) as f32, at(b, i) as f32).into()).collect()
            }
            &Step::Binary(op, a, b) if dtype == DType::I64 => {
                (0..n).map(|i| op.row().on_i64([at(a, i) as i64, at(b, i) as i64]) as f64).collect()
            }
            &Step::Binary(op, a, b) => (0..n).map(|i| fit(binary(op, at(a, i), at(b, i)), dtype)).collect(),
            Step::Random(..) => unreachable!("random numbers are tested against the reference"),
            Step::Order(_) | Step::Words(_) => {
                unreachable!("f64 does not hold them; they are tested against the reference")
            }
            &Step::Select(c, a, b) => (0..n).map(|i| if at(c, i) == 0.0 { at(b, i) } else { at(a, i) }).collect(),
            &Step::Convert(a) => (0..n)
                .map(|i| if dtype == DType::I32 { f64::from(at(a, i) as i32) } else { fit(at(a, i), dtype) })
                .collect(),
            &Step::Round(to, a) => (0..n).map(|i| fit(at(a, i), to)).collect(),
            Step::Reduce { op, dims, arg } => {
                let from = &graph.values[*arg].shape;
                let mut out = vec![identity(*op); n];
                for i in 0..from.numel() {
                    let (mut rest, mut to, mut step) = (i, 0, 1);
                    for d in (0..from.rank()).rev() {
                        if !dims.contains(&d) {
                            to += rest % from[d] * step;
                            step *= from[d];
                        }
                        rest /= from[d];
                    }
                    let folded = join(*op, out[to], at(*arg, i));
                    out[to] = if dtype == DType::I32 { f64::from(folded as i64 as i32) } else { folded };
                }
                out.into_iter().map(|x| fit(x, dtype)).collect()
            }
            Step::Sort { .. } | Step::Segments { .. } => unreachable!("they are tested against the reference"),
            &Step::Scan { op, dim, scan, arg } => {
                let (size, step) = (value.shape[dim], value.shape[dim + 1..].iter().product::<usize>());
                let so_far = |i: usize| {
                    let (place, first) = (i / step % size, i - i / step % size * step);
                    let (from, to) = if scan.reverse { (place, size) } else { (0, place + 1) };
                    let others = (from..to).filter(|&j| !scan.exclusive || j != place);
                    others.map(|j| at(arg, first + j * step)).fold(identity(op), |all, x| join(op, all, x))
                };
                (0..n).map(|i| fit(so_far(i), dtype)).collect()
            }
        };
        values.push(out);
    }
    let store = |root: &crate::expr::graph::Root| {
        let value = &values[root.value];
        let n = root.shape.numel();
        (0..n).map(|i| fit(if value.len() == 1 { value[0] } else { value[i] }, root.dtype)).collect()
    };
    graph.roots.iter().map(store).collect()
}

fn binary(op: BinaryOp, a: f64, b: f64) -> f64 {
    op.apply(a, b)
}

fn identity(op: Fold) -> f64 {
    match op {
        Fold::Sum | Fold::Last => 0.0,
        Fold::Prod => 1.0,
        Fold::Amax | Fold::Logaddexp => f64::NEG_INFINITY,
        Fold::Amin => f64::INFINITY,
    }
}

fn join(op: Fold, a: f64, b: f64) -> f64 {
    match op {
        Fold::Sum => a + b,
        Fold::Prod => a * b,
        Fold::Amax => BinaryOp::Maximum.apply(a, b),
        Fold::Amin => BinaryOp::Minimum.apply(a, b),
        Fold::Logaddexp => a.max(b) + (-(a - b).abs()).exp().ln_1p(),
        Fold::Last => b,
    }
}
