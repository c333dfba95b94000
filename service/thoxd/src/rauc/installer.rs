//! `de.pengutronix.rauc.Installer` at `/`.
//!
//! Asked by hand, as systemd is: what is wanted are six methods and one look at the properties, and a proxy's cache would
//! have RAUC started again by each question.

use super::dictionary::{Bundle, Dictionary, progress, slots, text};
use crate::bus::{answer, signal};
use futures_util::{Stream, StreamExt as _};
use std::{collections::HashMap, num::NonZeroUsize, time::Duration};
use thox_policy::update::Slot;
use tokio::time::timeout;
use zbus::{Connection, Message, MessageStream, Variant};

const SERVICE: &str = "de.pengutronix.rauc";
const PATH: &str = "/";
const INSTALLER: &str = "de.pengutronix.rauc.Installer";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const BUS: &str = "org.freedesktop.DBus";
const BUS_PATH: &str = "/org/freedesktop/DBus";

/// RAUC answers at once; to tell of slots it runs the bootloader's tool, and a first call has to start it.
const CALL: Duration = Duration::from_secs(60);

/// Of a bundle behind a URL it reads the end, over whatever network there is.
const INSPECTION: Duration = Duration::from_secs(120);

/// Signals that may wait to be read: it tells of progress a hundred times an installation.
const QUEUE: Option<NonZeroUsize> = NonZeroUsize::new(1024);

/// RAUC on a connection.
#[derive(Clone, Debug)]
pub struct Installer(Connection);

/// What RAUC is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties {
    /// Whether an installation is under way.
    pub is_installing: bool,
    /// Why the last one failed; empty where it did not.
    pub last_error: String,
    /// How far the present one is: of a hundred, and in words.
    pub progress: Option<(u8, String)>,
    /// The board that it takes bundles for.
    pub compatible: String,
}

/// Something after which it is worth a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// A property has changed: the installation is further, or over.
    Changed,
    /// It has come, or gone.
    Owner,
}

impl Installer {
    /// RAUC on this connection, if it is installed: it is there, or the bus would start it.
    ///
    /// # Errors
    /// The bus does not answer.
    pub async fn find(connection: &Connection) -> zbus::Result<Option<Self>> {
        let ask = |method: &'static str| {
            connection.call_method(Some(BUS), BUS_PATH, Some(BUS), method, &())
        };
        for method in ["ListNames", "ListActivatableNames"] {
            let reply = within(CALL, ask(method)).await?;
            let names: Vec<String> = reply.body().deserialize()?;
            if names.iter().any(|name| name == SERVICE) {
                return Ok(Some(Self(connection.clone())));
            }
        }
        Ok(None)
    }

    /// Everything after which something may be another, also that RAUC has been installed or has gone.
    ///
    /// # Errors
    /// The bus does not answer.
    pub async fn news(
        connection: &Connection,
    ) -> zbus::Result<impl Stream<Item = News> + Unpin + use<>> {
        let changes = signal(SERVICE, PROPERTIES, "PropertiesChanged").build()?;
        let owner = signal(BUS, BUS, "NameOwnerChanged")
            .add_arg(SERVICE)
            .build()?;
        let stream = |rule| MessageStream::for_match_rule(rule, connection, QUEUE);
        let changes = within(CALL, stream(changes)).await?;
        let owners = within(CALL, stream(owner)).await?;
        let changes = changes.map(|_| News::Changed);
        let owners = owners.map(|_| News::Owner);
        Ok(futures_util::stream::select(changes, owners))
    }

    /// Whose a bundle is and what is in it. RAUC has checked its signature.
    ///
    /// # Errors
    /// RAUC's reason.
    pub async fn inspect(&self, source: &str) -> zbus::Result<Bundle> {
        let body = (source, HashMap::<&str, Variant<'_>>::new());
        let reply = within(INSPECTION, self.call("InspectBundle", &body)).await?;
        let whole: Dictionary = reply.body().deserialize()?;
        Ok(Bundle::read(&whole))
    }

    /// Begins to install a bundle: the one with this manifest and no other that was put in its place since.
    ///
    /// # Errors
    /// RAUC's reason.
    pub async fn install(&self, source: &str, manifest: Option<&str>) -> zbus::Result<()> {
        let mut arguments = HashMap::<&str, Variant<'_>>::new();
        if let Some(hash) = manifest {
            arguments.insert(MANIFEST, hash.into());
        }
        let body = (source, arguments);
        let begun = within(CALL, self.call("InstallBundle", &body)).await;
        match &begun {
            // RAUC before 1.14 knows no such argument. It checks the signature all the same.
            Err(error) if answer(error).is_some_and(|(_, text)| text.ends_with(MANIFEST)) => {
                let bare = (source, HashMap::<&str, Variant<'_>>::new());
                let begun = within(CALL, self.call("InstallBundle", &bare)).await;
                begun.map(drop)
            }
            _ => begun.map(drop),
        }
    }

    /// What it is doing.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn properties(&self) -> zbus::Result<Properties> {
        let asked = self.0.call_method(
            Some(SERVICE),
            PATH,
            Some(PROPERTIES),
            "GetAll",
            &(INSTALLER,),
        );
        let reply = within(CALL, asked).await?;
        let all: Dictionary = reply.body().deserialize()?;
        Ok(Properties {
            is_installing: text(&all, "Operation").is_some_and(|now| now != "idle"),
            last_error: text(&all, "LastError").unwrap_or_default(),
            progress: progress(&all),
            compatible: text(&all, "Compatible").unwrap_or_default(),
        })
    }

    /// The slots that can be booted.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn slots(&self) -> zbus::Result<Vec<Slot>> {
        let reply = within(CALL, self.call("GetSlotStatus", &())).await?;
        let all: Vec<(String, Dictionary)> = reply.body().deserialize()?;
        // Where the bootloader cannot say it, the rest is worth knowing.
        let primary = within(CALL, self.call("GetPrimary", &())).await;
        let primary: Option<String> = match primary {
            Ok(reply) => Some(reply.body().deserialize()?),
            Err(error) => {
                tracing::debug!(%error, "RAUC does not say which slot boots next");
                None
            }
        };
        Ok(slots(&all, primary.as_deref()))
    }

    /// Has a slot boot next.
    ///
    /// # Errors
    /// RAUC's reason.
    pub async fn activate(&self, slot: &str) -> zbus::Result<()> {
        let body = ("active", slot);
        within(CALL, self.call("Mark", &body)).await.map(drop)
    }

    async fn call<B>(&self, method: &str, body: &B) -> zbus::Result<Message>
    where
        B: serde::Serialize + zbus::wire::DynamicType,
    {
        self.0
            .call_method(Some(SERVICE), PATH, Some(INSTALLER), method, body)
            .await
    }
}

/// The argument by which RAUC takes the bundle that was looked at and no other.
const MANIFEST: &str = "require-manifest-hash";

async fn within<T>(
    patience: Duration,
    asked: impl Future<Output = zbus::Result<T>>,
) -> zbus::Result<T> {
    let late = |_| zbus::Error::Failure(format!("no answer within {patience:?}"));
    timeout(patience, asked).await.map_err(late)?
}
