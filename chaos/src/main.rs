//! Drills: what the simulator shows of the machines, shown of real processes.
//!
//! `cargo run --release -p everwrite-chaos -- drill` and `-- --help`.

mod drill;

use clap::Parser;
use std::process::ExitCode;

/// Drills of a mesh of real processes on this machine.
#[derive(Debug, Parser)]
#[command(name = "everwrite-chaos")]
enum Command {
    Drill(drill::Options),
}

fn main() -> ExitCode {
    let outcome = match Command::parse() {
        Command::Drill(options) => drill::run(&options),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(text) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}
