//! Commands as they are passed on: what depends on the clock, on chance or on what this server alone can do becomes what
//! it came to. Read from the state that the command left, under the shards it still holds, and from its reply.

use engine::command::{CommandId, id};
use engine::commands::streams::{References, trim};
use engine::ctx::Ctx;
use engine::family::Family;
use engine::types::string::IntText;
use engine::value::ValueRef;
use protocol::listpack::Entry;
use protocol::number::parse_u64;
use protocol::{Args, OwnedArgs};

use super::reply;

/// Members that one SREM or ZADD names, at most.
const AT_ONCE: usize = 1024;

/// The commands to pass on for one that has changed something; `None`: itself, as it is.
pub fn rewrite(ctx: &Ctx<'_>, id: CommandId, args: Args<'_>, reply: &[u8]) -> Option<Vec<OwnedArgs>> {
    let state = State { ctx, args };
    Some(match id {
        id::SET => return state.set(),
        id::SETEX | id::PSETEX | id::INCREX | id::PREPEND => vec![state.string(&args[1])],
        id::GETSET => vec![state.words(&[b"SET", &args[1], &args[2]])],
        id::MSETEX => state.many_strings(),
        id::INCRBYFLOAT => vec![state.string_keeping(&args[1])],
        id::GETDEL | id::DELEX | id::DELIFEQ | id::EXPDEL => vec![state.del(&args[1])],
        id::GETEX | id::EXPIRE | id::PEXPIRE | id::EXPIREAT | id::PEXPIREAT => vec![state.deadline(&args[1])],
        id::HINCRBYFLOAT => vec![state.field(&args[1], &args[2])],
        id::SPOP => state.popped(reply),
        id::BLPOP => vec![state.words(&[b"LPOP", &reply::first(reply)?])],
        id::BRPOP => vec![state.words(&[b"RPOP", &reply::first(reply)?])],
        id::BZPOPMIN => vec![state.words(&[b"ZPOPMIN", &reply::first(reply)?])],
        id::BZPOPMAX => vec![state.words(&[b"ZPOPMAX", &reply::first(reply)?])],
        id::LMPOP | id::BLMPOP => vec![state.many_popped(reply, [b"LPOP", b"RPOP"])?],
        id::ZMPOP | id::BZMPOP => vec![state.many_popped(reply, [b"ZPOPMIN", b"ZPOPMAX"])?],
        id::BLMOVE => vec![state.words(&[b"LMOVE", &args[1], &args[2], &args[3], &args[4]])],
        id::LMOVEM | id::BLMOVEM => state.moved(reply),
        id::ZUNIONSTORE | id::ZINTERSTORE => return state.counted(),
        id::SADDEX => state.added_members(),
        id::FIELDEXPIRE => state.expiring_fields(),
        id::CL_THROTTLE => vec![state.string(&args[1])],
        id::KEYDB_CRON => vec![engine::commands::jobs::command_of(ctx, &args[1])?],
        id::BRPOPLPUSH => vec![state.words(&[b"RPOPLPUSH", &args[1], &args[2]])],
        id::RESTORE | id::RESTORE_ASKING => vec![state.restore()?],
        id::XADD => state.added(reply)?,
        id::XTRIM => return state.trimmed(),
        id::XREADGROUP | id::XCLAIM | id::XAUTOCLAIM => state.ctx.out.done_as.clone(),
        id::HSETEX | id::HGETEX | id::HEXPIRE | id::HPEXPIRE | id::HEXPIREAT | id::HPEXPIREAT => {
            state.fields(id)?
        }
        id::XDELEX | id::XACKDEL => state.removed_entries(id, reply),
        id::HGETDEL => vec![state.removed_fields()?],
        id::EXPIREMEMBER | id::EXPIREMEMBERAT | id::PEXPIREMEMBERAT => vec![state.member()?],
        _ => return None,
    })
}

/// What a command left.
struct State<'a, 'e> {
    ctx: &'a Ctx<'e>,
    args: Args<'a>,
}

fn number(n: u64) -> Vec<u8> {
    n.to_string().into_bytes()
}

fn is(word: &[u8], name: &str) -> bool {
    word.eq_ignore_ascii_case(name.as_bytes())
}

impl State<'_, '_> {
    fn words(&self, words: &[&[u8]]) -> OwnedArgs {
        OwnedArgs::from_slices(words.iter().copied())
    }

    fn key_deadline(&self, key: &[u8]) -> Option<u64> {
        self.ctx.peek(key).and_then(|entry| entry.deadline())
    }

    fn del(&self, key: &[u8]) -> OwnedArgs {
        self.words(&[b"DEL", key])
    }

    /// The key is gone because a deadline in the past was given.
    fn expired(&self, key: &[u8]) -> OwnedArgs {
        let lazily = self.ctx.env.tuning.lazyfree_expire;
        self.words(&[if lazily { b"UNLINK" } else { b"DEL" }, key])
    }

    /// SET without options passes on as it is, also with conditions: they held.
    fn set(&self) -> Option<Vec<OwnedArgs>> {
        let options = self.args.rest(3);
        let timed = |word: &[u8]| ["EX", "PX", "EXAT", "PXAT"].iter().any(|name| is(word, name));
        if options.iter().any(timed) {
            return Some(vec![self.string(&self.args[1])]);
        }
        if options.iter().any(|word| is(word, "GET")) {
            let kept = self.args.iter().enumerate().filter(|(i, word)| *i < 3 || !is(word, "GET"));
            return Some(vec![OwnedArgs::from_slices(kept.map(|(_, word)| word))]);
        }
        // Beyond Redis 7.0 the condition may be a value.
        let plain = |word: &[u8]| ["NX", "XX", "KEEPTTL"].iter().any(|name| is(word, name));
        if !options.iter().all(plain) {
            return Some(vec![self.string_keeping(&self.args[1])]);
        }
        None
    }

    /// A string key as it is now.
    fn string(&self, key: &[u8]) -> OwnedArgs {
        let mut text = IntText::default();
        let Some(entry) = self.ctx.peek(key) else { return self.expired(key) };
        let value = entry.value();
        let value = value.string_bytes(&mut text).unwrap_or_default();
        match entry.deadline() {
            Some(at) => self.words(&[b"SET", key, value, b"PXAT", &number(at)]),
            None => self.words(&[b"SET", key, value]),
        }
    }

    fn string_keeping(&self, key: &[u8]) -> OwnedArgs {
        let mut text = IntText::default();
        let Some(entry) = self.ctx.peek(key) else { return self.del(key) };
        let value = entry.value();
        self.words(&[b"SET", key, value.string_bytes(&mut text).unwrap_or_default(), b"KEEPTTL"])
    }

    fn many_strings(&self) -> Vec<OwnedArgs> {
        let pairs = parse_u64(&self.args[1]).unwrap_or(0) as usize;
        (0..pairs).filter_map(|i| self.args.get(2 + 2 * i)).map(|key| self.string(key)).collect()
    }

    fn deadline(&self, key: &[u8]) -> OwnedArgs {
        match (self.ctx.peek(key).is_some(), self.key_deadline(key)) {
            (false, _) => self.expired(key),
            (true, Some(at)) => self.words(&[b"PEXPIREAT", key, &number(at)]),
            (true, None) => self.words(&[b"PERSIST", key]),
        }
    }

    fn field(&self, key: &[u8], field: &[u8]) -> OwnedArgs {
        let value = match self.ctx.peek(key).map(|entry| entry.value()) {
            Some(ValueRef::Hash(hash)) => {
                hash.live(0).get(field).map(|e| e.text(&mut itoa::Buffer::new()).to_vec())
            }
            _ => None,
        };
        match value {
            Some(value) => self.words(&[b"HSET", key, field, &value]),
            None => self.words(&[b"HDEL", key, field]),
        }
    }

    /// SPOP: the reply says which members.
    fn popped(&self, reply: &[u8]) -> Vec<OwnedArgs> {
        let key = &self.args[1];
        if self.args.len() > 2 && self.ctx.peek(key).is_none() {
            let lazily = self.ctx.env.tuning.lazyfree_server_del;
            return vec![self.words(&[if lazily { b"UNLINK" } else { b"DEL" }, key])];
        }
        let members = reply::strings(reply);
        let removal = |members: &[Vec<u8>]| {
            let head = [&b"SREM"[..], key].into_iter();
            OwnedArgs::from_slices(head.chain(members.iter().map(Vec::as_slice)))
        };
        members.chunks(AT_ONCE).map(removal).collect()
    }

    /// LMPOP and its kin: the reply says from which key and how many.
    fn many_popped(&self, reply: &[u8], names: [&[u8]; 2]) -> Option<OwnedArgs> {
        let key = reply::first(reply)?;
        let count = reply::second_len(reply)?;
        let last = |word: &[u8]| is(word, "RIGHT") || is(word, "MAX");
        // The word stands behind the keys, whose number is the first argument, or the second of the blocking ones.
        let at = (1..=2).find_map(|at| {
            let keys = parse_u64(self.args.get(at)?)? as usize;
            let word = self.args.get(at + keys + 1)?;
            ["LEFT", "RIGHT", "MIN", "MAX"].iter().any(|name| is(word, name)).then_some(at + keys + 1)
        })?;
        let name = names[usize::from(last(&self.args[at]))];
        Some(self.words(&[name, &key, &number(count)]))
    }

    /// LMOVEM: the reply says how the elements stand now. Within one list they are put before they are taken, as its deadline must
    /// stay.
    fn moved(&self, reply: &[u8]) -> Vec<OwnedArgs> {
        let (from, to) = (&self.args[1], &self.args[2]);
        let head = |word: &[u8]| is(word, "LEFT");
        let (from_head, to_head) = (head(&self.args[3]), head(&self.args[4]));
        let elements = reply::strings(reply);
        if from == to && from_head == to_head {
            let first = if from_head { 0 } else { -(elements.len() as i64) };
            let set = |(i, element): (usize, &Vec<u8>)| {
                self.words(&[b"LSET", from, (first + i as i64).to_string().as_bytes(), element])
            };
            return elements.iter().enumerate().map(set).collect();
        }
        let pop =
            self.words(&[if from_head { b"LPOP" } else { b"RPOP" }, from, &number(elements.len() as u64)]);
        let mut words: Vec<&[u8]> = elements.iter().map(Vec::as_slice).collect();
        if to_head {
            words.reverse();
        }
        words.splice(0..0, [if to_head { &b"LPUSH"[..] } else { b"RPUSH" }, to]);
        let push = self.words(&words);
        if from == to { vec![push, pop] } else { vec![pop, push] }
    }

    /// ZUNIONSTORE and ZINTERSTORE with AGGREGATE COUNT, which Redis does not know: what came of it.
    fn counted(&self) -> Option<Vec<OwnedArgs>> {
        let aggregate = self.args.iter().rposition(|word| is(word, "AGGREGATE"))?;
        is(self.args.get(aggregate + 1)?, "COUNT").then_some(())?;
        let key = &self.args[1];
        let mut commands = vec![self.del(key)];
        if let Some(ValueRef::Zset(zset)) = self.ctx.peek(key).map(|entry| entry.value()) {
            let pair = |(member, score): (Entry<'_>, f64)| {
                let mut text = Vec::new();
                protocol::number::fmt_f64(&mut text, score);
                [text, member.text(&mut itoa::Buffer::new()).to_vec()]
            };
            let pairs: Vec<[Vec<u8>; 2]> = zset.iter().map(pair).collect();
            commands.extend(pairs.chunks(AT_ONCE).map(|chunk| {
                let words = chunk.iter().flatten().map(Vec::as_slice);
                OwnedArgs::from_slices([&b"ZADD"[..], key].into_iter().chain(words))
            }));
        }
        Some(commands)
    }

    /// SADDEX: members, then their deadlines.
    fn added_members(&self) -> Vec<OwnedArgs> {
        let at = if is(&self.args[2], "KEEPTTL") { 4 } else { 3 };
        let members = self.args.rest(at);
        let head = [&b"SADD"[..], &self.args[1]].into_iter();
        let mut commands = vec![OwnedArgs::from_slices(head.chain(members.iter()))];
        commands.extend(members.iter().filter_map(|member| self.member_deadline(member)));
        commands
    }

    /// FIELDEXPIRE: what became of each field or member.
    fn expiring_fields(&self) -> Vec<OwnedArgs> {
        let key = &self.args[1];
        let Some(family) = self.ctx.peek(key).and_then(|entry| Family::of(entry.value())) else {
            return vec![self.expired(key)];
        };
        let removal = |field| self.words(&[family.removal_word(), key, field]);
        let fields = self.args.rest(3);
        let command = |field| self.member_deadline(field).unwrap_or_else(|| removal(field));
        fields.iter().map(command).collect()
    }

    /// XDELEX and XACKDEL: the reply says what became of each entry. All groups acknowledge what no group may have pending.
    fn removed_entries(&self, command: CommandId, reply: &[u8]) -> Vec<OwnedArgs> {
        let results = reply::ints(reply);
        let key = &self.args[1];
        let ids = self.args.rest(self.args.len() - results.len());
        let chosen = |wanted: fn(i64) -> bool| {
            let pairs = ids.iter().zip(&results).filter(move |(_, result)| wanted(**result));
            pairs.map(|(id, _)| id).collect::<Vec<_>>()
        };
        let (acknowledged, removed) = (chosen(|result| result > 0), chosen(|result| result == 1));
        let words = |head: &[&[u8]], ids: &[&[u8]]| self.words(&[head, ids].concat());
        let mut commands = Vec::new();
        if command == id::XACKDEL && !acknowledged.is_empty() {
            commands.push(words(&[b"XACK", key, &self.args[2]], &acknowledged));
        }
        if removed.is_empty() {
            return commands;
        }
        if self.args.iter().any(|word| is(word, "DELREF"))
            && let Some(ValueRef::Stream(stream)) = self.ctx.peek(key).map(|entry| entry.value())
        {
            commands.extend(stream.groups().map(|group| words(&[b"XACK", key, &group.name], &removed)));
        }
        commands.push(words(&[b"XDEL", key], &removed));
        commands
    }

    fn restore(&self) -> Option<OwnedArgs> {
        let key = &self.args[1];
        if self.ctx.peek(key).is_none() {
            return Some(self.expired(key));
        }
        let at = self.key_deadline(key)?;
        if self.args.rest(4).iter().any(|word| is(word, "ABSTTL")) {
            return None;
        }
        let deadline = number(at);
        let words = self.args.iter().enumerate().map(|(i, word)| if i == 2 { &deadline[..] } else { word });
        Some(OwnedArgs::from_slices(words.chain([&b"ABSTTL"[..]])))
    }

    /// XADD with the id that it gave.
    fn added(&self, reply: &[u8]) -> Option<Vec<OwnedArgs>> {
        let given = reply::strings(reply).into_iter().next()?;
        let options = trim::options(self.args, true, &self.ctx.env.tuning).ok()?;
        if options.references != References::Keep {
            let words = [&b"XADD"[..], &self.args[1], &given].into_iter();
            let mut commands = vec![OwnedArgs::from_slices(words.chain(self.args.rest(options.next).iter()))];
            if options.trim.is_some() {
                commands.extend(self.ctx.out.done_as.iter().cloned());
            }
            return Some(commands);
        }
        let at = options.next - 1;
        let open = &self.args[at] == b"*" || self.args[at].ends_with(b"-*");
        let approximate = options.trim.is_some_and(|trim| trim.approximate);
        if !open && !approximate {
            return None;
        }
        let id = if open { &given[..] } else { &self.args[at] };
        let kept = if approximate { self.kept() } else { Vec::new() };
        let entry = [id].into_iter().chain(self.args.rest(options.next).iter());
        if approximate {
            let head = [&b"XADD"[..], &self.args[1], b"MAXLEN", b"=", &kept].into_iter();
            return Some(vec![OwnedArgs::from_slices(head.chain(entry))]);
        }
        Some(vec![OwnedArgs::from_slices(self.args.iter().take(at).chain(entry))])
    }

    /// What an approximate trim has left of the stream: where it cuts is a matter of each server's own.
    fn kept(&self) -> Vec<u8> {
        let len = match self.ctx.peek(&self.args[1]).map(|entry| entry.value()) {
            Some(ValueRef::Stream(stream)) => stream.len(),
            _ => 0,
        };
        number(len)
    }

    /// XTRIM by about so much, or with a say for groups, which Redis 7.0 does not know.
    fn trimmed(&self) -> Option<Vec<OwnedArgs>> {
        let options = trim::options(self.args, false, &self.ctx.env.tuning).ok()?;
        if options.references != References::Keep {
            return Some(self.ctx.out.done_as.clone());
        }
        options.trim.filter(|trim| trim.approximate)?;
        Some(vec![self.words(&[b"XTRIM", &self.args[1], b"MAXLEN", b"=", &self.kept()])])
    }

    /// Fields named after FIELDS, each as it is now.
    fn fields(&self, id: CommandId) -> Option<Vec<OwnedArgs>> {
        let key = &self.args[1];
        let step = if id == id::HSETEX { 2 } else { 1 };
        let mut out = Vec::new();
        for field in self.named_fields(step)? {
            if id == id::HSETEX {
                out.push(self.field(key, field));
            }
            let state = match self.ctx.peek(key).map(|entry| entry.value()) {
                Some(ValueRef::Hash(hash)) if hash.live(0).contains(field) => {
                    Some(hash.live(0).deadline(field))
                }
                _ => None,
            };
            out.push(match state {
                None => self.words(&[b"HDEL", key, field]),
                Some(Some(at)) => self.words(&[b"HPEXPIREAT", key, &number(at), b"FIELDS", b"1", field]),
                Some(None) if id == id::HSETEX => continue,
                Some(None) => self.words(&[b"HPERSIST", key, b"FIELDS", b"1", field]),
            });
        }
        Some(out)
    }

    fn named_fields(&self, step: usize) -> Option<Vec<&[u8]>> {
        let at = (2..self.args.len()).find(|at| is(&self.args[*at], "FIELDS"))?;
        let count = parse_u64(self.args.get(at + 1)?)? as usize;
        Some((0..count).filter_map(|i| self.args.get(at + 2 + step * i)).collect())
    }

    fn removed_fields(&self) -> Option<OwnedArgs> {
        let head = [&b"HDEL"[..], &self.args[1]].into_iter();
        Some(OwnedArgs::from_slices(head.chain(self.named_fields(1)?)))
    }

    fn member(&self) -> Option<OwnedArgs> {
        self.member_deadline(self.args.get(2)?)
    }

    /// The command that gives a field or member the deadline that it has.
    fn member_deadline(&self, member: &[u8]) -> Option<OwnedArgs> {
        let key = &self.args[1];
        let at = self.ctx.peek(key)?.value().deadlines()?.get(member)?;
        Some(self.words(&[b"PEXPIREMEMBERAT", key, member, &number(at)]))
    }
}
