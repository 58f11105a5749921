//! Losses that read tables by rows: the gradient of the rows, not of the whole table.

use std::collections::HashMap;

use crate::base::layout::Layout;
use crate::base::views::View;
use crate::expr::{Node, Op};
use crate::{DType, Error, Expr, Result, Shape, Tensor, cat};

/// A place where a loss reads rows of a table.
pub(super) struct Read {
    /// Which of the tables.
    pub(super) table: usize,
    /// The rows that are read, in i32, counted from 0.
    pub(super) index: Expr,
    /// What reads them.
    pub(super) from: Expr,
    /// Stands for them in the loss.
    pub(super) rows: Tensor,
}

/// A loss whose tables are read by rows alone, with tensors in the place of what is read.
pub(super) struct ByRows {
    pub(super) loss: Expr,
    pub(super) reads: Vec<Read>,
}

impl ByRows {
    /// Of a loss that reads tables, each with its name, by `embedding` or by an index along dim 0, and in no other way.
    pub(super) fn new(op: &'static str, loss: &Expr, tables: &[(&str, &Tensor)]) -> Result<Self> {
        let numbered: Vec<(usize, &Tensor)> = tables.iter().map(|table| table.1).enumerate().collect();
        let (found, otherwise) = Self::look(op, loss, &numbered)?;
        let Some(&table) = otherwise.first() else { return Ok(found) };
        let expected = format!("a loss that reads '{}' by embedding or an index into its dim 0 alone", tables[table].0);
        Err(Error::argument(op, expected, "one that reads it otherwise".to_owned()))
    }

    /// The same of those tables alone that a loss reads in no other way, and at so many places that the table `fits`.
    pub(super) fn of_some(
        op: &'static str,
        loss: &Expr,
        tables: &[&Tensor],
        fits: impl Fn(&Tensor, usize) -> bool,
    ) -> Result<Self> {
        let all: Vec<(usize, &Tensor)> = tables.iter().copied().enumerate().collect();
        let (found, otherwise) = Self::look(op, loss, &all)?;
        let is_right = |&&(number, table): &&(usize, &Tensor)| {
            let own = found.reads.iter().filter(|read| read.table == number);
            !otherwise.contains(&number) && fits(table, own.map(|read| read.index.shape().numel()).sum())
        };
        let right: Vec<(usize, &Tensor)> = all.iter().filter(is_right).copied().collect();
        match right.len() {
            0 => Ok(Self { loss: loss.clone(), reads: Vec::new() }),
            n if n == all.len() => Ok(found),
            _ => Ok(Self::look(op, loss, &right)?.0),
        }
    }

    /// Of a loss and numbered tables; and the tables that it reads in another way, if in that alone or besides.
    fn look(op: &'static str, loss: &Expr, tables: &[(usize, &Tensor)]) -> Result<(Self, Vec<usize>)> {
        loss.check()?;
        let mut otherwise = Vec::new();
        let key = |expr: &Expr| std::ptr::from_ref::<Node>(&expr.0);
        let (mut done, mut reads): (HashMap<*const Node, Expr>, Vec<Read>) = (HashMap::new(), Vec::new());
        let mut stack = vec![loss.clone()];
        while let Some(expr) = stack.last().cloned() {
            if done.contains_key(&key(&expr)) {
                stack.pop();
                continue;
            }
            let read = |&(number, table): &(usize, &Tensor)| Some((number, table.device(), rows_of(&expr, table)?));
            if let Some((table, device, index)) = tables.iter().find_map(read) {
                let rows = Tensor::empty(op, expr.shape().clone(), expr.dtype(), &device)?;
                done.insert(key(&expr), Expr::from(&rows));
                reads.push(Read { table, index, from: expr, rows });
                continue;
            }
            if let Op::Leaf(tensor) = &expr.0.op {
                otherwise.extend(tables.iter().filter(|table| share(table.1, tensor)).map(|table| table.0));
            }
            let missing: Vec<Expr> = expr.0.args.iter().filter(|arg| !done.contains_key(&key(arg))).cloned().collect();
            if missing.is_empty() {
                let args: smallvec::SmallVec<[Expr; 2]> =
                    expr.0.args.iter().map(|arg| done[&key(arg)].clone()).collect();
                let same = args.iter().zip(&expr.0.args).all(|(new, old)| key(new) == key(old));
                done.insert(key(&expr), if same { expr.clone() } else { expr.with_args(args) });
                stack.pop();
            } else {
                stack.extend(missing);
            }
        }
        Ok((Self { loss: done[&key(loss)].clone(), reads }, otherwise))
    }

    /// For each table that is read, the rows of all reads, and the gradient of each.
    pub(super) fn gradients(&self, tables: &[&Tensor]) -> Result<Vec<(usize, Expr, Expr)>> {
        let stand_ins: Vec<&Tensor> = self.reads.iter().map(|read| &read.rows).collect();
        let grads = self.loss.grad(&stand_ins)?;
        let mut all = Vec::new();
        for (number, table) in tables.iter().enumerate() {
            let own = self.reads.iter().zip(&grads).filter(|(read, _)| read.table == number);
            let (mut index, mut rows) = (Vec::new(), Vec::new());
            for (read, grad) in own {
                let n = read.index.shape().numel();
                index.push(read.index.reshape([n]).cast(DType::I64));
                rows.push(grad.reshape(table.shape().resized(0, n)));
            }
            match &index[..] {
                [] => {}
                [index] => all.push((number, index.clone(), rows.remove(0))),
                _ => all.push((number, cat(&index, 0), cat(&rows, 0))),
            }
        }
        Ok(all)
    }
}

/// The rows of `table` that an expression reads, if that is what it does.
fn rows_of(expr: &Expr, table: &Tensor) -> Option<Expr> {
    let &Op::Take { dim } = &expr.0.op else { return None };
    let [index, from] = &expr.0.args[..] else { return None };
    // A table seen with dims of size 1, which are broadcast, before its own; and the index with such dims after.
    let mut leaf = from;
    loop {
        match &leaf.0.op {
            Op::View(View::Reshape(_) | View::Broadcast(_)) => leaf = &leaf.0.args[0],
            Op::Leaf(tensor) if is_same(tensor, table) => break,
            _ => return None,
        }
    }
    let sizes = from.shape();
    let whole = sizes.rank() == dim + table.shape().rank() && sizes[dim..] == table.shape()[..];
    (whole && index.shape()[dim..].iter().all(|&n| n == 1)).then(|| index.clone())
}

/// Whether two tensors may have memory in common.
fn share(a: &Tensor, b: &Tensor) -> bool {
    let (of_a, of_b) = (a.storage(), b.storage());
    of_a.id() == of_b.id() && a.layout().may_overlap(b.layout()) || of_a.crosses(of_b)
}

fn is_same(a: &Tensor, b: &Tensor) -> bool {
    let same = |a: &Layout, b: &Layout| a == b;
    a.storage().id() == b.storage().id() && same(a.layout(), b.layout())
}

/// The rows that an index of one dim names, each with the sum of the values at all places that name it.
pub(super) struct Named {
    /// In rising order; a row that is named twice stands there twice.
    pub(super) rows: Expr,
    pub(super) sums: Expr,
}

impl Named {
    pub(super) fn new(index: &Expr, values: &Expr) -> Self {
        let m = index.shape().numel();
        let order = index.argsort(0, false);
        let rows = index.take_along_dim(&order, 0);
        // Which of the different rows, counted in their order, each place names.
        let first = Expr::from(0).cast(DType::I64).broadcast_to(Shape::from([m.min(1)]));
        let is_next = rows.narrow(0, 1, m.saturating_sub(1)).ne(rows.narrow(0, 0, m.saturating_sub(1)));
        let numbers = if m > 1 { cat(&[first, is_next.cast(DType::I64)], 0).cumsum(0) } else { first };
        let sums = values.index_select(0, order).segment_reduce(crate::ReduceOp::Sum, &numbers, m);
        Self { rows, sums: sums.index_select(0, numbers) }
    }
}
