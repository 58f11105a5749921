//! The table itself. When a bug is fixed, its smallest case joins it.

mod digits;
mod elementwise;
mod gradients;
mod pairs;
mod reductions;
mod scans;
mod segments;
mod shapes;
mod sorts;
mod updates;

use super::inputs::Inputs;
use super::{Build, Case, Work};
use crate::{DType, Expr, Result, Tensor};

/// Cases as they are collected.
#[derive(Default)]
struct Table {
    cases: Vec<Case>,
}

impl Table {
    /// Adds a case. Its seed follows from its name, so adding a case changes no other's inputs.
    fn add(
        &mut self,
        operation: &str,
        name: impl Into<String>,
        dtypes: &[DType],
        work: impl Fn(&mut Inputs<'_>) -> Result<Work> + Send + Sync + 'static,
    ) {
        self.push(operation, &name.into(), dtypes, Box::new(work));
    }

    fn push(&mut self, operation: &str, name: &str, dtypes: &[DType], work: Box<Build>) {
        let name = format!("{operation}: {name}");
        // FNV-1a.
        let hash = |h: u64, b: u8| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3);
        let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325, hash);
        let (operation, dtypes) = (operation.to_owned(), dtypes.to_vec());
        self.cases.push(Case { name, operation, seed, dtypes, work });
    }

    /// Adds a case of one expression.
    fn expr(
        &mut self,
        operation: &str,
        name: impl Into<String>,
        dtypes: &[DType],
        build: impl Fn(&mut Inputs<'_>) -> Result<Expr> + Send + Sync + 'static,
    ) {
        self.add(operation, name, dtypes, move |inputs| Ok(Work::Eval(vec![build(inputs)?])));
    }
}

pub(super) fn all() -> Vec<Case> {
    let mut table = Table::default();
    elementwise::add(&mut table);
    shapes::add(&mut table);
    reductions::add(&mut table);
    scans::add(&mut table);
    segments::add(&mut table);
    sorts::add(&mut table);
    updates::add(&mut table);
    gradients::add(&mut table);
    pairs::add(&mut table);
    digits::add(&mut table);
    table.cases
}

const FLOATS: [DType; 4] = [DType::F32, DType::F16, DType::BF16, DType::F64];

/// A view of a tensor.
type Part = fn(&Tensor) -> Result<Tensor>;

/// f32 first: where it fails, the rest need not be read.
const EVERY: [DType; 13] = [
    DType::F32,
    DType::F16,
    DType::BF16,
    DType::U8,
    DType::I8,
    DType::I16,
    DType::I32,
    DType::I64,
    DType::U16,
    DType::U32,
    DType::U64,
    DType::Bool,
    DType::F64,
];
