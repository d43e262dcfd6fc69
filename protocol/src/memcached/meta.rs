//! The meta commands: a key, and flags of one letter that say what is wanted and what comes back, in their order.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::parser::{Bad, Limits, Line};
use super::request::Request;
use super::words::{Words, client_flags, length, number, signed};
use super::{BAD_FORMAT, ERROR, KEY_MAX, base64};

const INVALID_FLAG: &str = "CLIENT_ERROR invalid flag";
const DUPLICATE_FLAG: &str = "CLIENT_ERROR duplicate flag";
/// What md and ma make of all mistakes with flags.
const ANY_FLAG: &str = "CLIENT_ERROR invalid or duplicate flag";
const BAD_TOKEN: &str = "CLIENT_ERROR bad token in command line format";
const BAD_KEY: &str = "CLIENT_ERROR error decoding key";
const LONG_OPAQUE: &str = "CLIENT_ERROR opaque token too long";
const LONG_MODE: &str = "CLIENT_ERROR incorrect length for M token";
const BAD_SET_MODE: &str = "CLIENT_ERROR invalid mode for ms M token";
const BAD_COUNT_MODE: &str = "CLIENT_ERROR invalid mode for ma M token";

/// Longest opaque token, bytes.
const OPAQUE_MAX: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetaVerb {
    Get,
    Set,
    Delete,
    Count,
}

/// What the M flag says: of ms how it stores, of ma which way it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Set,
    Add,
    Append,
    Prepend,
    Replace,
    Up,
    Down,
}

/// A letter and what stands behind it.
#[derive(Clone, Copy, Debug)]
pub struct Flag<'a> {
    pub letter: u8,
    pub token: &'a [u8],
}

/// mg, ms, md or ma.
#[derive(Debug)]
pub struct Meta<'a> {
    pub verb: MetaVerb,
    pub key: Cow<'a, [u8]>,
    /// The key as it was sent.
    pub shown: &'a [u8],
    pub flags: SmallVec<[Flag<'a>; 8]>,
    pub mode: Mode,
    /// Of ms.
    pub data: &'a [u8],
}

impl Meta<'_> {
    pub fn has(&self, letter: u8) -> bool {
        self.flags.iter().any(|flag| flag.letter == letter)
    }

    /// The number behind a letter, which was checked to be one.
    pub fn number(&self, letter: u8) -> Option<u64> {
        self.token(letter).and_then(number)
    }

    /// The exptime behind a letter.
    pub fn exptime(&self, letter: u8) -> Option<i64> {
        self.token(letter).and_then(signed)
    }

    /// Client flags for the value, F.
    pub fn client_flags(&self) -> u32 {
        self.token(b'F').and_then(client_flags).unwrap_or(0)
    }

    fn token(&self, letter: u8) -> Option<&[u8]> {
        self.flags.iter().find(|flag| flag.letter == letter).map(|flag| flag.token)
    }
}

/// A line that begins with `verb`; `None`: it is none of these.
pub(super) fn line<'a>(
    verb: &'a [u8],
    mut words: Words<'a>,
    limits: Limits,
) -> Option<Result<Line<'a>, Bad>> {
    Some(match verb {
        b"mn" => Ok(Line::Whole(Request::Nothing)),
        b"mg" => plain(MetaVerb::Get, words),
        b"md" => plain(MetaVerb::Delete, words),
        b"ma" => plain(MetaVerb::Count, words),
        b"ms" => set(words, limits),
        b"me" => match words.next() {
            None => Err(BAD_FORMAT.into()),
            Some(word) => describe(word, words),
        },
        _ => return None,
    })
}

fn describe<'a>(word: &'a [u8], mut words: Words<'a>) -> Result<Line<'a>, Bad> {
    let key = key(word, words.any(|flag| flag == b"b"))?;
    Ok(Line::Whole(Request::Describe { key, shown: word }))
}

fn key(word: &[u8], encoded: bool) -> Result<Cow<'_, [u8]>, &'static str> {
    if word.len() > KEY_MAX {
        return Err(BAD_FORMAT);
    }
    if encoded { base64::decode(word).map(Cow::Owned).ok_or(BAD_KEY) } else { Ok(Cow::Borrowed(word)) }
}

fn plain(verb: MetaVerb, words: Words<'_>) -> Result<Line<'_>, Bad> {
    Ok(Line::Whole(Request::Meta(meta(verb, words)?)))
}

fn set<'a>(mut words: Words<'a>, limits: Limits) -> Result<Line<'a>, Bad> {
    let word = words.next().ok_or(ERROR)?;
    let len = words.next().and_then(length).ok_or(BAD_FORMAT)?;
    let request = parts(MetaVerb::Set, word, words);
    // Whatever is wrong with it: its data follow.
    let request = request.map_err(|text| Bad { text, skip: len + 2, quiet: false })?;
    if len > limits.item_max as u64 {
        let Meta { mode, .. } = request;
        let request = Request::TooLarge { key: word, removes: mode == Mode::Set, quiet: false };
        return Ok(Line::TooLong { len, request });
    }
    Ok(Line::Data { len: len as usize, quiet: false, request: Request::Meta(request) })
}

fn meta(verb: MetaVerb, mut words: Words<'_>) -> Result<Meta<'_>, Bad> {
    let word = words.next().ok_or(ERROR)?;
    Ok(parts(verb, word, words)?)
}

fn parts<'a>(verb: MetaVerb, word: &'a [u8], words: Words<'a>) -> Result<Meta<'a>, &'static str> {
    let vague = |text| match verb {
        MetaVerb::Get | MetaVerb::Set => text,
        MetaVerb::Delete | MetaVerb::Count => ANY_FLAG,
    };
    if word.len() > KEY_MAX {
        return Err(BAD_FORMAT);
    }
    let flags = flags(words).map_err(vague)?;
    let key = key(word, flags.iter().any(|flag| flag.letter == b'b'))?;
    let mode = match flags.iter().find(|flag| flag.letter == b'M') {
        None if verb == MetaVerb::Count => Mode::Up,
        None => Mode::Set,
        Some(Flag { token: [letter], .. }) => mode(verb, *letter)?,
        Some(_) => return Err(vague(LONG_MODE)),
    };
    Ok(Meta { verb, key, shown: word, flags, mode, data: b"" })
}

/// The flags that are understood; a command that has no use for one of them ignores it. Not among them: `E`, for the unique
/// numbers here are the versions of writes.
const KNOWN: &[u8] = b"bcCDfFhIJklMNOqRstTuv";

fn flags<'a>(words: Words<'a>) -> Result<SmallVec<[Flag<'a>; 8]>, &'static str> {
    let mut flags: SmallVec<[Flag<'a>; 8]> = SmallVec::new();
    for word in words {
        let (letter, token) = (word[0], &word[1..]);
        if flags.iter().any(|flag| flag.letter == letter) {
            return Err(DUPLICATE_FLAG);
        }
        if !KNOWN.contains(&letter) {
            return Err(INVALID_FLAG);
        }
        check(letter, token)?;
        flags.push(Flag { letter, token });
    }
    Ok(flags)
}

fn check(letter: u8, token: &[u8]) -> Result<(), &'static str> {
    let (fine, text) = match letter {
        b'C' | b'D' | b'J' => (number(token).is_some(), BAD_TOKEN),
        b'N' | b'R' | b'T' => (signed(token).is_some(), BAD_TOKEN),
        b'F' => (client_flags(token).is_some(), BAD_FORMAT),
        b'O' => (token.len() <= OPAQUE_MAX, LONG_OPAQUE),
        _ => (true, ""),
    };
    if fine { Ok(()) } else { Err(text) }
}

fn mode(verb: MetaVerb, letter: u8) -> Result<Mode, &'static str> {
    let letter = letter.to_ascii_uppercase();
    Ok(match (verb, letter) {
        (MetaVerb::Set, b'S') => Mode::Set,
        (MetaVerb::Set, b'E') => Mode::Add,
        (MetaVerb::Set, b'A') => Mode::Append,
        (MetaVerb::Set, b'P') => Mode::Prepend,
        (MetaVerb::Set, b'R') => Mode::Replace,
        (MetaVerb::Count, b'I' | b'+') => Mode::Up,
        (MetaVerb::Count, b'D' | b'-') => Mode::Down,
        (MetaVerb::Set, _) => return Err(BAD_SET_MODE),
        _ => return Err(BAD_COUNT_MODE),
    })
}
