//! `rename-command`: commands under other names, or under none.

/// What was renamed, in order. Names are in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Renames {
    /// Old and new name; an empty new name disables the command.
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Renames {
    pub fn pairs(&self) -> &[(Vec<u8>, Vec<u8>)] {
        &self.pairs
    }

    /// Renames a command that exists under that name, after the renames before, to one that does not.
    pub(super) fn add(
        &mut self,
        old: &[u8],
        new: &[u8],
        built_in: &dyn Fn(&[u8]) -> bool,
    ) -> Result<(), String> {
        let (old, new) = (old.to_ascii_lowercase(), new.to_ascii_lowercase());
        if !self.exists(&old, built_in) {
            return Err("No such command in rename-command".into());
        }
        if !new.is_empty() && self.exists(&new, built_in) {
            return Err("Target command name already exists".into());
        }
        self.pairs.push((old, new));
        Ok(())
    }

    fn exists(&self, name: &[u8], built_in: &dyn Fn(&[u8]) -> bool) -> bool {
        let last = self.pairs.iter().rev().find(|(old, new)| old == name || new == name);
        last.map_or_else(|| built_in(name), |(_, new)| new == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built_in(name: &[u8]) -> bool {
        name == b"get" || name == b"set"
    }

    #[test]
    fn chains_and_clashes() {
        let mut renames = Renames::default();
        assert_eq!(renames.add(b"foo", b"bar", &built_in), Err("No such command in rename-command".into()));
        assert_eq!(renames.add(b"GET", b"set", &built_in), Err("Target command name already exists".into()));
        renames.add(b"GET", b"Foo", &built_in).unwrap();
        assert_eq!(renames.add(b"get", b"bar", &built_in), Err("No such command in rename-command".into()));
        assert_eq!(renames.add(b"set", b"FOO", &built_in), Err("Target command name already exists".into()));
        renames.add(b"set", b"get", &built_in).unwrap();
        renames.add(b"foo", b"", &built_in).unwrap();
        let pairs: &[(&[u8], &[u8])] = &[(b"get", b"foo"), (b"set", b"get"), (b"foo", b"")];
        assert!(renames.pairs().iter().map(|(a, b)| (a.as_slice(), b.as_slice())).eq(pairs.iter().copied()));
    }
}
