//! What a function keeps between calls: what it has compiled, by the form of operands.

use std::hash::{Hash, Hasher};

use rustc_hash::{FxHashMap, FxHasher};
use smallvec::SmallVec;

use super::compiled::Compiled;
use super::function::Operand;
use crate::expr::Asks;
use crate::expr::graph::Sizes;
use crate::{Device, Scalar, Tensor};

/// Forms that are kept beside the last. One takes some kilobytes.
const MOST: usize = 256;
/// Of those, how many that differ in no more than sizes, where one can be made of another.
const ALIKE: usize = 8;

/// Forms of operands, those used last.
pub(super) struct Forms {
    /// What decides on a form beside dtypes and ranks: what was compiled for some sizes may serve for others.
    asks: Asks,
    /// That of the last call, which is mostly that of the next.
    last: Option<Box<Compiled>>,
    /// The others by their keys: several of one key where threads call at once, or where two forms have the same.
    others: FxHashMap<u64, SmallVec<[Other; 1]>>,
    n_others: usize,
    /// How many calls there were.
    calls: u64,
}

/// What [`Forms`] have for a call.
pub(super) enum Found {
    /// What was compiled for its form.
    Same(Box<Compiled>),
    /// What was compiled for another form, to be [resized](Compiled::resize) to these sizes.
    Like(Box<Compiled>, Sizes),
    Nothing,
}

struct Other {
    /// The number of the call that used it last.
    used: u64,
    compiled: Box<Compiled>,
}

impl Forms {
    /// Of a text that asks this of sizes.
    pub(super) fn new(asks: Asks) -> Self {
        Self { asks, last: None, others: FxHashMap::default(), n_others: 0, calls: 0 }
    }

    /// The same without anything kept.
    pub(super) fn emptied(&self) -> Self {
        Self::new(self.asks)
    }

    /// Takes out what was compiled for operands and targets of this form, if it is there, else what can be made that.
    pub(super) fn take(&mut self, operands: &[Operand], targets: &[&Tensor], device: &Device) -> Found {
        if let Some(last) = self.last.take_if(|compiled| compiled.fits(operands, targets, device)) {
            return Found::Same(last);
        }
        if self.n_others == 0 {
            return self.like(&[], operands, targets, device);
        }
        let (key, _) = self.kind(operands, targets);
        let alike = self.others.get(&key).map_or(&[][..], |alike| alike);
        if let Some(at) = alike.iter().position(|other| other.compiled.fits(operands, targets, device)) {
            return self.remove(key, at).map_or(Found::Nothing, Found::Same);
        }
        // A few of a kind stay, for shapes that come by turns. The oldest of more is made the next.
        let oldest = (0..alike.len()).filter(|_| alike.len() >= ALIKE).min_by_key(|&at| alike[at].used);
        match oldest.and_then(|at| Some((at, alike[at].compiled.sizes(operands, targets, device)?))) {
            Some((at, sizes)) => self.remove(key, at).map_or(Found::Nothing, |compiled| Found::Like(compiled, sizes)),
            None => self.like(alike, operands, targets, device),
        }
    }

    /// A copy of the last or of one of some others, if it can be made what was asked for.
    fn like(&self, others: &[Other], operands: &[Operand], targets: &[&Tensor], device: &Device) -> Found {
        let last = self.last.iter().map(|last| &**last);
        let others = others.iter().map(|other| &*other.compiled);
        let copy = |compiled: &Compiled| {
            let sizes = compiled.sizes(operands, targets, device)?;
            Some(Found::Like(Box::new(compiled.copy()), sizes))
        };
        last.chain(others).find_map(copy).unwrap_or(Found::Nothing)
    }

    /// What operands and targets of one form have in common, or, where not all sizes matter, of several; and what matters.
    pub(super) fn kind(&self, operands: &[Operand], targets: &[&Tensor]) -> (u64, Asks) {
        (key(operands, targets, self.asks), self.asks)
    }

    /// Keeps what a call has used, and returns what makes way for it.
    pub(super) fn keep(&mut self, compiled: Box<Compiled>) -> Option<Box<Compiled>> {
        self.calls += 1;
        let before = self.last.replace(compiled)?;
        self.others.entry(before.key).or_default().push(Other { used: self.calls, compiled: before });
        self.n_others += 1;
        if self.n_others > MOST { self.oldest() } else { None }
    }

    fn oldest(&mut self) -> Option<Box<Compiled>> {
        let used = |(key, alike): (&u64, &SmallVec<[Other; 1]>)| {
            let oldest = alike.iter().enumerate().min_by_key(|(_, other)| other.used);
            oldest.map(|(at, other)| (other.used, *key, at))
        };
        let (_, key, at) = self.others.iter().filter_map(used).min()?;
        self.remove(key, at)
    }

    /// Takes out number `at` of those of a key.
    fn remove(&mut self, key: u64, at: usize) -> Option<Box<Compiled>> {
        let alike = self.others.get_mut(&key)?;
        let found = alike.swap_remove(at).compiled;
        if alike.is_empty() {
            self.others.remove(&key);
        }
        self.n_others -= 1;
        Some(found)
    }
}

/// A number that operands and targets have in common that are one form, or that differ in no more than steps that are not 0 and
/// what is not asked of sizes. Floats are one form, whatever their value.
fn key(operands: &[Operand], targets: &[&Tensor], asks: Asks) -> u64 {
    let mut hasher = FxHasher::default();
    let mut known: SmallVec<[usize; 8]> = SmallVec::new();
    let mut shape = |tensor: &Tensor, strides: &[isize]| {
        tensor.dtype().hash(&mut hasher);
        if asks == Asks::Sizes {
            return (tensor.shape(), strides).hash(&mut hasher);
        }
        // A few bits for each dim, of which there are eight at most.
        let mut dims = 1_u64;
        for (d, &size) in tensor.shape().iter().enumerate() {
            let number = match known.iter().position(|&known| known == size) {
                _ if size == 1 || asks == Asks::Ones => 0,
                Some(at) => at,
                None => {
                    known.push(size);
                    known.len() - 1
                }
            };
            let repeats = size != 1 && strides.get(d) == Some(&0);
            dims = dims << 7 | (number as u64 & 31) << 2 | u64::from(size == 1) << 1 | u64::from(repeats);
        }
        dims.hash(&mut hasher);
    };
    for operand in operands {
        if let Operand::Tensor(tensor) = operand {
            shape(tensor, tensor.strides());
        }
    }
    for target in targets {
        shape(target, &[]);
    }
    for operand in operands {
        match operand {
            Operand::Tensor(_) => 2_u8.hash(&mut hasher),
            Operand::Number(Scalar::Float(_)) => 0_u8.hash(&mut hasher),
            Operand::Number(number) => number.to_f64().to_bits().hash(&mut hasher),
        }
    }
    hasher.finish()
}
