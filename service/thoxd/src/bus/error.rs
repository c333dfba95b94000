//! What a peer on the bus answers that does not do what it is asked.

use zbus::{DBusError as _, Error};

/// The error's name on the bus, and its text; none where it is no peer's answer. zbus has three forms of one.
#[must_use]
pub fn answer(error: &Error) -> Option<(String, String)> {
    let (name, text) = match error {
        Error::MethodError(name, text, _) => (name.to_string(), text.as_deref()),
        Error::FDO(error) => (error.name().to_string(), error.description()),
        Error::DBus(error) => (error.name().to_string(), error.description()),
        _ => return None,
    };
    Some((name, text.unwrap_or("no reason is given").to_owned()))
}
