//! systemd's manager on D-Bus, as much of it as thoxd uses.
//!
//! Asked by hand rather than through proxies with caches: what is wanted of a unit is four properties of two interfaces,
//! and a path that only systemd knows.

use super::units::Verb;
use crate::bus::{answer, signal};
use futures_util::StreamExt as _;
use std::{collections::HashMap, num::NonZeroUsize, path::PathBuf};
use thox_api::{ApiError, ErrorKind, UnitHealth};
use zbus::{
    Connection, Message, MessageStream, OwnedObjectPath, OwnedVariant, match_rule::MatchRule,
};

const SERVICE: &str = "org.freedesktop.systemd1";
const PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const UNIT: &str = "org.freedesktop.systemd1.Unit";
const SERVICE_UNIT: &str = "org.freedesktop.systemd1.Service";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// The manager on a connection.
pub(super) struct Manager1<'a>(&'a Connection);

/// Signals that may wait to be read; one more stops the connection. A job's end is waited for beside a few calls only.
const QUEUE: Option<NonZeroUsize> = NonZeroUsize::new(1024);

type All = HashMap<String, OwnedVariant>;

/// Type, whether it only triggers, whether it is negated, parameter, state.
type Condition = (String, bool, bool, String, i32);

/// Name, description, its states, what it follows, path, job.
type Listed = (
    String,
    String,
    String,
    String,
    String,
    String,
    OwnedObjectPath,
    u32,
    String,
    OwnedObjectPath,
);

impl<'a> Manager1<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        Self(connection)
    }

    /// Its signals are sent to nobody who has not asked for them.
    pub(super) async fn subscribe(&self) -> zbus::Result<()> {
        let done = self.call("Subscribe", &()).await;
        unless(done, "org.freedesktop.systemd1.AlreadySubscribed")
    }

    /// One that is not installed is none.
    pub(super) async fn look(&self, unit: &str) -> zbus::Result<Option<UnitHealth>> {
        // Unlike GetUnit it knows those that do not run as well.
        let path: OwnedObjectPath = self
            .call("LoadUnit", &(unit,))
            .await?
            .body()
            .deserialize()?;
        let of_unit = self.properties(&path, UNIT).await?;
        if text(&of_unit, "LoadState") == "not-found" {
            return Ok(None);
        }
        let of_service = self.properties(&path, SERVICE_UNIT).await?;
        let result = text(&of_service, "Result");
        Ok(Some(UnitHealth {
            name: unit.to_owned(),
            state: text(&of_unit, "ActiveState"),
            substate: text(&of_unit, "SubState"),
            result: Some(result).filter(|result| !matches!(&**result, "" | "success")),
            restarts: of_service
                .get("NRestarts")
                .and_then(|count| count.downcast_ref().ok())
                .unwrap_or_default(),
        }))
    }

    /// The folders that have to be there before it is started.
    pub(super) async fn folders(&self, unit: &str) -> zbus::Result<Vec<PathBuf>> {
        let path: OwnedObjectPath = self
            .call("LoadUnit", &(unit,))
            .await?
            .body()
            .deserialize()?;
        let mut of_unit = self.properties(&path, UNIT).await?;
        let Some(conditions) = of_unit.remove("Conditions") else {
            return Ok(Vec::new());
        };
        let conditions = Vec::<Condition>::try_from(conditions)?.into_iter();
        let folders = conditions.filter(|(kind, _, is_negated, _, _)| {
            kind == "ConditionPathIsDirectory" && !is_negated
        });
        Ok(folders.map(|(_, _, _, folder, _)| folder.into()).collect())
    }

    /// The names of those that run or are about to.
    pub(super) async fn running(&self, pattern: &str) -> zbus::Result<Vec<String>> {
        let (states, patterns) = (["active", "activating", "reloading"], [pattern]);
        let of = (states.as_slice(), patterns.as_slice());
        let reply = self.call("ListUnitsByPatterns", &of).await?;
        let listed: Vec<Listed> = reply.body().deserialize()?;
        Ok(listed.into_iter().map(|unit| unit.0).collect())
    }

    pub(super) async fn reset_failed(&self, unit: &str) -> zbus::Result<()> {
        let done = self.call("ResetFailedUnit", &(unit,)).await;
        // One that was never loaded has not failed.
        unless(done, "org.freedesktop.systemd1.NoSuchUnit")
    }

    /// Gives the job.
    pub(super) async fn begin(&self, verb: Verb, unit: &str) -> zbus::Result<OwnedObjectPath> {
        let method = match verb {
            Verb::Start => "StartUnit",
            Verb::Stop => "StopUnit",
            Verb::Restart => "RestartUnit",
        };
        let reply = self.call(method, &(unit, "replace")).await?;
        reply.body().deserialize()
    }

    /// Everything after which a unit may be another.
    pub(super) async fn changes(
        &self,
    ) -> zbus::Result<impl futures_util::Stream<Item = Message> + Unpin + use<>> {
        let of_units = signal(SERVICE, PROPERTIES, "PropertiesChanged")
            .path_namespace("/org/freedesktop/systemd1/unit")
            .build()?;
        let reloaded = signal(SERVICE, MANAGER, "Reloading").build()?;
        let owner = signal(
            "org.freedesktop.DBus",
            "org.freedesktop.DBus",
            "NameOwnerChanged",
        )
        .add_arg(SERVICE)
        .build()?;
        let (units, reloads, owners) = (
            self.stream(of_units).await?,
            self.stream(reloaded).await?,
            self.stream(owner).await?,
        );
        let all =
            futures_util::stream::select(units, futures_util::stream::select(reloads, owners));
        Ok(all.filter_map(|message| std::future::ready(message.ok())))
    }

    /// Jobs that end.
    pub(super) async fn changes_of_jobs(&self) -> zbus::Result<MessageStream> {
        self.stream(signal(SERVICE, MANAGER, "JobRemoved").build()?)
            .await
    }

    async fn stream(&self, rule: MatchRule<'_>) -> zbus::Result<MessageStream> {
        MessageStream::for_match_rule(rule, self.0, QUEUE).await
    }

    async fn call<B>(&self, method: &str, body: &B) -> zbus::Result<Message>
    where
        B: serde::Serialize + zbus::wire::DynamicType,
    {
        self.0
            .call_method(Some(SERVICE), PATH, Some(MANAGER), method, body)
            .await
    }

    async fn properties(&self, path: &OwnedObjectPath, of: &str) -> zbus::Result<All> {
        let reply = self
            .0
            .call_method(Some(SERVICE), path, Some(PROPERTIES), "GetAll", &(of,))
            .await?;
        reply.body().deserialize()
    }
}

/// Done as well where the answer is this error.
fn unless(done: zbus::Result<Message>, harmless: &str) -> zbus::Result<()> {
    match done {
        Err(error) if answer(&error).is_some_and(|(name, _)| name == harmless) => Ok(()),
        other => other.map(drop),
    }
}

fn text(all: &All, name: &str) -> String {
    let value = all
        .get(name)
        .and_then(|value| value.downcast_ref::<&str>().ok());
    value.unwrap_or_default().to_owned()
}

/// Whether a message tells of another systemd on the bus.
pub(super) fn is_new_owner(message: &Message) -> bool {
    let header = message.header();
    header
        .member()
        .is_some_and(|member| member.as_str() == "NameOwnerChanged")
}

/// How a job ends: `done`, `failed`, `timeout`, `dependency`, …
pub(super) async fn result_of(jobs: &mut MessageStream, job: &OwnedObjectPath) -> Option<String> {
    while let Some(message) = jobs.next().await {
        let Ok(message) = message else { continue };
        let removed: zbus::Result<(u32, OwnedObjectPath, String, String)> =
            message.body().deserialize();
        if let Ok((_, ended, _, result)) = removed
            && ended == *job
        {
            return Some(result);
        }
    }
    None
}

/// Why systemd does not do it.
pub(super) fn refusal(unit: &str, error: &zbus::Error) -> ApiError {
    let (name, cause) = answer(error).unwrap_or_else(|| (String::new(), error.to_string()));
    let (kind, next) = match &*name {
        "org.freedesktop.DBus.Error.AccessDenied"
        | "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired" => (
            ErrorKind::NoServiceManager,
            "config/polkit/50-thox.rules lets the user thox manage the engines' units; it names them",
        ),
        "org.freedesktop.systemd1.NoSuchUnit" | "org.freedesktop.systemd1.LoadFailed" => (
            ErrorKind::CapabilityMissing,
            "install the unit, or correct engines.NAME.unit in the settings",
        ),
        _ => (ErrorKind::NoServiceManager, "try again"),
    };
    let message = format!("systemd does not change {unit}: {cause}. Next: {next}.");
    ApiError::new(kind, message)
}
