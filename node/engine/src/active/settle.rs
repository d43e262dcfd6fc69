//! Forgetting what no member can need any more.

use replication::overlay::{Conflict, Counts, Levels};

use super::stage::Stage;
use crate::ctx::Ctx;
use crate::keyspace::Keyspace;

/// Brings one shard up to date with how far the members are. What is left in the outbox must be seen to while the shard is
/// held.
pub fn settle(ctx: &mut Ctx<'_>, shard: usize, levels: Levels) {
    ctx.keyspace.journal.reach(levels.horizon);
    if ctx.keyspace.journal.is_syncing() {
        // What all others have may be missing in what is still on its way, here or there.
        return;
    }
    settle_now(ctx, shard, levels);
}

pub(super) fn settle_now(ctx: &mut Ctx<'_>, shard: usize, levels: Levels) {
    ctx.locks.hold_one(shard);
    ctx.begin_echo();
    let (shard, writer) = ctx.locks.get_to_write(shard);
    let Some(mut overlay) = shard.overlay.take() else { return };
    let (env, out) = (&ctx.env, &mut ctx.out);
    let mut stage = Stage { shard, env, out, writer, stamp: Default::default(), touched: false };
    overlay.settle(&mut stage, levels);
    stage.shard.overlay = Some(overlay);
}

/// What the overlays hold.
#[derive(Clone, Debug, Default)]
pub struct Size {
    /// Keys with marks.
    pub keys: usize,
    pub conflicts: Counts,
    /// Conflicts since the last look, or some of them, in the order of the shards.
    pub recent: Vec<Conflict>,
    /// Nothing at all is remembered.
    pub empty: bool,
}

/// Looks at all overlays, and takes the conflicts that they have kept.
pub fn size(keyspace: &Keyspace) -> Size {
    let mut size = Size { empty: true, ..Size::default() };
    for shard in 0..keyspace.shard_count() {
        let mut shard = keyspace.cell(shard).lock.lock();
        let Some(overlay) = &mut shard.overlay else { continue };
        size.keys += overlay.len();
        size.empty &= overlay.is_empty();
        size.conflicts.add(&overlay.conflicts().counts());
        size.recent.append(&mut overlay.take_conflicts());
    }
    size
}
