//! What is true of every method: polkit is asked, the guard decides, what is done is told to the audit log.

use super::{Door, authority, refusal::Refused};
use crate::guard::audit::Line;
use std::net::{IpAddr, Ipv4Addr};
use thox_api::{ApiError, dbus::Action};
use thox_policy::access::Plane;
use zbus::{Connection, message::Header};

/// A method that is called.
pub(super) struct Call<'a> {
    pub(super) door: &'a Door,
    pub(super) connection: &'a Connection,
    pub(super) header: Header<'a>,
}

impl Call<'_> {
    /// Does it, if the caller may.
    pub(super) async fn run<T>(
        self,
        action: Action,
        work: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<T, Refused> {
        let user = authority::user(self.connection, &self.header).await;
        let credential = authority::ask(self.connection, &self.header, user, action).await;
        let done = match self
            .door
            .guard
            .admit_on_bus(Plane::Administration, credential)
        {
            Ok(()) => work.await,
            Err(denied) => Err(denied),
        };
        let done = done.map_err(Refused::from);
        self.tell(user, done.as_ref().map_or_else(Refused::status, |_| 200));
        done
    }

    fn tell(&self, user: Option<u32>, status: u16) {
        let member = self.header.member().map_or("", |member| member.as_str());
        let sender = self.header.sender().map_or("", |sender| sender.as_str());
        let request_id = format!("{sender}/{}", self.header.primary().serial_num());
        tracing::debug!(method = member, ?user, status, %request_id, "a method was called on D-Bus");
        self.door.guard.audit.write(&Line {
            route: member,
            method: "D-Bus",
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
            key: None,
            user,
            status,
            request_id: &request_id,
        });
    }
}
