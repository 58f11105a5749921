//! What an index may be that is not known before it is read.

use crate::{Error, Result};

/// A dim that elements of an index tensor choose from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub(crate) struct Bounds {
    /// The operation that reads by the index.
    pub(crate) op: &'static str,
    pub(crate) dim: usize,
    /// At least 1, and no more than an i32 can number.
    pub(crate) size: u32,
    /// Whether negative numbers count from the end.
    pub(crate) from_end: bool,
}

impl Bounds {
    /// The bounds of indices into dim `dim`. `n` indices are read; if there are none, an empty dim will do.
    pub(crate) fn new(op: &'static str, dim: usize, size: usize, from_end: bool, n: usize) -> Result<Self> {
        if size == 0 && n > 0 {
            return Err(Error::argument(
                op,
                format!("no index for dim {dim}, whose size is 0"),
                format!("{n} of them"),
            ));
        }
        let size = i32::try_from(size.max(1)).map_err(|_| {
            Error::argument(op, format!("a dim {dim} of at most {} elements", i32::MAX), size.to_string())
        })?;
        Ok(Self { op, dim, size: size.unsigned_abs(), from_end })
    }

    /// Which element an index is, if it is one.
    #[inline]
    pub(crate) fn resolve(self, index: i64) -> Option<i32> {
        let size = i64::from(self.size);
        let at = if self.from_end && index < 0 { index + size } else { index };
        if (0..size).contains(&at) { Some(at as i32) } else { None }
    }

    /// That an index is none of the dim's.
    pub(crate) fn error(self, index: i64) -> Error {
        let Self { op, dim, size, from_end } = self;
        Error::Index { op, index, dim, size: size as usize, from_end }
    }
}
