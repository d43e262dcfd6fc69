//! The scripts that this node knows: what EVAL and SCRIPT LOAD have brought. They are kept until SCRIPT FLUSH, and are not
//! replicated: what a script does is.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::*};

use parking_lot::RwLock;

use super::reach::Habit;
use super::text::ScriptFlags;

/// The name of a script: the SHA-1 of its text, 40 hexadecimal digits in lower case.
pub type Sha = [u8; 40];

/// The name of a text.
pub fn sha1(text: &[u8]) -> Sha {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut hash = sha1_smol::Sha1::new();
    hash.update(text);
    let bytes = hash.digest().bytes();
    std::array::from_fn(|i| DIGITS[usize::from(bytes[i / 2] >> (4 * (1 - i % 2)) & 15)])
}

/// A name as a client gives it, in any case; `None` if it can't be one.
pub fn parse_sha(text: &[u8]) -> Option<Sha> {
    let mut sha: Sha = text.try_into().ok()?;
    sha.make_ascii_lowercase();
    Some(sha)
}

/// A script that compiles.
#[derive(Debug)]
pub struct Script {
    pub sha: Sha,
    pub text: Box<[u8]>,
    pub flags: ScriptFlags,
    pub habit: Habit,
}

impl Script {
    pub fn name(&self) -> &str {
        std::str::from_utf8(&self.sha).unwrap_or_default()
    }

    fn bytes(&self) -> usize {
        size_of::<Script>() + self.text.len() + 2 * size_of::<(Sha, Arc<Script>)>()
    }
}

/// See the [module's page](self).
#[derive(Default)]
pub struct Scripts {
    /// Rises with each flush: what workers have compiled before is out of date then.
    generation: AtomicU64,
    bytes: AtomicUsize,
    all: RwLock<HashMap<Sha, Arc<Script>>>,
}

impl Scripts {
    #[inline]
    pub fn generation(&self) -> u64 {
        self.generation.load(Acquire)
    }

    pub fn get(&self, sha: &Sha) -> Option<Arc<Script>> {
        self.all.read().get(sha).cloned()
    }

    /// Adds a script, unless it is there: then it is that one.
    pub fn add(&self, script: Script) -> Arc<Script> {
        let mut all = self.all.write();
        if let Some(known) = all.get(&script.sha) {
            return known.clone();
        }
        self.bytes.fetch_add(script.bytes(), Relaxed);
        let script = Arc::new(script);
        all.insert(script.sha, script.clone());
        script
    }

    /// Forgets all scripts. Returns them: freeing them may take a while.
    pub fn flush(&self) -> HashMap<Sha, Arc<Script>> {
        let mut all = self.all.write();
        self.bytes.store(0, Relaxed);
        self.generation.fetch_add(1, Release);
        std::mem::take(&mut *all)
    }

    pub fn len(&self) -> usize {
        self.all.read().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the texts and what is known of them take.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }
}
