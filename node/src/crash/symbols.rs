//! Names of functions by addresses: read from the program's own file, an ELF of 64 bits, when they are needed. Nothing is
//! trusted: a file that is cut or strange has no names.

use std::fs;
use std::ops::Range;

/// See the [module's page](self).
#[derive(Debug, Default)]
pub struct Symbols {
    /// Where files are mapped, and which.
    maps: Vec<(Range<usize>, String)>,
    /// The program's file, and where it begins in memory.
    program: String,
    base: usize,
    /// Functions of the program: where they begin in the file's own count, how long they are, what they are called.
    functions: Vec<(usize, usize, String)>,
}

impl Symbols {
    pub fn of_this_process() -> Symbols {
        let maps = maps(&fs::read_to_string("/proc/self/maps").unwrap_or_default());
        let program = fs::read_link("/proc/self/exe").unwrap_or_default().display().to_string();
        let base = maps.iter().find(|(_, file)| *file == program).map_or(0, |(range, _)| range.start);
        // By this name the file is there even if it has been replaced.
        let file = fs::read("/proc/self/exe").unwrap_or_default();
        let functions = functions(&file).unwrap_or_default();
        Symbols { maps, program, base, functions }
    }

    /// What is at an address: function and offset, or file and offset.
    pub fn name(&self, address: usize) -> String {
        let Some((range, file)) = self.maps.iter().find(|(range, _)| range.contains(&address)) else {
            return "?".into();
        };
        if *file == self.program {
            // A call's return address may lie behind the end of its function.
            let at = address.wrapping_sub(self.base);
            if let Some((name, offset)) = lookup(&self.functions, at.wrapping_sub(1)) {
                return format!("{name}+{:#x}", offset + 1);
            }
        }
        let start =
            self.maps.iter().find(|(_, other)| other == file).map_or(range.start, |(first, _)| first.start);
        format!("{file}(+{:#x})", address - start)
    }
}

fn lookup(functions: &[(usize, usize, String)], at: usize) -> Option<(String, usize)> {
    let behind = functions.partition_point(|(start, ..)| *start <= at);
    let (start, len, name) = functions.get(behind.checked_sub(1)?)?;
    (at - start < *len).then(|| (demangle(name), at - start))
}

/// The lines of /proc/self/maps that are about files.
fn maps(text: &str) -> Vec<(Range<usize>, String)> {
    let line = |line: &str| {
        let (start, rest) = line.split_once('-')?;
        let end = rest.split(' ').next()?;
        let file = &line[line.find('/')?..];
        let number = |digits| usize::from_str_radix(digits, 16).ok();
        Some((number(start)?..number(end)?, file.to_owned()))
    };
    text.lines().filter_map(line).collect()
}

fn number<const N: usize>(file: &[u8], at: usize) -> Option<usize> {
    let bytes = file.get(at..at.checked_add(N)?)?;
    Some(bytes.iter().rev().fold(0usize, |n, byte| n << 8 | usize::from(*byte)))
}

/// The functions in an ELF file's table of symbols, by address.
fn functions(file: &[u8]) -> Option<Vec<(usize, usize, String)>> {
    const SYMBOLS: usize = 2;
    const FUNCTION: u8 = 2;
    if file.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let (sections, size, count) = (number::<8>(file, 40)?, number::<2>(file, 58)?, number::<2>(file, 60)?);
    let section = |i: usize| sections.checked_add(i.checked_mul(size)?);
    let table = (0..count).filter_map(section).find(|at| number::<4>(file, at + 4) == Some(SYMBOLS))?;
    let (start, len) = (number::<8>(file, table + 24)?, number::<8>(file, table + 32)?);
    let names = number::<8>(file, section(number::<4>(file, table + 40)?)? + 24)?;
    let mut all: Vec<(usize, usize, String)> = file
        .get(start..start.checked_add(len)?)?
        .chunks_exact(24)
        .filter(|symbol| symbol[4] & 15 == FUNCTION)
        .filter_map(|symbol| {
            let name = file.get(names.checked_add(number::<4>(symbol, 0)?)?..)?;
            let end = name.iter().take(4096).position(|byte| *byte == 0)?;
            let name = String::from_utf8_lossy(&name[..end]).into_owned();
            Some((number::<8>(symbol, 8)?, number::<8>(symbol, 16)?, name))
        })
        .collect();
    all.sort();
    Some(all)
}

/// `_ZN4node3log5start17h0123456789abcdefE` as `node::log::start`. What is no such name stays as it is.
fn demangle(name: &str) -> String {
    parts(name).map_or_else(|| name.to_owned(), |parts| parts.join("::"))
}

fn parts(name: &str) -> Option<Vec<String>> {
    let mut rest = name.strip_prefix("_ZN")?;
    let mut parts = Vec::new();
    while !rest.starts_with('E') {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let len: usize = rest[..digits].parse().ok()?;
        parts.push(plain(rest.get(digits..digits.checked_add(len)?)?));
        rest = &rest[digits + len..];
    }
    // The last one is a hash.
    if parts.len() > 1 && parts.last().is_some_and(|hash| hash.len() == 17 && hash.starts_with('h')) {
        parts.pop();
    }
    Some(parts)
}

/// A part of a name, in which signs are spelled out.
fn plain(part: &str) -> String {
    const SIGNS: [(&str, &str); 11] = [
        ("$LT$", "<"),
        ("$GT$", ">"),
        ("$u20$", " "),
        ("$u7b$", "{"),
        ("$u7d$", "}"),
        ("$RF$", "&"),
        ("$BP$", "*"),
        ("$LP$", "("),
        ("$RP$", ")"),
        ("$C$", ","),
        ("..", "::"),
    ];
    let part = part.strip_prefix('_').filter(|rest| rest.starts_with('$')).unwrap_or(part);
    SIGNS.iter().fold(part.to_owned(), |text, (spelled, sign)| text.replace(spelled, sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_readable() {
        assert_eq!(demangle("_ZN4node3log5start17h0123456789abcdefE"), "node::log::start");
        let part = "_$LT$node..Lines$u20$as$u20$core..fmt..Display$GT$";
        let name = format!("_ZN{}{part}3fmt17h0123456789abcdefE", part.len());
        assert_eq!(demangle(&name), "<node::Lines as core::fmt::Display>::fmt");
        for name in ["memcpy", "_ZN", "_ZN99x", "_ZN3ab", "_R"] {
            assert_eq!(demangle(name), name);
        }
    }

    #[test]
    fn a_function_of_this_program_is_found() {
        let symbols = Symbols::of_this_process();
        let here = a_function_of_this_program_is_found as fn() as usize;
        let name = symbols.name(here + 1);
        assert!(name.contains("a_function_of_this_program_is_found"), "{name}");
        assert_eq!(symbols.name(8), "?");
    }

    #[test]
    fn a_strange_file_has_no_functions() {
        let file = fs::read("/proc/self/exe").unwrap();
        assert!(functions(&file).is_some_and(|all| !all.is_empty()));
        for cut in [0, 6, 63, 64, 100, file.len() / 2] {
            assert!(functions(&file[..cut]).is_none_or(|all| all.is_empty()), "{cut}");
        }
    }
}
