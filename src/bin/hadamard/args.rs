//! The command line: commands, arguments and options.

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
    /// List every device of this machine with its capabilities
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
  hadamard eval \"w - lr * g\" w=model.safetensors:layer.weight g=grad.npy lr=0.01 -o new.safetensors:layer.weight";

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
    /// Side of the square tensors that every case is timed with, a multiple of 4 [default: 8192 with a hardware GPU,
    /// else 2048]
    #[arg(long, value_name = "N")]
    pub(crate) size: Option<usize>,
    /// The largest tensor of the curves from small to large, as 64M or 4G [default: 1G with a hardware GPU, else 64M]
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub(crate) max_bytes: Option<u64>,
    /// Take a few seconds only: small tensors, few sizes, one dtype
    #[arg(long)]
    pub(crate) quick: bool,
    /// Only cases whose name contains this; may be repeated
    #[arg(long, value_name = "WORD")]
    pub(crate) only: Vec<String>,
    /// Dtype of the tensors: f16, bf16, f32 or f64
    #[arg(long, value_name = "DTYPE", default_value = "f32")]
    pub(crate) dtype: DType,
    /// Print a line of JSON for each measurement instead of tables
    #[arg(long)]
    pub(crate) json: bool,
    /// Also write a page with plots and tables
    #[arg(long, value_name = "FILE.html")]
    pub(crate) report: Option<PathBuf>,
    /// Show on the page what other libraries took, as programs in benches/peers print it; may be repeated
    #[arg(long, value_name = "FILE.jsonl", requires = "report")]
    pub(crate) peers: Vec<PathBuf>,
}

/// A number of bytes, perhaps of kibi-, mebi- or gibibytes.
fn bytes(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.strip_suffix(['K', 'M', 'G']) {
        Some(digits) => (digits, &text[digits.len()..]),
        None => (text, ""),
    };
    let shift = ["", "K", "M", "G"].iter().position(|&u| u == unit).unwrap_or(0) * 10;
    let number: u64 = digits.parse().map_err(|_| "a number of bytes, such as 64M or 4G".to_owned())?;
    number.checked_mul(1 << shift).ok_or_else(|| "more bytes than there are".to_owned())
}

#[derive(Args, Debug)]
pub(crate) struct EvalArgs {
    #[command(flatten)]
    pub(crate) source: ExplainArgs,
    /// Where to write the result instead of printing it: FILE.npy, FILE.npz or FILE.safetensors, a new file; or
    /// FILE.npz:ARRAY or FILE.safetensors:TENSOR, which adds or replaces that one and keeps all else in the file
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: Option<String>,
    /// Overwrite a file that is there already, or what the expression reads
    #[arg(long, requires = "out")]
    pub(crate) force: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ExplainArgs {
    /// The expression, in Python's syntax with PyTorch's function names
    #[arg(value_name = "EXPR", allow_hyphen_values = true)]
    pub(crate) expr: String,
    /// What its names stand for: NAME=FILE.npy, NAME=FILE.npz[:ARRAY], NAME=FILE.safetensors[:TENSOR] (or the
    /// FILE.safetensors.index.json of a model in several files) or NAME=NUMBER
    #[arg(value_name = "NAME=VALUE")]
    pub(crate) inputs: Vec<String>,
}
