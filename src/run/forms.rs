//! What a function keeps between calls: what it has compiled, by the form of operands.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use smallvec::SmallVec;

use super::compiled::Compiled;
use super::function::Operand;
use crate::{Device, Scalar, Tensor};

/// Forms that are kept beside the last. One takes some kilobytes.
const MOST: usize = 256;

/// Forms of operands, those used last.
#[derive(Default)]
pub(super) struct Forms {
    /// That of the last call, which is mostly that of the next.
    last: Option<Box<Compiled>>,
    /// The others by their keys: several of one key where threads call at once, or where two forms have the same.
    others: HashMap<u64, SmallVec<[Other; 1]>>,
    n_others: usize,
    /// How many calls there were.
    calls: u64,
}

struct Other {
    /// The number of the call that used it last.
    used: u64,
    compiled: Box<Compiled>,
}

impl Forms {
    /// Takes out what was compiled for operands and targets of this form, if it is there.
    pub(super) fn take(&mut self, operands: &[Operand], targets: &[&Tensor], device: &Device) -> Option<Box<Compiled>> {
        let last = self.last.take_if(|compiled| compiled.fits(operands, targets, device));
        if last.is_some() || self.n_others == 0 {
            return last;
        }
        let key = key(operands, targets);
        let alike = self.others.get(&key)?;
        let at = alike.iter().position(|other| other.compiled.fits(operands, targets, device))?;
        self.remove(key, at)
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

/// A number that operands and targets of one form have in common. Floats are one form, whatever their value.
pub(super) fn key(operands: &[Operand], targets: &[&Tensor]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for operand in operands {
        match operand {
            Operand::Tensor(tensor) => {
                (tensor.dtype(), tensor.shape(), tensor.strides()).hash(&mut hasher);
            }
            Operand::Number(Scalar::Float(_)) => 0_u8.hash(&mut hasher),
            Operand::Number(number) => number.to_f64().to_bits().hash(&mut hasher),
        }
    }
    for target in targets {
        (target.dtype(), target.shape()).hash(&mut hasher);
    }
    hasher.finish()
}
