//! Where work is cut that is too much for a kernel, a binding, a grid or an index.

use super::{caps, f32s, head, kernels, lines, plan_for, plan_for_all, reduce, tensor, tight, try_plan};
use crate::kernel::plan::{Caps, Plan};
use crate::kernel::spec::Kernel;
use crate::kernel::tuning::Tuning;
use crate::{DType, Error, Expr, Tensor, UnaryOp, einsum};

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
fn an_expression_is_cut_by_what_its_values_cost() {
    let (x, y) = (f32s(&[33]), f32s(&[33]));
    let launches = |exprs: &[Expr]| plan_for_all(exprs, &Caps::webgpu()).launches.len();
    let chain = |n: usize, step: fn(Expr) -> Expr| (0..n).fold(Expr::from(&x), |e, _| step(e * &y));
    let maps = |n: usize, step: fn(Expr) -> Expr| launches(&[chain(n, step)]);
    // Of what is one operation hundreds are soon compiled, of functions tens, and of long functions a few.
    assert_eq!([1, 300, 500].map(|n| maps(n, |e| -e)), [1, 1, 2]);
    assert_eq!([1, 40, 80].map(|n| maps(n, |e| e.sin())), [1, 1, 2]);
    assert_eq!([1, 7, 13].map(|n| maps(n, |e| e.lgamma())), [1, 1, 2]);
    // What is reduced, and what follows.
    assert_eq!([7, 13].map(|n| launches(&[chain(n, |e| e.lgamma()).sum(..)]) > 1), [false, true]);
    let after = |n: usize| (0..n).fold(x.sum(..), |e, _| (e * 2).lgamma());
    assert_eq!([7, 8].map(|n| launches(&[after(n)])), [1, 3]);
    // Two sums share a pass if it is soon compiled.
    let sums = |n: usize| [chain(n, |e| e.lgamma()).sum(..), chain(n, |e| (e + 1).lgamma()).sum(..)];
    assert_eq!([3, 5].map(|n| launches(&sums(n))), [1, 2]);
}

#[test]
fn every_function_is_planned_whatever_it_costs() {
    let x = tensor(&[33], DType::F64);
    for op in UnaryOp::ALL {
        let e = Expr::from(&x).unary(op);
        if e.error().is_none() {
            assert_eq!(plan_for(&e, &Caps::webgpu()).launches.len(), 1, "{}", op.name());
        }
    }
}

#[test]
fn an_expression_of_many_lines_is_cut_into_few_kernels() {
    let x = f32s(&[33]);
    // Three lines a step, in kernels that are full, or more than three quarters of it.
    let chain = |n: i32, by: f64| (0..n).fold(Expr::from(&x), |e, i| (e + (f64::from(i) + by)).sin());
    let of_chain = |n| lines(&plan_for(&chain(n, 0.0), &Caps::webgpu()));
    assert_eq!(of_chain(50), [151]);
    assert_eq!(of_chain(54), [121, 43]);
    assert_eq!(of_chain(120), [121; 3]);
    // Where two long ones meet, one of them is stored, and where three do: none of them is half a kernel long.
    assert_eq!(lines(&plan_for(&(chain(28, 0.25) + chain(29, 0.5)), &Caps::webgpu())), [88, 87]);
    let three = Expr::select(chain(20, 0.25).gt(0), chain(20, 0.5), chain(21, 0.75));
    assert_eq!(lines(&plan_for(&three, &Caps::webgpu())), [64, 125]);
}

#[test]
fn values_used_many_times_are_looked_at_once() {
    // 2^60 ways through it.
    let squares = (0..60).fold(Expr::from(&f32s(&[33])), |e, _| &e * &e);
    assert_eq!(lines(&plan_for(&squares, &Caps::webgpu())), [61]);
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
fn what_lies_far_apart_counts_as_bindings() {
    let (tall, long) = (f32s(&[2, 40_000]), f32s(&[40_000]));
    let ends = |e: &Expr| e.narrow(0, 0, 100) * e.narrow(0, 39_000, 100);
    // A stored result and a tensor, two places each, and what is written.
    let e = ends(&tall.sum(0)) * ends(&Expr::from(&long));
    for (max_bindings, maps) in [(5, 1), (4, 2), (3, 3)] {
        let plan = plan_for(&e, &tight(max_bindings));
        assert!(plan.launches.iter().all(|l| l.spec.bindings.len() <= max_bindings));
        let found = plan.launches.iter().filter(|l| matches!(l.spec.kernel, Kernel::Map(_))).count();
        assert_eq!(found, maps, "{max_bindings} bindings");
    }
    // Reductions of such share fewer passes.
    let far: Vec<Tensor> = (0..3).map(|_| f32s(&[40_000])).collect();
    let sums: Vec<Expr> = far.iter().map(|t| ends(&Expr::from(t)).sum(0)).collect();
    for (max_bindings, want) in [(6, &[2, 1][..]), (8, &[2, 1]), (9, &[3])] {
        let plan = plan_for_all(&sums, &tight(max_bindings));
        let folds: Vec<usize> = plan.launches.iter().map(|l| l.spec.kernel.folds().len()).filter(|&n| n > 0).collect();
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
fn partial_results_are_put_together_by_a_pass_of_their_own() {
    let of = |shape: &[usize]| f32s(shape) * 0.5;
    let halves = tensor(&[1 << 16, 256], DType::F16);
    let (tall, software) = (plan_for(&of(&[1 << 16, 256]).sum(0), &Caps::webgpu()), Tuning::software());
    assert_eq!(kernels(&tall), ["reduce_outer 4: vec vec", "reduce_outer 4: vec vec"]);
    // Scalars are for what is reduced, not for partial results.
    assert_eq!(tall.launches.iter().map(|l| l.spec.n_scalars).collect::<Vec<_>>(), [1, 0]);
    let all = plan_for(&of(&[1 << 16, 256]).sum(..), &Caps::webgpu());
    assert_eq!(kernels(&all), ["reduce_inner 4: vec splat", "reduce_inner 4: vec splat"]);
    // By the size of what is read: columns side by side, and parts that take rows in turn.
    for (expr, groups, turns) in [(of(&[1 << 16, 256]).sum(0), 2, 16), (halves.sum(0), 4, 32)] {
        let launch = plan_for(&expr, &caps(8, software)).launches.remove(0);
        assert_eq!((reduce(&launch).groups, head(&launch).turns), (groups, turns), "{expr:?}");
    }
    // More partial results of one output than can be bound.
    let caps = Caps { max_binding: 256, ..Caps::webgpu() };
    assert!(try_plan(&[f32s(&[4096]).sum(..)], &caps).is_ok());
    let refused = try_plan(&[f32s(&[8192]).sum(..)], &caps).unwrap_err();
    assert!(matches!(refused, Error::Limit { limit: "max_storage_buffer_binding_size", max: 256, .. }), "{refused}");
}

/// Kernels of a product on a device that binds 64 KiB, and the bytes they must move.
fn far_product(equation: &str, a: &[usize], b: &[usize]) -> (Vec<&'static str>, u64) {
    let plan = plan_for(&einsum(equation, &[f32s(a), f32s(b)]), &tight(8));
    (plan.launches.iter().map(|l| l.spec.kernel.name()).collect(), plan.launches.iter().map(|l| l.bytes).sum())
}

/// Not once for every row: factors that no binding shows are cut along the dim that helps most.
#[test]
fn factors_beyond_a_binding_are_read_once_for_a_piece() {
    // 128 KiB by rows, twice 64: the other factor is read twice.
    let (m, k, n) = (512, 64, 32);
    let bytes = |elements: usize| 4 * elements as u64;
    assert_eq!(far_product("ik,kj->ij", &[m, k], &[k, n]), (vec!["contract"; 2], bytes(m * k + 2 * k * n + m * n)));
    // Along columns alike.
    assert_eq!(far_product("ik,jk->ij", &[n, k], &[m, k]), (vec!["contract"; 2], bytes(m * k + 2 * k * n + m * n)));
    // Both factors are long: parts of the terms leave partial results, four of each.
    let (kernels, moved) = far_product("ki,kj->ij", &[2048, 16], &[2048, 16]);
    assert_eq!(kernels, ["contract", "contract", "reduce_outer"]);
    let partials = 256 * 8;
    assert_eq!(moved, bytes(2 * 16 * 2048 + 2 * 256 + partials + 256));
}

#[test]
fn rows_are_split_no_further_than_partial_results_can_be_bound() {
    let splits = |max_binding, max_workgroups, outputs: usize| {
        let caps = Caps { max_binding, max_workgroups, ..Caps::webgpu() };
        let plan = plan_for(&Expr::numbers(outputs << 16).reshape([1 << 16, outputs]).amax(0), &caps);
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

#[test]
fn work_beyond_what_indices_count_is_cut_and_beyond_all_limits_refused() {
    // Nothing is read, and results are bytes: no binding is too small.
    let caps = Caps { max_binding: u64::from(u32::MAX), ..Caps::webgpu() };
    let sizes =
        |e: &Expr| plan_for(e, &caps).launches.iter().map(|l| (head(l).n, head(l).n_reduced)).collect::<Vec<_>>();
    let (most, half) = ((1 << 31) - 1, 1 << 30);
    let bytes = |n: usize| Expr::numbers(n).cast(DType::U8);
    assert_eq!(sizes(&bytes(most as usize)), [(most, 0)]);
    assert_eq!(sizes(&bytes(most as usize + 1)), [(half, 0), (half, 0)]);
    let largest = |n: usize| Expr::numbers(n).amax(..);
    assert_eq!(sizes(&largest(most as usize)), [(1, most), (1, 1024)]);
    assert_eq!(sizes(&largest(most as usize + 1)), [(1, half), (1, half), (1, 1024)]);
    // Launches of 64 elements each.
    let caps = Caps { max_binding: 256, ..Caps::webgpu() };
    let pieces = |n: usize| try_plan(&[Expr::numbers(64 * n)], &caps).map(|plan| plan.launches.len());
    assert_eq!(pieces(1 << 16).unwrap(), 1 << 16);
    let refused = pieces(1 << 17).unwrap_err();
    assert!(matches!(refused, Error::Limit { max: 65_536, found: 65_537, .. }), "{refused}");
}
