//! Clients: commands that read a node's state, decide, and write effects, as the server's commands do.

use replication::Place;
use replication::effect::*;
use replication::overlay::{Cell, Memory, Plain};

use crate::rng::Rng;
use crate::store::Store;

/// What a client's command sees and does at one node.
pub struct Client<'a> {
    pub store: &'a mut Store,
    pub version: u64,
    pub origin: u16,
    /// The node's horizon.
    pub horizon: u64,
    /// M2: writes that change nothing travel too.
    pub touch: bool,
    /// What to replicate.
    pub writes: Vec<Write>,
    /// What was acknowledged, and where it stands: with M2 the same.
    pub promised: Vec<(Place, Write)>,
}

impl<'a> Client<'a> {
    pub fn new(store: &'a mut Store, version: u64, origin: u16, horizon: u64, touch: bool) -> Client<'a> {
        Client { store, version, origin, horizon, touch, writes: Vec::new(), promised: Vec::new() }
    }

    fn now_ms(&self) -> u64 {
        self.version >> 20
    }

    /// The key's type as this command sees it; an expired key is reclaimed first.
    pub fn open(&mut self, key: &Key) -> Option<Kind> {
        let kind = self.store.kind(key, self.now_ms());
        if let Some(deadline) = self.store.overlay.reclaimed(key).filter(|_| kind.is_none()) {
            self.write(key, false, Effect::Reclaim { deadline });
        }
        if kind.is_none()
            && let Some(deadline) = self.store.plain.deadline(key)
        {
            self.write(key, false, Effect::Reclaim { deadline });
        }
        kind
    }

    /// Carries out one effect.
    pub fn write(&mut self, key: &Key, create: bool, effect: Effect) {
        let write = Write { key: key.clone(), create, effect };
        let sub = self.promised.len() as u32;
        let place = Place { version: self.version, origin: self.origin, sub };
        let idle = !self.touch && !create && self.changes_nothing(&write);
        let effect = self.store.naive.resolve::<Memory>(key, write.effect.clone());
        self.promised.push((place, Write { effect, ..write.clone() }));
        if !idle {
            let sub = self.writes.len() as u32;
            let place = Place { version: self.version, origin: self.origin, sub };
            self.store.apply(place, &write);
            self.writes.push(write);
        }
    }

    fn changes_nothing(&self, write: &Write) -> bool {
        let cell = |name: &[u8]| self.store.plain.cell(&write.key, name);
        match &write.effect {
            Effect::AddMember(name) => cell(name).is_some(),
            Effect::SetField { field, value, .. } => cell(field) == Some(Cell::Text(value.clone(), None)),
            Effect::SetScore { member, score, .. } => cell(member) == Some(Cell::Score(*score, None)),
            Effect::Put { value, deadline: None, .. } => {
                self.store.plain.value(&write.key).as_ref() == Some(value)
                    && self.store.plain.deadline(&write.key).is_none()
            }
            _ => false,
        }
    }

    /// A random command on a random key.
    pub fn command(&mut self, rng: &mut Rng) {
        match rng.below(24) {
            0..=3 => self.string(rng),
            4..=7 => self.hash(rng),
            8..=10 => self.set(rng),
            11..=13 => self.zset(rng),
            14..=17 => self.list(rng),
            18..=19 => self.stream(rng),
            _ => self.generic(rng),
        }
    }

    fn key(&self, rng: &mut Rng, own: &str) -> Key {
        let name =
            if rng.once_in(5) { format!("any{}", rng.below(2)) } else { format!("{own}{}", rng.below(2)) };
        Key { db: 0, name: name.into_bytes() }
    }

    /// A key of this type or absent; the second says that it is absent.
    fn writable(&mut self, rng: &mut Rng, own: &str, kind: Kind) -> Option<(Key, bool)> {
        let key = self.key(rng, own);
        match self.open(&key) {
            None => Some((key, true)),
            Some(same) if same == kind => Some((key, false)),
            Some(_) => None,
        }
    }

    fn string(&mut self, rng: &mut Rng) {
        let text = |rng: &mut Rng| word(rng, 30);
        if rng.once_in(4) {
            let key = self.key(rng, "s");
            let absent = self.open(&key).is_none();
            let deadline = match rng.below(4) {
                0 => Some(self.now_ms() + 1 + rng.below(400)),
                1 if !absent => self.store.plain.deadline(&key),
                _ => None,
            };
            let nx = absent && rng.once_in(2);
            let bytes = if rng.once_in(2) { text(rng) } else { rng.below(9).to_string().into_bytes() };
            let value = Text { bytes, tag: rng.below(3) }.into();
            return self.write(&key, false, Effect::Put { value, deadline, absent: nx });
        }
        let Some((key, absent)) = self.writable(rng, "s", Kind::String) else { return };
        let old = self.store.plain.text(&key).filter(|_| !absent);
        let number =
            old.as_ref().map_or(Some(0), |old| std::str::from_utf8(&old.bytes).ok()?.parse::<i64>().ok());
        let effect = match (rng.below(5), number) {
            _ if rng.once_in(3) => {
                let delta = fraction(rng);
                let sum = Memory::add_float(old.as_ref().map_or(b"0", |old| &old.bytes[..]), &delta);
                let Some(result) = sum else { return };
                Effect::AddFloat { delta, result }
            }
            (0..=1, Some(n)) => {
                let delta = rng.below(9) as i64 - 2;
                let Some(result) = n.checked_add(delta) else { return };
                Effect::Add { delta, result }
            }
            (0..=2, _) => Effect::Append(text(rng)),
            (3, _) => Effect::SetRange { offset: rng.below(6), bytes: text(rng) },
            _ => Effect::RaiseRegisters(vec![rng.below(5) as u8 + 48; 3]),
        };
        self.write(&key, absent, effect);
    }

    fn hash(&mut self, rng: &mut Rng) {
        let Some((key, absent)) = self.writable(rng, "h", Kind::Hash) else { return };
        let field = word(rng, 3);
        let old = self.store.plain.cell(&key, &field).filter(|_| !absent);
        let effect = match rng.below(9) {
            6.. => {
                let (delta, text) = (
                    fraction(rng),
                    match &old {
                        Some(Cell::Text(text, _)) => &text[..],
                        _ => b"0",
                    },
                );
                let Some(result) = Memory::add_float(text, &delta) else { return };
                Effect::AddFieldFloat { field, delta, result }
            }
            0..=1 => Effect::SetField { field, value: word(rng, 4), absent: false },
            2 if old.is_none() => Effect::SetField { field, value: word(rng, 9), absent: true },
            3 if old.is_some() => Effect::DelField(field),
            _ => match old {
                None => {
                    let delta = rng.below(9) as i64;
                    Effect::AddField { field, delta, result: delta }
                }
                Some(Cell::Text(text, _)) => {
                    let Ok(n) = String::from_utf8_lossy(&text).parse::<i64>() else { return };
                    Effect::AddField { field, delta: 3, result: n + 3 }
                }
                _ => return,
            },
        };
        self.write(&key, absent, effect);
    }

    /// A group of a stream moves on, and entries are delivered, claimed and acknowledged.
    fn stream(&mut self, rng: &mut Rng) {
        let Some((key, absent)) = self.writable(rng, "x", Kind::Stream) else { return };
        let mut part = word(rng, 4);
        if rng.once_in(3) {
            // One that others belong to.
            part.truncate(1);
        }
        let there = !absent && self.store.plain.cell(&key, &part).is_some();
        let effect = match rng.below(5) {
            0..=1 => Effect::SetPart { part, value: word(rng, 9), present: false },
            2 if there => Effect::SetPart { part, value: word(rng, 9), present: true },
            3 if there => Effect::DelPart(part),
            _ => Effect::RaisePart { part, value: word(rng, 9) },
        };
        self.write(&key, absent, effect);
    }

    fn set(&mut self, rng: &mut Rng) {
        let Some((key, absent)) = self.writable(rng, "set", Kind::Set) else { return };
        let member = word(rng, 4);
        if rng.once_in(2) {
            if !absent && self.store.plain.cell(&key, &member).is_some() {
                self.write(&key, false, Effect::DelMember(member));
            }
        } else {
            self.write(&key, absent, Effect::AddMember(member));
        }
    }

    fn zset(&mut self, rng: &mut Rng) {
        let Some((key, absent)) = self.writable(rng, "z", Kind::Zset) else { return };
        let member = word(rng, 3);
        let old = match self.store.plain.cell(&key, &member) {
            Some(Cell::Score(score, _)) if !absent => Some(score),
            _ => None,
        };
        let score = rng.below(100) as f64;
        let effect = match (rng.below(5), old) {
            (0..=1, _) => Effect::SetScore { member, score, only: ScoreCondition::default() },
            (2, old) if old.is_none_or(|old| score > old) => {
                let only = ScoreCondition { greater: true, ..Default::default() };
                Effect::SetScore { member, score, only }
            }
            (3, Some(_)) => Effect::DelScored(member),
            (_, old) => {
                let delta = *rng.pick(&[2.0, 0.1, -0.7]);
                Effect::AddScore { member, delta, result: old.unwrap_or(0.0) + delta }
            }
        };
        self.write(&key, absent, effect);
    }

    fn list(&mut self, rng: &mut Rng) {
        let Some((key, absent)) = self.writable(rng, "l", Kind::List) else { return };
        let element = word(rng, 90);
        if absent || rng.below(9) < 3 {
            let spot = if rng.once_in(2) { Spot::Head } else { Spot::Tail };
            return self.write(&key, absent, Effect::Insert { spot, element });
        }
        let len = self.store.plain.list_len(&key);
        let at = match rng.below(3) {
            0 => 0,
            1 => len - 1,
            _ => rng.index(len),
        };
        let Some(id) = self.store.overlay.element(&self.store.plain, &key, at) else { return };
        let effect = match rng.below(6) {
            0 => Effect::SetElement { id, element },
            1 => Effect::Insert { spot: Spot::Before(id), element },
            2 => Effect::Insert { spot: Spot::After(id), element },
            _ => Effect::DelElements(vec![id]),
        };
        self.write(&key, false, effect);
    }

    fn generic(&mut self, rng: &mut Rng) {
        let own = *rng.pick(&["s", "h", "set", "z", "l"]);
        let key = self.key(rng, own);
        let kind = self.open(&key);
        match rng.below(12) {
            0..=3 if kind.is_some() => self.write(&key, false, Effect::Clear),
            4..=5 if kind.is_some() => {
                let at = Some(self.now_ms() + 1 + rng.below(300)).filter(|_| !rng.once_in(4));
                let only = match rng.below(4) {
                    0 if at.is_some() => DeadlineCondition { greater: true, ..Default::default() },
                    1 => DeadlineCondition { absent: true, ..Default::default() },
                    _ => DeadlineCondition::default(),
                };
                self.write(&key, false, Effect::ExpireAt { at, only });
            }
            6..=7 => {
                let words =
                    (0..rng.below(4)).map(|_| word(rng, 5)).collect::<std::collections::BTreeSet<_>>();
                let value = match rng.below(3) {
                    0 => Value::Set(words.into_iter().collect()),
                    1 => Value::List(words.into_iter().collect()),
                    _ => Value::Hash(words.into_iter().map(|w| (w, b"7".to_vec())).collect()),
                };
                self.write(&key, false, Effect::Put { value, deadline: None, absent: false });
            }
            8 if kind.is_some() && !self.store.overlay.has(&key) => {
                self.write(&key, false, Effect::Evict { cut: self.store.overlay.levels().horizon });
            }
            9 if rng.once_in(6) => self.write(&Key { db: 0, name: Vec::new() }, false, Effect::ClearDb),
            _ => {
                for _ in 0..rng.below(4) {
                    self.string(rng);
                    self.hash(rng);
                    self.list(rng);
                }
            }
        }
    }
}

/// What sums of depend on their order for.
fn fraction(rng: &mut Rng) -> Bytes {
    rng.pick(&["0.1", "0.25", "-7.35", "1e3", "0.3"]).as_bytes().to_vec()
}

fn word(rng: &mut Rng, of: u64) -> Bytes {
    let n = rng.below(of) as u8;
    vec![b'a' + n % 26, b'0' + n / 26]
}
