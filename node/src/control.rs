//! Orders to the main thread: what concerns the process as a whole and not one client.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::acceptor::Acceptor;
use crate::config::Config;

/// Something for the main thread to do.
pub enum Order {
    /// Listen where `new` says.
    Rebind { old: Arc<Config>, new: Arc<Config>, done: SyncSender<Result<(), String>> },
}

/// The way to the main thread.
#[derive(Default)]
pub struct Control {
    orders: OnceLock<UnboundedSender<Order>>,
}

impl Control {
    /// Opens the way; the main thread reads from the other end.
    pub fn open(&self) -> UnboundedReceiver<Order> {
        let (orders, received) = unbounded_channel();
        let _ = self.orders.set(orders);
        received
    }

    /// Listens at other addresses. Waits until that is done or has failed.
    pub fn rebind(&self, old: &Config, new: &Config) -> Result<(), String> {
        let (done, answer) = sync_channel(1);
        let order = Order::Rebind { old: Arc::new(old.clone()), new: Arc::new(new.clone()), done };
        let sent = self.orders.get().is_some_and(|orders| orders.send(order).is_ok());
        if !sent {
            return Err("the server is starting or stopping".into());
        }
        answer.recv().unwrap_or_else(|_| Err("the server is stopping".into()))
    }
}

/// Carries out orders for ever.
pub async fn obey(mut acceptor: Acceptor, mut orders: UnboundedReceiver<Order>) {
    while let Some(order) = orders.recv().await {
        match order {
            Order::Rebind { old, new, done } => {
                let result = acceptor.rebind(old, new).await;
                if let Err(reason) = &result {
                    tracing::warn!("{reason}");
                }
                // Who asked may have gone.
                let _ = done.send(result);
            }
        }
    }
}
