//! Polkit: whether somebody on the bus may do something (org.freedesktop.PolicyKit1.Authority).

use crate::bus::answer;
use std::{collections::HashMap, time::Duration};
use thox_api::dbus::Action;
use thox_policy::access::{Credential, Right};
use tokio::time::timeout;
use zbus::{Connection, Variant, message::Header};

/// A person who is asked for a password takes a while.
const WITH_PERSON: Duration = Duration::from_secs(120);
const ALONE: Duration = Duration::from_secs(25);

/// `AllowUserInteraction`
const INTERACTION: u32 = 1;

/// Polkit's answer as a credential. Where there is no polkit, root alone may; where it gives no answer, nobody.
pub(super) async fn ask(
    connection: &Connection,
    call: &Header<'_>,
    user: Option<u32>,
    action: Action,
) -> Credential {
    let yes = Credential::Good(Right::Administration);
    match check(connection, call, action).await {
        Ok(true) => yes,
        Ok(false) => Credential::Bad,
        Err(error) if is_not_there(&error) => {
            tracing::debug!(%error, "there is no polkit: root alone may change something");
            if user == Some(0) {
                yes
            } else {
                Credential::Bad
            }
        }
        Err(error) => {
            tracing::warn!(%error, action = action.id(), "polkit gives no answer: it counts as no");
            Credential::Bad
        }
    }
}

async fn check(connection: &Connection, call: &Header<'_>, action: Action) -> zbus::Result<bool> {
    let sender = call.sender().ok_or(zbus::Error::MissingField)?;
    let subject = HashMap::from([("name", Variant::from(sender.as_str()))]);
    let may_ask = call
        .primary()
        .flags()
        .contains(zbus::message::Flags::ALLOW_INTERACTIVE_AUTH);
    let (flags, patience) = if may_ask {
        (INTERACTION, WITH_PERSON)
    } else {
        (0, ALONE)
    };
    let body = (
        ("system-bus-name", subject),
        action.id(),
        HashMap::<&str, &str>::new(),
        flags,
        "",
    );
    let asked = connection.call_method(
        Some("org.freedesktop.PolicyKit1"),
        "/org/freedesktop/PolicyKit1/Authority",
        Some("org.freedesktop.PolicyKit1.Authority"),
        "CheckAuthorization",
        &body,
    );
    let late = |_| zbus::Error::Failure(format!("it was silent for {patience:?}"));
    let reply = timeout(patience, asked).await.map_err(late)??;
    let (is_authorized, _, _): (bool, bool, HashMap<String, String>) =
        reply.body().deserialize()?;
    Ok(is_authorized)
}

fn is_not_there(error: &zbus::Error) -> bool {
    let Some((name, _)) = answer(error) else {
        return false;
    };
    matches!(
        name.as_str(),
        "org.freedesktop.DBus.Error.ServiceUnknown"
            | "org.freedesktop.DBus.Error.NameHasNoOwner"
            | "org.freedesktop.systemd1.NoSuchUnit"
    )
}

/// Which user a caller is.
pub(super) async fn user(connection: &Connection, call: &Header<'_>) -> Option<u32> {
    let sender = (call.sender()?.as_str(),);
    let asked = connection.call_method(
        Some("org.freedesktop.DBus"),
        "/org/freedesktop/DBus",
        Some("org.freedesktop.DBus"),
        "GetConnectionUnixUser",
        &sender,
    );
    let reply = timeout(ALONE, asked).await.ok()?.ok()?;
    reply.body().deserialize().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polkit_knows_each_action_and_no_other() {
        let policy = include_str!("../../../../config/polkit/ai.thox.Thoxd1.policy");
        let known: Vec<&str> = policy
            .split("<action id=\"")
            .skip(1)
            .filter_map(|rest| rest.split_once('"').map(|(id, _)| id))
            .collect();
        assert_eq!(known, Action::ALL.map(Action::id));
        // Without it polkit lets root alone ask about others, and thoxd is not root.
        let owner = "<annotate key=\"org.freedesktop.policykit.owner\">unix-user:thox</annotate>";
        assert_eq!(policy.matches(owner).count(), known.len());
        assert_eq!(
            policy.matches("<allow_any>auth_admin</allow_any>").count(),
            known.len()
        );
    }
}
