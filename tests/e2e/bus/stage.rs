//! A bus of the test's own, and who is on it.

use crate::skipped::skipped;
use crate::stage::one;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use thox_tests::doubles::{Double, Kind};
use thox_tests::patience::{LIMIT, until};
use thox_tests::thoxd::{Builder, Thoxd};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

pub(crate) const NAME: &str = "ai.thox.Thoxd1";
pub(super) const PATH: &str = "/ai/thox/Thoxd1";
pub(super) const UNIT: &str = "ollama.service";

/// Debian's own Python has dbusmock, another one in the PATH does not.
const PYTHON: &str = "/usr/bin/python3";

/// A bus; it ends when this is dropped, and so do the peers.
pub(crate) struct Bus {
    folder: TempDir,
    daemon: Option<Child>,
    peers: Vec<Child>,
}

/// Whether everything is there that these tests take; says so where it is not.
pub(crate) fn can_be_tested() -> bool {
    let has = |program: &str, arguments: &[&str]| {
        let ran = std::process::Command::new(program)
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        ran.is_ok_and(|status| status.success())
    };
    for (what, is_there) in [
        ("dbus-daemon", has("dbus-daemon", &["--version"])),
        ("python3-dbusmock", has(PYTHON, &["-c", "import dbusmock"])),
        ("busctl", has("busctl", &["--version"])),
        ("gdbus", has("gdbus", &["help"])),
    ] {
        if !is_there {
            skipped("bus", &format!("{what} is not installed; ci/setup does it"));
            return false;
        }
    }
    true
}

impl Bus {
    /// A folder for one that does not run yet.
    pub(crate) fn down() -> Self {
        let folder = TempDir::new().expect("a folder");
        // Other users are clients too.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).expect("the folder can be entered");
        let socket = folder.path().join("bus");
        let config = format!(
            r#"<busconfig>
  <type>system</type>
  <listen>unix:path={}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_type="method_call"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="signal"/>
    <allow send_type="signal"/>
    <allow eavesdrop="true"/>
  </policy>
</busconfig>"#,
            socket.display()
        );
        std::fs::write(folder.path().join("bus.conf"), config).expect("the bus's settings");
        Self {
            folder,
            daemon: None,
            peers: Vec::new(),
        }
    }

    /// One that runs, with polkit, systemd and login1 on it; polkit allows everything.
    pub(super) async fn with_peers() -> Self {
        let mut bus = Self::down();
        bus.start().await;
        bus.polkit().await;
        bus.systemd().await;
        bus.peer("logind", "org.freedesktop.login1").await;
        bus
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("bus")
    }

    pub(crate) fn address(&self) -> String {
        format!("unix:path={}", self.socket().display())
    }

    pub(crate) async fn start(&mut self) {
        let daemon = Command::new("dbus-daemon")
            .arg(format!(
                "--config-file={}",
                self.folder.path().join("bus.conf").display()
            ))
            .arg("--nofork")
            .kill_on_drop(true)
            .spawn();
        self.daemon = Some(daemon.expect("dbus-daemon starts"));
        let socket = self.socket();
        until("the bus listens", || {
            std::os::unix::net::UnixStream::connect(&socket).ok()
        })
        .await;
    }

    /// Ends it, and with it everybody's connection.
    pub(super) async fn stop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.kill().await.expect("the bus can be ended");
        }
        self.peers.clear();
        let _ = std::fs::remove_file(self.socket());
    }

    pub(super) async fn polkit(&mut self) {
        self.peer("polkitd", "org.freedesktop.PolicyKit1").await;
        self.polkit_allows(true).await;
    }

    pub(super) async fn polkit_allows(&self, everything: bool) {
        let answer = everything.to_string();
        let authority = "/org/freedesktop/PolicyKit1/Authority";
        self.mock(
            "org.freedesktop.PolicyKit1",
            authority,
            &["AllowUnknown", "b", &answer],
        )
        .await;
    }

    pub(super) async fn systemd(&mut self) {
        let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e/bus/systemd1.py");
        self.peer(&template.display().to_string(), "org.freedesktop.systemd1")
            .await;
        self.unit("active", "running", "success", 0).await;
    }

    /// Puts Ollama's unit into a state.
    pub(super) async fn unit(&self, active: &str, sub: &str, result: &str, restarts: u32) {
        let restarts = restarts.to_string();
        self.of_systemd(&["SetUnit", "ssssu", UNIT, active, sub, result, &restarts])
            .await;
    }

    pub(super) async fn of_systemd(&self, call: &[&str]) -> Value {
        self.mock(
            "org.freedesktop.systemd1",
            "/org/freedesktop/systemd1",
            call,
        )
        .await
    }

    /// What systemd has been asked for since the last time.
    pub(super) async fn asked_systemd(&self) -> Vec<String> {
        let asked = self.of_systemd(&["Asked"]).await;
        let asked = asked[0].as_array().expect("a list").iter();
        asked.map(|one| one.as_str().unwrap().to_owned()).collect()
    }

    pub(super) async fn rauc(&mut self) {
        let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e/bus/rauc.py");
        self.peer(&template.display().to_string(), "de.pengutronix.rauc")
            .await;
    }

    pub(super) async fn of_rauc(&self, call: &[&str]) -> Value {
        self.mock("de.pengutronix.rauc", "/", call).await
    }

    /// What RAUC has been asked for since the last time.
    pub(super) async fn asked_rauc(&self) -> Vec<String> {
        let asked = self.of_rauc(&["Asked"]).await;
        let asked = asked[0].as_array().expect("a list").iter();
        asked.map(|one| one.as_str().unwrap().to_owned()).collect()
    }

    /// How often login1 was asked to restart the machine.
    pub(super) async fn reboots(&self) -> usize {
        let call = ["GetMethodCalls", "s", "Reboot"];
        let login1 = "org.freedesktop.login1";
        let calls = self.mock(login1, "/org/freedesktop/login1", &call).await;
        calls[0].as_array().expect("a list").len()
    }

    async fn mock(&self, name: &str, path: &str, call: &[&str]) -> Value {
        let mut all = vec!["call", name, path, "org.freedesktop.DBus.Mock"];
        all.extend(call);
        self.busctl(&all)
            .await
            .expect("a double does as it is told")
    }

    async fn peer(&mut self, template: &str, name: &str) {
        let peer = Command::new(PYTHON)
            .args(["-m", "dbusmock", "--system", "--template", template])
            .env("DBUS_SYSTEM_BUS_ADDRESS", self.address())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        self.peers.push(peer.expect("dbusmock starts"));
        self.wait_for(name).await;
    }

    /// Ends the peer that came last.
    pub(super) async fn last_peer_leaves(&mut self) {
        let mut peer = self.peers.pop().expect("there is one");
        peer.kill().await.expect("it can be ended");
    }

    /// Waits until somebody has the name.
    pub(crate) async fn wait_for(&self, name: &str) {
        let deadline = Instant::now() + LIMIT;
        while !self.has(name).await {
            assert!(Instant::now() < deadline, "waited {LIMIT:?} for {name}");
            sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    pub(super) async fn has(&self, name: &str) -> bool {
        let bus = "org.freedesktop.DBus";
        let call = [
            "call",
            bus,
            "/org/freedesktop/DBus",
            bus,
            "NameHasOwner",
            "s",
            name,
        ];
        self.busctl(&call).await.is_ok_and(|owner| owner[0] == true)
    }

    /// What busctl gives back, or its complaint.
    pub(super) async fn busctl(&self, arguments: &[&str]) -> Result<Value, String> {
        let output = Command::new("busctl")
            .arg(format!("--address={}", self.address()))
            .arg("--json=short")
            .args(arguments)
            .output()
            .await
            .expect("busctl runs");
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        if output.stdout.is_empty() {
            return Ok(Value::Null);
        }
        let reply: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        Ok(reply["data"].clone())
    }

    /// A property of thoxd's.
    pub(crate) async fn property(&self, name: &str) -> Value {
        let read = ["get-property", NAME, PATH, NAME, name];
        self.busctl(&read).await.expect("a property")
    }

    /// Waits until a property is as it shall be.
    pub(super) async fn wait_property(&self, name: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + LIMIT;
        loop {
            let value = self.property(name).await;
            if holds(&value) {
                return value;
            }
            assert!(
                Instant::now() < deadline,
                "waited {LIMIT:?} for {name}, it is {value}"
            );
            sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// Calls a method of thoxd's with arguments as busctl has them.
    pub(super) async fn call(&self, method: &str, arguments: &[&str]) -> Result<Value, String> {
        let mut all = vec!["call", NAME, PATH, NAME, method];
        all.extend(arguments);
        self.busctl(&all).await
    }

    /// Calls a method of thoxd's that it refuses; gives the error's name and text. `user`: 0 is root.
    pub(super) async fn refused(&self, user: u32, method: &str, arguments: &[&str]) -> String {
        let user = user.to_string();
        let output = Command::new("setpriv")
            .args(["--reuid", &user, "--clear-groups", "gdbus", "call"])
            .args(["--address", &self.address(), "--dest", NAME])
            .args(["--object-path", PATH, "--method"])
            .arg(format!("{NAME}.{method}"))
            .args(arguments)
            .output()
            .await
            .expect("gdbus runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{method} is refused");
        said
    }
}

/// Everything that is told of thoxd's object, as gdbus writes it.
pub(crate) struct Signals {
    said: Arc<Mutex<String>>,
    _monitor: Child,
}

impl Signals {
    pub(crate) async fn of(bus: &Bus) -> Self {
        let mut monitor = Command::new("gdbus")
            .args(["monitor", "--address", &bus.address(), "--dest", NAME])
            .args(["--object-path", PATH])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("gdbus runs");
        let mut lines = BufReader::new(monitor.stdout.take().expect("it is piped")).lines();
        let said = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&said);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                kept.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        let signals = Self {
            said,
            _monitor: monitor,
        };
        signals.wait("The name ai.thox.Thoxd1 is owned by").await;
        signals
    }

    /// Waits until something was told.
    pub(super) async fn wait(&self, what: &str) {
        until(what, || {
            self.said.lock().unwrap().contains(what).then_some(())
        })
        .await;
    }

    /// Waits until the change of a property was told, to a value that has this.
    pub(crate) async fn wait_change(&self, property: &str, value: &str) {
        let what = format!("the change of {property} to {value}");
        until(&what, || {
            let said = self.said.lock().unwrap();
            let is_told = |line: &str| {
                line.contains("PropertiesChanged")
                    && line.contains(&format!("{{'{property}': <"))
                    && line.contains(value)
            };
            said.lines().any(is_told).then_some(())
        })
        .await;
    }
}

/// Settings for a thoxd on a bus, in front of one Ollama whose unit is [`UNIT`].
pub(super) fn on(bus: &Bus, engine: &Double) -> Builder {
    one(Thoxd::builder(), engine)
        .raw("dbus", "enabled", "true")
        .text("dbus", "address", &bus.address())
        .text("engines.ollama", "unit", UNIT)
}

/// A bus with all peers, an Ollama, and a thoxd that has its name and knows its engine.
pub(super) async fn all() -> (Bus, Double, Thoxd) {
    let bus = Bus::with_peers().await;
    let engine = Double::start(Kind::Ollama).await;
    let thoxd = on(&bus, &engine).start().await;
    thoxd.wait_models(&["thox-coder"]).await;
    bus.wait_for(NAME).await;
    (bus, engine, thoxd)
}
