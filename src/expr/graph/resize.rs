//! A graph for operands of other sizes.
//!
//! A graph asks of sizes which are 1, and which are the same; a few counts apart, it does nothing else with them. Where shapes
//! only broadcast, a dim of a value, counted from the last, has size 1 or the size that all others have there. Where
//! reductions take dims away, a dim has the size of some dim of an operand. So a graph that was made for some sizes is made
//! for others by putting these in their places, as long as the same dims have size 1, and in the second case as long as
//! sizes that were the same are, and others are not.

use smallvec::SmallVec;

use super::{Graph, Step, Value};
use crate::base::access::Access;
use crate::base::layout::{Layout, Strides};
use crate::expr::cell::Number;
use crate::{Scalar, ScalarCell, Shape};

/// Sizes that are to stand for others. Dims of size 1 stay.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Sizes {
    /// Of dims, counted from the last.
    ByPlace(SmallVec<[usize; 4]>),
    /// Of dims of a size, which comes first.
    BySize(SmallVec<[(usize, usize); 4]>),
}

impl Sizes {
    /// What shapes that broadcast to each other have; `None` if two differ in a size that neither has as 1, if a dim has no
    /// elements, or if there are more elements than can be counted.
    pub(crate) fn by_place<'a>(shapes: impl Iterator<Item = &'a Shape>) -> Option<Self> {
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
        can_be_counted(sizes.iter().copied()).then_some(Self::ByPlace(sizes))
    }

    /// What shapes, which come second, have where others have theirs; `None` if what was the same is not or the other way
    /// round, if a dim has no elements, or if there may be more elements than can be counted.
    pub(crate) fn by_size<'a>(shapes: impl Iterator<Item = (&'a Shape, &'a Shape)>) -> Option<Self> {
        let mut sizes: SmallVec<[(usize, usize); 4]> = SmallVec::new();
        let (mut rank, mut largest) = (0, 1);
        for (old, new) in shapes {
            for (&old, &new) in old.iter().zip(new.iter()) {
                match sizes.iter().find(|known| known.0 == old || known.1 == new) {
                    Some(&known) if known == (old, new) => {}
                    Some(_) => return None,
                    None if old == 0 || new == 0 || (old == 1) != (new == 1) => return None,
                    None => sizes.push((old, new)),
                }
                largest = largest.max(new);
            }
            rank = rank.max(new.rank());
        }
        // What is reduced may be the product of shapes that are broadcast to each other.
        can_be_counted(std::iter::repeat_n(largest, rank)).then_some(Self::BySize(sizes))
    }

    /// The size of the dim that is the `at`th from the last.
    fn of(&self, at: usize, size: usize) -> Option<usize> {
        match self {
            _ if size == 1 => Some(1),
            Self::ByPlace(sizes) => sizes.get(at).copied(),
            Self::BySize(sizes) => sizes.iter().find(|known| known.0 == size).map(|known| known.1),
        }
    }

    /// Puts the sizes in their places.
    pub(crate) fn put(&self, shape: &mut Shape) {
        for (at, size) in shape.sizes_mut().iter_mut().rev().enumerate() {
            *size = self.of(at, *size).unwrap_or(*size);
        }
    }

    /// Whether a shape has these very sizes.
    fn are_of(&self, shape: &Shape) -> bool {
        shape.iter().rev().enumerate().all(|(at, &size)| self.of(at, size) == Some(size))
    }
}

fn can_be_counted(mut sizes: impl Iterator<Item = usize>) -> bool {
    let numel = sizes.try_fold(1_usize, usize::checked_mul);
    numel.is_some_and(|numel| numel > 0 && numel <= isize::MAX as usize / 8)
}

impl Graph {
    /// Whether it may be [resized](Self::resize): whether sizes decide on nothing in it. `layouts` tell how its buffers lie, and
    /// `sizes` what sizes it has.
    pub(crate) fn is_resizable(&self, layouts: &[&Layout], sizes: &Sizes) -> bool {
        let of_value = |Value { step, shape, .. }: &Value| match step {
            Step::Load { buffer, access } => layouts
                .get(*buffer)
                .and_then(|layout| layout.broadcast_to(shape, "resize").ok())
                .is_some_and(|layout| access.layout() == Some(&layout)),
            Step::Scalar { .. } => true,
            // Reductions in stages, and such as may be brought to have some, look at sizes.
            Step::Reduce { dims, arg, .. } => {
                let domain = &self.values[*arg];
                let other = |value: &Value| match &value.step {
                    Step::Reduce { dims: other, arg, .. } => other != dims && self.values[*arg].shape == domain.shape,
                    _ => false,
                };
                matches!(sizes, Sizes::BySize(_)) && !domain.step.is_pass() && !self.values.iter().any(other)
            }
            Step::Read { of, access } => {
                let of = &self.values[*of].shape;
                moved(access, of, of)
                    .is_some_and(|same| access.layout().is_some_and(|layout| layout.strides() == &same[..]))
            }
            other => other.is_elementwise(),
        };
        self.starts.iter().all(|&start| start == 0)
            && self.values.iter().all(|value| of_value(value) && sizes.are_of(&value.shape))
            && self.roots.iter().all(|root| sizes.are_of(&root.shape))
    }

    /// Puts other sizes in their places, for buffers that lie as `layouts` say. What a backend has prepared is for it to resize.
    pub(crate) fn resize(&mut self, sizes: &Sizes, layouts: &[&Layout]) {
        // What is read comes before it is, and still has the sizes it had.
        for id in (0..self.values.len()).rev() {
            let (before, rest) = self.values.split_at_mut(id);
            let Value { step, shape, .. } = &mut rest[0];
            sizes.put(shape);
            match step {
                Step::Load { buffer, access } => access.broadcast_from(layouts[*buffer], shape),
                Step::Read { of, access } => {
                    let old = &before[*of].shape;
                    let mut new = old.clone();
                    sizes.put(&mut new);
                    if let Some(strides) = moved(access, old, &new) {
                        *access = Layout::new(shape.clone(), strides, 0).into();
                    }
                }
                _ => {}
            }
        }
        for root in &mut self.roots {
            sizes.put(&mut root.shape);
        }
        for &(slot, id) in &self.counts {
            if let Step::Reduce { dims, arg, .. } = &self.values[id].step {
                let count: usize = dims.iter().map(|&d| self.values[*arg].shape[d]).product();
                self.scalars[slot] = Number::Scalar(Scalar::Float(count as f64));
            }
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

/// The strides of an access to a result in row-major order of shape `old`, once that has shape `new`: the steps along each of
/// its dims but those of size 1 are told by what they are. `None` if one is the step of no dim.
fn moved(access: &Access, old: &Shape, new: &Shape) -> Option<Strides> {
    let layout = access.layout().filter(|layout| layout.offset() == 0)?;
    let (from, to) = (Layout::contiguous(old.clone()), Layout::contiguous(new.clone()));
    let stride = |(&size, &stride): (&usize, &isize)| {
        if size == 1 || stride == 0 {
            return Some(stride);
        }
        let dim = (0..old.rank()).find(|&d| old[d] == size && from.strides()[d] == stride)?;
        Some(to.strides()[dim])
    };
    layout.shape().iter().zip(layout.strides()).map(stride).collect()
}

#[cfg(test)]
mod tests {
    use smallvec::smallvec;

    use super::*;
    use crate::{DType, Device, Expr, Tensor};

    /// The graph of a text, how each of its buffers lies, and the shapes of its operands.
    fn graph(text: &str, shapes: &[&[usize]]) -> (Graph, Vec<Layout>, Vec<Shape>) {
        let tensor = |shape: &&[usize]| Tensor::zeros(*shape, DType::F32, &Device::cpu()).unwrap();
        let tensors: Vec<Tensor> = shapes.iter().map(tensor).collect();
        let named: Vec<(&str, &Tensor)> = ["a", "b", "c"].into_iter().zip(&tensors).collect();
        let expr = Expr::parse(text, &named).unwrap();
        let graph = Graph::new(&[(&expr, expr.dtype())]).unwrap();
        let layout = |id: usize| tensors.iter().find(|tensor| tensor.storage().id() == id).unwrap().layout().clone();
        let layouts = graph.buffers.iter().map(|buffer| layout(buffer.0.id())).collect();
        (graph, layouts, tensors.iter().map(|tensor| tensor.shape().clone()).collect())
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
        let texts = [
            "a + b * c",
            "(b - 1) * (b + 2) + where(a > 0, b, c)",
            "a.half() * b.to(i32) / (c + c)",
            "c + 0.5 + a * b",
        ];
        for (text, [from, to]) in texts.iter().flat_map(|text| shapes.iter().map(move |pair| (text, pair))) {
            let (mut graph, layouts, old) = graph(text, from);
            let (expected, new_layouts, new) = self::graph(text, to);
            let [old, new] = [old, new].map(|shapes| Sizes::by_place(shapes.iter()).unwrap());
            assert!(graph.is_resizable(&layouts.iter().collect::<Vec<_>>(), &old), "{text} {from:?}");
            graph.resize(&new, &new_layouts.iter().collect::<Vec<_>>());
            assert_eq!((&graph.values, &graph.roots), (&expected.values, &expected.roots), "{text} {from:?} {to:?}");
            #[cfg(feature = "gpu")]
            assert_eq!(graph.hash(), expected.hash());
        }
        for text in ["sum(a)", "a[None]", "a + arange(3)", "a.flip(0) + b"] {
            let (graph, layouts, shapes) = graph(text, &[&[3], &[3], &[3]]);
            let sizes = Sizes::by_place(shapes.iter()).unwrap();
            assert!(!graph.is_resizable(&layouts.iter().collect::<Vec<_>>(), &sizes), "{text}");
        }
    }

    #[test]
    fn reductions_resized_are_those_of_the_other_sizes() {
        let shapes: [[[&[usize]; 3]; 2]; 3] = [
            [[&[4, 3], &[3], &[4]], [&[5, 9], &[9], &[5]]],
            [[&[4, 4], &[4], &[4]], [&[7, 7], &[7], &[7]]],
            [[&[2, 9], &[9], &[2]], [&[9, 2], &[2], &[9]]],
        ];
        let texts = [
            "sum(a * b)",
            "mean(a, 1) * c + mean(b) * 3",
            "a - amax(a, 0)",
            "a.sum(0) / sum(b) - b",
            "softmax(a, 1) * b",
            "a / norm(a, 2, 1, keepdim=True)",
        ];
        for (text, [from, to]) in texts.iter().flat_map(|text| shapes.iter().map(move |pair| (text, pair))) {
            let (mut graph, layouts, old) = graph(text, from);
            let (expected, new_layouts, new) = self::graph(text, to);
            let by_size = |new: &[Shape]| Sizes::by_size(old.iter().zip(new)).unwrap();
            assert!(graph.is_resizable(&layouts.iter().collect::<Vec<_>>(), &by_size(&old)), "{text} {from:?}");
            graph.resize(&by_size(&new), &new_layouts.iter().collect::<Vec<_>>());
            assert_eq!((&graph.values, &graph.roots), (&expected.values, &expected.roots), "{text} {from:?} {to:?}");
            let numbers = |graph: &Graph| graph.numbers().iter().map(|number| number.to_f64()).collect::<Vec<_>>();
            assert_eq!(numbers(&graph), numbers(&expected), "{text} {from:?} {to:?}");
        }
        for text in ["argmax(a)", "sum(a) + sum(a, 0)", "sum(sum(a, 0))", "sum(a.T)", "cumsum(a, 0)"] {
            let (graph, layouts, shapes) = graph(text, &[&[4, 9], &[9], &[4]]);
            let sizes = Sizes::by_size(shapes.iter().zip(&shapes)).unwrap();
            assert!(!graph.is_resizable(&layouts.iter().collect::<Vec<_>>(), &sizes), "{text}");
        }
    }

    #[test]
    fn sizes_are_what_shapes_have() {
        let of = |shapes: &[&[usize]]| shapes.iter().map(|&shape| Shape::from(shape)).collect::<Vec<_>>();
        let by_place = |shapes: &[&[usize]]| Sizes::by_place(of(shapes).iter());
        assert_eq!(by_place(&[&[2, 1], &[3]]), Some(Sizes::ByPlace(smallvec![3, 2])));
        assert_eq!(by_place(&[&[], &[1]]), Some(Sizes::ByPlace(smallvec![1])));
        assert_eq!(by_place(&[&[2], &[3]]), None);
        assert_eq!(by_place(&[&[0], &[1]]), None);
        assert_eq!(by_place(&[&[1 << 40, 1], &[1 << 40]]), None);
        let by_size = |old: &[&[usize]], new: &[&[usize]]| Sizes::by_size(of(old).iter().zip(&of(new)));
        assert_eq!(by_size(&[&[2, 3]], &[&[3, 2]]), Some(Sizes::BySize(smallvec![(2, 3), (3, 2)])));
        assert_eq!(by_size(&[&[2, 3]], &[&[4, 4]]), None);
        assert_eq!(by_size(&[&[2, 2]], &[&[4, 5]]), None);
        assert_eq!(by_size(&[&[2, 1]], &[&[4, 5]]), None);
        assert_eq!(by_size(&[&[2]], &[&[0]]), None);
        assert_eq!(by_size(&[&[2, 3]], &[&[1 << 31, 3]]), None);
    }
}
