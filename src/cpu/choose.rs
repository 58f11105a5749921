//! Elements that an index chooses: each so many places on from where its track puts it.
//!
//! Where the index is the same all along a row, as where rows of a table are chosen, the row is read where it lies or
//! copied whole.

use std::cell::Cell;

use bytemuck::Pod;

use super::lines::{self, fetch};
use super::space::{Piece, Space, Track};
use super::strip::{Span, Strip, copy};

/// How many cache lines of rows ahead memory is asked for. Rows of 256 bytes from 64 MiB, past the cache, took 12 ms with 8 or
/// 16 lines, 8 with 32 to 128 on one machine; 6 ms with 16 to 128, 5 with 256 on another.
const AHEAD: usize = 256;

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

    /// Copies the points from `point` on, as many as `out` is long, from `memory` to `out`, as the index in `by` says: past
    /// the cache, if that is asked for and `out` is not read soon.
    pub(super) fn gather_chosen(
        &self,
        track: usize,
        point: usize,
        [memory, by]: [Span<'_>; 2],
        out: Strip<'_>,
        past_cache: bool,
    ) {
        let track = &self.tracks[track];
        let index = self.index_of(track);
        let places = (Places::new(by, index.size), past_cache);
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
        (places, past_cache): (Places<'_>, bool),
        out: Strip<'_>,
    ) {
        let (from, origin) = memory.cells::<T>();
        let (mut point, mut out) = (point, out.cells::<T>());
        let rank = self.rank();
        let index_row_step = if rank > 1 { index.strides[rank - 2] } else { 0 };
        self.pieces(track, point, out.len(), |piece| {
            let (start, step) = (self.locate(index, point), index.strides[rank - 1]);
            let at = Piece { start, row_step: index_row_step, step, ..piece };
            let piece = Piece { start: origin + piece.start, ..piece };
            point += piece.rows * piece.count;
            let (now, later) = out.split_at(piece.rows * piece.count);
            out = later;
            if !track.chain.is_empty() || !index.chain.is_empty() {
                gather_through([track, index], from, &piece, places, &at, now);
            } else if at.step == 0 && piece.step == 1 {
                copy_rows(from, &piece, places, &at, now, if past_cache { lines::copy_cells } else { copy });
            } else {
                match places {
                    Places::I32(places) => gather_each(from, &piece, |i| places[i].get() as isize, &at, now),
                    Places::I64(places) => gather_each(from, &piece, |i| places[i].get() as isize, &at, now),
                }
            }
        });
    }
}

/// Rows that lie in a row, each of them where its index says.
fn copy_rows<T: Pod>(
    from: &[Cell<T>],
    piece: &Piece,
    places: Places<'_>,
    at: &Piece,
    out: &[Cell<T>],
    copy: fn(&[Cell<T>], &[Cell<T>]),
) {
    let first = |row: usize| (piece.at(row, 0) + places.get(at.at(row, 0) as usize)) as usize;
    let ahead = AHEAD / lines::count::<T>(piece.count);
    for (row, out) in out.chunks_exact(piece.count).enumerate() {
        // Rows lie anywhere: memory is asked for one while those before it are copied.
        if row + ahead < piece.rows {
            fetch(from, first(row + ahead), piece.count);
        }
        copy(&from[first(row)..][..piece.count], out);
    }
}

fn gather_each<T: Pod>(from: &[Cell<T>], piece: &Piece, place: impl Fn(usize) -> isize, at: &Piece, out: &[Cell<T>]) {
    for (row, out) in out.chunks_exact(piece.count).enumerate() {
        for (i, out) in out.iter().enumerate() {
            out.set(from[(piece.at(row, i) + place(at.at(row, i) as usize)) as usize].get());
        }
    }
}

/// Where one of them is found by several stages.
fn gather_through<T: Pod>(
    [track, index]: [&Track; 2],
    from: &[Cell<T>],
    piece: &Piece,
    places: Places<'_>,
    at: &Piece,
    out: &[Cell<T>],
) {
    let through = |track: &Track, at: usize| track.chain.iter().fold(at, |at, layout| layout.at(at));
    for (row, out) in out.chunks_exact(piece.count).enumerate() {
        for (i, out) in out.iter().enumerate() {
            let on = places.get(through(index, at.at(row, i) as usize));
            out.set(from[through(track, piece.at(row, i) as usize).wrapping_add_signed(on)].get());
        }
    }
}
