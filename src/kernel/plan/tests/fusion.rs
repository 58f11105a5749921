//! What shares a pass, and what is stored.

use super::{body, caps, f32s, kernels, plan_assign, plan_for, plan_for_all, tensor, tight};
use crate::kernel::plan::{Caps, Memory, Plan, Temp};
use crate::kernel::tuning::Tuning;
use crate::{DType, Expr, Tensor};

#[test]
fn reductions_over_one_domain_share_a_pass_and_their_epilogue() {
    let x = tensor(&[64, 48], DType::F32);
    let mean = x.mean(0);
    let variance = x.square().mean(0) - mean.square();
    let kernels: Vec<_> =
        plan_for(&variance, &Caps::webgpu()).launches.iter().map(|l| l.spec.kernel.folds().len()).collect();
    assert_eq!(kernels, [2]);
    let softmax = (&x - x.amax(1).keepdim()).exp();
    let softmax = &softmax / softmax.sum(1).keepdim();
    assert_eq!(plan_for(&softmax, &Caps::webgpu()).launches.len(), 3);
}

#[test]
fn a_matrix_product_has_a_kernel_of_its_own() {
    let terms = f32s(&[30, 20, 1]) * f32s(&[20, 40]);
    // Another reduction of the same terms could share its pass, and would have it take each factor element by element.
    let kernels = kernels(&plan_for_all(&[terms.sum(1), terms.amax(1), terms.sum(1) + 0.5], &Caps::webgpu()));
    let contract = kernels.iter().filter(|k| k.starts_with("contract")).count();
    assert_eq!((contract, kernels.len()), (1, 3), "{kernels:?}");
}

/// How many reductions each kernel does, where all have one domain.
fn shared(exprs: &[Expr], caps: &Caps) -> Vec<usize> {
    plan_for_all(exprs, caps).launches.iter().map(|l| l.spec.kernel.folds().len()).filter(|&n| n > 0).collect()
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
fn a_longer_reduction_may_begin_with_one_that_has_no_elements() {
    let x = tensor(&[8, 0], DType::F32);
    assert_eq!(shared(&[x.sum(..), x.sum(0)], &Caps::webgpu()), [1]);
}

#[test]
fn as_many_outputs_are_made_in_the_pass_of_a_reduction_as_can_be_bound() {
    let [x, y, z] = [0, 1, 2].map(|_| f32s(&[64, 48]));
    let (row, long) = (f32s(&[48]), f32s(&[40_000]));
    let made_of = |of: &Expr, row: &Expr, max_bindings| {
        let plan = plan_for_all(&(0..9).map(|i| of * row + i).collect::<Vec<_>>(), &tight(max_bindings));
        assert!(plan.launches.iter().all(|l| l.spec.bindings.len() <= max_bindings));
        plan.launches[0].windows.iter().filter(|w| matches!(w.memory, Memory::Target(_))).count()
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
fn results_are_kept_for_what_comes_later_alone() {
    let x = f32s(&[64, 48]);
    let cost = |exprs: &[Expr]| {
        let plan = plan_for_all(exprs, &Caps::webgpu());
        (plan.launches.len(), plan.temps.len())
    };
    assert_eq!(cost(&[x.sum(0), &x + 1]), (1, 0), "written as it is walked");
    assert_eq!(cost(&[x.sum(0), x.sum(0) + 1]), (1, 0));
    assert_eq!(cost(&[x.sum(0).keepdim() * &x]), (2, 1));
    assert_eq!(cost(&[x.sum(0).cast(DType::F16), x.sum(0) + 1]), (1, 0), "whole words");
    assert_eq!(cost(&[x.sum(1).cast(DType::F16), x.sum(1) + 1]), (2, 1), "words of several rows are a map's");
    assert_eq!(cost(&[x.sum(0).flip(0) + x.amax(0)]), (2, 2), "another place than its own");
    assert_eq!(cost(&[x.sum(0) * f32s(&[48]).flip(0).unwrap()]), (1, 0));
    let turned = Expr::from(f32s(&[6, 8])).permute(&[1, 0]).reshape([48]);
    assert_eq!(cost(&[x.sum(0) * turned]), (2, 1), "a view that strides cannot express");
}

#[test]
fn the_pass_of_a_reduction_writes_packed_elements_where_it_owns_whole_words() {
    let x = f32s(&[3, 20, 64]);
    let cost = |target: &Tensor, value: &Expr| {
        let plan = plan_assign(&[(target, value.clone())], &Caps::webgpu());
        (plan.launches.len(), plan.temps.len())
    };
    let bytes = |shape: &[usize]| tensor(shape, DType::U8);
    let grey = (x.sum(0) * 255.0).reshape([20, 64]);
    assert_eq!(cost(&bytes(&[20, 64]), &grey), (1, 0));
    assert_eq!(cost(&bytes(&[20, 256]).narrow(1, 0, 64).unwrap(), &grey), (1, 0), "rows far apart");
    assert_eq!(cost(&bytes(&[20, 256]).narrow(1, 2, 64).unwrap(), &grey).0, 3, "words shared with what stays");
    assert_eq!(cost(&bytes(&[20, 66]).narrow(1, 0, 64).unwrap(), &grey).0, 3, "rows begin within words");
    assert_eq!(cost(&bytes(&[64, 20]).permute(&[1, 0]).unwrap(), &grey).0, 3, "neighbours lie apart");
    let odd = x.narrow(2, 0, 63).unwrap().sum(0);
    assert_eq!(cost(&bytes(&[20, 63]), &odd), (2, 1), "groups of four would run over the ends of rows");
    let [f16, bf16, bools] = [DType::F16, DType::BF16, DType::Bool].map(|dtype| tensor(&[20, 64], dtype));
    for target in [&f16, &bf16] {
        assert_eq!(cost(target, &x.sum(0)), (1, 0));
    }
    assert_eq!(cost(&bools, &x.sum(0).gt(0.0)), (1, 0));
    assert_eq!(cost(&bytes(&[20]), &x.sum(0).sum(1)).0, 3, "one output a row");
    let long = f32s(&[40_000, 64]);
    assert_eq!(cost(&tensor(&[64], DType::F16), &long.sum(0)), (3, 2), "partial results first");
    let product = (f32s(&[20, 30, 1]) * f32s(&[30, 64])).sum(1);
    let kernels = kernels(&plan_assign(&[(&f16, product)], &Caps::webgpu()));
    assert!(kernels[0].starts_with("contract") && kernels[1].starts_with("map"), "{kernels:?}");
    // What is reduced is wanted later, too.
    let both = [(&f16, x.sum(0)), (&f32s(&[20]), x.sum(0).sum(1))];
    let plan = plan_assign(&both, &Caps::webgpu());
    assert_eq!((plan.launches.len(), &plan.temps[..]), (2, &[Temp { numel: 20 * 64, dtype: DType::F32 }][..]));
}

#[test]
fn a_kernel_writes_sixteen_outputs_unless_they_are_read_in_place() {
    let x = f32s(&[33]);
    let stores = |plan: &Plan| plan.launches.iter().map(|l| body(l).stores.len()).collect::<Vec<_>>();
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
fn an_update_is_written_by_its_last_pass_if_earlier_ones_have_read_the_rest() {
    let (x, w, v) = (f32s(&[40_000, 4]), f32s(&[4]), f32s(&[4]));
    let cost = |assignments: &[(&Tensor, Expr)]| {
        let plan = plan_assign(assignments, &Caps::webgpu());
        (plan.launches.len(), plan.temps.len())
    };
    let slope = |x: &Tensor| (&(x * &w) * x).sum(0);
    assert_eq!(cost(&[(&w, &w - slope(&x))]), (2, 1), "partial results, then the step");
    let speed = &v * 0.9 + slope(&x);
    assert_eq!(cost(&[(&v, speed.clone()), (&w, &w - speed)]), (2, 1));
    assert_eq!(cost(&[(&w, slope(&x))]), (2, 1), "the old value is read by the first pass alone");
    let short = x.narrow(0, 0, 7).unwrap();
    assert_eq!(cost(&[(&w, &w - slope(&short))]), (2, 1), "one pass reads all of it while others write: a copy");
    assert_eq!(cost(&[(&w, w.flip(0).unwrap() - slope(&x))]), (3, 2), "the last pass reads what others write");
    let total = Expr::from(&x).sum(..);
    assert_eq!(cost(&[(&x, &x - &total)]), (3, 2), "the sum, then a map in place");
    assert_eq!(cost(&[(&x, x.flip(0).unwrap() - &total)]), (4, 3));
    let both = [(&w, &w + slope(&x)), (&x, &x + &w)];
    assert_eq!(cost(&both), (2, 1), "each element is written by the pass that has read it, then the step");
    // The first target is written before the second is computed of it.
    let both = [(&w, &w + slope(&x)), (&x, x.flip(0).unwrap() + &w)];
    assert_eq!(cost(&both).1, 3);
    assert_eq!(cost(&[(&w, Expr::from(&w).cumsum(0))]), (2, 1));
    assert_eq!(
        cost(&[(&x, Expr::from(&x).cumsum(0))]).1,
        cost(&[(&f32s(&[40_000, 4]), Expr::from(&x).cumsum(0))]).1 + 1
    );
}

#[test]
fn only_packed_targets_are_written_beside_their_words() {
    let (packed, whole) = (tensor(&[100], DType::U8).narrow(0, 1, 50).unwrap(), f32s(&[100]).narrow(0, 1, 50).unwrap());
    let x = f32s(&[50]);
    let plan = plan_assign(&[(&packed, (&x + 1).cast(DType::U8)), (&whole, &x * 2)], &Caps::webgpu());
    assert_eq!((plan.launches.len(), &plan.temps[..]), (2, &[Temp { numel: 50, dtype: DType::U8 }][..]));
}

#[test]
fn memory_beside_a_packed_target_counts_as_a_binding() {
    let tensors: Vec<Tensor> = (0..4).map(|_| tensor(&[100], DType::U8)).collect();
    for from in [1, 4] {
        let parts: Vec<Tensor> = tensors.iter().map(|t| t.narrow(0, from, 50).unwrap()).collect();
        let sum = parts.iter().skip(1).fold(Expr::from(&parts[0]), |sum, t| sum + t);
        for max_bindings in 3..7 {
            let plan = plan_assign(&[(&parts[0], sum.clone())], &tight(max_bindings));
            assert!(plan.launches.iter().all(|l| l.spec.bindings.len() <= max_bindings), "{:?}", kernels(&plan));
        }
        // Two targets in one buffer.
        let two = [
            (
                &tensors[0].narrow(0, from, 20).unwrap(),
                &tensors[1].narrow(0, 0, 20).unwrap() * &tensors[2].narrow(0, 0, 20).unwrap(),
            ),
            (&tensors[0].narrow(0, from + 30, 20).unwrap(), &tensors[1].narrow(0, 0, 20).unwrap() + 1),
        ];
        assert!(plan_assign(&two, &tight(3)).launches.iter().all(|l| l.spec.bindings.len() <= 3));
    }
}

/// A gradient of every weight beside its loss: a pass over the elements, and one over what its parts left.
#[test]
fn what_is_computed_of_the_elements_of_a_reduction_is_written_in_its_pass() {
    let [w, a, t] = [(); 3].map(|()| f32s(&[1000, 1001]));
    let error = &w * &a - &t;
    let (loss, slope) = (error.square().mean(..), &error * &a * 2.0);
    let launches = |exprs: &[Expr], caps: &Caps| kernels(&plan_for_all(exprs, caps));
    let both = [loss.clone(), slope.clone()];
    assert_eq!(
        launches(&both, &Caps::webgpu()),
        ["reduce_inner 4: vec vec vec splat vec", "reduce_inner 4: vec splat"]
    );
    // The last vector of the last row has one element alone.
    let odd = [error.narrow(0, 0, 999).sum(..), slope.narrow(0, 0, 999)];
    assert_eq!(launches(&odd, &Caps::webgpu())[0], "reduce_inner 4: vec vec vec splat vec, tail");
    let down = ["reduce_outer 1: step step step step step", "reduce_outer 1: step step"];
    assert_eq!(launches(&[error.sum(0), slope.clone()], &Caps::webgpu()), down);
    // Three tensors, a result and its parts, and the slopes: one more than five.
    assert_eq!(launches(&both, &caps(5, Tuning::discrete())).len(), 2);
    assert!(launches(&both, &caps(4, Tuning::discrete())).len() > 2);
    // What lies in words together with others, or reads more of its own than is read already, has a pass of its own.
    let apart = [loss.clone(), slope.cast(DType::F16)];
    assert!(launches(&apart, &Caps::webgpu()).iter().any(|k| k.starts_with("map")));
    let [b, c, d] = [(); 3].map(|()| f32s(&[1000, 1001]));
    assert!(launches(&[a.sum(..), &a * &b * &c * &d], &Caps::webgpu()).iter().any(|k| k.starts_with("map")));
    // In place, if nothing else reads what is overwritten.
    let step = || &w - &slope * 0.1;
    let held = f32s(&[]);
    let steps = |assignments: &[(&Tensor, Expr)]| kernels(&plan_assign(assignments, &Caps::webgpu()));
    assert_eq!(steps(&[(&w, step()), (&held, loss.clone())]).len(), 2);
    let read_elsewhere = steps(&[(&w, step()), (&held, loss + w.flip(0).unwrap().amax(..))]);
    assert!(read_elsewhere.len() == 3 && read_elsewhere[2].starts_with("map"), "{read_elsewhere:?}");
}
