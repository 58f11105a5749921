//! Passes that walk the same rows, one band of rows after the other: what the first has read is in the cache for the rest.
//!
//! A norm, a variance or a softmax of rows is two reductions and a map. Each needs of those before it only what they have
//! found about the row it is at, so a thread takes a few rows through all of them, and nobody waits in between.
//! Every row is computed as it is by one pass after the other, so bits are the same.

use smallvec::SmallVec;

use super::destination::are_contiguous;
use super::frame::{Constants, Memory, constants};
use super::pass::Pass;
use super::profile;
use super::region::{Region, Source};
use super::space::{Space, Track};
use super::threads;
use crate::Shape;

/// How rows are shared out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Bands {
    pub(super) rows: usize,
    /// Rows of a band.
    pub(super) height: usize,
    /// Elements of a row of what is reduced.
    pub(super) width: usize,
}

/// How to share out the rows of all these passes, if they have rows in common and there are several.
pub(super) fn shared(passes: &[Pass<'_>]) -> Option<Bands> {
    let reduce = |pass: &Pass<'_>| if let Pass::Reduce(reduce, _) = pass { reduce.bands() } else { None };
    let bands = passes.iter().find_map(reduce)?;
    let alike = |pass: &Pass<'_>| match pass {
        Pass::Reduce(reduce, to) => are_contiguous(to) && reduce.bands() == Some(bands),
        Pass::Map(map, to, _) => are_contiguous(to) && map.has_rows(bands.rows),
        Pass::Contract(_) | Pass::Scan(_) | Pass::Sort(_) | Pass::Segments(_) => false,
    };
    // Less is in the cache anyway, and no thread waits for another.
    let large = bands.rows * bands.width >= threads::SMALL;
    (large && passes.len() > 1 && passes.iter().all(alike)).then_some(bands)
}

/// Whether a region takes of each temporary, at each point of a row of `width`, the element that has the row's number.
pub(super) fn reads_by_row(region: &Region, space: &Space, width: usize) -> bool {
    let mut leaves = region.leaves.iter().zip(&space.tracks);
    leaves.all(|(leaf, track)| !matches!(leaf.source, Source::Temp(_)) || is_number_of_row(space, track, width))
}

/// Whether the element of a track at each point is that which has the number of the point's row.
fn is_number_of_row(space: &Space, track: &Track, width: usize) -> bool {
    // From the innermost dim out: those of a row, then those of rows.
    let (mut points, mut rows) = (1, 1);
    for (&size, &stride) in space.sizes.iter().zip(&track.strides).rev() {
        let step = if points < width { 0 } else { rows as isize };
        if stride != step {
            return false;
        }
        *(if points < width { &mut points } else { &mut rows }) *= size;
    }
    points == width && space.locate(track, 0) == 0 && track.chain.is_empty() && track.by.is_none()
}

/// Runs all passes over each band.
///
/// Threads take bands. A pass writes the results of its band's rows, and reads of earlier passes no others. So no thread
/// writes what another reads or writes, as [`Span::new`](super::strip::Span::new) demands.
pub(super) fn run(bands: Bands, passes: &[Pass<'_>], memory: &Memory<'_>) {
    let start = profile::now();
    let region = |pass: &Pass<'_>| match pass {
        Pass::Reduce(reduce, _) => Some(constants(&reduce.region, memory)),
        Pass::Map(map, ..) => Some(constants(&map.region, memory)),
        Pass::Contract(_) | Pass::Scan(_) | Pass::Sort(_) | Pass::Segments(_) => None,
    };
    let constants: SmallVec<[Option<Constants>; 4]> = passes.iter().map(region).collect();
    threads::each(bands.rows.div_ceil(bands.height), bands.rows * bands.width, |band| {
        let first = band * bands.height;
        let rows = first..bands.rows.min(first + bands.height);
        for pass in passes.iter().zip(&constants) {
            match pass {
                (Pass::Reduce(reduce, to), Some(constants)) => {
                    reduce.unit(band, constants, to, reduce.row_major(), memory);
                }
                (Pass::Map(map, to, _), Some(constants)) => map.rows(rows.clone(), bands.rows, constants, to, memory),
                _ => unreachable!("matrix products, scans, sorts and segments have no bands"),
            }
        }
    });
    profile::note(start, "rows", || traffic(passes));
}

/// The shape that most of them walk, and the bytes they must read and write: they read the same.
fn traffic(passes: &[Pass<'_>]) -> (Shape, usize) {
    passes.iter().map(Pass::traffic).max_by_key(|&(_, bytes)| bytes).unwrap_or_default()
}
