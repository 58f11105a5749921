//! `hadamard eval` and `hadamard explain`: expressions over files and numbers.

use std::process::ExitCode;

use hadamard::{Error, Result};

use crate::args::{EvalArgs, ExplainArgs};

pub(crate) fn run(args: &EvalArgs, device: Option<&str>) -> Result<ExitCode> {
    let device = crate::open(device)?;
    log::debug!("{args:?}");
    Err(Error::Unsupported {
        op: "eval",
        what: "reading expressions (not built yet)".to_owned(),
        device: device.to_string(),
    })
}

pub(crate) fn explain(args: &ExplainArgs, device: Option<&str>) -> Result<ExitCode> {
    let device = crate::open(device)?;
    log::debug!("{args:?}");
    Err(Error::Unsupported { op: "explain", what: "explaining (not built yet)".to_owned(), device: device.to_string() })
}
