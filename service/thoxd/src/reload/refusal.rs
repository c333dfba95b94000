//! Why settings are not told, not changed or not read again, as clients of every door read it.

use super::CannotReload;
use crate::settings::{EditError, Refused};
use thox_api::{ApiError, ErrorKind};

/// Why a setting is not told or not changed, for the client.
#[must_use]
pub fn to_api(refused: &Refused) -> ApiError {
    let nothing = "Nothing was changed.";
    match refused {
        Refused::Unknown(unknown) => {
            let message = format!("{unknown}. GET /thox/v1/settings lists them.");
            ApiError::new(ErrorKind::SettingNotFound, message).param("key")
        }
        Refused::Files(_) => {
            let message = format!(
                "{refused}. Correct them on the device; thoxd --check says when they are right."
            );
            ApiError::new(ErrorKind::InvalidSettings, message)
        }
        Refused::Edit(error) => match error {
            EditError::Invalid(problems) => {
                let message = format!("the settings would not be valid: {problems}. {nothing}");
                ApiError::new(ErrorKind::InvalidRequest, message).param("value")
            }
            EditError::NoTable { .. } => {
                ApiError::new(ErrorKind::InvalidRequest, format!("{error}. {nothing}")).param("key")
            }
            EditError::Overridden { .. } => {
                let message = format!("{error}. {nothing} Change it there, on the device.");
                ApiError::new(ErrorKind::SettingFixed, message).param("key")
            }
            EditError::Syntax { .. } => {
                let message = format!("{error}. {nothing} Correct the file on the device.");
                ApiError::new(ErrorKind::InvalidSettings, message)
            }
            EditError::Io { .. } => {
                let message = format!(
                    "the setting cannot be kept: {error}. {nothing} See that thoxd may write there, or change it on the device: sudo thox config set KEY VALUE."
                );
                ApiError::new(ErrorKind::Internal, message)
            }
        },
    }
}

/// Why the settings were not read again, for the client.
#[must_use]
pub fn not_reloaded(error: &CannotReload) -> ApiError {
    match error {
        CannotReload::Settings(refused) => to_api(refused),
        CannotReload::Level(_) => {
            let message = format!("{error}. The old settings stay.");
            ApiError::new(ErrorKind::InvalidSettings, message)
        }
    }
}
