//! Putting elements in order: by numbers or by bytes, of the elements themselves or of what BY finds for them.

use std::cmp::Ordering;

use protocol::ErrorReply;
use protocol::error::SORT_NOT_NUMBER;
use protocol::number::parse_f64;

use super::options::Options;
use crate::ctx::Ctx;

/// Sorts elements. Those whose numbers are equal are ordered by their bytes, so that the order does not depend on chance.
pub fn sort(
    ctx: &Ctx<'_>,
    elements: Vec<Vec<u8>>,
    options: &Options<'_>,
) -> Result<Vec<Vec<u8>>, ErrorReply> {
    let turned = |order: Ordering| if options.descending { order.reverse() } else { order };
    // Redis compares with C's `strcoll`, for which a zero byte ends a text, unless the result is to be stored.
    let text = |bytes: &[u8]| match options.store {
        None => bytes.split(|byte| *byte == 0).next().unwrap_or_default().len(),
        Some(_) => bytes.len(),
    };
    let compare = |a: &[u8], b: &[u8]| turned(a[..text(a)].cmp(&b[..text(b)]));
    match (&options.by, options.alpha) {
        (None, true) => {
            let mut elements = elements;
            elements.sort_by(|a, b| compare(a, b));
            Ok(elements)
        }
        (Some(by), true) => {
            // What is not found comes before everything that is.
            let found = |element: &Vec<u8>| by.look_up(ctx, element, <[u8]>::to_vec);
            let mut keyed: Vec<_> = elements.into_iter().map(|element| (found(&element), element)).collect();
            keyed.sort_by(|a, b| match (&a.0, &b.0) {
                (Some(a), Some(b)) => compare(a, b),
                (a, b) => turned(a.is_some().cmp(&b.is_some())),
            });
            Ok(without_keys(keyed))
        }
        (by, false) => {
            let weigh = |element: &Vec<u8>| match by {
                None => weight(element),
                Some(by) => by.look_up(ctx, element, weight).unwrap_or(Some(0.0)),
            };
            let mut keyed = Vec::with_capacity(elements.len());
            for element in elements {
                keyed.push((weigh(&element).ok_or(SORT_NOT_NUMBER)?, element));
            }
            keyed.sort_unstable_by(|a, b| {
                let by_weight = a.0.partial_cmp(&b.0).unwrap_or(Ordering::Equal);
                turned(by_weight.then_with(|| a.1.cmp(&b.1)))
            });
            Ok(without_keys(keyed))
        }
    }
}

fn without_keys<K>(keyed: Vec<(K, Vec<u8>)>) -> Vec<Vec<u8>> {
    keyed.into_iter().map(|(_, element)| element).collect()
}

/// The number that a text is, to C's `strtod`: blanks before it do not matter, a NUL ends it, and nothing at all is 0.
fn weight(text: &[u8]) -> Option<f64> {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).count();
    if text.is_empty() { Some(0.0) } else { parse_f64(&text[blanks..]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_what_strtod_reads() {
        for (text, expected) in [
            ("", Some(0.0)),
            ("3", Some(3.0)),
            (" \t-1.5e1", Some(-15.0)),
            ("0x10", Some(16.0)),
            ("inf", Some(f64::INFINITY)),
            ("2\0junk", Some(2.0)),
            ("2 ", None),
            (" ", None),
            ("nan", None),
            ("1e400", None),
            ("abc", None),
        ] {
            assert_eq!(weight(text.as_bytes()), expected, "{text:?}");
        }
    }
}
