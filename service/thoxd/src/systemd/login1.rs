//! The machine's restart, by org.freedesktop.login1(5): what runs is ended in order, and whoever may not do it is refused
//! by polkit.

use crate::bus::{Bus, answer};
use std::time::Duration;
use thox_api::{ApiError, ErrorKind};
use tokio::time::timeout;

/// It answers before it does it.
const PATIENCE: Duration = Duration::from_secs(25);

/// Restarts the machine.
///
/// # Errors
/// As the client reads them.
pub async fn reboot(bus: &Bus) -> Result<(), ApiError> {
    let failed = |cause: String| {
        let message = format!(
            "the device is not restarted: {cause}. config/polkit/50-thox.rules lets the user thox do it; on the device: systemctl reboot."
        );
        ApiError::new(ErrorKind::NoServiceManager, message)
    };
    let Some(connection) = bus.now() else {
        return Err(failed("D-Bus is not there".to_owned()));
    };
    let called = connection.call_method(
        Some("org.freedesktop.login1"),
        "/org/freedesktop/login1",
        Some("org.freedesktop.login1.Manager"),
        "Reboot",
        // Nobody is there whom polkit could ask.
        &(false,),
    );
    match timeout(PATIENCE, called).await {
        Ok(Ok(_)) => {
            tracing::warn!("the device restarts: it was asked for");
            Ok(())
        }
        Ok(Err(error)) => {
            let text = answer(&error).map(|(_, text)| text);
            Err(failed(text.unwrap_or_else(|| error.to_string())))
        }
        Err(_) => Err(failed("login1 does not answer".to_owned())),
    }
}
