//! A graph as text, for those who read along: one value a line, arguments first.
//!
//! ```text
//! v0 = b0[j]               f32 [2, 3]    a row, broadcast: element j of buffer 0, whatever i is
//! v1 = b1[3·i + j]         f32 [2, 3]    a matrix: element 3·i + j of buffer 1, in row-major order
//! v2 = mul(v1, v0)         f32 [2, 3]
//! v3 = sum(v2) over [1]    f32 [2]
//! out0: v3 as f32 [2]
//! ```
//!
//! Buffers are numbered as lowering comes by them: the last operand first.

use std::fmt::{self, Write};

use super::{Graph, Id, Source, Step, Take};
use crate::Scalar;
use crate::base::access::Access;
use crate::base::layout::Layout;
use crate::expr::cell::Number;

/// An index's name, by its dim.
const INDICES: [char; 8] = ['i', 'j', 'k', 'l', 'm', 'n', 'p', 'q'];

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps: Vec<String> = (0..self.values.len()).map(|id| format!("v{id} = {}", self.step(id))).collect();
        let width = steps.iter().map(|step| step.chars().count()).max().unwrap_or(0);
        for (step, value) in steps.iter().zip(&self.values) {
            // A number has no shape.
            let shape = if let Step::Scalar { .. } = value.step { String::new() } else { format!(" {}", value.shape) };
            writeln!(f, "{step:width$}    {}{shape}", value.dtype)?;
        }
        for (i, root) in self.roots.iter().enumerate() {
            writeln!(f, "out{i}: v{} as {} {}", root.value, root.dtype, root.shape)?;
        }
        Ok(())
    }
}

impl Graph {
    fn step(&self, id: Id) -> String {
        match &self.values[id].step {
            Step::Load { buffer, access } => format!("b{buffer}[{}]", element(access)),
            Step::Index { access } => element(access),
            &Step::Scalar { slot } => match &self.scalars[slot] {
                Number::Scalar(Scalar::Bool(value)) => value.to_string(),
                Number::Scalar(Scalar::Int(value)) => value.to_string(),
                Number::Scalar(Scalar::Float(value)) => format!("{value:?}"),
                Number::Cell(cell) => format!("cell, now {:?}", cell.get()),
            },
            Step::Random(word, [counter, key0, key1]) => {
                format!("random(v{counter}, key (v{key0}, v{key1}), word {word})")
            }
            Step::Unary(op, x) => format!("{}(v{x})", op.name()),
            Step::Binary(op, x, y) => format!("{}(v{x}, v{y})", op.name()),
            Step::Select(condition, x, y) => format!("where(v{condition}, v{x}, v{y})"),
            Step::Convert(x) => format!("convert(v{x})"),
            Step::Round(dtype, x) => format!("round(v{x}) to {dtype}"),
            Step::Order(x) => format!("order(v{x})"),
            Step::Words([upper, lower]) => format!("words(v{upper}, v{lower})"),
            Step::Reduce { op, dims, arg } => format!("{}(v{arg}) over {:?}", op.name(), dims.as_slice()),
            Step::Scan { op, dim, scan, arg } => format!("scan of {}(v{arg}) along {dim}{scan}", op.name()),
            Step::Sort { sort, arg } => format!("{sort} of v{arg}"),
            &Step::Segments { op, row, index, values, base } => {
                format!("v{base} with the rows of {row} of v{values} folded in by {} where v{index} says", op.name())
            }
            Step::Read { of, access } => format!("v{of}[{}]", element(access)),
            Step::Take(Take { from: Source::Buffer(buffer), access, at, .. }) => {
                format!("b{buffer}[{} + v{at}]", element(access))
            }
            Step::Take(Take { from: Source::Reduced(of), access, at, .. }) => {
                format!("v{of}[{} + v{at}]", element(access))
            }
            Step::Bounded(bounds, x) => format!("v{x} below {}", bounds.size),
        }
    }
}

/// Which element an access reads at index (i, j, …) of its domain.
///
/// A second stage has indices (i', j', …) of its own: those of the element whose row-major number the first gives.
fn element(access: &Access) -> String {
    let mut text = String::new();
    for (stage, layout) in access.stages().iter().enumerate() {
        let primes = "'".repeat(stage);
        if stage > 0 {
            let names: Vec<String> =
                (0..layout.shape().rank()).map(|dim| format!("{}{primes}", INDICES[dim])).collect();
            text = format!(" where ({}) is number {text} of {}", names.join(", "), layout.shape());
        }
        text.insert_str(0, &place(layout, &primes));
    }
    text
}

/// The place a layout gives to an index: `5 + 3·i - j`. Indices that can only be 0, and steps of 0, are left out.
fn place(layout: &Layout, primes: &str) -> String {
    let mut text = if layout.offset() == 0 { String::new() } else { layout.offset().to_string() };
    for (dim, (&step, &size)) in layout.strides().iter().zip(layout.shape().iter()).enumerate() {
        if step == 0 || size == 1 {
            continue;
        }
        text += match (text.is_empty(), step < 0) {
            (true, false) => "",
            (true, true) => "-",
            (false, false) => " + ",
            (false, true) => " - ",
        };
        if step.unsigned_abs() != 1 {
            let _ = write!(text, "{}·", step.unsigned_abs());
        }
        let _ = write!(text, "{}{primes}", INDICES[dim]);
    }
    if text.is_empty() { "0".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DType, Device, Expr, ScalarCell, Tensor};

    fn printed(expr: &Expr) -> String {
        Graph::new(&[(expr, expr.dtype())]).unwrap().to_string()
    }

    #[test]
    fn a_multiply_reduce_is_one_value_a_line() {
        let device = Device::cpu();
        let (a, b) =
            (Tensor::ones([2, 3], DType::F32, &device).unwrap(), Tensor::ones([3], DType::F16, &device).unwrap());
        let want = "\
v0 = b0[j]               f32 [2, 3]
v1 = b1[3·i + j]         f32 [2, 3]
v2 = mul(v1, v0)         f32 [2, 3]
v3 = sum(v2) over [1]    f32 [2]
v4 = 0.5                 f32
v5 = mul(v3, v4)         f32 [2]
out0: v5 as f32 [2]
";
        assert_eq!(printed(&((&a * &b).sum(1) * 0.5)), want);
    }

    #[test]
    fn views_are_places_in_a_buffer() {
        let a = Tensor::ones([2, 3, 4], DType::I32, &Device::cpu()).unwrap();
        let first = |expr: Expr| printed(&expr).lines().next().unwrap().split("    ").next().unwrap().to_owned();
        assert_eq!(first(a.flip(2).unwrap().into()), "v0 = b0[3 + 12·i + 4·j - k]");
        assert_eq!(first(a.narrow(0, 1, 1).unwrap().into()), "v0 = b0[12 + 4·j + k]");
        let turned = Expr::from(&a).permute(&[2, 0, 1]).reshape([24]);
        assert_eq!(first(turned), "v0 = b0[i' + 12·j' + 4·k' where (i', j', k') is number i of [4, 2, 3]]");
    }

    #[test]
    fn a_cell_says_that_its_number_may_change() {
        let (lr, w) = (ScalarCell::new(0.25), Tensor::ones([2], DType::F32, &Device::cpu()).unwrap());
        assert!(printed(&(&w * &lr)).contains("cell, now 0.25"), "{}", printed(&(&w * &lr)));
    }
}
