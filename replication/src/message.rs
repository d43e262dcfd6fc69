//! What peers say to each other, and its bytes.

use crate::codec::{Malformed, Reader, Writer};
use crate::origin::{Author, Stream};
use crate::shared::Shared;
use crate::vector::{Have, Vector};

/// The protocol's version: peers with another one do not talk.
pub const PROTOCOL: u32 = 5;

/// The first word on a link, from both sides (S7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    pub protocol: u32,
    pub author: Author,
    /// Drawn at each start: tells two processes with one identity apart.
    pub boot: u64,
    pub vector: Vector,
    pub clock_ms: u64,
    /// The sender may have lost what it once announced, and others rely on: it needs a full sync, for effects name old
    /// list elements by their positions in a state that it should have had.
    pub lost: bool,
    /// The sender has data that its own mesh has settled: they cannot be merged with those of another mesh that has some.
    pub rooted: bool,
    /// Nobody has ever heard of the sender, and it had data before anybody listened: a member gives it all there is, before it
    /// gives what it has.
    pub newcomer: bool,
    /// The newest incarnation of every node the sender knows.
    pub members: Vec<Author>,
}

/// Groups that follow each other in a stream, or a part of one that is too large for a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub stream: Stream,
    /// The number of the first, or only, group.
    pub seq: u64,
    /// Where in the bytes, see [`codec::groups`](crate::codec::groups), this part begins. Not 0: of one group.
    pub offset: u64,
    /// Nothing more belongs to it.
    pub last: bool,
    pub bytes: Shared,
}

/// What a node says about itself from time to time (S4). Others pass it on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat {
    pub author: Author,
    /// Counts the author's beats.
    pub number: u64,
    /// How far the author's own streams went. The promises hold for whoever has that much.
    pub upto: Vec<(u16, u64)>,
    /// No later effect of the author has a version up to this one.
    pub promise: u64,
    /// Everything up to this version has arrived at the author and would survive its crash.
    pub horizon: u64,
    /// The author knows that everything up to this version has arrived at every member.
    pub known: u64,
    /// The author has forgotten what it could up to this version, and reclaimed what had expired.
    pub settled: u64,
    /// What the author would still have after a crash.
    pub durable: Vector,
    /// What the author has.
    pub held: Vector,
    pub members: Vec<Author>,
}

/// Why a link is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Another protocol version.
    Protocol,
    /// The other end has this node's uuid, or one that another live peer has.
    SameIdentity,
    /// The other end's label is taken: it needs another incarnation.
    LabelTaken,
    /// An effect from further in the future than `max-clock-drift`.
    ClockAhead,
    /// A message that makes no sense.
    Malformed,
    /// This node began a new incarnation, or has heard of a newer one of the other end.
    Reincarnated,
    /// The other end was detached, and each has writes that the other one lacks: what they were relative to is forgotten.
    Detached,
    /// Both ends have data that their own meshes have settled, and have never heard of each other.
    TwoMeshes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    Hello(Hello),
    Part(Part),
    Beats(Vec<Beat>),
    /// What the sender has: an acknowledgement between beats.
    Held(Vector),
    /// Something was missing: send again from here.
    Resync(Vector),
    /// A full sync: the state that follows has all this. The data travels beside the message.
    Snapshot(Head),
    Close(Reason),
    /// What the sender knows of functions: the driver's affair.
    Libraries(Vec<u8>),
}

/// What a snapshot says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub vector: Vector,
    /// Everything up to this version is in it.
    pub horizon: u64,
    /// See [`Hello::newcomer`].
    pub newcomer: bool,
    pub beats: Vec<Beat>,
}

impl Part {
    /// All but the effects themselves.
    fn put_head(&self, w: &mut Writer) {
        w.int(2);
        put_stream(w, self.stream);
        w.int(self.seq);
        w.int(self.offset << 1 | u64::from(self.last));
        w.int(self.bytes.len() as u64);
    }
}

impl Message {
    /// Whether two messages are the same part of a stream, and so have the same bytes.
    pub fn is_same_part(&self, other: &Message) -> bool {
        let place = |part: &Part| (part.stream, part.seq, part.offset, part.bytes.len(), part.bytes.as_ptr());
        match (self, other) {
            (Message::Part(a), Message::Part(b)) => place(a) == place(b),
            _ => false,
        }
    }

    /// Appends the message with its length before it. Effects are copied once.
    pub fn encode_framed(&self, w: &mut Writer) {
        let Message::Part(part) = self else { return w.bytes(&self.encode()) };
        let mut head = Writer::default();
        part.put_head(&mut head);
        w.0.reserve(head.0.len() + part.bytes.len() + 10);
        w.int((head.0.len() + part.bytes.len()) as u64);
        w.0.extend_from_slice(&head.0);
        w.0.extend_from_slice(&part.bytes);
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::default();
        self.encode_to(&mut w);
        w.0
    }

    /// Appends the message. Effects are copied once.
    pub fn encode_to(&self, w: &mut Writer) {
        match self {
            Message::Hello(hello) => {
                w.int(1);
                w.int(u64::from(hello.protocol));
                put_author(w, hello.author);
                w.int(hello.boot);
                put_vector(w, &hello.vector);
                w.int(hello.clock_ms);
                w.int(u64::from(hello.lost) | u64::from(hello.rooted) << 1 | u64::from(hello.newcomer) << 2);
                put_authors(w, &hello.members);
            }
            Message::Part(part) => {
                part.put_head(w);
                w.0.extend_from_slice(&part.bytes);
            }
            Message::Beats(beats) => {
                w.int(3);
                put_beats(w, beats);
            }
            Message::Resync(vector) => {
                w.int(4);
                put_vector(w, vector);
            }
            Message::Snapshot(head) => {
                w.int(5);
                put_vector(w, &head.vector);
                w.int(head.horizon);
                w.int(u64::from(head.newcomer));
                put_beats(w, &head.beats);
            }
            Message::Close(reason) => {
                w.int(6);
                w.int(*reason as u64);
            }
            Message::Held(vector) => {
                w.int(7);
                put_vector(w, vector);
            }
            Message::Libraries(told) => {
                w.int(8);
                w.bytes(told);
            }
        }
    }

    pub fn decode(bytes: &[u8]) -> Result<Message, Malformed> {
        let mut r = Reader(bytes);
        let message = match r.int()? {
            1 => {
                let (protocol, author, boot) = (r.small()?, take_author(&mut r)?, r.int()?);
                let (vector, clock_ms, flags) = (take_vector(&mut r)?, r.int()?, r.int()?);
                let [lost, rooted, newcomer] = [1, 2, 4].map(|flag| flags & flag != 0);
                let members = take_authors(&mut r)?;
                Message::Hello(Hello {
                    protocol,
                    author,
                    boot,
                    vector,
                    clock_ms,
                    lost,
                    rooted,
                    newcomer,
                    members,
                })
            }
            2 => {
                let (stream, seq, place) = (take_stream(&mut r)?, r.int()?, r.int()?);
                let bytes = r.bytes()?.into();
                Message::Part(Part { stream, seq, offset: place >> 1, last: place & 1 == 1, bytes })
            }
            3 => Message::Beats(take_beats(&mut r)?),
            4 => Message::Resync(take_vector(&mut r)?),
            5 => Message::Snapshot(Head {
                vector: take_vector(&mut r)?,
                horizon: r.int()?,
                newcomer: r.int()? != 0,
                beats: take_beats(&mut r)?,
            }),
            6 => Message::Close(reason(r.int()?)?),
            7 => Message::Held(take_vector(&mut r)?),
            8 => Message::Libraries(r.bytes()?.to_vec()),
            tag => return Err(Malformed::Tag(tag)),
        };
        r.end()?;
        Ok(message)
    }
}

fn reason(code: u64) -> Result<Reason, Malformed> {
    let all = [
        Reason::Protocol,
        Reason::SameIdentity,
        Reason::LabelTaken,
        Reason::ClockAhead,
        Reason::Malformed,
        Reason::Reincarnated,
        Reason::Detached,
        Reason::TwoMeshes,
    ];
    all.get(code as usize).copied().ok_or(Malformed::Tag(code))
}

fn put_author(w: &mut Writer, author: Author) {
    w.fixed(author.uuid);
    w.int(author.incarnation);
}

fn take_author(r: &mut Reader<'_>) -> Result<Author, Malformed> {
    Ok(Author { uuid: r.fixed()?, incarnation: r.int()? })
}

fn put_authors(w: &mut Writer, authors: &[Author]) {
    w.int(authors.len() as u64);
    authors.iter().for_each(|author| put_author(w, *author));
}

fn take_authors(r: &mut Reader<'_>) -> Result<Vec<Author>, Malformed> {
    (0..r.count()?).map(|_| take_author(r)).collect()
}

fn put_stream(w: &mut Writer, stream: Stream) {
    put_author(w, stream.author);
    w.int(u64::from(stream.lane));
}

fn take_stream(r: &mut Reader<'_>) -> Result<Stream, Malformed> {
    Ok(Stream { author: take_author(r)?, lane: r.label()? })
}

fn put_vector(w: &mut Writer, vector: &Vector) {
    w.int(vector.iter().count() as u64);
    for (stream, have) in vector.iter() {
        put_stream(w, stream);
        w.int(have.seq);
        w.int(have.version);
    }
}

fn take_vector(r: &mut Reader<'_>) -> Result<Vector, Malformed> {
    (0..r.count()?).map(|_| Ok((take_stream(r)?, Have { seq: r.int()?, version: r.int()? }))).collect()
}

fn put_beats(w: &mut Writer, beats: &[Beat]) {
    w.int(beats.len() as u64);
    for beat in beats {
        put_author(w, beat.author);
        w.int(beat.number);
        w.int(beat.upto.len() as u64);
        for (lane, seq) in &beat.upto {
            w.int(u64::from(*lane));
            w.int(*seq);
        }
        w.int(beat.promise);
        w.int(beat.horizon);
        w.int(beat.known);
        w.int(beat.settled);
        put_vector(w, &beat.durable);
        put_vector(w, &beat.held);
        put_authors(w, &beat.members);
    }
}

fn take_beats(r: &mut Reader<'_>) -> Result<Vec<Beat>, Malformed> {
    (0..r.count()?)
        .map(|_| {
            Ok(Beat {
                author: take_author(r)?,
                number: r.int()?,
                upto: (0..r.count()?)
                    .map(|_| Ok((r.label()?, r.int()?)))
                    .collect::<Result<_, Malformed>>()?,
                promise: r.int()?,
                horizon: r.int()?,
                known: r.int()?,
                settled: r.int()?,
                durable: take_vector(r)?,
                held: take_vector(r)?,
                members: take_authors(r)?,
            })
        })
        .collect()
}
