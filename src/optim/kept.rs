//! Steps made ready, kept for when they are asked for again: with the same gradients or loss, or with others of their form.

use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use super::hooks::Stages;
use crate::base::storage::Storage;
use crate::expr::{Form, Op, Reading};
use crate::{Device, Expr};

/// Steps kept, at most: two losses by turns, each with a last batch that is smaller.
const MOST: usize = 4;

/// What a step is made ready for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Gradients that are given.
    Step,
    /// A loss.
    Descend,
    /// A loss, which is evaluated, too.
    Minimize,
}

/// The updates of a step, for any gradients or loss of one form.
pub(super) struct Prepared {
    purpose: Purpose,
    form: Form,
    /// The gradients or the loss that the updates read now; none while they read stand-ins.
    of: Vec<Expr>,
    /// Where updates read what each stand-in stands for: numbers of updates and of their buffers.
    uses: Vec<SmallVec<[(usize, usize); 2]>>,
    /// Memory that updates read or write besides, which nothing else may stand for.
    own: FxHashSet<usize>,
    /// What of it is borrowed, and may lie in other storages, too.
    borrowed: Vec<Storage>,
    /// Whether it reads no memory of a batch while others are run.
    lasts: bool,
    pub(super) stages: Stages,
}

impl Prepared {
    /// For any expressions of one form; `stages` are those of stand-ins.
    pub(super) fn new(purpose: Purpose, form: Form, stages: Stages, lasts: bool) -> Self {
        let places: FxHashMap<usize, usize> =
            form.stand_ins().enumerate().map(|(i, storage)| (storage.id(), i)).collect();
        let mut uses = vec![SmallVec::new(); places.len()];
        let (mut own, mut borrowed) = (FxHashSet::default(), Vec::new());
        let mut keep = |storage: &Storage| {
            if own.insert(storage.id()) && storage.borrowed().is_some() {
                borrowed.push(storage.clone());
            }
        };
        for (u, update) in stages.updates.iter().enumerate() {
            for (b, storage) in update.buffers().enumerate() {
                match places.get(&storage.id()) {
                    Some(&place) => uses[place].push((u, b)),
                    None => keep(storage),
                }
            }
            update.targets().iter().for_each(|target| keep(target.storage()));
        }
        Self { purpose, form, of: Vec::new(), uses, own, borrowed, lasts, stages }
    }

    /// Whether it reads these now.
    fn is_of(&self, purpose: Purpose, exprs: &[Expr]) -> bool {
        self.purpose == purpose && self.of.len() == exprs.len() && self.of.iter().zip(exprs).all(|(a, b)| is_same(a, b))
    }

    /// What these read, if it can be read in place of what was.
    fn reading(&self, purpose: Purpose, exprs: &[Expr], device: &Device) -> Option<Reading> {
        if self.purpose != purpose {
            return None;
        }
        self.form.read(exprs).filter(|reading| self.accepts(reading, device))
    }

    /// Whether memory that was read may stand where stand-ins do.
    pub(super) fn accepts(&self, reading: &Reading, device: &Device) -> bool {
        let free = |storage: &Storage| {
            !self.own.contains(&storage.id()) && !self.borrowed.iter().any(|own| own.crosses(storage))
        };
        reading.memory.iter().all(|(storage, _)| free(storage) && device.backend().owns(storage))
    }

    fn bind(&mut self, exprs: &[Expr], reading: Reading) {
        self.form.set_seeds(&reading);
        for ((storage, start), uses) in reading.memory.into_iter().zip(&self.uses) {
            for &(update, buffer) in uses {
                self.stages.updates[update].bind(buffer, storage.clone(), start);
            }
        }
        self.of = exprs.to_vec();
    }

    /// Lets go of what it reads, so that memory of a batch is not kept for longer than its step is the last.
    fn release(&mut self) {
        self.of.clear();
        for (storage, uses) in self.form.stand_ins().zip(&self.uses) {
            for &(update, buffer) in uses {
                self.stages.updates[update].bind(buffer, storage.clone(), 0);
            }
        }
    }
}

/// Steps made ready, the one that was asked for last first.
#[derive(Default)]
pub(super) struct Kept(Vec<Prepared>);

impl Kept {
    /// The step that was asked for last.
    pub(super) fn latest(&self) -> Option<&Prepared> {
        self.0.first()
    }

    /// Whether there is a step for these, which then is the latest and reads them.
    pub(super) fn find(&mut self, purpose: Purpose, exprs: &[Expr], device: &Device) -> bool {
        if self.latest().is_some_and(|latest| latest.is_of(purpose, exprs)) {
            return true;
        }
        let mut steps = self.0.iter().enumerate();
        let Some((at, reading)) = steps.find_map(|(i, step)| Some((i, step.reading(purpose, exprs, device)?))) else {
            return false;
        };
        let mut step = self.0.remove(at);
        step.bind(exprs, reading);
        if at > 0 {
            self.let_go();
        }
        self.0.insert(0, step);
        true
    }

    /// Keeps a step, which takes over what the latest has planned where updates are of the same form.
    pub(super) fn keep(&mut self, mut step: Prepared, exprs: &[Expr], reading: Reading) {
        if let Some(latest) = self.latest() {
            step.stages.updates.iter_mut().zip(&latest.stages.updates).for_each(|(new, old)| new.adopt(old));
        }
        step.bind(exprs, reading);
        self.let_go();
        self.0.truncate(MOST - 1);
        self.0.insert(0, step);
    }

    /// Has the step that was the latest hold no memory of its gradients or loss.
    fn let_go(&mut self) {
        match self.0.first_mut() {
            Some(latest) if latest.lasts => latest.release(),
            Some(_) => drop(self.0.remove(0)),
            None => {}
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// Whether two gradients are the same expression, or the same view of the same memory.
fn is_same(a: &Expr, b: &Expr) -> bool {
    match (&a.0.op, &b.0.op) {
        (Op::Leaf(a), Op::Leaf(b)) => a.is_same_view(b),
        _ => std::ptr::eq(&raw const *a.0, &raw const *b.0),
    }
}
