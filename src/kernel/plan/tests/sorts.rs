//! Which rows are merged and which are sorted by digits.

use super::{caps, plan_for, tensor};
use crate::kernel::plan::{Caps, Plan};
use crate::kernel::spec::{Kernel, Sort, SortPass, Tile};
use crate::kernel::tuning::Tuning;
use crate::{DType, Expr};

/// What sorts do, in order: blocks, merges, or the width of a digit.
fn passes(plan: &Plan) -> String {
    let mut said: Vec<String> = Vec::new();
    for launch in &plan.launches {
        let pass = match &launch.spec.kernel {
            Kernel::Sort(Sort { pass: SortPass::Blocks, .. }) => "blocks".to_owned(),
            Kernel::Sort(Sort { pass: SortPass::Merge, .. }) => "merge".to_owned(),
            Kernel::Sort(Sort { pass: SortPass::Scatter(Tile { bits, .. }), .. }) => bits.to_string(),
            _ => continue,
        };
        said.push(pass);
    }
    said.join(" ")
}

fn of(n: usize, dtype: DType) -> [Expr; 2] {
    let (values, places) = tensor(&[n], dtype).sort(0, false);
    [values, places]
}

#[test]
fn long_rows_are_sorted_by_digits() {
    let sorted = |n, dtype, caps: &Caps| passes(&plan_for(&of(n, dtype)[0], caps));
    let discrete = Caps::webgpu();
    assert_eq!(sorted(512, DType::F32, &discrete), "blocks");
    assert_eq!(sorted(513, DType::F32, &discrete), "blocks merge");
    assert_eq!(sorted(32_768, DType::F32, &discrete), ["blocks", " merge".repeat(6).as_str()].concat());
    assert_eq!(sorted(32_769, DType::F32, &discrete), "8 8 8 8");
    let places = |n| passes(&plan_for(&of(n, DType::F32)[1], &discrete));
    assert_eq!(places(8192), ["blocks", " merge".repeat(4).as_str()].concat());
    assert_eq!(places(8193), "8 8 8 8");
    // As many digits as a dtype's elements take, whatever they are computed in.
    for (dtype, digits) in [
        (DType::Bool, "4"),
        (DType::U8, "8"),
        (DType::I8, "8"),
        (DType::U16, "8 8"),
        (DType::I16, "8 8"),
        (DType::BF16, "8 8"),
        (DType::F16, "8 8 4"),
        (DType::U32, "8 8 8 8"),
        (DType::I32, "8 8 8 8"),
    ] {
        assert_eq!(sorted(1 << 20, dtype, &discrete), digits, "{dtype}");
    }
    for dtype in [DType::I64, DType::U64, DType::F64] {
        assert!(sorted(1 << 20, dtype, &discrete).starts_with("blocks merge"), "{dtype}");
        assert_eq!(sorted(1 << 22, dtype, &discrete), "8 8 8 8 8 8 8 8", "{dtype}");
    }
    // Where the first few are wanted, no element is moved twice.
    let few = tensor(&[1 << 20], DType::F32).topk(5, 0, true).0;
    assert!(passes(&plan_for(&few, &discrete)).starts_with("blocks blocks"));
}

#[test]
fn keys_of_segments_have_as_many_digits_as_there_are_segments() {
    let index = tensor(&[1 << 20], DType::I64);
    for (segments, digits) in [(2, "4"), (16, "4"), (17, "8"), (256, "8"), (1000, "8 4"), (5000, "8 8")] {
        let (x, values) = (tensor(&[segments], DType::F32), tensor(&[1 << 20], DType::F32));
        assert_eq!(passes(&plan_for(&x.index_add(0, &index, &values), &Caps::webgpu())), digits, "{segments}");
    }
}

/// Merges are what a device does that can bind no more than these; places take two bindings more.
#[test]
fn the_way_that_moves_fewer_bytes_is_taken() {
    let bytes = |expr: &Expr, caps: &Caps| plan_for(expr, caps).launches.iter().map(|launch| launch.bytes).sum::<u64>();
    let mut by_digits = 0;
    for tuning in [Tuning::discrete(), Tuning::integrated()] {
        for dtype in [DType::U8, DType::F16, DType::F32, DType::U32, DType::I64] {
            for n in (9..22).map(|log2| (1 << log2) + 1) {
                for (expr, merging) in of(n, dtype).iter().zip([2, 4]) {
                    let (merged, caps) = (caps(merging, tuning), caps(8, tuning));
                    let [taken, merges] = [&caps, &merged].map(|caps| bytes(expr, caps));
                    assert!(taken <= merges, "{dtype} {n}: {taken} bytes, {merges} by merges");
                    by_digits += usize::from(taken < merges);
                }
            }
        }
    }
    assert!(by_digits > 50, "{by_digits}");
}
