//! Records of a file of commands in batches, which a thread reads beside the one that runs them.
//!
//! At most [`BATCHES`] wait; then the reader does. They travel to and fro, so that their memory is used again. A batch holds
//! some [`BYTES`], or one larger command.

use std::io::BufRead;

use crossbeam::channel::{Receiver, Sender, bounded};
use protocol::Args;
use protocol::args::Span;

use super::records::{Records, Stop};

/// Bytes and records that make a batch.
const BYTES: usize = 64 * 1024;
const RECORDS: usize = 1024;
const BATCHES: usize = 4;
/// A batch that has grown beyond this gives its memory back, bytes.
const KEEP: usize = 1 << 20;

/// One record.
#[derive(Clone, Copy, Debug)]
pub enum Item<'a> {
    Command(Args<'a>),
    /// A line that begins with `#`, without its end.
    Annotation(&'a [u8]),
}

/// Where a record is in its batch.
#[derive(Debug)]
struct Place {
    first: usize,
    end: usize,
    annotation: bool,
    /// Where it ends in the file.
    position: u64,
}

/// See the [module's page](self).
#[derive(Debug, Default)]
pub struct Batch {
    pub(super) bytes: Vec<u8>,
    pub(super) spans: Vec<Span>,
    places: Vec<Place>,
    /// Why nothing follows.
    stop: Option<Stop>,
}

impl Batch {
    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub fn item(&self, i: usize) -> Item<'_> {
        let place = &self.places[i];
        let args = Args::new(&self.bytes, &self.spans[place.first..place.end]);
        if place.annotation { Item::Annotation(args.at(0)) } else { Item::Command(args) }
    }

    /// Where record `i` ends in the file.
    pub fn position(&self, i: usize) -> u64 {
        self.places[i].position
    }

    pub fn take_stop(&mut self) -> Option<Stop> {
        self.stop.take()
    }

    /// All spans since the last record are one.
    pub(super) fn close(&mut self, annotation: bool, position: u64) {
        let first = self.places.last().map_or(0, |last| last.end);
        self.places.push(Place { first, end: self.spans.len(), annotation, position });
    }

    /// Adds a word of the record under way. False: where it ends can't be told in a span.
    pub(super) fn push(&mut self, word: &[u8]) -> bool {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(word);
        self.spans.push(Span::new(start, word.len()));
        u32::try_from(self.bytes.len()).is_ok()
    }

    fn is_full(&self) -> bool {
        self.bytes.len() >= BYTES || self.places.len() >= RECORDS
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEEP);
        self.spans.clear();
        self.spans.shrink_to(KEEP / size_of::<Span>());
        self.places.clear();
        self.stop = None;
    }
}

/// Reads all records on a thread of its own, and hands over batches of them. The last one says why nothing follows it, unless
/// `take` has failed before.
pub fn each<R: BufRead + Send, E>(
    records: Records<R>,
    mut take: impl FnMut(&mut Batch) -> Result<(), E>,
) -> Result<(), E> {
    std::thread::scope(|scope| {
        let (full, batches) = bounded(BATCHES);
        let (emptied, spare) = bounded(BATCHES + 2);
        scope.spawn(move || read(records, &full, &spare));
        for mut batch in batches {
            take(&mut batch)?;
            batch.clear();
            let _ = emptied.try_send(batch);
        }
        Ok(())
    })
}

fn read<R: BufRead>(mut records: Records<R>, full: &Sender<Batch>, spare: &Receiver<Batch>) {
    loop {
        let mut batch = spare.try_recv().unwrap_or_default();
        while batch.stop.is_none() && !batch.is_full() {
            batch.stop = records.read_onto(&mut batch).err();
        }
        let last = batch.stop.is_some();
        // Nobody takes it if something was wrong with what came before.
        if full.send(batch).is_err() || last {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the batches say, whatever the source gives at once.
    fn records(file: &[u8], at_once: usize) -> (Vec<(String, u64)>, Option<Stop>) {
        let source = std::io::BufReader::with_capacity(at_once, file);
        let (mut all, mut stop) = (Vec::new(), None);
        let text = |item: Item<'_>| match item {
            Item::Command(args) => args.iter().map(String::from_utf8_lossy).collect::<Vec<_>>().join(" "),
            Item::Annotation(text) => String::from_utf8_lossy(text).into_owned(),
        };
        let done: Result<(), ()> = each(Records::new(source, 0), |batch| {
            all.extend((0..batch.len()).map(|i| (text(batch.item(i)), batch.position(i))));
            stop = batch.take_stop();
            Ok(())
        });
        assert!(done.is_ok());
        (all, stop)
    }

    #[test]
    fn batches_say_what_is_in_the_file() {
        let (mut file, mut expected) = (Vec::new(), Vec::new());
        for n in 0..5_000 {
            let value = "v".repeat(n % 90);
            let set = format!(
                "*3\r\n$3\r\nSET\r\n${}\r\n{n}\r\n${}\r\n{value}\r\n",
                n.to_string().len(),
                value.len()
            );
            file.extend_from_slice(set.as_bytes());
            expected.push((format!("SET {n} {value}"), file.len() as u64));
            if n % 1_000 == 7 {
                file.extend_from_slice(b"#TS:12\r\n");
                expected.push(("#TS:12".into(), file.len() as u64));
            }
        }
        for at_once in [16, 1_000, 1 << 20] {
            let (all, stop) = records(&file, at_once);
            assert!(all == expected, "{at_once}");
            assert!(matches!(stop, Some(Stop::End)));
        }
    }

    #[test]
    fn a_batch_before_the_end_is_whole() {
        let file = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*1\r\n$4\r\nPI";
        for at_once in [1, 24, 1_000] {
            let (all, stop) = records(file, at_once);
            assert_eq!(all, [("GET k".to_string(), 20)]);
            assert!(matches!(stop, Some(Stop::Short)));
        }
        for bad in [
            &b"GET k\r\n"[..],
            b"*x\r\n",
            b"*1\r\n+4\r\n",
            b"*1\r\n$4\r\nPINGxx",
            b"*0\r\n",
            b"*1\r\n$-1\r\n",
        ] {
            let (all, stop) = records(bad, 1_000);
            assert!(all.is_empty() && matches!(stop, Some(Stop::Format(_))), "{bad:?}");
        }
    }

    #[test]
    fn the_reader_ends_with_who_takes() {
        let file = b"*1\r\n$4\r\nPING\r\n".repeat(100_000);
        let mut taken = 0;
        let result = each(Records::new(&file[..], 0), |_| {
            taken += 1;
            if taken == 2 { Err("enough") } else { Ok(()) }
        });
        assert_eq!((result, taken), (Err("enough"), 2));
    }
}
