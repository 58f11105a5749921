//! The names of open devices: two of one adapter are told apart.

use std::collections::BTreeSet;
use std::sync::Mutex;

use super::context::lock;

/// The labels in use: an adapter's, and the number of the device.
static IN_USE: Mutex<BTreeSet<(String, u32)>> = Mutex::new(BTreeSet::new());

/// What a device is called: as its adapter; while others of that name are open, with `#2`, `#3` and so on behind it.
pub(super) struct Label {
    adapter: String,
    number: u32,
    text: String,
}

impl Label {
    /// The first that is free.
    pub(super) fn new(adapter: String) -> Self {
        let mut in_use = lock(&IN_USE);
        let is_free = |number: &u32| !in_use.contains(&(adapter.clone(), *number));
        let number = (1..u32::MAX).find(is_free).unwrap_or(u32::MAX);
        in_use.insert((adapter.clone(), number));
        let text = if number == 1 { adapter.clone() } else { format!("{adapter} #{number}") };
        Self { adapter, number, text }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

impl Drop for Label {
    fn drop(&mut self) {
        let key = (std::mem::take(&mut self.adapter), self.number);
        lock(&IN_USE).remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::Label;

    #[test]
    fn names_differ_while_they_are_in_use() {
        let new = || Label::new("a device of this test".to_owned());
        let (first, second) = (new(), new());
        assert_eq!((first.text(), second.text()), ("a device of this test", "a device of this test #2"));
        let third = new();
        drop(second);
        assert_eq!((third.text(), new().text()), ("a device of this test #3", "a device of this test #2"));
        drop((first, third));
        assert_eq!(new().text(), "a device of this test");
    }
}
