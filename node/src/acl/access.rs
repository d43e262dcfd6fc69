//! Who a connection is, and what it may do: its own copy of what the users say, brought up to date once for each batch.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use engine::command::{Facts, id};
use protocol::Args;

use super::denial::Denial;
use super::rules::Rules;
use super::users::{Account, Users};
use crate::client::Client;

/// See the [module's page](self).
pub struct Access {
    account: Arc<Account>,
    rules: Arc<Rules>,
    generation: u64,
    /// Has given a password, or came when none was needed.
    logged_in: bool,
    locked: bool,
    free: bool,
}

impl Access {
    /// That of a new connection.
    pub fn new(users: &Users) -> Access {
        let account = users.default().clone();
        let rules = account.rules();
        let logged_in = rules.is_open();
        let mut access = Access { account, rules, generation: 0, logged_in, locked: false, free: false };
        access.reload(users);
        access
    }

    /// That of a master: whoever it serves has been looked at there.
    pub fn unlimited(users: &Users) -> Access {
        Access { logged_in: true, locked: false, free: true, ..Access::new(users) }
    }

    /// Everything is allowed: nothing else needs to be asked.
    #[inline]
    pub fn is_free(&self) -> bool {
        self.free
    }

    /// A password is needed first.
    #[inline]
    pub fn is_locked(&self) -> bool {
        self.locked
    }

    /// Which state of the users it knows.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    pub fn user(&self) -> &[u8] {
        &self.account.name
    }

    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Whether it is the user of this account.
    pub fn is(&self, account: &Account) -> bool {
        self.account.id == account.id
    }

    /// Takes over a change of the users. False if the user is no more.
    #[inline]
    pub fn refresh(&mut self, users: &Users) -> bool {
        if users.generation() == self.generation {
            return true;
        }
        self.reload(users);
        !self.account.is_gone()
    }

    #[cold]
    fn reload(&mut self, users: &Users) {
        self.generation = users.generation();
        self.rules = self.account.rules();
        self.locked = !self.logged_in && !users.default().rules().is_open();
        self.free = !self.locked && !self.account.is_gone() && self.rules.allows_everything();
    }

    /// The client is another user from now on.
    pub fn log_in(&mut self, account: Arc<Account>, users: &Users, client: &Client) {
        self.account = account;
        self.logged_in = true;
        self.show(client);
        self.reload(users);
    }

    /// The client is who it was when it came.
    pub fn reset(&mut self, users: &Users, client: &Client) {
        *self = Access::new(users);
        self.show(client);
    }

    fn show(&self, client: &Client) {
        client.account.store(self.account.id, Relaxed);
        client.names.lock().user = String::from_utf8_lossy(&self.account.name).into_owned();
    }

    /// Whether the command line is allowed.
    pub fn check(&self, facts: &'static Facts, args: Args<'_>) -> Result<(), Denial> {
        if self.free { Ok(()) } else { self.rules.check(facts, args) }
    }

    /// Whether a command that names keys only by a pattern may not get at them.
    #[inline]
    pub fn confines(&self, facts: &'static Facts, args: Args<'_>) -> bool {
        !self.free && matches!(facts.id, id::SORT | id::SORT_RO) && !self.rules.reads_all_keys(facts, args)
    }
}
