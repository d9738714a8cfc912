//! nadikota: turns the result of one command into an exit code.

use std::process::ExitCode;

use nadikota::cli::{self, Failure};

fn main() -> ExitCode {
    match cli::run(std::env::args_os()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::No) => ExitCode::from(1),
        Err(Failure::Failed(error)) => {
            eprintln!("nadikota: {error:#}");
            ExitCode::from(1)
        }
        Err(Failure::Usage) => ExitCode::from(2),
    }
}
