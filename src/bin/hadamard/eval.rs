//! `hadamard eval` and `hadamard explain`: expressions over files and numbers.

use std::process::ExitCode;

use hadamard::{Device, Error, Expr, Result};

use crate::args::{EvalArgs, ExplainArgs};
use crate::files::{Input, inputs};
use crate::location::Location;

pub(crate) fn run(args: &EvalArgs, device: Option<&str>) -> Result<ExitCode> {
    // Every mistake is reported before any work begins.
    let inputs = inputs(&args.source.inputs)?;
    let out = args.out.as_deref().map(|out| output(out, &inputs, args.force)).transpose()?;
    let device = crate::open(device)?;
    let result = build(&args.source.expr, &inputs, &device)?.eval_on(&device)?;
    match out {
        None => {
            device.synchronize()?;
            // The values are for whoever reads standard output; what they are is for people.
            let text = result.to_string();
            let (values, what) = text.rsplit_once('\n').unwrap_or((&text, ""));
            crate::print(&format!("{values}\n"))?;
            crate::note(what);
        }
        Some(out) => {
            out.write(&result)?;
            crate::note(&format!("{}: {} {}", out.path().display(), result.dtype(), result.shape()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn explain(args: &ExplainArgs, device: Option<&str>) -> Result<ExitCode> {
    let inputs = inputs(&args.inputs)?;
    let device = crate::open(device)?;
    let expr = build(&args.expr, &inputs, &device)?;
    crate::print(&format!("{}\n", expr.explain_on(&device)?.to_string().trim_end()))?;
    Ok(ExitCode::SUCCESS)
}

/// The expression over its inputs. One that it does not name is not read.
fn build(text: &str, inputs: &[Input], device: &Device) -> Result<Expr> {
    let named = Expr::names_in(text);
    let load = |input: &Input| {
        if named.contains(&input.name.as_str()) {
            return input.load(text, device);
        }
        let unread = input.path().map_or_else(String::new, |path| format!(", so {} is not read", path.display()));
        crate::note(&format!("note: '{}' is not in the expression{unread}", input.name));
        // Known all the same, for what is said of names that are not.
        Ok(0.into())
    };
    let names = inputs.iter().map(|input| Ok((input.name.as_str(), load(input)?))).collect::<Result<Vec<_>>>()?;
    Expr::parse_with(text, &names)
}

/// Where to write; unless it is forced, an error if a file or an input would be lost.
fn output(text: &str, inputs: &[Input], force: bool) -> Result<Location> {
    let refuse = |message: &str| Error::File { path: text.to_owned(), message: message.to_owned() };
    let out = Location::parse(text)
        .ok_or_else(|| refuse("the output is FILE.npy, FILE.npz[:ARRAY] or FILE.safetensors[:TENSOR]"))?;
    if let Some(input) = inputs.iter().find(|input| input.is_at(&out)).filter(|_| !force) {
        let message = format!("'{}' is read from there, so it is not overwritten (--force does)", input.name);
        return Err(refuse(&message));
    }
    out.check_writable(force)?;
    Ok(out)
}
