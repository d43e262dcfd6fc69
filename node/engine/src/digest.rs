//! A digest of data, the same on every server that holds the same: DEBUG DIGEST. Equal to Redis's, so that a replica of
//! one kind can be compared with a master of another.
//!
//! Twenty bytes start at zero and take things in by two operations on SHA-1 hashes. [`Digest::add`] takes the exclusive
//! or with a thing's hash, so the order of things does not matter: keys of a database, members of a set. [`Digest::mix`]
//! does the same and then hashes the result, so that order does matter: elements of a list, the parts of one pair.

use protocol::listpack::Entry;
use sha1_smol::Sha1;

use crate::entry::EntryRef;
use crate::types::string::IntText;
use crate::value::ValueRef;

/// Bytes of a digest.
const LEN: usize = 20;

/// See the [module's page](self).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest([u8; LEN]);

fn sha1(bytes: &[u8]) -> [u8; LEN] {
    Sha1::from(bytes).digest().bytes()
}

impl Digest {
    /// Takes something in whose order does not matter.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.iter_mut().zip(sha1(bytes)).for_each(|(own, other)| *own ^= other);
    }

    /// Takes something in whose order matters.
    pub fn mix(&mut self, bytes: &[u8]) {
        self.add(bytes);
        self.0 = sha1(&self.0);
    }

    fn mix_entry(&mut self, entry: Entry<'_>) {
        self.mix(entry.text(&mut itoa::Buffer::new()));
    }

    /// Takes in a database: to be called before its keys, if it has any.
    pub fn database(&mut self, db: usize) {
        self.mix(&(db as u32).to_be_bytes());
    }

    /// Takes in a key with its value.
    pub fn key(&mut self, entry: EntryRef<'_>) {
        let mut pair = Digest::default();
        pair.mix(entry.key());
        pair.value(entry);
        self.add(&pair.0);
    }

    /// Takes in the value of a key, and whether it expires.
    pub fn value(&mut self, entry: EntryRef<'_>) {
        let value = entry.value();
        self.mix(&type_number(&value).to_be_bytes());
        match value {
            ValueRef::Tagged(string) => self.mix(&string.bytes),
            ValueRef::Int(_) | ValueRef::Bytes(_) | ValueRef::Raw(_) => {
                self.mix(value.string_bytes(&mut IntText::default()).unwrap_or_default());
            }
            ValueRef::List(list) => list.range(0, false, list.len(), |element| self.mix_entry(element)),
            ValueRef::Set(set) => set.iter().for_each(|m| self.add(m.text(&mut itoa::Buffer::new()))),
            ValueRef::Zset(zset) => zset.iter().for_each(|(member, score)| self.scored(member, score)),
            ValueRef::Hash(hash) => hash.iter().for_each(|(field, value)| {
                let mut pair = Digest::default();
                pair.mix_entry(field);
                pair.mix_entry(value);
                self.add(&pair.0);
            }),
            ValueRef::Stream(stream) => stream.iter().for_each(|entry| {
                self.mix(format!("{}.{}", entry.id.ms, entry.id.seq).as_bytes());
                entry.pairs().for_each(|(field, value)| {
                    self.mix_entry(field);
                    self.mix_entry(value);
                });
            }),
        }
        if entry.deadline().is_some() {
            self.add(b"!!expire!!");
        }
    }

    fn scored(&mut self, member: Entry<'_>, score: f64) {
        let (mut pair, mut text) = (Digest::default(), Vec::new());
        pair.mix_entry(member);
        protocol::number::fmt_f64(&mut text, score);
        pair.mix(&text);
        self.add(&pair.0);
    }

    /// Forty hexadecimal digits.
    pub fn text(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The numbers of the types in Redis.
fn type_number(value: &ValueRef<'_>) -> u32 {
    match value {
        ValueRef::Int(_) | ValueRef::Bytes(_) | ValueRef::Raw(_) | ValueRef::Tagged(_) => 0,
        ValueRef::List(_) => 1,
        ValueRef::Set(_) => 2,
        ValueRef::Zset(_) => 3,
        ValueRef::Hash(_) => 4,
        ValueRef::Stream(_) => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::Console;
    use crate::keyspace::Keyspace;

    /// Digests that Redis 7.0.15 answered for the same values.
    const RECORDED: [(&str, &str); 8] = [
        ("RPUSH l a b 3", "09eb1fc9381ee92790d59930ab462945f8cd948b"),
        ("SET s v", "d79ee9fe5d5ad902d7f6620efc3b07b75ddd742f"),
        ("HSET h f v n 1", "ad9a818d75d51dd3c55d5905f22259a91bbc4b14"),
        ("SADD si 1 2 3", "2a462a3f51a1db89738ebbeef0c47ce1bbc85246"),
        ("SADD ss a b c", "593c2414786d75446e97f4ea5d4b731f3313da72"),
        ("SET i 12345", "e1cf90774e995ae03de66e8109dc5cb9d9c2dc83"),
        ("SET e x EX 100000", "0745672cb1bf060476eedeb8a28f5ffe1ff5a2be"),
        ("ZADD z 1.5 a 2 b", "445b877af3c3ec83af30529ddbbdda3185172254"),
    ];

    #[test]
    fn values_have_the_digests_that_redis_gives_them() {
        let keyspace = Keyspace::new(16, 1);
        let mut console = Console::new(&keyspace);
        for (line, wanted) in RECORDED {
            console.run(line);
            let key = line.split(' ').nth(1).unwrap();
            let mut digest = Digest::default();
            digest.value(console.ctx.peek(key.as_bytes()).unwrap());
            assert_eq!(digest.text(), wanted, "{line}");
        }
    }

    #[test]
    fn the_order_of_keys_does_not_matter_but_their_database_does() {
        let keyspace = Keyspace::new(16, 1);
        let mut console = Console::new(&keyspace);
        console.run("SET a b");
        let entry = console.ctx.peek(b"a").unwrap();
        let digest_in = |db| {
            let mut digest = Digest::default();
            digest.database(db);
            digest.key(entry);
            digest
        };
        assert_ne!(digest_in(3), digest_in(0));
        let mut twice = digest_in(0);
        twice.key(entry);
        twice.key(entry);
        assert_eq!(twice, digest_in(0));
    }
}
