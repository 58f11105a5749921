//! A graph of elementwise work, for operands of other sizes.
//!
//! Where shapes only broadcast, a dim of a value, counted from the last, has either size 1 or the size that all others have
//! there. So a graph that was made for some sizes is made for others by putting these in their places, as long as the same
//! dims have size 1.

use smallvec::SmallVec;

use super::{Graph, Step, Value};
use crate::base::layout::Layout;
use crate::expr::cell::Number;
use crate::{ScalarCell, Shape};

/// The sizes of dims, counted from the last, where they are not 1.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Sizes(SmallVec<[usize; 4]>);

impl Sizes {
    /// What shapes have in common; `None` if two differ in a size that neither has as 1, if a dim has no elements, or if there
    /// are more elements than can be counted.
    pub(crate) fn of<'a>(shapes: impl Iterator<Item = &'a Shape>) -> Option<Self> {
        let mut sizes: SmallVec<[usize; 4]> = SmallVec::new();
        for shape in shapes {
            for (at, &size) in shape.iter().rev().enumerate() {
                match sizes.get_mut(at) {
                    None => sizes.push(size),
                    Some(known) if *known == 1 => *known = size,
                    Some(known) if size == 1 || size == *known => {}
                    Some(_) => return None,
                }
            }
        }
        let numel = sizes.iter().try_fold(1_usize, |numel, &size| numel.checked_mul(size))?;
        (numel > 0 && numel <= isize::MAX as usize / 8).then_some(Self(sizes))
    }

    /// Whether each dim has size 1 or the size that belongs there.
    fn fits(&self, shape: &Shape) -> bool {
        shape.iter().rev().enumerate().all(|(at, &size)| size == 1 || self.0.get(at) == Some(&size))
    }

    /// Puts the sizes in place of others that are not 1.
    pub(crate) fn put(&self, shape: &mut Shape) {
        for (size, &new) in shape.sizes_mut().iter_mut().rev().zip(&self.0) {
            if *size != 1 {
                *size = new;
            }
        }
    }
}

impl Graph {
    /// Whether it is elementwise work on buffers that lie as `layouts` say, broadcast to `sizes`, and nothing else: whether
    /// it may be [resized](Self::resize).
    pub(crate) fn is_elementwise_of(&self, layouts: &[&Layout], sizes: &Sizes) -> bool {
        let is_elementwise = |Value { step, shape, .. }: &Value| match step {
            Step::Load { buffer, access } => layouts
                .get(*buffer)
                .and_then(|layout| layout.broadcast_to(shape, "resize").ok())
                .is_some_and(|layout| access.layout() == Some(&layout)),
            Step::Scalar { .. }
            | Step::Unary(..)
            | Step::Binary(..)
            | Step::Select(..)
            | Step::Convert(_)
            | Step::Round(..)
            | Step::Order(_)
            | Step::Words(_) => true,
            Step::Index { .. }
            | Step::Random(..)
            | Step::Reduce { .. }
            | Step::Sort { .. }
            | Step::Scan { .. }
            | Step::Segments { .. }
            | Step::Read { .. }
            | Step::Take(_)
            | Step::Bounded(..) => false,
        };
        self.starts.iter().all(|&start| start == 0)
            && self.values.iter().all(|value| is_elementwise(value) && sizes.fits(&value.shape))
            && self.roots.iter().all(|root| sizes.fits(&root.shape))
    }

    /// Makes a graph of elementwise work one for buffers that lie as `layouts` say, of these sizes; dims of size 1 stay. What
    /// a backend has prepared is for it to resize.
    pub(crate) fn resize(&mut self, sizes: &Sizes, layouts: &[&Layout]) {
        for value in &mut self.values {
            sizes.put(&mut value.shape);
            if let Step::Load { buffer, access } = &mut value.step {
                access.broadcast_from(layouts[*buffer], &value.shape);
            }
        }
        for root in &mut self.roots {
            sizes.put(&mut root.shape);
        }
        self.forget();
    }

    /// Reads another cell in place of one.
    pub(crate) fn exchange(&mut self, old: &ScalarCell, new: &ScalarCell) {
        for number in &mut self.scalars {
            if matches!(number, Number::Cell(cell) if cell.id() == old.id()) {
                *number = Number::Cell(new.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DType, Device, Expr, Tensor};

    /// The graph of a text, how each of its buffers lies, and the sizes of its operands.
    fn graph(text: &str, shapes: &[&[usize]]) -> (Graph, Vec<Layout>, Sizes) {
        let tensor = |shape: &&[usize]| Tensor::zeros(*shape, DType::F32, &Device::cpu()).unwrap();
        let tensors: Vec<Tensor> = shapes.iter().map(tensor).collect();
        let named: Vec<(&str, &Tensor)> = ["a", "b", "c"].into_iter().zip(&tensors).collect();
        let expr = Expr::parse(text, &named).unwrap();
        let graph = Graph::new(&[(&expr, expr.dtype())]).unwrap();
        let layout = |id: usize| tensors.iter().find(|tensor| tensor.storage().id() == id).unwrap().layout().clone();
        let layouts = graph.buffers.iter().map(|buffer| layout(buffer.0.id())).collect();
        (graph, layouts, Sizes::of(tensors.iter().map(Tensor::shape)).unwrap())
    }

    #[test]
    fn a_graph_resized_is_that_of_the_other_sizes() {
        let shapes: [[[&[usize]; 3]; 2]; 5] = [
            [[&[3], &[3], &[3]], [&[5], &[5], &[5]]],
            [[&[2, 3], &[3], &[1]], [&[3, 7], &[7], &[1]]],
            [[&[4, 4], &[4, 1], &[1, 4]], [&[4, 5], &[4, 1], &[1, 5]]],
            [[&[2, 1, 4], &[3, 1], &[]], [&[5, 1, 2], &[9, 1], &[]]],
            [[&[6], &[2, 6], &[3, 1, 1]], [&[2], &[2, 2], &[2, 1, 1]]],
        ];
        const TEXTS: [&str; 4] = [
            "a + b * c",
            "(b - 1) * (b + 2) + where(a > 0, b, c)",
            "a.half() * b.to(i32) / (c + c)",
            "c + 0.5 + a * b",
        ];
        for text in TEXTS {
            for [from, to] in &shapes {
                let (mut graph, layouts, sizes) = graph(text, from);
                let (expected, new_layouts, new_sizes) = self::graph(text, to);
                assert!(graph.is_elementwise_of(&layouts.iter().collect::<Vec<_>>(), &sizes), "{text} {from:?}");
                graph.resize(&new_sizes, &new_layouts.iter().collect::<Vec<_>>());
                assert_eq!(
                    (&graph.values, &graph.roots),
                    (&expected.values, &expected.roots),
                    "{text} {from:?} {to:?}"
                );
                #[cfg(feature = "gpu")]
                assert_eq!(graph.hash(), expected.hash());
            }
        }
        for text in ["sum(a)", "a[None]", "a + arange(3)", "a.flip(0) + b"] {
            let (graph, layouts, sizes) = graph(text, &[&[3], &[3], &[3]]);
            assert!(!graph.is_elementwise_of(&layouts.iter().collect::<Vec<_>>(), &sizes), "{text}");
        }
    }

    #[test]
    fn sizes_are_what_shapes_have_in_common() {
        let sizes =
            |shapes: &[&[usize]]| Sizes::of(shapes.iter().map(|&shape| Shape::from(shape)).collect::<Vec<_>>().iter());
        assert_eq!(sizes(&[&[2, 1], &[3]]), Some(Sizes([3, 2].into())));
        assert_eq!(sizes(&[&[], &[1]]), Some(Sizes([1].into())));
        assert_eq!(sizes(&[&[2], &[3]]), None);
        assert_eq!(sizes(&[&[0], &[1]]), None);
        assert_eq!(sizes(&[&[1 << 40, 1], &[1 << 40]]), None);
    }
}
