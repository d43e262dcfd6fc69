//! What peers that are away may still need, on disk: chunks that have no room in memory any more.
//!
//! Chunks go one behind the other into files without a name (they are deleted as soon as they are made, so nothing is
//! left behind by a crash); memory keeps where each lies. A file goes when its last chunk is not needed any more. Beyond
//! [`FileSpill::limit`], or when the disk is full, nothing more is taken: who needs what is missing then gets a full sync.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use replication::log::{Chunk, Spill};
use replication::origin::Stream;

/// Bytes of a file, beyond which the next begins.
const FILE_BYTES: u64 = 64 << 20;

struct Segment {
    file: File,
    bytes: u64,
    /// Chunks in it that are still needed.
    chunks: usize,
}

#[derive(Clone, Copy)]
struct Place {
    segment: u64,
    at: u64,
    len: usize,
    groups: u64,
    version: u64,
}

/// See the [module's page](self).
pub struct FileSpill {
    dir: PathBuf,
    /// Bytes on disk.
    limit: u64,
    bytes: u64,
    segments: BTreeMap<u64, Segment>,
    chunks: BTreeMap<(Stream, u64), Place>,
    next: u64,
    /// Said in the log that there is no room; once.
    told: bool,
}

impl FileSpill {
    pub fn new(dir: PathBuf, limit: u64) -> FileSpill {
        FileSpill {
            dir,
            limit,
            bytes: 0,
            segments: BTreeMap::new(),
            chunks: BTreeMap::new(),
            next: 0,
            told: false,
        }
    }

    /// Bytes on disk.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<(u64, u64)> {
        let open = self.segments.last_key_value().filter(|(_, s)| s.bytes < FILE_BYTES).map(|(id, _)| *id);
        let id = match open {
            Some(id) => id,
            None => self.begin()?,
        };
        let segment = self.segments.get_mut(&id).ok_or(io::ErrorKind::NotFound)?;
        let at = segment.bytes;
        segment.file.write_all_at(bytes, at)?;
        segment.bytes += bytes.len() as u64;
        segment.chunks += 1;
        Ok((id, at))
    }

    fn begin(&mut self) -> io::Result<u64> {
        let id = self.next;
        let path = self.dir.join(format!("everwrite.spill.{}.{id}", std::process::id()));
        let file = File::options().read(true).write(true).create_new(true).open(&path)?;
        std::fs::remove_file(&path)?;
        self.next += 1;
        self.segments.insert(id, Segment { file, bytes: 0, chunks: 0 });
        Ok(id)
    }

    fn release(&mut self, place: Place) {
        self.bytes -= place.len as u64;
        if let Some(segment) = self.segments.get_mut(&place.segment) {
            segment.chunks -= 1;
            if segment.chunks == 0 {
                self.segments.remove(&place.segment);
            }
        }
        self.told &= self.bytes > self.limit / 2;
    }

    fn no_room(&mut self, why: &str) -> bool {
        if !std::mem::replace(&mut self.told, true) {
            tracing::warn!(
                "Peers that are away will need a full sync: there is no room for what they miss ({why})"
            );
        }
        false
    }
}

impl Spill for FileSpill {
    fn push(&mut self, stream: Stream, chunk: &Chunk) -> bool {
        if self.bytes + chunk.bytes.len() as u64 > self.limit {
            return self.no_room("repl-spill-limit");
        }
        match self.append(&chunk.bytes) {
            Ok((segment, at)) => {
                let (len, groups, version) = (chunk.bytes.len(), chunk.groups, chunk.version);
                self.bytes += len as u64;
                self.chunks.insert((stream, chunk.first), Place { segment, at, len, groups, version });
                true
            }
            Err(e) => self.no_room(&e.to_string()),
        }
    }

    fn get(&self, stream: Stream, seq: u64) -> Option<Chunk> {
        let ((_, first), place) = self.chunks.range((stream, 0)..=(stream, seq)).next_back()?;
        if seq >= first + place.groups {
            return None;
        }
        let mut bytes = vec![0; place.len];
        self.segments.get(&place.segment)?.file.read_exact_at(&mut bytes, place.at).ok()?;
        let chunk =
            Chunk { first: *first, groups: place.groups, version: place.version, bytes: bytes.into() };
        Some(chunk)
    }

    fn trim(&mut self, stream: Stream, seq: u64) {
        while let Some(((_, first), place)) = self.chunks.range((stream, 0)..=(stream, u64::MAX)).next()
            && first + place.groups <= seq
        {
            let (key, place) = ((stream, *first), *place);
            self.chunks.remove(&key);
            self.release(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use replication::codec;
    use replication::origin::Author;

    fn chunk(first: u64, size: usize) -> Chunk {
        let mut w = codec::Writer::default();
        codec::begin_group(&mut w, first);
        w.0.extend(std::iter::repeat_n(first as u8, size));
        codec::end_group(&mut w, 0);
        Chunk::of(first, w.0.into())
    }

    fn files(dir: &std::path::Path) -> usize {
        std::fs::read_dir(dir).unwrap().count()
    }

    #[test]
    fn what_is_spilled_can_be_had_until_it_is_trimmed() {
        let dir = std::env::temp_dir().join(format!("everwrite-spill-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let stream = Stream { author: Author { uuid: 1, incarnation: 1 }, lane: 0 };
        let mut spill = FileSpill::new(dir.clone(), 200 << 20);
        for seq in 1..=10 {
            assert!(spill.push(stream, &chunk(seq, 16 << 20)));
        }
        assert_eq!((files(&dir), spill.segments.len()), (0, 3), "the files have no names");
        assert_eq!(spill.get(stream, 7), Some(chunk(7, 16 << 20)));
        assert_eq!(spill.get(stream, 11), None);
        spill.trim(stream, 8);
        assert_eq!(spill.get(stream, 7), None);
        assert_eq!(spill.get(stream, 8), Some(chunk(8, 16 << 20)));
        assert_eq!(spill.segments.len(), 2);
        spill.trim(stream, u64::MAX);
        assert_eq!((spill.bytes(), spill.segments.len()), (0, 0));
        assert!(spill.push(stream, &chunk(11, 100)));
        spill.limit = 150;
        assert!(!spill.push(stream, &chunk(12, 100)), "beyond the limit nothing is taken");
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
