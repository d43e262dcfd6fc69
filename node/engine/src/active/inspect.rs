//! Looking into the pieces of a full sync without taking them: whether they are sound.

use replication::borrowed;
use replication::codec::{Malformed, Reader};
use replication::overlay::Overlay;

use super::sync::{CLEARED, END, KEY, KNOWN, MARKS, SETTLED};

/// How many keys a piece has; an error if it cannot be taken.
pub fn piece(bytes: &[u8]) -> Result<u64, Malformed> {
    let (mut r, mut keys) = (Reader(bytes), 0);
    while !r.0.is_empty() {
        match r.int()? {
            tag @ (KEY | MARKS) => {
                key(&mut r, tag == KEY)?;
                keys += u64::from(tag == KEY);
            }
            CLEARED => {
                let (_db, _version, _origin, _sub) = (r.small()?, r.int()?, r.label()?, r.small()?);
            }
            SETTLED | KNOWN | END => drop(r.int()?),
            tag => return Err(Malformed::Tag(tag)),
        }
    }
    Ok(keys)
}

fn key(r: &mut Reader<'_>, there: bool) -> Result<(), Malformed> {
    let (_db, _name) = (r.small()?, r.bytes()?);
    if there {
        let (_version, _origin, _deadline) = (r.int()?, r.label()?, r.option()?);
        borrowed::take_value(r)?;
        for _ in 0..r.count()? {
            let (_member, _at) = (r.bytes()?, r.int()?);
        }
    }
    if r.int()? != 0 {
        Overlay::check_marks(r)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::activate;
    use super::super::sync::Export;
    use super::*;
    use crate::commands::testing::Console;
    use crate::keyspace::Keyspace;

    #[test]
    fn a_piece_is_sound_as_it_is_and_not_when_it_is_cut() {
        let keyspace = Keyspace::new(2, 1);
        keyspace.journal.listen(true);
        activate(&keyspace, Some(1));
        let mut console = Console::new(&keyspace);
        for line in [
            "SET s v",
            "RPUSH l a b",
            "ZADD z 1 a",
            "HSET h f v",
            "HPEXPIRE h 100000 FIELDS 1 f",
            "DEL s",
            "FLUSHDB",
        ] {
            console.run(line);
            console.run("SADD m a");
        }
        console.ctx.locks.release();
        let whole = Export::default().next(&mut console.ctx, 1 << 20).unwrap();
        assert_eq!(piece(&whole), Ok(1));
        for end in 0..whole.len() {
            // A cut may fall between two records.
            assert!(piece(&whole[..end]).is_ok_and(|keys| keys <= 1) || piece(&whole[..end]).is_err());
        }
        assert!((0..whole.len()).filter(|end| piece(&whole[..*end]).is_err()).count() > whole.len() / 2);
    }
}
