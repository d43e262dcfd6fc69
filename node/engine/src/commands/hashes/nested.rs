//! KEYDB.NHSET and KEYDB.NHGET, from KeyDB: hashes in hashes, addressed by a path `key.name.name`.
//!
//! KeyDB keeps them in a type that it neither saves nor replicates. Here they are ordinary hashes, so they are saved, replicated
//! and merged field by field like any other: the field `a.b` of the key is what the path `key.a.b` names, and the fields `a.b[0]`,
//! `a.b[1]` ... are the elements if that is a list. What HSET writes, NHGET shows, and the other way round. A path of one name is a string,
//! or a list.

use std::collections::BTreeMap;

use protocol::error::{NO_SUCH_KEY, SYNTAX, WRONGTYPE};
use protocol::{Args, ErrorReply, OwnedArgs, Reply};

use crate::ctx::{Ctx, KeyMut};
use crate::effect::{Deadline, Effect, NewValue};
use crate::tuning::notify;
use crate::types::List;
use crate::types::string::IntText;
use crate::value::{Value, ValueRef};

/// Names in a path at most: what is written goes as deep, and so does the writing.
const DEPTH_MAX: usize = 64;

const TOO_DEEP: ErrorReply = ErrorReply::new("ERR the path has too many names");

/// A path: the key, and the field, empty if the path ends with the key.
pub struct Path<'a> {
    pub key: &'a [u8],
    field: &'a [u8],
}

impl<'a> Path<'a> {
    pub fn parse(text: &'a [u8]) -> Result<Path<'a>, ErrorReply> {
        let mut names = text.split(|byte| *byte == b'.');
        if names.clone().any(<[u8]>::is_empty) {
            return Err(SYNTAX);
        }
        if names.clone().count() > DEPTH_MAX {
            return Err(TOO_DEEP);
        }
        let key = names.next().unwrap_or_default();
        Ok(Path { key, field: text.get(key.len() + 1..).unwrap_or_default() })
    }
}

/// Whether `field` is an element of the list `list`.
fn is_element(field: &[u8], list: &[u8]) -> bool {
    field.strip_prefix(list).and_then(index_of).is_some()
}

/// The number in `[7]`.
fn index_of(text: &[u8]) -> Option<u64> {
    let digits = text.strip_prefix(b"[")?.strip_suffix(b"]")?;
    protocol::number::parse_u64(digits)
}

/// Whether `field` lies below `branch`.
fn is_below(field: &[u8], branch: &[u8]) -> bool {
    field.strip_prefix(branch).is_some_and(|rest| rest.first() == Some(&b'.'))
}

/// Sets what a path names to one value, or to a list of several, in place of what is there, below it, and of single values on the
/// way to it. The key's shard must be held. Whether the path named something before, and what has been done as commands of Redis.
pub fn set(
    ctx: &mut Ctx<'_>,
    path: &Path<'_>,
    values: Args<'_>,
) -> Result<(bool, Vec<OwnedArgs>), ErrorReply> {
    let mut key = ctx.key(path.key);
    match (path.field, key.value()) {
        (_, None | Some(ValueRef::Hash(_))) => {}
        (_, Some(ValueRef::List(_))) => {}
        (_, Some(value)) if value.string_bytes(&mut IntText::default()).is_some() => {}
        _ => return Err(WRONGTYPE),
    }
    Ok(if path.field.is_empty() {
        set_key(&mut key, path.key, values)
    } else {
        set_field(&mut key, path, values)
    })
}

fn words<'a>(head: [&'a [u8]; 2], rest: impl Iterator<Item = &'a [u8]>) -> OwnedArgs {
    OwnedArgs::from_slices(head.into_iter().chain(rest))
}

fn set_key(key: &mut KeyMut<'_, '_>, name: &[u8], values: Args<'_>) -> (bool, Vec<OwnedArgs>) {
    let was_there = key.exists();
    if values.len() == 1 {
        let value = NewValue::String(&values[0]);
        key.apply(Effect::Put { value, deadline: Deadline::Clear, absent: false });
        key.notify(notify::STRING, "set");
        return (was_there, vec![words([b"SET", name], values.iter())]);
    }
    let mut list = List::default();
    values.iter().for_each(|value| list.push(&key.env.tuning, value));
    let value = NewValue::Built(Value::List(Box::new(list)));
    key.apply(Effect::Put { value, deadline: Deadline::Clear, absent: false });
    key.notify(notify::LIST, "rpush");
    (was_there, vec![words([b"DEL", name], std::iter::empty()), words([b"RPUSH", name], values.iter())])
}

fn set_field(key: &mut KeyMut<'_, '_>, path: &Path<'_>, values: Args<'_>) -> (bool, Vec<OwnedArgs>) {
    let mut commands = Vec::new();
    if key.value().is_some_and(|value| !matches!(value, ValueRef::Hash(_))) {
        key.apply(Effect::Clear);
        commands.push(words([b"DEL", path.key], std::iter::empty()));
    }
    let (was_there, old) = in_the_way(key, path.field);
    let new: Vec<(Vec<u8>, &[u8])> = match values.len() {
        1 => vec![(path.field.to_vec(), &values[0])],
        _ => values.iter().enumerate().map(|(i, value)| (element(path.field, i), value)).collect(),
    };
    for (field, value) in &new {
        key.apply(Effect::SetField { field, value, absent: false });
    }
    key.notify(notify::HASH, "hset");
    commands.push(words([b"HSET", path.key], new.iter().flat_map(|(field, value)| [&field[..], value])));
    let old: Vec<Vec<u8>> =
        old.into_iter().filter(|field| new.iter().all(|(name, _)| name != field)).collect();
    if !old.is_empty() {
        for field in &old {
            key.apply(Effect::DelField(field));
        }
        key.notify(notify::HASH, "hdel");
        commands.push(words([b"HDEL", path.key], old.iter().map(Vec::as_slice)));
    }
    (was_there, commands)
}

fn element(list: &[u8], index: usize) -> Vec<u8> {
    [list, b"[", index.to_string().as_bytes(), b"]"].concat()
}

/// The fields that a new value at `field` takes the place of, and whether some of them are at it or below it.
fn in_the_way(key: &KeyMut<'_, '_>, field: &[u8]) -> (bool, Vec<Vec<u8>>) {
    let (mut was_there, mut old) = (false, Vec::new());
    let Ok(Some(hash)) = key.hash() else { return (was_there, old) };
    let mut digits = itoa::Buffer::new();
    for (name, _) in hash.iter() {
        let name = name.text(&mut digits);
        let at_it = name == field || is_below(name, field) || is_element(name, field);
        let list = name.iter().rposition(|byte| *byte == b'[').filter(|at| index_of(&name[*at..]).is_some());
        let above = is_below(field, name) || list.is_some_and(|at| is_below(field, &name[..at]));
        if at_it || above {
            old.push(name.to_vec());
        }
        was_there |= at_it;
    }
    (was_there, old)
}

/// What a path names.
enum Tree {
    Text(Vec<u8>),
    /// By their numbers.
    List(BTreeMap<u64, Vec<u8>>),
    Branches(BTreeMap<Vec<u8>, Tree>),
}

/// Writes what a path names: nested arrays, or its text as JSON. The key's shard must be held.
pub fn get(ctx: &mut Ctx<'_>, path: &Path<'_>, json: bool, out: &mut Reply) -> Result<(), ErrorReply> {
    let tree = read(ctx, path)?;
    match json {
        true => {
            let mut text = Vec::new();
            tree.write_json(&mut text);
            out.bulk(&text);
        }
        false => tree.write(out),
    }
    Ok(())
}

fn read(ctx: &Ctx<'_>, path: &Path<'_>) -> Result<Tree, ErrorReply> {
    let due = ctx.env.due();
    let mut text = IntText::default();
    let tree = match ctx.read(path.key).map(|entry| entry.value()) {
        None => None,
        Some(ValueRef::Hash(hash)) => {
            let mut digits = [itoa::Buffer::new(), itoa::Buffer::new()];
            let mut tree = BTreeMap::new();
            for (field, value) in hash.live(due).iter() {
                let [a, b] = &mut digits;
                let (field, value) = (field.text(a), value.text(b));
                let rest = if path.field.is_empty() { Some(field) } else { field.strip_prefix(path.field) };
                match rest {
                    Some(b"") if !path.field.is_empty() => drop(tree.insert(Vec::new(), value.to_vec())),
                    Some(rest) if path.field.is_empty() || matches!(rest[0], b'.' | b'[') => {
                        tree.insert(rest.to_vec(), value.to_vec());
                    }
                    _ => {}
                }
            }
            Tree::of(tree, !path.field.is_empty())
        }
        Some(ValueRef::List(list)) => {
            let mut all = BTreeMap::new();
            list.range(0, false, list.len(), |element| {
                all.insert(all.len() as u64, element.text(&mut itoa::Buffer::new()).to_vec());
            });
            path.field.is_empty().then_some(Tree::List(all))
        }
        Some(value) => {
            let text = value.string_bytes(&mut text).ok_or(WRONGTYPE)?;
            path.field.is_empty().then(|| Tree::Text(text.to_vec()))
        }
    };
    tree.ok_or(NO_SUCH_KEY)
}

impl Tree {
    /// Of fields by what their names have behind a path. `below`: there is such a path, and names go on with a dot.
    fn of(fields: BTreeMap<Vec<u8>, Vec<u8>>, below: bool) -> Option<Tree> {
        let is_branch = |name: &[u8]| !below || name.first() == Some(&b'.');
        if fields.keys().any(|name| is_branch(name)) {
            let mut root = BTreeMap::new();
            for (name, value) in fields.into_iter().filter(|(name, _)| is_branch(name)) {
                let name = if below { &name[1..] } else { &name[..] };
                grow(&mut root, name, value, DEPTH_MAX);
            }
            return Some(Tree::Branches(root));
        }
        let elements: BTreeMap<u64, Vec<u8>> =
            fields.iter().filter_map(|(name, value)| Some((index_of(name)?, value.clone()))).collect();
        if !elements.is_empty() {
            return Some(Tree::List(elements));
        }
        fields.into_iter().find(|(name, _)| name.is_empty()).map(|(_, value)| Tree::Text(value))
    }

    fn write(&self, out: &mut Reply) {
        match self {
            Tree::Text(text) => out.bulk(text),
            Tree::List(list) => {
                out.array(list.len());
                list.values().for_each(|element| out.bulk(element));
            }
            Tree::Branches(branches) => {
                // A single pair stands alone, as KeyDB has it.
                if branches.len() > 1 {
                    out.array(branches.len());
                }
                for (name, tree) in branches {
                    out.array(2);
                    out.bulk(name);
                    tree.write(out);
                }
            }
        }
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Tree::Text(text) => quote(text, out),
            Tree::List(list) => {
                let separators = std::iter::once(b'[').chain(std::iter::repeat(b','));
                for (element, separator) in list.values().zip(separators) {
                    out.push(separator);
                    quote(element, out);
                }
                out.push(b']');
            }
            Tree::Branches(branches) => {
                let separators = std::iter::once(b'{').chain(std::iter::repeat(b','));
                for ((name, tree), separator) in branches.iter().zip(separators) {
                    out.push(separator);
                    quote(name, out);
                    out.extend_from_slice(b" : ");
                    tree.write_json(out);
                }
                out.push(b'}');
            }
        }
    }
}

/// Puts a value where a name leads. Where HSET has put a value and others below it, those count.
fn grow(branches: &mut BTreeMap<Vec<u8>, Tree>, name: &[u8], value: Vec<u8>, depth: usize) {
    let dot = name.iter().position(|byte| *byte == b'.').filter(|_| depth > 1);
    if let Some(at) = dot {
        let branch = branches.entry(name[..at].to_vec()).or_insert_with(|| Tree::Branches(BTreeMap::new()));
        if !matches!(branch, Tree::Branches(_)) {
            *branch = Tree::Branches(BTreeMap::new());
        }
        if let Tree::Branches(below) = branch {
            grow(below, &name[at + 1..], value, depth - 1);
        }
        return;
    }
    let list = name.iter().rposition(|byte| *byte == b'[').filter(|at| index_of(&name[*at..]).is_some());
    match list {
        Some(at) => {
            let list = branches.entry(name[..at].to_vec()).or_insert_with(|| Tree::List(BTreeMap::new()));
            if let (Tree::List(list), Some(index)) = (list, index_of(&name[at..])) {
                list.insert(index, value);
            }
        }
        None => drop(branches.entry(name.to_vec()).or_insert(Tree::Text(value))),
    }
}

fn quote(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            0..0x20 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(*byte),
        }
    }
    out.push(b'"');
}
