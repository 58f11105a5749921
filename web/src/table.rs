//! Things by number, of which JavaScript keeps the numbers.

use std::cell::RefCell;
use std::thread::LocalKey;

/// Numbers begin at 1: 0 is nothing.
pub(crate) struct Table<T> {
    items: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Table<T> {
    pub(crate) const fn new() -> Self {
        Self { items: Vec::new(), free: Vec::new() }
    }

    fn add(&mut self, item: T) -> u32 {
        let number = self.free.pop().unwrap_or_else(|| {
            self.items.push(None);
            self.items.len() as u32
        });
        self.items[number as usize - 1] = Some(item);
        number
    }

    fn place(&mut self, number: u32) -> Option<&mut Option<T>> {
        self.items.get_mut((number as usize).wrapping_sub(1))
    }
}

/// A thread's table.
pub(crate) type Kept<T> = LocalKey<RefCell<Table<T>>>;

pub(crate) fn add<T>(table: &'static Kept<T>, item: T) -> u32 {
    table.with_borrow_mut(|table| table.add(item))
}

pub(crate) fn get<T: Clone>(table: &'static Kept<T>, number: u32) -> Option<T> {
    table.with_borrow_mut(|table| table.place(number)?.clone())
}

/// Takes something out. It is dropped by the caller, when the table is no longer borrowed.
pub(crate) fn take<T>(table: &'static Kept<T>, number: u32) -> Option<T> {
    table.with_borrow_mut(|table| {
        let item = table.place(number)?.take();
        if item.is_some() {
            table.free.push(number);
        }
        item
    })
}

/// How many there are.
pub(crate) fn count<T>(table: &'static Kept<T>) -> usize {
    table.with_borrow(|table| table.items.len() - table.free.len())
}
