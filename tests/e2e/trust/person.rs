//! A person with the real `thox` and a home of his own.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use thox_tests::thoxd::{Thoxd, binary};

/// The command line of a person whose home begins empty.
pub(super) struct Person {
    home: tempfile::TempDir,
    host: Option<String>,
    socket: Option<PathBuf>,
}

impl Person {
    /// Somewhere on the network, who names the device so.
    pub(super) fn at(host: &str) -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
            host: Some(host.to_owned()),
            socket: None,
        }
    }

    /// On the device itself.
    pub(super) fn on(thoxd: &Thoxd) -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
            host: None,
            socket: Some(thoxd.process.folder().join("state/control.sock")),
        }
    }

    pub(super) fn thox(&self, arguments: &[&str]) -> Output {
        let none = self.home.path().join("none");
        let mut command = Command::new(binary("thox"));
        command
            .args(arguments)
            .env_remove("THOX_API_KEY")
            .env_remove("THOX_HOST")
            .env("HOME", self.home.path())
            .env("XDG_CONFIG_HOME", self.home.path().join("config"))
            .env("XDG_RUNTIME_DIR", self.home.path())
            .env("THOX_CONTROL_SOCKET", self.socket.as_ref().unwrap_or(&none))
            .stdin(Stdio::null());
        if let Some(host) = &self.host {
            command.env("THOX_HOST", host);
        }
        command.output().unwrap()
    }

    /// What it prints; it has to work.
    pub(super) fn says(&self, arguments: &[&str]) -> String {
        let output = self.thox(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "thox {arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// What it says is wrong; it must not work.
    pub(super) fn fails(&self, arguments: &[&str]) -> String {
        let output = self.thox(arguments);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(!output.status.success(), "thox {arguments:?}: {said}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// The credentials file.
    pub(super) fn stored(&self) -> String {
        let file = self.home.path().join("config/thox/credentials.toml");
        std::fs::read_to_string(file).unwrap_or_default()
    }
}
