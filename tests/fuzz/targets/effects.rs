//! What comes from peers: messages, and the groups of effects in them. Hostile ones are refused, without a panic, and what
//! is understood is written as it was read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use replication::borrowed;
use replication::codec::{self, Reader};
use replication::message::Message;

fuzz_target!(|bytes: &[u8]| {
    let mut reader = Reader(bytes);
    while let Ok(one) = reader.bytes() {
        let Ok(message) = Message::decode(one) else { break };
        assert_eq!(Message::decode(&message.encode()), Ok(message));
    }
    for group in codec::groups(bytes) {
        let Ok((_, writes)) = group else { break };
        if codec::check_writes(writes).is_err() {
            continue;
        }
        let borrowed: Vec<_> = borrowed::writes(writes).collect();
        let owned = codec::decode_writes(writes).expect("what is checked can be read");
        assert_eq!(borrowed.len(), owned.len());
        for (one, other) in borrowed.into_iter().zip(owned) {
            assert_eq!(one.expect("what is checked can be read").to_owned(), other);
        }
    }
    let _ = codec::decode_writes(bytes);
});
