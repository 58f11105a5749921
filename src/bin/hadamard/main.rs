//! The command-line tool `hadamard`: what devices there are, whether they compute rightly, how fast they are, and
//! expressions over files.
//!
//! Exit codes: 0, done; 1, `check` found a mismatch; 2, an error, which is on standard error.

mod args;
mod bench;
mod check;
mod devices;
mod eval;
mod files;
mod location;
mod picture;
mod table;
mod tour;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use hadamard::{Device, Error, Result};

use args::{Cli, Command};

fn main() -> ExitCode {
    // Without a desktop session, Mesa's layer that asks the desktop which GPU to use prints errors. This turns it off.
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() && std::env::var_os("NODEVICE_SELECT").is_none() {
        // SAFETY: no other thread has been started.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
    env_logger::Builder::from_env(env_logger::Env::new().filter_or("HADAMARD_LOG", "warn"))
        .format_timestamp(None)
        .init();
    // Clap prints usage errors itself and exits with 2, which is our code for errors, too.
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            // If standard error is gone there is nobody left to tell.
            let mut err = io::stderr().lock();
            let _ = writeln!(err, "error: {error}");
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                let _ = writeln!(err, "  because: {cause}");
                source = cause.source();
            }
            ExitCode::from(2)
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode> {
    let device = cli.device;
    match cli.command {
        None => tour::run(args::TourArgs { device, ..cli.tour }),
        Some(Command::Devices) => devices::run(device.as_deref()),
        Some(Command::Check(mut args)) => {
            args.device = device;
            check::run(args)
        }
        Some(Command::Bench(mut args)) => {
            args.device = device;
            bench::run(args)
        }
        Some(Command::Eval(args)) => eval::run(&args, device.as_deref()),
        Some(Command::Explain(args)) => eval::explain(&args, device.as_deref()),
    }
}

/// The device a name stands for, or the one `HADAMARD_DEVICE` names, or the best there is.
fn open(device: Option<&str>) -> Result<Device> {
    device.map_or_else(Device::best, Device::named)
}

/// Says something on standard error that is no value. If nobody listens, nothing is lost.
fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Writes to standard output. If the reader is gone (`hadamard devices | head -1`), ends the program without an error.
fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => Err(Error::File { path: "standard output".to_owned(), message: error.to_string() }),
    }
}
