//! Everything about a user but the name.

use engine::command::Facts;
use protocol::Args;

use super::denial::Denial;
use super::password::Password;
use super::selector::Selector;

/// See the [module's page](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// May log in.
    pub on: bool,
    /// With any password.
    pub no_password: bool,
    /// What was said of payloads of RESTORE, if anything was: whether they are to be checked.
    pub sanitize: Option<bool>,
    pub passwords: Vec<Password>,
    pub root: Selector,
    pub selectors: Vec<Selector>,
}

impl Rules {
    /// A user that has just been created.
    pub fn new(all_channels: bool) -> Rules {
        Rules {
            on: false,
            no_password: false,
            sanitize: None,
            passwords: Vec::new(),
            root: Selector::new(all_channels),
            selectors: Vec::new(),
        }
    }

    /// The default user, before anything is said about it.
    pub fn default_user() -> Rules {
        Rules { on: true, no_password: true, root: Selector::everything(), ..Rules::new(true) }
    }

    /// Who need not log in, if this is the default user.
    pub fn is_open(&self) -> bool {
        self.on && self.no_password
    }

    /// Whether a password lets the user in. Every password is compared, so that time does not tell which one was right.
    pub fn admits(&self, password: &[u8]) -> bool {
        let given = Password::of(password);
        let right = self.passwords.iter().fold(false, |right, known| known.matches(&given) | right);
        self.on && (self.no_password || right)
    }

    pub fn selectors(&self) -> impl Iterator<Item = &Selector> {
        std::iter::once(&self.root).chain(&self.selectors)
    }

    pub fn allows_everything(&self) -> bool {
        self.selectors().any(Selector::allows_everything)
    }

    /// Whether the command line is allowed.
    pub fn check(&self, facts: &'static Facts, args: Args<'_>) -> Result<(), Denial> {
        let mut denial = Denial::Command;
        for selector in self.selectors() {
            match selector.check(facts, args) {
                Ok(()) => return Ok(()),
                Err(found) => denial = denial.max(found),
            }
        }
        Err(denial)
    }

    /// Whether the command line is allowed, and with it reading any key.
    pub fn reads_all_keys(&self, facts: &'static Facts, args: Args<'_>) -> bool {
        self.selectors().any(|s| s.reads_all_keys() && s.check(facts, args).is_ok())
    }

    pub fn allows_channel(&self, name: &[u8], pattern: bool) -> bool {
        self.selectors().any(|selector| selector.allows_channel(name, pattern))
    }
}
