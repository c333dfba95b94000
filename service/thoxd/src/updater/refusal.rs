//! Why something is not done, as clients read it.

use super::record::Record;
use crate::bus::answer;
use std::{error::Error, io};
use thox_api::{ApiError, ErrorKind};
use thox_policy::update::{Machine, Refused, State};

pub(super) fn unavailable(note: Option<&str>) -> ApiError {
    let note = note.unwrap_or("RAUC has not been asked yet. Try again.");
    ApiError::new(
        ErrorKind::UpdateUnavailable,
        format!("this machine cannot be updated: {note}"),
    )
}

/// RAUC is there and does not do something.
pub(super) fn by_rauc(what: &str, error: &zbus::Error) -> ApiError {
    let (name, cause) = answer(error).unwrap_or_else(|| (String::new(), error.to_string()));
    let next = if name == "org.freedesktop.DBus.Error.AccessDenied" {
        "config/dbus/de.pengutronix.rauc.thox.conf lets the user thox ask RAUC; it belongs into /etc/dbus-1/system.d."
    } else {
        "On the device: journalctl -u rauc."
    };
    let message = format!("{what}: {}. {next}", cause.trim_end_matches('.'));
    ApiError::new(ErrorKind::UpdateUnavailable, message)
}

/// RAUC does not take a bundle.
pub(super) fn bundle(source: &str, error: &zbus::Error) -> ApiError {
    match answer(error) {
        Some((name, cause)) if !name.starts_with("org.freedesktop.DBus.Error.") => {
            let message = format!(
                "RAUC does not take the bundle {source}: {}. It has to be there, and signed for this device.",
                cause.trim_end_matches('.')
            );
            ApiError::new(ErrorKind::BundleRefused, message).param("source")
        }
        _ => by_rauc("RAUC does not look at the bundle", error),
    }
}

pub(super) fn other_board(source: &str, theirs: &str, ours: &str) -> ApiError {
    let message = format!(
        "the bundle {source} is for `{theirs}`, and this device is `{ours}`: take the bundle for this board."
    );
    ApiError::new(ErrorKind::BundleRefused, message).param("source")
}

pub(super) fn no_source(source: &str) -> ApiError {
    let message = format!(
        "`{source}` is no bundle: send `offered`, an http or https URL, or on the device itself an absolute path."
    );
    ApiError::new(ErrorKind::InvalidRequest, message).param("source")
}

pub(super) fn nothing_offered() -> ApiError {
    let message = "no update is offered: put a USB stick with one into the device, or send the URL of a bundle.";
    ApiError::new(ErrorKind::UpdateRefused, message).param("source")
}

pub(super) fn not_now(refused: Refused, machine: &Machine) -> ApiError {
    let version = match &machine.state {
        State::Idle => "",
        State::Offered { offer } | State::Installing { offer, .. } => &offer.release.version,
        State::Staged { release, .. } | State::Trial { release, .. } => &release.version,
    };
    let message = match refused {
        Refused::Installing => format!(
            "version {version} is being installed: wait until it is; thox update status tells how far it is."
        ),
        Refused::Staged => format!(
            "version {version} is installed and waits for the device's restart: restart it, and see whether it is kept."
        ),
        Refused::Trial => format!(
            "version {version} runs on trial: wait some minutes until it is kept, or until the device has gone back by itself."
        ),
        Refused::FailedHere => "this release was tried on this device and rolled back, and is not taken again: thox update why tells what was wrong; take a newer one.".to_owned(),
        Refused::NotUnderWay => "nothing of the kind is under way: thox update status tells what is.".to_owned(),
    };
    ApiError::new(ErrorKind::UpdateRefused, message)
}

/// A trial that was not begun here.
pub(super) fn on_trial() -> ApiError {
    let message = "the system that runs, or the one that starts next, is on trial: wait some minutes until it is kept, or until the device has gone back by itself.";
    ApiError::new(ErrorKind::UpdateRefused, message)
}

pub(super) fn no_other_system() -> ApiError {
    let message = "there is no other system to go back to: the other slot's is bad, or RAUC does not know one. thox update status shows the slots.";
    ApiError::new(ErrorKind::UpdateRefused, message)
}

pub(super) fn not_written(record: &Record, error: &io::Error) -> ApiError {
    let message = format!(
        "nothing was done: {} cannot be written ({error}), and without it a power cut would leave nobody knowing. Look at the folder's owner and at the disk.",
        record.file.display()
    );
    ApiError::new(ErrorKind::Internal, message).cause(error)
}

pub(super) fn internal(cause: &dyn Error) -> ApiError {
    let message = "thoxd made a mistake; its log says more.";
    ApiError::new(ErrorKind::Internal, message).cause(cause)
}
