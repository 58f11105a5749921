//! Where a leaf's elements lie, seen through a pile of views some of which an index chooses.

use smallvec::{SmallVec, smallvec};

use super::lower::{Layer, Lowering};
use super::{Id, Source, Step, Take};
use crate::base::access::Access;
use crate::base::layout::Layout;
use crate::expr::op::BinaryOp;
use crate::{DType, Result, Scalar, Shape};

/// Where elements lie: where an access puts them, and then on by so many elements as indices say.
#[derive(Clone)]
pub(super) struct Place {
    access: Access,
    chosen: SmallVec<[Chosen; 1]>,
}

/// An index below `size`, and how many elements each step of it goes on.
#[derive(Clone, Copy)]
struct Chosen {
    index: Id,
    size: usize,
    stride: isize,
}

impl Lowering {
    /// Where `access` puts the elements as seen from the domain, through the pile.
    pub(super) fn through(&mut self, mut access: Access, mut pile: usize, domain: &Shape) -> Result<Place> {
        let mut chosen = SmallVec::new();
        while pile != 0 {
            let (layer, parent) = (self.piles[pile - 1].layer.clone(), self.piles[pile - 1].parent);
            match layer {
                Layer::View(view) => access = view.of(&access)?,
                Layer::Take { .. } if access.layout().is_none() => {
                    // What is chosen is a row-major number in the shape of the second stage.
                    let first = self.through(access.stages()[0].clone().into(), pile, domain)?;
                    let mut number = self.number_at(first, domain);
                    let [_, between @ .., last] = access.stages() else { unreachable!("it has several stages") };
                    for stage in between {
                        let place = self.by_number(number, stage, domain);
                        number = self.number_at(place, domain);
                    }
                    let mut place = self.by_number(number, last, domain);
                    place.chosen.extend(chosen);
                    return Ok(place);
                }
                Layer::Take { dim, len, index } => {
                    let layout = &access.stages()[0];
                    let (size, stride) = (layout.shape()[dim], layout.strides()[dim]);
                    // Also where it makes no difference: an index out of bounds is found as it is computed.
                    let stride = if size > 1 { stride } else { 0 };
                    chosen.push(Chosen { index, size, stride });
                    access = access.map(|layout| Ok(layout.taken(dim, len)))?;
                }
            }
            pile = parent;
        }
        Ok(Place { access, chosen })
    }

    /// Where a layout puts the element whose row-major number is a value over the domain.
    fn by_number(&mut self, number: Id, layout: &Layout, domain: &Shape) -> Place {
        let mut chosen = SmallVec::new();
        let mut rest = number;
        for (dim, (&size, &stride)) in layout.shape().iter().zip(layout.strides()).enumerate().rev() {
            let mut index = rest;
            if dim > 0 {
                let n = self.scalar(Scalar::Int(size as i64), DType::I32);
                index = self.push(Step::Binary(BinaryOp::Remainder, rest, n), domain.clone(), DType::I32);
                rest = self.push(Step::Binary(BinaryOp::FloorDivide, rest, n), domain.clone(), DType::I32);
            }
            if stride != 0 && size > 1 {
                chosen.push(Chosen { index, size, stride });
            }
        }
        let start = Layout::new(domain.clone(), smallvec![0; domain.rank()], layout.offset());
        Place { access: start.into(), chosen }
    }

    /// The elements that lie there.
    pub(super) fn read_at(&mut self, from: Source, place: Place, domain: Shape, dtype: DType) -> Id {
        let reach = reach(&place.chosen);
        let access = place.access;
        let step = match (self.steps_on(&place.chosen, reach, &domain), from) {
            (Some(at), _) => Step::Take(Take { from, access, at, reach }),
            (None, Source::Buffer(buffer)) => Step::Load { buffer, access },
            (None, Source::Reduced(of)) => Step::Read { of, access },
        };
        self.push(step, domain, dtype)
    }

    /// Where the elements lie, as numbers.
    pub(super) fn number_at(&mut self, place: Place, domain: &Shape) -> Id {
        let start = self.push(Step::Index { access: place.access }, domain.clone(), DType::I32);
        // Numbers of elements are i32s: of more, `arange` makes none.
        match self.steps_on(&place.chosen, (0, 0), domain) {
            Some(at) => self.push(Step::Binary(BinaryOp::Add, start, at), domain.clone(), DType::I32),
            None => start,
        }
    }

    /// How many elements indices go on, all together.
    fn steps_on(&mut self, chosen: &[Chosen], reach: (isize, isize), domain: &Shape) -> Option<Id> {
        let narrow = i32::try_from(reach.0).is_ok() && i32::try_from(reach.1).is_ok();
        let dtype = if narrow { DType::I32 } else { DType::I64 };
        let mut sum = None;
        for &Chosen { index, stride, .. } in chosen {
            let mut steps = self.convert(index, dtype);
            if stride != 1 {
                let stride = self.scalar(Scalar::Int(stride as i64), dtype);
                steps = self.push(Step::Binary(BinaryOp::Mul, steps, stride), domain.clone(), dtype);
            }
            sum = Some(match sum {
                None => steps,
                Some(sum) => self.push(Step::Binary(BinaryOp::Add, sum, steps), domain.clone(), dtype),
            });
        }
        sum
    }
}

/// The least and the most that indices go on.
fn reach(chosen: &[Chosen]) -> (isize, isize) {
    chosen.iter().fold((0, 0), |(low, high), &Chosen { size, stride, .. }| {
        let most = (size as isize - 1).saturating_mul(stride);
        if most < 0 { (low + most, high) } else { (low, high.saturating_add(most)) }
    })
}
