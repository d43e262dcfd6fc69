//! `everwrite check-rdb` and `everwrite check-aof`: whether a file is sound, and where it is not. And `everwrite restore`.
//!
//! They are also what the program is when it is called `redis-check-rdb` or `redis-check-aof`.

pub mod aof;
pub mod member;
pub mod rdb;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use aof::Mode;
use clap::{Parser, Subcommand};

/// Does something with files, without a server.
#[derive(Debug, Parser)]
#[command(name = "everwrite", disable_version_flag = true)]
struct Check {
    #[command(subcommand)]
    tool: Tool,
}

#[derive(Debug, Subcommand)]
enum Tool {
    #[cfg(feature = "s3")]
    Restore(crate::offsite::restore::Restore),
    /// Reads an RDB file to its end and tells what is wrong with it.
    #[command(name = "check-rdb", visible_alias = "redis-check-rdb")]
    Rdb { file: PathBuf },
    /// Reads an append-only file, or all files of a manifest, or of the log of a member of a mesh (member.*, or the directory
    /// they are in), and tells what is wrong.
    #[command(name = "check-aof", visible_alias = "redis-check-aof")]
    Aof {
        /// Cuts off what is wrong, after asking.
        #[arg(long, conflicts_with = "truncate_to_timestamp")]
        fix: bool,
        /// Cuts off what was done after this time, unix seconds; needs a log with aof-timestamp-enabled.
        #[arg(long, value_name = "SECONDS")]
        truncate_to_timestamp: Option<u64>,
        file: PathBuf,
    },
}

/// Runs a tool if the command line asks for one: by its first argument, or by the name of the program.
pub fn run(program: &OsString, args: &[OsString]) -> Option<ExitCode> {
    let named = |word: &OsString| {
        let name = Path::new(word).file_name()?.to_str()?.to_string();
        ["check-rdb", "redis-check-rdb", "check-aof", "redis-check-aof"]
            .contains(&name.as_str())
            .then_some(name)
    };
    let restores = cfg!(feature = "s3") && args.first().is_some_and(|word| word == "restore");
    let words: Vec<OsString> = match (named(program), args.first().and_then(named)) {
        (Some(tool), _) => std::iter::once(tool.into()).chain(args.iter().cloned()).collect(),
        (None, Some(_)) => args.to_vec(),
        (None, None) if restores => args.to_vec(),
        (None, None) => return None,
    };
    let parsed = match Check::try_parse_from(std::iter::once("everwrite".into()).chain(words)) {
        Ok(check) => check.tool,
        Err(e) => {
            let _ = e.print();
            return Some(ExitCode::from(u8::from(e.use_stderr())));
        }
    };
    let sound = match parsed {
        #[cfg(feature = "s3")]
        Tool::Restore(wish) => crate::offsite::restore::run(&wish),
        Tool::Rdb { file } => rdb::check(&file),
        Tool::Aof { fix: true, file, .. } => aof::check(&file, Mode::Fix),
        Tool::Aof { truncate_to_timestamp: Some(until_s), file, .. } => {
            aof::check(&file, Mode::CutAfter(until_s))
        }
        Tool::Aof { file, .. } => aof::check(&file, Mode::Look),
    };
    Some(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
