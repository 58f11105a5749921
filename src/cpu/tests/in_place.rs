//! Maps that write where they read.

use super::{naive, poison, random, region};
use crate::cpu::region::Call;
use crate::{DType, Expr, Tensor, assign};

#[test]
fn in_place_sees_the_old_values() {
    let n = 70_001;
    let (m, v, w, g) = (
        random(30, &[n], DType::F32),
        random(31, &[n], DType::F32),
        random(32, &[n], DType::F32),
        random(33, &[n], DType::F32),
    );
    let new_m = 0.9 * &m + 0.1 * &g;
    let new_v = 0.99 * &v + 0.01 * (&g * &g);
    let new_w = &w - 0.01 * &new_m / (new_v.abs().sqrt() + 1e-8) + 0.0 * &m;
    let copy: Expr = (&w).into();
    let want = naive::evaluate(&[&new_m, &new_v, &new_w, &copy].map(|e| (e, DType::F32)));
    let old_w = poison(g.shape(), DType::F32);
    assign(&[(&m, new_m), (&v, new_v), (&w, new_w), (&old_w, copy)]).unwrap();
    for (i, (name, got)) in [("m", &m), ("v", &v), ("w", &w), ("old w", &old_w)].into_iter().enumerate() {
        let (got, want) = (naive::elements(got), &want[i]);
        let wrong = super::first_mismatch(&got, want, 0.0);
        assert_eq!(wrong.map(|i| (i, got[i], want[i])), None, "{name}");
    }
    // Two that change places, and one that stays.
    let (a, b, c) = (random(34, &[999], DType::I32), random(35, &[999], DType::I32), random(36, &[999], DType::I32));
    let before: Vec<_> = [&b, &a, &c].map(naive::elements).into();
    assign(&[(&a, (&b).into()), (&b, (&a).into()), (&c, (&c).into())]).unwrap();
    assert_eq!([&a, &b, &c].map(naive::elements).to_vec(), before);
}

/// Loops that write where they read give what loops that write elsewhere do, to the bit.
#[test]
fn updates_in_place_have_the_bits_of_others() {
    type Update = fn(&Tensor, &Tensor) -> Expr;
    let updates: [Update; 22] = [
        |x, y| x + y,
        |x, y| y - x,
        |x, y| x * y,
        |x, y| y / x,
        |x, _| x * 3,
        |x, _| 3 - x,
        |x, _| x * x,
        |x, y| x - y * 3,
        |x, y| y - x * 3,
        |x, y| (x + y) * x,
        |x, y| x / (y - x),
        |x, y| x * 3 + y * 5,
        |x, y| y * 3 + x * 5,
        |x, y| x * 3 + y * y * 5,
        |x, y| (x * y).maximum(x),
        |x, y| (x - y).abs() * x,
        |x, y| (x + y) * (x - y) + x,
        |x, _| (x + 0.5).sqrt(),
        |x, y| x.minimum(y),
        |x, _| (-x).relu(),
        |x, y| Expr::select(x.gt(y), x, y),
        |x, y| x.gt(y).cast(DType::F32),
    ];
    // Arithmetic and functions have loops for that. Conversions have none, and go by way of a strip.
    for (i, update) in updates.iter().enumerate() {
        let [x, y] = [60, 61].map(|seed| random(seed, &[40], DType::F32));
        let region = region(&[&update(&x, &y)]);
        let last = region.code.last().unwrap();
        let in_place = matches!(last.call, Call::One(one) if one.in_place.is_some());
        assert_eq!(in_place, i + 1 < updates.len(), "update {i}");
    }
    for dtype in [DType::F32, DType::F64, DType::I32, DType::F16, DType::U8] {
        for n in [1, 3, 15, 16, 17, 47, 4099] {
            for (i, update) in updates.iter().enumerate() {
                let (whole, y) = (random(60, &[n + 4], dtype), random(61, &[n], dtype));
                let x = whole.narrow(0, 1, n).unwrap();
                let (before, want) = (naive::elements(&whole), update(&x, &y).cast(dtype).eval().unwrap());
                x.assign(update(&x, &y)).unwrap();
                let bits = |t: &Tensor| naive::elements(t).into_iter().map(f64::to_bits).collect::<Vec<_>>();
                assert_eq!(bits(&x), bits(&want), "{dtype} update {i} of {n}");
                let around = naive::elements(&whole);
                assert_eq!((around[0], &around[n + 1..]), (before[0], &before[n + 1..]), "{dtype} update {i} of {n}");
            }
        }
    }
    // Several at once, each read by others after it was written, or not.
    for n in [17, 4099] {
        let [a, b, c] = [62, 63, 64].map(|seed| random(seed, &[n], DType::F32));
        let new = [&b + 1, &a * 2, &a - &c];
        let want: Vec<_> = new.iter().map(|e| naive::elements(&e.eval().unwrap())).collect();
        assign(&[(&a, new[0].clone()), (&b, new[1].clone()), (&c, new[2].clone())]).unwrap();
        assert_eq!([&a, &b, &c].map(naive::elements).to_vec(), want);
        let momentum = &a * 0.9 + &b;
        let new = [momentum.clone(), &c - &momentum * 0.1, &b * 0.5];
        let want: Vec<_> = new.iter().map(|e| naive::elements(&e.eval().unwrap())).collect();
        assign(&[(&a, new[0].clone()), (&c, new[1].clone()), (&b, new[2].clone())]).unwrap();
        assert_eq!([&a, &c, &b].map(naive::elements).to_vec(), want);
    }
}
