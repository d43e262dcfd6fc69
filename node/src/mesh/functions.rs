//! Libraries of functions, which nodes tell each other beside the data: see [`crate::scripting::ledger`].

use proto::peer::Why;
use protocol::OwnedArgs;
use replication::message::Message;
use replication::replica::Link;
use replication::stamp::COUNTER_BITS;

use super::driver::Driver;
use super::link::End;
use super::outbox::Encoded;
use crate::feed;
use crate::scripting::{ledger, libraries};
use crate::worker::unix_ms;

impl Driver {
    /// Tells all peers what they have not been told yet.
    pub fn tell_libraries(&mut self) {
        let changes = self.server.libraries.ledger(|ledger| ledger.changes());
        let links: Vec<Link> =
            self.links.iter().filter(|(_, state)| state.libraries < changes).map(|(link, _)| *link).collect();
        for link in links.into_iter().filter(|link| self.replica.peer(*link).is_some()).collect::<Vec<_>>() {
            let Some(state) = self.links.get_mut(&link) else { continue };
            let since = std::mem::replace(&mut state.libraries, changes);
            for told in self.server.libraries.ledger(|ledger| ledger.tell(since)) {
                let message = Message::Libraries(told);
                state.outbox.push_encoded(&message, &Encoded::of(&message));
            }
        }
    }

    /// Tells those who follow this node and are no peers what functions there are now.
    fn pass_libraries_on(&self) {
        let mut ctx = self.worker.ctx.borrow_mut();
        self.worker.tick(&mut ctx);
        // A client's change is either in it or written down behind it.
        ctx.locks.hold_one(feed::APART);
        let payload = self.server.libraries.read(|shelf| libraries::dump(shelf, true));
        let words = [&b"FUNCTION"[..], b"RESTORE", &payload, b"FLUSH"];
        let args = OwnedArgs::from_slices(words);
        feed::note_apart(&mut ctx, args.view(), true);
        ctx.locks.release();
    }

    /// A peer tells what it knows.
    pub fn hear_libraries(&mut self, link: Link, told: &[u8]) {
        let Ok((flushed, all)) = ledger::read(told) else {
            return self.malformed(link, "libraries that cannot be read");
        };
        let latest = all.iter().map(|told| told.mark).chain([flushed]).max().unwrap_or_default().version;
        if latest >> COUNTER_BITS > unix_ms() + self.server.config.get().max_clock_drift {
            let text = "a library of functions is from further in the future than max-clock-drift";
            return self.hang_up(link, Why::ClockAhead, text, End::Refused(text.into()));
        }
        self.server.keyspace.journal.raise_floor(latest);
        let before = self.server.libraries.generation();
        if let Err(reason) = self.server.libraries.take(told) {
            tracing::error!("Functions that a peer has cannot be used here. {reason}");
            self.last_error = reason;
        }
        if self.server.libraries.generation() != before {
            self.pass_libraries_on();
        }
        // Who heard of it here only hears it now.
        self.tell_libraries();
    }
}
