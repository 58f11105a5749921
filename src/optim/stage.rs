//! Cutting reductions out of expressions, so that the rest is one pass over each parameter.

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::expr::Node;
use crate::{Expr, Result, Tensor};

/// The expressions with new tensors in place of their outermost reductions, and each of these tensors with the
/// expression to evaluate into it.
///
/// A tensor has the dtype its reduction is computed in, so f16 and bf16 are not rounded on the way.
pub(super) fn cut_reductions(exprs: &[Expr], near: &Tensor) -> Result<(Vec<Expr>, Vec<(Tensor, Expr)>)> {
    let mut cuts: Vec<(Tensor, Expr)> = Vec::new();
    let mut done: FxHashMap<*const Node, Expr> = FxHashMap::default();
    let key = |expr: &Expr| std::ptr::from_ref::<Node>(&expr.0);
    for root in exprs {
        let mut stack = vec![root];
        while let Some(&expr) = stack.last() {
            if done.contains_key(&key(expr)) {
                stack.pop();
                continue;
            }
            if expr.0.op.is_pass() {
                let tensor = room(expr, near)?;
                done.insert(key(expr), Expr::from(&tensor));
                cuts.push((tensor, expr.clone()));
                continue;
            }
            let waiting = stack.len();
            stack.extend(expr.0.args.iter().filter(|arg| !done.contains_key(&key(arg))));
            if stack.len() == waiting {
                let args: SmallVec<[Expr; 2]> = expr.0.args.iter().map(|arg| done[&key(arg)].clone()).collect();
                let same = args.iter().zip(&expr.0.args).all(|(a, b)| key(a) == key(b));
                let new = if same { expr.clone() } else { expr.with_args(args) };
                done.insert(key(expr), new);
            }
        }
    }
    Ok((exprs.iter().map(|expr| done[&key(expr)].clone()).collect(), cuts))
}

/// A tensor to write an expression's value into, unrounded, on the device of `near`.
pub(super) fn room(expr: &Expr, near: &Tensor) -> Result<Tensor> {
    let dtype = if expr.dtype().is_float() { expr.dtype().compute() } else { expr.dtype() };
    Tensor::empty("optim", expr.shape().clone(), dtype, &near.device())
}

/// An f16 or bf16 expression as f32, for sums of squares that the smaller dtypes cannot hold. Others stay.
pub(super) fn widened(expr: &Expr) -> Expr {
    expr.cast(expr.dtype().compute())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;
    use crate::run::assign::Update;

    #[test]
    fn what_is_cut_and_put_together_again_is_the_same() {
        let device = Device::cpu();
        let x = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3], &device).unwrap();
        let norm = x.square().sum(..).sqrt();
        let exprs = [&x / &norm + x.sum(1).keepdim(), &norm * 2.0, Expr::from(&x)];
        let (rest, cuts) = cut_reductions(&exprs, &x).unwrap();
        assert_eq!(cuts.len(), 2, "the norm is shared");
        let pairs: Vec<_> = cuts.iter().map(|(t, e)| (t, e.clone())).collect();
        Update::new("test", &pairs).unwrap().run().unwrap();
        for (cut, whole) in rest.iter().zip(&exprs) {
            assert_eq!(cut.eval().unwrap().to_vec::<f32>().unwrap(), whole.eval().unwrap().to_vec::<f32>().unwrap());
        }
    }

    #[test]
    fn a_long_chain_needs_no_stack() {
        let x = Tensor::from_slice(&[1.0_f32, 2.0], [2], &Device::cpu()).unwrap();
        let chain = (0..100_000).fold(x.sum(..), |sum, _| sum + 1.0);
        let (_, cuts) = cut_reductions(&[chain], &x).unwrap();
        assert_eq!(cuts.len(), 1);
    }
}
