//! In which order operands are multiplied, and what is summed before.

use super::equation::{Label, Labels};
use super::{Term, product};
use crate::{Expr, Result};

/// Operands up to which every order is tried; beyond, the cheapest pair is taken at each step.
const EXHAUSTIVE: usize = 6;

/// The terms multiplied and summed down to `out`.
pub(super) fn contract(mut terms: Vec<Term>, out: &[Label]) -> Result<Expr> {
    // Integers wrap and bools are logic: what is computed first would show.
    if terms.len() > 1 && terms.iter().all(|t| t.expr.dtype().is_float()) {
        let sizes = Sizes::new(&terms);
        for i in 0..terms.len() {
            let kept = needed(&terms, &[i], out);
            // Each of its elements would be read again for every index it does not have.
            if kept.len() < terms[i].labels.len() && sizes.numel(&terms[i].labels) < sizes.all() {
                terms[i] = product(&terms[i..=i], &kept)?;
            }
        }
        let sizes = Sizes::new(&terms);
        let at_once = sizes.all().saturating_mul(terms.len() - 1);
        let labels: Vec<Labels> = terms.iter().map(|t| t.labels.clone()).collect();
        let path = if terms.len() <= EXHAUSTIVE {
            best(&labels, out, &sizes, usize::MAX)
        } else {
            greedy(labels, out, &sizes)
        };
        // Another pass takes time too, so it must save some.
        if let Some(path) = path.filter(|path| path.cost < at_once / 2) {
            for (a, b) in path.pairs {
                let kept = needed(&terms, &[a, b], out);
                let pair = [terms.remove(a), terms.remove(b - 1)];
                terms.push(product(&pair, &kept)?);
            }
        }
    }
    Ok(product(&terms, out)?.expr)
}

/// The labels of some of the terms that the others or the result have, too.
fn needed(terms: &[Term], chosen: &[usize], out: &[Label]) -> Labels {
    let labels: Vec<Labels> = terms.iter().map(|t| t.labels.clone()).collect();
    needed_labels(&labels, chosen, out)
}

fn needed_labels(terms: &[Labels], chosen: &[usize], out: &[Label]) -> Labels {
    let elsewhere = |l: &Label| {
        out.contains(l) || terms.iter().enumerate().any(|(i, term)| !chosen.contains(&i) && term.contains(l))
    };
    let mut kept = Labels::new();
    for label in chosen.iter().flat_map(|&i| &terms[i]) {
        if elsewhere(label) && !kept.contains(label) {
            kept.push(*label);
        }
    }
    kept
}

/// The size of each label: the largest any term has, as size 1 broadcasts.
struct Sizes(Vec<(Label, usize)>);

impl Sizes {
    fn new(terms: &[Term]) -> Self {
        let mut sizes: Vec<(Label, usize)> = Vec::new();
        for term in terms {
            for (&label, &size) in term.labels.iter().zip(term.expr.shape().iter()) {
                match sizes.iter_mut().find(|s| s.0 == label) {
                    Some(found) => found.1 = found.1.max(size),
                    None => sizes.push((label, size)),
                }
            }
        }
        Self(sizes)
    }

    /// Elements over some labels.
    fn numel(&self, labels: &[Label]) -> usize {
        let of = |label: &Label| self.0.iter().find(|s| s.0 == *label).map_or(1, |s| s.1);
        labels.iter().map(of).fold(1, usize::saturating_mul)
    }

    fn all(&self) -> usize {
        self.0.iter().map(|s| s.1).fold(1, usize::saturating_mul)
    }
}

/// Pairs to multiply one after the other: each goes from the list, their product to its end.
struct Path {
    pairs: Vec<(usize, usize)>,
    /// Multiplications.
    cost: usize,
}

/// The list after a pair was multiplied, and the multiplications that took.
fn after(terms: &[Labels], (a, b): (usize, usize), out: &[Label], sizes: &Sizes) -> (Vec<Labels>, usize) {
    let mut both = terms[a].clone();
    both.extend(terms[b].iter().filter(|l| !terms[a].contains(l)).copied());
    let mut rest = terms.to_vec();
    let kept = needed_labels(terms, &[a, b], out);
    rest.remove(b);
    rest.remove(a);
    rest.push(kept);
    (rest, sizes.numel(&both))
}

fn pairs(n: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n).flat_map(move |a| (a + 1..n).map(move |b| (a, b)))
}

/// The cheapest order of all, if it costs less than `limit`.
fn best(terms: &[Labels], out: &[Label], sizes: &Sizes, mut limit: usize) -> Option<Path> {
    if terms.len() == 1 {
        return Some(Path { pairs: Vec::new(), cost: 0 });
    }
    let mut found = None;
    for pair in pairs(terms.len()) {
        let (rest, cost) = after(terms, pair, out, sizes);
        if cost >= limit {
            continue;
        }
        if let Some(path) = best(&rest, out, sizes, limit - cost) {
            limit = path.cost + cost;
            let pairs = std::iter::once(pair).chain(path.pairs).collect();
            found = Some(Path { pairs, cost: limit });
        }
    }
    found
}

/// The cheapest pair at each step.
fn greedy(mut terms: Vec<Labels>, out: &[Label], sizes: &Sizes) -> Option<Path> {
    let mut path = Path { pairs: Vec::new(), cost: 0 };
    while terms.len() > 1 {
        let next = |pair| (pair, after(&terms, pair, out, sizes));
        let (pair, (rest, cost)) = pairs(terms.len()).map(next).min_by_key(|(_, (_, cost))| *cost)?;
        path.pairs.push(pair);
        path.cost = path.cost.saturating_add(cost);
        terms = rest;
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DType, Device, Tensor, einsum};

    /// The multiplications of a path over letters, all of these sizes.
    fn path(terms: &[&str], out: &str, sizes: &[(char, usize)]) -> Path {
        let labels = |term: &str| term.chars().map(Label::Letter).collect::<Labels>();
        let sizes = Sizes(sizes.iter().map(|&(c, n)| (Label::Letter(c), n)).collect());
        let terms: Vec<Labels> = terms.iter().map(|t| labels(t)).collect();
        best(&terms, &labels(out), &sizes, usize::MAX).unwrap()
    }

    #[test]
    fn the_cheapest_order_is_found() {
        // The classic: (10 × 100)(100 × 5)(5 × 50) takes 7,500 from the left and 75,000 from the right.
        let chain = path(&["ij", "jk", "kl"], "il", &[('i', 10), ('j', 100), ('k', 5), ('l', 50)]);
        assert_eq!((chain.pairs, chain.cost), (vec![(0, 1), (0, 1)], 7500));
        let chain = path(&["ij", "jk", "kl"], "il", &[('i', 50), ('j', 5), ('k', 100), ('l', 10)]);
        assert_eq!((chain.pairs[0], chain.cost), ((1, 2), 7500));
    }

    #[test]
    fn what_saves_nothing_stays_one_pass() {
        let device = Device::cpu();
        let x = Tensor::zeros([30, 40], DType::F32, &device).unwrap();
        let passes = |equation: &str, n: usize| einsum(equation, &vec![&x; n]).explain().unwrap().passes.len();
        assert_eq!(passes("ik,ik,ik->k", 3), 1);
        assert_eq!(passes("ik,ik->k", 2), 1);
        assert_eq!(passes("ij,ik,il->jkl", 3), 2);
    }

    #[test]
    fn seven_operands_are_contracted_pair_by_pair() {
        let device = Device::cpu();
        let ones = Tensor::ones([3, 3], DType::F32, &device).unwrap();
        let got = einsum("ab,bc,cd,de,ef,fg,gh->ah", &[&ones; 7]).eval().unwrap().to_vec::<f32>().unwrap();
        assert_eq!(got, [729.0; 9]);
    }
}
