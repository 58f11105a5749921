//! Losses of labels, and layers, by the names of `torch.nn.functional`.

use super::arguments::Arguments;
use super::special::{Special, special};
use super::value::{Kind, Mistake};
use crate::expr::{CrossEntropy, Expr, Reduction};

/// Alphabetical.
pub(super) static LOSSES: [Special; 4] = [
    special(
        "cross_entropy",
        &["input", "target", "weight", "ignore_index", "reduction", "label_smoothing"],
        2,
        cross_entropy,
    ),
    special("linear", &["input", "weight", "bias"], 2, |c| {
        let (x, weight) = (c.expr(0)?, c.expr(1)?);
        Ok(if c.is_none(2) { x.matmul(weight.t()) } else { x.linear(weight, c.expr(2)?) })
    }),
    special("nll_loss", &["input", "target", "weight", "ignore_index", "reduction"], 2, |c| {
        Ok(c.expr(0)?.nll_loss_with(c.expr(1)?, &options(c)?))
    }),
    special("one_hot", &["input", "num_classes"], 2, |c| Ok(c.expr(0)?.one_hot(c.size(1)?))),
];

fn cross_entropy(c: &Arguments) -> Result<Expr, Mistake> {
    let options = CrossEntropy { label_smoothing: c.number(5, 0.0)?, ..options(c)? };
    Ok(c.expr(0)?.cross_entropy_with(c.expr(1)?, &options))
}

/// What both losses may be told.
fn options(c: &Arguments) -> Result<CrossEntropy, Mistake> {
    let reduction = match &c.values[4].kind {
        Kind::None => Reduction::Mean,
        Kind::Text(name) if name == "mean" => Reduction::Mean,
        Kind::Text(name) if name == "sum" => Reduction::Sum,
        Kind::Text(name) if name == "none" => Reduction::None,
        _ => return c.refuse(&c.values[4], "reduction=\"mean\", \"sum\" or \"none\""),
    };
    let weight = if c.is_none(2) { None } else { Some(c.expr(2)?) };
    Ok(CrossEntropy { weight, ignore_index: c.integer_or(3, -100)? as i64, reduction, label_smoothing: 0.0 })
}
