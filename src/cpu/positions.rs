//! Tracks without memory, whose elements are their own positions.

use std::cell::Cell;

use pulp::NullaryFnOnce;

use super::space::{Space, Track};
use crate::cpu::arch::Arch;

impl Space {
    /// How many elements of the strip of `n` points from `point` on have to be gathered: one, if it is a position that stands
    /// for all; with `steps` two, if positions rise in even steps.
    pub(super) fn gathered(&self, track: usize, point: usize, n: usize, steps: bool) -> usize {
        let track = &self.tracks[track];
        if !track.is_index || !track.chain.is_empty() || !self.is_in_row(point, n) {
            return n;
        }
        match track.strides[self.sizes.len() - 1] {
            0 => 1,
            1.. if steps => n.min(2),
            _ => n,
        }
    }

    /// Writes the positions of the points from `point` on, as many as `out` is long.
    pub(super) fn positions(&self, track: &Track, point: usize, out: &[Cell<i32>]) {
        if let ([out], true) = (out, track.chain.is_empty()) {
            return out.set(self.locate(track, point) as i32);
        }
        let mut out = out;
        self.pieces(track, point, out.len(), |piece| {
            let (now, later) = out.split_at(piece.rows * piece.count);
            out = later;
            for (row, now) in now.chunks_exact(piece.count).enumerate() {
                if track.chain.is_empty() {
                    Arch::new().dispatch(Run { start: piece.at(row, 0) as i32, step: piece.step as i32, out: now });
                    continue;
                }
                for (i, out) in now.iter().enumerate() {
                    let at = track.chain.iter().fold(piece.at(row, i) as usize, |at, layout| layout.at(at));
                    out.set(at as i32);
                }
            }
        });
    }
}

/// Positions that lie evenly apart.
struct Run<'a> {
    start: i32,
    step: i32,
    out: &'a [Cell<i32>],
}

impl NullaryFnOnce for Run<'_> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        for (i, out) in self.out.iter().enumerate() {
            out.set(self.start.wrapping_add(self.step.wrapping_mul(i as i32)));
        }
    }
}
