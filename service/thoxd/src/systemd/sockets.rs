//! The sockets that the service manager has opened and hands over: no connection is lost while the daemon is away, and a
//! port below 1024 needs no privilege of its own.
//!
//! They come as numbers of descriptors with names, which libsystemd reads. Only `unsafe` code makes sockets of these: the
//! listenfd crate has it.

use libsystemd::activation::receive_descriptors_with_names;
use listenfd::ListenFd;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use std::{
    io,
    net::TcpListener,
    os::{fd::AsRawFd as _, unix::net::UnixListener},
    process::Command,
};

/// The sockets by what they are for. They stay open as long as this does.
#[derive(Debug, Default)]
pub struct Sockets {
    /// In place of `server.listen`.
    pub http: Vec<TcpListener>,
    /// In place of `tls.listen`.
    pub https: Vec<TcpListener>,
    /// In place of `server.control_socket`.
    pub control: Option<UnixListener>,
    /// As they were named, in their order.
    names: Vec<String>,
}

/// Sockets that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidSockets {
    /// What the environment says of them makes no sense.
    #[error(
        "the service manager's sockets cannot be taken over: {0}. LISTEN_FDS and LISTEN_FDNAMES have to agree (sd_listen_fds(3))"
    )]
    Environment(String),
    /// One of them is not what its name says.
    #[error(
        "the service manager's socket number {number}, {name:?}, cannot be used: {cause}. FileDescriptorName= in a socket unit is http, https or control, its ListenStream= an address for the first two and a path for the last"
    )]
    Socket {
        /// Its place.
        number: usize,
        /// Its name.
        name: String,
        /// What is wrong with it.
        cause: io::Error,
    },
}

const COUNT: &str = "LISTEN_FDS";
const NAMES: &str = "LISTEN_FDNAMES";
const PROCESS: &str = "LISTEN_PID";

impl Sockets {
    /// What has been handed over, or nothing. To be called once, before anything else runs: it changes the environment.
    ///
    /// # Errors
    /// What was handed over is not what it should be.
    pub fn receive() -> Result<Self, InvalidSockets> {
        let named = receive_descriptors_with_names(false);
        let named = named.map_err(|error| InvalidSockets::Environment(error.to_string()))?;
        let names: Vec<String> = named.into_iter().map(|(_, name)| name).collect();
        // It takes them out of the environment.
        let mut passed = ListenFd::from_env();
        if passed.len() != names.len() {
            let message = format!("there are {} with {} names", passed.len(), names.len());
            return Err(InvalidSockets::Environment(message));
        }
        let mut sockets = Self::default();
        for (number, name) in names.iter().enumerate() {
            sockets
                .take(&mut passed, number, name)
                .map_err(|cause| InvalidSockets::Socket {
                    number,
                    name: name.clone(),
                    cause,
                })?;
        }
        sockets.names = names;
        Ok(sockets)
    }

    fn take(&mut self, passed: &mut ListenFd, number: usize, name: &str) -> io::Result<()> {
        let missing = || io::Error::other("it is not there");
        match name {
            "http" => {
                let socket = passed.take_tcp_listener(number)?;
                self.http.push(socket.ok_or_else(missing)?);
            }
            "https" => {
                let socket = passed.take_tcp_listener(number)?;
                self.https.push(socket.ok_or_else(missing)?);
            }
            "control" if self.control.is_none() => {
                let socket = passed.take_unix_listener(number)?;
                self.control = Some(socket.ok_or_else(missing)?);
            }
            "control" => return Err(io::Error::other("there is another one")),
            _ => return Err(io::Error::other("nobody knows what it is for")),
        }
        Ok(())
    }

    /// Hands them on to the program that takes this process's place.
    ///
    /// # Errors
    /// The system's reason.
    pub fn hand_on(&self, to: &mut Command) -> io::Result<()> {
        if self.names.is_empty() {
            return Ok(());
        }
        let tcp = self.http.iter().chain(&self.https);
        let unix = self.control.iter().map(|socket| socket.as_raw_fd());
        for descriptor in tcp.map(|socket| socket.as_raw_fd()).chain(unix) {
            // It is closed on the way otherwise.
            fcntl(descriptor, FcntlArg::F_SETFD(FdFlag::empty()))?;
        }
        to.env(COUNT, self.names.len().to_string())
            .env(NAMES, self.names.join(":"))
            .env(PROCESS, std::process::id().to_string());
        Ok(())
    }
}
