//! What one kernel is: how it walks, what it binds, what it is given.

use super::{caps, f32s, head, kernels, plan_assign, plan_for, reduce, tensor, tight};
use crate::kernel::plan::{Caps, Plan};
use crate::kernel::spec::{Contract, Kernel, Mode, Order};
use crate::kernel::tuning::Tuning;
use crate::kernel::uniforms::Head;
use crate::{DType, Expr, ScalarCell, Tensor, einsum};

/// What modes and orders mean is said at [`Operand`](crate::kernel::spec::Operand).
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
        (&x + Expr::numbers(48), "map 4: step vec vec"),
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
        ((&x + Expr::numbers(48)).sum(0), "reduce_outer 4: step vec vec"),
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
fn lanes_of_a_row_exchange_results_within_a_subgroup_that_holds_them() {
    let shuffles = |tuning, subgroup, expr: &Expr| {
        let plan = plan_for(expr, &Caps { subgroup, ..caps(8, tuning) });
        plan.launches.iter().map(|l| reduce(l).subgroups).collect::<Vec<_>>()
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

/// A matrix product's kernel: workgroups, invocations in each, terms of a split, and for both factors whether
/// neighbouring invocations fetch neighbouring terms.
fn product(plan: &Plan) -> (u32, u32, u32, [bool; 2]) {
    let launch = plan.launches.iter().find(|l| l.spec.kernel.name() == "contract").unwrap();
    let Kernel::Contract(Contract { terms_first, .. }) = launch.spec.kernel else { unreachable!() };
    let Head { blocks, chunk, n_reduced, grid_x, .. } = head(launch);
    assert_eq!((grid_x, grid_x * launch.grid.y), (launch.grid.x, blocks * n_reduced.div_ceil(chunk)));
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
fn numbers_do_not_change_the_kernel() {
    let x = tensor(&[64], DType::F32);
    let specs: Vec<_> = [0.1, 0.25, -3e20]
        .iter()
        .map(|&lr| plan_for(&(&x - lr * (&x + 2)), &Caps::webgpu()).launches.remove(0).spec)
        .collect();
    assert!(specs.windows(2).all(|w| w[0] == w[1]));
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
    // Once for what is summed and for what is made of the sum.
    let launch = plan_for(&((&x * &cell).sum(..) * &cell), &Caps::webgpu()).launches.remove(0);
    assert_eq!((launch.scalars.len(), launch.spec.n_scalars), (1, 1));
}

#[test]
fn each_element_read_or_written_counts_once() {
    let (x, row) = (f32s(&[64, 48]), f32s(&[48]));
    let bytes = |e: &Expr| plan_for(e, &Caps::webgpu()).launches.iter().map(|l| l.bytes).collect::<Vec<_>>();
    assert_eq!(bytes(&(&x * &row)), [(3072 + 48 + 3072) * 4]);
    assert_eq!(bytes(&(&x * &row).sum(1)), [(3072 + 48 + 64) * 4]);
    assert_eq!(bytes(&(Expr::numbers(48) + &row).cast(DType::F16)), [48 * 4 + 48 * 2]);
    assert_eq!(bytes(&einsum("ik,kj->ij", &[f32s(&[30, 20]), f32s(&[20, 40])])), [(600 + 800 + 1200) * 4]);
    // Values beside a packed target, then both and what is kept of the target.
    let target = tensor(&[100], DType::U8).narrow(0, 1, 50).unwrap();
    let plan = plan_assign(&[(&target, tensor(&[50], DType::U8) + 1)], &Caps::webgpu());
    assert_eq!(plan.launches.iter().map(|l| l.bytes).collect::<Vec<_>>(), [100, 150]);
}
