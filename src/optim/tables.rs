//! Tables of which a loss reads some rows: parameters of which a step changes these rows alone.

use super::hooks::Stages;
use super::optimizer::GradHook;
use super::rows::ByRows;
use super::stage::room;
use super::{Optimizer, Rule};
use crate::run::assign::Update;
use crate::{DType, Error, Expr, Result, Tensor};

/// Elements of a table below which a step along all of it is as fast.
const FEWEST: usize = 1 << 12;

const ALWAYS: &str = "a rule that adds a multiple of every gradient, as it does of 1";

/// The tables of a step, and the loss that reads them. None by default.
#[derive(Default)]
pub(super) struct Tables {
    by_rows: Option<ByRows>,
    tables: Vec<Table>,
}

/// A table, and the gradients of the rows that are read.
struct Table {
    group: usize,
    /// Number of its block among all.
    block: usize,
    tensor: Tensor,
    /// The rows, in i64, and the gradient of each; one that is read twice stands there twice.
    rows: Expr,
    grads: Expr,
}

impl Tables {
    /// The loss, with tensors in the place of the rows that it reads; `None` if there are no tables.
    pub(super) fn loss(&self) -> Option<&Expr> {
        self.by_rows.as_ref().map(|by_rows| &by_rows.loss)
    }

    /// Whether the block with this number is one of them.
    pub(super) fn contain(&self, block: usize) -> bool {
        self.tables.iter().any(|table| table.block == block)
    }
}

impl<R: Rule> Optimizer<R> {
    /// The parameters of which a step along `loss` changes some rows, all others staying as they are.
    pub(super) fn tables(&self, loss: &Expr) -> Result<Tables> {
        let blocks = self.groups.iter().enumerate().flat_map(|(g, group)| group.blocks.iter().map(move |b| (g, b)));
        let candidates: Vec<(usize, usize, &Tensor)> = blocks
            .enumerate()
            .filter(|(_, (group, of))| of.block.is_single() && !of.block.parts[0].frozen && self.adds(*group))
            .map(|(number, (group, of))| (group, number, &of.block.parts[0].tensor))
            .filter(|(.., tensor)| is_table(tensor))
            .collect();
        if candidates.is_empty() {
            return Ok(Tables::default());
        }
        let tensors: Vec<&Tensor> = candidates.iter().map(|candidate| candidate.2).collect();
        // Where a step reads all rows and more, one after the other they take less time.
        let fits = |table: &Tensor, places: usize| places > 0 && places <= table.shape()[0];
        let by_rows = ByRows::of_some(self.name(), loss, &tensors, fits)?;
        if by_rows.reads.is_empty() {
            return Ok(Tables::default());
        }
        let of = |(number, rows, grads): (usize, Expr, Expr)| {
            let (group, block, tensor) = candidates[number];
            Table { group, block, tensor: tensor.clone(), rows, grads }
        };
        let tables = by_rows.gradients(&tensors)?.into_iter().map(of).collect();
        Ok(Tables { by_rows: Some(by_rows), tables })
    }

    /// Whether a step of this group adds a multiple of the gradient, and nothing looks at all of it before or after.
    fn adds(&self, group: usize) -> bool {
        let hooked = self.grad_hooks.iter().any(|hook| match hook {
            GradHook::Each(of, _) => *of == group,
            GradHook::ClipNorm(_) => true,
        });
        let group = &self.groups[group];
        !hooked && !self.guard.is_on() && group.weight_hooks.is_empty() && group.added(&1.0.into()).is_some()
    }

    /// Lets the rows that are read, then what is to be added to them be evaluated, and returns what adds it.
    pub(super) fn table_updates(&self, tables: &Tables, stages: &mut Stages) -> Result<Vec<Update>> {
        let Some(by_rows) = &tables.by_rows else { return Ok(Vec::new()) };
        let reads: Vec<(&Tensor, Expr)> = by_rows.reads.iter().map(|read| (&read.rows, read.from.clone())).collect();
        stages.updates.push(Update::new(self.name(), &reads)?);
        let (mut stores, mut updates) = (Vec::new(), Vec::new());
        for Table { group, tensor, rows, grads, .. } in &tables.tables {
            let group = &self.groups[*group];
            let grads = if group.maximize { -grads } else { grads.clone() };
            let added = group.added(&grads).ok_or_else(|| Error::argument(self.name(), ALWAYS, "one that does not"))?;
            let (at, more) = (room(rows, tensor)?, room(&added, tensor)?);
            updates.push(Update::new(self.name(), &[(tensor, tensor.index_add(0, &at, &more))])?);
            stores.extend([(at, rows.clone()), (more, added)]);
        }
        stages.push(&stores)?;
        Ok(updates)
    }
}

/// Whether adding to rows of it touches no others.
fn is_table(tensor: &Tensor) -> bool {
    let in_place = matches!(tensor.dtype(), DType::F32 | DType::F64) && tensor.is_contiguous();
    in_place && tensor.shape().rank() > 0 && tensor.numel() >= FEWEST
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::{LossScale, SGD};
    use crate::{Device, Params};

    fn table(dtype: DType) -> Tensor {
        Tensor::ones([1000, 8], dtype, &Device::cpu()).unwrap()
    }

    fn index(n: usize) -> Tensor {
        Tensor::zeros([n], DType::I64, &Device::cpu()).unwrap()
    }

    /// How many tables a step of this optimizer changes by rows.
    fn count(mut optimizer: SGD, loss: &Expr) -> usize {
        optimizer.begin().unwrap();
        optimizer.tables(loss).unwrap().tables.len()
    }

    #[test]
    fn what_looks_at_the_whole_gradient_has_it() {
        let w = table(DType::F32);
        let (one, two) = (w.embedding(index(3)).sum(..), w.index(0, index(4)).square().sum(..));
        let of = || SGD::new(&[&w]).lr(0.5);
        assert_eq!(count(of(), &one), 1);
        assert_eq!(count(of().maximize(true).schedule(|_| 0.5), &(&one + two)), 1);
        assert_eq!(count(of().momentum(0.9), &one), 0);
        assert_eq!(count(of().weight_decay(0.1), &one), 0);
        assert_eq!(count(of().clip_grad_norm(1.0), &one), 0);
        assert_eq!(count(of().grad_hook(Expr::clone), &one), 0);
        assert_eq!(count(of().weight_hook(Expr::clone), &one), 0);
        assert_eq!(count(of().skip_nonfinite(true), &one), 0);
        assert_eq!(count(of().error_if_nonfinite(true), &one), 0);
        assert_eq!(count(of().loss_scale(LossScale::new()), &one), 0);
        assert_eq!(count(of(), &(&one + Expr::from(&w).narrow(0, 3, 2).sum(..))), 0, "it is read in another way, too");
        assert_eq!(count(of(), &w.embedding(index(1001)).sum(..)), 0, "more places than rows");
        assert_eq!(count(of(), &w.index_select(1, index(3)).sum(..)), 0, "columns are read");
        let mut frozen = of();
        frozen.freeze(true, |_| true);
        assert_eq!(count(frozen, &one), 0);
        let other = Tensor::ones([2], DType::F32, &Device::cpu()).unwrap();
        let hooked = SGD::new(&[&other]).grad_hook(Expr::clone).group(&[&w]);
        assert_eq!(count(hooked, &(&one + other.sum(..))), 1, "another group's hook looks at no table");
        let params = Params::pack(&[("w", &w), ("other", &other)]).unwrap();
        let packed = params.get("w").unwrap().embedding(index(3)).sum(..);
        assert_eq!(count(SGD::new(&params), &packed), 0);
    }

    #[test]
    fn tables_that_no_update_in_place_takes_are_whole() {
        let (wide, half) = (table(DType::F64), table(DType::F16));
        let turned = Tensor::ones([8, 1000], DType::F32, &Device::cpu()).unwrap().transpose(0, 1).unwrap();
        let small = Tensor::ones([100, 8], DType::F32, &Device::cpu()).unwrap();
        for (table, is_by_rows) in [(wide, true), (half, false), (turned, false), (small, false)] {
            let loss = table.embedding(index(3)).cast(DType::F32).sum(..);
            assert_eq!(
                count(SGD::new(&[&table]), &loss),
                usize::from(is_by_rows),
                "{} {}",
                table.dtype(),
                table.shape()
            );
        }
    }
}
