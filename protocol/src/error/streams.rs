//! What clients are told about streams.

use super::ErrorReply;

pub const IDS_NOT_POSITIVE: ErrorReply = ErrorReply::new("ERR Number of IDs must be a positive integer");
pub const IDS_MISMATCH: ErrorReply =
    ErrorReply::new("ERR The `numids` parameter must match the number of arguments");
pub const INVALID_ID: ErrorReply =
    ErrorReply::new("ERR Invalid stream ID specified as stream command argument");
pub const ID_ZERO: ErrorReply = ErrorReply::new("ERR The ID specified in XADD must be greater than 0-0");
pub const ID_TOO_SMALL: ErrorReply =
    ErrorReply::new("ERR The ID specified in XADD is equal or smaller than the target stream top item");
pub const EXHAUSTED: ErrorReply =
    ErrorReply::new("ERR The stream has exhausted the last possible ID, unable to add more items");
pub const TOO_LARGE: ErrorReply = ErrorReply::new("ERR Elements are too large to be stored");
pub const MAXLEN_AND_MINID: ErrorReply =
    ErrorReply::new("ERR syntax error, MAXLEN and MINID options at the same time are not compatible");
pub const MAXLEN_NEGATIVE: ErrorReply = ErrorReply::new("ERR The MAXLEN argument must be >= 0.");
pub const LIMIT_NEGATIVE: ErrorReply = ErrorReply::new("ERR The LIMIT argument must be >= 0.");
pub const LIMIT_ALONE: ErrorReply =
    ErrorReply::new("ERR syntax error, LIMIT cannot be used without specifying a trimming strategy");
pub const LIMIT_EXACT: ErrorReply =
    ErrorReply::new("ERR syntax error, LIMIT cannot be used without the special ~ option");
pub const NO_TRIMMING: ErrorReply =
    ErrorReply::new("ERR syntax error, XTRIM must be called with a trimming strategy");
pub const BAD_START: ErrorReply = ErrorReply::new("ERR invalid start ID for the interval");
pub const BAD_END: ErrorReply = ErrorReply::new("ERR invalid end ID for the interval");
pub const GROUP_IN_XREAD: ErrorReply =
    ErrorReply::new("ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.");
pub const NOACK_IN_XREAD: ErrorReply =
    ErrorReply::new("ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.");
pub const CLAIM_IN_XREAD: ErrorReply =
    ErrorReply::new("ERR The CLAIM option is only supported by XREADGROUP. You called XREAD instead.");
pub const MIN_IDLE_NOT_INTEGER: ErrorReply = ErrorReply::new("ERR min-idle-time is not an integer");
pub const MIN_IDLE_NEGATIVE: ErrorReply = ErrorReply::new("ERR min-idle-time must be a positive integer");
pub const NACK_MODE: ErrorReply = ErrorReply::new("ERR mode must be SILENT, FAIL, or FATAL");
pub const NACK_IDS_NOT_POSITIVE: ErrorReply = ErrorReply::new("ERR numids must be a positive integer");
pub const NACK_IDS_MISMATCH: ErrorReply = ErrorReply::new("ERR number of IDs doesn't match numids");
pub const RETRYCOUNT_NEGATIVE: ErrorReply = ErrorReply::new("ERR Invalid RETRYCOUNT value, must be >= 0");
pub const IDS_EXPECTED: ErrorReply = ErrorReply::new("ERR syntax error, expected IDS keyword");
pub const GROUP_MISSING: ErrorReply = ErrorReply::new("ERR Missing GROUP option for XREADGROUP");
/// XREADGROUP says so too.
pub const UNBALANCED: ErrorReply = ErrorReply::new(
    "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.",
);
pub const LAST_IN_GROUP: ErrorReply = ErrorReply::new(
    "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.",
);
pub const NEW_WITHOUT_GROUP: ErrorReply = ErrorReply::new(
    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
);
pub const TIMEOUT_NOT_INTEGER: ErrorReply = ErrorReply::new("ERR timeout is not an integer or out of range");
pub const KEY_GONE: ErrorReply = ErrorReply::new("UNBLOCKED the stream key no longer exists");
pub const GROUP_GONE: ErrorReply =
    ErrorReply::new("NOGROUP the consumer group this client was blocked on no longer exists");
pub const KEY_MISSING: ErrorReply = ErrorReply::new(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.",
);
pub const GROUP_EXISTS: ErrorReply = ErrorReply::new("BUSYGROUP Consumer Group name already exists");
pub const ENTRIES_READ_NEGATIVE: ErrorReply =
    ErrorReply::new("ERR value for ENTRIESREAD must be positive or -1");
pub const ENTRIES_ADDED_NEGATIVE: ErrorReply = ErrorReply::new("ERR entries_added must be positive");
pub const SETID_BELOW_GIVEN_DELETED: ErrorReply =
    ErrorReply::new("ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id");
pub const SETID_BELOW_TOP: ErrorReply =
    ErrorReply::new("ERR The ID specified in XSETID is smaller than the target stream top item");
pub const ADDED_BELOW_LENGTH: ErrorReply =
    ErrorReply::new("ERR The entries_added specified in XSETID is smaller than the target stream length");
pub const COUNT_NOT_POSITIVE: ErrorReply = ErrorReply::new("ERR COUNT must be > 0");

/// Bytes of a client's in a message: up to the first zero byte, as C prints them.
fn shown(text: &[u8]) -> String {
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    String::from_utf8_lossy(&text[..end]).into_owned()
}

/// A number that an option needs is none.
pub fn invalid_number(what: &str, command: &str) -> ErrorReply {
    ErrorReply::err(format!("Invalid {what} argument for {command}"))
}

pub fn unrecognized_option(option: &[u8]) -> ErrorReply {
    ErrorReply::err(format!("Unrecognized XCLAIM option '{}'", shown(option)))
}

pub fn no_key_or_group(key: &[u8], group: &[u8]) -> ErrorReply {
    let (key, group) = (shown(key), shown(group));
    ErrorReply(format!("NOGROUP No such key '{key}' or consumer group '{group}'").into())
}

pub fn no_key_or_group_to_read(key: &[u8], group: &[u8]) -> ErrorReply {
    let text = no_key_or_group(key, group);
    ErrorReply(format!("{} in XREADGROUP with GROUP option", text.text()).into())
}

pub fn no_group(key: &[u8], group: &[u8]) -> ErrorReply {
    let (key, group) = (shown(key), shown(group));
    ErrorReply(format!("NOGROUP No such consumer group '{group}' for key name '{key}'").into())
}

/// XNACK has no such option.
pub fn unrecognized_nack_option(option: &[u8]) -> ErrorReply {
    ErrorReply::err(format!("Unrecognized XNACK option '{}'", shown(option)))
}
