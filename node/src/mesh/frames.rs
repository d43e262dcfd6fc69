//! Frames: how messages are packed for the transport, and unpacked with nothing taken on trust.

use prost::bytes::Bytes;
use proto::peer::Packed;
use proto::peer::frame::Body;
use replication::codec::{Malformed, Reader};
use replication::message::Message;

/// Bytes of messages in one frame, if one message is not larger by itself.
pub const FRAME_BYTES: usize = 256 << 10;
/// Bytes of effects in one message.
pub const PART_BYTES: usize = 128 << 10;
/// Bytes of a piece of a snapshot.
pub const PIECE_BYTES: usize = 128 << 10;
/// The largest frame that is taken from a peer. Larger than any that is sent: beats grow with the mesh.
pub const FRAME_MAX: usize = 4 << 20;
/// Frames below this are not worth compressing, bytes.
const COMPRESS_FROM: usize = 512;

/// The messages of a frame.
pub fn messages(bytes: &[u8]) -> impl Iterator<Item = Result<Message, Malformed>> {
    let mut reader = Reader(bytes);
    std::iter::from_fn(move || {
        if reader.0.is_empty() {
            return None;
        }
        let message = reader.bytes().and_then(Message::decode);
        if message.is_err() {
            reader = Reader(&[]);
        }
        Some(message)
    })
}

/// Bytes of payload in a frame.
pub fn size(body: &Body) -> usize {
    match body {
        Body::Messages(bytes) | Body::Piece(bytes) | Body::Partial(bytes) | Body::Snapshot(bytes) => {
            bytes.len()
        }
        Body::Packed(packed) => packed.zstd.len(),
        Body::Goodbye(goodbye) => goodbye.text.len(),
    }
}

/// Compresses a frame of messages if that makes it smaller.
pub fn compress(body: Body) -> Body {
    let Body::Messages(bytes) = &body else { return body };
    if bytes.len() < COMPRESS_FROM {
        return body;
    }
    match zstd::bulk::compress(bytes, 1) {
        Ok(packed) if packed.len() < bytes.len() => {
            Body::Packed(Packed { size: bytes.len() as u32, zstd: packed.into() })
        }
        _ => body,
    }
}

/// What was compressed. `None`: it is not what it says, or larger than a frame may be.
pub fn unpack(packed: &Packed) -> Option<Bytes> {
    let size = packed.size as usize;
    let bytes =
        if size <= FRAME_MAX { zstd::bulk::decompress(&packed.zstd, size).ok()? } else { return None };
    (bytes.len() == size).then(|| bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_packed_is_unpacked() {
        let bytes: Bytes = vec![7; 10_000].into();
        let Body::Packed(packed) = compress(Body::Messages(bytes.clone())) else { panic!("it is smaller") };
        assert_eq!(unpack(&packed), Some(bytes));
        for size in [0, 9_999, 10_001, u32::MAX] {
            assert_eq!(unpack(&Packed { size, ..packed.clone() }), None);
        }
        let short: Bytes = vec![7; 100].into();
        assert_eq!(compress(Body::Messages(short.clone())), Body::Messages(short));
    }

    proptest! {
        #[test]
        fn garbage_is_an_error_at_most_once(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let found: Vec<_> = messages(&bytes).collect();
            prop_assert!(found.iter().filter(|m| m.is_err()).count() <= 1);
            prop_assert!(found.iter().rev().skip(1).all(Result::is_ok));
            let packed = Packed { size: bytes.len() as u32, zstd: bytes.clone().into() };
            prop_assert!(unpack(&packed).is_none_or(|out| out.len() == bytes.len()));
        }
    }
}
