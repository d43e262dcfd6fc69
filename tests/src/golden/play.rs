//! Plays a script against one server.

use super::script::{Action, Script, Step};
use super::words::Word;
use crate::client::Client;
use crate::server::Server;
use crate::value::Value;
use crate::wait::wait_for;
use std::collections::HashMap;
use std::io;
use std::time::Duration;

/// A reply that takes longer than this is written down as missing.
const REPLY_WITHIN: Duration = Duration::from_secs(20);
/// Conditions (`!until`, `!blocked`) must hold within this time.
const CONDITION_WITHIN: Duration = Duration::from_secs(10);
/// Once a script has waited in vain, it fails anyway: later waits are this short.
const IMPATIENT: Duration = Duration::from_millis(200);

/// What each step gave: the reply's text as its view shows it, or what went wrong. Steps without a reply give "".
pub fn play(script: &Script, server: &Server) -> Vec<String> {
    let mut player =
        Player { server, connections: HashMap::new(), saved: HashMap::new(), waited_in_vain: false };
    if let Err(e) = player.connection(0).and_then(|c| c.cmd("FLUSHALL")) {
        return script.steps.iter().map(|_| format!("FLUSHALL before the script: {e}")).collect();
    }
    script.steps.iter().map(|step| player.step(step)).collect()
}

/// Connection 0 is the player's own: it prepares and watches.
struct Player<'a> {
    server: &'a Server,
    connections: HashMap<usize, Client>,
    saved: HashMap<String, Vec<u8>>,
    waited_in_vain: bool,
}

impl Player<'_> {
    fn step(&mut self, step: &Step) -> String {
        match self.act(step) {
            Ok(Some(reply)) => {
                if let Some(name) = &step.view.save {
                    self.saved.insert(name.clone(), saved_text(&reply));
                }
                step.view.text(&reply)
            }
            Ok(None) => String::new(),
            Err(e) => e,
        }
    }

    fn act(&mut self, step: &Step) -> Result<Option<Value>, String> {
        match &step.action {
            Action::Call(c, words) => {
                self.send(*c, words)?;
                self.receive(*c).map(Some)
            }
            Action::Send(c, words) => self.send(*c, words).map(|()| None),
            Action::Receive(c) => self.receive(*c).map(Some),
            Action::Raw(c, bytes) => {
                let sent = self.connection(*c).and_then(|client| client.send_raw(bytes));
                sent.map(|()| None).map_err(|e| format!("not sent: {e}"))
            }
            Action::Resp(c, version) => {
                let hello = ["HELLO".to_owned(), version.to_string()].map(|w| Word::Bytes(w.into_bytes()));
                self.send(*c, &hello)?;
                no_error(self.receive(*c)?)
            }
            Action::Each(first, last, words) => self.each(*first, *last, words),
            Action::Blocked(count) => self.blocked(*count),
            Action::Until(text, words) => self.until(text, words),
            Action::Close(c) => {
                self.connections.remove(c);
                Ok(None)
            }
        }
    }

    fn connection(&mut self, number: usize) -> io::Result<&mut Client> {
        use std::collections::hash_map::Entry;
        match self.connections.entry(number) {
            Entry::Occupied(e) => Ok(e.into_mut()),
            Entry::Vacant(e) => Ok(e.insert(Client::connect(self.server.address())?)),
        }
    }

    fn send(&mut self, connection: usize, words: &[Word]) -> Result<(), String> {
        let args: Vec<Vec<u8>> = words.iter().map(|w| w.resolve(&self.saved)).collect();
        let sent = self.connection(connection).and_then(|c| c.send(&args));
        sent.map_err(|e| format!("not sent: {e}"))
    }

    /// The next reply. After a hang-up or a missing reply, the next use of the number opens a new connection, so that one
    /// fault does not hide what comes after it.
    fn receive(&mut self, connection: usize) -> Result<Value, String> {
        let limit = self.patience(REPLY_WITHIN);
        let received = self.connection(connection).and_then(|c| c.receive_within(limit));
        let problem = match received {
            Ok(Some(reply)) => return Ok(reply),
            Ok(None) => {
                self.waited_in_vain = true;
                "no reply".to_owned()
            }
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => "closed".to_owned(),
            Err(e) if e.kind() == io::ErrorKind::ConnectionReset => "closed".to_owned(),
            Err(e) => format!("broken reply: {e}"),
        };
        self.connections.remove(&connection);
        Err(problem)
    }

    fn patience(&self, limit: Duration) -> Duration {
        if self.waited_in_vain { IMPATIENT } else { limit }
    }

    fn each(&mut self, first: i64, last: i64, words: &[Word]) -> Result<Option<Value>, String> {
        for i in first..=last {
            let numbered: Vec<Word> = words.iter().map(|w| w.numbered(i)).collect();
            self.send(1, &numbered)?;
            no_error(self.receive(1)?)?;
        }
        Ok(None)
    }

    fn until(&mut self, text: &str, words: &[Word]) -> Result<Option<Value>, String> {
        let mut last = String::new();
        let reached = wait_for(self.patience(CONDITION_WITHIN), || {
            last = match self.send(1, words).and_then(|()| self.receive(1)) {
                Ok(reply) => reply.to_string(),
                Err(e) => e,
            };
            (last == text).then_some(())
        });
        self.waited_in_vain |= reached.is_none();
        reached.map(|()| None).ok_or_else(|| format!("never became {text}, last was {last}"))
    }

    fn blocked(&mut self, count: u64) -> Result<Option<Value>, String> {
        let wanted = format!("blocked_clients:{count}\r\n");
        let reached = wait_for(self.patience(CONDITION_WITHIN), || {
            let info = self.connection(0).and_then(|c| c.cmd("INFO clients")).ok()?;
            info.text().contains(&wanted).then_some(())
        });
        self.waited_in_vain |= reached.is_none();
        reached.map(|()| None).ok_or_else(|| format!("INFO never showed blocked_clients:{count}"))
    }
}

fn no_error(reply: Value) -> Result<Option<Value>, String> {
    if reply.is_error() { Err(reply.to_string()) } else { Ok(None) }
}

fn saved_text(reply: &Value) -> Vec<u8> {
    match reply {
        Value::Int(n) => n.to_string().into_bytes(),
        other => other.bytes().unwrap_or_default().to_vec(),
    }
}
