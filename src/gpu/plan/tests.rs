//! What the planner decides, without a GPU: which kernels, how they walk, where work is cut.

use super::{Caps, Launch, Plan, Slot, Target, Temp, plan};
use crate::expr::graph::Graph;
use crate::gpu::params::Head;
use crate::gpu::spec::{Kernel, Mode, Operand, Order};
use crate::gpu::tuning::Tuning;
use crate::layout::Layout;
use crate::{DType, Device, Error, Expr, Result, ScalarCell, Tensor, einsum};

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
    let f16_one = tensor(&[1], DType::F16);
    let f16_odd_beside = tensor(&[65, 47], DType::F16).narrow(0, 1, 64).unwrap();
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
        (&odd_row * 2, "map 4: vec vec, tail"),
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
        (&f16_odd * &f16_row * f16_one, "map 4: splat each vec vec"),
        (&f16_odd_beside * &f16_row, "map 4: each step vec"),
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
        (cube(22).sum([1, 2]), "reduce_inner 4: vec splat"),
        (rows(64, 8), "reduce_inner 4: vec splat"),
    ];
    for (expr, want) in table {
        assert_eq!(kernels(&plan_for(&expr, &discrete)), [want], "{expr:?}");
    }
    // Short rows, four at a time, of which the last may be masked.
    let table = [
        (rows(64, 8), "reduce_rows 4: vec vec"),
        (rows(62, 8), "reduce_rows 4: vec step, tail"),
        (rows(62, 8) * f32s(&[62]), "reduce_rows 4: vec step step, tail"),
        (rows(4, 8), "reduce_rows 4: vec vec"),
        (rows(3, 8), "reduce_inner 4: vec splat"),
        (rows(64, 12), "reduce_inner 4: vec splat"),
        (rows(64, 6), "reduce_inner 1: step splat"),
        (tensor(&[64, 8], DType::F64).sum(1), "reduce_inner 1: step splat"),
        (f32s(&[8, 64]).sum(0), "reduce_outer 4: vec vec"),
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
    let terms = f32s(&[30, 20, 1]) * f32s(&[20, 40]);
    // Another reduction of the same terms could share its pass, and would have it take each factor element by element.
    let kernels = kernels(&plan_for_all(&[terms.sum(1), terms.amax(1), terms.sum(1) + 0.5], &Caps::webgpu()));
    let contract = kernels.iter().filter(|k| k.starts_with("contract")).count();
    assert_eq!((contract, kernels.len()), (1, 3), "{kernels:?}");
}

/// Lines of its kernels, in order.
fn lines(plan: &Plan) -> Vec<usize> {
    plan.launches.iter().map(|l| l.spec.body.lines.len()).collect()
}

/// A sum of sums, of so many tensors.
fn tree(tensors: &[Tensor]) -> Expr {
    let [only] = tensors else {
        let (left, right) = tensors.split_at(tensors.len() / 2);
        return tree(left).exp() + tree(right).sin();
    };
    only.into()
}

#[test]
fn an_expression_of_many_tensors_is_cut_into_few_kernels() {
    let tensors: Vec<Tensor> = (0..12).map(|_| f32s(&[33])).collect();
    let chain = tensors.iter().skip(1).fold(Expr::from(&tensors[0]), |sum, t| (sum * 0.5).maximum(t));
    for (max_bindings, of_tree) in [(3_usize, 11), (4, 6), (5, 5), (6, 4), (8, 2), (13, 1)] {
        let caps = caps(max_bindings, Tuning::discrete());
        let found = [&chain, &tree(&tensors)].map(|e| {
            let plan = plan_for(e, &caps);
            assert!(plan.launches.iter().all(|l| l.spec.bindings.len() <= max_bindings));
            plan.launches.len()
        });
        // One kernel reads as many as may be bound beside its result, each further one a result and as many less one.
        let of_chain = 1 + (13 - max_bindings).div_ceil(max_bindings - 2);
        assert_eq!(found, [of_chain, of_tree], "{max_bindings} bindings");
    }
    // The first value that fills a kernel is stored: 3 tensors, 0.5, and 2 operations for each but the first.
    assert_eq!(lines(&plan_for(&chain, &caps(4, Tuning::discrete())))[0], 3 + 1 + 4);
    let too_many = try_plan(&[&tensors[0] * &tensors[1]], &caps(2, Tuning::discrete())).unwrap_err();
    assert!(matches!(too_many, Error::Limit { max: 2, found: 3, .. }), "{too_many}");
}

#[test]
fn an_expression_of_many_lines_is_cut_into_few_kernels() {
    let x = f32s(&[33]);
    // Three lines a step, in kernels of up to 256 lines, and more than three quarters of it.
    let chain = |n: i32, by: f64| (0..n).fold(Expr::from(&x), |e, i| (e + (f64::from(i) + by)).sin());
    let of_chain = |n| lines(&plan_for(&chain(n, 0.0), &Caps::webgpu()));
    assert_eq!(of_chain(85), [256]);
    assert_eq!(of_chain(86), [193, 67]);
    assert_eq!(of_chain(200), [193, 193, 217]);
    // Where two long ones meet, one of them is stored, and where three do: none of them is half a kernel long.
    assert_eq!(lines(&plan_for(&(chain(45, 0.25) + chain(46, 0.5)), &Caps::webgpu())), [139, 138]);
    let three = Expr::select(chain(34, 0.25).gt(0), chain(34, 0.5), chain(35, 0.75));
    assert_eq!(lines(&plan_for(&three, &Caps::webgpu())), [106, 209]);
}

#[test]
fn a_kernel_writes_sixteen_outputs_unless_they_are_read_in_place() {
    let x = f32s(&[33]);
    let stores = |plan: &Plan| plan.launches.iter().map(|l| l.spec.body.stores.len()).collect::<Vec<_>>();
    let caps = caps(100, Tuning::discrete());
    let of = |n: i32| stores(&plan_for_all(&(0..n).map(|i| &x + i).collect::<Vec<_>>(), &caps));
    assert_eq!(of(16), [16]);
    assert_eq!(of(17), [16, 1]);
    assert_eq!(of(32), [16, 16]);
    assert_eq!(of(40), [16, 16, 8]);
    let many: Vec<Tensor> = (0..20).map(|_| f32s(&[10])).collect();
    let turned: Vec<(&Tensor, Expr)> = (0..20).map(|i| (&many[i], &many[(i + 1) % 20] + 0)).collect();
    assert_eq!(stores(&plan_assign(&turned, &caps)), [20]);
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
    let three = part(0) * part(200) * part(90_000);
    assert_eq!(starts(&plan_for(&three, &tight(8))), [[359_936, 0, 0]], "what lies together shares one");
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
    let turned = Expr::from(f32s(&[6, 8])).permute(&[1, 0]).reshape([48]);
    assert_eq!(cost(&[x.sum(0) * turned]), (2, 1), "a view that strides cannot express");
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

#[test]
fn as_many_outputs_are_made_in_the_pass_of_a_reduction_as_can_be_bound() {
    let [x, y, z] = [0, 1, 2].map(|_| f32s(&[64, 48]));
    let (row, long) = (f32s(&[48]), f32s(&[40_000]));
    let made_of = |of: &Expr, row: &Expr, max_bindings| {
        let plan = plan_for_all(&(0..9).map(|i| of * row + i).collect::<Vec<_>>(), &tight(max_bindings));
        assert!(plan.launches.iter().all(|l| l.spec.bindings.len() <= max_bindings));
        plan.launches[0].windows.iter().filter(|w| matches!(w.slot, Slot::Target(_))).count()
    };
    let row = Expr::from(&row);
    // Beside three tensors, the row, and the result, which may have to be stored.
    let product = (&x * &y * &z).sum(0);
    assert_eq!([8, 9].map(|most| made_of(&product, &row, most)), [3, 4]);
    // A second pass would bind partial results of each reduction, the row, and the results.
    let extent = x.sum(0) + x.amax(0) - x.amin(0);
    assert_eq!([9, 10].map(|most| made_of(&extent, &row, most)), [2, 3]);
    // A row in two places; each output is taken to need its own.
    let ends = Expr::from(&long).narrow(0, 0, 48) * Expr::from(&long).narrow(0, 39_000, 48);
    assert_eq!([8, 10].map(|most| made_of(&x.sum(0), &ends, most)), [2, 3]);
}

#[test]
fn lanes_of_a_row_exchange_results_within_a_subgroup_that_holds_them() {
    let shuffles = |tuning, subgroup, expr: &Expr| {
        let plan = plan_for(expr, &Caps { subgroup, ..caps(8, tuning) });
        plan.launches.iter().map(|l| l.spec.subgroups).collect::<Vec<_>>()
    };
    let software = Tuning::software();
    let of = |n, dtype| tensor(&[64, n], dtype);
    assert_eq!(shuffles(software, 8, &of(256, DType::F32).sum(1)), [true]);
    assert_eq!(shuffles(software, 8, &of(256, DType::I32).amax(1)), [true]);
    assert_eq!(shuffles(software, 4, &of(256, DType::F32).sum(1)), [false], "8 lanes");
    assert_eq!(shuffles(software, 8, &of(64, DType::F32).sum(1)), [true], "4 lanes");
    assert_eq!(shuffles(software, 4, &of(64, DType::F32).sum(1)), [true]);
    assert_eq!(shuffles(software, 8, &of(16, DType::F32).sum(1)), [false], "one lane");
    assert_eq!(shuffles(software, 8, &of(256, DType::F32).sum(0)), [false], "down columns");
    assert_eq!(shuffles(software, 8, &of(256, DType::F64).sum(1)), [false]);
    assert_eq!(shuffles(Tuning::discrete(), 32, &of(256, DType::F32).sum(1)), [false], "no subgroups");
}

#[test]
fn elements_in_order_need_no_coordinates() {
    let (x, row) = (f32s(&[64, 48]), f32s(&[48]));
    let orders = |e: &Expr| {
        let plan = plan_for(e, &tight(8));
        plan.launches[0].spec.operands.iter().map(|o| o.order).collect::<Vec<_>>()
    };
    assert_eq!(orders(&(&x * 2)), [Order::Identity, Order::Identity]);
    assert_eq!(orders(&(x.narrow(0, 1, 60).unwrap() * 2)), [Order::Linear, Order::Identity]);
    assert_eq!(orders(&(&x * &row)), [Order::Strided, Order::Identity, Order::Identity]);
    assert_eq!(orders(&(x.narrow(1, 4, 8).unwrap() * 2)), [Order::Strided, Order::Identity]);
    // From where a binding begins, which may be in the middle of a buffer.
    let long = f32s(&[40_000]);
    assert_eq!(orders(&(long.narrow(0, 32_000, 64).unwrap() * 2)), [Order::Identity, Order::Identity]);
    assert_eq!(orders(&(long.narrow(0, 32_004, 64).unwrap() * 2)), [Order::Linear, Order::Identity]);
}

#[test]
fn a_binding_is_as_wide_as_all_its_views_and_written_if_one_is() {
    let (x, f16) = (f32s(&[100]), tensor(&[64, 64], DType::F16));
    let at = |from| x.narrow(0, from, 8).unwrap();
    let bindings = |assignments: &[(&Tensor, Expr)]| {
        let plan = plan_assign(assignments, &Caps::webgpu());
        let modes: Vec<Mode> = plan.launches[0].spec.operands.iter().map(|o| o.mode).collect();
        (plan.launches[0].spec.bindings.iter().map(|b| (b.wide, b.write)).collect::<Vec<_>>(), modes)
    };
    let (wide, narrow) = (vec![(true, true)], vec![(false, true)]);
    assert_eq!(bindings(&[(&at(0), at(20) * at(40))]), (wide.clone(), vec![Mode::Vec; 3]));
    assert_eq!(bindings(&[(&at(0), at(20) * at(41))]), (narrow.clone(), vec![Mode::Step; 3]));
    assert_eq!(bindings(&[(&at(0), at(41) * at(20))]), (narrow.clone(), vec![Mode::Step; 3]));
    let other = f32s(&[8]);
    assert_eq!(bindings(&[(&at(0), &other * 2)]).0, [(true, false), (true, true)]);
    assert_eq!(bindings(&[(&at(0), at(20) * 2), (&other, at(20) * 3)]).0, [(true, true), (true, true)]);
    // Packed words are stored whole through a narrow binding too.
    let columns = |from| f16.narrow(1, from, 8).unwrap();
    let found = bindings(&[(&columns(0), columns(16) * columns(33))]);
    assert_eq!(found, (narrow, vec![Mode::Step, Mode::Vec, Mode::Vec]));
}

#[test]
fn each_element_read_or_written_counts_once() {
    let (x, row) = (f32s(&[64, 48]), f32s(&[48]));
    let bytes = |e: &Expr| plan_for(e, &Caps::webgpu()).launches.iter().map(|l| l.bytes).collect::<Vec<_>>();
    assert_eq!(bytes(&(&x * &row)), [(3072 + 48 + 3072) * 4]);
    assert_eq!(bytes(&(&x * &row).sum(1)), [(3072 + 48 + 64) * 4]);
    assert_eq!(bytes(&(Expr::arange(48) + &row).cast(DType::F16)), [48 * 4 + 48 * 2]);
    assert_eq!(bytes(&einsum("ik,kj->ij", &[f32s(&[30, 20]), f32s(&[20, 40])])), [(600 + 800 + 1200) * 4]);
    // Values beside a packed target, then both and what is kept of the target.
    let target = tensor(&[100], DType::U8).narrow(0, 1, 50).unwrap();
    let plan = plan_assign(&[(&target, tensor(&[50], DType::U8) + 1)], &Caps::webgpu());
    assert_eq!(plan.launches.iter().map(|l| l.bytes).collect::<Vec<_>>(), [100, 150]);
}

#[test]
fn a_patch_walks_the_words_of_its_target() {
    let target = tensor(&[9000], DType::U8).narrow(0, 1, 4100).unwrap();
    let plan = plan_assign(&[(&target, tensor(&[4100], DType::U8) + 1)], &Caps::webgpu());
    let patch = &plan.launches[1];
    // Elements 0 to 4103, four for each of 256 invocations.
    assert_eq!((head(patch).n, patch.grid.x, patch.grid.y), (4104, 5, 1));
    let orders: Vec<Order> = patch.spec.operands.iter().map(|o| o.order).collect();
    assert_eq!(orders, [Order::Linear, Order::Strided, Order::Linear]);
}

#[test]
fn partial_results_are_put_together_by_a_pass_of_their_own() {
    let of = |shape: &[usize]| f32s(shape) * 0.5;
    let halves = tensor(&[1 << 16, 256], DType::F16);
    let (tall, software) = (plan_for(&of(&[1 << 16, 256]).sum(0), &Caps::webgpu()), Tuning::software());
    assert_eq!(kernels(&tall), ["reduce_outer 4: vec vec", "reduce_outer 4: vec vec"]);
    // Numbers are for what is reduced, not for partial results.
    assert_eq!(tall.launches.iter().map(|l| l.spec.n_scalars).collect::<Vec<_>>(), [1, 0]);
    let all = plan_for(&of(&[1 << 16, 256]).sum(..), &Caps::webgpu());
    assert_eq!(kernels(&all), ["reduce_inner 4: vec splat", "reduce_inner 4: vec splat"]);
    // By the size of what is read: columns side by side, and parts that take rows in turn.
    for (expr, groups, turns) in [(of(&[1 << 16, 256]).sum(0), 2, 16), (halves.sum(0), 4, 32)] {
        let launch = plan_for(&expr, &caps(8, software)).launches.remove(0);
        assert_eq!((launch.spec.groups, head(&launch).turns), (groups, turns), "{expr:?}");
    }
    // More partial results of one output than can be bound.
    let caps = Caps { max_binding: 256, ..Caps::webgpu() };
    assert!(try_plan(&[f32s(&[4096]).sum(..)], &caps).is_ok());
    let refused = try_plan(&[f32s(&[8192]).sum(..)], &caps).unwrap_err();
    assert!(matches!(refused, Error::Limit { limit: "max_storage_buffer_binding_size", max: 256, .. }), "{refused}");
}

#[test]
fn a_number_is_passed_once_for_each_dtype_it_is_used_in() {
    let (x, y, cell) = (f32s(&[64]), tensor(&[64], DType::F64), ScalarCell::new(2.0));
    let single = (&x + &cell) * &cell;
    let both = single.cast(DType::F64) + &y * &cell;
    let launch = plan_for(&both, &Caps::webgpu()).launches.remove(0);
    let at = launch.spec.scalars_at();
    assert_eq!(launch.scalars, [(0, DType::F64, at), (1, DType::F32, at + 2)]);
    assert_eq!(launch.spec.n_scalars, 3);
}

#[test]
fn values_used_many_times_are_looked_at_once() {
    // 2^60 ways through it.
    let squares = (0..60).fold(Expr::from(&f32s(&[33])), |e, _| &e * &e);
    assert_eq!(lines(&plan_for(&squares, &Caps::webgpu())), [61]);
}

#[test]
fn only_packed_targets_are_written_beside_their_words() {
    let (packed, whole) = (tensor(&[100], DType::U8).narrow(0, 1, 50).unwrap(), f32s(&[100]).narrow(0, 1, 50).unwrap());
    let x = f32s(&[50]);
    let plan = plan_assign(&[(&packed, (&x + 1).cast(DType::U8)), (&whole, &x * 2)], &Caps::webgpu());
    assert_eq!((plan.launches.len(), &plan.temps[..]), (2, &[Temp { numel: 50, dtype: DType::U8 }][..]));
}

#[test]
fn work_beyond_what_indices_count_is_cut_and_beyond_all_limits_refused() {
    // Nothing is read, and results are bytes: no binding is too small.
    let caps = Caps { max_binding: u64::from(u32::MAX), ..Caps::webgpu() };
    let sizes =
        |e: &Expr| plan_for(e, &caps).launches.iter().map(|l| (head(l).n, head(l).n_reduced)).collect::<Vec<_>>();
    let (most, half) = ((1 << 31) - 1, 1 << 30);
    let bytes = |n: usize| Expr::arange(n).cast(DType::U8);
    assert_eq!(sizes(&bytes(most as usize)), [(most, 0)]);
    assert_eq!(sizes(&bytes(most as usize + 1)), [(half, 0), (half, 0)]);
    let largest = |n: usize| Expr::arange(n).amax(..);
    assert_eq!(sizes(&largest(most as usize)), [(1, most), (1, 1024)]);
    assert_eq!(sizes(&largest(most as usize + 1)), [(1, half), (1, half), (1, 1024)]);
    // Launches of 64 elements each.
    let caps = Caps { max_binding: 256, ..Caps::webgpu() };
    let pieces = |n: usize| try_plan(&[Expr::arange(64 * n)], &caps).map(|plan| plan.launches.len());
    assert_eq!(pieces(1 << 16).unwrap(), 1 << 16);
    let refused = pieces(1 << 17).unwrap_err();
    assert!(matches!(refused, Error::Limit { max: 65_536, found: 65_537, .. }), "{refused}");
}

#[test]
fn reductions_over_one_domain_share_a_pass_and_their_epilogue() {
    let x = tensor(&[64, 48], DType::F32);
    let mean = x.mean(0);
    let variance = x.square().mean(0) - mean.square();
    let kernels: Vec<_> = plan_for(&variance, &Caps::webgpu()).launches.iter().map(|l| l.spec.folds.len()).collect();
    assert_eq!(kernels, [2]);
    let softmax = (&x - x.amax(1).keepdim()).exp();
    let softmax = &softmax / softmax.sum(1).keepdim();
    assert_eq!(plan_for(&softmax, &Caps::webgpu()).launches.len(), 3);
}

/// How many reductions each kernel does, where all have one domain.
fn shared(exprs: &[Expr], caps: &Caps) -> Vec<usize> {
    plan_for_all(exprs, caps).launches.iter().map(|l| l.spec.folds.len()).filter(|&n| n > 0).collect()
}

#[test]
fn as_many_reductions_share_a_pass_as_the_device_has_room_for() {
    let tensors: Vec<Tensor> = (0..8).map(|_| tensor(&[64, 48], DType::F32)).collect();
    let x = &tensors[0];
    let of_one = [x.sum(0), x.amax(0), x.amin(0), x.prod(0)];
    for (room, kernels) in [(1, &[1, 1, 1, 1][..]), (2, &[2, 2]), (3, &[3, 1]), (4, &[4])] {
        let caps = caps(100, Tuning::discrete());
        let max_workgroup_memory = room * 16 * caps.tuning.workgroup;
        assert_eq!(shared(&of_one, &Caps { max_workgroup_memory, ..caps }), kernels, "memory for {room}");
    }
    let of_each: Vec<Expr> = tensors[..4].iter().map(|x| x.sum(0)).collect();
    let of_two: Vec<Expr> = tensors.chunks(2).map(|pair| (&pair[0] * &pair[1]).sum(0)).collect();
    for (max_bindings, each, two) in
        [(6, &[3, 1][..], &[2, 2][..]), (7, &[3, 1], &[2, 2]), (8, &[4], &[2, 2]), (9, &[4], &[3, 1]), (12, &[4], &[4])]
    {
        let caps = caps(max_bindings, Tuning::discrete());
        assert_eq!((&shared(&of_each, &caps)[..], &shared(&of_two, &caps)[..]), (each, two), "{max_bindings} bindings");
    }
}

#[test]
fn numbers_do_not_change_the_kernel() {
    let x = tensor(&[64], DType::F32);
    let specs: Vec<_> = [0.1, 0.25, -3e20]
        .iter()
        .map(|&lr| plan_for(&(&x - lr * (&x + 2)), &Caps::webgpu()).launches.remove(0).spec)
        .collect();
    assert!(specs.windows(2).all(|w| w[0] == w[1]));
}

#[test]
fn a_longer_reduction_may_begin_with_one_that_has_no_elements() {
    let x = tensor(&[8, 0], DType::F32);
    assert_eq!(shared(&[x.sum(..), x.sum(0)], &Caps::webgpu()), [1]);
}

#[test]
fn rows_are_split_no_further_than_partial_results_can_be_bound() {
    let splits = |max_binding, max_workgroups, outputs: usize| {
        let caps = Caps { max_binding, max_workgroups, ..Caps::webgpu() };
        let plan = plan_for(&Expr::arange(outputs << 16).reshape([1 << 16, outputs]).amax(0), &caps);
        plan.temps.iter().map(|t| t.numel / outputs).collect::<Vec<_>>()
    };
    assert_eq!(splits(1 << 20, 65_535, 64), [128], "as many as keep the device busy");
    assert_eq!(splits(16 << 10, 65_535, 64), [64], "of 256 bytes each");
    assert_eq!(splits(1 << 20, 48, 64), [36], "48 by 48 workgroups for 64 outputs");
}

#[test]
fn a_grid_holds_the_workgroups_of_each_launch() {
    let caps = Caps { max_workgroups: 4, ..caps(8, Tuning::discrete()) };
    let outputs = |e: &Expr| {
        let plan = plan_for(e, &caps);
        assert!(plan.launches.iter().all(|l| l.grid.x <= 4 && l.grid.y <= 4));
        plan.launches.iter().map(|l| head(l).n).collect::<Vec<_>>()
    };
    // 16 workgroups: of 256 elements in a map, of an output each at worst in a reduction.
    assert_eq!(outputs(&(f32s(&[4096]) * 2)), [4096]);
    assert_eq!(outputs(&(f32s(&[4100]) * 2)), [2560, 1540]);
    assert_eq!(outputs(&f32s(&[16, 2048]).sum(1)), [16]);
    assert_eq!(outputs(&f32s(&[20, 2048]).sum(1)), [12, 8]);
    assert_eq!(outputs(&(f32s(&[20, 2048]).sum(1) * f32s(&[20]))), [12, 8]);
}
