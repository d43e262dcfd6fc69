//! What a user may do, as words that would make the same user.
//!
//! Only the set of allowed commands is kept, not the words that led to it. So the words are found anew: categories are
//! named as long as one holds more commands that the description still gets wrong than it would spoil, the one that
//! spoils least first; commands that are still wrong then follow one by one.

use engine::command::{ALL, Categories};

use super::command_set::CommandSet;
use super::rules::Rules;
use super::selector::Selector;

impl Rules {
    /// The words of a user, as a line of an ACL file has them.
    pub fn describe(&self) -> Vec<u8> {
        let mut words: Vec<Vec<u8>> = self.flags().map(|flag| flag.as_bytes().to_vec()).collect();
        words.extend(self.passwords.iter().map(|password| format!("#{}", password.hex()).into_bytes()));
        words.push(self.root.describe());
        for selector in &self.selectors {
            words.push([b"(", selector.describe().as_slice(), b")"].concat());
        }
        words.join(&b' ')
    }

    /// The words that are on or off.
    pub fn flags(&self) -> impl Iterator<Item = &'static str> {
        [
            Some(if self.on { "on" } else { "off" }),
            self.no_password.then_some("nopass"),
            self.sanitize.map(|checked| if checked { "sanitize-payload" } else { "skip-sanitize-payload" }),
        ]
        .into_iter()
        .flatten()
    }
}

impl Selector {
    fn describe(&self) -> Vec<u8> {
        let mut words: Vec<Vec<u8>> = Vec::new();
        let keys = self.describe_keys();
        if !keys.is_empty() {
            words.push(keys);
        }
        if !self.all_channels {
            words.push(b"resetchannels".to_vec());
        }
        let channels = self.describe_channels();
        if !channels.is_empty() {
            words.push(channels);
        }
        words.push(self.describe_commands());
        words.join(&b' ')
    }

    pub fn describe_keys(&self) -> Vec<u8> {
        if self.all_keys {
            return b"~*".to_vec();
        }
        let mut out = Vec::new();
        for (i, key) in self.keys.iter().enumerate() {
            if i > 0 {
                out.push(b' ');
            }
            key.write(&mut out);
        }
        out
    }

    pub fn describe_channels(&self) -> Vec<u8> {
        if self.all_channels {
            return b"&*".to_vec();
        }
        let words: Vec<Vec<u8>> =
            self.channels.iter().map(|channel| [b"&", channel.as_slice()].concat()).collect();
        words.join(&b' ')
    }

    pub fn describe_commands(&self) -> Vec<u8> {
        let begin = if self.future { CommandSet::all() } else { CommandSet::NONE };
        let mut description = Description { shown: begin, words: Vec::new(), selector: self };
        description.words.extend_from_slice(if self.future { b"+@all" } else { b"-@all" });
        description.add_categories();
        description.add_commands();
        description.words
    }
}

/// A description under way.
struct Description<'a> {
    selector: &'a Selector,
    /// What the words so far say.
    shown: CommandSet,
    words: Vec<u8>,
}

impl Description<'_> {
    fn add(&mut self, allowed: bool, parts: &[&[u8]]) {
        self.words.extend_from_slice(if allowed { b" +" } else { b" -" });
        parts.iter().for_each(|part| self.words.extend_from_slice(part));
    }

    fn add_categories(&mut self) {
        let allowing = !self.selector.future;
        // What is named counts no longer, for or against another category.
        let mut left = self.selector.commands;
        let mut unused: Vec<(Categories, &str)> = Categories::NAMES.to_vec();
        while let Some((at, category, name)) = best(&left, allowing, &unused) {
            unused.remove(at);
            self.add(allowing, &[b"@", name.as_bytes()]);
            self.shown.put_category(category, allowing);
            left.put_category(category, !allowing);
        }
    }

    fn add_commands(&mut self) {
        for facts in ALL.iter().filter(|facts| facts.parent.is_none()) {
            let subcommands = facts.subcommands.iter().map(|sub| sub.facts());
            for facts in std::iter::once(facts).chain(subcommands) {
                let allowed = self.selector.commands.has(facts.id);
                if allowed != self.shown.has(facts.id) {
                    self.add(allowed, &[facts.full_name.as_bytes()]);
                    self.shown.put(facts.id, allowed);
                }
                if !allowed && let Some(firsts) = self.selector.first_args.get(&facts.id) {
                    firsts
                        .iter()
                        .for_each(|first| self.add(true, &[facts.full_name.as_bytes(), b"|", first]));
                }
            }
        }
    }
}

/// The category that says most and spoils least: its place, itself and its name.
fn best(
    left: &CommandSet,
    allowing: bool,
    unused: &[(Categories, &'static str)],
) -> Option<(usize, Categories, &'static str)> {
    let mut best = None;
    let mut least = (usize::MAX, 0);
    for (at, (category, name)) in unused.iter().enumerate() {
        let (inside, outside) = left.count(*category);
        let (right, wrong) = if allowing { (inside, outside) } else { (outside, inside) };
        let better = wrong < least.0 || (wrong == least.0 && right > least.1);
        if right > wrong && better {
            best = Some((at, *category, *name));
            least = (wrong, right);
        }
    }
    best
}
