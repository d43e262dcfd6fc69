//! How a reply is looked at before it is compared, and whether it is the expected one.

use crate::value::Value;

/// Lines of a recorded reply are at most this wide where that is possible.
const WIDTH: usize = 110;

/// What of a reply counts. The default is all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// Order within aggregates does not count.
    pub sort: bool,
    /// A flat array is a list of pairs in no order.
    pub pairs: bool,
    /// Only types count.
    pub types: bool,
    /// Integers may be off by this much.
    pub near: Option<i64>,
    /// Keep the reply's text under this name.
    pub save: Option<String>,
}

impl View {
    /// The reply's text with what does not count taken out.
    pub fn text(&self, reply: &Value) -> String {
        let mut reply = reply.clone();
        if self.pairs {
            reply = sorted_pairs(reply);
        }
        if self.sort {
            reply = sorted(reply);
        }
        if self.types {
            return types(&reply);
        }
        reply.pretty(WIDTH)
    }

    /// Whether two texts made by [`View::text`] are the same reply.
    pub fn agrees(&self, one: &str, other: &str) -> bool {
        match self.near {
            Some(tolerance) => near(one, other, tolerance),
            None => one == other,
        }
    }

    /// Whether `actual`, made by [`View::text`], is what the script expects.
    pub fn accepts(&self, expected: &str, actual: &str) -> bool {
        match self.near {
            Some(tolerance) => near(expected, actual, tolerance),
            None => wildcard(expected, actual),
        }
    }
}

/// The value with all aggregates in the order of their elements' texts.
pub fn sorted(value: Value) -> Value {
    let sort = |items: Vec<Value>| {
        let mut items: Vec<Value> = items.into_iter().map(sorted).collect();
        items.sort_by_cached_key(Value::to_string);
        items
    };
    match value {
        Value::Array(v) => Value::Array(sort(v)),
        Value::Set(v) => Value::Set(sort(v)),
        Value::Push(v) => Value::Push(sort(v)),
        Value::Map(v) => {
            let mut v: Vec<_> = v.into_iter().map(|(k, v)| (sorted(k), sorted(v))).collect();
            v.sort_by_cached_key(|(k, v)| format!("{k} {v}"));
            Value::Map(v)
        }
        other => other,
    }
}

/// Flat arrays, also those within another, with their pairs in the order of their texts.
pub fn sorted_pairs(value: Value) -> Value {
    match value {
        Value::Array(v) if v.iter().any(|item| item.items().is_some()) => {
            Value::Array(v.into_iter().map(sorted_pairs).collect())
        }
        Value::Array(v) => {
            let mut pairs: Vec<&[Value]> = v.chunks(2).collect();
            pairs.sort_by_cached_key(|p| p.iter().map(|v| format!("{v} ")).collect::<String>());
            Value::Array(pairs.concat())
        }
        Value::Map(_) => sorted(value),
        other => other,
    }
}

fn types(value: &Value) -> String {
    let join = |items: &[Value]| items.iter().map(types).collect::<Vec<_>>().join(", ");
    match value {
        Value::Simple(_) => "status".into(),
        Value::Error(_) | Value::BulkError(_) => value.to_string(),
        Value::Int(_) => "int".into(),
        Value::Bulk(_) => "bulk".into(),
        Value::Double(_) => "double".into(),
        Value::Big(_) => "big".into(),
        Value::Bool(_) => "bool".into(),
        Value::Verbatim(..) => "verbatim".into(),
        Value::NullBulk | Value::NullArray | Value::Null => value.to_string(),
        Value::Array(v) => format!("[{}]", join(v)),
        Value::Set(v) => format!("set[{}]", join(v)),
        Value::Push(v) => format!("push[{}]", join(v)),
        Value::Map(v) => {
            let pair = |(k, v): &(Value, Value)| format!("{k}: {}", types(v));
            format!("{{{}}}", v.iter().map(pair).collect::<Vec<_>>().join(", "))
        }
        Value::Attr(_, v) => format!("attr {}", types(v)),
    }
}

/// Equality, where `<*>` in `expected` stands for any text.
fn wildcard(expected: &str, actual: &str) -> bool {
    let parts: Vec<&str> = expected.split("<*>").collect();
    let [first, middle @ .., last] = parts.as_slice() else { return expected == actual };
    let Some(mut rest) = actual.strip_prefix(first) else { return false };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Equality of everything but integers, which may differ by `tolerance`.
fn near(expected: &str, actual: &str, tolerance: i64) -> bool {
    let (a, b) = (numbers(expected), numbers(actual));
    a.0 == b.0
        && a.1.len() == b.1.len()
        && a.1.iter().zip(&b.1).all(|(x, y)| x.abs_diff(*y) <= tolerance as u64)
}

/// The text with every integer replaced by `#`, and the integers.
fn numbers(text: &str) -> (String, Vec<i64>) {
    let (mut skeleton, mut found, mut digits) = (String::new(), Vec::new(), String::new());
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_digit() || (c == '-' && digits.is_empty()) {
            digits.push(c);
            continue;
        }
        match digits.parse() {
            Ok(n) => {
                found.push(n);
                skeleton.push('#');
            }
            Err(_) => skeleton.push_str(&digits),
        }
        digits.clear();
        skeleton.push(c);
    }
    (skeleton, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulks(items: &[&str]) -> Value {
        Value::Array(items.iter().map(|i| Value::Bulk(i.as_bytes().to_vec())).collect())
    }

    #[test]
    fn order_can_be_ignored() {
        let view = View { sort: true, ..View::default() };
        assert_eq!(view.text(&bulks(&["b", "a"])), view.text(&bulks(&["a", "b"])));
        assert_ne!(View::default().text(&bulks(&["b", "a"])), View::default().text(&bulks(&["a", "b"])));
    }

    #[test]
    fn pairs_stay_together() {
        let view = View { pairs: true, ..View::default() };
        assert_eq!(view.text(&bulks(&["b", "1", "a", "2"])), r#"["a", "2", "b", "1"]"#);
        let scanned = Value::Array(vec![Value::Int(0), bulks(&["b", "1", "a", "2"])]);
        assert_eq!(view.text(&scanned), r#"[0, ["a", "2", "b", "1"]]"#);
    }

    #[test]
    fn wildcards_match_any_text_but_no_other() {
        let view = View::default();
        assert!(view.accepts("+a<*>c", "+abbc"));
        assert!(view.accepts("<*>b<*>", "abc"));
        assert!(!view.accepts("+a<*>c", "+abb"));
        assert!(!view.accepts("ab<*>b", "ab"));
        assert!(!view.accepts("+a", "+ab"));
    }

    #[test]
    fn near_numbers_match_within_the_tolerance() {
        let view = View { near: Some(5), ..View::default() };
        assert!(view.accepts("[100, \"a\"]", "[97, \"a\"]"));
        assert!(!view.accepts("[100, \"a\"]", "[94, \"a\"]"));
        assert!(!view.accepts("[100, \"a\"]", "[100, \"b\"]"));
        assert!(!view.accepts("100", "nil"));
        assert!(view.accepts("-2", "-1"));
    }

    #[test]
    fn types_only() {
        let view = View { types: true, ..View::default() };
        assert_eq!(view.text(&Value::Array(vec![Value::Int(4), Value::NullBulk])), "[int, nil]");
        assert_eq!(view.text(&Value::Error("ERR x".into())), "-ERR x");
    }
}
