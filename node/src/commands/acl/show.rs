//! LIST, USERS and GETUSER.

use protocol::{ErrorReply, Reply};

use super::DONE;
use crate::acl::selector::Selector;
use crate::acl::users::line;
use crate::commands::{NodeRow, row};
use crate::dispatch::{Call, Next};

fn list(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let users = call.worker.server.users.all();
    call.out.array(users.len());
    users.iter().for_each(|(name, rules)| call.out.bulk(&line(name, rules)));
    DONE
}

fn users(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let users = call.worker.server.users.all();
    call.out.array(users.len());
    users.iter().for_each(|(name, _)| call.out.bulk(name));
    DONE
}

fn get_user(call: &mut Call<'_>) -> Result<Next, ErrorReply> {
    let Some(account) = call.worker.server.users.get(&call.args[2]) else {
        call.out.null();
        return DONE;
    };
    let (rules, out) = (account.rules(), &mut *call.out);
    out.map(6);
    out.bulk_str("flags");
    out.set(rules.flags().count());
    rules.flags().for_each(|flag| out.bulk_str(flag));
    out.bulk_str("passwords");
    out.array(rules.passwords.len());
    rules.passwords.iter().for_each(|password| out.bulk_str(&password.hex()));
    show_selector(out, &rules.root);
    out.bulk_str("selectors");
    out.array(rules.selectors.len());
    for selector in &rules.selectors {
        out.map(3);
        show_selector(out, selector);
    }
    DONE
}

fn show_selector(out: &mut Reply, selector: &Selector) {
    out.bulk_str("commands");
    out.bulk(&selector.describe_commands());
    out.bulk_str("keys");
    out.bulk(&selector.describe_keys());
    out.bulk_str("channels");
    out.bulk(&selector.describe_channels());
}

pub const ROWS: &[NodeRow] = &[row("ACL LIST", list), row("ACL USERS", users), row("ACL GETUSER", get_user)];
