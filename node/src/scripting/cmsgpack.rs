//! The library `cmsgpack`: MessagePack, without its binary and extension types, which scripts of Redis do not have.

use super::lua::{Answer, BOOLEAN, NUMBER, Raise, STRING, State, TABLE, argument, here};

/// Tables within tables that are packed; what is deeper becomes nil.
const NESTING_MAX: usize = 16;
/// Values that one level may take on the stack.
const ROOM: usize = 4;

/// Fills the table on top of the stack.
pub fn open(l: State) {
    l.push_function(pack, 0);
    l.set_field(-2, "pack");
    l.push_function(unpack, 0);
    l.set_field(-2, "unpack");
    l.push_function(unpack_one, 0);
    l.set_field(-2, "unpack_one");
    l.push_function(unpack_limit, 0);
    l.set_field(-2, "unpack_limit");
    for (name, text) in [
        ("_NAME", "cmsgpack"),
        ("_VERSION", "lua-cmsgpack 0.4.0"),
        ("_COPYRIGHT", "Copyright (C) 2012, Salvatore Sanfilippo"),
        ("_DESCRIPTION", "MessagePack C implementation for Lua"),
    ] {
        l.push(text.as_bytes());
        l.set_field(-2, name);
    }
}

fn pack(l: State) -> Answer {
    let count = l.top();
    if count == 0 {
        return argument(0, "MessagePack pack needs input.");
    }
    let mut packer = Packer { l, out: Vec::new() };
    for index in 1..=count {
        if !l.room(ROOM) {
            return here("stack overflow (in function mp_check)");
        }
        l.push_copy(index);
        packer.value(0);
    }
    l.push(&packer.out);
    Ok(1)
}

struct Packer {
    l: State,
    out: Vec<u8>,
}

impl Packer {
    /// Packs the value on top and pops it.
    fn value(&mut self, level: usize) {
        let l = self.l;
        match l.kind(-1) {
            STRING => self.string(l.bytes(-1).unwrap_or_default()),
            BOOLEAN => self.out.push(if l.bool(-1) { 0xc3 } else { 0xc2 }),
            NUMBER => self.number(l.number(-1)),
            TABLE if level < NESTING_MAX && l.room(ROOM) => self.table(level),
            _ => self.out.push(0xc0),
        }
        l.pop(1);
    }

    fn put<const N: usize>(&mut self, kind: u8, bytes: [u8; N]) {
        self.out.push(kind);
        self.out.extend_from_slice(&bytes);
    }

    fn string(&mut self, text: &[u8]) {
        match text.len() {
            n @ 0..32 => self.out.push(0xa0 | n as u8),
            n @ 32..=0xff => self.put(0xd9, [n as u8]),
            n @ 0x100..=0xffff => self.put(0xda, (n as u16).to_be_bytes()),
            n => self.put(0xdb, (n as u32).to_be_bytes()),
        }
        self.out.extend_from_slice(text);
    }

    fn number(&mut self, number: f64) {
        let whole = number as i64;
        if whole as f64 == number && whole != i64::MAX {
            return self.integer(whole);
        }
        let short = number as f32;
        if f64::from(short) == number {
            self.put(0xca, short.to_be_bytes());
        } else {
            self.put(0xcb, number.to_be_bytes());
        }
    }

    fn integer(&mut self, n: i64) {
        match n {
            0..=0x7f => self.out.push(n as u8),
            0x80..=0xff => self.put(0xcc, [n as u8]),
            0x100..=0xffff => self.put(0xcd, (n as u16).to_be_bytes()),
            0x1_0000..=0xffff_ffff => self.put(0xce, (n as u32).to_be_bytes()),
            0x1_0000_0000.. => self.put(0xcf, n.to_be_bytes()),
            -32..0 => self.out.push(n as u8),
            -0x80..-32 => self.put(0xd0, [n as u8]),
            -0x8000..-0x80 => self.put(0xd1, (n as i16).to_be_bytes()),
            -0x8000_0000..-0x8000 => self.put(0xd2, (n as i32).to_be_bytes()),
            _ => self.put(0xd3, n.to_be_bytes()),
        }
    }

    fn table(&mut self, level: usize) {
        let (count, is_array) = self.look();
        if is_array {
            return self.array(level);
        }
        self.length(0x80, 0xde, count);
        self.l.push_nil();
        while self.l.next(-2) {
            self.l.push_copy(-2);
            self.value(level + 1);
            self.value(level + 1);
        }
    }

    /// How many pairs the table on top has, and whether they are the elements of an array without holes.
    fn look(&self) -> (usize, bool) {
        let l = self.l;
        let (mut count, mut largest, mut indexes) = (0usize, 0f64, true);
        l.push_nil();
        while l.next(-2) {
            l.pop(1);
            let key = if l.kind(-1) == NUMBER { l.number(-1) } else { -1.0 };
            indexes &= key >= 1.0 && key.trunc() == key;
            largest = largest.max(key);
            count += 1;
        }
        (count, indexes && largest == count as f64)
    }

    fn array(&mut self, level: usize) {
        let len = self.l.len(-1);
        self.length(0x90, 0xdc, len);
        for n in 1..=len {
            self.l.get_index(-1, n as i32);
            self.value(level + 1);
        }
    }

    /// The head of an array or map: a short form, or one of two long ones.
    fn length(&mut self, short: u8, long: u8, n: usize) {
        match n {
            0..16 => self.out.push(short | n as u8),
            16..=0xffff => self.put(long, (n as u16).to_be_bytes()),
            _ => self.put(long + 1, (n as u32).to_be_bytes()),
        }
    }
}

fn unpack(l: State) -> Answer {
    unpack_some(l, 0, 0)
}

fn unpack_one(l: State) -> Answer {
    let offset = if l.is_absent(2) { 0 } else { int(l.need_number(2)?) };
    l.set_top(1);
    unpack_some(l, 1, offset)
}

fn unpack_limit(l: State) -> Answer {
    let limit = int(l.need_number(2)?);
    let offset = if l.is_absent(3) { 0 } else { int(l.need_number(3)?) };
    l.set_top(1);
    unpack_some(l, limit, offset)
}

/// A number as C's `int`.
fn int(number: f64) -> i32 {
    number as i64 as i32
}

/// Unpacks at most so many objects; with neither limit nor offset all of them, else the new offset comes first.
fn unpack_some(l: State, limit: i32, offset: i32) -> Answer {
    let text = l.need_text(1)?;
    let len = text.len();
    if offset < 0 || limit < 0 {
        return here(format!("Invalid request to unpack with offset of {offset} and limit of {len}."));
    }
    if offset as usize > len {
        return here(format!("Start offset {offset} greater than input length {len}."));
    }
    let all = limit == 0 && offset == 0;
    let mut unpacker = Unpacker { l, rest: &text[offset as usize..] };
    let mut count = 0;
    while !unpacker.rest.is_empty() && (all || count < limit) {
        if !l.room(ROOM) {
            return here(
                "stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)",
            );
        }
        unpacker.value()?;
        count += 1;
    }
    if !all {
        let left = unpacker.rest.len();
        l.push_number(if left == 0 { -1.0 } else { (len - left) as f64 });
        l.insert(2);
        count += 1;
    }
    Ok(count)
}

struct Unpacker<'a> {
    l: State,
    rest: &'a [u8],
}

impl<'a> Unpacker<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], Raise> {
        let Some((taken, rest)) = self.rest.split_at_checked(n) else {
            return here("Missing bytes in input.");
        };
        self.rest = rest;
        Ok(taken)
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Raise> {
        Ok(self.take(N)?.try_into().unwrap_or([0; N]))
    }

    /// A number without sign of so many bytes.
    fn size<const N: usize>(&mut self) -> Result<u64, Raise> {
        Ok(self.bytes::<N>()?.iter().fold(0, |n, b| n << 8 | u64::from(*b)))
    }

    /// Pushes the next object.
    fn value(&mut self) -> Result<(), Raise> {
        let l = self.l;
        let kind = self.size::<1>()? as u8;
        match kind {
            0..=0x7f => l.push_number(f64::from(kind)),
            0xe0..=0xff => l.push_number(f64::from(kind as i8)),
            0xc0 => l.push_nil(),
            0xc2 => l.push_bool(false),
            0xc3 => l.push_bool(true),
            0xca => l.push_number(f64::from(f32::from_be_bytes(self.bytes()?))),
            0xcb => l.push_number(f64::from_be_bytes(self.bytes()?)),
            0xcc => l.push_number(self.size::<1>()? as f64),
            0xcd => l.push_number(self.size::<2>()? as f64),
            0xce => l.push_number(self.size::<4>()? as f64),
            // Lua's integers have a sign.
            0xcf => l.push_number(self.size::<8>()? as i64 as f64),
            0xd0 => l.push_number(f64::from(i8::from_be_bytes(self.bytes()?))),
            0xd1 => l.push_number(f64::from(i16::from_be_bytes(self.bytes()?))),
            0xd2 => l.push_number(f64::from(i32::from_be_bytes(self.bytes()?))),
            0xd3 => l.push_number(i64::from_be_bytes(self.bytes()?) as f64),
            0xa0..=0xbf => l.push(self.take(usize::from(kind & 0x1f))?),
            0xd9 => self.string::<1>()?,
            0xda => self.string::<2>()?,
            0xdb => self.string::<4>()?,
            0x90..=0x9f => self.array(u64::from(kind & 0xf))?,
            0xdc => self.long_array::<2>()?,
            0xdd => self.long_array::<4>()?,
            0x80..=0x8f => self.map(u64::from(kind & 0xf))?,
            0xde => self.long_map::<2>()?,
            0xdf => self.long_map::<4>()?,
            _ => return here("Bad data format in input."),
        }
        Ok(())
    }

    fn string<const N: usize>(&mut self) -> Result<(), Raise> {
        let len = self.size::<N>()?;
        self.l.push(self.take(len as usize)?);
        Ok(())
    }

    fn long_array<const N: usize>(&mut self) -> Result<(), Raise> {
        let len = self.size::<N>()?;
        self.array(len)
    }

    fn long_map<const N: usize>(&mut self) -> Result<(), Raise> {
        let len = self.size::<N>()?;
        self.map(len)
    }

    fn array(&mut self, len: u64) -> Result<(), Raise> {
        if !self.l.room(ROOM) {
            return here("stack overflow (in function mp_decode_to_lua_array)");
        }
        self.l.push_table(0, 0);
        for n in 1..=len {
            self.l.push_number(n as f64);
            self.value()?;
            self.l.set(-3);
        }
        Ok(())
    }

    fn map(&mut self, len: u64) -> Result<(), Raise> {
        let l = self.l;
        if !l.room(ROOM) {
            return here("stack overflow (in function mp_decode_to_lua_hash)");
        }
        l.push_table(0, 0);
        for _ in 0..len {
            self.value()?;
            self.value()?;
            match l.kind(-2) {
                super::lua::NIL => return Err(Raise::Text(b"table index is nil".to_vec())),
                NUMBER if l.number(-2).is_nan() => return Err(Raise::Text(b"table index is NaN".to_vec())),
                _ => l.set(-3),
            }
        }
        Ok(())
    }
}
