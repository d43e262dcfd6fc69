//! What a client is told when its command cannot be carried out: each text once, equal to Redis's.

pub mod streams;

use std::borrow::Cow;

/// An error reply without the leading `-` and the trailing CRLF. The first word is the error code.
///
/// What a client sent may be part of the text, whatever bytes it is made of: each of its bytes stands in the text as the
/// character of the same number, see [`shown`], and is sent as that byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorReply(pub Cow<'static, str>);

/// At most `max` bytes of an argument, as part of an [`ErrorReply`]; a zero byte ends them, as in C.
pub fn shown(argument: &[u8], max: usize) -> String {
    argument.iter().take(max).take_while(|byte| **byte != 0).map(|byte| char::from(*byte)).collect()
}

impl ErrorReply {
    pub const fn new(text: &'static str) -> ErrorReply {
        ErrorReply(Cow::Borrowed(text))
    }

    /// An error with the generic code: `ERR text`.
    pub fn err(text: impl AsRef<str>) -> ErrorReply {
        ErrorReply(Cow::Owned(format!("ERR {}", text.as_ref())))
    }

    pub fn text(&self) -> &str {
        &self.0
    }

    /// The code: the text up to the first space.
    pub fn code(&self) -> &str {
        self.0.split(' ').next().unwrap_or("ERR")
    }

    /// A transaction that may not run now, whatever was queued.
    pub fn exec_abort(reason: &ErrorReply) -> ErrorReply {
        let reason = reason.text().strip_prefix("ERR ").unwrap_or(reason.text());
        ErrorReply(Cow::Owned(format!("EXECABORT Transaction discarded because of: {reason}")))
    }

    pub fn wrong_arity(command: &str) -> ErrorReply {
        ErrorReply::err(format!("wrong number of arguments for '{}' command", command.to_lowercase()))
    }

    pub fn invalid_expire(command: &str) -> ErrorReply {
        ErrorReply::err(format!("invalid expire time in '{}' command", command.to_lowercase()))
    }

    pub fn unsupported_option(word: &[u8]) -> ErrorReply {
        ErrorReply::err(format!("Unsupported option {}", shown(word, usize::MAX)))
    }

    pub fn invalid_position(lon: f64, lat: f64) -> ErrorReply {
        ErrorReply::err(format!("invalid longitude,latitude pair {lon:.6},{lat:.6}"))
    }

    /// `what` stores its result and was asked to show details of it.
    pub fn store_with_details(what: &str) -> ErrorReply {
        ErrorReply::err(format!("{what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"))
    }

    pub fn one_centre(command: &[u8]) -> ErrorReply {
        let command = shown(command, usize::MAX);
        ErrorReply::err(format!("exactly one of FROMMEMBER or FROMLONLAT can be specified for {command}"))
    }

    pub fn one_shape(command: &[u8]) -> ErrorReply {
        let command = shown(command, usize::MAX);
        ErrorReply::err(format!("exactly one of BYRADIUS and BYBOX can be specified for {command}"))
    }

    pub fn no_input_keys(command: &str) -> ErrorReply {
        ErrorReply::err(format!("at least 1 input key is needed for '{}' command", command.to_lowercase()))
    }

    pub fn unknown_argument(argument: &[u8]) -> ErrorReply {
        ErrorReply::err(format!("unknown argument: {}", shown(argument, usize::MAX)))
    }

    pub fn unknown_subcommand(sub: &[u8], container: &str) -> ErrorReply {
        let sub = shown(sub, 128);
        ErrorReply::err(format!("unknown subcommand '{sub}'. Try {} HELP.", container.to_uppercase()))
    }

    /// A subcommand that is given too many arguments.
    pub fn subcommand_arity(sub: &[u8], container: &str) -> ErrorReply {
        let sub = shown(sub, 128);
        ErrorReply::err(format!(
            "unknown subcommand or wrong number of arguments for '{sub}'. Try {container} HELP."
        ))
    }
}

pub const WRONGTYPE: ErrorReply =
    ErrorReply::new("WRONGTYPE Operation against a key holding the wrong kind of value");
pub const SYNTAX: ErrorReply = ErrorReply::new("ERR syntax error");
pub const NOT_INTEGER: ErrorReply = ErrorReply::new("ERR value is not an integer or out of range");
pub const NOT_FLOAT: ErrorReply = ErrorReply::new("ERR value is not a valid float");
pub const OVERFLOW: ErrorReply = ErrorReply::new("ERR increment or decrement would overflow");
pub const DECREMENT_OVERFLOW: ErrorReply = ErrorReply::new("ERR decrement would overflow");
pub const NAN_OR_INF: ErrorReply = ErrorReply::new("ERR increment would produce NaN or Infinity");
pub const VALUE_NAN_OR_INF: ErrorReply = ErrorReply::new("ERR value is NaN or Infinity");
pub const HASH_VALUE_NOT_INTEGER: ErrorReply = ErrorReply::new("ERR hash value is not an integer");
pub const HASH_VALUE_NOT_FLOAT: ErrorReply = ErrorReply::new("ERR hash value is not a float");
pub const OUT_OF_RANGE: ErrorReply = ErrorReply::new("ERR value is out of range");
pub const COUNT_OUT_OF_RANGE: ErrorReply = ErrorReply::new(
    "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
);
pub const MUST_BE_POSITIVE: ErrorReply = ErrorReply::new("ERR value is out of range, must be positive");
pub const NUMKEYS_NOT_POSITIVE: ErrorReply = ErrorReply::new("ERR numkeys should be greater than 0");
pub const NUMKEYS_TOO_LARGE: ErrorReply =
    ErrorReply::new("ERR Number of keys can't be greater than number of args");
pub const NUMFIELDS_ZERO: ErrorReply = ErrorReply::new("ERR Parameter `numFields` should be greater than 0");
pub const NUMFIELDS_NOT_POSITIVE: ErrorReply =
    ErrorReply::new("ERR Number of fields must be a positive integer");
pub const NUMFIELDS_MISMATCH: ErrorReply =
    ErrorReply::new("ERR The `numfields` parameter must match the number of arguments");
pub const FIELDS_COUNT_INVALID: ErrorReply = ErrorReply::new("ERR invalid number of fields");
pub const FIELDS_MISSING: ErrorReply =
    ErrorReply::new("ERR Mandatory argument FIELDS is missing or not at the right position");
pub const FXX_OR_FNX: ErrorReply = ErrorReply::new("ERR Only one of FXX or FNX arguments can be specified");
pub const ONE_DEADLINE_OR_KEEPTTL: ErrorReply =
    ErrorReply::new("ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified");
pub const ONE_DEADLINE_OR_PERSIST: ErrorReply =
    ErrorReply::new("ERR Only one of EX, PX, EXAT, PXAT or PERSIST arguments can be specified");
pub const EXPIRE_NEGATIVE: ErrorReply = ErrorReply::new("ERR invalid expire time, must be >= 0");
pub const EXPIRE_MISSING: ErrorReply = ErrorReply::new("ERR missing expire time");
pub const BAD_UNIT: ErrorReply = ErrorReply::new("ERR Invalid unit arg");
pub const MEMBERS_CANNOT_EXPIRE: ErrorReply =
    ErrorReply::new("ERR only members of hashes, sets and sorted sets can expire");
pub const LIMIT_NEGATIVE: ErrorReply = ErrorReply::new("ERR LIMIT can't be negative");
pub const COUNT_NOT_POSITIVE: ErrorReply = ErrorReply::new("ERR count should be greater than 0");
pub const ZADD_XX_AND_NX: ErrorReply =
    ErrorReply::new("ERR XX and NX options at the same time are not compatible");
pub const ZADD_GT_LT_NX: ErrorReply =
    ErrorReply::new("ERR GT, LT, and/or NX options at the same time are not compatible");
pub const ZADD_INCR_PAIR: ErrorReply =
    ErrorReply::new("ERR INCR option supports a single increment-element pair");
pub const SCORE_NAN: ErrorReply = ErrorReply::new("ERR resulting score is not a number (NaN)");
pub const RANGE_NOT_FLOAT: ErrorReply = ErrorReply::new("ERR min or max is not a float");
pub const RANGE_NOT_LEX: ErrorReply = ErrorReply::new("ERR min or max not valid string range item");
pub const LIMIT_BY_RANK: ErrorReply =
    ErrorReply::new("ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX");
pub const WITHSCORES_BY_LEX: ErrorReply =
    ErrorReply::new("ERR syntax error, WITHSCORES not supported in combination with BYLEX");
pub const WEIGHT_NOT_FLOAT: ErrorReply = ErrorReply::new("ERR weight value is not a float");
pub const RANK_ZERO: ErrorReply = ErrorReply::new(
    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from \
     the end of the list",
);
pub const COUNT_NEGATIVE: ErrorReply = ErrorReply::new("ERR COUNT can't be negative");
pub const MAXLEN_NEGATIVE: ErrorReply = ErrorReply::new("ERR MAXLEN can't be negative");
pub const NO_STORAGE_PROVIDER: ErrorReply =
    ErrorReply::new("ERR Cannot flush cache without a storage provider set");
pub const NO_SWAP_IN_MESH: ErrorReply = ErrorReply::new(
    "ERR SWAPDB is not possible on a member of a mesh: what others write is for a database by its number",
);
pub const SORT_BY_CONFINED: ErrorReply =
    ErrorReply::new("ERR BY option of SORT denied due to insufficient ACL permissions.");
pub const SORT_GET_CONFINED: ErrorReply =
    ErrorReply::new("ERR GET option of SORT denied due to insufficient ACL permissions.");
pub const GEO_UNIT: ErrorReply = ErrorReply::new("ERR unsupported unit provided. please use M, KM, FT, MI");
pub const GEO_RADIUS: ErrorReply = ErrorReply::new("ERR need numeric radius");
pub const GEO_RADIUS_NEGATIVE: ErrorReply = ErrorReply::new("ERR radius cannot be negative");
pub const GEO_WIDTH: ErrorReply = ErrorReply::new("ERR need numeric width");
pub const GEO_HEIGHT: ErrorReply = ErrorReply::new("ERR need numeric height");
pub const GEO_BOX_NEGATIVE: ErrorReply = ErrorReply::new("ERR height or width cannot be negative");
pub const GEO_COUNT: ErrorReply = ErrorReply::new("ERR COUNT must be > 0");
pub const GEO_ANY: ErrorReply = ErrorReply::new("ERR the ANY argument requires COUNT argument");
pub const GEO_MEMBER: ErrorReply = ErrorReply::new("ERR could not decode requested zset member");
pub const NO_SUCH_KEY: ErrorReply = ErrorReply::new("ERR no such key");
pub const INDEX_OUT_OF_RANGE: ErrorReply = ErrorReply::new("ERR index out of range");
pub const STRING_TOO_LONG: ErrorReply =
    ErrorReply::new("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
pub const LCS_NOT_STRINGS: ErrorReply = ErrorReply::new("ERR The specified keys must contain string values");
pub const LCS_LEN_AND_IDX: ErrorReply =
    ErrorReply::new("ERR If you want both the length and indexes, please just use IDX.");
pub const LCS_KEYS_OR_STRINGS: ErrorReply = ErrorReply::new("ERR Either use STRINGS or KEYS");
pub const LCS_NO_STRINGS: ErrorReply =
    ErrorReply::new("ERR Please specify two strings: STRINGS or KEYS options are mandatory");
pub const LCS_TOO_LARGE: ErrorReply =
    ErrorReply::new("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
pub const DIGEST_MALFORMED: ErrorReply =
    ErrorReply::new("ERR digest must be exactly 16 hexadecimal characters");
pub const BOUNDS_CROSSED: ErrorReply = ErrorReply::new("ERR LBOUND can't be greater than UBOUND");
pub const OFFSET_OUT_OF_RANGE: ErrorReply = ErrorReply::new("ERR offset is out of range");
pub const BIT_OFFSET_OUT_OF_RANGE: ErrorReply =
    ErrorReply::new("ERR bit offset is not an integer or out of range");
pub const BIT_OUT_OF_RANGE: ErrorReply = ErrorReply::new("ERR bit is not an integer or out of range");
pub const BIT_ARGUMENT: ErrorReply = ErrorReply::new("ERR The bit argument must be 1 or 0.");
pub const BITOP_NOT: ErrorReply = ErrorReply::new("ERR BITOP NOT must be called with a single source key.");
pub const BITFIELD_TYPE: ErrorReply = ErrorReply::new(
    "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
);
pub const BITFIELD_READ_ONLY: ErrorReply =
    ErrorReply::new("ERR BITFIELD_RO only supports the GET subcommand");
pub const OVERFLOW_TYPE: ErrorReply = ErrorReply::new("ERR Invalid OVERFLOW type specified");
pub const NO_HYPERLOGLOG: ErrorReply =
    ErrorReply::new("WRONGTYPE Key is not a valid HyperLogLog string value.");
pub const CORRUPT_HYPERLOGLOG: ErrorReply = ErrorReply::new("INVALIDOBJ Corrupted HLL object detected");
pub const NO_SPECIFIED_KEY: ErrorReply = ErrorReply::new("ERR The specified key does not exist");
pub const HYPERLOGLOG_NOT_SPARSE: ErrorReply = ErrorReply::new("ERR HLL encoding is not sparse");
pub const TIMEOUT_NOT_FLOAT: ErrorReply = ErrorReply::new("ERR timeout is not a float or out of range");
pub const TIMEOUT_NEGATIVE: ErrorReply = ErrorReply::new("ERR timeout is negative");
pub const OOM: ErrorReply = ErrorReply::new("OOM command not allowed when used memory > 'maxmemory'.");
/// A node that lost its data takes no writes before it has got them back.
pub const SYNCING: ErrorReply = ErrorReply::new("LOADING Everwrite is getting its data back from its peers");
pub const NO_REPLICAS: ErrorReply = ErrorReply::new("NOREPLICAS Not enough good replicas to write.");
pub const READ_ONLY: ErrorReply = ErrorReply::new("READONLY You can't write against a read only replica.");
pub const MASTER_DOWN: ErrorReply =
    ErrorReply::new("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.");
pub const LOADING: ErrorReply = ErrorReply::new("LOADING Redis is loading the dataset in memory");
pub const EXEC_ABORT: ErrorReply =
    ErrorReply::new("EXECABORT Transaction discarded because of previous errors.");
pub const NO_AUTH: ErrorReply = ErrorReply::new("NOAUTH Authentication required.");
pub const INVALID_CURSOR: ErrorReply = ErrorReply::new("ERR invalid cursor");
pub const DB_OUT_OF_RANGE: ErrorReply = ErrorReply::new("ERR DB index is out of range");
pub const INVALID_FIRST_DB: ErrorReply = ErrorReply::new("ERR invalid first DB index");
pub const INVALID_SECOND_DB: ErrorReply = ErrorReply::new("ERR invalid second DB index");
pub const SAME_OBJECT: ErrorReply = ErrorReply::new("ERR source and destination objects are the same");
pub const OUT_OF_RANGE_I32: ErrorReply =
    ErrorReply::new("ERR value is out of range, value must between -2147483648 and 2147483647");
pub const EXPIRE_NX_AND_OTHERS: ErrorReply =
    ErrorReply::new("ERR NX and XX, GT or LT options at the same time are not compatible");
pub const EXPIRE_GT_AND_LT: ErrorReply =
    ErrorReply::new("ERR GT and LT options at the same time are not compatible");
pub const LFU_NOT_SELECTED: ErrorReply = ErrorReply::new(
    "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.",
);
pub const LFU_SELECTED: ErrorReply = ErrorReply::new(
    "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.",
);
pub const SORT_NOT_NUMBER: ErrorReply =
    ErrorReply::new("ERR One or more scores can't be converted into double");
pub const BUSY_KEY: ErrorReply = ErrorReply::new("BUSYKEY Target key name already exists.");
pub const BAD_PAYLOAD: ErrorReply = ErrorReply::new("ERR DUMP payload version or checksum are wrong");
pub const BAD_DATA_FORMAT: ErrorReply = ErrorReply::new("ERR Bad data format");
pub const INVALID_TTL: ErrorReply = ErrorReply::new("ERR Invalid TTL value, must be >= 0");
pub const INVALID_IDLETIME: ErrorReply = ErrorReply::new("ERR Invalid IDLETIME value, must be >= 0");
pub const INVALID_FREQ: ErrorReply = ErrorReply::new("ERR Invalid FREQ value, must be >= 0 and <= 255");
