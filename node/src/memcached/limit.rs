//! cache_memlimit: `maxmemory` in megabytes. Who may not use CONFIG SET may not use it either.

use engine::command::id;

use super::call::{Call, Halt};
use crate::config::Caller;

/// What memcached takes, megabytes.
const LEAST: u64 = 8;
const MOST: u64 = 1_000_000_000;

pub fn set(call: &mut Call<'_>, megabytes: u64) -> Result<(), Halt> {
    call.admit(id::CONFIG_SET, b"")?;
    match megabytes {
        ..LEAST => call.line("MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m"),
        LEAST..=MOST => {
            let bytes = (megabytes << 20).to_string();
            let server = call.worker.server;
            let loading = &server.persistence.loading;
            let caller = Caller {
                local: call.session.client.is_local(),
                loading: loading.is_active() || loading.is_beside(),
            };
            match server.config.set_many(&[(b"maxmemory", bytes.as_bytes())], caller) {
                Ok(()) => {
                    // What follows in the same batch sees the change.
                    call.worker.refresh(call.ctx);
                    call.line("OK");
                }
                Err(_) => call.line("MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust"),
            }
        }
        _ => call.line("MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes"),
    }
    Ok(())
}
