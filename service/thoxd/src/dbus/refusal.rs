//! Errors as D-Bus has them: `ai.thox.Error.NAME` by the error table, and the text that every client reads.

use thox_api::{ApiError, dbus::error_name};
use zbus::{DBusError, Message, message::Header, names::ErrorName};

/// An error on its way to a caller.
#[derive(Debug)]
pub(super) struct Refused {
    error: ApiError,
    name: String,
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self {
            name: error_name(error.kind),
            error,
        }
    }
}

impl Refused {
    pub(super) fn status(&self) -> u16 {
        self.error.kind.row().status
    }
}

impl DBusError for Refused {
    fn create_reply(&self, call: &Header<'_>) -> zbus::Result<Message> {
        Message::error(call, self.name()).build(&(&*self.error.message,))
    }

    fn name(&self) -> ErrorName<'_> {
        // The table has names and nothing that is none: the tests try each.
        ErrorName::try_from(self.name.as_str())
            .unwrap_or_else(|_| ErrorName::from_static_str_unchecked("ai.thox.Error.Internal"))
    }

    fn description(&self) -> Option<&str> {
        Some(&self.error.message)
    }
}
