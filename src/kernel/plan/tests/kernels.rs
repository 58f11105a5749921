//! What one kernel is: how it walks, what it binds, what it is given.

use super::{caps, f32s, head, kernels, plan_assign, plan_for, reduce, tensor, tight};
use crate::kernel::plan::{Caps, Plan};
use crate::kernel::spec::{Contract, DIM_WORDS, HEAD_WORDS, Kernel, Mode, Order, Tiles};
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
        (rows(64, 12), "reduce_inner 4: vec splat"),
        (rows(64, 8), "reduce_rows 4: vec vec"),
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
    let launch = plan.launches.iter().find(|l| l.spec.kernel.name().starts_with("contract")).unwrap();
    let Kernel::Contract(Contract { terms_first, .. }) = launch.spec.kernel else { unreachable!() };
    let Head { blocks, chunk, n_reduced, grid_x, .. } = head(launch);
    assert_eq!((grid_x, grid_x * launch.grid.y), (launch.grid.x, blocks * n_reduced.div_ceil(chunk)));
    (grid_x * launch.grid.y, launch.spec.workgroup, chunk, terms_first)
}

fn einsum_of(equation: &str, a: &[usize], b: &[usize], dtype: DType) -> Expr {
    einsum(equation, &[tensor(a, dtype), tensor(b, dtype)])
}

#[test]
fn a_matrix_product_of_few_tiles_is_split() {
    let discrete = Caps::webgpu();
    let f32 = |m, k, n| product(&plan_for(&einsum_of("ik,kj->ij", &[m, k], &[k, n], DType::F32), &discrete));
    let rows_lie = [true, false];
    // 8 by 4 tiles of 64 by 64; 256 workgroups keep the device busy, and a split has 256 terms at least.
    assert_eq!(f32(512, 4096, 256), (256, 256, 512, rows_lie));
    // Where splits do not make 256 of them, 16 by 8 of 32 by 32.
    assert_eq!(f32(512, 1024, 256), (256, 64, 512, rows_lie));
    assert_eq!(f32(512, 255, 256), (128, 64, 256, rows_lie));
    // Tiles at the edges count: 3 by 5, and 5 batches of 5 by 4.
    assert_eq!(f32(65, 4000, 130), (225, 64, 268, rows_lie));
    let batches = einsum_of("bik,bkj->bij", &[5, 300, 1024], &[5, 1024, 200], DType::F32);
    assert_eq!(product(&plan_for(&batches, &discrete)), (200, 256, 512, rows_lie));
    // At most 64 splits, and as many as keep the device busy.
    assert_eq!(f32(64, 200_000, 64), (256, 64, 3128, rows_lie));
    assert_eq!(f32(1024, 2048, 1024), (256, 256, 2048, rows_lie));
    // Of f64, tiles are 32 by 32.
    let f64 = einsum_of("ik,kj->ij", &[512, 1024], &[1024, 256], DType::F64);
    assert_eq!(product(&plan_for(&f64, &discrete)), (256, 64, 512, rows_lie));
    let turned = einsum_of("ki,jk->ij", &[30, 20], &[40, 30], DType::F32);
    assert_eq!(product(&plan_for(&turned, &discrete)), (2, 64, 32, [false, true]));
}

#[test]
fn a_matrix_product_of_many_tiles_has_large_ones() {
    let tiles = |sizes: [usize; 3], dtype, caps: &Caps| {
        let [m, k, n] = sizes;
        let plan = plan_for(&einsum_of("ik,kj->ij", &[m, k], &[k, n], dtype), caps);
        let Kernel::Contract(Contract { tiles, .. }) = plan.launches[0].spec.kernel else { unreachable!() };
        (tiles, plan.launches[0].spec.workgroup, head(&plan.launches[0]).blocks)
    };
    let (small, large) = (Tiles::Shared { parts: 1 }, Tiles::Shared { parts: 2 });
    let (discrete, integrated) = (Caps::webgpu(), Caps { tuning: Tuning::integrated(), ..Caps::webgpu() });
    assert_eq!(tiles([2048, 64, 2048], DType::F32, &discrete), (large, 256, 256));
    assert_eq!(tiles([2048, 64, 1920], DType::F32, &discrete), (small, 256, 960));
    assert_eq!(tiles([2048, 64, 2048], DType::F64, &discrete), (small, 64, 4096));
    assert_eq!(tiles([512, 64, 512], DType::F32, &integrated), (large, 64, 64));
    assert_eq!(tiles([512, 64, 448], DType::F32, &integrated), (small, 64, 224));
}

/// On a software adapter: 8 by 8 outputs for each of 8 invocations, side by side so that few of them are idle.
#[test]
fn tiles_in_registers_lie_as_rows_and_columns_ask_for() {
    let software = |subgroup| Caps { subgroup, ..caps(8, Tuning::software()) };
    let on = |caps: &Caps, m, k, n| {
        let plan = plan_for(&einsum_of("ik,kj->ij", &[m, k], &[k, n], DType::F32), caps);
        let launch = &plan.launches[0];
        let at = HEAD_WORDS + 3 * DIM_WORDS;
        let (workgroups, workgroup, chunk, _) = product(&plan);
        assert_eq!(workgroup, 8);
        (launch.uniforms[at], workgroups, chunk)
    };
    // Tiles side by side, workgroups, terms of a split.
    let of = |m, k, n| on(&software(0), m, k, n);
    assert_eq!(of(256, 256, 256), (4, 128, 256));
    assert_eq!(of(16, 100, 1000), (4, 32, 100));
    assert_eq!(of(1000, 100, 16), (2, 32, 100));
    assert_eq!(of(24, 100, 64), (8, 3, 100));
    // 25 blocks, and 64 workgroups keep the device busy.
    assert_eq!(of(65, 4000, 130), (4, 50, 2000));
    assert_eq!(of(16, 1 << 20, 16), (4, 64, 1 << 14));
    // Where rows are broadcast, all have the same 16, of a transposed product if that has fewer blocks.
    let of = |m, k, n| on(&software(8), m, k, n);
    assert_eq!(of(256, 256, 256), (8, 64, 256));
    assert_eq!(of(16, 100, 1000), (8, 16, 100));
    assert_eq!(of(1000, 100, 16), (8, 16, 100));
    // But not where most would be idle.
    assert_eq!(of(16, 1 << 20, 16), (4, 64, 1 << 14));
}

/// What lies in vectors of four is fetched so, along terms or across them, and in pairs where there are words of 64 bits.
#[test]
fn tiles_in_registers_are_fetched_as_vectors() {
    let software = Caps { i64: true, ..caps(8, Tuning::software()) };
    let modes = |expr: &Expr| kernels(&plan_for(expr, &software)).remove(0);
    let of = |equation, a: &[usize], b: &[usize]| modes(&einsum_of(equation, a, b, DType::F32));
    assert_eq!(of("ik,kj->ij", &[20, 24], &[24, 28]), "contract_registers 1: vec vec vec");
    assert_eq!(of("ki,jk->ji", &[24, 20], &[28, 24]), "contract_registers 1: vec vec step");
    assert_eq!(of("ik,kj->ij", &[20, 23], &[23, 28]), "contract_registers 1: step vec vec");
    assert_eq!(of("ik,kj->ij", &[20, 24], &[24, 27]), "contract_registers 1: vec step step");
    assert_eq!(of("ki,kj->ij", &[23, 20], &[23, 28]), "contract_registers 1: vec vec vec");
    let f64 = einsum_of("ik,kj->ij", &[20, 24], &[24, 28], DType::F64);
    assert_eq!(modes(&f64), "contract_registers 1: step step step");
    // Parts of a row: aligned, and not.
    let (a, b) = (f32s(&[20, 40]), f32s(&[24, 28]));
    let narrow = |from| einsum("ik,kj->ij", &[a.narrow(1, from, 24).unwrap(), b.clone()]);
    assert_eq!(modes(&narrow(4)), "contract_registers 1: vec vec vec");
    assert_eq!(modes(&narrow(5)), "contract_registers 1: step vec vec");
    // One binding, wide for both or for none.
    let square = |n| {
        let x = f32s(&[n, n]);
        einsum("ik,jk->ij", &[x.clone(), x])
    };
    assert_eq!(modes(&square(24)), "contract_registers 1: vec vec vec");
    let plan = plan_for(&square(24), &software);
    assert!(plan.launches[0].spec.bindings.iter().all(|b| b.wide && b.pairs));
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
