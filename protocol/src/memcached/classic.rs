//! The commands of old.

use super::parser::{Bad, Limits, Line};
use super::request::{Request, Retrieval, Storage, Verb};
use super::words::{Words, client_flags, length, number, signed};
use super::{BAD_DELTA, BAD_EXPTIME, BAD_FORMAT, ERROR, KEY_MAX};

const DELETE_USAGE: &str = "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]";
/// Words of a line that does not ask for many keys, at most.
const WORDS_MAX: usize = 8;

type Parsed<'a> = Result<Line<'a>, Bad>;

/// A line that begins with `verb`; `None`: it is none of these.
pub(super) fn line<'a>(verb: &'a [u8], words: Words<'a>, limits: Limits) -> Option<Parsed<'a>> {
    Some(match verb {
        b"get" => get(words, false),
        b"gets" => get(words, true),
        b"gat" => get_and_touch(words, false),
        b"gats" => get_and_touch(words, true),
        b"set" => hushed(words, store(Some(Verb::Set), words, limits)),
        b"add" => hushed(words, store(Some(Verb::Add), words, limits)),
        b"replace" => hushed(words, store(Some(Verb::Replace), words, limits)),
        b"append" => hushed(words, store(Some(Verb::Append), words, limits)),
        b"prepend" => hushed(words, store(Some(Verb::Prepend), words, limits)),
        b"cas" => hushed(words, store(None, words, limits)),
        b"delete" => hushed(words, delete(words)),
        b"incr" => hushed(words, count(words, true)),
        b"decr" => hushed(words, count(words, false)),
        b"touch" => hushed(words, touch(words)),
        b"flush_all" => hushed(words, flush(words)),
        b"cache_memlimit" => memory(words),
        b"verbosity" => verbosity(words),
        b"stats" => whole(Request::Stats({ words }.next().unwrap_or_default())),
        b"version" => whole(Request::Version),
        b"quit" => whole(Request::Quit),
        _ => return None,
    })
}

fn whole(request: Request<'_>) -> Parsed<'_> {
    Ok(Line::Whole(request))
}

/// Who asks for no reply gets none when something is wrong with the words either; that there are too many or too few is found
/// out before anybody looks for that wish.
fn hushed<'a>(words: Words<'a>, parsed: Parsed<'a>) -> Parsed<'a> {
    parsed.map_err(|bad| Bad { quiet: bad.text != ERROR && is_quiet(words.last().as_ref()), ..bad })
}

/// The words as a slice of at most [`WORDS_MAX`], in `room`.
fn gather<'a, 'r>(words: Words<'a>, room: &'r mut [&'a [u8]; WORDS_MAX]) -> &'r [&'a [u8]] {
    let mut count = 0;
    for (place, word) in room.iter_mut().zip(words) {
        *place = word;
        count += 1;
    }
    &room[..count]
}

fn key(word: &[u8]) -> Result<&[u8], Bad> {
    if word.len() > KEY_MAX { Err(BAD_FORMAT.into()) } else { Ok(word) }
}

fn is_quiet(word: Option<&&[u8]>) -> bool {
    word.is_some_and(|word| *word == b"noreply")
}

fn get(words: Words<'_>, unique: bool) -> Parsed<'_> {
    if { words }.next().is_none() {
        return Err(ERROR.into());
    }
    retrieval(words, unique, None)
}

fn get_and_touch(mut words: Words<'_>, unique: bool) -> Parsed<'_> {
    let exptime = words.next().ok_or(ERROR)?;
    retrieval(words, unique, Some(signed(exptime).ok_or(BAD_EXPTIME)?))
}

fn retrieval(keys: Words<'_>, unique: bool, touch: Option<i64>) -> Parsed<'_> {
    for word in keys {
        key(word)?;
    }
    whole(Request::Get(Retrieval { keys, unique, touch }))
}

fn store<'a>(verb: Option<Verb>, words: Words<'a>, limits: Limits) -> Parsed<'a> {
    let mut room = [&b""[..]; WORDS_MAX];
    let words = gather(words, &mut room);
    let wanted = if verb.is_some() { 4 } else { 5 };
    if words.len() < wanted || words.len() > wanted + 1 {
        return Err(ERROR.into());
    }
    let quiet = is_quiet(words.get(wanted));
    let key = key(words[0])?;
    let flags = client_flags(words[1]).ok_or(BAD_FORMAT)?;
    let exptime = signed(words[2]).ok_or(BAD_FORMAT)?;
    let len = length(words[3]).ok_or(BAD_FORMAT)?;
    let verb = match verb {
        Some(verb) => verb,
        None => Verb::Cas(number(words[4]).ok_or(BAD_FORMAT)?),
    };
    if len > limits.item_max as u64 {
        return Ok(Line::TooLong {
            len,
            request: Request::TooLarge { key, removes: verb == Verb::Set, quiet },
        });
    }
    let request = Request::Store(Storage { verb, key, flags, exptime, data: b"", quiet });
    Ok(Line::Data { len: len as usize, quiet, request })
}

fn delete(words: Words<'_>) -> Parsed<'_> {
    let mut room = [&b""[..]; WORDS_MAX];
    let words = gather(words, &mut room);
    if words.is_empty() || words.len() > 3 {
        return Err(ERROR.into());
    }
    let quiet = is_quiet(words.last());
    let fits = match words[1..] {
        [] => true,
        [word] => word == b"0" || quiet,
        [word, _] => word == b"0" && quiet,
        _ => false,
    };
    if !fits {
        return Err(DELETE_USAGE.into());
    }
    whole(Request::Delete { key: key(words[0])?, quiet })
}

fn count(words: Words<'_>, up: bool) -> Parsed<'_> {
    let mut room = [&b""[..]; WORDS_MAX];
    let words = gather(words, &mut room);
    if words.len() < 2 || words.len() > 3 {
        return Err(ERROR.into());
    }
    let key = key(words[0])?;
    let delta = number(words[1]).ok_or(BAD_DELTA)?;
    whole(Request::Count { key, delta, up, quiet: is_quiet(words.get(2)) })
}

fn touch(words: Words<'_>) -> Parsed<'_> {
    let mut room = [&b""[..]; WORDS_MAX];
    let words = gather(words, &mut room);
    if words.len() < 2 || words.len() > 3 {
        return Err(ERROR.into());
    }
    let key = key(words[0])?;
    let exptime = signed(words[1]).ok_or(BAD_EXPTIME)?;
    whole(Request::Touch { key, exptime, quiet: is_quiet(words.get(2)) })
}

fn flush(words: Words<'_>) -> Parsed<'_> {
    let mut room = [&b""[..]; WORDS_MAX];
    let words = gather(words, &mut room);
    if words.len() > 2 {
        return Err(ERROR.into());
    }
    let quiet = is_quiet(words.last());
    let at = match words.first() {
        Some(word) if !(quiet && words.len() == 1) => signed(word).ok_or(BAD_EXPTIME)?,
        _ => 0,
    };
    whole(Request::Flush { at, quiet })
}

fn memory(words: Words<'_>) -> Parsed<'_> {
    let mut room = [&b""[..]; WORDS_MAX];
    let words = gather(words, &mut room);
    if words.is_empty() || words.len() > 2 {
        return Err(ERROR.into());
    }
    let quiet = is_quiet(words.last());
    match number(words[0]) {
        Some(megabytes) => whole(Request::Memory { megabytes, quiet }),
        None => Err(Bad { quiet, ..ERROR.into() }),
    }
}

fn verbosity(words: Words<'_>) -> Parsed<'_> {
    let mut room = [&b""[..]; WORDS_MAX];
    let words = gather(words, &mut room);
    let quiet = is_quiet(words.last());
    match words {
        [] => Err(ERROR.into()),
        [_] if quiet => whole(Request::Verbosity { quiet }),
        [level, ..] if number(level).is_some() => whole(Request::Verbosity { quiet }),
        _ => Err(BAD_FORMAT.into()),
    }
}
