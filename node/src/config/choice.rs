//! Directives whose value is one of a few words.

use super::row::{Origin, Row};
use super::value::Value;

/// Declares an enum, the words for its variants (any of which is understood, the first shown), and with the first variant
/// what a blank configuration begins with.
macro_rules! choices {
    ($( $(#[$doc:meta])+ $ty:ident {
        $first:ident = $first_word:literal $(, $variant:ident = $word:literal $(| $synonym:literal)*)*
    } )+) => {$(
        $(#[$doc])+
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub enum $ty {
            #[default]
            $first,
            $($variant,)*
        }

        impl $ty {
            const WORDS: &[&str] = &[$first_word $(, $word $(, $synonym)*)*];

            /// The word for it.
            pub fn word(self) -> &'static str {
                match self {
                    $ty::$first => $first_word,
                    $($ty::$variant => $word,)*
                }
            }

            fn of_word(word: &str) -> Option<$ty> {
                match word {
                    $first_word => Some($ty::$first),
                    $($word $(| $synonym)* => Some($ty::$variant),)*
                    _ => None,
                }
            }
        }

        impl Value for $ty {
            fn take(&mut self, _: &Row, words: &[&[u8]], _: Origin) -> Result<(), String> {
                let word = String::from_utf8_lossy(words[0]).to_ascii_lowercase();
                *self = $ty::of_word(&word).ok_or_else(|| one_of($ty::WORDS))?;
                Ok(())
            }

            fn show(&self, _: &Row) -> Vec<u8> {
                self.word().into()
            }

            fn syntax(_: &Row) -> String {
                $ty::WORDS.join(", ")
            }
        }
    )+};
}

/// The complaint about a word that is not on the list.
pub(super) fn one_of(words: &[&str]) -> String {
    format!("argument(s) must be one of the following: {}", words.join(", "))
}

choices! {
    /// Channels a new user may use.
    AclPubsub { AllChannels = "allchannels", ResetChannels = "resetchannels" }

    /// When a write to the append-only file is forced to disk.
    AppendFsync { EverySec = "everysec", Always = "always", No = "no" }

    /// What cluster replies show as a node's address.
    EndpointType { Ip = "ip", Hostname = "hostname", Unknown = "unknown-endpoint" }

    /// Who may use a dangerous facility.
    Permission { No = "no", Yes = "yes", Local = "local" }

    /// Least important message that is logged.
    LogLevel { Debug = "debug", Verbose = "verbose", Notice = "notice", Warning = "warning" }

    /// Shape of a log line.
    LogFormat { Legacy = "legacy", Logfmt = "logfmt" }

    /// Shape of the time in a log line.
    LogTimestamp { Legacy = "legacy", Iso8601 = "iso8601", Milliseconds = "milliseconds" }

    /// Which keys to evict when memory is full.
    EvictionPolicy {
        VolatileLru = "volatile-lru", VolatileLfu = "volatile-lfu", VolatileRandom = "volatile-random",
        VolatileTtl = "volatile-ttl", AllKeysLru = "allkeys-lru", AllKeysLfu = "allkeys-lfu",
        AllKeysRandom = "allkeys-random", NoEviction = "noeviction"
    }

    /// Whether and how the kernel's out-of-memory score is adjusted.
    OomScoreAdj { No = "no", Relative = "yes" | "relative", Absolute = "absolute" }

    /// What to do when a master's command fails here.
    PropagationError { Ignore = "ignore", Panic = "panic", PanicOnReplicas = "panic-on-replicas" }

    /// Whether a master's snapshot is loaded without writing it to disk.
    DisklessLoad { Disabled = "disabled", OnEmptyDb = "on-empty-db", SwapDb = "swapdb" }

    /// Whose payloads are checked in depth.
    SanitizePayload { No = "no", Yes = "yes", Clients = "clients" }

    /// The service manager.
    Supervised { Upstart = "upstart", Systemd = "systemd", Auto = "auto", No = "no" }

    /// Syslog facility.
    SyslogFacility {
        User = "user", Local0 = "local0", Local1 = "local1", Local2 = "local2", Local3 = "local3",
        Local4 = "local4", Local5 = "local5", Local6 = "local6", Local7 = "local7"
    }

    /// Whether a TLS client must show a certificate.
    TlsAuthClients { No = "no", Yes = "yes", Optional = "optional" }

    /// When a value is written to the storage tier.
    StorageCacheMode { WriteThrough = "writethrough", WriteBack = "writeback" }
}
