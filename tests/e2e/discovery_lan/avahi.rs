//! Avahi, the resolver that most Linux hosts have, on a D-Bus and in a namespace of its own.

use super::{
    CONFLICT, START,
    lan::{Lan, is_possible},
    settled, within_time,
};
use crate::skipped::skipped;
use std::{
    fs,
    process::{Child, Command, Stdio},
};
use tempfile::TempDir;

/// A bus on which everybody may do everything.
const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path=FOLDER/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
  </policy>
</busconfig>
"#;

struct Avahi {
    folder: TempDir,
    space: String,
    processes: Vec<Child>,
}

impl Avahi {
    /// On the bridge, where it calls itself `name`; none where it is not installed.
    fn start(lan: &Lan, name: &str) -> Option<Self> {
        let is_there = |program: &str| {
            let found = Command::new(program).arg("--version").output();
            found.is_ok_and(|done| done.status.success())
        };
        if !["avahi-daemon", "avahi-resolve", "dbus-daemon"]
            .into_iter()
            .all(is_there)
        {
            skipped(
                "discovery_lan::avahi",
                "avahi-daemon, avahi-utils or dbus-daemon is not installed; ci/setup does it",
            );
            return None;
        }
        let folder = TempDir::new().unwrap();
        let path = folder.path().display().to_string();
        let bus = folder.path().join("bus.conf");
        fs::write(&bus, BUS.replace("FOLDER", &path)).unwrap();
        let settings = folder.path().join("avahi.conf");
        let text = format!(
            "[server]\nhost-name={name}\nuse-ipv4=yes\nuse-ipv6=no\nallow-interfaces=br0\n[wide-area]\nenable-wide-area=no\n"
        );
        fs::write(&settings, text).unwrap();
        let mut avahi = Self {
            folder,
            space: lan.hub().to_owned(),
            processes: Vec::new(),
        };
        let bus = format!("--config-file={}", bus.display());
        avahi.run(&["dbus-daemon", "--nofork", "--nopidfile", &bus]);
        within_time("the bus is there", START, || {
            avahi.folder.path().join("bus").exists()
        });
        // It keeps its number in /run, where another one may run.
        let script = format!(
            "mount -t tmpfs none /run && mkdir /run/avahi-daemon && exec avahi-daemon --no-drop-root --no-chroot --no-rlimits -f {}",
            settings.display()
        );
        avahi.run(&[
            "ip",
            "netns",
            "exec",
            lan.hub(),
            "unshare",
            "--mount",
            "sh",
            "-c",
            &script,
        ]);
        Some(avahi)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(words[0]);
        let bus = format!("unix:path={}", self.folder.path().join("bus").display());
        command
            .args(&words[1..])
            .env("DBUS_SYSTEM_BUS_ADDRESS", bus)
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    fn run(&mut self, words: &[&str]) {
        let child = self.command(words).stdout(Stdio::null()).spawn().unwrap();
        self.processes.push(child);
    }

    /// What `avahi-resolve` says of a name.
    fn resolve(&self, name: &str) -> Option<String> {
        let space = self.space.clone();
        let words = [
            "ip",
            "netns",
            "exec",
            &space,
            "timeout",
            "6",
            "avahi-resolve",
            "-4",
            "-n",
            name,
        ];
        let done = self.command(&words).output().unwrap();
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        text.split_whitespace().nth(1).map(str::to_owned)
    }
}

impl Drop for Avahi {
    fn drop(&mut self) {
        for process in self.processes.iter_mut().rev() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

#[test]
fn avahi_finds_the_device_and_lets_go_of_it() {
    if !is_possible() {
        return;
    }
    let mut lan = Lan::new();
    let Some(avahi) = Avahi::start(&lan, "somebody") else {
        return;
    };
    within_time("avahi is there", START, || {
        avahi.resolve("somebody.local").is_some()
    });
    let (host, thoxd) = settled(&mut lan, "thox.local");
    let address = Some(host.address.to_string());
    within_time("avahi resolves the name", CONFLICT, || {
        avahi.resolve("thox.local") == address
    });
    thoxd.signal("TERM");
    within_time("avahi has heard the goodbye", CONFLICT, || {
        // From its cache, which would have it for two minutes.
        avahi.resolve("thox.local").is_none()
    });
}

#[test]
fn a_name_that_avahi_has_is_left_to_it() {
    if !is_possible() {
        return;
    }
    let mut lan = Lan::new();
    let Some(avahi) = Avahi::start(&lan, "thox") else {
        return;
    };
    within_time("avahi has the name", START, || {
        avahi.resolve("thox.local").as_deref() == Some("10.77.0.1")
    });
    let (host, _thoxd) = settled(&mut lan, "thox-2.local");
    let address = Some(host.address.to_string());
    within_time("avahi resolves the second name", CONFLICT, || {
        avahi.resolve("thox-2.local") == address
    });
    assert_eq!(avahi.resolve("thox.local").as_deref(), Some("10.77.0.1"));
}
