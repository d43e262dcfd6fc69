//! RDB files, and the snapshots that are sent to replicas: records around objects.
//!
//! ```text
//! file   = head  record*  FF  crc:u64le                             crc from version 5 on, 0 if not computed
//! head   = "REDIS" version:4 digits | "VALKEY" version:3 digits
//!
//! FA string string     auxiliary field        FE length           the keys that follow are in this database
//! FB length length     so many keys, so many of them expire, to make room for
//! F5 string            a library of functions F7 ...              a module's auxiliary data
//! FC i64le             the next key expires at these milliseconds     FD u32le: seconds, as of old
//! F4 length length length   of a cluster: in this slot are so many keys, so many of them expire
//! F8 length            the next key was idle for so many seconds      F9 u8: the next key's frequency
//! kind string object   a key and what it holds
//! ```
//!
//! Any byte above the kinds that is not listed makes the file unreadable: there is no telling how to skip it.

use super::object::module_name;
use super::{Error, Kind, Reader, VERSION, VERSION_VALKEY, Writer, goes_with, is_read};
use crate::crc64::Crc64;

const MAGIC: &[u8; 5] = b"REDIS";
const MAGIC_VALKEY: &[u8; 6] = b"VALKEY";
/// From this version on files end in a checksum.
const VERSION_WITH_CHECKSUM: u16 = 5;

mod opcode {
    pub const SLOT: u8 = 0xf4;
    pub const FUNCTION: u8 = 0xf5;
    pub const FUNCTION_DRAFT: u8 = 0xf6;
    pub const MODULE_AUX: u8 = 0xf7;
    pub const IDLE: u8 = 0xf8;
    pub const FREQUENCY: u8 = 0xf9;
    pub const AUX: u8 = 0xfa;
    pub const RESIZE: u8 = 0xfb;
    pub const EXPIRE_MS: u8 = 0xfc;
    pub const EXPIRE_S: u8 = 0xfd;
    pub const SELECT: u8 = 0xfe;
    pub const END: u8 = 0xff;
}

/// What the records of a file say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// Unknown names are to be ignored. Those right before a key may be about the key.
    Aux { name: Vec<u8>, value: Vec<u8> },
    /// The database of the keys that follow.
    Select(u64),
    /// How many keys follow in this database, and how many of them expire. Not to be believed, only to be used.
    Resize { keys: u64, expires: u64 },
    /// The code of a library of functions.
    Function(Vec<u8>),
    /// Data of a module, which was skipped.
    ModuleAux { name: String },
    /// A key. Its object comes next and has to be read, by [`super::read_object`], before the next record.
    Key(KeyRecord),
    /// The file's end; its checksum was right, or there was none.
    End,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    pub kind: Kind,
    pub key: Vec<u8>,
    /// Unix time in milliseconds.
    pub expire_ms: Option<i64>,
    pub idle_s: Option<u64>,
    pub frequency: Option<u8>,
}

impl KeyRecord {
    fn head(&self) -> KeyHead<'_> {
        KeyHead {
            kind: self.kind,
            key: &self.key,
            expire_ms: self.expire_ms,
            idle_s: self.idle_s,
            frequency: self.frequency,
        }
    }
}

/// What precedes an object: a [`KeyRecord`] that borrows its key.
#[derive(Debug, Clone, Copy)]
pub struct KeyHead<'a> {
    pub kind: Kind,
    pub key: &'a [u8],
    pub expire_ms: Option<i64>,
    pub idle_s: Option<u64>,
    pub frequency: Option<u8>,
}

/// Records that are written outside of a file first, to become part of one later.
impl Writer {
    /// An auxiliary field.
    pub fn aux(&mut self, name: &[u8], value: &[u8]) {
        self.raw(&[opcode::AUX]);
        self.text(name);
        self.text(value);
    }

    /// What precedes an object.
    pub fn key_head(&mut self, head: &KeyHead<'_>) {
        if let Some(ms) = head.expire_ms {
            self.raw(&[opcode::EXPIRE_MS]);
            self.millis(ms);
        }
        if let Some(seconds) = head.idle_s {
            self.raw(&[opcode::IDLE]);
            self.length(seconds);
        }
        if let Some(frequency) = head.frequency {
            self.raw(&[opcode::FREQUENCY, frequency]);
        }
        self.kind(head.kind);
        self.text(head.key);
    }
}

/// Facts that travel behind an object on its own.
impl Reader<'_> {
    /// The auxiliary field that comes next. What else may be there is nobody's concern.
    pub fn next_aux(&mut self) -> Option<(Vec<u8>, Vec<u8>)> {
        match self.byte() {
            Ok(opcode::AUX) => Some((self.bytes().ok()?, self.bytes().ok()?)),
            _ => None,
        }
    }
}

/// Reads the records of a file, one after the other.
#[derive(Debug)]
pub struct File<'a> {
    reader: Reader<'a>,
    version: u16,
    verify: bool,
    // What was said about the next key.
    expire_ms: Option<i64>,
    idle_s: Option<u64>,
    frequency: Option<u8>,
    /// A key that was given back.
    spare: Vec<u8>,
}

impl<'a> File<'a> {
    /// Reads the header. `verify` is what `rdbchecksum` says.
    pub fn open(reader: Reader<'a>, verify: bool) -> Result<Self, Error> {
        let mut reader = if verify { reader.with_checksum() } else { reader };
        let version = version_of(&reader.array()?).ok_or(Error::NotRdb)?;
        if version == 0 || !is_read(version) {
            return Err(Error::Version(version));
        }
        let (expire_ms, idle_s, frequency, spare) = (None, None, None, Vec::new());
        Ok(File { reader, version, verify, expire_ms, idle_s, frequency, spare })
    }

    pub fn version(&self) -> u16 {
        self.version
    }

    /// Where the object of a key is to be read from.
    pub fn reader(&mut self) -> &mut Reader<'a> {
        &mut self.reader
    }

    /// The next record.
    pub fn next_record(&mut self) -> Result<Record, Error> {
        let reader = &mut self.reader;
        loop {
            match reader.byte()? {
                opcode::EXPIRE_MS => self.expire_ms = Some(reader.millis()?),
                opcode::EXPIRE_S => {
                    self.expire_ms = Some(i64::from(i32::from_le_bytes(reader.array()?)) * 1000);
                }
                opcode::IDLE => self.idle_s = Some(reader.length()?),
                opcode::FREQUENCY => self.frequency = Some(reader.byte()?),
                opcode::AUX => return Ok(Record::Aux { name: reader.bytes()?, value: reader.bytes()? }),
                opcode::SELECT => return reader.length().map(Record::Select),
                opcode::RESIZE => {
                    return Ok(Record::Resize { keys: reader.length()?, expires: reader.length()? });
                }
                opcode::SLOT => {
                    for _ in 0..3 {
                        reader.length()?;
                    }
                }
                opcode::FUNCTION => return reader.bytes().map(Record::Function),
                opcode::FUNCTION_DRAFT => {
                    return Err(reader.malformed("functions of a release candidate of Redis 7.0").into());
                }
                opcode::MODULE_AUX => return skip_module_aux(reader),
                opcode::END => return self.end(),
                kind if goes_with(self.version, kind) => return self.key(Kind::try_from(kind)?),
                kind => return Err(Error::UnknownKind(kind)),
            }
        }
    }

    /// Takes a key back: its memory is for the next one.
    pub fn recycle(&mut self, key: Vec<u8>) {
        self.spare = key;
    }

    fn key(&mut self, kind: Kind) -> Result<Record, Error> {
        let mut key = std::mem::take(&mut self.spare);
        key.clear();
        self.reader.text_into(&mut key)?;
        Ok(Record::Key(KeyRecord {
            kind,
            key,
            expire_ms: self.expire_ms.take(),
            idle_s: self.idle_s.take(),
            frequency: self.frequency.take(),
        }))
    }

    fn end(&mut self) -> Result<Record, Error> {
        let computed = self.reader.checksum();
        if self.version >= VERSION_WITH_CHECKSUM {
            let stated = u64::from_le_bytes(self.reader.array()?);
            if let Some(computed) = computed
                && self.verify
                && stated != 0
                && stated != computed
            {
                return Err(Error::Checksum { stated, computed });
            }
        }
        Ok(Record::End)
    }
}

/// What a file's head says. A version that is not its maker's is none.
fn version_of(head: &[u8; 9]) -> Option<u16> {
    let (digits, is_valkey) = match (head.strip_prefix(MAGIC), head.strip_prefix(MAGIC_VALKEY)) {
        (Some(digits), _) => (digits, false),
        (_, digits) => (digits?, true),
    };
    let digit = |digit: &u8| digit.is_ascii_digit().then(|| u16::from(digit - b'0'));
    let version = digits.iter().try_fold(0, |version, next| Some(version * 10 + digit(next)?))?;
    (is_valkey == (version >= VERSION_VALKEY)).then_some(version)
}

/// Passes over a module's data, each piece of which says what it is.
fn skip_module_aux(reader: &mut Reader<'_>) -> Result<Record, Error> {
    const END: u64 = 0;
    const FLOAT: u64 = 3;
    const DOUBLE: u64 = 4;
    const STRING: u64 = 5;
    let name = module_name(reader.length()?);
    // When the data is to be handed to the module is told as any unsigned integer is.
    loop {
        match reader.length()? {
            END => return Ok(Record::ModuleAux { name }),
            1 | 2 => drop(reader.length()?),
            FLOAT => drop(reader.array::<4>()?),
            DOUBLE => drop(reader.array::<8>()?),
            STRING => drop(reader.bytes()?),
            _ => return Err(reader.malformed("undefined piece of a module's data").into()),
        }
    }
}

/// Writes a file, or a snapshot for a replica.
///
/// What was written is taken out by [`take`](Self::take) as often as one likes, last after
/// [`finish`](Self::finish).
#[derive(Debug)]
pub struct FileWriter {
    writer: Writer,
    crc: Option<Crc64>,
}

impl FileWriter {
    /// Begins a file; `compress` and `checksum` are what `rdbcompression` and `rdbchecksum` say.
    pub fn new(compress: bool, checksum: bool) -> Self {
        FileWriter::of_version(VERSION, compress, checksum)
    }

    /// A file of an older version: the caller writes only what that one has.
    pub fn of_version(version: u16, compress: bool, checksum: bool) -> Self {
        let mut writer = Writer::new(compress);
        writer.raw(MAGIC);
        writer.raw(format!("{version:04}").as_bytes());
        FileWriter { writer, crc: checksum.then(Crc64::new) }
    }

    /// Where an object is to be written, after its key.
    pub fn writer(&mut self) -> &mut Writer {
        &mut self.writer
    }

    pub fn aux(&mut self, name: &[u8], value: &[u8]) {
        self.writer.aux(name, value);
    }

    pub fn select(&mut self, db: u64) {
        self.writer.raw(&[opcode::SELECT]);
        self.writer.length(db);
    }

    pub fn resize(&mut self, keys: u64, expires: u64) {
        self.writer.raw(&[opcode::RESIZE]);
        self.writer.length(keys);
        self.writer.length(expires);
    }

    pub fn function(&mut self, code: &[u8]) {
        self.writer.raw(&[opcode::FUNCTION]);
        self.writer.text(code);
    }

    /// What precedes an object.
    pub fn key(&mut self, record: &KeyRecord) {
        self.writer.key_head(&record.head());
    }

    /// Counts in records that were written elsewhere and go to the same place, after all that was taken so far.
    pub fn pass(&mut self, records: &[u8]) {
        assert!(self.writer.as_bytes().is_empty(), "what was written before is taken first");
        if let Some(crc) = &mut self.crc {
            crc.update(records);
        }
    }

    /// Hands over what was written since the last time, to be written to wherever it goes.
    pub fn take(&mut self, out: &mut Vec<u8>) {
        let written = self.writer.buffer();
        if let Some(crc) = &mut self.crc {
            crc.update(written);
        }
        out.append(written);
    }

    /// Ends the file; `out` gets the rest of it.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        self.writer.raw(&[opcode::END]);
        self.take(out);
        let crc = self.crc.map_or(0, |crc| crc.value());
        out.extend_from_slice(&crc.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Object, Text, read_object};
    use super::*;

    fn written(compress: bool, checksum: bool) -> Vec<u8> {
        let mut file = FileWriter::new(compress, checksum);
        let mut out = Vec::new();
        file.aux(b"redis-ver", b"7.0.15");
        file.function(b"#!lua name=x");
        file.select(3);
        file.resize(1, 1);
        file.take(&mut out);
        file.key(&key_record());
        file.writer().text(b"value");
        file.finish(&mut out);
        out
    }

    fn key_record() -> KeyRecord {
        let (expire_ms, idle_s, frequency) = (Some(1_700_000_000_000), Some(9), Some(255));
        KeyRecord { kind: Kind::String, key: b"key".to_vec(), expire_ms, idle_s, frequency }
    }

    fn records(bytes: &[u8], verify: bool) -> Result<Vec<Record>, Error> {
        let mut file = File::open(Reader::new(bytes), verify)?;
        let mut records = Vec::new();
        loop {
            let record = file.next_record()?;
            if let Record::Key(key) = &record {
                let object = read_object(file.reader(), key.kind)?;
                assert!(matches!(object, Object::String(Text::Bytes(text)) if text == b"value"));
            }
            records.push(record);
            if records.last() == Some(&Record::End) {
                return Ok(records);
            }
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let expected = [
            Record::Aux { name: b"redis-ver".to_vec(), value: b"7.0.15".to_vec() },
            Record::Function(b"#!lua name=x".to_vec()),
            Record::Select(3),
            Record::Resize { keys: 1, expires: 1 },
            Record::Key(key_record()),
            Record::End,
        ];
        assert_eq!(records(&written(true, true), true).unwrap(), expected);
        assert_eq!(records(&written(false, false), true).unwrap(), expected);
        assert_eq!(written(false, false)[..9], *b"REDIS0010");
    }

    #[test]
    fn checksums_are_verified_if_asked_for() {
        let mut file = written(false, true);
        let value = file.windows(6).position(|bytes| bytes == b"7.0.15").unwrap();
        file[value] = b'8';
        assert!(matches!(records(&file, true), Err(Error::Checksum { .. })));
        assert!(records(&file, false).is_ok());
    }

    #[test]
    fn headers_are_checked() {
        for (header, version) in [("REDIS0013", 13), ("REDIS0000", 0), ("VALKEY081", 81)] {
            assert!(matches!(records(header.as_bytes(), true), Err(Error::Version(v)) if v == version));
        }
        for header in ["REDIX0010", "REDIS001x", "REDIS0080", "VALKEY011", "VALKEY08x"] {
            assert!(matches!(records(header.as_bytes(), true), Err(Error::NotRdb)));
        }
        assert!(matches!(records(b"REDIS001", true), Err(Error::Malformed(_))));
    }

    /// Facts about a key outlast auxiliary fields, and no longer than the key; the first files had no checksum.
    #[test]
    fn facts_are_about_the_next_key() {
        let file = b"REDIS0004\xfd\x01\0\0\0\xfa\x01a\x01b\0\x01k\x05value\0\x01l\x05value\xff";
        let records = records(file, true).unwrap();
        let expires = |record: &Record| matches!(record, Record::Key(key) if key.expire_ms == Some(1000));
        let plain = |record: &Record| matches!(record, Record::Key(key) if key.expire_ms.is_none());
        assert!(expires(&records[1]) && plain(&records[2]));
    }

    #[test]
    fn modules_data_is_skipped() {
        let mut file = b"REDIS0010\xf7".to_vec();
        file.extend([&[0x81][..], &(0x0123_4567_89ab_cdefu64).to_be_bytes()].concat());
        file.extend(b"\x02\x01\x01\x05\x03\0\0\0\0\x04\0\0\0\0\0\0\0\0\x05\x02hi\0\xff\0\0\0\0\0\0\0\0");
        assert!(
            matches!(&records(&file, true).unwrap()[..], [Record::ModuleAux { name }, Record::End] if name.len() == 9)
        );
    }

    #[test]
    fn cut_files_are_errors() {
        let file = written(true, true);
        for len in 0..file.len() {
            assert!(records(&file[..len], true).is_err(), "{len}");
        }
    }
}
