//! Keeping a link to each configured node: connects, tries again after longer and longer pauses, and leaves it at that
//! while the other end's own link serves.

use std::rc::Rc;
use std::time::Duration;

use proto::peer::{Frame, Why};
use replication::message::Reason;
use replication::origin::{Author, Uuid};
use tonic::Streaming;

use super::foreign;
use super::identity::show_uuid;
use super::link::End;
use super::outbox::Outbox;
use super::status::State;
use super::thread::Shared;
use super::transport::{self, Failure};
use crate::config::values::Master;
use crate::worker::unix_ms;

/// Pauses between tries: from, up to; jitter takes up to half of each.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(3);
/// The pause after a refusal: what is wrong has to be put right by somebody.
const PAUSE_REFUSED: Duration = Duration::from_secs(5);
/// A peer that does not say hello for so long is none.
const HELLO_WITHIN: Duration = Duration::from_secs(5);
/// How long the last word may take to go out.
const LINGER: Duration = Duration::from_secs(1);

/// A configured node.
pub struct Target {
    pub id: usize,
    pub master: Master,
    pub state: State,
    /// Who answered there last.
    pub uuid: Option<Uuid>,
    pub error: String,
    pub down_since_ms: u64,
}

/// Keeps a link to a target until it is not wanted any more.
pub async fn keep(shared: Rc<Shared>, id: usize) {
    let mut pause = PAUSE_MIN;
    while let Some(master) = shared.wanted(id) {
        if shared.is_served(id) {
            shared.set(id, State::Connected, None);
            shared.changed.notified().await;
            continue;
        }
        shared.set(id, State::Connecting, None);
        let began = tokio::time::Instant::now();
        let end = once(&shared, id, &master).await;
        if began.elapsed() > PAUSE_REFUSED {
            pause = PAUSE_MIN;
        }
        let wait = match end {
            End::Duplicate => PAUSE_MIN,
            End::Unwanted => return,
            End::Foreign => {
                foreign::keep(&shared, id, &master).await;
                PAUSE_MIN
            }
            End::Itself => {
                tracing::warn!("replicaof {} {} is this node itself: ignored", master.host, master.port);
                return shared.set(id, State::Itself, Some("this node itself".into()));
            }
            End::Refused(text) => {
                shared.set(id, State::Waiting, Some(text));
                PAUSE_REFUSED
            }
            End::Broken(text) => {
                if pause == PAUSE_MIN {
                    tracing::warn!("No link to {}:{}: {text}", master.host, master.port);
                }
                shared.set(id, State::Waiting, Some(text));
                pause = (pause * 2).min(PAUSE_MAX);
                pause
            }
        };
        let jitter = f64::from(uuid::Uuid::new_v4().as_fields().0) / f64::from(u32::MAX);
        tokio::time::sleep(wait.mul_f64(0.5 + jitter / 2.0)).await;
    }
}

async fn once(shared: &Rc<Shared>, id: usize, master: &Master) -> End {
    let outbox = Outbox::default();
    let config = shared.server.config.get();
    match transport::open(&config, &master.host, master.port, &outbox).await {
        // It may have been taken off the list meanwhile.
        Ok(_) if shared.wanted(id).is_none() => End::Unwanted,
        Ok((stream, addr)) => {
            outbox.set_compress(config.repl_compression && !addr.ip().is_loopback());
            let addr = format!("{}:{}", addr.ip(), addr.port());
            run(shared, stream, outbox, addr, Some(id)).await
        }
        Err(Failure::Unreachable(text)) => match foreign::is_plain(config, master).await {
            true => End::Foreign,
            false => End::Broken(text),
        },
        Err(Failure::Refused(text)) => {
            tracing::error!("Peer {}:{} refuses this node: {text}", master.host, master.port);
            End::Refused(text)
        }
    }
}

/// Serves a link to its end.
pub async fn run(
    shared: &Rc<Shared>,
    mut stream: Streaming<Frame>,
    outbox: Outbox,
    addr: String,
    target: Option<usize>,
) -> End {
    let (link, mut stopped) = shared.driver.borrow_mut().open(outbox, addr, target);
    shared.after();
    let hello = tokio::time::sleep(HELLO_WITHIN);
    tokio::pin!(hello);
    let mut strange = true;
    let end = loop {
        tokio::select! {
            biased;
            end = &mut stopped => {
                let last_word = async { while let Ok(Some(_)) = stream.message().await {} };
                let _ = tokio::time::timeout(LINGER, last_word).await;
                break end.unwrap_or(End::Unwanted);
            }
            frame = stream.message() => match frame {
                Ok(Some(frame)) => {
                    shared.driver.borrow_mut().frame(link, frame);
                    shared.after();
                    if strange {
                        strange = !shared.greeted(link, target);
                    }
                }
                Ok(None) => break End::Broken("the other end closed the link".into()),
                Err(status) => break End::Broken(status.message().to_owned()),
            },
            () = &mut hello, if strange => break End::Broken("it does not say hello".into()),
        }
    };
    shared.driver.borrow_mut().ended(link);
    shared.after();
    shared.changed.notify_waiters();
    end
}

/// What the machine's reason for closing a link means, for the other end and for people.
pub fn explain(reason: Reason, addr: &str, me: Author) -> (Why, String) {
    match reason {
        Reason::Protocol => (Why::Protocol, format!("Peer {addr} speaks another version of the protocol")),
        Reason::SameIdentity => (
            Why::SameIdentity,
            format!(
                "Peer {addr} has an identity that another node has ({}). If its directory was copied, run REPLICATION NEWID on \
one of the two",
                show_uuid(me.uuid)
            ),
        ),
        Reason::LabelTaken => {
            (Why::Restart, format!("Peer {addr} has a label that is taken: it will begin a new incarnation"))
        }
        Reason::ClockAhead => (
            Why::ClockAhead,
            format!(
                "The clock of peer {addr} is ahead by more than max-clock-drift: its writes are not taken"
            ),
        ),
        Reason::Malformed => (Why::Malformed, format!("Peer {addr} sent something that makes no sense")),
        Reason::Detached => (
            Why::Unwanted,
            format!(
                "Peer {addr} and this node have not waited for each other any more, and both have writes that the other lacks: they \
                 cannot be merged. Let one side begin anew: SAVE, stop its nodes, move everwrite.node and member.* away, start them \
                 without the file, and bring back what is missed from it"
            ),
        ),
        Reason::TwoMeshes => (
            Why::Unwanted,
            format!(
                "Peer {addr} belongs to another mesh, and both have data of their own. Let the nodes of one join as newcomers: SAVE on \
                 one of them, stop them, move everwrite.node and member.* away, start that one with its file and the others \
                 without, and name the other mesh in replicaof"
            ),
        ),
        Reason::Reincarnated => {
            (Why::Restart, format!("Connecting anew with peer {addr}: an end began anew"))
        }
    }
}

impl Target {
    pub fn new(id: usize, master: Master) -> Target {
        let down_since_ms = unix_ms();
        Target { id, master, state: State::Waiting, uuid: None, error: String::new(), down_since_ms }
    }
}
