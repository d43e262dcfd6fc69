//! The `everwrite` program.

use std::ffi::OsString;
use std::io::Read;
use std::process::ExitCode;

use node::config::argv::{self, Arguments, Invocation};
use node::config::{self, Sources};

fn main() -> ExitCode {
    let program = std::env::args_os().next().unwrap_or_default();
    if node::persist::stand_in::serve(&program) {
        return ExitCode::SUCCESS;
    }
    node::memory::begin();
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    if let Some(code) = node::check::run(&program, &args) {
        return code;
    }
    let result = match argv::parse(&args) {
        Invocation::Version => {
            println!("{}", node::start::version());
            return ExitCode::SUCCESS;
        }
        Invocation::Help => {
            println!("{}", node::start::USAGE);
            return ExitCode::SUCCESS;
        }
        Invocation::CheckSystem | Invocation::TestMemory(_) => {
            Err("This option is not supported.".to_string())
        }
        Invocation::Demo(args) => node::demo::run(&args),
        Invocation::Serve(arguments) => serve(arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}

fn serve(arguments: Arguments) -> Result<(), String> {
    if arguments.sentinel {
        return Err("Sentinel mode is not supported yet.".into());
    }
    let mut stdin = None;
    if arguments.stdin {
        let mut text = Vec::new();
        std::io::stdin().read_to_end(&mut text).map_err(|e| format!("Reading standard input: {e}"))?;
        stdin = Some(text);
    }
    let cwd = std::env::current_dir().map_err(|e| format!("Can't find the working directory: {e}"))?;
    let sources = Sources { file: arguments.file, stdin, options: arguments.options };
    let loaded = config::load(&sources, &cwd, &node::commands::exists).map_err(|e| e.to_string())?;
    node::start::run(loaded)
}
