//! Sets of named bits that describe commands: what a command does (flags), whom it may be granted to (ACL categories),
//! what it does to a key, and what its documentation says of it. Bits are in the order in which Redis prints the names.

/// Defines a set of named bits over an unsigned integer.
macro_rules! bitset {
    ($(#[$doc:meta])* $name:ident: $repr:ty { $($bit:ident($number:literal) = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub struct $name(pub $repr);

        impl $name {
            pub const NONE: $name = $name(0);
            $(pub const $bit: $name = $name(1 << $number);)*
            /// Every bit with its name, in printing order.
            pub const NAMES: &'static [($name, &'static str)] = &[$(($name::$bit, $text),)*];

            /// The bits of both sets.
            #[inline]
            pub const fn or(self, other: $name) -> $name {
                $name(self.0 | other.0)
            }

            /// The bits of this set that are not in `other`.
            pub const fn without(self, other: $name) -> $name {
                $name(self.0 & !other.0)
            }

            /// Whether every bit of `other` is in this set.
            #[inline]
            pub const fn has(self, other: $name) -> bool {
                self.0 & other.0 == other.0
            }

            /// Whether the sets share a bit.
            #[inline]
            pub const fn meets(self, other: $name) -> bool {
                self.0 & other.0 != 0
            }

            pub const fn is_empty(self) -> bool {
                self.0 == 0
            }

            /// How many bits are set.
            pub const fn len(self) -> usize {
                self.0.count_ones() as usize
            }

            /// The names of the bits that are set, in printing order.
            pub fn names(self) -> impl Iterator<Item = &'static str> {
                Self::NAMES.iter().filter(move |(bit, _)| self.has(*bit)).map(|(_, name)| *name)
            }

            /// The bit of a name, in any case.
            pub fn named(name: &[u8]) -> Option<$name> {
                Self::NAMES.iter().find(|(_, n)| n.as_bytes().eq_ignore_ascii_case(name)).map(|(bit, _)| *bit)
            }
        }
    };
}

bitset! {
    /// What a command does and when it may run.
    Flags: u64 {
        WRITE(0) = "write",
        READONLY(1) = "readonly",
        DENYOOM(2) = "denyoom",
        MODULE(3) = "module",
        ADMIN(4) = "admin",
        PUBSUB(5) = "pubsub",
        NOSCRIPT(6) = "noscript",
        BLOCKING(7) = "blocking",
        LOADING(8) = "loading",
        STALE(9) = "stale",
        SKIP_MONITOR(10) = "skip_monitor",
        SKIP_SLOWLOG(11) = "skip_slowlog",
        ASKING(12) = "asking",
        FAST(13) = "fast",
        NO_AUTH(14) = "no_auth",
        NO_MANDATORY_KEYS(15) = "no_mandatory_keys",
        NO_ASYNC_LOADING(16) = "no_async_loading",
        NO_MULTI(17) = "no_multi",
        MOVABLEKEYS(18) = "movablekeys",
        ALLOW_BUSY(19) = "allow_busy",
    }
}

bitset! {
    /// The ACL categories a command belongs to; printed with `@` before them, except in ACL CAT.
    Categories: u32 {
        KEYSPACE(0) = "keyspace",
        READ(1) = "read",
        WRITE(2) = "write",
        SET(3) = "set",
        SORTEDSET(4) = "sortedset",
        LIST(5) = "list",
        HASH(6) = "hash",
        STRING(7) = "string",
        BITMAP(8) = "bitmap",
        HYPERLOGLOG(9) = "hyperloglog",
        GEO(10) = "geo",
        STREAM(11) = "stream",
        PUBSUB(12) = "pubsub",
        ADMIN(13) = "admin",
        FAST(14) = "fast",
        SLOW(15) = "slow",
        BLOCKING(16) = "blocking",
        DANGEROUS(17) = "dangerous",
        CONNECTION(18) = "connection",
        TRANSACTION(19) = "transaction",
        SCRIPTING(20) = "scripting",
    }
}

bitset! {
    /// What a command does to a key. One of the first four says how it meets the key as a whole: it only reads it, changes
    /// it, overwrites it without looking, or removes it. The next four say what becomes of the user's data in the value:
    /// some of it is answered, changed depending on the old value, added, or removed. The last three are remarks on the spec.
    KeyFlags: u16 {
        RO(0) = "RO",
        RW(1) = "RW",
        OW(2) = "OW",
        RM(3) = "RM",
        ACCESS(4) = "access",
        UPDATE(5) = "update",
        INSERT(6) = "insert",
        DELETE(7) = "delete",
        NOT_KEY(8) = "not_key",
        INCOMPLETE(9) = "incomplete",
        VARIABLE_FLAGS(10) = "variable_flags",
    }
}

bitset! {
    /// Remarks on the command as a whole in COMMAND DOCS.
    DocFlags: u8 {
        DEPRECATED(0) = "deprecated",
        SYSCMD(1) = "syscmd",
    }
}

bitset! {
    /// Whether an argument may be left out, and whether it may be repeated, alone or together with its token.
    ArgFlags: u8 {
        OPTIONAL(0) = "optional",
        MULTIPLE(1) = "multiple",
        MULTIPLE_TOKEN(2) = "multiple_token",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_bits_belong_together() {
        let flags = Flags::FAST.or(Flags::WRITE);
        assert_eq!(flags.names().collect::<Vec<_>>(), ["write", "fast"]);
        assert!(flags.has(Flags::FAST) && !flags.has(Flags::FAST.or(Flags::ADMIN)));
        assert!(flags.meets(Flags::FAST.or(Flags::ADMIN)) && !flags.meets(Flags::ADMIN));
        assert_eq!(Categories::named(b"SortedSet"), Some(Categories::SORTEDSET));
        assert_eq!(Categories::named(b"zset"), None);
    }

    #[test]
    fn no_bit_is_used_twice() {
        for (i, (bit, _)) in Flags::NAMES.iter().enumerate() {
            assert_eq!(bit.0, 1 << i);
        }
        for (i, (bit, _)) in Categories::NAMES.iter().enumerate() {
            assert_eq!(bit.0, 1 << i);
        }
        for (i, (bit, _)) in KeyFlags::NAMES.iter().enumerate() {
            assert_eq!(bit.0, 1 << i);
        }
    }
}
