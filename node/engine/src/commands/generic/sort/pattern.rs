//! Patterns of BY and GET: a key with a `*` for the element, perhaps followed by `->` and the field of a hash; or `#`, the
//! element itself.

use crate::ctx::Ctx;
use crate::types::string::IntText;
use crate::value::ValueRef;

/// See the [module's page](self).
pub struct Pattern<'a> {
    text: &'a [u8],
    /// Where the `*` is.
    star: Option<usize>,
    /// Where the `->` is, after the `*`.
    arrow: Option<usize>,
}

impl<'a> Pattern<'a> {
    pub fn new(text: &'a [u8]) -> Pattern<'a> {
        let star = text.iter().position(|b| *b == b'*');
        let arrow = star.and_then(|star| {
            let found = text[star + 1..].windows(2).position(|w| w == b"->")?;
            // An arrow at the end points at nothing: it belongs to the key.
            Some(star + 1 + found).filter(|at| at + 2 < text.len())
        });
        Pattern { text, star, arrow }
    }

    /// Whether it names a key, another one for each element.
    pub fn varies(&self) -> bool {
        self.star.is_some()
    }

    /// Shows what the pattern stands for with an element; `None` if that is not there or of the wrong type.
    pub fn look_up<R>(&self, ctx: &Ctx<'_>, element: &[u8], see: impl FnOnce(&[u8]) -> R) -> Option<R> {
        if self.text == b"#" {
            return Some(see(element));
        }
        let star = self.star?;
        let end = self.arrow.unwrap_or(self.text.len());
        let key = [&self.text[..star], element, &self.text[star + 1..end]].concat();
        match (ctx.value(&key)?, self.arrow) {
            (ValueRef::Hash(hash), Some(arrow)) => {
                let value = hash.live(ctx.env.due()).get(&self.text[arrow + 2..])?;
                Some(see(value.text(&mut itoa::Buffer::new())))
            }
            (_, Some(_)) => None,
            (value, None) => value.string_bytes(&mut IntText::default()).map(see),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (Option<usize>, Option<usize>) {
        let pattern = Pattern::new(text.as_bytes());
        (pattern.star, pattern.arrow)
    }

    #[test]
    fn patterns_are_taken_apart_at_the_first_star_and_the_arrow_after_it() {
        assert_eq!(parts("#"), (None, None));
        assert_eq!(parts("weight_*"), (Some(7), None));
        assert_eq!(parts("w*-*"), (Some(1), None));
        assert_eq!(parts("h*->f"), (Some(1), Some(2)));
        assert_eq!(parts("h*x->f->g"), (Some(1), Some(3)));
        assert_eq!(parts("h->*"), (Some(3), None));
        assert_eq!(parts("h*->"), (Some(1), None));
        assert_eq!(parts("h->f"), (None, None));
    }
}
