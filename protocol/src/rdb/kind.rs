//! The byte before an object: its type and how it is laid out.

use super::Error;

/// A kind of object; the discriminant is the byte in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    String = 0,
    /// Elements one by one; written before Redis 3.2.
    List = 1,
    /// Members one by one.
    Set = 2,
    /// Scores as text; written before Redis 4.0.
    ZsetText = 3,
    /// Fields and values one by one.
    Hash = 4,
    /// Scores in binary.
    Zset = 5,
    /// A module's value that only the module could delimit.
    Module1 = 6,
    Module2 = 7,
    HashZipmap = 9,
    ListZiplist = 10,
    SetIntset = 11,
    ZsetZiplist = 12,
    HashZiplist = 13,
    /// Nodes, each a ziplist.
    ListQuicklist = 14,
    /// Without the counters that Redis 7.0 added.
    Stream1 = 15,
    HashListpack = 16,
    ZsetListpack = 17,
    /// Nodes, each a listpack or one big element.
    ListQuicklist2 = 18,
    Stream2 = 19,
    /// Written from Redis 7.2 on.
    SetListpack = 20,
    /// With consumers' active time; written from Redis 7.2 on.
    Stream3 = 21,
    /// Fields, values and deadlines one by one, as Valkey writes them from 9.0 on. (Redis has this byte only in release
    /// candidates, for something else.)
    HashDatedValkey = 22,
    /// Deadlines, fields and values one by one; written from Redis 7.4 on, for hashes with deadlines.
    HashDated = 24,
    /// The same, packed.
    HashListpackDated = 25,
    /// A job of KeyDB's.
    Job = 64,
}

impl Kind {
    const ALL: [Kind; 25] = [
        Kind::String,
        Kind::List,
        Kind::Set,
        Kind::ZsetText,
        Kind::Hash,
        Kind::Zset,
        Kind::Module1,
        Kind::Module2,
        Kind::HashZipmap,
        Kind::ListZiplist,
        Kind::SetIntset,
        Kind::ZsetZiplist,
        Kind::HashZiplist,
        Kind::ListQuicklist,
        Kind::Stream1,
        Kind::HashListpack,
        Kind::ZsetListpack,
        Kind::ListQuicklist2,
        Kind::Stream2,
        Kind::SetListpack,
        Kind::Stream3,
        Kind::HashDatedValkey,
        Kind::HashDated,
        Kind::HashListpackDated,
        Kind::Job,
    ];

    /// What Redis calls it where it is broken.
    pub fn called(self) -> &'static str {
        match self {
            Kind::String => "String",
            Kind::List => "List",
            Kind::Set => "Set",
            Kind::Zset | Kind::ZsetText => "Zset",
            Kind::Hash | Kind::HashDated | Kind::HashDatedValkey => "Hash",
            Kind::Module1 | Kind::Module2 => "Module",
            Kind::HashZipmap => "Zipmap",
            Kind::ListZiplist => "List ziplist",
            Kind::SetIntset => "Intset",
            Kind::ZsetZiplist => "Zset ziplist",
            Kind::HashZiplist => "Hash ziplist",
            Kind::ListQuicklist => "Quicklist ziplist",
            Kind::HashListpack => "Hash listpack",
            Kind::HashListpackDated => "Hash listpackex",
            Kind::ZsetListpack => "Zset listpack",
            Kind::ListQuicklist2 => "Quicklist listpack",
            Kind::SetListpack => "Set listpack",
            Kind::Stream1 | Kind::Stream2 | Kind::Stream3 => "Stream listpack",
            Kind::Job => "Job",
        }
    }

    /// The byte in the file.
    pub fn byte(self) -> u8 {
        self as u8
    }
}

impl TryFrom<u8> for Kind {
    type Error = Error;

    fn try_from(byte: u8) -> Result<Self, Error> {
        Kind::ALL.into_iter().find(|kind| kind.byte() == byte).ok_or(Error::UnknownKind(byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_five_of_256_bytes_are_kinds() {
        let known: Vec<u8> = (0..=255).filter(|byte| Kind::try_from(*byte).is_ok()).collect();
        assert_eq!(known, (0..=25).filter(|byte| ![8, 23].contains(byte)).chain([64]).collect::<Vec<_>>());
        assert!(matches!(Kind::try_from(65), Err(Error::UnknownKind(65))));
    }
}
