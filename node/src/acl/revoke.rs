//! What becomes of connections when users change: they end if their user is no more, or if they listen to a channel that the
//! user may not listen to any more.

use std::sync::Arc;

use super::users::Account;
use crate::client::Client;
use crate::pubsub::Kind;
use crate::server::Server;
use crate::session::Session;

/// Ends the connections of a user that listen to what the user's rules do not allow.
pub fn revoke_channels(server: &Server, account: &Account, own: &mut Session) {
    let rules = account.rules();
    if rules.selectors().any(|selector| selector.all_channels) {
        return;
    }
    let mut revoked: Vec<Arc<Client>> = Vec::new();
    server.pubsub.each_subscription(|kind, name, clients| {
        if !rules.allows_channel(name, kind == Kind::Pattern) {
            let theirs = |client: &&Arc<Client>| client.is_account(account.id);
            revoked.extend(clients.iter().filter(theirs).cloned());
        }
    });
    disconnect(server, &revoked, own);
}

/// Ends the connections of users that are no more.
pub fn disconnect_users(server: &Server, gone: &[Arc<Account>], own: &mut Session) {
    let of_gone = |client: &Arc<Client>| gone.iter().any(|account| client.is_account(account.id));
    let clients: Vec<Arc<Client>> = server.clients.all().into_iter().filter(of_gone).collect();
    disconnect(server, &clients, own);
}

fn disconnect(server: &Server, clients: &[Arc<Client>], own: &mut Session) {
    for client in clients {
        if client.id == own.client.id {
            // The reply goes out first.
            own.closing = true;
        } else {
            server.disconnect(client);
        }
    }
}

/// A subscription that was made while its user changed may have been overlooked by whoever changed it: with the rules up to
/// date, the client that subscribed looks again.
pub fn recheck(server: &Server, session: &mut Session) {
    let generation_before = session.access.generation();
    if !session.access.refresh(&server.users) {
        session.closing = true;
    }
    if session.access.generation() == generation_before {
        return;
    }
    let (rules, own) = (session.access.rules(), &session.subscriptions);
    let channels =
        own.channels.iter().chain(&own.shard_channels).all(|name| rules.allows_channel(name, false));
    if !channels || !own.patterns.iter().all(|name| rules.allows_channel(name, true)) {
        session.closing = true;
    }
}
