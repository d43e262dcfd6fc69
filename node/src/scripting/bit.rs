//! The library `bit`: operations on 32 bits.

use super::lua::{Answer, Raise, State};

/// Fills the table on top of the stack.
pub fn open(l: State) {
    let functions: [(&str, fn(State)); 12] = [
        ("tobit", |l| l.push_function(tobit, 0)),
        ("bnot", |l| l.push_function(bnot, 0)),
        ("band", |l| l.push_function(band, 0)),
        ("bor", |l| l.push_function(bor, 0)),
        ("bxor", |l| l.push_function(bxor, 0)),
        ("lshift", |l| l.push_function(lshift, 0)),
        ("rshift", |l| l.push_function(rshift, 0)),
        ("arshift", |l| l.push_function(arshift, 0)),
        ("rol", |l| l.push_function(rol, 0)),
        ("ror", |l| l.push_function(ror, 0)),
        ("bswap", |l| l.push_function(bswap, 0)),
        ("tohex", |l| l.push_function(tohex, 0)),
    ];
    for (name, push) in functions {
        push(l);
        l.set_field(-2, name);
    }
}

/// The bits of an argument: of its nearest whole number, those that fit.
fn bits(l: State, index: i32) -> Result<u32, Raise> {
    let number = l.need_number(index)?;
    // Adding this moves the whole part into the low bits of the mantissa, rounded to even.
    const SHIFT: f64 = 6_755_399_441_055_744.0;
    Ok((number + SHIFT).to_bits() as u32)
}

fn give(l: State, bits: u32) -> Answer {
    l.push_number(f64::from(bits as i32));
    Ok(1)
}

fn tobit(l: State) -> Answer {
    give(l, bits(l, 1)?)
}

fn bnot(l: State) -> Answer {
    give(l, !bits(l, 1)?)
}

fn fold(l: State, join: fn(u32, u32) -> u32) -> Answer {
    let mut joined = bits(l, 1)?;
    for index in 2..=l.top() {
        joined = join(joined, bits(l, index)?);
    }
    give(l, joined)
}

fn band(l: State) -> Answer {
    fold(l, |a, b| a & b)
}

fn bor(l: State) -> Answer {
    fold(l, |a, b| a | b)
}

fn bxor(l: State) -> Answer {
    fold(l, |a, b| a ^ b)
}

/// Moves bits by an amount, of which five bits count.
fn shift(l: State, by: fn(u32, u32) -> u32) -> Answer {
    let (value, amount) = (bits(l, 1)?, bits(l, 2)?);
    give(l, by(value, amount & 31))
}

fn lshift(l: State) -> Answer {
    shift(l, |value, by| value << by)
}

fn rshift(l: State) -> Answer {
    shift(l, |value, by| value >> by)
}

fn arshift(l: State) -> Answer {
    shift(l, |value, by| ((value as i32) >> by) as u32)
}

fn rol(l: State) -> Answer {
    shift(l, u32::rotate_left)
}

fn ror(l: State) -> Answer {
    shift(l, u32::rotate_right)
}

fn bswap(l: State) -> Answer {
    give(l, bits(l, 1)?.swap_bytes())
}

/// Up to eight hexadecimal digits, the last ones; in upper case if their number is negative.
fn tohex(l: State) -> Answer {
    let value = bits(l, 1)?;
    let digits = if l.kind(2) == super::lua::NONE { 8 } else { bits(l, 2)? as i32 };
    let text = if digits < 0 { format!("{value:08X}") } else { format!("{value:08x}") };
    let shown = digits.unsigned_abs().min(8) as usize;
    l.push(&text.as_bytes()[8 - shown..]);
    Ok(1)
}
