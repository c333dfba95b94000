//! What the service manager is told: datagrams of `NAME=value` lines to the socket that it names in `NOTIFY_SOCKET`.
//!
//! Written out here rather than taken from libsystemd, which brings a second SHA-2, a parser library and eight more for
//! what is one datagram.

use nix::time::{ClockId, clock_gettime};
use std::{
    env,
    ffi::OsString,
    io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            ffi::OsStrExt as _,
            net::{SocketAddr, UnixDatagram},
        },
    },
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// The service manager, or nobody.
#[derive(Debug, Default)]
pub struct Manager {
    line: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
    status: Mutex<Status>,
}

#[derive(Debug, Default)]
struct Status {
    usual: String,
    /// What came between, such as settings that could not be reloaded.
    remark: Option<String>,
    told: String,
}

/// A manager that does not read is not waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// More time than the drain takes by itself: what is left of the process is dropped within it.
const AFTER_DRAIN: Duration = Duration::from_secs(10);

impl Manager {
    /// The one that has started this process.
    #[must_use]
    pub fn of_process() -> Self {
        let address = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty());
        let line = address.and_then(|name| match open(&name) {
            Ok(line) => Some(line),
            Err(error) => {
                tracing::warn!(?name, %error, "the service manager cannot be told anything");
                None
            }
        });
        let number = |name| env::var(name).ok()?.parse::<u64>().ok();
        let is_for_us =
            number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|usec| is_for_us && *usec > 0);
        Self {
            watchdog: watchdog.map(Duration::from_micros),
            line,
            status: Mutex::default(),
        }
    }

    /// Whether anybody is told anything.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.line.is_some()
    }

    /// After which silence it takes the process for stuck.
    #[must_use]
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog.filter(|_| self.is_there())
    }

    /// The start, or a reload, is complete.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// What goes on, in words; said again only when it is something else.
    pub fn status(&self, usual: String) {
        self.change(|status| status.usual = usual);
    }

    /// Something to add to these words, until it is taken back.
    pub fn remark(&self, remark: Option<String>) {
        self.change(|status| status.remark = remark);
    }

    /// A reload, or a restart of the same process, has begun; [`Self::ready`] ends it.
    pub fn reloading(&self) {
        match clock_gettime(ClockId::CLOCK_MONOTONIC) {
            Ok(now) => {
                let microseconds = Duration::from(now).as_micros();
                self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}"));
            }
            Err(error) => tracing::warn!(%error, "the clock cannot be read"),
        }
    }

    /// The end has begun, and takes `drain` at most.
    pub fn stopping(&self, drain: Duration) {
        let most = (drain + AFTER_DRAIN).as_micros();
        self.tell(&format!(
            "STOPPING=1\nEXTEND_TIMEOUT_USEC={most}\nSTATUS=stopping: requests under way are finished"
        ));
    }

    /// All is well.
    pub(super) fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    fn change(&self, how: impl FnOnce(&mut Status)) {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        how(&mut status);
        let text = match &status.remark {
            Some(remark) => format!("{remark}; {}", status.usual),
            None => status.usual.clone(),
        };
        // One line is one field.
        let text = text.replace('\n', "; ");
        if text != status.told {
            self.tell(&format!("STATUS={text}"));
            status.told = text;
        }
    }

    fn tell(&self, what: &str) {
        if let Some((socket, address)) = &self.line
            && let Err(error) = socket.send_to_addr(what.as_bytes(), address)
        {
            tracing::warn!(%error, what, "the service manager was not told");
        }
    }
}

fn open(name: &OsString) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        [b'/', ..] => SocketAddr::from_pathname(name)?,
        _ => {
            let what = "NOTIFY_SOCKET is neither a path nor an abstract name";
            return Err(io::Error::other(what));
        }
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok((socket, address))
}

#[cfg(test)]
impl Manager {
    /// One at a socket of the test's own.
    pub(super) fn at(name: &OsString, watchdog: Duration) -> Self {
        Self {
            line: Some(open(name).unwrap()),
            watchdog: Some(watchdog),
            status: Mutex::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_on_paths_and_abstract_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let by_path = UnixDatagram::bind(&path).unwrap();
        let name = format!("thox-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let by_name = UnixDatagram::bind_addr(&address).unwrap();
        for (socket, name) in [
            (by_path, path.into_os_string()),
            (by_name, format!("@{name}").into()),
        ] {
            let heard = || {
                let mut buffer = [0; 4096];
                let length = socket.recv(&mut buffer).unwrap();
                String::from_utf8(buffer[..length].to_vec()).unwrap()
            };
            let manager = Manager::at(&name, PATIENCE);
            manager.status("one engine".to_owned());
            assert_eq!(heard(), "STATUS=one engine");
            manager.status("one engine".to_owned());
            manager.remark(Some("bad file\nline 2".to_owned()));
            assert_eq!(heard(), "STATUS=bad file; line 2; one engine");
            manager.reloading();
            let text = heard();
            let usec = text.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
            assert!(usec.parse::<u64>().unwrap() > 0);
            manager.stopping(Duration::from_secs(20));
            assert!(heard().starts_with("STOPPING=1\nEXTEND_TIMEOUT_USEC=30000000\n"));
        }
        let unreadable = open(&"vsock:2:1".into()).unwrap_err().to_string();
        assert!(unreadable.contains("NOTIFY_SOCKET"));
    }

    #[test]
    fn nobody_is_told_nothing() {
        let manager = Manager::default();
        manager.ready();
        manager.status("one engine".to_owned());
        assert!(!manager.is_there() && manager.watchdog().is_none());
    }
}
