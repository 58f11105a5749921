//! `hadamard bench`: not built yet.

use std::process::ExitCode;

use hadamard::{Error, Result};

use crate::args::BenchArgs;

#[allow(clippy::needless_pass_by_value, reason = "the real one takes its arguments apart")]
pub(crate) fn run(args: BenchArgs) -> Result<ExitCode> {
    let device = args.device.clone().unwrap_or_else(|| "any device".to_owned());
    log::debug!("{args:?}");
    Err(Error::Unsupported { op: "bench", what: "this command (not built yet)".to_owned(), device })
}
