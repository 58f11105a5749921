//! Elements that an index chooses: each so many places on from where its track puts it.
//!
//! Where the index is the same all along a row, as where rows of a table are chosen, the row is read where it lies or
//! copied whole.

use std::cell::Cell;

use bytemuck::Pod;

use super::space::{Space, Track};
use super::strip::{Span, Steps, Strip, copy, copy_steps};

/// Where an index's own elements lie, and what they say.
#[derive(Clone, Copy)]
enum Places<'a> {
    I32(&'a [Cell<i32>]),
    I64(&'a [Cell<i64>]),
}

impl<'a> Places<'a> {
    fn new(memory: Span<'a>, size: usize) -> Self {
        if size == size_of::<i64>() { Self::I64(memory.cells().0) } else { Self::I32(memory.cells().0) }
    }

    #[inline(always)]
    fn get(self, at: usize) -> isize {
        match self {
            Self::I32(places) => places[at].get() as isize,
            Self::I64(places) => places[at].get() as isize,
        }
    }
}

impl Space {
    fn index_of(&self, track: &Track) -> &Track {
        &self.tracks[track.by.unwrap_or_default()]
    }

    /// The strip of `n` points from `point` on as it lies in `memory`, if the index, which lies in `by`, is the same for all
    /// of them and they lie in a row or are one element.
    pub(super) fn chosen_in_place<'a>(
        &self,
        track: usize,
        point: usize,
        n: usize,
        memory: Span<'a>,
        by: Span<'_>,
    ) -> Option<Strip<'a>> {
        let track = &self.tracks[track];
        let index = self.index_of(track);
        let (step, index_step) = (track.strides.last().copied()?, index.strides.last().copied()?);
        let in_row = point % self.inner() + n <= self.inner();
        if !in_row || index_step != 0 || !(0..=1).contains(&step) || !track.chain.is_empty() || !index.chain.is_empty()
        {
            return None;
        }
        let on = Places::new(by, index.size).get(self.locate(index, point) as usize);
        Some(memory.strip(self.locate(track, point) + on, if step == 1 { n } else { 1 }, track.size))
    }

    /// Copies the points from `point` on, as many as `out` is long, from `memory` to `out`, as the index in `by` says.
    pub(super) fn gather_chosen(&self, track: usize, point: usize, memory: Span<'_>, by: Span<'_>, out: Strip<'_>) {
        let track = &self.tracks[track];
        let index = self.index_of(track);
        let places = Places::new(by, index.size);
        match track.size {
            1 => self.gather_chosen_as::<u8>([track, index], point, memory, places, out),
            2 => self.gather_chosen_as::<u16>([track, index], point, memory, places, out),
            4 => self.gather_chosen_as::<u32>([track, index], point, memory, places, out),
            8 => self.gather_chosen_as::<u64>([track, index], point, memory, places, out),
            size => unreachable!("elements of {size} bytes"),
        }
    }

    fn gather_chosen_as<T: Pod>(
        &self,
        [track, index]: [&Track; 2],
        point: usize,
        memory: Span<'_>,
        places: Places<'_>,
        out: Strip<'_>,
    ) {
        let (from, origin) = memory.cells::<T>();
        let mut out = out.cells::<T>();
        let mut point = point;
        let rank = self.rank();
        let index_step = index.strides[rank - 1];
        let index_row_step = if rank > 1 { index.strides[rank - 2] } else { 0 };
        let through =
            |track: &Track, at: isize| track.chain.iter().fold(at as usize, |at, layout| layout.at(at)) as isize;
        self.pieces(track, point, out.len(), |piece| {
            let index_start = self.locate(index, point);
            point += piece.rows * piece.count;
            let (now, later) = out.split_at(piece.rows * piece.count);
            out = later;
            for (row, now) in now.chunks_exact(piece.count).enumerate() {
                let index_start = index_start + row as isize * index_row_step;
                let start = piece.start + row as isize * piece.row_step;
                if !track.chain.is_empty() || !index.chain.is_empty() {
                    for (i, out) in now.iter().enumerate() {
                        let on = places.get(through(index, index_start + i as isize * index_step) as usize);
                        out.set(from[(origin + through(track, piece.at(row, i)) + on) as usize].get());
                    }
                } else if index_step == 0 {
                    let first = (origin + start + places.get(index_start as usize)) as usize;
                    if piece.step == 1 {
                        copy(&from[first..][..piece.count], now);
                    } else {
                        let from = Steps { cells: from, first, steps: [0, piece.step] };
                        copy_steps(from, Steps { cells: now, first: 0, steps: [0, 1] }, [1, piece.count]);
                    }
                } else {
                    for (i, out) in now.iter().enumerate() {
                        let on = places.get((index_start + i as isize * index_step) as usize);
                        out.set(from[(origin + start + i as isize * piece.step + on) as usize].get());
                    }
                }
            }
        });
    }
}
