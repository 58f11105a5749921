//! Several operations in one loop.
//!
//! A strip between two loops costs a store and a load to the nearest cache, about as much as the arithmetic, so
//! chains of two arithmetic operations go together, and so do the few longer shapes that weight updates are made of.
//! Each operation rounds by itself, as it does alone, so that an expression gives the same bits however it is cut up.

use pulp::Simd;
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::{SmallVec, smallvec};

use super::formula::{Formula, formula2, formula3};
use super::loops::Loop;
use super::moments::{ARGS, Moments, moments};
use super::region::{Temps, is_source};
use crate::expr::graph::{Graph, Id, Step};
use crate::{BinaryOp, DType, UnaryOp};

/// An argument of a loop of several operations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Arg {
    Value(Id),
    /// The number 1, where a form has a factor that the expression lacks.
    One,
}

type Args = SmallVec<[Arg; 7]>;

#[derive(Default)]
pub(super) struct Fused {
    /// Operations that are part of a later operation's loop.
    pub(super) absorbed: FxHashSet<Id>,
    /// The loop of several operations, by the last of them.
    pub(super) made: FxHashMap<Id, Made>,
    /// The loop that computes all outputs together, if there is one.
    pub(super) moments: Option<Together>,
}

/// A loop of several operations.
pub(super) struct Made {
    pub(super) one: Loop,
    pub(super) args: Args,
    form: Form,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    Pair,
    Blend,
    BlendOfProduct,
    Ratio { outer: bool, divided: bool },
}

/// One loop for the new moments and the new weights of a step of Adam, if those are all of a region's outputs.
pub(super) struct Together {
    pub(super) run: Moments,
    /// The arguments of the loop.
    pub(super) args: SmallVec<[Arg; ARGS]>,
    /// The values that it computes, in its order.
    pub(super) values: [Id; 3],
}

/// Finds operations that go together among `ids`, which are sorted, arguments first. `outputs` are stored.
pub(super) fn fuse(graph: &Graph, ids: &[Id], outputs: &[(Id, DType)], temps: &Temps) -> Fused {
    let mut uses: FxHashMap<Id, usize> = FxHashMap::default();
    let args = ids.iter().filter(|&&id| !is_source(graph, id, temps)).flat_map(|&id| graph.values[id].step.args());
    for id in args.chain(outputs.iter().map(|o| o.0)) {
        *uses.entry(id).or_default() += 1;
    }
    // What is read from a temporary is computed by no loop here.
    let is_read = |id: &Id| temps.contains_key(id);
    uses.extend(ids.iter().filter(|&id| is_read(id)).map(|&id| (id, usize::MAX)));
    let mut fused = Fused::default();
    for &id in ids.iter().rev() {
        if fused.absorbed.contains(&id) || is_read(&id) || graph.values[id].dtype != DType::F32 {
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

/// The loop for three outputs that are a step of Adam.
fn together(made: &FxHashMap<Id, Made>, outputs: &[(Id, DType)]) -> Option<Together> {
    if outputs.len() != 3 || outputs.iter().any(|o| o.1 != DType::F32) {
        return None;
    }
    let of_form = |wanted: fn(Form) -> bool| outputs.iter().find(|o| made.get(&o.0).is_some_and(|m| wanted(m.form)));
    let (weights, _) = *of_form(|s| matches!(s, Form::Ratio { .. }))?;
    let (first, _) = *of_form(|s| s == Form::Blend)?;
    let (second, _) = *of_form(|s| s == Form::BlendOfProduct)?;
    let [m, g, b1, c1] = made[&first].args[..] else { return None };
    let [v, g1, g2, b2, c2] = made[&second].args[..] else { return None };
    let [w, m_new, v_new, c, s, d, e] = made[&weights].args[..] else { return None };
    let Form::Ratio { outer, divided } = made[&weights].form else { return None };
    let fits = (m_new, v_new, g1, g2) == (Arg::Value(first), Arg::Value(second), g, g);
    // No argument of the loop may be one of its results.
    let outside = [w, g, m, v].iter().all(|&x| ![first, second, weights].map(Arg::Value).contains(&x));
    (fits && outside).then(|| Together {
        run: moments(outer, divided),
        args: [w, g, m, v, b1, c1, b2, c2, c, s, d, e].into_iter().collect(),
        values: [first, second, weights],
    })
}

/// An attempt to find a form that ends in some operation.
struct Match<'a> {
    graph: &'a Graph,
    uses: &'a FxHashMap<Id, usize>,
    absorbed: SmallVec<[Id; 8]>,
}

/// A value and its factor.
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

    /// The arguments of `id`, if it is the operation `op` and used once.
    fn inner(&self, id: Id, op: BinaryOp) -> Option<(Id, Id)> {
        match self.graph.values[id].step {
            Step::Binary(found, a, b) if found == op && self.uses.get(&id) == Some(&1) => Some((a, b)),
            _ => None,
        }
    }

    /// The value and the number that it is multiplied (or divided) by, if `id` is that operation, which is absorbed.
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
            let one = formula3(BlendOfProduct);
            let values = [x.value, u, v].map(Arg::Value);
            let args = values.into_iter().chain([x.by, y.by]).collect();
            return Some(Made { one, args, form: Form::BlendOfProduct });
        }
        let one = formula2(Blend);
        let args = smallvec![Arg::Value(x.value), Arg::Value(y.value), x.by, y.by];
        Some(Made { one, args, form: Form::Blend })
    }

    /// `w · c - m · s / (√v · d + e)`: a step of Adam and its kin.
    fn ratio(&mut self, id: Id) -> Option<Made> {
        let Step::Binary(BinaryOp::Sub, w, step) = self.graph.values[id].step else { return None };
        self.absorbed.clear();
        let plain = |value: Id| Scaled { value, by: Arg::One };
        // A factor of the whole quotient; without it, there may be one of the dividend.
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
        let one = match (outer, divided) {
            (false, false) => formula3(Ratio::<false, false>),
            (false, true) => formula3(Ratio::<false, true>),
            (true, false) => formula3(Ratio::<true, false>),
            (true, true) => formula3(Ratio::<true, true>),
        };
        let values = [w.value, m.value, v].map(Arg::Value);
        let args = values.into_iter().chain([w.by, s, root.by, Arg::Value(e)]).collect();
        Some(Made { one, args, form: Form::Ratio { outer, divided } })
    }

    /// `(a ∘ b) ∘ c` or `c ∘ (a ∘ b)`.
    fn pair(&mut self, id: Id) -> Option<Made> {
        let Step::Binary(second, left, right) = self.graph.values[id].step else { return None };
        for (first, other, side) in [(left, right, Side::Left), (right, left, Side::Right)] {
            let Step::Binary(op, a, b) = self.graph.values[first].step else { continue };
            if self.uses.get(&first) == Some(&1)
                && self.graph.values[first].dtype == DType::F32
                && let Some(one) = pair(op, second, side)
            {
                self.absorbed.push(first);
                let args = [a, b, other].into_iter().map(Arg::Value).collect();
                return Some(Made { one, args, form: Form::Pair });
            }
        }
        None
    }
}

/// The side of the second operation that takes the result of the first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Side {
    Left,
    Right,
}

/// The loop of `(a first b) second c`, or of `c second (a first b)`, if there is one.
fn pair(first: BinaryOp, second: BinaryOp, side: Side) -> Option<Loop> {
    match first {
        BinaryOp::Add => then(Add, second, side),
        BinaryOp::Sub => then(Sub, second, side),
        BinaryOp::Mul => then(Mul, second, side),
        BinaryOp::Div => then(Div, second, side),
        _ => None,
    }
}

fn then<A: Arithmetic>(first: A, second: BinaryOp, side: Side) -> Option<Loop> {
    Some(match (second, side) {
        (BinaryOp::Add, _) => formula3(Then(first, Add)),
        (BinaryOp::Mul, _) => formula3(Then(first, Mul)),
        (BinaryOp::Sub, Side::Left) => formula3(Then(first, Sub)),
        (BinaryOp::Sub, Side::Right) => formula3(ThenFrom(first, Sub)),
        (BinaryOp::Div, Side::Left) => formula3(Then(first, Div)),
        (BinaryOp::Div, Side::Right) => formula3(ThenFrom(first, Div)),
        _ => return None,
    })
}

/// An operation on vectors.
trait Arithmetic: Copy + 'static {
    fn of<S: Simd>(simd: S, a: S::f32s, b: S::f32s) -> S::f32s;
}

macro_rules! arithmetic {
    ($($name:ident $method:ident;)*) => {$(
        #[derive(Clone, Copy)]
        struct $name;

        impl Arithmetic for $name {
            #[inline(always)]
            fn of<S: Simd>(simd: S, a: S::f32s, b: S::f32s) -> S::f32s {
                simd.$method(a, b)
            }
        }
    )*};
}
arithmetic! {
    Add add_f32s;
    Sub sub_f32s;
    Mul mul_f32s;
    Div div_f32s;
}

/// `(a ∘ b) ∘ c`.
#[derive(Clone, Copy)]
struct Then<A, B>(A, B);

impl<A: Arithmetic, B: Arithmetic> Formula<3, 0> for Then<A, B> {
    #[inline(always)]
    fn of<S: Simd>(simd: S, [a, b, c]: [S::f32s; 3], []: [S::f32s; 0]) -> S::f32s {
        B::of(simd, A::of(simd, a, b), c)
    }
}

/// `c ∘ (a ∘ b)`.
#[derive(Clone, Copy)]
struct ThenFrom<A, B>(A, B);

impl<A: Arithmetic, B: Arithmetic> Formula<3, 0> for ThenFrom<A, B> {
    #[inline(always)]
    fn of<S: Simd>(simd: S, [a, b, c]: [S::f32s; 3], []: [S::f32s; 0]) -> S::f32s {
        B::of(simd, c, A::of(simd, a, b))
    }
}

/// `x · s + y · t`.
#[derive(Clone, Copy)]
struct Blend;

impl Formula<2, 2> for Blend {
    #[inline(always)]
    fn of<S: Simd>(simd: S, [x, y]: [S::f32s; 2], [s, t]: [S::f32s; 2]) -> S::f32s {
        simd.add_f32s(simd.mul_f32s(x, s), simd.mul_f32s(y, t))
    }
}

/// `x · s + u · v · t`.
#[derive(Clone, Copy)]
struct BlendOfProduct;

impl Formula<3, 2> for BlendOfProduct {
    #[inline(always)]
    fn of<S: Simd>(simd: S, [x, u, v]: [S::f32s; 3], [s, t]: [S::f32s; 2]) -> S::f32s {
        simd.add_f32s(simd.mul_f32s(x, s), simd.mul_f32s(simd.mul_f32s(u, v), t))
    }
}

/// `w · c - m · s / (√v · d + e)`. With `OUTER`, `s` multiplies the quotient, not `m`; with `DIVIDED`, the root is
/// divided by `d`.
#[derive(Clone, Copy)]
struct Ratio<const OUTER: bool, const DIVIDED: bool>;

impl<const OUTER: bool, const DIVIDED: bool> Formula<3, 4> for Ratio<OUTER, DIVIDED> {
    #[inline(always)]
    fn of<S: Simd>(simd: S, [w, m, v]: [S::f32s; 3], [c, s, d, e]: [S::f32s; 4]) -> S::f32s {
        let root = simd.sqrt_f32s(v);
        let root = if DIVIDED { simd.div_f32s(root, d) } else { simd.mul_f32s(root, d) };
        let under = simd.add_f32s(root, e);
        let step =
            if OUTER { simd.mul_f32s(simd.div_f32s(m, under), s) } else { simd.div_f32s(simd.mul_f32s(m, s), under) };
        simd.sub_f32s(simd.mul_f32s(w, c), step)
    }
}
