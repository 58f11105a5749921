//! f64 on an adapter that cannot compute in it: kernels move it as its bits, in two words, and convert those.

use super::plan::Caps;
use super::spec::{Code, Inst, Kernel, Line, Spec};
use crate::expr::graph::{Fold, Graph, Step, Value};
use crate::{DType, Error, Result};

/// Fails if a graph computes in f64, which the device cannot: it may select and convert.
pub(super) fn refuse_arithmetic(graph: &Graph, caps: &Caps) -> Result<()> {
    for Value { step, .. } in &graph.values {
        let (op, arg) = match step {
            Step::Unary(op, arg) => (op.name(), *arg),
            Step::Binary(op, arg, _) => (op.name(), *arg),
            Step::Reduce { op, arg, .. } | Step::Scan { op, arg, .. } => (op.name(), *arg),
            Step::Sort { arg, .. } => ("sort", *arg),
            // What is last is moved as it is.
            Step::Segments { op, values, .. } if *op != Fold::Last => (op.name(), *values),
            Step::Load { .. }
            | Step::Index { .. }
            | Step::Scalar { .. }
            | Step::Random(..)
            | Step::Select(..)
            | Step::Convert(_)
            | Step::Order(_)
            | Step::Words(_)
            | Step::Round(..)
            | Step::Read { .. }
            | Step::Take(_)
            | Step::Segments { .. }
            | Step::Bounded(..) => continue,
        };
        if graph.values[arg].dtype == DType::F64 {
            let what = "arithmetic in f64; cast first, as in cast(x, f32)".to_owned();
            return Err(Error::Unsupported { op, what, device: caps.device.clone() });
        }
    }
    Ok(())
}

impl Spec {
    /// Has the kernel hold each f64 as its bits, an i64.
    pub(super) fn hold_f64_as_bits(&mut self) {
        let dtypes = self.bindings.iter_mut().map(|binding| &mut binding.dtype);
        let dtypes = dtypes.chain(self.operands.iter_mut().map(|operand| &mut operand.dtype));
        dtypes.filter(|dtype| **dtype == DType::F64).for_each(|dtype| *dtype = DType::I64);
        if let Kernel::Segments(segments) = &mut self.kernel
            && segments.dtype == DType::F64
        {
            segments.dtype = DType::I64;
        }
        self.kernel.codes_mut().for_each(Code::hold_f64_as_bits);
    }
}

impl Code {
    fn hold_f64_as_bits(&mut self) {
        let is_f64: Vec<bool> = self.lines.iter().map(|line| line.dtype == DType::F64).collect();
        for Line { inst, dtype } in &mut self.lines {
            match *inst {
                Inst::Convert(arg) if is_f64[arg] => *inst = Inst::FromBits(arg),
                Inst::Convert(arg) if *dtype == DType::F64 => *inst = Inst::ToBits(arg),
                _ => {}
            }
            if *dtype == DType::F64 {
                *dtype = DType::I64;
            }
        }
    }
}
