//! Jobs, from KeyDB's KEYDB.CRON: a script that runs once or again and again.
//!
//! A job is kept as a string with a tag of its own (see [`tagged`](super::tagged)), so it is saved, logged and carried to other
//! nodes as such strings are, and a server that knows no jobs reads it as a string. Here commands on strings refuse it. What its
//! bytes mean:
//!
//! ```text
//! form:u8 = 1   repeats:u8   due:u64   interval:u64   owner:u128      little-endian; due in unix ms, interval in ms
//! script   keys:u32 key*   arguments:u32 argument*                    each a length:u32 and bytes
//! ```
//!
//! *Owner* is the member of a mesh that runs the job, 0 if it was made outside of one.

use crate::value::{Value, ValueRef};

/// The tag of strings that are jobs: no client flags of memcached reach so far.
pub const TAG: u64 = 1 << 63;

/// What TYPE calls a job.
pub const TYPE_NAME: &str = "keydb.cron";

const FORM: u8 = 1;

/// See the [module's page](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    pub repeats: bool,
    /// When it runs next, unix ms.
    pub due: u64,
    /// Time between two runs, or before the only one, ms; never 0.
    pub interval: u64,
    pub owner: u128,
    pub script: Vec<u8>,
    pub keys: Vec<Vec<u8>>,
    pub arguments: Vec<Vec<u8>>,
}

impl Job {
    /// The job that a value is. `None` also if its bytes make no sense: such a job never runs.
    pub fn of(value: ValueRef<'_>) -> Option<Job> {
        match value {
            ValueRef::Tagged(string) if Job::is(value) => Job::decode(&string.bytes),
            _ => None,
        }
    }

    pub fn is(value: ValueRef<'_>) -> bool {
        value.tag() == TAG
    }

    pub fn to_value(&self) -> Value {
        Value::tagged(self.encode(), TAG)
    }

    /// The time after `now` at which it runs again, in step with its first run; what was missed is left out.
    pub fn next(&self, now: u64) -> u64 {
        let missed = now.saturating_sub(self.due) / self.interval;
        self.due.saturating_add(self.interval.saturating_mul(missed + 1))
    }

    /// The command that makes it what it is, whenever that runs.
    pub fn command(&self, key: &[u8]) -> Vec<Vec<u8>> {
        let number = |n: u64| n.to_string().into_bytes();
        let mut words = vec![
            b"KEYDB.CRON".to_vec(),
            key.to_vec(),
            if self.repeats { b"repeat".to_vec() } else { b"single".to_vec() },
            number(self.due.saturating_sub(self.interval)),
            number(self.interval),
            self.script.clone(),
            number(self.keys.len() as u64),
        ];
        words.extend(self.keys.iter().chain(&self.arguments).cloned());
        words
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORM, u8::from(self.repeats)];
        out.extend_from_slice(&self.due.to_le_bytes());
        out.extend_from_slice(&self.interval.to_le_bytes());
        out.extend_from_slice(&self.owner.to_le_bytes());
        put(&mut out, &self.script);
        for list in [&self.keys, &self.arguments] {
            out.extend_from_slice(&(list.len() as u32).to_le_bytes());
            list.iter().for_each(|bytes| put(&mut out, bytes));
        }
        out
    }

    fn decode(bytes: &[u8]) -> Option<Job> {
        let mut rest = bytes;
        let [form, repeats] = take(&mut rest)?;
        let due = u64::from_le_bytes(take(&mut rest)?);
        let interval = u64::from_le_bytes(take(&mut rest)?);
        let owner = u128::from_le_bytes(take(&mut rest)?);
        let script = text(&mut rest)?;
        let (keys, arguments) = (texts(&mut rest)?, texts(&mut rest)?);
        let sound = form == FORM && repeats <= 1 && interval > 0 && rest.is_empty();
        sound.then_some(Job { repeats: repeats == 1, due, interval, owner, script, keys, arguments })
    }
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

fn text(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let len = u32::from_le_bytes(take(rest)?) as usize;
    let (head, tail) = rest.split_at_checked(len)?;
    *rest = tail;
    Some(head.to_vec())
}

fn texts(rest: &mut &[u8]) -> Option<Vec<Vec<u8>>> {
    let count = u32::from_le_bytes(take(rest)?);
    // No allocation for a count that the bytes do not bear out.
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(text(rest)?);
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn job() -> Job {
        let words = |list: &[&[u8]]| list.iter().map(|word| word.to_vec()).collect();
        Job {
            repeats: true,
            due: 1_000,
            interval: 300,
            owner: 7,
            script: b"return 1".to_vec(),
            keys: words(&[b"k", b""]),
            arguments: words(&[b"a"]),
        }
    }

    #[test]
    fn what_is_missed_is_left_out_and_the_step_kept() {
        let job = job();
        for (now, next) in [(0, 1_300), (1_000, 1_300), (1_299, 1_300), (1_300, 1_600), (2_001, 2_200)] {
            assert_eq!(job.next(now), next, "{now}");
        }
        assert_eq!(Job { interval: u64::MAX, ..job }.next(5_000), u64::MAX);
    }

    #[test]
    fn a_job_is_a_value_and_comes_back() {
        let job = job();
        assert_eq!(Job::of(job.to_value().as_ref()), Some(job));
        assert_eq!(Job::of(Value::string(b"x").as_ref()), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(cut in 0usize..80, at in 0usize..80, byte: u8) {
            let mut bytes = job().encode();
            bytes.truncate(cut);
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
            if let Some(job) = Job::decode(&bytes) {
                prop_assert_eq!(job.encode(), bytes);
            }
        }
    }
}
