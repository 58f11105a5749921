//! Indexing and joining against plain index arithmetic, on every device, as values, as updates and as gradients.

mod devices;

use devices::failures_on_each;
use hadamard::{DType, Device, Error, Expr, Index, IntoIndex, Shape, Tensor, cat, eval_all, stack};

/// What an operation must give: a shape, and for each element which of the input's it is, by its row-major number.
type Want = (Vec<usize>, Vec<usize>);

/// An operation to be judged.
type Op = Box<dyn Fn(Expr) -> Expr + Sync>;

/// The elements `pick` names, over all of `shape` in row-major order.
fn picked(shape: &[usize], from: &[usize], pick: impl Fn(&[usize]) -> Vec<usize>) -> Want {
    let number = |at: &[usize]| at.iter().zip(from).fold(0, |n, (&i, &size)| n * size + i);
    let count: usize = shape.iter().product();
    let at = |mut n: usize| {
        let mut at = vec![0; shape.len()];
        for d in (0..shape.len()).rev() {
            at[d] = n % shape[d];
            n /= shape[d];
        }
        at
    };
    (shape.to_vec(), (0..count).map(|n| number(&pick(&at(n)))).collect())
}

fn numbers(n: usize) -> Vec<f32> {
    (0..n).map(|i| i as f32 + 1.0).collect()
}

/// What is wrong with an operation on a tensor of `shape`: its shape, its elements, or its gradient. It is computed on
/// the tensor, on an expression that is never stored, and on a view that is not contiguous.
fn judge(device: &Device, what: &str, shape: &[usize], op: &dyn Fn(Expr) -> Expr, want: &Want) -> Vec<String> {
    let n: usize = shape.iter().product();
    let values = numbers(n);
    let x = Tensor::from_slice(&values, shape, device).unwrap();
    let order: Vec<isize> = (0..shape.len() as isize).rev().collect();
    let turned = x.permute(&order).unwrap().contiguous().unwrap().permute(&order).unwrap();
    let expected: Vec<f32> = want.1.iter().map(|&i| values[i]).collect();
    // Each element of the result weighs something else, so that the gradient of an element is the sum of the weights of
    // those that read it.
    let weights = numbers(want.1.len());
    let mut gradient = vec![0.0; n];
    want.1.iter().zip(&weights).for_each(|(&i, w)| gradient[i] += w);
    let mut wrong = Vec::new();
    for (kind, leaf, input) in [
        ("tensor", &x, Expr::from(&x)),
        ("expression", &x, (&x * 2.0 - &x) * 1.0),
        ("view", &turned, Expr::from(&turned)),
    ] {
        let evaluate = || {
            let y = op(input);
            let loss = (&y * Tensor::from_slice(&weights, &want.0[..], device)?).sum(..);
            eval_all(&[y, loss.grad(&[leaf])?.remove(0)])
        };
        match evaluate() {
            Err(error) => wrong.push(format!("{device}: {what} of a {kind}: {error}")),
            Ok(got) => {
                if got[0].shape().dims() != want.0 || got[0].to_vec::<f32>().unwrap() != expected {
                    wrong.push(format!("{device}: {what} of a {kind}: {}{}", got[0].shape(), got[0]));
                }
                if got[1].to_vec::<f32>().unwrap() != gradient {
                    wrong.push(format!("{device}: gradient of {what} of a {kind}: {}", got[1]));
                }
            }
        }
    }
    wrong
}

/// An index, and what Python takes by it of `shape`: for each item a list of places, the dim kept or not.
fn taken(shape: &[usize], items: &[Index]) -> Want {
    let count = items.iter().filter(|item| matches!(item, Index::At(_) | Index::Slice { .. })).count();
    let (mut dims, mut result): (Vec<Vec<usize>>, Vec<Option<usize>>) = (Vec::new(), Vec::new());
    let whole = |dims: &mut Vec<Vec<usize>>, result: &mut Vec<Option<usize>>| {
        result.push(Some(dims.len()));
        dims.push((0..shape[dims.len()]).collect());
    };
    for item in items {
        match *item {
            Index::NewAxis => result.push(None),
            Index::Ellipsis => (0..shape.len() - count).for_each(|_| whole(&mut dims, &mut result)),
            Index::At(i) => {
                let size = shape[dims.len()] as isize;
                dims.push(vec![if i < 0 { (i + size) as usize } else { i as usize }]);
            }
            Index::Slice { start, stop, step } => {
                let size = shape[dims.len()] as isize;
                let bound = |i: isize| (if i < 0 { i + size } else { i }).max(0).min(size);
                let (start, stop) = (start.map_or(0, bound), stop.map_or(size, bound));
                result.push(Some(dims.len()));
                dims.push((start..stop).step_by(step as usize).map(|i| i as usize).collect());
            }
        }
    }
    while dims.len() < shape.len() {
        whole(&mut dims, &mut result);
    }
    let sizes: Vec<usize> = result.iter().map(|d| d.map_or(1, |d| dims[d].len())).collect();
    picked(&sizes, shape, |at| {
        let of_dim = |d: usize| result.iter().position(|&r| r == Some(d)).map_or(0, |r| at[r]);
        (0..shape.len()).map(|d| dims[d][of_dim(d)]).collect()
    })
}

#[test]
fn an_index_takes_what_python_takes() {
    let cases: Vec<Vec<Index>> = vec![
        ().into_index(),
        0.into_index(),
        (-1, 2).into_index(),
        (.., 1..).into_index(),
        (Index::step(.., 2), Index::slice(1, -1)).into_index(),
        (Index::Ellipsis, Index::NewAxis).into_index(),
        (.., .., 3).into_index(),
        (1..4, Index::NewAxis, 2..).into_index(),
        (-2..,).into_index(),
        (Index::Ellipsis, 0).into_index(),
        (0, Index::Ellipsis, 1..=3).into_index(),
        (Index::NewAxis, 5_usize, Index::step(1..100, 3), Index::step(.., 100)).into_index(),
        (-100..3, ..=-2, ..=-1).into_index(),
        (3, 4, 2).into_index(),
        (Index::NewAxis, -6, Index::NewAxis, -7_isize, -5, Index::NewAxis).into_index(),
        // Nothing at all.
        (2..2, 3).into_index(),
        Index::slice(4, 1).into_index(),
    ];
    let failures = failures_on_each(|device| {
        let shape = [6, 7, 5];
        let check = |items: &Vec<Index>| {
            let want = taken(&shape, items);
            judge(device, &format!("{items:?}"), &shape, &|x| x.at(&items[..]), &want)
        };
        cases.iter().flat_map(check).collect()
    });
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn a_tensor_is_written_through_an_index() {
    let failures = failures_on_each(|device| {
        let x = Tensor::from_slice(&numbers(12), [3, 4], device).unwrap();
        let y = x.clone();
        let update = || {
            x.at(1..3)?.assign(0)?;
            x.at((.., Index::step(1.., 2)))?.assign(x.at((.., Index::step(.., 2)))? * 10)?;
            x.at((-1, 0))?.assign(7)?;
            x.at((0, Index::NewAxis))?.at((0, -1))?.fill(-1)
        };
        let want = [1.0, 10.0, 3.0, -1.0, 0.0, 0.0, 0.0, 0.0, 7.0, 0.0, 0.0, 0.0];
        match update().and_then(|()| y.to_vec::<f32>()) {
            Ok(got) if got == want => Vec::new(),
            other => vec![format!("{device}: {other:?}")],
        }
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn mistakes_in_an_index_name_it_the_dim_and_its_size() {
    let x = Tensor::from_slice(&numbers(6), [2, 3], &Device::cpu()).unwrap();
    let refused = |items: Vec<Index>, words: &str| {
        let of_tensor = x.at(&items[..]).unwrap_err().to_string();
        let of_expr = Expr::from(&x).at(&items[..]).error().map(Error::to_string).unwrap();
        assert_eq!(of_tensor, of_expr);
        assert!(of_tensor.contains(words), "{items:?}: {of_tensor}");
    };
    refused(2.into_index(), "index: expected -2 to 1 for dim 0 of shape [2, 3], whose size is 2, found 2");
    refused((.., -4).into_index(), "index: expected -3 to 2 for dim 1 of shape [2, 3], whose size is 3, found -4");
    refused((Index::Ellipsis, usize::MAX).into_index(), "for dim 1");
    refused((.., isize::MIN).into_index(), "for dim 1");
    refused((0, 1, 2).into_index(), "at most 2 integers and slices for shape [2, 3], found [0, 1, 2]");
    refused((Index::Ellipsis, Index::Ellipsis).into_index(), "one '...' at most");
    refused((Index::step(.., 0),).into_index(), "a step of at least 1");
    refused((Index::step(.., -1),).into_index(), "flip reads a dim backwards");
    refused(vec![Index::NewAxis; 9], "at most 8 dims");
    let empty = Tensor::from_slice(&[0.0_f32; 0], [0, 3], &Device::cpu()).unwrap();
    assert!(empty.at(0).unwrap_err().to_string().contains("whose size is 0"));
    assert_eq!(empty.at((.., 1)).unwrap().shape().dims(), [0]);
    // An index keeps the mistake that it is applied to.
    assert!((&x + &empty).at(0).error().unwrap().to_string().contains("broadcast"));
}

#[test]
fn parts_are_joined_along_any_dim() {
    let failures = failures_on_each(|device| {
        let shape = [3, 4, 5];
        let mut wrong = Vec::new();
        for dim in 0..3_usize {
            // Parts of one element, of several, of none, and the whole, in any order.
            let cuts: [&[(usize, usize)]; 5] =
                [&[(0, 3), (0, 3)], &[(2, 3), (0, 1), (1, 3)], &[(1, 1), (0, 2)], &[(0, 1), (2, 2), (0, 3)], &[(1, 2)]];
            for cuts in cuts {
                let places: Vec<usize> = cuts.iter().flat_map(|&(from, to)| from..to).collect();
                let mut sizes = shape;
                sizes[dim] = places.len();
                let want = picked(&sizes, &shape, |at| {
                    let mut at = at.to_vec();
                    at[dim] = places[at[dim]];
                    at
                });
                let op = |x: Expr| {
                    let part = |&(from, to): &(usize, usize)| x.slice(dim as isize, from, to, 1);
                    cat(&cuts.iter().map(part).collect::<Vec<_>>(), dim as isize - 3)
                };
                wrong.extend(judge(device, &format!("cat of {cuts:?} along {dim}"), &shape, &op, &want));
            }
        }
        for dim in 0..4_usize {
            let mut sizes = shape.to_vec();
            sizes.insert(dim, 3);
            let want = picked(&sizes, &shape, |at| {
                let (mut at, from) = (at.to_vec(), at[dim]);
                at.remove(dim);
                // The second part is read backwards.
                at[0] = if from == 1 { 2 - at[0] } else { at[0] };
                at
            });
            let op = |x: Expr| stack(&[x.clone(), x.flip(0), x], dim as isize);
            wrong.extend(judge(device, &format!("stack along {dim}"), &shape, &op, &want));
        }
        wrong
    });
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn elements_move_and_repeat_as_in_pytorch() {
    let shape = [3, 4, 5];
    let moved = |sizes: &[usize], pick: &dyn Fn(&[usize]) -> Vec<usize>| picked(sizes, &shape, pick);
    let mut cases: Vec<(String, Op, Want)> = Vec::new();
    for (dim, size) in shape.into_iter().enumerate() {
        for shift in [0, 1, -1, 2, 7, -13] {
            let want = moved(&shape, &|at| {
                let mut at = at.to_vec();
                at[dim] = (at[dim] as isize - shift).rem_euclid(size as isize) as usize;
                at
            });
            cases.push((format!("roll by {shift} along {dim}"), Box::new(move |x| x.roll(shift, dim as isize)), want));
        }
        let mut sizes = shape;
        sizes[dim] *= 3;
        let want = moved(&sizes, &|at| at.iter().enumerate().map(|(d, &i)| if d == dim { i / 3 } else { i }).collect());
        cases.push((
            format!("each three times along {dim}"),
            Box::new(move |x| x.repeat_interleave(3, dim as isize)),
            want,
        ));
    }
    for times in [&[2, 1, 1][..], &[1, 3, 2], &[2], &[2, 1, 1, 3], &[1, 0, 2], &[]] {
        let rank = times.len().max(3);
        let padded = |sizes: &[usize]| [vec![1; rank - sizes.len()], sizes.to_vec()].concat();
        let sizes: Vec<usize> = padded(&shape).iter().zip(padded(times)).map(|(a, b)| a * b).collect();
        let want = moved(&sizes, &|at| at[rank - 3..].iter().zip(shape).map(|(i, n)| i % n).collect());
        cases.push((format!("tile {times:?}"), Box::new(move |x| x.tile(times)), want));
    }
    for (from, to) in [(0, 2), (2, 0), (-2, 2), (1, 1)] {
        let mut order = vec![0_usize, 1, 2];
        let dim = order.remove(if from < 0 { from + 3 } else { from } as usize);
        order.insert(to as usize, dim);
        let sizes: Vec<usize> = order.iter().map(|&d| shape[d]).collect();
        let want = moved(&sizes, &|at| (0..3).map(|d| at[order.iter().position(|&o| o == d).unwrap()]).collect());
        cases.push((format!("dim {from} to {to}"), Box::new(move |x| x.movedim(from, to)), want));
    }
    for (offset, a, b) in
        [(0, 0, 1), (1, 0, 1), (-1, 0, 1), (2, 0, 2), (0, 2, 1), (-2, -1, 0), (3, 1, 0), (9, 0, 1), (-9, 0, 1)]
    {
        let (a_dim, b_dim) = ((a + 3_isize) as usize % 3, (b + 3_isize) as usize % 3);
        let pairs: Vec<(usize, usize)> = (0..shape[a_dim])
            .filter_map(|i| Some((i, usize::try_from(i as isize + offset).ok()?)))
            .filter(|p| p.1 < shape[b_dim])
            .collect();
        let rest = 3 - a_dim - b_dim;
        let want = moved(&[shape[rest], pairs.len()], &|at| {
            let mut from = vec![at[0]; 3];
            (from[a_dim], from[b_dim]) = pairs[at[1]];
            from
        });
        cases.push((format!("diagonal {offset} of {a} and {b}"), Box::new(move |x| x.diagonal(offset, a, b)), want));
    }
    for (a, b, sizes) in [(0, -1, &[60][..]), (0, 1, &[12, 5]), (1, 2, &[3, 20]), (1, 1, &shape)] {
        let (mut want, all) = (taken(&shape, &[]), sizes.to_vec());
        want.0 = all;
        cases.push((format!("dims {a} to {b} as one"), Box::new(move |x| x.flatten(a, b)), want));
    }
    let failures = failures_on_each(|device| {
        cases.iter().flat_map(|(what, op, want)| judge(device, what, &shape, &**op, want)).collect()
    });
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn views_of_tensors_share_their_memory() {
    let x = Tensor::from_slice(&numbers(12), [3, 4], &Device::cpu()).unwrap();
    let fill = || {
        x.diagonal(1, 0, 1)?.fill(0)?;
        x.movedim(1, 0)?.at(0)?.fill(-1)?;
        x.flatten(0, 1)?.at(-1)?.fill(5)?;
        x.to_vec::<f32>()
    };
    assert_eq!(fill().unwrap(), [-1.0, 0.0, 3.0, 4.0, -1.0, 6.0, 0.0, 8.0, -1.0, 10.0, 11.0, 5.0]);
}

#[test]
fn differences_are_pytorchs() {
    let failures = failures_on_each(|device| {
        let x = Tensor::from_slice(&[1.0_f32, 4.0, 9.0, 16.0, 25.0, 36.0], [2, 3], device).unwrap();
        let bools = Tensor::from_slice(&[true, true, false, true], [4], device).unwrap();
        let evaluate = || {
            let floats = [x.diff(1, -1), x.diff(2, 1), x.diff(1, 0), x.diff(0, 0), x.diff(3, 1), x.diff(5, 0)];
            let floats = eval_all(&floats)?.iter().map(Tensor::to_vec::<f32>).collect::<Result<Vec<_>, _>>()?;
            Ok::<_, Error>((floats, bools.diff(1, 0).eval()?.to_vec::<bool>()?))
        };
        let want =
            [vec![3.0, 5.0, 9.0, 11.0], vec![2.0, 2.0], vec![15.0, 21.0, 27.0], x.to_vec().unwrap(), vec![], vec![]];
        match evaluate() {
            Ok((floats, bools)) if floats == want && bools == [false, true, true] => Vec::new(),
            other => vec![format!("{device}: {other:?}")],
        }
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let x = Tensor::from_slice(&numbers(3), [3], &Device::cpu()).unwrap();
    assert!(x.diff(9, 0).error().unwrap().to_string().contains("at most 8"));
}

/// NaN and infinities of one part stay out of the others, in values and gradients.
#[test]
fn nothing_leaks_from_one_part_to_another() {
    let failures = failures_on_each(|device| {
        let a = Tensor::from_slice(&[0.0_f32, 1.0], [2], device).unwrap();
        let b = Tensor::from_slice(&[2.0_f32, 0.0, 4.0], [3], device).unwrap();
        let joined = cat(&[a.log(), b.reciprocal()], 0);
        let evaluate = || {
            let weights = Tensor::from_slice(&[1.0_f32, 1.0, 1.0, 1.0, 0.5], [5], device)?;
            let mut exprs = (&joined * weights).sum(..).grad(&[&a, &b])?;
            exprs.push(joined.clone());
            eval_all(&exprs)?.iter().map(Tensor::to_vec::<f32>).collect::<Result<Vec<_>, _>>()
        };
        let inf = f32::INFINITY;
        let want = [vec![inf, 1.0], vec![-0.25, -inf, -0.03125], vec![-inf, 0.0, 0.5, inf, 0.25]];
        match evaluate() {
            Ok(got) if got == want => Vec::new(),
            other => vec![format!("{device}: {other:?}")],
        }
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn joined_parts_promote_and_must_fit() {
    let device = Device::cpu();
    let of = |shape: &[usize], dtype: DType| Tensor::ones(Shape::from(shape), dtype, &device).unwrap();
    for (a, b, want) in [
        (DType::I32, DType::F16, DType::F16),
        (DType::F16, DType::BF16, DType::F32),
        (DType::U8, DType::I8, DType::I16),
        (DType::Bool, DType::I64, DType::I64),
        (DType::F32, DType::F64, DType::F64),
    ] {
        for joined in [cat(&[of(&[2], a), of(&[3], b)], 0), stack(&[of(&[], b), of(&[], a)], 0)] {
            let result = joined.eval().unwrap();
            assert_eq!((joined.dtype(), result.dtype()), (want, want), "{a} and {b}");
            assert!(result.cast(DType::F64).eval().unwrap().to_vec::<f64>().unwrap().iter().all(|&x| x == 1.0));
        }
    }
    let f = |shape: &[usize]| Expr::from(of(shape, DType::F32));
    // What has shape [0] fits everywhere; its dtype counts.
    let odd = cat(&[f(&[2, 3]), Expr::from(of(&[0], DType::F64))], 1);
    assert_eq!((odd.shape().dims(), odd.dtype()), (&[2, 3][..], DType::F64));
    assert_eq!(cat(&[f(&[0]), f(&[0])], 0).eval().unwrap().shape().dims(), [0]);
    assert_eq!(cat(&[f(&[2, 0]), f(&[3, 0])], 0).eval().unwrap().shape().dims(), [5, 0]);
    assert_eq!(stack(&[f(&[2, 0])], 0).eval().unwrap().shape().dims(), [1, 2, 0]);
    for (joined, words) in [
        (cat::<Expr>(&[], 0), "cat: expected at least one part"),
        (
            cat(&[f(&[2, 3]), f(&[3, 3])], 1),
            "cat: expected parts whose shapes agree but for dim 1, found [2, 3] and [3, 3]",
        ),
        (cat(&[f(&[2]), f(&[2, 1])], 0), "agree"),
        (cat(&[f(&[2]), f(&[2])], 1), "cat: dim 1 is out of range"),
        (cat(&[f(&[]), f(&[])], 0), "cat: dim 0 is out of range"),
        (cat(&[Expr::from(1.0), f(&[2])], 0), "a number"),
        (cat(&[&f(&[2]) + &f(&[3])], 0), "broadcast"),
        (cat(&[f(&[1]).broadcast_to([1 << 31]), f(&[1])], 0), "cat: expected at most 2147483648 elements"),
        (stack(&[f(&[2]), f(&[3])], 0), "stack: expected parts of one shape"),
        (stack(&[f(&[2])], 2), "stack: expected a dim from -2 to 1"),
        (f(&[2]).tile(&[usize::MAX]), "tile"),
        (f(&[2]).repeat_interleave(usize::MAX, 0), "repeat_interleave"),
        (f(&[2, 2]).diagonal(0, 1, -1), "two different dims"),
        (f(&[2, 2]).flatten(1, 0), "flatten"),
        (f(&[2]).roll(1, 1), "roll: dim 1"),
    ] {
        let error = joined.error().map(Error::to_string).unwrap_or_default();
        assert!(error.contains(words), "{words}: {error}");
    }
}

/// Nothing that is joined is stored first, and nothing is copied to be read in another order.
#[test]
fn a_join_is_one_pass() {
    let x = Tensor::from_slice(&numbers(24), [4, 6], &Device::cpu()).unwrap();
    let e = &x * 2.0;
    for expr in [
        cat(&[&e, &e.exp()], 0),
        cat(&[e.at((.., ..2)), e.at((.., 5..))], 1),
        stack(&[&e, &-&e], -1),
        e.roll(1, 0) - e.roll(-1, 0),
        e.diff(2, 1),
        e.tile(&[2, 2]),
    ] {
        let explanation = expr.explain().unwrap();
        assert_eq!(explanation.passes.len(), 1, "{expr:?}\n{explanation}");
    }
}
