//! Command lines from one-line grammars.
//!
//! ```text
//! SET <ks> <val> [NX|XX] [GET] [EX <sec>|KEEPTTL]
//! ```
//! Words stand for themselves, `<name>` for a random argument of that kind, `[...]` may be left out, `a|b` is a choice,
//! `(...)` groups, and `+` after an item repeats it one to four times.

use super::rng::Rng;

/// A parsed grammar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A word as it stands.
    Word(String),
    /// `<kind>`
    Kind(String),
    /// One after the other.
    Sequence(Vec<Node>),
    /// One of these.
    Choice(Vec<Node>),
    /// This or nothing.
    Optional(Box<Node>),
    /// This, one to four times.
    Repeat(Box<Node>),
}

impl Node {
    /// Parses a grammar. Panics if it is malformed: grammars are part of the test's own text.
    pub fn parse(text: &str) -> Node {
        let tokens = tokens(text);
        let mut at = 0;
        let node = choice(&tokens, &mut at);
        assert_eq!(at, tokens.len(), "unbalanced grammar: {text}");
        node
    }

    /// The command's name.
    pub fn name(&self) -> &str {
        match self {
            Node::Word(word) => word,
            Node::Sequence(nodes) => nodes.first().map_or("", Node::name),
            _ => "",
        }
    }

    /// Appends one random argument list.
    pub fn generate(
        &self,
        rng: &mut Rng,
        argument: &impl Fn(&str, &mut Rng) -> Vec<u8>,
        out: &mut Vec<Vec<u8>>,
    ) {
        match self {
            Node::Word(word) => out.push(word.clone().into_bytes()),
            Node::Kind(kind) => out.push(argument(kind, rng)),
            Node::Sequence(nodes) => nodes.iter().for_each(|n| n.generate(rng, argument, out)),
            Node::Choice(nodes) => rng.pick(nodes).generate(rng, argument, out),
            Node::Optional(node) if rng.percent(35) => node.generate(rng, argument, out),
            Node::Optional(_) => {}
            Node::Repeat(node) => (0..=rng.below(4)).for_each(|_| node.generate(rng, argument, out)),
        }
    }
}

fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut word = String::new();
    for c in text.chars() {
        if c.is_whitespace() || "[]()|+".contains(c) {
            if !word.is_empty() {
                tokens.push(std::mem::take(&mut word));
            }
            if !c.is_whitespace() {
                tokens.push(c.to_string());
            }
        } else {
            word.push(c);
        }
    }
    if !word.is_empty() {
        tokens.push(word);
    }
    tokens
}

fn choice(tokens: &[String], at: &mut usize) -> Node {
    let mut options = vec![sequence(tokens, at)];
    while tokens.get(*at).is_some_and(|t| t == "|") {
        *at += 1;
        options.push(sequence(tokens, at));
    }
    if options.len() == 1 { options.remove(0) } else { Node::Choice(options) }
}

fn sequence(tokens: &[String], at: &mut usize) -> Node {
    let mut items = Vec::new();
    while let Some(token) = tokens.get(*at).filter(|t| !matches!(t.as_str(), "]" | ")" | "|")) {
        *at += 1;
        let item = match token.as_str() {
            "+" => Node::Repeat(Box::new(items.pop().expect("something to repeat"))),
            "[" => Node::Optional(Box::new(closed(tokens, at, "]"))),
            "(" => closed(tokens, at, ")"),
            word => match word.strip_prefix('<').and_then(|w| w.strip_suffix('>')) {
                Some(kind) => Node::Kind(kind.to_owned()),
                None => Node::Word(word.to_owned()),
            },
        };
        items.push(item);
    }
    if items.len() == 1 { items.remove(0) } else { Node::Sequence(items) }
}

fn closed(tokens: &[String], at: &mut usize, close: &str) -> Node {
    let node = choice(tokens, at);
    assert_eq!(tokens.get(*at).map(String::as_str), Some(close), "unbalanced grammar: {tokens:?}");
    *at += 1;
    node
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reading_of_a_grammar_turns_up() {
        let grammar = Node::parse("SET <k> [NX|XX] (A <n>|B)+");
        assert_eq!(grammar.name(), "SET");
        let mut rng = Rng::new(7);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..500 {
            let mut out = Vec::new();
            grammar.generate(&mut rng, &|kind, _| kind.as_bytes().to_vec(), &mut out);
            let line =
                out.iter().map(|a| String::from_utf8_lossy(a).into_owned()).collect::<Vec<_>>().join(" ");
            assert!(line.starts_with("SET k "), "{line}");
            seen.insert(line);
        }
        for line in ["SET k A n", "SET k NX B", "SET k XX B A n", "SET k B B B B"] {
            assert!(seen.contains(line), "{line} never came");
        }
    }
}
