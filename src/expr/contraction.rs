//! Which reductions are matrix products.
//!
//! A sum of products `Σ a · b` is one where there are dims that only `a` varies along, dims that only `b` varies along,
//! and dims that are summed: computed element by element it reads each factor again for every row or column of the
//! other. Seen in the flat graph, so that `einsum`, a broadcast multiply and sum written out, and a gradient are the
//! same.

use rustc_hash::FxHashMap;
use smallvec::{SmallVec, smallvec};

use super::graph::{Fold, Graph, Id, Step};
use super::op::BinaryOp;
use crate::DType;
use crate::base::layout::Layout;

type DimList = SmallVec<[usize; 4]>;

/// A sum of products as a matrix product. The dims are of the domain, in rising order; those of size 1 are in none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Contraction {
    pub(crate) a: Id,
    pub(crate) b: Id,
    /// Kept dims that both factors vary along, or neither.
    pub(crate) batch: DimList,
    /// Kept dims that only `a` varies along.
    pub(crate) rows: DimList,
    /// Kept dims that only `b` varies along.
    pub(crate) columns: DimList,
    /// Summed dims.
    pub(crate) summed: DimList,
}

impl Contraction {
    /// The matrix product that value `id` is, if there are at least `least` rows, columns and terms.
    pub(crate) fn of(graph: &Graph, id: Id, least: usize) -> Option<Self> {
        let Step::Reduce { op: Fold::Sum, dims, arg } = &graph.values[id].step else { return None };
        let Step::Binary(BinaryOp::Mul, a, b) = graph.values[*arg].step else { return None };
        if !matches!(graph.values[id].dtype, DType::F32 | DType::F64) {
            return None;
        }
        let shape = &graph.values[*arg].shape;
        let mut known = FxHashMap::default();
        let (of_a, of_b) = (varies(graph, a, &mut known), varies(graph, b, &mut known));
        let all = |dims: &[usize]| dims.iter().map(|&d| shape[d]).product::<usize>();
        let mut found =
            Self { a, b, batch: DimList::new(), rows: DimList::new(), columns: DimList::new(), summed: DimList::new() };
        for d in (0..shape.rank()).filter(|&d| shape[d] != 1) {
            let group = match (of_a >> d & 1, of_b >> d & 1) {
                _ if dims.contains(&d) => &mut found.summed,
                (1, 0) => &mut found.rows,
                (0, 1) => &mut found.columns,
                _ => &mut found.batch,
            };
            group.push(d);
        }
        let long = |dims: &[usize]| all(dims) >= least.max(2);
        (long(&found.rows) && long(&found.columns) && long(&found.summed)).then_some(found)
    }
}

/// The dims along which a value varies, a bit each: those along which some memory it reads does.
fn varies(graph: &Graph, id: Id, known: &mut FxHashMap<Id, u32>) -> u32 {
    let mut stack = vec![id];
    while let Some(&id) = stack.last() {
        if known.contains_key(&id) {
            stack.pop();
            continue;
        }
        let value = &graph.values[id];
        let bits = match &value.step {
            Step::Load { access, .. } | Step::Index { access } | Step::Read { access, .. } => {
                Some(steps(&access.stages()[0]))
            }
            step if step.is_pass() => Some(steps(&Layout::contiguous(value.shape.clone()))),
            step => {
                let (own, args) = match step {
                    Step::Take(take) => (steps(&take.access.stages()[0]), smallvec![take.at]),
                    step => (0, step.args()),
                };
                let missing = args.iter().copied().filter(|arg| !known.contains_key(arg));
                let before = stack.len();
                stack.extend(missing);
                (stack.len() == before).then(|| args.iter().fold(own, |bits, arg| bits | known[arg]))
            }
        };
        if let Some(bits) = bits {
            known.insert(id, bits);
            stack.pop();
        }
    }
    known[&id]
}

fn steps(layout: &Layout) -> u32 {
    layout.strides().iter().enumerate().fold(0, |bits, (d, &stride)| bits | u32::from(stride != 0) << d)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Device, Expr, Tensor, einsum};

    fn found(expr: &Expr) -> Option<(usize, [usize; 3])> {
        let graph = Graph::new(&[(expr, expr.dtype())]).unwrap();
        let shape = |id: Id| match graph.values[id].step {
            Step::Reduce { arg, .. } => &graph.values[arg].shape,
            _ => unreachable!(),
        };
        graph.values.iter().enumerate().find_map(|(id, _)| Contraction::of(&graph, id, 4).map(|c| (id, c))).map(
            |(id, c)| {
                let all = |dims: &[usize]| dims.iter().map(|&d| shape(id)[d]).product::<usize>();
                (all(&c.batch), [all(&c.rows), all(&c.columns), all(&c.summed)])
            },
        )
    }

    #[test]
    fn a_matrix_product_is_known_however_it_is_written() {
        let device = Device::cpu();
        let x = Tensor::zeros([3, 8, 16], DType::F32, &device).unwrap();
        let y = Tensor::zeros([3, 16, 32], DType::F32, &device).unwrap();
        let want = Some((3, [8, 32, 16]));
        assert_eq!(found(&einsum("bik,bkj->bij", &[&x, &y])), want);
        assert_eq!(found(&einsum("bik,bkj->jbi", &[&x, &y])), Some((3, [8, 32, 16])));
        let written = (Expr::from(&x).unsqueeze(3) * Expr::from(&y).unsqueeze(1)).sum(2);
        assert_eq!(found(&written), want);
        let scaled = (Expr::from(&x).unsqueeze(3) * 2.0 * Expr::from(&y).unsqueeze(1).exp()).sum(2) + 1.0;
        assert_eq!(found(&scaled), want);
    }

    #[test]
    fn what_reads_each_element_once_stays_one_fused_pass() {
        let device = Device::cpu();
        let x = Tensor::zeros([8, 16], DType::F32, &device).unwrap();
        let v = Tensor::zeros([16], DType::F32, &device).unwrap();
        for (equation, operands) in
            [("ik,ik->k", [&x, &x]), ("ik,k->i", [&x, &v]), ("ik,ik->", [&x, &x]), ("ik,k->ik", [&x, &v])]
        {
            assert_eq!(found(&einsum(equation, &operands)), None, "{equation}");
        }
        let whole = Tensor::zeros([8, 16], DType::I32, &device).unwrap();
        assert_eq!(found(&einsum("ik,jk->ij", &[&whole, &whole])), None);
    }
}
