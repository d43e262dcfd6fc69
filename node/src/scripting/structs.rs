//! The library `struct`: packing of numbers and strings as C lays them out.
//!
//! ```text
//! <  >  !n     little or big endian; align to at most n, a power of 2, without n to 8. Not aligned unless said so
//! b B  h H  l L  i I  T     integers of 1, 2, 8, 4 (or, with a number behind, so many) and 8 bytes; capitals have no sign
//! f  d         floating point
//! s  cn        a string that ends with a zero byte; one of n bytes, of its own length if n is 0
//! x  blank     a zero byte; nothing
//! ```

use super::lua::{Answer, Raise, State, argument, here};

/// The most bytes an integer may have.
const SIZE_MAX: i32 = 32;
/// What is aligned to if it is not said.
const ALIGN: i32 = 8;

/// Fills the table on top of the stack.
pub fn open(l: State) {
    l.push_function(pack, 0);
    l.set_field(-2, "pack");
    l.push_function(unpack, 0);
    l.set_field(-2, "unpack");
    l.push_function(size, 0);
    l.set_field(-2, "size");
}

/// A format being read.
struct Format<'a> {
    rest: &'a [u8],
    big: bool,
    align: usize,
}

/// One option of a format, and the bytes that it takes.
struct Field {
    option: u8,
    size: usize,
}

impl<'a> Format<'a> {
    fn new(text: &'a [u8]) -> Format<'a> {
        // A C string ends with its first zero byte.
        let len = memchr::memchr(0, text).unwrap_or(text.len());
        Format { rest: &text[..len], big: false, align: 1 }
    }

    fn next(&mut self) -> Result<Option<Field>, Raise> {
        let Some((&option, rest)) = self.rest.split_first() else { return Ok(None) };
        self.rest = rest;
        let size = match option {
            b'b' | b'B' | b'x' => 1,
            b'h' | b'H' => 2,
            b'f' => 4,
            b'l' | b'L' | b'T' | b'd' => 8,
            b'c' => self.number(1)? as usize,
            b'i' | b'I' => {
                let size = self.number(4)?;
                if size > SIZE_MAX {
                    return here(format!("integral size {size} is larger than limit of {SIZE_MAX}"));
                }
                size as usize
            }
            _ => 0,
        };
        Ok(Some(Field { option, size }))
    }

    /// The number that follows, or what is meant without one.
    fn number(&mut self, or: i32) -> Result<i32, Raise> {
        let digits = self.rest.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            return Ok(or);
        }
        let (text, rest) = self.rest.split_at(digits);
        self.rest = rest;
        let number = text.iter().try_fold(0i32, |n, d| n.checked_mul(10)?.checked_add(i32::from(d - b'0')));
        match number {
            Some(number) => Ok(number),
            None => here("integral size overflow"),
        }
    }

    /// Zero bytes before a field at `at`.
    fn padding(&self, at: usize, field: &Field) -> usize {
        if field.size == 0 || field.option == b'c' {
            return 0;
        }
        let size = field.size.min(self.align);
        (size - (at & (size - 1))) & (size - 1)
    }

    /// What is no field but says something about those that follow.
    fn control(&mut self, option: u8) -> Result<(), Raise> {
        match option {
            b' ' => {}
            b'<' => self.big = false,
            b'>' => self.big = true,
            b'!' => {
                let align = self.number(ALIGN)?;
                if align <= 0 || align & (align - 1) != 0 {
                    return here(format!("alignment {align} is not a power of 2"));
                }
                self.align = align as usize;
            }
            other => return argument(1, format!("invalid format option '{}'", char::from(other))),
        }
        Ok(())
    }
}

/// A number as C converts it to 64 bits: with its sign if it has one.
fn bits(number: f64) -> u64 {
    const TOP: f64 = 9_223_372_036_854_775_808.0;
    if number < 0.0 {
        return if number >= -TOP { number as i64 as u64 } else { 1 << 63 };
    }
    match number {
        n if n < TOP => n as u64,
        n if n < 2.0 * TOP => n as u64,
        n if n.is_nan() => 1 << 63,
        _ => 0,
    }
}

fn pack(l: State) -> Answer {
    let mut format = Format::new(l.need_text(1)?);
    let given = l.top();
    let mut out: Vec<u8> = Vec::new();
    let mut next = 2;
    while let Some(mut field) = format.next()? {
        let start = out.len();
        out.resize(start + format.padding(start, &field), 0);
        match field.option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let value = bits(number(l, next, given)?);
                put_integer(&mut out, value, field.size, format.big);
                next += 1;
            }
            b'x' => out.push(0),
            b'f' => {
                let value = number(l, next, given)? as f32;
                out.extend_from_slice(&if format.big { value.to_be_bytes() } else { value.to_le_bytes() });
                next += 1;
            }
            b'd' => {
                let value = number(l, next, given)?;
                out.extend_from_slice(&if format.big { value.to_be_bytes() } else { value.to_le_bytes() });
                next += 1;
            }
            b'c' | b's' => {
                if next > given {
                    return argument(next, "string expected, got nil");
                }
                let text = l.need_text(next)?;
                next += 1;
                if field.size == 0 {
                    field.size = text.len();
                }
                if text.len() < field.size {
                    return argument(next, "string too short");
                }
                out.extend_from_slice(&text[..field.size]);
                if field.option == b's' {
                    out.push(0);
                }
            }
            other => format.control(other)?,
        }
    }
    l.push(&out);
    Ok(1)
}

/// A number among the arguments, of which there are so many.
fn number(l: State, index: i32, given: i32) -> Result<f64, Raise> {
    if index > given { argument(index, "number expected, got nil") } else { l.need_number(index) }
}

fn put_integer(out: &mut Vec<u8>, value: u64, size: usize, big: bool) {
    let start = out.len();
    let bytes = value.to_le_bytes();
    out.extend((0..size).map(|i| bytes.get(i).copied().unwrap_or(0)));
    if big {
        out[start..].reverse();
    }
}

fn get_integer(bytes: &[u8], big: bool, signed: bool) -> f64 {
    let join = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
    let value = if big { bytes.iter().fold(0, join) } else { bytes.iter().rev().fold(0, join) };
    if !signed {
        return value as f64;
    }
    let sign = u64::MAX.wrapping_shl((bytes.len() as u32).wrapping_mul(8).wrapping_sub(1));
    (if value & sign != 0 { value | sign } else { value }) as i64 as f64
}

fn unpack(l: State) -> Answer {
    let mut format = Format::new(l.need_text(1)?);
    let data = l.need_text(2)?;
    let first = if l.is_absent(3) { 1 } else { l.need_number(3)? as i64 };
    if first == 0 {
        return argument(3, "offset must be 1 or greater");
    }
    l.set_top(2);
    let mut at = (first as u64 - 1) as usize;
    let mut count = 0;
    while let Some(mut field) = format.next()? {
        at = at.wrapping_add(format.padding(at, &field));
        check(data, at, field.size)?;
        if !l.room(3) {
            return here("stack overflow (too many results)");
        }
        let bytes = &data[at..at + field.size];
        match field.option {
            b'b' | b'h' | b'l' | b'i' => l.push_number(get_integer(bytes, format.big, true)),
            b'B' | b'H' | b'L' | b'T' | b'I' => l.push_number(get_integer(bytes, format.big, false)),
            b'x' => count -= 1,
            b'f' => {
                let bytes = bytes.try_into().unwrap_or([0; 4]);
                let value = if format.big { f32::from_be_bytes(bytes) } else { f32::from_le_bytes(bytes) };
                l.push_number(f64::from(value));
            }
            b'd' => {
                let bytes = bytes.try_into().unwrap_or([0; 8]);
                l.push_number(if format.big { f64::from_be_bytes(bytes) } else { f64::from_le_bytes(bytes) });
            }
            b'c' => {
                if field.size == 0 {
                    if count == 0 || !l.is_number(-1) {
                        return here("format 'c0' needs a previous size");
                    }
                    field.size = l.number(-1) as i64 as usize;
                    l.pop(1);
                    count -= 1;
                    check(data, at, field.size)?;
                }
                l.push(&data[at..at + field.size]);
            }
            b's' => {
                let Some(len) = memchr::memchr(0, &data[at..]) else {
                    return here("unfinished string in data");
                };
                l.push(&data[at..at + len]);
                field.size = len + 1;
            }
            other => {
                format.control(other)?;
                count -= 1;
            }
        }
        count += 1;
        at += field.size;
    }
    l.push_number(at.wrapping_add(1) as f64);
    Ok(count + 1)
}

fn check(data: &[u8], at: usize, size: usize) -> Result<(), Raise> {
    let fits = size <= data.len() && at <= data.len() - size;
    if fits { Ok(()) } else { argument(2, "data string too short") }
}

fn size(l: State) -> Answer {
    let mut format = Format::new(l.need_text(1)?);
    let mut at = 0usize;
    while let Some(field) = format.next()? {
        at += format.padding(at, &field);
        if field.option == b's' || (field.option == b'c' && field.size == 0) {
            let name = if field.option == b's' { "s" } else { "c0" };
            return argument(1, format!("option '{name}' has no fixed size"));
        }
        if !field.option.is_ascii_alphanumeric() {
            format.control(field.option)?;
        }
        at += field.size;
    }
    l.push_number(at as f64);
    Ok(1)
}
