//! All users, by name.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};

use parking_lot::{Mutex, RwLock};

use super::file;
use super::journal::Journal;
use super::modifier::ModifierError;
use super::password::Password;
use super::rules::Rules;
use crate::config::{Line, Loaded, choice::AclPubsub};

/// The user that clients are until they say otherwise.
pub const DEFAULT: &[u8] = b"default";

/// A user. Connections hold it as long as they are its.
pub struct Account {
    /// Never used again, even by a user of the same name.
    pub id: u64,
    pub name: Vec<u8>,
    rules: RwLock<Arc<Rules>>,
    gone: AtomicBool,
}

impl Account {
    pub fn rules(&self) -> Arc<Rules> {
        self.rules.read().clone()
    }

    /// The user has been deleted: whoever still is it has to go.
    pub fn is_gone(&self) -> bool {
        self.gone.load(Acquire)
    }
}

/// A user as ACL LIST shows it: name and rules.
pub type Described = (Vec<u8>, Arc<Rules>);

/// See the [module's page](self).
pub struct Users {
    accounts: RwLock<BTreeMap<Vec<u8>, Arc<Account>>>,
    /// Also among the accounts; it can't be deleted.
    default: Arc<Account>,
    /// Grows with each change, after the change can be seen.
    generation: AtomicU64,
    next_id: AtomicU64,
    /// Held while users change.
    changing: Mutex<()>,
    pub journal: Journal,
}

impl Users {
    /// The users of the configuration and of its ACL file.
    pub fn new(loaded: &Loaded) -> Result<Users, String> {
        let config = &loaded.config;
        if !config.aclfile.is_empty() && !loaded.users.is_empty() {
            return Err("Users are declared in the configuration, and there is an ACL file (aclfile) as well: only one \
                        of them can be the source of users."
                .into());
        }
        let users = Users::with_default(Rules::default_user());
        users.set_default_password(&config.requirepass);
        users.declare(&loaded.users, new_users_have_all_channels(config.acl_pubsub_default))?;
        if !config.aclfile.is_empty() {
            users
                .load(&config.aclfile, new_users_have_all_channels(config.acl_pubsub_default))
                .map_err(|errors| format!("Aborting startup because of ACL errors: {errors}"))?;
        }
        Ok(users)
    }

    fn with_default(rules: Rules) -> Users {
        let default = Arc::new(Account {
            id: 0,
            name: DEFAULT.to_vec(),
            rules: RwLock::new(Arc::new(rules)),
            gone: AtomicBool::new(false),
        });
        Users {
            accounts: RwLock::new(BTreeMap::from([(DEFAULT.to_vec(), default.clone())])),
            default,
            generation: AtomicU64::new(1),
            next_id: AtomicU64::new(1),
            changing: Mutex::default(),
            journal: Journal::default(),
        }
    }

    /// Lines `user name modifier...` of the configuration.
    fn declare(&self, lines: &[Line], all_channels: bool) -> Result<(), String> {
        let mut seen = Vec::new();
        for line in lines {
            let (name, words) = (&line.words[1], line.words[2..].iter().map(Vec::as_slice));
            let wrong = |what: &[u8], reason: &str| {
                let what = String::from_utf8_lossy(what);
                line.error(format!("Error in user declaration '{what}': {reason}")).to_string()
            };
            if !super::key_pattern::is_one_word(name) {
                return Err(wrong(name, "Usernames can't contain spaces or null characters"));
            }
            if seen.contains(&name) {
                return Err(wrong(
                    name,
                    "Duplicate user found. A user can only be defined once in config files",
                ));
            }
            seen.push(name);
            let modifiers = super::modifier::join_selectors(words)
                .map_err(|open| wrong(&open, "Unmatched parenthesis in acl selector"))?;
            let mut rules = Rules::new(all_channels);
            for modifier in &modifiers {
                rules.apply(modifier, all_channels).map_err(|e| wrong(modifier, &e.to_string()))?;
            }
            self.publish(name, rules);
        }
        Ok(())
    }

    /// A number that has changed if any user has.
    #[inline]
    pub fn generation(&self) -> u64 {
        self.generation.load(Acquire)
    }

    pub fn default(&self) -> &Arc<Account> {
        &self.default
    }

    pub fn get(&self, name: &[u8]) -> Option<Arc<Account>> {
        self.accounts.read().get(name).cloned()
    }

    /// All users, by name.
    pub fn all(&self) -> Vec<Described> {
        self.accounts.read().iter().map(|(name, account)| (name.clone(), account.rules())).collect()
    }

    /// The account of a name and password, if they let someone in.
    pub fn authenticate(&self, name: &[u8], password: &[u8]) -> Option<Arc<Account>> {
        self.get(name).filter(|account| account.rules().admits(password))
    }

    /// Changes a user or makes one: all of the modifiers or none. An error says which one is wrong.
    pub fn change(
        &self,
        name: &[u8],
        modifiers: &[Vec<u8>],
        all_channels: bool,
    ) -> Result<Arc<Account>, (Vec<u8>, ModifierError)> {
        let _changing = self.changing.lock();
        let mut rules = match self.get(name) {
            Some(account) => Rules::clone(&account.rules()),
            None => Rules::new(all_channels),
        };
        for modifier in modifiers {
            rules.apply(modifier, all_channels).map_err(|e| (modifier.clone(), e))?;
        }
        Ok(self.publish(name, rules))
    }

    fn publish(&self, name: &[u8], rules: Rules) -> Arc<Account> {
        let account = {
            let mut accounts = self.accounts.write();
            accounts.entry(name.to_vec()).or_insert_with(|| self.new_account(name)).clone()
        };
        *account.rules.write() = Arc::new(rules);
        self.generation.fetch_add(1, Release);
        account
    }

    fn new_account(&self, name: &[u8]) -> Arc<Account> {
        Arc::new(Account {
            id: self.next_id.fetch_add(1, Relaxed),
            name: name.to_vec(),
            rules: RwLock::new(Arc::new(Rules::new(false))),
            gone: AtomicBool::new(false),
        })
    }

    /// Deletes a user. `None`: there is none of that name.
    pub fn delete(&self, name: &[u8]) -> Option<Arc<Account>> {
        let _changing = self.changing.lock();
        let account = self.accounts.write().remove(name)?;
        account.gone.store(true, Release);
        self.generation.fetch_add(1, Release);
        Some(account)
    }

    /// `requirepass`: the only password of the default user, or none if it is empty.
    pub fn set_default_password(&self, password: &[u8]) {
        let _changing = self.changing.lock();
        let mut rules = Rules::clone(&self.default.rules());
        rules.no_password = password.is_empty();
        rules.passwords = match password {
            b"" => Vec::new(),
            password => vec![Password::of(password)],
        };
        self.publish(DEFAULT, rules);
    }

    /// Replaces all users by those of a file, or none. Returns the accounts that are gone.
    pub fn load(&self, path: &str, all_channels: bool) -> Result<Vec<Arc<Account>>, String> {
        let _changing = self.changing.lock();
        let mut loaded = file::read(path, all_channels)?;
        let default = loaded.remove(DEFAULT).unwrap_or_else(Rules::default_user);
        let mut accounts = BTreeMap::from([(DEFAULT.to_vec(), self.default.clone())]);
        for (name, rules) in loaded {
            let account = self.new_account(&name);
            *account.rules.write() = Arc::new(rules);
            accounts.insert(name, account);
        }
        *self.default.rules.write() = Arc::new(default);
        let mut gone = std::mem::replace(&mut *self.accounts.write(), accounts);
        gone.remove(DEFAULT);
        gone.values().for_each(|account| account.gone.store(true, Release));
        self.generation.fetch_add(1, Release);
        Ok(gone.into_values().collect())
    }

    /// Writes all users into a file.
    pub fn save(&self, path: &str) -> std::io::Result<()> {
        let _changing = self.changing.lock();
        file::write(path, &self.all())
    }

    /// Lines of a configuration file that make the users.
    pub fn lines(&self) -> Vec<Vec<u8>> {
        self.all().iter().map(|(name, rules)| line(name, rules)).collect()
    }
}

/// A user as one line.
pub fn line(name: &[u8], rules: &Rules) -> Vec<u8> {
    [b"user ", name, b" ", &rules.describe()].concat()
}

/// What `acl-pubsub-default` says of users and selectors to come.
pub fn new_users_have_all_channels(choice: AclPubsub) -> bool {
    choice == AclPubsub::AllChannels
}
