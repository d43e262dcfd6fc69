//! Whether a command may run now.

use engine::command::CommandId;
use protocol::OwnedArgs;
use protocol::memcached::{Request, Storage, Verb};

use super::call::{Call, Halt};
use crate::acl;
use crate::dispatch;

const NOT_LOGGED_IN: &str = "CLIENT_ERROR unauthenticated";
const LOGIN_FAILED: &str = "CLIENT_ERROR authentication failure";

impl Call<'_> {
    /// Whether a command on a key may run that is like Redis's command `id`.
    #[inline]
    pub fn admit(&mut self, id: CommandId, key: &[u8]) -> Result<(), Halt> {
        let server = self.worker.server;
        let free = self.session.access.is_free()
            && !server.busy.is_on()
            && !server.memory.is_short()
            && self.worker.hindrances.get() == 0
            && !server.pause.is_set();
        if free { Ok(()) } else { self.admit_with_care(id, key) }
    }

    #[cold]
    fn admit_with_care(&mut self, id: CommandId, key: &[u8]) -> Result<(), Halt> {
        let facts = id.facts();
        let mut args = OwnedArgs::from_slices([facts.name.as_bytes(), key]);
        // Something in the place of each further argument: what is allowed depends on name and keys.
        while !facts.admits(args.view()) && args.view().len() < 4 {
            args.push(b"0");
        }
        if let Err(error) = dispatch::check(self.worker, self.session, self.ctx, facts, args.view(), self.out)
        {
            self.worker.stats.commands[id.index()].rejected.add(1);
            self.worker.stats.error(error.code());
            self.refuse(&error);
            return Err(Halt::Answered);
        }
        if self.worker.server.pause.blocks(self.worker, facts, args.view(), self.session, self.ctx.env.now_ms)
        {
            return Err(Halt::Paused);
        }
        Ok(())
    }

    fn refuse(&mut self, error: &protocol::ErrorReply) {
        let text = match error.code() {
            "OOM" => "SERVER_ERROR out of memory storing object".to_string(),
            _ => format!("SERVER_ERROR {}", error.text()),
        };
        self.line(&text);
    }

    /// What a client may do that has not said yet who it is: say so. True: the request has been dealt with.
    pub fn log_in(&mut self, request: &Request<'_>) -> bool {
        if !self.session.access.is_locked() {
            return false;
        }
        let Request::Store(Storage { verb: Verb::Set, data, .. }) = request else {
            self.line(NOT_LOGGED_IN);
            return true;
        };
        let mut words = data.splitn(2, |byte| *byte == b' ');
        let (name, password) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let users = &self.worker.server.users;
        match users.authenticate(name, password) {
            Some(account) => {
                self.session.access.log_in(account, users, &self.session.client);
                self.line("STORED");
            }
            None => {
                acl::note_failed_login(self.worker, self.session, b"set", name);
                self.line(LOGIN_FAILED);
            }
        }
        true
    }
}
