//! What is to be sent on a link: messages, pieces of a snapshot, and a last word.
//!
//! The transport takes frames when it has room. What has gathered until then goes out as one frame, so that a slow link is
//! sent few large frames and an idle one each message at once.
//!
//! Bounded by its users: the machine sends no more than its window of effects, acknowledgements are few, beats are left out
//! while others wait ([`Outbox::is_stuffed`]), and pieces are made when there is [room](Outbox::room) for them.
//!
//! While a snapshot is sent, effects wait behind it: the receiver could not use them before.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use prost::bytes::Bytes;
use proto::peer::{Frame, Goodbye, frame::Body};
use replication::codec::Writer;
use replication::message::Message;
use tonic::Status;

use super::frames::{self, FRAME_BYTES};

/// Bytes that wait, beyond which no beats are added.
const STUFFED: usize = 1 << 20;
/// Pieces of a snapshot that wait at most.
const PIECES: usize = 2;

/// A message of so many bytes is a frame by itself, shared by all links that send it.
const ALONE: usize = 8 << 10;

/// Encoded messages that wait, gathered into what makes a frame each.
#[derive(Default)]
struct Queue {
    /// Frames that are full.
    full: VecDeque<Bytes>,
    last: Vec<u8>,
    bytes: usize,
}

impl Queue {
    fn push(&mut self, message: &Encoded) {
        let bytes = &message.0;
        let alone = bytes.len() >= ALONE;
        if !self.last.is_empty() && (alone || self.last.len() + bytes.len() > FRAME_BYTES) {
            self.full.push_back(std::mem::take(&mut self.last).into());
        }
        if alone {
            self.full.push_back(bytes.clone());
        } else {
            self.last.extend_from_slice(bytes);
        }
        self.bytes += bytes.len();
    }

    /// The next frame: as many messages as fit into one, and at least one.
    fn take(&mut self) -> Option<Bytes> {
        let frame = self.full.pop_front().unwrap_or_else(|| std::mem::take(&mut self.last).into());
        self.bytes -= frame.len();
        (!frame.is_empty()).then_some(frame)
    }
}

/// A message as it stands in a frame.
#[derive(Clone, Debug)]
pub struct Encoded(Bytes);

impl Encoded {
    pub fn of(message: &Message) -> Encoded {
        let mut w = Writer::default();
        message.encode_framed(&mut w);
        Encoded(w.0.into())
    }
}

#[derive(Default)]
struct Inner {
    messages: Queue,
    pieces: VecDeque<Body>,
    /// Effects behind the snapshot that is being sent.
    behind: Option<Queue>,
    goodbye: Option<Goodbye>,
    closed: bool,
    sent_bytes: u64,
    compress: bool,
    transport: Option<Waker>,
    maker: Option<Waker>,
}

/// See the [module's page](self). Clones are the same outbox.
#[derive(Clone, Default)]
pub struct Outbox(Arc<Mutex<Inner>>);

impl Outbox {
    /// Adds a message. What belongs behind a snapshot waits for its end.
    pub fn push(&self, message: &Message) {
        self.push_encoded(message, &Encoded::of(message));
    }

    /// The same with a message that is encoded already.
    pub fn push_encoded(&self, message: &Message, bytes: &Encoded) {
        let mut inner = self.0.lock();
        if inner.closed {
            return;
        }
        let waits = matches!(message, Message::Part(_) | Message::Snapshot(_) | Message::Beats(_));
        match &mut inner.behind {
            Some(behind) if waits => behind.push(bytes),
            _ => inner.messages.push(bytes),
        }
        wake(&mut inner.transport);
    }

    /// Whether beats should be left out: the peer does not take what is here, or a snapshot is on its way.
    pub fn is_stuffed(&self) -> bool {
        let inner = self.0.lock();
        inner.messages.bytes > STUFFED || inner.behind.is_some()
    }

    /// Begins to send a snapshot described by this message.
    pub fn begin_snapshot(&self, head: &Message) {
        let mut inner = self.0.lock();
        inner.behind.get_or_insert_default();
        while let Some(bytes) = inner.messages.take() {
            inner.pieces.push_back(Body::Messages(bytes));
        }
        inner.pieces.push_back(Body::Snapshot(head.encode().into()));
        wake(&mut inner.transport);
    }

    /// Waits until the next piece can be added. False: the link is closed.
    pub async fn room(&self) -> bool {
        poll_fn(|cx| {
            let mut inner = self.0.lock();
            if inner.closed || inner.pieces.len() < PIECES {
                return Poll::Ready(!inner.closed);
            }
            inner.maker = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    pub fn push_piece(&self, piece: Vec<u8>) {
        let mut inner = self.0.lock();
        let mut piece = Bytes::from(piece);
        while piece.len() > FRAME_BYTES {
            inner.pieces.push_back(Body::Partial(piece.split_to(FRAME_BYTES)));
        }
        inner.pieces.push_back(Body::Piece(piece));
        wake(&mut inner.transport);
    }

    /// All pieces are here: the message that completes the snapshot, and what has waited, follow.
    pub fn end_snapshot(&self, head: &Message) {
        let mut inner = self.0.lock();
        let mut last = Queue::default();
        last.push(&Encoded::of(head));
        let behind = inner.behind.take().unwrap_or_default();
        for mut queue in [last, behind] {
            while let Some(bytes) = queue.take() {
                inner.pieces.push_back(Body::Messages(bytes));
            }
        }
        wake(&mut inner.transport);
    }

    /// Says a last word, and nothing after it.
    pub fn close(&self, goodbye: Option<Goodbye>) {
        let mut inner = self.0.lock();
        if !inner.closed {
            inner.closed = true;
            inner.goodbye = goodbye;
            inner.pieces.clear();
        }
        wake(&mut inner.transport);
        wake(&mut inner.maker);
    }

    /// Whether frames are compressed where that makes them smaller.
    pub fn set_compress(&self, on: bool) {
        self.0.lock().compress = on;
    }

    pub fn sent_bytes(&self) -> u64 {
        self.0.lock().sent_bytes
    }

    /// The frames, for the transport.
    pub fn frames(&self) -> Frames {
        Frames(self.clone())
    }

    fn poll_frame(&self, cx: &mut Context<'_>) -> Poll<Option<Frame>> {
        let mut inner = self.0.lock();
        let compress = inner.compress;
        // Messages among the pieces came before the snapshot, or follow it: nothing may overtake them. Between them,
        // acknowledgements pass the pieces by.
        let ordered = matches!(inner.pieces.front(), Some(Body::Messages(_)));
        let first = if !ordered && (inner.behind.is_some() || inner.pieces.is_empty()) {
            inner.messages.take().map(Body::Messages)
        } else {
            None
        };
        let body = match first {
            Some(body) => Some(body),
            None => inner.pieces.pop_front().inspect(|_| wake(&mut inner.maker)),
        };
        if let Some(body) = body.or_else(|| inner.goodbye.take().map(Body::Goodbye)) {
            let body = if compress { frames::compress(body) } else { body };
            inner.sent_bytes += frames::size(&body) as u64;
            return Poll::Ready(Some(Frame { body: Some(body) }));
        }
        if inner.closed {
            return Poll::Ready(None);
        }
        inner.transport = Some(cx.waker().clone());
        Poll::Pending
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

/// The frames of an outbox as the side that calls sends them.
pub struct Frames(Outbox);

impl tonic::codegen::tokio_stream::Stream for Frames {
    type Item = Frame;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Frame>> {
        self.0.poll_frame(cx)
    }
}

impl Drop for Frames {
    /// The transport is gone: nobody need wait for room.
    fn drop(&mut self) {
        self.0.close(None);
    }
}

/// The same as the side that is called sends them.
pub struct Replies(pub Frames);

impl tonic::codegen::tokio_stream::Stream for Replies {
    type Item = Result<Frame, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.0).poll_next(cx).map(|frame| frame.map(Ok))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use replication::origin::{Author, Stream};

    fn part(seq: u64, size: usize) -> Message {
        let stream = Stream { author: Author { uuid: 1, incarnation: 1 }, lane: 0 };
        let bytes = vec![0; size].into();
        Message::Part(replication::message::Part { stream, seq, offset: 0, last: true, bytes })
    }

    fn next(outbox: &Outbox) -> Option<Body> {
        match outbox.poll_frame(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(frame) => frame.and_then(|frame| frame.body),
            Poll::Pending => None,
        }
    }

    fn seqs(body: Option<Body>) -> Vec<u64> {
        let Some(Body::Messages(bytes)) = body else { panic!("{body:?}") };
        let parts = frames::messages(&bytes).map(|message| match message {
            Ok(Message::Part(part)) => part.seq,
            Ok(Message::Snapshot(_)) => 0,
            other => panic!("{other:?}"),
        });
        parts.collect()
    }

    #[test]
    fn what_has_gathered_goes_out_as_one_frame_up_to_a_size() {
        let outbox = Outbox::default();
        (1..=3).for_each(|seq| outbox.push(&part(seq, 10)));
        assert_eq!(seqs(next(&outbox)), [1, 2, 3]);
        assert_eq!(next(&outbox), None);
        (4..=6).for_each(|seq| outbox.push(&part(seq, FRAME_BYTES / 2)));
        assert_eq!(seqs(next(&outbox)), [4]);
        assert_eq!(seqs(next(&outbox)), [5]);
        assert_eq!(seqs(next(&outbox)), [6]);
    }

    #[test]
    fn effects_wait_behind_a_snapshot() {
        let outbox = Outbox::default();
        let head = Message::Snapshot(replication::message::Head {
            vector: Default::default(),
            horizon: 0,
            newcomer: false,
            beats: vec![],
        });
        outbox.push(&part(1, 10));
        outbox.begin_snapshot(&head);
        outbox.push(&part(2, 10));
        assert!(outbox.is_stuffed());
        outbox.push_piece(vec![7]);
        outbox.end_snapshot(&head);
        outbox.push(&part(3, 10));
        assert_eq!(seqs(next(&outbox)), [1]);
        assert_eq!(next(&outbox), Some(Body::Snapshot(head.encode().into())));
        assert_eq!(next(&outbox), Some(Body::Piece(vec![7].into())));
        assert_eq!([seqs(next(&outbox)), seqs(next(&outbox)), seqs(next(&outbox))], [[0], [2], [3]]);
    }

    #[test]
    fn after_the_last_word_there_is_nothing() {
        let outbox = Outbox::default();
        outbox.push(&part(1, 10));
        outbox.close(Some(Goodbye::default()));
        outbox.push(&part(2, 10));
        assert_eq!(seqs(next(&outbox)), [1]);
        assert_eq!(next(&outbox), Some(Body::Goodbye(Goodbye::default())));
        assert_eq!(outbox.poll_frame(&mut Context::from_waker(Waker::noop())), Poll::Ready(None));
    }
}
