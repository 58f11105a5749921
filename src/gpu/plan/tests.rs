//! What the planner decides, without a GPU: which kernels, how they walk, where work is cut.

use super::{Caps, Plan, Slot, Target, plan};
use crate::expr::graph::Graph;
use crate::gpu::params::Head;
use crate::gpu::spec::{Kernel, Order};
use crate::gpu::tuning::Tuning;
use crate::layout::Layout;
use crate::{DType, Device, Expr, Result, Tensor, einsum};

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
    let target = |(i, expr): (usize, &Expr)| Target {
        slot: Slot::Target(i),
        layout: Layout::contiguous(expr.shape().clone()),
        dtype: expr.dtype(),
    };
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

/// Its kernels in order: name, elements at a step, and how the neighbours of each operand are found, those written last.
fn kernels(plan: &Plan) -> Vec<String> {
    let modes = |operands: &[crate::gpu::spec::Operand]| {
        operands.iter().map(|o| format!(" {:?}", o.mode).to_lowercase()).collect::<String>()
    };
    let said = |l: &super::Launch| format!("{} {}:{}", l.spec.kernel.name(), l.spec.width, modes(&l.spec.operands));
    plan.launches.iter().map(said).collect()
}

fn head(launch: &super::Launch) -> Head {
    bytemuck::pod_read_unaligned(bytemuck::cast_slice(&launch.params[..size_of::<Head>() / 4]))
}

#[test]
fn neighbours_are_taken_together_where_memory_allows() {
    let (discrete, software) = (Caps::webgpu(), Caps { tuning: Tuning::software(), ..Caps::webgpu() });
    let (x, row, column, one) = (f32s(&[64, 48]), f32s(&[48]), f32s(&[64, 1]), f32s(&[1]));
    let (odd, odd_row) = (f32s(&[64, 47]), f32s(&[47]));
    let narrow = |from, len| x.narrow(1, from, len).unwrap();
    let of_46 = f32s(&[64, 46]).narrow(1, 0, 44).unwrap();
    let rows = |n, len| f32s(&[n, len]).sum(1);
    let cube = |len| f32s(&[8, 6, len]);
    let [f16, f16_odd, f64] = [(48, DType::F16), (47, DType::F16), (48, DType::F64)].map(|(n, d)| tensor(&[64, n], d));
    let f16_row = tensor(&[47], DType::F16);
    let f16_column = tensor(&[64, 1], DType::F16);
    let f16_turned = tensor(&[47, 64], DType::F16).transpose(0, 1).unwrap();
    let turned = f32s(&[10, 6]).transpose(0, 1).unwrap();
    let turned_8 = f32s(&[8, 6]).transpose(0, 1).unwrap();
    let spread = f32s(&[48, 5]).narrow(1, 0, 1).unwrap().reshape([48]).unwrap();
    let table = [
        // Maps.
        (&x * 2, "map 4: vec vec"),
        (&x * &row, "map 4: vec vec vec"),
        (&x * &column, "map 4: splat vec vec"),
        (&x * &one, "map 4: splat vec vec"),
        (&odd * 2, "map 4: vec vec"),
        (&odd * &odd_row, "map 1: step step step"),
        (narrow(4, 40) + 1, "map 4: vec vec"),
        (narrow(3, 40) + 1, "map 4: step vec"),
        (narrow(4, 39) + 1, "map 1: step step"),
        (&of_46 + 1, "map 4: step vec"),
        (x.transpose(0, 1).unwrap() + 1, "map 4: step vec"),
        (&x + Expr::arange(48), "map 4: step vec vec"),
        (&f64 * 2, "map 1: step step"),
        // Packed ones are always written in fours.
        (&f16_odd * &f16_row, "map 4: each vec vec"),
        (&f16_odd * &f16_column, "map 4: each vec vec"),
        (&f16_odd * &one.to_dtype(DType::F16).unwrap(), "map 4: splat vec vec"),
        (&f16 * &f16_column, "map 4: splat vec vec"),
        (f16.transpose(0, 1).unwrap() + 1, "map 4: step vec"),
        (&f16_turned + &f16_odd, "map 4: vec each vec"),
        (Expr::from(&f16).permute(&[1, 0]).reshape([3072]) + 1, "map 4: each vec"),
        (f16_odd.reshape([3008]).unwrap().narrow(0, 1, 2000).unwrap() + 1, "map 4: step vec"),
        // Down columns.
        (x.sum(0), "reduce_outer 4: vec vec"),
        ((&x * &row).sum(0), "reduce_outer 4: vec vec vec"),
        ((&x * &column).sum(0), "reduce_outer 4: splat vec vec"),
        ((&x + Expr::arange(48)).sum(0), "reduce_outer 4: step vec vec"),
        (odd.sum(0), "reduce_outer 1: step step"),
        (narrow(4, 40).sum(0), "reduce_outer 4: vec vec"),
        (narrow(3, 40).sum(0), "reduce_outer 4: step vec"),
        (of_46.sum(0), "reduce_outer 4: step vec"),
        (f64.sum(0), "reduce_outer 1: step step"),
        ((&f64 * &x).sum(0), "reduce_outer 4: vec step step"),
        (cube(20).sum(1), "reduce_outer 4: vec vec"),
        (cube(22).sum(1), "reduce_outer 1: step step"),
        // What is made of them.
        (x.sum(0) * &row, "reduce_outer 4: vec vec vec"),
        (x.sum(0) * &one, "reduce_outer 4: vec splat vec"),
        (x.sum(0) * &spread, "reduce_outer 4: vec step vec"),
        (x.sum(0) * f32s(&[50]).narrow(0, 1, 48).unwrap(), "reduce_outer 4: vec step vec"),
        (odd.sum(0) * &odd_row, "reduce_outer 1: step step step"),
        (cube(20).sum(1) * f32s(&[20]), "reduce_outer 4: vec vec vec"),
        (cube(20).sum(1) * f32s(&[8, 1]), "reduce_outer 4: vec splat vec"),
        (x.sum(1).keepdim() * &column, "reduce_inner 4: vec splat splat"),
        // Along rows, of which the last group of four may be masked.
        (x.sum(1), "reduce_inner 4: vec splat"),
        (x.sum(..), "reduce_inner 4: vec splat"),
        ((&x * &row).sum(1), "reduce_inner 4: vec vec splat"),
        ((&x * &column).sum(1), "reduce_inner 4: splat vec splat"),
        (odd.sum(1), "reduce_inner 4: step splat"),
        ((&odd * &odd_row).sum(1), "reduce_inner 4: vec step splat"),
        (rows(64, 15), "reduce_inner 1: step splat"),
        (rows(64, 16), "reduce_inner 4: vec splat"),
        (narrow(4, 40).sum(1), "reduce_inner 4: vec splat"),
        (f64.sum(1), "reduce_inner 1: step splat"),
        (cube(20).sum([0, 2]), "reduce_inner 4: vec splat"),
        (cube(22).sum([0, 2]), "reduce_inner 1: step splat"),
        (rows(64, 8), "reduce_inner 4: vec splat"),
    ];
    for (expr, want) in table {
        assert_eq!(kernels(&plan_for(&expr, &discrete)), [want], "{expr:?}");
    }
    // Short rows, four at a time, of which the last may be masked.
    let table = [
        (rows(64, 8), "reduce_rows 4: vec vec"),
        (rows(62, 8), "reduce_rows 4: vec step"),
        (rows(62, 8) * f32s(&[62]), "reduce_rows 4: vec step step"),
        (rows(4, 8), "reduce_rows 4: vec vec"),
        (rows(3, 8), "reduce_inner 4: vec splat"),
        (rows(64, 12), "reduce_inner 4: vec splat"),
        (rows(64, 6), "reduce_inner 1: step splat"),
        (f32s(&[6, 8, 8]).sum(2) * &turned_8, "reduce_rows 4: vec step vec"),
        (f32s(&[6, 10, 8]).sum(2) * &turned, "reduce_inner 4: vec splat splat"),
    ];
    for (expr, want) in table {
        assert_eq!(kernels(&plan_for(&expr, &software)), [want], "{expr:?}");
    }
}

/// A matrix product's kernel: workgroups, invocations in each, terms of a split, and for both factors whether
/// neighbouring invocations fetch neighbouring terms.
fn product(plan: &Plan) -> (u32, u32, u32, [bool; 2]) {
    let launch = plan.launches.iter().find(|l| l.spec.kernel == Kernel::Contract).unwrap();
    let Head { blocks, chunk, n_reduced, grid_x, .. } = head(launch);
    assert_eq!((grid_x, grid_x * launch.grid.y), (launch.grid.x, blocks * n_reduced.div_ceil(chunk)));
    let terms_first = [0, 1].map(|i| launch.spec.operands[i].order == Order::Linear);
    (grid_x * launch.grid.y, launch.spec.workgroup, chunk, terms_first)
}

#[test]
fn a_matrix_product_of_few_tiles_is_split() {
    let (discrete, software) = (Caps::webgpu(), Caps { tuning: Tuning::software(), ..Caps::webgpu() });
    let of = |equation, a: &[usize], b: &[usize], dtype| einsum(equation, &[tensor(a, dtype), tensor(b, dtype)]);
    let f32 = |m, k, n| of("ik,kj->ij", &[m, k], &[k, n], DType::F32);
    let rows_lie = [true, false];
    // 8 by 4 tiles; 256 workgroups keep the device busy, and a split has 256 terms at least.
    assert_eq!(product(&plan_for(&f32(512, 4096, 256), &discrete)), (256, 256, 512, rows_lie));
    assert_eq!(product(&plan_for(&f32(512, 1024, 256), &discrete)), (128, 256, 256, rows_lie));
    assert_eq!(product(&plan_for(&f32(512, 255, 256), &discrete)), (32, 256, 255, rows_lie));
    // Tiles at the edges count: 2 by 3, and 5 batches of 5 by 4.
    assert_eq!(product(&plan_for(&f32(65, 4000, 130), &discrete)), (90, 256, 267, rows_lie));
    let batches = of("bik,bkj->bij", &[5, 300, 1024], &[5, 1024, 200], DType::F32);
    assert_eq!(product(&plan_for(&batches, &discrete)), (200, 256, 512, rows_lie));
    // At most 64 splits, and as many as keep the device busy.
    assert_eq!(product(&plan_for(&f32(64, 200_000, 64), &discrete)), (64, 256, 3125, rows_lie));
    assert_eq!(product(&plan_for(&f32(1024, 2048, 1024), &discrete)), (256, 256, 2048, rows_lie));
    // Smaller workgroups own smaller tiles: 3 by 5.
    assert_eq!(product(&plan_for(&f32(65, 4000, 130), &software)), (225, 64, 267, rows_lie));
    let f64 = of("ik,kj->ij", &[512, 1024], &[1024, 256], DType::F64);
    assert_eq!(product(&plan_for(&f64, &discrete)), (256, 64, 512, rows_lie));
    let turned = of("ki,jk->ij", &[30, 20], &[40, 30], DType::F32);
    assert_eq!(product(&plan_for(&turned, &discrete)), (1, 256, 30, [false, true]));
}

#[test]
fn a_matrix_product_has_a_kernel_of_its_own() {
    let (a, b) = (f32s(&[30, 20]), f32s(&[20, 40]));
    let product = || einsum("ik,kj->ij", &[&a, &b]);
    // A sum of the same terms over the same dims could share a pass, and would take each factor element by element.
    let sum = (Expr::from(&a).reshape([30, 20, 1]) * &b).amax(1);
    let kernels = kernels(&plan_for_all(&[product(), sum, product() + 0.5], &Caps::webgpu()));
    let contract = kernels.iter().filter(|k| k.starts_with("contract")).count();
    assert_eq!((contract, kernels.len()), (1, 3), "{kernels:?}");
}

#[test]
fn an_expression_is_cut_into_few_kernels() {
    let tensors: Vec<Tensor> = (0..12).map(|_| f32s(&[33])).collect();
    let chain = tensors.iter().skip(1).fold(Expr::from(&tensors[0]), |sum, t| (sum * 0.5).maximum(t));
    // One reads as many as may be bound beside its result, each further one a result and as many less one.
    for max_bindings in [3_usize, 4, 5, 6, 8, 13] {
        let kernels = 1 + (13 - max_bindings).div_ceil(max_bindings - 2);
        let launches = plan_for(&chain, &caps(max_bindings, Tuning::discrete())).launches.len();
        assert_eq!(launches, kernels, "{max_bindings} bindings");
    }
    // Of 3 lines a step, in kernels of up to 256 lines, more than three quarters of it each.
    let of_steps = |n: i32| {
        let chain = (0..n).fold(Expr::from(&tensors[0]), |e, i| (e + i).sin());
        plan_for(&chain, &Caps::webgpu()).launches.iter().map(|l| l.spec.body.lines.len()).collect::<Vec<_>>()
    };
    assert_eq!(of_steps(85), [256]);
    assert_eq!(of_steps(86), [193, 67]);
    assert_eq!(of_steps(200), [193, 193, 217]);
}

/// A device that binds 64 KiB at a time.
fn tight(max_bindings: usize) -> Caps {
    Caps { max_binding: 64 << 10, ..caps(max_bindings, Tuning::discrete()) }
}

/// Bytes at which what is bound begins, kernel by kernel.
fn starts(plan: &Plan) -> Vec<Vec<u64>> {
    plan.launches.iter().map(|l| l.windows.iter().map(|w| w.start).collect()).collect()
}

#[test]
fn what_a_binding_does_not_reach_is_bound_where_it_begins() {
    let long = f32s(&[100_000]);
    let part = |from| long.narrow(0, from, 100).unwrap();
    let found = |a, b| starts(&plan_for(&(part(a) * part(b)), &tight(8)));
    assert_eq!(found(0, 10_000), [[0, 0]], "one binding from the start");
    assert_eq!(found(80_000, 90_000), [[320_000, 0]], "one from the first of both, a multiple of 256 bytes");
    assert_eq!(found(0, 90_000), [[359_936, 0, 0]], "two, and the result");
    assert_eq!(found(0, 16_284), [[0, 0]], "the last element a binding reaches");
    assert_eq!(found(0, 16_285), [[65_024, 0, 0]], "one further");
}

#[test]
fn targets_are_written_at_once_unless_a_pass_would_read_what_it_wrote() {
    let (x, long) = (f32s(&[100]), f32s(&[100_000]));
    let part = |from| long.narrow(0, from, 100).unwrap();
    let cost = |assignments: &[(&Tensor, Expr)]| {
        let plan = plan_assign(assignments, &tight(4));
        (plan.launches.len(), plan.temps.len())
    };
    assert_eq!(cost(&[(&part(0), &x * 2)]), (1, 0));
    assert_eq!(cost(&[(&part(0), part(0) * 2)]), (1, 0));
    assert_eq!(cost(&[(&part(0), part(10_000) * 2)]), (1, 0), "elsewhere, within reach");
    assert_eq!(cost(&[(&part(0), part(90_000) * 2)]), (2, 1), "what is written is bound once");
    assert_eq!(cost(&[(&part(0), f32s(&[100_000]).narrow(0, 90_000, 100).unwrap() * 2)]), (1, 0), "in another buffer");
    assert_eq!(cost(&[(&part(0), &x * 2), (&part(10_000), &x * 3)]), (1, 0));
    assert_eq!(cost(&[(&part(0), &x * 2), (&part(90_000), &x * 3)]), (3, 2));
    assert_eq!(cost(&[(&long, &long * 2)]), (8, 0), "piece by piece");
    // All in one pass, or all beside.
    let many: Vec<Tensor> = (0..5).map(|_| f32s(&[10])).collect();
    let turned = |n: usize| -> Vec<(&Tensor, Expr)> { (0..n).map(|i| (&many[i], &many[(i + 1) % n] + 0)).collect() };
    assert_eq!(cost(&turned(4)), (1, 0));
    assert_eq!(cost(&turned(5)).1, 5);
    // Packed elements, in words of their own and beside others.
    let f16 = tensor(&[64, 64], DType::F16);
    let columns = |from| f16.narrow(1, from, 8).unwrap();
    assert_eq!(cost(&[(&columns(4), columns(16) * 2)]), (1, 0));
    assert_eq!(cost(&[(&columns(3), columns(16) * 2)]), (2, 1));
}

#[test]
fn results_are_kept_for_what_comes_later_alone() {
    let x = f32s(&[64, 48]);
    let cost = |exprs: &[Expr]| {
        let plan = plan_for_all(exprs, &Caps::webgpu());
        (plan.launches.len(), plan.temps.len())
    };
    assert_eq!(cost(&[x.sum(0), &x + 1]), (2, 0));
    assert_eq!(cost(&[x.sum(0), x.sum(0) + 1]), (1, 0));
    assert_eq!(cost(&[x.sum(0).keepdim() * &x]), (2, 1));
    assert_eq!(cost(&[x.sum(0).cast(DType::F16), x.sum(0) + 1]), (2, 1), "packed words are a map's");
    assert_eq!(cost(&[x.sum(0).flip(0) + x.amax(0)]), (2, 2), "another place than its own");
    assert_eq!(cost(&[x.sum(0) * f32s(&[48]).flip(0).unwrap()]), (1, 0));
}

#[test]
fn what_lies_far_apart_counts_as_bindings() {
    let (tall, long) = (f32s(&[2, 40_000]), f32s(&[40_000]));
    let ends = |e: &Expr| e.narrow(0, 0, 100) * e.narrow(0, 39_000, 100);
    // A stored result and a tensor, two places each, and what is written.
    let e = ends(&tall.sum(0)) * ends(&Expr::from(&long));
    for (max_bindings, maps) in [(5, 1), (4, 2), (3, 3)] {
        let plan = plan_for(&e, &tight(max_bindings));
        assert!(plan.launches.iter().all(|l| l.spec.bindings.len() <= max_bindings));
        let found = plan.launches.iter().filter(|l| l.spec.kernel == Kernel::Map).count();
        assert_eq!(found, maps, "{max_bindings} bindings");
    }
    // Reductions of such share fewer passes.
    let far: Vec<Tensor> = (0..3).map(|_| f32s(&[40_000])).collect();
    let sums: Vec<Expr> = far.iter().map(|t| ends(&Expr::from(t)).sum(0)).collect();
    for (max_bindings, want) in [(6, &[2, 1][..]), (8, &[2, 1]), (9, &[3])] {
        let plan = plan_for_all(&sums, &tight(max_bindings));
        let folds: Vec<usize> = plan.launches.iter().map(|l| l.spec.folds.len()).filter(|&n| n > 0).collect();
        assert_eq!(folds, want, "{max_bindings} bindings");
    }
}

#[test]
fn pieces_are_halves_cut_where_groups_of_four_begin() {
    let sizes = |expr: &Expr| plan_for(expr, &tight(8)).launches.iter().map(|l| head(l).n).collect::<Vec<_>>();
    let reach = (64 << 10) / 4;
    assert_eq!(sizes(&(f32s(&[reach]) * 2)), [16_384]);
    assert_eq!(sizes(&(f32s(&[reach + 1]) * 2)), [8192, 8193]);
    assert_eq!(sizes(&(f32s(&[40_000]) * 2)), [10_240, 10_240, 10_240, 9280]);
    // Along the dim that helps: what is written in halves of three rows would still reach over all of them.
    let rows = f32s(&[20_000]) * f32s(&[3, 1]);
    assert_eq!(sizes(&rows), [10_240, 9760, 10_240, 9760, 10_240, 9760]);
}
