//! What may be written on the command line, and what it means.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use hadamard::DType;

/// Portable GPU elementwise tensor work: fused broadcast multiply, multiply-reduce and weight updates.
///
/// Without a command: a short tour of this machine, with pictures.
#[derive(Parser, Debug)]
#[command(name = "hadamard", version)]
pub(crate) struct Cli {
    /// The device to use: `cpu`, `gpu`, `software`, or any part of a name that `devices` lists [default: the
    /// variable `HADAMARD_DEVICE`, else the best there is]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) device: Option<String>,

    #[command(flatten)]
    pub(crate) tour: TourArgs,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// List every device of this machine, and what it can do
    Devices,
    /// Compare every operation with a reference, on every device or the one given; exit code 1 on a mismatch
    Check(CheckArgs),
    /// Time the GPU against the CPU
    Bench(BenchArgs),
    /// Evaluate an expression over files and numbers
    #[command(after_help = EXAMPLES)]
    Eval(EvalArgs),
    /// Print the passes an expression takes, the bytes each must move, and its shader
    Explain(ExplainArgs),
}

const EXAMPLES: &str = "Examples:
  hadamard eval \"sum(a * b, 0)\" a=a.npy b=b.npy
  hadamard eval \"w - lr * g\" w=model.safetensors:layer.weight g=grad.npy lr=0.01 -o new.npy";

#[derive(Args, Debug)]
pub(crate) struct TourArgs {
    /// Folder for the pictures
    #[arg(long, value_name = "DIR", default_value = "out")]
    pub(crate) out: PathBuf,
    #[arg(skip)]
    pub(crate) device: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// The device given with `--device`; without one, every device
    #[arg(skip)]
    pub(crate) device: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct BenchArgs {
    #[arg(skip)]
    pub(crate) device: Option<String>,
    /// Side of the square tensors [default: 2048 with a software adapter, else 4096]
    #[arg(long, value_name = "N")]
    pub(crate) size: Option<usize>,
    /// Dtype of the tensors: f16, bf16, f32 or f64
    #[arg(long, value_name = "DTYPE", default_value = "f32")]
    pub(crate) dtype: DType,
    /// Print JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    /// Write a page with the figures, too
    #[arg(long, value_name = "FILE.html")]
    pub(crate) report: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct EvalArgs {
    #[command(flatten)]
    pub(crate) source: ExplainArgs,
    /// Where to write the result instead of printing it: FILE.npy, or FILE.safetensors[:TENSOR]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct ExplainArgs {
    /// The expression, in Python's syntax with PyTorch's function names
    #[arg(value_name = "EXPR", allow_hyphen_values = true)]
    pub(crate) expr: String,
    /// What its names stand for: NAME=FILE.npy, NAME=FILE.safetensors[:TENSOR] or NAME=NUMBER
    #[arg(value_name = "NAME=VALUE")]
    pub(crate) inputs: Vec<String>,
}
