//! DEBUG PROTOCOL: a reply of each type there is, for tests of clients.

use protocol::ErrorReply;

use super::{Sub, sub};
use crate::dispatch::Call;

fn reply(call: &mut Call<'_>) -> Result<(), ErrorReply> {
    let out = &mut *call.out;
    match call.args[2].to_ascii_lowercase().as_slice() {
        b"string" => out.bulk_str("Hello World"),
        b"integer" => out.int(12345),
        b"double" => out.double_text(b"3.141"),
        b"bignum" => out.big_number("1234567999999999999999999999999999999"),
        b"null" => out.null(),
        b"array" => {
            out.array(3);
            (0..3).for_each(|n| out.int(n));
        }
        b"set" => {
            out.set(3);
            (0..3).for_each(|n| out.int(n));
        }
        b"map" => {
            out.map(3);
            for n in 0..3 {
                out.int(n);
                out.bool(n == 1);
            }
        }
        b"attrib" => {
            if out.resp3 {
                out.raw(b"|1\r\n");
                out.bulk_str("key-popularity");
                out.array(2);
                out.bulk_str("key:123");
                out.int(90);
            }
            out.bulk_str("Some real reply following the attribute");
        }
        b"push" if !out.resp3 => return Err(ErrorReply::new("ERR RESP2 is not supported by this command")),
        b"push" => {
            out.push(2);
            out.bulk_str("server-cpu-usage");
            out.int(42);
            out.bulk_str("Some real reply following the push reply");
        }
        b"verbatim" => out.verbatim("txt", b"This is a verbatim\nstring"),
        b"true" => out.bool(true),
        b"false" => out.bool(false),
        _ => {
            return Err(ErrorReply::new(
                "ERR Wrong protocol type name. Please use one of the following: \
                 string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
            ));
        }
    }
    Ok(())
}

pub(super) const SUBS: &[Sub] =
    &[sub("PROTOCOL", 1..=1, reply, "<type>", "A reply of a type, such as map or verbatim.")];
