//! Reductions of one domain, brought to share a pass over memory.

use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use super::{Id, Root, Step, Value};

/// Elements that the first stage must make one of: below, what lies between the stages costs more than it saves.
const MIN_REDUCED: usize = 8;

/// Where reductions over the same domain run over some of the same dims, they begin with these, and go on with what that
/// leaves: a mean and a gradient by rows read their tensors once, and so do gradients by rows and by planes.
///
/// All are there at the same time, or first stages would not fall into the same pass.
pub(super) fn share(values: Vec<Value>, roots: &mut [Root]) -> Vec<Value> {
    let firsts = firsts(&values);
    if firsts.is_empty() {
        return values;
    }
    let mut out: Vec<Value> = Vec::with_capacity(values.len() + firsts.len());
    let mut found: FxHashMap<Value, Id> = FxHashMap::default();
    let mut push = |value: Value| {
        *found.entry(value).or_insert_with_key(|value| {
            out.push(value.clone());
            out.len() - 1
        })
    };
    let mut at: Vec<Id> = Vec::with_capacity(values.len());
    for (id, mut value) in values.into_iter().enumerate() {
        value.step = value.step.with_args(|arg| at[arg]);
        if let (Some((first, shape)), Step::Reduce { op, dims, arg }) = (firsts.get(&id), &value.step) {
            let step = Step::Reduce { op: *op, dims: first.clone(), arg: *arg };
            let left = |d: usize| d - first.iter().filter(|&&f| f < d).count();
            let rest = dims.iter().filter(|&d| !first.contains(d)).map(|&d| left(d)).collect();
            let op = *op;
            let arg = push(Value { step, shape: shape.clone(), dtype: value.dtype });
            value.step = Step::Reduce { op, dims: rest, arg };
        }
        at.push(push(value));
    }
    roots.iter_mut().for_each(|root| root.value = at[root.value]);
    out
}

type Dims = SmallVec<[usize; 4]>;

/// The reductions that are to have a first stage: over which dims, and the shape of its result.
fn firsts(values: &[Value]) -> FxHashMap<Id, (Dims, crate::Shape)> {
    // How many reductions lie on the longest way to each value.
    let mut depth = vec![0; values.len()];
    let mut reductions: Vec<(Id, &Dims, &crate::Shape)> = Vec::new();
    for (id, value) in values.iter().enumerate() {
        depth[id] = value.step.args().iter().map(|&arg| depth[arg]).max().unwrap_or(0);
        if let Step::Reduce { dims, arg, .. } = &value.step {
            depth[id] += 1;
            reductions.push((id, dims, &values[*arg].shape));
        }
        depth[id] += usize::from(matches!(value.step, Step::Scan { .. } | Step::Sort { .. } | Step::Segments { .. }));
    }
    // The different dims of all that are over one domain and there at the same time.
    let mut beside: FxHashMap<(usize, &crate::Shape), FxHashSet<&Dims>> = FxHashMap::default();
    for &(id, dims, domain) in &reductions {
        beside.entry((depth[id], domain)).or_default().insert(dims);
    }
    let size = |dims: &Dims, domain: &crate::Shape| dims.iter().map(|&d| domain[d]).product::<usize>();
    let first = |&(id, dims, domain): &(Id, &Dims, &crate::Shape)| {
        // What any two have in common, if this one has that, too.
        let all = &beside[&(depth[id], domain)];
        let pairs = all.iter().flat_map(|a| all.iter().map(|b| common(a, b)));
        let shared = pairs.filter(|first| first.iter().all(|d| dims.contains(d)) && size(first, domain) >= MIN_REDUCED);
        // The fewest, so that of three in a row all begin alike.
        let first = shared.min_by_key(|first| (size(first, domain), first.clone())).filter(|first| first != dims)?;
        let kept = (0..domain.rank()).filter(|d| !first.contains(d)).map(|d| domain[d]).collect();
        Some((id, (first, kept)))
    };
    reductions.iter().filter_map(first).collect()
}

/// The dims that are among both.
fn common(a: &Dims, b: &Dims) -> Dims {
    a.iter().copied().filter(|d| b.contains(d)).collect()
}

#[cfg(test)]
mod tests {
    use crate::expr::graph::{Graph, Step};
    use crate::{DType, Device, Expr, Tensor};

    fn reductions(exprs: &[Expr]) -> Vec<(Vec<usize>, Vec<usize>)> {
        let graph = Graph::new(&exprs.iter().map(|e| (e, e.dtype())).collect::<Vec<_>>()).unwrap();
        let of = |step: &Step| match step {
            Step::Reduce { dims, arg, .. } => Some((graph.values[*arg].shape.to_vec(), dims.to_vec())),
            _ => None,
        };
        let mut found: Vec<_> = graph.values.iter().filter_map(|v| of(&v.step)).collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn a_longer_reduction_begins_with_a_shorter_one() {
        let x = Tensor::ones([3, 4, 9], DType::F32, &Device::cpu()).unwrap();
        let y = x.square();
        assert_eq!(
            reductions(&[y.sum(..), x.sum([1, 2])]),
            [(vec![3], vec![0]), (vec![3, 4, 9], vec![1, 2]), (vec![3, 4, 9], vec![1, 2])]
        );
        // One and the same first stage.
        assert_eq!(reductions(&[y.sum(..), y.sum(2)]), [(vec![3, 4], vec![0, 1]), (vec![3, 4, 9], vec![2])]);
        // Neither is part of the other, and both begin with what they have in common, as does what runs over all dims.
        let z = Tensor::ones([3, 4, 9, 5], DType::F32, &Device::cpu()).unwrap();
        let (domain, first) = (vec![3, 4, 9, 5], vec![2, 3]);
        assert_eq!(
            reductions(&[z.sum([0, 2, 3]), z.square().sum([1, 2, 3]), z.abs().sum(..)]),
            [
                (vec![3, 4], vec![0]),
                (vec![3, 4], vec![0, 1]),
                (vec![3, 4], vec![1]),
                (domain.clone(), first.clone()),
                (domain.clone(), first.clone()),
                (domain, first)
            ]
        );
        // Nothing in common; too little to reduce first; one waits for the other.
        for apart in [[y.sum(0), y.sum(2)], [y.sum(..), y.sum(1)], [x.amax(2), (&x - x.amax(2).keepdim()).sum(..)]] {
            assert!(reductions(&apart).iter().all(|(domain, _)| domain.len() == 3), "{apart:?}");
        }
    }
}
