//! What the planner decides, without a GPU.

mod cuts;
mod fusion;
mod kernels;
mod sorts;

use super::{Caps, Launch, Memory, Plan, Target, plan};
use crate::expr::graph::Graph;
use crate::kernel::spec::{Code, Kernel, Operand, Reduce};
use crate::kernel::tuning::Tuning;
use crate::kernel::uniforms::Head;
use crate::{DType, Device, Expr, Result, Tensor};

pub(crate) fn caps(max_bindings: usize, tuning: Tuning) -> Caps {
    Caps { tuning, max_bindings, ..Caps::webgpu() }
}

pub(crate) fn plan_for(expr: &Expr, caps: &Caps) -> Plan {
    plan_for_all(std::slice::from_ref(expr), caps)
}

pub(crate) fn plan_for_all(exprs: &[Expr], caps: &Caps) -> Plan {
    try_plan(exprs, caps).unwrap()
}

fn try_plan(exprs: &[Expr], caps: &Caps) -> Result<Plan> {
    let graph = Graph::new(&exprs.iter().map(|e| (e, e.dtype())).collect::<Vec<_>>())?;
    let target = |(i, e): (usize, &Expr)| Target::contiguous(Memory::Target(i), e.shape().clone(), e.dtype());
    let targets: Vec<Target> = exprs.iter().enumerate().map(target).collect();
    plan("test", &graph, &targets, caps)
}

/// A plan that writes tensors of which some may also be read.
fn plan_assign(assignments: &[(&Tensor, Expr)], caps: &Caps) -> Plan {
    let graph = Graph::new(&assignments.iter().map(|(t, e)| (e, t.dtype())).collect::<Vec<_>>()).unwrap();
    let places: Vec<_> = assignments.iter().map(|(t, _)| (t.storage().id(), t.layout(), t.dtype())).collect();
    let targets = Target::of(&graph, &places);
    plan("test", &graph, &targets, caps).unwrap()
}

pub(crate) fn tensor(shape: &[usize], dtype: DType) -> Tensor {
    Tensor::zeros(shape, dtype, &Device::cpu()).unwrap()
}

fn f32s(shape: &[usize]) -> Tensor {
    tensor(shape, DType::F32)
}

/// Its kernels in order: name, elements at a step, how the neighbours of each operand are found, those written last, and
/// whether the last step runs over the end.
fn kernels(plan: &Plan) -> Vec<String> {
    let modes =
        |operands: &[Operand]| operands.iter().map(|o| format!(" {:?}", o.mode).to_lowercase()).collect::<String>();
    let said = |Launch { spec, .. }: &Launch| {
        let tail = if spec.kernel.tail() { ", tail" } else { "" };
        format!("{} {}:{}{tail}", spec.kernel.name(), spec.width, modes(&spec.operands))
    };
    plan.launches.iter().map(said).collect()
}

fn head(launch: &Launch) -> Head {
    bytemuck::pod_read_unaligned(bytemuck::cast_slice(&launch.uniforms[..size_of::<Head>() / 4]))
}

/// The body of a map or a reduction.
fn body(launch: &Launch) -> &Code {
    launch.spec.kernel.codes().next().expect("a kernel with a body")
}

/// The reduction that a launch does.
fn reduce(launch: &Launch) -> &Reduce {
    let Kernel::Reduce(reduce) = &launch.spec.kernel else { panic!("{} does not reduce", launch.spec.kernel.name()) };
    reduce
}

/// Lines of its kernels, in order.
fn lines(plan: &Plan) -> Vec<usize> {
    plan.launches.iter().map(|l| body(l).lines.len()).collect()
}

/// A device that binds 64 KiB at a time.
fn tight(max_bindings: usize) -> Caps {
    Caps { max_binding: 64 << 10, ..caps(max_bindings, Tuning::discrete()) }
}
