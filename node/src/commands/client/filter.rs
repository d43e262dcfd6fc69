//! Which clients CLIENT LIST and CLIENT KILL are about: those that fit everything that is given. ID, TYPE, USER, ADDR, LADDR
//! and SKIPME are Redis 7.0's; MAXAGE came with Redis 7.4, the others and the forms with NOT- with Valkey.

use std::sync::atomic::Ordering::Relaxed;

use protocol::{Args, ErrorReply, error, number};

use super::{Kind, list};
use crate::client::{Client, flag};
use crate::worker::unix_ms;

const ID_NOT_POSITIVE: ErrorReply = ErrorReply::new("ERR client-id should be greater than 0");

/// What a client is looked at for.
enum Test {
    Ids(Vec<u64>),
    Kind(Kind),
    User(String),
    Addr(String),
    Laddr(String),
    Ip(String),
    Name(String),
    LibName(String),
    LibVer(String),
    /// All of these letters.
    Letters(String),
    Db(u32),
    /// Connected for so many seconds at least.
    Age(u64),
    /// Without a command for so many seconds at least.
    Idle(u64),
    /// It follows redirections, see CLIENT CAPA.
    Redirect,
}

struct Rule {
    test: Test,
    /// The test must fail.
    not: bool,
}

/// See the [module's page](self).
#[derive(Default)]
pub struct Filter {
    rules: Vec<Rule>,
    /// What SKIPME says of the caller itself; `None`: nothing.
    skip_own: Option<bool>,
}

impl Filter {
    /// The clients from one address, in the old form of KILL.
    pub fn of_addr(addr: &[u8]) -> Filter {
        let rule = Rule { test: Test::Addr(text(addr)), not: false };
        Filter { rules: vec![rule], skip_own: Some(false) }
    }

    /// Reads pairs of names and values; ID may have several values. `known_user`: whether there is such a user.
    pub fn parse(args: Args<'_>, known_user: impl Fn(&str) -> bool) -> Result<Filter, ErrorReply> {
        let mut filter = Filter::default();
        let mut at = 0;
        while at < args.len() {
            let value = args.get(at + 1).ok_or(error::SYNTAX)?;
            let word = args[at].to_ascii_lowercase();
            if word == b"skipme" {
                filter.skip_own = Some(yes_or_no(value)?);
                at += 2;
                continue;
            }
            let (name, not) = match word.strip_prefix(b"not-") {
                Some(name) => (name, true),
                None => (&word[..], false),
            };
            let more = if name == b"id" { further_ids(args.rest(at + 2)) } else { 0 };
            let values = args.rest(at + 1).first(1 + more);
            filter.rules.push(Rule { test: test(name, value, values, &known_user)?, not });
            at += 2 + more;
        }
        Ok(filter)
    }

    /// Whether the caller itself is spared; `unless_said`: if nothing is said about that.
    pub fn skips_own(&self, unless_said: bool) -> bool {
        self.skip_own.unwrap_or(unless_said)
    }

    pub fn fits(&self, client: &Client) -> bool {
        self.rules.iter().all(|rule| rule.test.holds(client) != rule.not)
    }
}

impl Test {
    fn holds(&self, client: &Client) -> bool {
        let names = || client.names.lock();
        let seconds_since = |ms: u64| unix_ms().saturating_sub(ms) / 1000;
        match self {
            Test::Ids(ids) => ids.contains(&client.id),
            Test::Kind(kind) => Kind::of(client) == *kind,
            Test::User(user) => names().user == *user,
            Test::Addr(addr) => client.addr == *addr,
            Test::Laddr(addr) => client.laddr == *addr,
            Test::Ip(ip) => client.addr.rsplit_once(':').is_some_and(|(host, _)| host == ip),
            Test::Name(name) => names().name == *name,
            Test::LibName(name) => names().lib_name == *name,
            Test::LibVer(version) => names().lib_ver == *version,
            Test::Letters(letters) => {
                let own = list::letters(client);
                letters.chars().all(|letter| own.contains(letter))
            }
            Test::Db(db) => client.db.load(Relaxed) == *db,
            Test::Age(seconds) => seconds_since(client.created_ms) >= *seconds,
            Test::Idle(seconds) => seconds_since(client.active_ms.load(Relaxed)) >= *seconds,
            Test::Redirect => client.has(flag::REDIRECT),
        }
    }
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}

fn yes_or_no(value: &[u8]) -> Result<bool, ErrorReply> {
    match value.to_ascii_lowercase().as_slice() {
        b"yes" => Ok(true),
        b"no" => Ok(false),
        _ => Err(error::SYNTAX),
    }
}

/// How many of the arguments that follow an id are ids, too.
fn further_ids(args: Args<'_>) -> usize {
    args.iter().take_while(|arg| number::parse_i64(arg).is_some()).count()
}

fn test(
    name: &[u8],
    value: &[u8],
    values: Args<'_>,
    known_user: &impl Fn(&str) -> bool,
) -> Result<Test, ErrorReply> {
    Ok(match name {
        b"id" => Test::Ids(values.iter().map(id).collect::<Result<_, _>>()?),
        b"type" => Test::Kind(Kind::named(value)?),
        b"user" => {
            let user = text(value);
            if !known_user(&user) {
                return Err(ErrorReply::err(format!("No such user '{user}'")));
            }
            Test::User(user)
        }
        b"addr" => Test::Addr(text(value)),
        b"laddr" => Test::Laddr(text(value)),
        b"ip" => Test::Ip(text(value)),
        b"name" => Test::Name(text(value)),
        b"lib-name" => Test::LibName(text(value)),
        b"lib-ver" => Test::LibVer(text(value)),
        b"flags" => Test::Letters(text(value)),
        b"db" => {
            let db = number::parse_i64(value).and_then(|db| u32::try_from(db).ok());
            Test::Db(db.ok_or(error::DB_OUT_OF_RANGE)?)
        }
        b"maxage" => Test::Age(seconds(value, "maxage")?),
        b"idle" => Test::Idle(seconds(value, "idle")?),
        b"capa" if value.eq_ignore_ascii_case(b"redirect") || value == b"r" => Test::Redirect,
        _ => return Err(error::SYNTAX),
    })
}

fn id(value: &[u8]) -> Result<u64, ErrorReply> {
    let id = number::parse_i64(value).and_then(|id| u64::try_from(id).ok());
    id.filter(|id| *id > 0).ok_or(ID_NOT_POSITIVE)
}

fn seconds(value: &[u8], name: &str) -> Result<u64, ErrorReply> {
    let seconds = number::parse_i64(value)
        .ok_or_else(|| ErrorReply::err(format!("{name} is not an integer or out of range")))?;
    match u64::try_from(seconds) {
        Ok(seconds) if seconds > 0 => Ok(seconds),
        _ => Err(ErrorReply::err(format!("{name} should be greater than 0"))),
    }
}

#[cfg(test)]
mod tests {
    use protocol::OwnedArgs;

    use super::*;

    fn client(id: u64) -> Client {
        let client = Client::new(id, 0, "1.2.3.4:5".into(), "6.7.8.9:10".into(), 7, 0);
        client.names.lock().name = "me".into();
        client.db.store(3, Relaxed);
        client
    }

    fn fits(line: &str) -> Result<bool, String> {
        let args = OwnedArgs::from_slices(line.split(' ').map(str::as_bytes));
        let filter = Filter::parse(args.view(), |user| user == "default");
        filter.map(|filter| filter.fits(&client(4))).map_err(|error| error.0.to_string())
    }

    #[test]
    fn every_rule_must_hold() {
        for yes in [
            "id 4",
            "ID 3 4 5 TYPE normal",
            "not-id 3 5 db 3",
            "addr 1.2.3.4:5 laddr 6.7.8.9:10",
            "ip 1.2.3.4 name me",
            "flags N idle 1",
            "maxage 1000",
            "not-capa redirect",
            "user default",
            "not-name you not-lib-name x lib-ver  not-lib-ver 1",
        ] {
            assert_eq!(fits(yes), Ok(true), "{yes}");
        }
        for no in [
            "id 3",
            "not-id 4",
            "type pubsub",
            "name you",
            "db 2",
            "flags x",
            "capa redirect",
            "id 4 not-db 3",
        ] {
            assert_eq!(fits(no), Ok(false), "{no}");
        }
    }

    #[test]
    fn what_is_refused() {
        for (line, error) in [
            ("id 0", "ERR client-id should be greater than 0"),
            ("id x", "ERR client-id should be greater than 0"),
            ("user nobody", "ERR No such user 'nobody'"),
            ("maxage 0", "ERR maxage should be greater than 0"),
            ("idle x", "ERR idle is not an integer or out of range"),
            ("colour red", "ERR syntax error"),
            ("skipme maybe", "ERR syntax error"),
            ("id", "ERR syntax error"),
            ("type x", "ERR Unknown client type 'x'"),
        ] {
            assert_eq!(fits(line), Err(error.to_string()), "{line}");
        }
    }
}
