//! The request parser: any bytes, cut anywhere, give the same commands as in one piece, and never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::resp::{Batch, Limits, Parser, ProtocolError};

type Commands = Vec<Vec<Vec<u8>>>;

fn parse(parts: &[&[u8]], authenticated: bool) -> (Commands, Option<ProtocolError>) {
    let limits = Limits { bulk_max: 1 << 20, authenticated };
    let (mut parser, mut batch, mut buf, mut commands) =
        (Parser::new(), Batch::default(), Vec::new(), Vec::new());
    for part in parts {
        buf.extend_from_slice(part);
        loop {
            batch.clear();
            let (used, error) = parser.parse(&buf, limits, 8, &mut batch);
            assert!(used <= buf.len());
            for i in 0..batch.len() {
                commands.push(batch.args(i, &buf).iter().map(<[u8]>::to_vec).collect());
            }
            buf.drain(..used);
            if error.is_some() {
                return (commands, error);
            }
            if used == 0 {
                break;
            }
        }
    }
    (commands, None)
}

fuzz_target!(|input: (u16, bool, Vec<u8>)| {
    let (cut, authenticated, bytes) = input;
    let (front, back) = bytes.split_at(usize::from(cut) % (bytes.len() + 1));
    let (whole, whole_error) = parse(&[&bytes], authenticated);
    let (parts, parts_error) = parse(&[front, back], authenticated);
    assert_eq!(whole, parts);
    assert_eq!(whole_error, parts_error);
});
