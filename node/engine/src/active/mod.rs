//! Being a member of a mesh: the fold of effects that come late, beside the data as it is.
//!
//! While peers are configured, each shard has a [`replication::overlay::Overlay`]: what must be remembered so that an older
//! effect of another node can still be folded in. Local effects and those of others go through it alike, with one
//! difference: a local effect is newer than all that its shard has seen, so it is noted ([`note`]) and then carried out
//! by the engine's own code; an effect from elsewhere may be late, and the overlay itself brings the data in line, through
//! its view of the shard ([`stage`]).
//!
//! What needs nothing of what was there before is not even noted but jotted down, here and when it comes from elsewhere in
//! time ([`direct`]); marks are made of it when somebody asks. See [`replication::overlay::Jot`].
//!
//! A string that was put as a whole needs no mark: the stamp in its entry says it all. See
//! [`Plain::stamp`](replication::overlay::Plain::stamp).
//!
//! Reading order: [`stage`], [`note`], [`lapse`], [`remote`], [`direct`], [`parts`], [`echo`], [`settle`], [`sync`], [`arrival`], [`inspect`].

mod arrival;
mod direct;
mod echo;
pub mod inspect;
mod lapse;
pub mod note;
mod parts;
pub mod remote;
pub mod settle;
pub mod stage;
pub mod sync;
#[cfg(test)]
mod tests;

use crate::ctx::Ctx;
use crate::keyspace::Keyspace;

/// Begins or ends the keeping of overlays, and names the node in stamps. `rules` are switched off by tests only.
pub fn activate(keyspace: &Keyspace, label: Option<u16>) {
    keyspace.journal.set_label(label.unwrap_or(0));
    for shard in 0..keyspace.shard_count() {
        let mut shard = keyspace.cell(shard).lock.lock();
        match label {
            Some(_) => drop(shard.overlay.get_or_insert_default()),
            None => shard.overlay = None,
        }
    }
}

/// Names the node anew in stamps. Returns the version that parts what it wrote under the name it had from what it writes from now
/// on.
pub fn rename(ctx: &mut Ctx<'_>, label: u16) -> u64 {
    ctx.locks.hold_all();
    let seen = ctx.locks.iter().map(|shard| shard.clock.last()).max().unwrap_or(0);
    let journal = &ctx.keyspace.journal;
    let cut = journal.ceiling(seen);
    journal.change_label(label);
    ctx.locks.iter_mut().for_each(|shard| shard.clock.observe(cut));
    ctx.locks.release();
    cut
}
