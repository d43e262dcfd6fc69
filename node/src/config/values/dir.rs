//! `dir`: the directory of all data files, which is the working directory of the process.

use std::path::{Path, PathBuf};

use crate::config::os_reason;
use crate::config::row::{Origin, Row};
use crate::config::value::{Value, quoted_line};

/// An absolute path of a directory that existed when the value was set.
///
/// A relative path counts from the value before, as each `dir` of Redis does a chdir. Nothing here changes the process:
/// the node does so when the value is in force. The default is
/// the directory the node was started in, which need not even exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataDir(pub PathBuf);

impl DataDir {
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Value for DataDir {
    fn take(&mut self, _: &Row, words: &[&[u8]], from: Origin) -> Result<(), String> {
        if from == Origin::Default {
            return Ok(());
        }
        let path = std::str::from_utf8(words[0]).map_err(|_| "argument must be valid UTF-8")?;
        // An empty path would join to the directory itself, where chdir refuses it.
        let wanted = if path.is_empty() { PathBuf::from("") } else { self.0.join(path) };
        let found = std::fs::canonicalize(&wanted).map_err(|e| os_reason(&e))?;
        // Looking up an entry takes what chdir takes: that it is a directory and may be searched.
        std::fs::metadata(found.join(".")).map_err(|e| os_reason(&e))?;
        self.0 = found;
        Ok(())
    }

    fn show(&self, _: &Row) -> Vec<u8> {
        self.0.as_os_str().as_encoded_bytes().to_vec()
    }

    fn lines(&self, row: &Row) -> Vec<Vec<u8>> {
        quoted_line(&self.show(row), row)
    }

    fn syntax(_: &Row) -> String {
        "directory".into()
    }
}
