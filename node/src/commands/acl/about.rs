//! WHOAMI, CAT, GENPASS, HELP.

use engine::command::Categories;
use protocol::{ErrorReply, error, number};
use ring::rand::{SecureRandom, SystemRandom};

use super::DONE;
use crate::commands::help::help;
use crate::commands::{NodeRow, row};
use crate::dispatch::{Call, Next};

/// Bits that GENPASS makes at most, and if nothing is said.
const BITS_MAX: usize = 4096;
const BITS: usize = 256;

fn whoami(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    call.out.bulk(call.session.access.user());
    DONE
}

/// `CAT [category]`: the categories, or the commands of one.
fn cat(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let names: Vec<&'static str> = match call.args.get(2) {
        _ if call.args.len() > 3 => return Err(ErrorReply::subcommand_arity(&call.args[1], "ACL")),
        None => Categories::NAMES.iter().map(|(_, name)| *name).collect(),
        Some(name) => {
            let category = Categories::named(name).ok_or_else(|| {
                ErrorReply::err(format!("Unknown category '{}'", String::from_utf8_lossy(name)))
            })?;
            call.worker.server.lookup.iter().filter(|f| f.acl.has(category)).map(|f| f.full_name).collect()
        }
    };
    call.out.array(names.len());
    names.iter().for_each(|name| call.out.bulk_str(name));
    DONE
}

/// `GENPASS [bits]`: random hexadecimal digits, four bits in each.
fn genpass(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let bits = match call.args.get(2) {
        _ if call.args.len() > 3 => return Err(ErrorReply::subcommand_arity(&call.args[1], "ACL")),
        None => BITS,
        Some(text) => {
            let bits = number::parse_i64(text).ok_or(error::NOT_INTEGER)?;
            usize::try_from(bits).ok().filter(|bits| (1..=BITS_MAX).contains(bits)).ok_or(ErrorReply::new(
                "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096",
            ))?
        }
    };
    let mut random = [0; BITS_MAX / 8];
    let random = &mut random[..bits.div_ceil(8)];
    SystemRandom::new()
        .fill(random)
        .map_err(|_| ErrorReply::new("ERR the system gives no random numbers"))?;
    let digits: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    call.out.bulk_str(&digits[..bits.div_ceil(4)]);
    DONE
}

pub const ROWS: &[NodeRow] =
    &[row("ACL WHOAMI", whoami), row("ACL CAT", cat), row("ACL GENPASS", genpass), row("ACL HELP", help)];
