//! `hadamard eval` and `hadamard explain`: expressions over files and numbers.

use std::process::ExitCode;

use hadamard::{Error, Expr, Result};

use crate::args::{EvalArgs, ExplainArgs};
use crate::files::{Input, Location, inputs};

pub(crate) fn run(args: &EvalArgs, device: Option<&str>) -> Result<ExitCode> {
    // Every mistake is reported before any work begins.
    let inputs = inputs(&args.source.inputs)?;
    let out = args.out.as_deref().map(|out| output(out, &inputs, args.force)).transpose()?;
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

/// Where to write; unless it is forced, an error if a file or an input would be lost.
fn output(text: &str, inputs: &[Input], force: bool) -> Result<Location> {
    let refuse = |message: &str| Error::File { path: text.to_owned(), message: message.to_owned() };
    let out = Location::parse(text).ok_or_else(|| refuse("the output is FILE.npy or FILE.safetensors[:TENSOR]"))?;
    if let Some(input) = inputs.iter().find(|input| input.is_at(&out)).filter(|_| !force) {
        let message = format!("'{}' is read from there, so it is not overwritten (--force does)", input.name);
        return Err(refuse(&message));
    }
    out.check_writable(force)?;
    Ok(out)
}
