//! What comes in parts is put together up to a size, and no further.

use replication::log::{Log, NoSpill};
use replication::message::{Hello, Message, PROTOCOL, Part, Reason};
use replication::origin::{Author, Stream};
use replication::replica::{Action, Event, Options, Replica};

const ME: Author = Author { uuid: 1, incarnation: 1 };
const PEER: Author = Author { uuid: 2, incarnation: 1 };
const LINK: u64 = 7;

fn linked(options: Options) -> Replica<NoSpill> {
    let mut replica = Replica::new(ME, 1, 2, options, Log::new(1 << 20, NoSpill));
    let hello = Hello {
        protocol: PROTOCOL,
        author: PEER,
        boot: 9,
        vector: Default::default(),
        clock_ms: 0,
        lost: false,
        rooted: false,
        newcomer: false,
        members: vec![PEER],
    };
    let mut actions = Vec::new();
    replica.step(0, Event::Connected(LINK), &mut actions);
    replica.step(0, Event::Received(LINK, Message::Hello(hello)), &mut actions);
    assert!(replica.peer(LINK).is_some(), "{actions:?}");
    replica
}

#[test]
fn a_group_without_end_closes_the_link_and_changes_nothing() {
    let mut replica = linked(Options { group_bytes_max: 1_000, ..Options::default() });
    let stream = Stream { author: PEER, lane: 0 };
    for offset in (0..).step_by(300) {
        let part = Part { stream, seq: 1, offset, last: false, bytes: vec![1; 300].into() };
        let mut actions = Vec::new();
        replica.step(0, Event::Received(LINK, Message::Part(part)), &mut actions);
        let closed = actions.iter().any(|action| matches!(action, Action::Close(LINK, Reason::Malformed)));
        assert!(!actions.iter().any(|action| matches!(action, Action::Apply { .. })));
        assert_eq!(closed, offset == 900, "{offset}: {actions:?}");
        if closed {
            break;
        }
    }
    assert!(replica.peer(LINK).is_none());
    assert_eq!(replica.vector().have(stream).seq, 0);
}
