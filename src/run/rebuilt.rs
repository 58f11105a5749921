//! Expressions that are built anew for each evaluation, found again by their form.
//!
//! A loop that builds its expression in each step builds the same one, of tensors in the same memory or in other. What one of
//! them needed is kept, for stand-ins of its tensors: the next of its form has its tensors take their places, and only
//! computes. So nothing is made flat or planned again.
//!
//! A form is kept from the second time on that it is met, and for an expression that was not evaluated before: one that is,
//! keeps its own graph. Each thread keeps its own forms, those used last, and no memory of tensors.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use smallvec::SmallVec;

use super::assign::{Update, graph_of, writes_before_it_reads};
use super::eval::eval_graph_of;
use crate::base::layout::Layout;
use crate::base::storage::{Memory, Storage};
use crate::cpu;
use crate::expr::graph::Graph;
use crate::expr::{Form, Reading};
use crate::{DType, Device, Expr, Result, Shape, Tensor};

/// Forms that a thread keeps. One takes some kilobytes.
const MOST: usize = 32;
/// How many hashes of forms that were met once are kept.
const MET: usize = 64;

thread_local! {
    static KEPT: RefCell<Kept> = RefCell::default();
}

struct Kept {
    #[expect(clippy::vec_box, reason = "each is taken out for its use, and is large")]
    known: Vec<Box<Known>>,
    met: [u64; MET],
    /// How many were used.
    uses: u64,
}

impl Default for Kept {
    fn default() -> Self {
        Self { known: Vec::new(), met: [0; MET], uses: 0 }
    }
}

/// What expressions of one form need.
struct Known {
    hash: u64,
    form: Form,
    /// Shapes and dtypes of targets; none for results in new tensors.
    targets: SmallVec<[(Shape, DType); 1]>,
    graph: Graph,
    /// For each stand-in.
    places: SmallVec<[Place; 4]>,
    /// The number of its last use.
    used: u64,
}

/// Memory that stands for some of the CPU's, and is none.
struct Nothing;

impl Memory for Nothing {}

/// Where a stand-in is read.
struct Place {
    stand_in: Storage,
    /// Its buffer in the graph, if the results need it.
    buffer: Option<usize>,
    /// How a tensor lies that may be the only target: whose elements are read, if at all, just before they are written.
    in_place: Option<Layout>,
}

/// Evaluates an expression, if one of its form is known and it was not evaluated before.
pub(super) fn eval(op: &'static str, expr: &Expr) -> Option<Result<Tensor>> {
    let exprs = std::slice::from_ref(expr);
    let (known, reading) = take(exprs, &[], |made| eval_graph_of(&made[0]))?;
    let device = Device::cpu();
    let done = Tensor::empty(op, expr.shape().clone(), expr.dtype(), &device)
        .and_then(|out| known.run(op, reading, std::slice::from_ref(&out)).map(|()| out));
    Some(done)
}

/// Assigns values to tensors, if values of their form for such tensors are known and they were not assigned before.
pub(super) fn assign(op: &'static str, targets: &[(&Tensor, Expr)]) -> Option<Result<()>> {
    let exprs: SmallVec<[Expr; 1]> = targets.iter().map(|(_, expr)| expr.clone()).collect();
    let tensors: SmallVec<[&Tensor; 1]> = targets.iter().map(|&(target, _)| target).collect();
    if !tensors.iter().all(|target| is_on_cpu(target.storage())) {
        return None;
    }
    let (known, reading) = take(&exprs, &tensors, |made| {
        let pairs: SmallVec<[(&Tensor, Expr); 1]> = tensors.iter().copied().zip(made.iter().cloned()).collect();
        graph_of(op, &pairs).map(Arc::unwrap_or_clone)
    })?;
    if !known.may_write(&reading, &tensors) {
        known.keep();
        return None;
    }
    let into: SmallVec<[Tensor; 1]> = tensors.iter().map(|&target| target.clone()).collect();
    let checked = Update::check_targets(op, &tensors, &Device::cpu());
    Some(checked.and_then(|()| known.run(op, reading, &into)))
}

/// Takes out what expressions and targets of this form need, or makes it if the form was met before; and what they read.
fn take(
    exprs: &[Expr],
    targets: &[&Tensor],
    graph: impl FnOnce(&[Expr]) -> Result<Graph>,
) -> Option<(Box<Known>, Reading)> {
    let first = &exprs.first()?.0;
    if first.evaluated.swap(true, Ordering::Relaxed) || first.graph.get().is_some() {
        return None;
    }
    let hash = Form::hash(exprs, targets, is_on_cpu)?;
    let found = KEPT.with_borrow_mut(|kept| {
        let known = kept.known.iter().enumerate().filter(|(_, known)| known.hash == hash && known.is_for(targets));
        let found = known.into_iter().find_map(|(at, known)| Some((at, known.form.read(exprs)?)));
        if let Some((at, reading)) = found {
            return Some((Some(kept.known.swap_remove(at)), Some(reading)));
        }
        let met = &mut kept.met[hash as usize % MET];
        (std::mem::replace(met, hash) == hash).then_some((None, None))
    })?;
    match found {
        (Some(known), Some(reading)) => Some((known, reading)),
        _ => Known::new(hash, exprs, targets, graph),
    }
}

impl Known {
    fn new(
        hash: u64,
        exprs: &[Expr],
        targets: &[&Tensor],
        graph: impl FnOnce(&[Expr]) -> Result<Graph>,
    ) -> Option<(Box<Self>, Reading)> {
        // A mistake is reported by whoever does without this.
        let (form, made, reading) = Form::new(exprs, |_| false, |_| Ok(Storage::new(Arc::new(Nothing)))).ok()?;
        let graph = graph(&made).ok()?;
        let place = |(at, stand_in): (usize, &Storage)| {
            let only = form.only_layout(at).map(|(layout, dtype)| Tensor::new(stand_in.clone(), layout.clone(), dtype));
            let in_place = only.filter(|only| !writes_before_it_reads(&graph, std::slice::from_ref(only)));
            Place {
                stand_in: stand_in.clone(),
                buffer: graph.buffers.iter().position(|buffer| buffer.0.id() == stand_in.id()),
                in_place: in_place.map(|only| only.layout().clone()),
            }
        };
        let places = form.stand_ins().enumerate().map(place).collect();
        let targets = targets.iter().map(|t| (t.shape().clone(), t.dtype())).collect();
        Some((Box::new(Self { hash, form, targets, graph, places, used: 0 }), reading))
    }

    fn is_for(&self, targets: &[&Tensor]) -> bool {
        self.targets.len() == targets.len()
            && self.targets.iter().zip(targets).all(|(known, t)| known.1 == t.dtype() && known.0 == *t.shape())
    }

    /// Whether one pass may write targets where expressions read: if they lie apart, or the one target is what is read.
    fn may_write(&self, reading: &Reading, targets: &[&Tensor]) -> bool {
        self.places.iter().zip(&reading.memory).all(|(place, (storage, start))| {
            targets.iter().all(|target| {
                if storage.id() != target.storage().id() {
                    return !storage.crosses(target.storage());
                }
                let is_target = |layout: &Layout| layout.onward(*start) == *target.layout();
                targets.len() == 1 && place.in_place.as_ref().is_some_and(is_target)
            })
        })
    }

    /// Reads what expressions of its form read, writes the results, and is kept.
    fn run(mut self: Box<Self>, op: &'static str, reading: Reading, results: &[Tensor]) -> Result<()> {
        self.form.set_seeds(&reading);
        for (place, (storage, start)) in self.places.iter().zip(reading.memory) {
            if let Some(buffer) = place.buffer {
                self.graph.bind(buffer, storage, start);
            }
        }
        let done = cpu::run(op, &self.graph, results);
        // What was read is its owner's again.
        for place in &self.places {
            if let Some(buffer) = place.buffer {
                self.graph.bind(buffer, place.stand_in.clone(), 0);
            }
        }
        self.keep();
        done
    }

    /// Keeps it as what was used last.
    fn keep(mut self: Box<Self>) {
        KEPT.with_borrow_mut(|kept| {
            kept.uses += 1;
            self.used = kept.uses;
            if kept.known.len() >= MOST
                && let Some(oldest) = (0..MOST).min_by_key(|&at| kept.known[at].used)
            {
                kept.known.swap_remove(oldest);
            }
            kept.known.push(self);
        });
    }
}

fn is_on_cpu(storage: &Storage) -> bool {
    storage.downcast::<cpu::Buffer>().is_some()
}
