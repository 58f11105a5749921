//! What a closure on expressions does to an element: told by calling it on tensors that stand for others.
//!
//! A hook means each parameter in its own shape. Where it does the same to each element whatever the shape, one
//! formula, it is done to all parameters of a block at once. That is found out and not assumed: the closure is called
//! on a stand-in for each shape, and what comes back must be one formula without reductions, views and other tensors.

use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use crate::base::views::View;
use crate::expr::{Node, Op};
use crate::{DType, Device, Expr, Result, Shape, Tensor};

/// Tensors of any shape with a single element behind them, to call closures on. Nobody reads them.
pub(super) struct StandIns {
    device: Device,
    made: FxHashMap<DType, Tensor>,
}

impl StandIns {
    pub(super) fn new(device: Device) -> Self {
        Self { device, made: FxHashMap::default() }
    }

    /// One for each dtype, all of `shape`.
    pub(super) fn of(&mut self, shape: &Shape, dtypes: &[DType]) -> Result<Vec<Expr>> {
        let mut stand_in = |&dtype: &DType| {
            if !self.made.contains_key(&dtype) {
                self.made.insert(dtype, Tensor::empty("optim", Shape::default(), dtype, &self.device)?);
            }
            self.made[&dtype].broadcast_to(shape.clone()).map(Expr::from)
        };
        dtypes.iter().map(&mut stand_in).collect()
    }
}

/// What came back from a closure called on stand-ins.
pub(super) struct Formula {
    shape: Shape,
    stand_ins: Vec<Expr>,
    results: Vec<Expr>,
    classes: FxHashMap<*const Node, Class>,
}

/// What a node's elements depend on.
#[derive(Clone, Copy)]
struct Class {
    kind: Kind,
    /// Whether a stand-in is below.
    depends: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// One number for all elements.
    Uniform,
    /// An element at a time of what has the shape of the stand-ins.
    Each,
    /// The same, of other tensors of that shape, too.
    Beside,
    /// Anything else.
    Other,
}

fn key(expr: &Expr) -> *const Node {
    std::ptr::from_ref(&*expr.0)
}

impl Formula {
    pub(super) fn new(shape: &Shape, stand_ins: Vec<Expr>, results: Vec<Expr>) -> Self {
        let mut formula = Self { shape: shape.clone(), stand_ins, results, classes: FxHashMap::default() };
        formula.classes = formula.classified();
        formula
    }

    fn classified(&self) -> FxHashMap<*const Node, Class> {
        let mut classes: FxHashMap<*const Node, Class> = FxHashMap::default();
        let mut stack: Vec<&Expr> = self.results.iter().collect();
        while let Some(&expr) = stack.last() {
            if classes.contains_key(&key(expr)) {
                stack.pop();
                continue;
            }
            let waiting = stack.len();
            stack.extend(expr.0.args.iter().filter(|arg| !classes.contains_key(&key(arg))));
            if stack.len() == waiting {
                let class = self.class(expr, &classes);
                classes.insert(key(expr), class);
            }
        }
        classes
    }

    fn class(&self, expr: &Expr, classes: &FxHashMap<*const Node, Class>) -> Class {
        if self.stand_ins.iter().any(|x| key(x) == key(expr)) {
            return Class { kind: Kind::Each, depends: true };
        }
        let args: SmallVec<[Class; 3]> = expr.0.args.iter().map(|arg| classes[&key(arg)]).collect();
        let depends = args.iter().any(|class| class.depends);
        let all = |kind: Kind| args.iter().all(|class| class.kind == kind);
        let is_scalar = expr.shape().rank() == 0 && !depends;
        let kind = match &expr.0.op {
            Op::Number(_) => Kind::Uniform,
            Op::Leaf(_) if is_scalar => Kind::Uniform,
            Op::Leaf(_) if *expr.shape() == self.shape => Kind::Beside,
            Op::Unary(_) | Op::Binary(_) | Op::Select | Op::Cast | Op::Promote | Op::Detach => {
                if all(Kind::Uniform) {
                    Kind::Uniform
                } else if *expr.shape() != self.shape || args.iter().any(|class| class.kind == Kind::Other) {
                    Kind::Other
                } else if args.iter().any(|class| class.kind == Kind::Beside) {
                    Kind::Beside
                } else {
                    Kind::Each
                }
            }
            Op::View(View::Broadcast(_)) if all(Kind::Uniform) && *expr.shape() == self.shape => Kind::Each,
            _ => Kind::Other,
        };
        // Whatever it is made of, a number that has nothing to do with the stand-ins is a number.
        let kind = if kind == Kind::Other && is_scalar && expr.error().is_none() { Kind::Uniform } else { kind };
        Class { kind, depends }
    }

    fn is(&self, allowed: &[Kind]) -> bool {
        self.results.iter().all(|result| allowed.contains(&self.classes[&key(result)].kind))
    }

    /// Whether each element of the results is made of those at its own place, and numbers.
    pub(super) fn is_elementwise(&self) -> bool {
        self.is(&[Kind::Uniform, Kind::Each])
    }

    /// Whether it is, but reads other tensors of the same shape.
    pub(super) fn is_beside_others(&self) -> bool {
        self.is(&[Kind::Uniform, Kind::Each, Kind::Beside]) && !self.is_elementwise()
    }

    /// Whether the results fit the stand-ins' shape.
    pub(super) fn is_in_order(&self) -> bool {
        self.results.iter().all(|result| result.broadcast_to(&self.shape).error().is_none())
    }

    /// Whether some stand-in is read otherwise than at the element that is made of it: by a reduction, or a view.
    pub(super) fn looks_around(&self) -> bool {
        let mut seen: FxHashSet<*const Node> = FxHashSet::default();
        let mut stack: Vec<&Expr> = self.results.iter().collect();
        while let Some(expr) = stack.pop() {
            if !self.classes[&key(expr)].depends || !seen.insert(key(expr)) {
                continue;
            }
            let broadcasts = matches!(expr.0.op, Op::View(View::Broadcast(_)));
            let looks = matches!(expr.0.op, Op::View(_) | Op::Take { .. } | Op::Bounded(_)) || expr.0.op.is_pass();
            if looks && !broadcasts {
                return true;
            }
            stack.extend(&expr.0.args);
        }
        false
    }

    /// Whether `self` and `other`, of stand-ins of another shape, do the same to each element.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        if self.results.len() != other.results.len() {
            return false;
        }
        let mut seen: FxHashSet<(*const Node, *const Node)> = FxHashSet::default();
        let mut stack: Vec<(&Expr, &Expr)> = self.results.iter().zip(&other.results).collect();
        while let Some((a, b)) = stack.pop() {
            if key(a) == key(b) || !seen.insert((key(a), key(b))) {
                continue;
            }
            let place = |of: &Self, expr: &Expr| of.stand_ins.iter().position(|x| key(x) == key(expr));
            match (place(self, a), place(other, b)) {
                (None, None) => {}
                (a, b) if a == b => continue,
                _ => return false,
            }
            if a.dtype() != b.dtype() || a.0.args.len() != b.0.args.len() || !is_same_op(a, b) {
                return false;
            }
            stack.extend(a.0.args.iter().zip(&b.0.args));
        }
        true
    }

    /// The results with `inputs`, all of one shape, for the stand-ins, whose dtypes they must have. Other tensors are read
    /// through `view`.
    pub(super) fn apply(&self, inputs: &[Expr], view: impl Fn(&Expr) -> Expr) -> Option<Vec<Expr>> {
        if self.stand_ins.iter().zip(inputs).any(|(a, b)| a.dtype() != b.dtype()) {
            return None;
        }
        let shape = inputs[0].shape();
        let mut done: FxHashMap<*const Node, Expr> =
            self.stand_ins.iter().zip(inputs).map(|(stand_in, input)| (key(stand_in), input.clone())).collect();
        let mut stack: Vec<&Expr> = self.results.iter().collect();
        while let Some(&expr) = stack.last() {
            if done.contains_key(&key(expr)) {
                stack.pop();
                continue;
            }
            if self.classes[&key(expr)].kind == Kind::Uniform {
                done.insert(key(expr), expr.clone());
                continue;
            }
            let waiting = stack.len();
            stack.extend(expr.0.args.iter().filter(|arg| !done.contains_key(&key(arg))));
            if stack.len() > waiting {
                continue;
            }
            let new = match &expr.0.op {
                Op::Leaf(_) => view(expr),
                Op::View(_) => done[&key(&expr.0.args[0])].broadcast_to(shape),
                op => {
                    let args = expr.0.args.iter().map(|arg| done[&key(arg)].clone()).collect();
                    Expr::new(op.clone(), args, shape.clone(), expr.dtype())
                }
            };
            done.insert(key(expr), new);
        }
        Some(self.results.iter().map(|result| done[&key(result)].broadcast_to(shape)).collect())
    }
}

/// Whether two nodes do the same to their arguments.
fn is_same_op(a: &Expr, b: &Expr) -> bool {
    let same_shapes = || a.0.args.iter().zip(&b.0.args).all(|(a, b)| a.shape() == b.shape());
    match (&a.0.op, &b.0.op) {
        (Op::View(View::Broadcast(_)), Op::View(View::Broadcast(_))) => true,
        (Op::Index | Op::Random(_) | Op::Take { .. } | Op::Bounded(_), _) => false,
        // What is no elementwise operation depends on the shapes of its arguments.
        (op, _) if matches!(op, Op::View(_)) || op.is_pass() => op.is_same(&b.0.op) && same_shapes(),
        _ => a.0.op.is_same(&b.0.op),
    }
}
