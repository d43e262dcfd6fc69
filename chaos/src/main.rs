//! Drills: what the simulator shows of the machines, shown of real processes.
//!
//! `cargo run --release -p everwrite-chaos -- drill` and `-- --help`.

mod drill;
mod effects;
mod logs;

use clap::Parser;
use std::process::ExitCode;

/// Drills of a mesh of real processes on this machine, and a look at what members wrote down.
#[derive(Debug, Parser)]
#[command(name = "everwrite-chaos")]
enum Command {
    Drill(drill::Options),
    Effects(effects::Options),
}

fn main() -> ExitCode {
    let outcome = match Command::parse() {
        Command::Drill(options) => drill::run(&options),
        Command::Effects(options) => effects::run(&options),
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
