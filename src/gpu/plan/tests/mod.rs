//! What the planner decides, without a GPU.

mod cuts;
mod fusion;
mod kernels;

use super::{Caps, Launch, Plan, Slot, Target, plan};
use crate::expr::graph::Graph;
use crate::gpu::params::Head;
use crate::gpu::spec::Operand;
use crate::gpu::tuning::Tuning;
use crate::{DType, Device, Expr, Result, Tensor};

pub(in crate::gpu) fn caps(max_bindings: usize, tuning: Tuning) -> Caps {
    Caps { tuning, max_bindings, ..Caps::webgpu() }
}

pub(in crate::gpu) fn plan_for(expr: &Expr, caps: &Caps) -> Plan {
    plan_for_all(std::slice::from_ref(expr), caps)
}

pub(in crate::gpu) fn plan_for_all(exprs: &[Expr], caps: &Caps) -> Plan {
    try_plan(exprs, caps).unwrap()
}

fn try_plan(exprs: &[Expr], caps: &Caps) -> Result<Plan> {
    let graph = Graph::new(&exprs.iter().map(|e| (e, e.dtype())).collect::<Vec<_>>())?;
    let target = |(i, e): (usize, &Expr)| Target::contiguous(Slot::Target(i), e.shape().clone(), e.dtype());
    let targets: Vec<Target> = exprs.iter().enumerate().map(target).collect();
    plan("test", &graph, &targets, caps)
}

/// A plan that writes tensors of which some may also be read.
fn plan_assign(assignments: &[(&Tensor, Expr)], caps: &Caps) -> Plan {
    let graph = Graph::new(&assignments.iter().map(|(t, e)| (e, t.dtype())).collect::<Vec<_>>()).unwrap();
    let targets: Vec<Target> =
        crate::gpu::slots_of(&graph, &assignments.iter().map(|a| a.0.clone()).collect::<Vec<_>>());
    plan("test", &graph, &targets, caps).unwrap()
}

pub(in crate::gpu) fn tensor(shape: &[usize], dtype: DType) -> Tensor {
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
        let tail = if spec.tail { ", tail" } else { "" };
        format!("{} {}:{}{tail}", spec.kernel.name(), spec.width, modes(&spec.operands))
    };
    plan.launches.iter().map(said).collect()
}

fn head(launch: &Launch) -> Head {
    bytemuck::pod_read_unaligned(bytemuck::cast_slice(&launch.params[..size_of::<Head>() / 4]))
}

/// Lines of its kernels, in order.
fn lines(plan: &Plan) -> Vec<usize> {
    plan.launches.iter().map(|l| l.spec.body.lines.len()).collect()
}

/// A device that binds 64 KiB at a time.
fn tight(max_bindings: usize) -> Caps {
    Caps { max_binding: 64 << 10, ..caps(max_bindings, Tuning::discrete()) }
}
