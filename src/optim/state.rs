//! What an optimizer remembers, as named tensors.

use rustc_hash::{FxHashMap, FxHashSet};

use super::group::Group;
use super::params::require_alike;
use super::{Optimizer, Rule};
use crate::{Device, Error, Result, Tensor};

const OP: &str = "load_state";

impl<R: Rule> Optimizer<R> {
    /// Everything the optimizer remembers, as named tensors: `NAME.STATE` for each parameter and each of its states,
    /// and `group.0`, `group.1`, … for each group's steps taken, learning rate and rule's own numbers, in f64 on the CPU.
    /// With a [`loss_scale`](Self::loss_scale), `loss_scale.scale` and `loss_scale.growth_tracker` besides.
    ///
    /// Asking changes nothing: a group that has taken no step tells how it would begin now, and begins with its first step.
    ///
    /// # Errors
    ///
    /// As [`step`](Self::step), for options and parameters.
    pub fn state(&self) -> Result<Vec<(String, Tensor)>> {
        self.check()?;
        let mut all = Vec::new();
        for (g, group) in self.groups.iter().enumerate() {
            all.extend(group.named_state()?);
            let numbers = group.numbers();
            all.push((name(g), Tensor::from_slice(&numbers, [numbers.len()], &Device::cpu())?));
        }
        all.extend(self.guard.state(&self.device())?);
        Ok(all)
    }

    /// Restores what [`state`](Self::state) returned. Every later step is, bit for bit, what it would have been.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if the state belongs to another optimizer or to other parameters: it names this optimizer, the
    /// group, and what is missing, unknown, or of another shape or dtype. Then nothing has changed. Also as
    /// [`step`](Self::step).
    pub fn load_state(&mut self, state: &[(String, Tensor)]) -> Result<()> {
        self.check()?;
        self.groups.iter_mut().try_for_each(Group::begin)?;
        self.begin_guard()?;
        let given: FxHashMap<&str, &Tensor> = state.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        // Per group: its tensors with what they become, then its numbers.
        let mut found = Vec::with_capacity(self.groups.len());
        let mut known: FxHashSet<String> = FxHashSet::default();
        for (g, group) in self.groups.iter().enumerate() {
            let mut own = group.own_state()?;
            let numbers = group.numbers();
            own.push((name(g), Tensor::from_slice(&numbers, [numbers.len()], &Device::cpu())?));
            let news: Vec<Option<&Tensor>> = own.iter().map(|(name, _)| given.get(name.as_str()).copied()).collect();
            let missing = own.iter().zip(&news).filter(|(_, new)| new.is_none()).map(|((name, _), _)| name.as_str());
            let missing: Vec<&str> = missing.collect();
            if !missing.is_empty() {
                let others = state.iter().filter(|(name, _)| own.iter().all(|(n, _)| n != name));
                let others: Vec<&str> = others.map(|(name, _)| name.as_str()).collect();
                let expected = format!("the state of {}, group {g}, with {}", self.name(), listed(&missing));
                let instead = if others.is_empty() { String::new() } else { format!(", but {}", listed(&others)) };
                return Err(Error::argument(OP, expected, format!("{} tensors without{instead}", state.len())));
            }
            let mut pairs = Vec::with_capacity(own.len());
            for ((name, own), new) in own.into_iter().zip(news.into_iter().flatten()) {
                require_alike(OP, &format!("'{name}' of {}, group {g}", self.name()), &own, new)?;
                let new = new.to_device(&own.device())?;
                known.insert(name);
                pairs.push((own, new));
            }
            found.push(pairs);
        }
        let mut of_scale = Vec::new();
        for (name, own) in self.guard.state(&self.device())? {
            let Some(new) = given.get(name.as_str()) else {
                let expected = format!("the state of {} with a loss scale, '{name}'", self.name());
                return Err(Error::argument(OP, expected, format!("{} tensors without", state.len())));
            };
            require_alike(OP, &format!("'{name}'"), &own, new)?;
            of_scale.push((own.clone(), new.to_device(&own.device())?));
            known.insert(name);
        }
        let unknown = state.iter().filter(|(name, _)| !known.contains(name)).map(|(name, _)| name.as_str());
        let unknown: Vec<&str> = unknown.collect();
        if !unknown.is_empty() {
            let groups = if self.groups.len() == 1 { "group" } else { "groups" };
            let expected = format!("the {} tensors of {}'s {} {groups}", known.len(), self.name(), self.groups.len());
            return Err(Error::argument(OP, expected, format!("{} besides", listed(&unknown))));
        }
        let numbers = found.iter().map(|pairs| pairs[pairs.len() - 1].1.to_vec::<f64>());
        let numbers = numbers.collect::<Result<Vec<_>>>()?;
        for ((group, pairs), numbers) in self.groups.iter_mut().zip(found).zip(numbers) {
            for (own, new) in &pairs[..pairs.len() - 1] {
                own.assign(new)?;
            }
            group.restore(&numbers);
        }
        of_scale.iter().try_for_each(|(own, new)| own.assign(new))
    }
}

/// The name of a group's numbers.
fn name(group: usize) -> String {
    format!("group.{group}")
}

/// Some names, the first few of them written out.
pub(super) fn listed(names: &[&str]) -> String {
    let few = names.iter().take(4).map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
    if names.len() > 4 { format!("{few} and {} more", names.len() - 4) } else { few }
}
