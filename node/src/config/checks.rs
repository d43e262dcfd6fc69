//! What some texts must look like.

use super::row::Row;

/// Longest host name, less one.
const HOST_NAME_MAX: usize = 256;

/// Anything goes.
pub fn any(_: &Row, _: &str) -> Result<(), String> {
    Ok(())
}

/// A file name without a directory.
pub fn file_name(row: &Row, text: &str) -> Result<(), String> {
    if text.contains('/') { Err(format!("{} can't be a path, just a filename", row.name)) } else { Ok(()) }
}

/// An object in S3, or nothing.
pub fn s3_object(row: &Row, text: &str) -> Result<(), String> {
    let parts = text.strip_prefix("s3://").and_then(|rest| rest.split_once('/'));
    match parts {
        Some((bucket, key)) if !bucket.is_empty() && !key.is_empty() && !key.ends_with('/') => Ok(()),
        None if text.is_empty() => Ok(()),
        _ => Err(format!("{} must be of the form s3://bucket/key", row.name)),
    }
}

/// A file name without a directory that is not empty.
pub fn named_file(row: &Row, text: &str) -> Result<(), String> {
    not_empty(row, text)?;
    file_name(row, text)
}

/// A directory's name without its parent that is not empty.
pub fn named_dir(row: &Row, text: &str) -> Result<(), String> {
    not_empty(row, text)?;
    if text.contains('/') { Err(format!("{} can't be a path, just a dirname", row.name)) } else { Ok(()) }
}

fn not_empty(row: &Row, text: &str) -> Result<(), String> {
    if text.is_empty() { Err(format!("{} can't be empty", row.name)) } else { Ok(()) }
}

/// A host name, or nothing.
pub fn host_name(_: &Row, text: &str) -> Result<(), String> {
    if text.len() >= HOST_NAME_MAX {
        return Err(format!("Hostnames must be less than {HOST_NAME_MAX} characters"));
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.') {
        return Err("Hostnames may only contain alphanumeric characters, hyphens or dots".into());
    }
    Ok(())
}

/// Variables of proc-title-template.
pub const TITLE_VARIABLES: &[&str] =
    &["title", "listen-addr", "server-mode", "port", "tls-port", "config-file", "unixsocket"];

/// A template that holds something and only known variables.
pub fn title_template(_: &Row, text: &str) -> Result<(), String> {
    if text.is_empty() || !variables_known(text) {
        return Err("template format is invalid or contains unknown variables".into());
    }
    Ok(())
}

fn variables_known(mut text: &str) -> bool {
    while let Some(open) = text.find('{') {
        let Some(length) = text[open..].find('}') else { return false };
        if !TITLE_VARIABLES.contains(&&text[open + 1..open + length]) {
            return false;
        }
        text = &text[open + length + 1..];
    }
    true
}
