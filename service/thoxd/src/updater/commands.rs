//! What can be asked for.

use super::{Updater, refusal, unix_seconds};
use crate::{rauc::Installer, systemd::login1};
use std::path::Path;
use thox_api::{ApiError, OFFERED, Update};
use thox_policy::update::{
    Event, Machine, Note, Offer, Refused, Release, Slot, State, other_than_booted,
};

/// Where a bundle is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The one that is offered.
    Offered,
    /// On a server.
    Url(String),
    /// On the device's own disk, or a stick in it.
    Path(String),
}

impl Source {
    /// # Errors
    /// It is none.
    pub fn parse(text: &str) -> Result<Self, ApiError> {
        if text == OFFERED {
            return Ok(Self::Offered);
        }
        if Path::new(text).is_absolute() {
            return Ok(Self::Path(text.to_owned()));
        }
        let is_url = text.parse::<http::Uri>().is_ok_and(|url| {
            matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some()
        });
        is_url
            .then(|| Self::Url(text.to_owned()))
            .ok_or_else(|| refusal::no_source(text))
    }
}

impl Updater {
    /// Begins to install a bundle. It goes on without whoever asked, and starts with the device's next restart.
    ///
    /// # Errors
    /// As the client reads them.
    pub async fn install(&self, source: Source) -> Result<Update, ApiError> {
        let rauc = self.rauc()?;
        let turn = self.turn().await?;
        let offer = match source {
            Source::Offered => offered(&self.machine())?,
            Source::Url(source) | Source::Path(source) => self.inspect(&rauc, source).await?,
        };
        let event = Event::Install(offer.clone());
        self.may_be(&event)?;
        self.know(|known| known.progress = None);
        self.step(&turn, event).await?;
        let Offer { source, release } = offer;
        tracing::info!(version = %release.version, "an update is being installed");
        let begun = rauc.install(&source, release.hash.as_deref()).await;
        if let Err(error) = begun {
            let refused = refusal::bundle(&source, &error);
            let reason = refused.message.clone().into_owned();
            self.step(&turn, Event::NotInstalled { reason }).await?;
            return Err(refused);
        }
        Ok(self.now())
    }

    /// Makes the other slot's system the next one, and restarts the device.
    ///
    /// # Errors
    /// As the client reads them.
    pub async fn roll_back(&self) -> Result<Update, ApiError> {
        let rauc = self.rauc()?;
        let turn = self.turn().await?;
        let slots = rauc.slots().await;
        let slots =
            slots.map_err(|error| refusal::by_rauc("RAUC does not tell of its slots", &error))?;
        let other = other_than_booted(&slots).filter(|other| other.is_good == Some(true));
        let other = other.ok_or_else(refusal::no_other_system)?;
        let running = slots.iter().find(|slot| slot.is_booted);
        let left = running
            .map(release_of)
            .ok_or_else(refusal::no_other_system)?;
        let (before, event) = (self.machine(), Event::Leave(left));
        self.may_be(&event)?;
        self.step(&turn, event).await?;
        if let Err(error) = rauc.activate(&other.name).await {
            self.put(before).await?;
            return Err(refusal::by_rauc(
                "RAUC does not activate the other slot",
                &error,
            ));
        }
        tracing::warn!(slot = %other.boot_name, "the other slot's system is made the next one, and the device restarts");
        login1::reboot(&self.0.bus).await?;
        Ok(self.now())
    }

    /// Looks at a bundle, and offers it if this device would take it.
    ///
    /// # Errors
    /// As the client reads them.
    pub async fn offer(&self, path: &str) -> Result<Update, ApiError> {
        if !Path::new(path).is_absolute() {
            return Err(refusal::no_source(path));
        }
        let rauc = self.rauc()?;
        let turn = self.turn().await?;
        let offer = self.inspect(&rauc, path.to_owned()).await?;
        self.step(&turn, Event::Offer(offer)).await?;
        Ok(self.now())
    }

    /// What lies in this folder is offered no more.
    ///
    /// # Errors
    /// It cannot be written down.
    pub async fn withdraw(&self, folder: &str) -> Result<Update, ApiError> {
        let turn = self.turn().await?;
        let is_in = |offer: &Offer| Path::new(&offer.source).starts_with(folder);
        let is_meant = match self.machine().state {
            State::Offered { offer } | State::Installing { offer, .. } => is_in(&offer),
            State::Idle | State::Staged { .. } | State::Trial { .. } => false,
        };
        if is_meant {
            self.step(&turn, Event::Withdraw).await?;
        }
        Ok(self.now())
    }

    /// Whose a bundle is, what is in it, and whether it is for this board.
    pub(super) async fn inspect(
        &self,
        rauc: &Installer,
        source: String,
    ) -> Result<Offer, ApiError> {
        let looked = rauc.inspect(&source).await;
        let bundle = looked.map_err(|error| refusal::bundle(&source, &error))?;
        let now = rauc.properties().await;
        let now = now.map_err(|error| refusal::by_rauc("RAUC does not tell of itself", &error))?;
        if bundle.compatible != now.compatible {
            return Err(refusal::other_board(
                &source,
                &bundle.compatible,
                &now.compatible,
            ));
        }
        Ok(Offer {
            source,
            release: bundle.release,
        })
    }

    /// Whether it may be asked for now. The other slot is a trial's way back, also of one that was begun by hand.
    fn may_be(&self, event: &Event) -> Result<(), ApiError> {
        let machine = self.machine();
        let next = machine.step(event.clone(), unix_seconds());
        next.map_err(|refused| refusal::not_now(refused, &machine))?;
        match self.0.notes.trial() {
            Note::None => Ok(()),
            Note::Of(_) | Note::Unreadable => Err(refusal::on_trial()),
        }
    }
}

fn offered(machine: &Machine) -> Result<Offer, ApiError> {
    let refused = match &machine.state {
        State::Offered { offer } => return Ok(offer.clone()),
        State::Idle => return Err(refusal::nothing_offered()),
        State::Installing { .. } => Refused::Installing,
        State::Staged { .. } => Refused::Staged,
        State::Trial { .. } => Refused::Trial,
    };
    Err(refusal::not_now(refused, machine))
}

/// What runs from a slot; one that no update has written to has no version of RAUC's.
fn release_of(slot: &Slot) -> Release {
    slot.release.clone().unwrap_or_else(|| Release {
        version: format!("as flashed, slot {}", slot.boot_name),
        hash: None,
    })
}
