//! Operations that are done in one loop with the operation that uses them.
//!
//! A strip between two kernels costs a store and a load to the nearest cache, about as much as the arithmetic, so
//! chains of two arithmetic operations go together, and so do the few longer shapes that weight updates are made of.
//! Each operation rounds by itself, as it does alone, so that an expression gives the same bits however it is cut up.

use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::{SmallVec, smallvec};

use super::kernel::{Kernel, map2_by, map3_by, map3_in_place};
use super::moments::{ARGS, Moments, moments};
use super::region::is_source;
use crate::expr::graph::{Graph, Id, Step};
use crate::{BinaryOp, DType, UnaryOp};

/// What a loop of several operations takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Arg {
    Value(Id),
    /// The number that changes nothing, where a shape has room for a factor that an expression lacks.
    One,
}

type Args = SmallVec<[Arg; 7]>;

#[derive(Default)]
pub(super) struct Fused {
    /// Operations that are part of others' loops.
    pub(super) absorbed: FxHashSet<Id>,
    /// By the last operation: the kernel of all, and its arguments.
    pub(super) made: FxHashMap<Id, Made>,
    /// The outputs that are computed by one kernel together.
    pub(super) moments: Option<Together>,
}

/// A loop of several operations.
pub(super) struct Made {
    pub(super) kernel: Kernel,
    pub(super) args: Args,
    shape: Shape,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Shape {
    Pair,
    Blend,
    BlendOfProduct,
    Ratio { outer: bool, divided: bool },
}

/// The new moments and the new weights of a step of Adam, which are all of a region's outputs.
pub(super) struct Together {
    pub(super) kernel: Moments,
    /// Of the kernel.
    pub(super) args: SmallVec<[Arg; ARGS]>,
    /// What it computes, in its order.
    pub(super) values: [Id; 3],
}

/// Finds them among `ids`, arguments first, of which `outputs` are stored.
pub(super) fn fuse(graph: &Graph, ids: &[Id], outputs: &[(Id, DType)]) -> Fused {
    let mut uses: FxHashMap<Id, usize> = FxHashMap::default();
    let args = ids.iter().filter(|&&id| !is_source(graph, id)).flat_map(|&id| graph.values[id].step.args());
    for id in args.chain(outputs.iter().map(|o| o.0)) {
        *uses.entry(id).or_default() += 1;
    }
    let mut fused = Fused::default();
    for &id in ids.iter().rev() {
        if fused.absorbed.contains(&id) || graph.values[id].dtype != DType::F32 {
            continue;
        }
        let mut found = Match { graph, uses: &uses, absorbed: SmallVec::new() };
        let made = found.ratio(id).or_else(|| found.again().blend(id)).or_else(|| found.again().pair(id));
        if let Some(made) = made {
            fused.absorbed.extend(found.absorbed);
            fused.made.insert(id, made);
        }
    }
    fused.moments = together(&fused.made, outputs);
    fused
}

/// The step of Adam that three outputs are.
fn together(made: &FxHashMap<Id, Made>, outputs: &[(Id, DType)]) -> Option<Together> {
    if outputs.len() != 3 || outputs.iter().any(|o| o.1 != DType::F32) {
        return None;
    }
    let of_shape = |wanted: fn(Shape) -> bool| outputs.iter().find(|o| made.get(&o.0).is_some_and(|m| wanted(m.shape)));
    let (weights, _) = *of_shape(|s| matches!(s, Shape::Ratio { .. }))?;
    let (first, _) = *of_shape(|s| s == Shape::Blend)?;
    let (second, _) = *of_shape(|s| s == Shape::BlendOfProduct)?;
    let [m, g, b1, c1] = made[&first].args[..] else { return None };
    let [v, g1, g2, b2, c2] = made[&second].args[..] else { return None };
    let [w, m_new, v_new, c, s, d, e] = made[&weights].args[..] else { return None };
    let Shape::Ratio { outer, divided } = made[&weights].shape else { return None };
    let fits = (m_new, v_new, g1, g2) == (Arg::Value(first), Arg::Value(second), g, g);
    // Nothing that one kernel computes may be an argument of it.
    let outside = [w, g, m, v].iter().all(|&x| ![first, second, weights].map(Arg::Value).contains(&x));
    (fits && outside).then(|| Together {
        kernel: moments(outer, divided),
        args: [w, g, m, v, b1, c1, b2, c2, c, s, d, e].into_iter().collect(),
        values: [first, second, weights],
    })
}

/// An attempt to find a shape that ends in some operation.
struct Match<'a> {
    graph: &'a Graph,
    uses: &'a FxHashMap<Id, usize>,
    absorbed: SmallVec<[Id; 8]>,
}

/// A value and the factor it has.
#[derive(Clone, Copy)]
struct Scaled {
    value: Id,
    by: Arg,
}

impl Match<'_> {
    fn again(&mut self) -> &mut Self {
        self.absorbed.clear();
        self
    }

    fn is_number(&self, id: Id) -> bool {
        matches!(self.graph.values[id].step, Step::Scalar { .. })
    }

    /// The arguments of an operation that nothing else uses.
    fn inner(&self, id: Id, op: BinaryOp) -> Option<(Id, Id)> {
        match self.graph.values[id].step {
            Step::Binary(found, a, b) if found == op && self.uses.get(&id) == Some(&1) => Some((a, b)),
            _ => None,
        }
    }

    /// The value and the number that an operation multiplies or divides by, taken in.
    fn scaled(&mut self, id: Id, op: BinaryOp) -> Option<Scaled> {
        let (a, b) = self.inner(id, op)?;
        let (value, number) = if self.is_number(b) {
            (a, b)
        } else if op == BinaryOp::Mul && self.is_number(a) {
            (b, a)
        } else {
            return None;
        };
        self.absorbed.push(id);
        Some(Scaled { value, by: Arg::Value(number) })
    }

    /// `x · s + y · t`, of which `y` may be a product: a moving average of gradients, or of their squares.
    fn blend(&mut self, id: Id) -> Option<Made> {
        let Step::Binary(BinaryOp::Add, a, b) = self.graph.values[id].step else { return None };
        let (mut x, mut y) = (self.scaled(a, BinaryOp::Mul)?, self.scaled(b, BinaryOp::Mul)?);
        if self.inner(x.value, BinaryOp::Mul).is_some() {
            (x, y) = (y, x);
        }
        if let Some((u, v)) = self.inner(y.value, BinaryOp::Mul)
            && !self.is_number(u)
            && !self.is_number(v)
        {
            self.absorbed.push(y.value);
            let kernel = map3_by(|[x, u, v], [s, t]| x * s + u * v * t);
            let values = [x.value, u, v].map(Arg::Value);
            let args = values.into_iter().chain([x.by, y.by]).collect();
            return Some(Made { kernel, args, shape: Shape::BlendOfProduct });
        }
        let kernel = map2_by(|[x, y], [s, t]| x * s + y * t);
        let args = smallvec![Arg::Value(x.value), Arg::Value(y.value), x.by, y.by];
        Some(Made { kernel, args, shape: Shape::Blend })
    }

    /// `w · c - m · s / (√v · d + e)`: a step of Adam and its kin.
    fn ratio(&mut self, id: Id) -> Option<Made> {
        let Step::Binary(BinaryOp::Sub, w, step) = self.graph.values[id].step else { return None };
        self.absorbed.clear();
        let plain = |value: Id| Scaled { value, by: Arg::One };
        // The factor of the quotient, or of what is divided.
        let outer = self.scaled(step, BinaryOp::Mul);
        let quotient = outer.map_or(step, |o| o.value);
        let (over, under) = self.inner(quotient, BinaryOp::Div)?;
        self.absorbed.push(quotient);
        let m = if outer.is_some() { plain(over) } else { self.scaled(over, BinaryOp::Mul).unwrap_or(plain(over)) };
        let (root, e) = self.inner(under, BinaryOp::Add)?;
        let (root, e) = if self.is_number(e) { (root, e) } else { (e, root) };
        if !self.is_number(e) {
            return None;
        }
        self.absorbed.push(under);
        let times = self.scaled(root, BinaryOp::Mul);
        let divided = if times.is_none() { self.scaled(root, BinaryOp::Div) } else { None };
        let root = times.or(divided).unwrap_or(plain(root));
        let Step::Unary(UnaryOp::Sqrt, v) = self.graph.values[root.value].step else { return None };
        if self.uses.get(&root.value) != Some(&1) {
            return None;
        }
        self.absorbed.push(root.value);
        let w = self.scaled(w, BinaryOp::Mul).unwrap_or(plain(w));
        let s = outer.map_or(m.by, |o| o.by);
        let (outer, divided) = (outer.is_some(), divided.is_some());
        let kernel = match (outer, divided) {
            (false, false) => map3_by(|[w, m, v], [c, s, d, e]| w * c - m * s / (v.sqrt() * d + e)),
            (false, true) => map3_by(|[w, m, v], [c, s, d, e]| w * c - m * s / (v.sqrt() / d + e)),
            (true, false) => map3_by(|[w, m, v], [c, s, d, e]| w * c - m / (v.sqrt() * d + e) * s),
            (true, true) => map3_by(|[w, m, v], [c, s, d, e]| w * c - m / (v.sqrt() / d + e) * s),
        };
        let values = [w.value, m.value, v].map(Arg::Value);
        let args = values.into_iter().chain([w.by, s, root.by, Arg::Value(e)]).collect();
        Some(Made { kernel, args, shape: Shape::Ratio { outer, divided } })
    }

    /// `(a ∘ b) ∘ c` or `c ∘ (a ∘ b)`.
    fn pair(&mut self, id: Id) -> Option<Made> {
        let Step::Binary(second, left, right) = self.graph.values[id].step else { return None };
        for (first, other, side) in [(left, right, Side::Left), (right, left, Side::Right)] {
            let Step::Binary(op, a, b) = self.graph.values[first].step else { continue };
            if self.uses.get(&first) == Some(&1)
                && self.graph.values[first].dtype == DType::F32
                && let Some(kernel) = pair(op, second, side)
            {
                self.absorbed.push(first);
                let args = [a, b, other].into_iter().map(Arg::Value).collect();
                return Some(Made { kernel, args, shape: Shape::Pair });
            }
        }
        None
    }
}

/// Where the result of the first operation goes in the second.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Side {
    Left,
    Right,
}

/// The kernel of `(a first b) second c`, or of `c second (a first b)`, if there is one.
fn pair(first: BinaryOp, second: BinaryOp, side: Side) -> Option<Kernel> {
    match first {
        BinaryOp::Add => then(|a: f32, b: f32| a + b, second, side),
        BinaryOp::Sub => then(|a: f32, b: f32| a - b, second, side),
        BinaryOp::Mul => then(|a: f32, b: f32| a * b, second, side),
        BinaryOp::Div => then(|a: f32, b: f32| a / b, second, side),
        _ => None,
    }
}

fn then(first: impl Fn(f32, f32) -> f32 + Copy, second: BinaryOp, side: Side) -> Option<Kernel> {
    Some(match (second, side) {
        (BinaryOp::Add, _) => map3_in_place(move |a: f32, b: f32, c: f32| first(a, b) + c),
        (BinaryOp::Mul, _) => map3_in_place(move |a: f32, b: f32, c: f32| first(a, b) * c),
        (BinaryOp::Sub, Side::Left) => map3_in_place(move |a: f32, b: f32, c: f32| first(a, b) - c),
        (BinaryOp::Sub, Side::Right) => map3_in_place(move |a: f32, b: f32, c: f32| c - first(a, b)),
        (BinaryOp::Div, Side::Left) => map3_in_place(move |a: f32, b: f32, c: f32| first(a, b) / c),
        (BinaryOp::Div, Side::Right) => map3_in_place(move |a: f32, b: f32, c: f32| c / first(a, b)),
        _ => return None,
    })
}
