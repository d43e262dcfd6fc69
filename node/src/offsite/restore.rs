//! `everwrite restore`: a snapshot from S3 becomes the file that a server starts with.

use std::io::IsTerminal;
use std::path::PathBuf;

use backup::{Address, Error, Settings, Store, copies::Copy};
use clap::Args;

use super::fetch::{Check, fetch};

/// Fetches a snapshot from S3-compatible storage. Endpoint, region and credentials come from the usual environment variables
/// (AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN) or the machine's role.
#[derive(Debug, Args)]
pub struct Restore {
    /// The object: s3://bucket/key, as in db-s3-object.
    #[arg(long, value_name = "URL")]
    from: String,
    /// Of the copies that db-s3-keep keeps, the newest one made up to this time: a prefix such as 20261126T16 will do.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Lists the copies, and fetches nothing.
    #[arg(long)]
    list: bool,
    /// Where to put it.
    #[arg(long, value_name = "FILE", default_value = "dump.rdb")]
    to: PathBuf,
    /// Replace the file that is there.
    #[arg(long)]
    force: bool,
    /// The storage's URL, if it is not Amazon's.
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    #[arg(long)]
    region: Option<String>,
}

/// Does what the command line asks for; whether it came about.
pub fn run(wish: &Restore) -> bool {
    match restore(wish) {
        Ok(()) => true,
        Err(text) => {
            eprintln!("{text}");
            false
        }
    }
}

fn restore(wish: &Restore) -> Result<(), String> {
    let text = |e: Error| e.to_string();
    let address: Address = wish.from.parse().map_err(text)?;
    let settings = Settings {
        endpoint: wish.endpoint.clone().unwrap_or_default(),
        region: wish.region.clone().unwrap_or_default(),
        ..Settings::default()
    };
    let store = Store::open(&address, &settings).map_err(text)?;
    if wish.list {
        for Copy { time, bytes, .. } in store.copies(&address.key).map_err(text)? {
            println!("{time} {bytes}");
        }
        return Ok(());
    }
    if wish.to.exists() && !wish.force {
        return Err(format!("{} exists: --force replaces it", wish.to.display()));
    }
    let key = match &wish.at {
        None => address.key.clone(),
        Some(time) => newest(store.copies(&address.key).map_err(text)?, time)
            .ok_or_else(|| format!("no copy of {address} was made up to {time}"))?,
    };
    let shows = std::io::stderr().is_terminal();
    let mut told = |got: u64, all: u64| {
        if shows {
            eprint!("\r{got} of {all} bytes");
        }
    };
    let found = fetch(&store, &key, &wish.to, Check::Whole, &mut told)?;
    if shows {
        eprintln!();
    }
    if !found {
        return Err(format!("there is no object '{key}' in the bucket '{}'", address.bucket));
    }
    println!("{} is the snapshot s3://{}/{key}", wish.to.display(), address.bucket);
    Ok(())
}

/// The key of the newest copy made up to a time, which may be the beginning of one.
fn newest(copies: Vec<Copy>, time: &str) -> Option<String> {
    let up_to = |copy: &&Copy| copy.time.starts_with(time) || copy.time.as_str() <= time;
    copies.iter().rfind(up_to).map(|copy| copy.key.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_of_a_time() {
        let copies = ["20261125T100000.000Z", "20261126T100000.000Z", "20261126T110000.000Z"];
        let find = |time: &str| {
            let all =
                copies.iter().map(|time| Copy { key: format!("k.{time}"), time: (*time).into(), bytes: 1 });
            newest(all.collect(), time)
        };
        for (time, found) in [
            ("20261124", None),
            ("20261125", Some(0)),
            ("20261126T1030", Some(1)),
            ("20261126", Some(2)),
            ("2027", Some(2)),
            ("20261126T100000.000Z", Some(1)),
        ] {
            assert_eq!(find(time), found.map(|n: usize| format!("k.{}", copies[n])), "{time}");
        }
    }
}
