//! Sessions that clients may take up again, without another look at certificates.
//!
//! Bounded by number and by age: a full cache forgets the oldest. A session is good for one resumption only.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustls::server::StoresServerSessions;

#[derive(Default)]
struct Kept {
    sessions: HashMap<Vec<u8>, (Vec<u8>, Instant)>,
    /// Oldest first; some may be gone.
    order: VecDeque<(Vec<u8>, Instant)>,
}

/// See the [module's page](self).
pub struct SessionCache {
    kept: Mutex<Kept>,
    len_max: usize,
    age_max: Duration,
}

impl std::fmt::Debug for SessionCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SessionCache(at most {})", self.len_max)
    }
}

impl SessionCache {
    pub fn new(len_max: usize, age_max: Duration) -> SessionCache {
        SessionCache { kept: Mutex::default(), len_max, age_max }
    }
}

impl StoresServerSessions for SessionCache {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        let now = Instant::now();
        let mut kept = self.kept.lock();
        kept.order.push_back((key.clone(), now));
        kept.sessions.insert(key, (value, now));
        // What has been taken leaves its place in the order, which is bounded like the rest.
        while kept.order.len() > self.len_max
            || kept.order.front().is_some_and(|(_, at)| now.duration_since(*at) > self.age_max)
        {
            let Some((oldest, at)) = kept.order.pop_front() else { break };
            if kept.sessions.get(&oldest).is_some_and(|(_, since)| *since == at) {
                kept.sessions.remove(&oldest);
            }
        }
        true
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let kept = self.kept.lock();
        kept.sessions.get(key).filter(|(_, at)| at.elapsed() <= self.age_max).map(|(value, _)| value.clone())
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        let taken = self.kept.lock().sessions.remove(key)?;
        (taken.1.elapsed() <= self.age_max).then_some(taken.0)
    }

    fn can_cache(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten() {
        let cache = SessionCache::new(2, Duration::from_secs(60));
        for key in [b"a", b"b", b"c"] {
            cache.put(key.to_vec(), key.to_vec());
        }
        assert_eq!(cache.get(b"a"), None);
        assert_eq!(cache.take(b"b"), Some(b"b".to_vec()));
        assert_eq!(cache.take(b"b"), None);
        assert_eq!(cache.get(b"c"), Some(b"c".to_vec()));
    }

    #[test]
    fn the_old_are_not_told() {
        let cache = SessionCache::new(2, Duration::ZERO);
        cache.put(b"a".to_vec(), b"x".to_vec());
        std::thread::sleep(Duration::from_millis(1));
        assert_eq!((cache.get(b"a"), cache.take(b"a")), (None, None));
    }
}
