//! What nobody shall do to another device than the one he means: its name is the word for it.

use super::routes::Door;
use thox_api::{ApiError, ErrorKind};

/// Whether `confirm` is a name of this device; `purpose` is what it is sent for. `localhost` is no device's name: whoever
/// types it does not know which one is meant.
pub(super) fn must_be_meant(door: &Door, confirm: &str, purpose: &str) -> Result<(), ApiError> {
    let typed = confirm.trim().to_ascii_lowercase();
    let names = &door.guard.lan.now().names;
    if typed != "localhost" && names.contains(typed.as_str()) {
        return Ok(());
    }
    let name = door.guard.lan.name();
    let message = format!(
        "`confirm` is not this device's name, so nothing was changed: send {name:?} {purpose} this one."
    );
    Err(ApiError::new(ErrorKind::InvalidRequest, message).param("confirm"))
}
