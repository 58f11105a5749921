//! A pass over memory, of any kind.

use smallvec::SmallVec;

use super::contract::Contract;
use super::destination::Destination;
use super::frame::Memory;
use super::map::Map;
use super::profile;
use super::reduce::Reduce;
use super::scan::Scan;
use super::segments::Segments;
use super::sort::Sort;
use crate::{Result, Shape};

pub(super) enum Pass<'a> {
    /// A reduction, and where goes what it writes beside.
    Reduce(&'a Reduce, SmallVec<[Destination<'a>; 2]>),
    Scan(&'a Scan),
    Sort(&'a Sort),
    Segments(&'a Segments),
    Contract(&'a Contract),
    /// A map, where its outputs go, and what it is called in profiles.
    Map(&'a Map, SmallVec<[Destination<'a>; 2]>, &'static str),
}

impl Pass<'_> {
    /// Runs it, and looks whether all that indices chose was there.
    pub(super) fn run(&self, memory: &Memory<'_>) -> Result<()> {
        let start = profile::now();
        match self {
            Self::Reduce(reduce, to) => reduce.run(to, memory),
            Self::Scan(scan) => scan.run(memory),
            Self::Sort(sort) => sort.run(memory),
            Self::Segments(segments) => segments.run(memory)?,
            Self::Contract(contract) => contract.run(memory),
            Self::Map(map, to, _) => map.run(to, memory),
        }
        profile::note(start, self.name(), || self.traffic());
        memory.astray.check()
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Reduce(..) => "reduce",
            Self::Scan(_) => "scan",
            Self::Sort(_) => "sort",
            Self::Segments(_) => "segments",
            Self::Contract(_) => "contract",
            Self::Map(_, _, name) => name,
        }
    }

    /// The shape it walks, and the bytes it must read and write.
    pub(super) fn traffic(&self) -> (Shape, usize) {
        match self {
            Self::Reduce(reduce, _) => reduce.traffic(),
            Self::Scan(scan) => scan.traffic(),
            Self::Sort(sort) => sort.traffic(),
            Self::Segments(segments) => segments.traffic(),
            Self::Contract(contract) => contract.traffic(),
            Self::Map(map, ..) => map.traffic(),
        }
    }
}
