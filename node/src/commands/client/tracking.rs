//! CLIENT TRACKING, CACHING, TRACKINGINFO and GETREDIR.

use protocol::{Args, ErrorReply, error, number};

use super::DONE;
use crate::client::flag;
use crate::commands::{NodeRow, row};
use crate::dispatch::{Call, Next};
use crate::session::Tracking;

/// What a call of CLIENT TRACKING asks for.
struct Wish {
    on: bool,
    tracking: Tracking,
}

impl Wish {
    fn parse(args: Args<'_>, exists: impl Fn(i64) -> bool) -> Result<Wish, ErrorReply> {
        let mut t = Tracking { on: true, ..Tracking::default() };
        let mut at = 3;
        while at < args.len() {
            let more = at + 1 < args.len();
            match args[at].to_ascii_lowercase().as_slice() {
                b"redirect" if more => {
                    at += 1;
                    if t.redirect != 0 {
                        return Err(ErrorReply::new(
                            "ERR A client can only redirect to a single other client",
                        ));
                    }
                    let id = number::parse_i64(&args[at]).ok_or(error::NOT_INTEGER)?;
                    if !exists(id) {
                        return Err(ErrorReply::new("ERR The client ID you want redirect to does not exist"));
                    }
                    t.redirect = id as u64;
                }
                b"prefix" if more => {
                    at += 1;
                    t.prefixes.push(args[at].to_vec());
                }
                b"bcast" => t.bcast = true,
                b"optin" => t.opt_in = true,
                b"optout" => t.opt_out = true,
                b"noloop" => t.no_loop = true,
                _ => return Err(error::SYNTAX),
            }
            at += 1;
        }
        match args[2].to_ascii_lowercase().as_slice() {
            b"on" => Ok(Wish { on: true, tracking: t }),
            b"off" => Ok(Wish { on: false, tracking: t }),
            _ => Err(error::SYNTAX),
        }
    }

    /// Whether it may follow what the client has now.
    fn check(&self, now: &Tracking) -> Result<(), ErrorReply> {
        let t = &self.tracking;
        if !t.bcast && !t.prefixes.is_empty() {
            return Err(ErrorReply::new("ERR PREFIX option requires BCAST mode to be enabled"));
        }
        if now.on && now.bcast != t.bcast {
            return Err(ErrorReply::new(
                "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling \
                 it with a different mode.",
            ));
        }
        if t.bcast && (t.opt_in || t.opt_out) {
            return Err(ErrorReply::new("ERR OPTIN and OPTOUT are not compatible with BCAST"));
        }
        if t.opt_in && t.opt_out {
            return Err(ErrorReply::new("ERR You can't specify both OPTIN mode and OPTOUT mode"));
        }
        if (t.opt_in && now.opt_out) || (t.opt_out && now.opt_in) {
            return Err(ErrorReply::new(
                "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling \
                 it with a different mode.",
            ));
        }
        self.check_prefixes(now)
    }

    /// No prefix may begin another: a key would be announced twice.
    fn check_prefixes(&self, now: &Tracking) -> Result<(), ErrorReply> {
        let overlap = |a: &[u8], b: &[u8]| a.starts_with(b) || b.starts_with(a);
        let refusal = |new: &[u8], other: &[u8], which: &str| {
            let (new, other) = (String::from_utf8_lossy(new), String::from_utf8_lossy(other));
            Err(ErrorReply::err(format!(
                "Prefix '{new}' overlaps with {which} prefix '{other}'. Prefixes for a single client must not overlap."
            )))
        };
        let new = &self.tracking.prefixes;
        for (i, prefix) in new.iter().enumerate() {
            if let Some(old) = now.prefixes.iter().find(|old| overlap(prefix, old)) {
                return refusal(prefix, old, "an existing");
            }
            if let Some(other) = new[i + 1..].iter().find(|other| overlap(prefix, other)) {
                return refusal(prefix, other, "another provided");
            }
        }
        Ok(())
    }
}

fn tracking(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let server = call.worker.server;
    let exists = |id: i64| u64::try_from(id).is_ok_and(|id| server.clients.get(id).is_some());
    let wish = Wish::parse(call.args, exists)?;
    if wish.on {
        let now = &call.session.tracking;
        wish.check(now)?;
        let mut next = wish.tracking;
        if next.bcast {
            if next.prefixes.is_empty() {
                next.prefixes.push(Vec::new());
            }
            next.prefixes.extend(now.prefixes.iter().cloned());
            next.prefixes.sort();
            next.prefixes.dedup();
        }
        server.tracking.start(call.session, next);
        call.worker.watch_changes(call.ctx);
    } else {
        server.tracking.stop(call.session);
    }
    call.out.ok();
    DONE
}

fn caching(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let t = &mut call.session.tracking;
    if !t.on {
        return Err(ErrorReply::new(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
        ));
    }
    match call.args[2].to_ascii_lowercase().as_slice() {
        b"yes" if t.opt_in => t.caching = Some(true),
        b"yes" => {
            return Err(ErrorReply::new(
                "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.",
            ));
        }
        b"no" if t.opt_out => t.caching = Some(false),
        b"no" => {
            return Err(ErrorReply::new(
                "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.",
            ));
        }
        _ => return Err(error::SYNTAX),
    }
    call.out.ok();
    DONE
}

fn redirect_of(call: &Call<'_>) -> i64 {
    if call.session.tracking.on { call.session.tracking.redirect as i64 } else { -1 }
}

fn getredir(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    call.out.int(redirect_of(call));
    DONE
}

fn info(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let t = &call.session.tracking;
    let words = [
        (if t.on { "on" } else { "off" }, true),
        ("bcast", t.bcast),
        ("optin", t.opt_in),
        ("caching-yes", t.caching == Some(true)),
        ("optout", t.opt_out),
        ("caching-no", t.caching == Some(false)),
        ("noloop", t.no_loop),
        ("broken_redirect", call.session.client.has(flag::BROKEN_REDIRECT)),
    ];
    let shown: Vec<&str> = words.iter().filter(|(_, on)| *on).map(|(word, _)| *word).collect();
    let redirect = redirect_of(call);
    call.out.map(3);
    call.out.bulk_str("flags");
    call.out.set(shown.len());
    shown.iter().for_each(|word| call.out.bulk_str(word));
    call.out.bulk_str("redirect");
    call.out.int(redirect);
    call.out.bulk_str("prefixes");
    call.out.array(t.prefixes.len());
    t.prefixes.iter().for_each(|prefix| call.out.bulk(prefix));
    DONE
}

pub const ROWS: &[NodeRow] = &[
    row("CLIENT TRACKING", tracking),
    row("CLIENT CACHING", caching),
    row("CLIENT GETREDIR", getredir),
    row("CLIENT TRACKINGINFO", info),
];
