//! A writer of RDB files as each version had them, that knows nothing of the server's own.

/// One file, being written.
pub struct File(Vec<u8>);

impl File {
    pub fn new(version: u32) -> File {
        // From 80 on it is one of Valkey's.
        let head = if version < 80 { format!("REDIS{version:04}") } else { format!("VALKEY{version:03}") };
        File(head.into_bytes())
    }

    pub fn raw(&mut self, bytes: &[u8]) -> &mut File {
        self.0.extend_from_slice(bytes);
        self
    }

    pub fn length(&mut self, n: u64) -> &mut File {
        let bytes = length(n);
        self.raw(&bytes)
    }

    pub fn text(&mut self, text: impl AsRef<[u8]>) -> &mut File {
        self.length(text.as_ref().len() as u64).raw(text.as_ref())
    }

    pub fn texts<'a>(&mut self, texts: impl IntoIterator<Item = &'a str>) -> &mut File {
        for text in texts {
            self.text(text);
        }
        self
    }

    /// A key, before what it holds.
    pub fn key(&mut self, kind: u8, key: &str) -> &mut File {
        self.raw(&[kind]).text(key)
    }

    /// A key that holds one string of bytes.
    pub fn packed(&mut self, kind: u8, key: &str, bytes: &[u8]) -> &mut File {
        self.key(kind, key).text(bytes)
    }

    /// The end, with a checksum where the version has one.
    pub fn finish(mut self, version: u32) -> Vec<u8> {
        self.0.push(0xff);
        if version >= 5 {
            let crc = crc64(&self.0);
            self.0.extend_from_slice(&crc.to_le_bytes());
        }
        self.0
    }
}

pub fn length(n: u64) -> Vec<u8> {
    match n {
        0..64 => vec![n as u8],
        64..16_384 => vec![0x40 | (n >> 8) as u8, n as u8],
        16_384..0x1_0000_0000 => [&[0x80][..], &(n as u32).to_be_bytes()].concat(),
        _ => [&[0x81][..], &n.to_be_bytes()].concat(),
    }
}

/// CRC-64 with Jones's polynomial, bit by bit.
pub fn crc64(bytes: &[u8]) -> u64 {
    const REFLECTED: u64 = 0x95ac_9329_ac4b_c9b5;
    bytes.iter().fold(0, |crc: u64, byte| {
        (0..8).fold(crc ^ u64::from(*byte), |crc, _| (crc >> 1) ^ (REFLECTED * (crc & 1)))
    })
}

/// A number, if the text is one as it would be printed.
fn number(text: &str) -> Option<i64> {
    text.parse().ok().filter(|n: &i64| n.to_string() == text)
}

/// The list of Redis up to 6.
pub fn ziplist(words: &[&str]) -> Vec<u8> {
    let (mut entries, mut before, mut last) = (Vec::new(), 0, 0);
    for word in words {
        last = entries.len();
        match before {
            0..254 => entries.push(before as u8),
            _ => entries.extend([&[0xfe][..], &(before as u32).to_le_bytes()].concat()),
        }
        match number(word) {
            Some(n) => entries.extend(ziplist_int(n)),
            None => {
                match word.len() {
                    0..64 => entries.push(word.len() as u8),
                    64..16_384 => entries.extend((0x4000 | word.len() as u16).to_be_bytes()),
                    _ => entries.extend([&[0x80][..], &(word.len() as u32).to_be_bytes()].concat()),
                }
                entries.extend_from_slice(word.as_bytes());
            }
        }
        before = entries.len() - last;
    }
    const HEAD: usize = 10;
    let (total, tail) = ((HEAD + entries.len() + 1) as u32, (HEAD + last) as u32);
    let mut all = [total.to_le_bytes(), tail.to_le_bytes()].concat();
    all.extend((words.len() as u16).to_le_bytes());
    all.extend(entries);
    all.push(0xff);
    all
}

fn ziplist_int(n: i64) -> Vec<u8> {
    let bytes = n.to_le_bytes();
    let (mark, len) = match n {
        0..=12 => return vec![0xf1 + n as u8],
        -0x80..=0x7f => (0xfe, 1),
        -0x8000..=0x7fff => (0xc0, 2),
        -0x80_0000..=0x7f_ffff => (0xf0, 3),
        -0x8000_0000..=0x7fff_ffff => (0xd0, 4),
        _ => (0xe0, 8),
    };
    [&[mark][..], &bytes[..len]].concat()
}

/// The list of Redis 7.
pub fn listpack(words: &[&str]) -> Vec<u8> {
    let mut entries = Vec::new();
    for word in words {
        let entry = match number(word) {
            Some(n) => listpack_int(n),
            None => {
                let head = match word.len() {
                    0..64 => vec![0x80 | word.len() as u8],
                    64..4096 => (0xe000 | word.len() as u16).to_be_bytes().to_vec(),
                    _ => [&[0xf0][..], &(word.len() as u32).to_le_bytes()].concat(),
                };
                [&head[..], word.as_bytes()].concat()
            }
        };
        entries.extend_from_slice(&entry);
        // How long it is, to be read backwards.
        match entry.len() {
            0..128 => entries.push(entry.len() as u8),
            len => entries.extend([(len >> 7) as u8, 0x80 | (len & 127) as u8]),
        }
    }
    let mut all = ((6 + entries.len() + 1) as u32).to_le_bytes().to_vec();
    all.extend((words.len() as u16).to_le_bytes());
    all.extend(entries);
    all.push(0xff);
    all
}

fn listpack_int(n: i64) -> Vec<u8> {
    let bytes = n.to_le_bytes();
    let (mark, len) = match n {
        0..=127 => return vec![n as u8],
        -4096..=4095 => return vec![0xc0 | ((n >> 8) as u8 & 0x1f), n as u8],
        -0x8000..=0x7fff => (0xf1, 2),
        -0x80_0000..=0x7f_ffff => (0xf2, 3),
        -0x8000_0000..=0x7fff_ffff => (0xf3, 4),
        _ => (0xf4, 8),
    };
    [&[mark][..], &bytes[..len]].concat()
}

/// The hash of Redis up to 2.4.
pub fn zipmap(pairs: &[(&str, &str)]) -> Vec<u8> {
    let length = |len: usize| match len {
        0..254 => vec![len as u8],
        _ => [&[0xfe][..], &(len as u32).to_le_bytes()].concat(),
    };
    let mut all = vec![pairs.len() as u8];
    for (field, value) in pairs {
        all.extend([&length(field.len())[..], field.as_bytes(), &length(value.len())].concat());
        // Room that is free behind the value.
        all.push(2);
        all.extend([value.as_bytes(), b"??"].concat());
    }
    all.push(0xff);
    all
}

/// Sorted numbers, each in so many bytes.
pub fn intset(width: u32, numbers: &[i64]) -> Vec<u8> {
    let mut all = [width.to_le_bytes(), (numbers.len() as u32).to_le_bytes()].concat();
    numbers.iter().for_each(|n| all.extend_from_slice(&n.to_le_bytes()[..width as usize]));
    all
}
