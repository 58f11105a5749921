//! `hadamard eval` and `hadamard explain`: expressions over files and numbers.

use std::process::ExitCode;

use hadamard::{Error, Expr, Result};

use crate::args::{EvalArgs, ExplainArgs};
use crate::files::{Input, Location, inputs, is_same_file};

pub(crate) fn run(args: &EvalArgs, device: Option<&str>) -> Result<ExitCode> {
    // Every mistake is reported before any work begins.
    let inputs = inputs(&args.source.inputs)?;
    let out = args.out.as_deref().map(|out| output(out, &inputs)).transpose()?;
    let result = build(&args.source.expr, &inputs, device)?.eval()?;
    match out {
        None => crate::print(&format!("{result}\n"))?,
        Some(out) => {
            out.write(&result)?;
            crate::print(&format!("{}: {} {}\n", out.path().display(), result.dtype(), result.shape()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn explain(args: &ExplainArgs, device: Option<&str>) -> Result<ExitCode> {
    let expr = build(&args.expr, &inputs(&args.inputs)?, device)?;
    crate::print(&format!("{}\n", expr.explain()?.to_string().trim_end()))?;
    Ok(ExitCode::SUCCESS)
}

fn build(text: &str, inputs: &[Input], device: Option<&str>) -> Result<Expr> {
    let device = crate::open(device)?;
    let names =
        inputs.iter().map(|input| Ok((input.name.as_str(), input.load(&device)?))).collect::<Result<Vec<_>>>()?;
    Expr::parse_with(text, &names)
}

/// Where to write; an error if that file is also an input.
fn output(text: &str, inputs: &[Input]) -> Result<Location> {
    let refuse = |message: &str| Error::File { path: text.to_owned(), message: message.to_owned() };
    let out = Location::parse(text).ok_or_else(|| refuse("the output is FILE.npy or FILE.safetensors[:TENSOR]"))?;
    let read = inputs.iter().find(|input| input.path().is_some_and(|path| is_same_file(path, out.path())));
    match read {
        Some(input) => Err(refuse(&format!("'{}' is read from this file, so it is not overwritten", input.name))),
        None => Ok(out),
    }
}
