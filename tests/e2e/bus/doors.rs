//! The engines' units and the device's restart over HTTP and by `thox`: the same code as on D-Bus, the same words.

use super::stage::{Bus, NAME, UNIT, all, can_be_tested, on};
use crate::stage::assert_error;
use crate::trust::{claim_code_of, send, with_key};
use serde_json::{Value, json};
use std::process::Stdio;
use thox_tests::client::Reply;
use thox_tests::doubles::{Double, Kind};
use thox_tests::patience::{until, within};
use thox_tests::thoxd::{Thoxd, binary};
use tokio::process::Command;

/// A thoxd on a bus, and its admin key.
struct Device {
    bus: Bus,
    _engine: Double,
    thoxd: Thoxd,
    key: String,
}

impl Device {
    async fn new() -> Self {
        let (bus, engine, thoxd) = all().await;
        Self::of(bus, engine, thoxd).await
    }

    async fn of(bus: Bus, engine: Double, thoxd: Thoxd) -> Self {
        let code = json!({ "code": claim_code_of(&thoxd) });
        let claimed = send(thoxd.address, "POST", "/thox/v1/claim", Some(&code), &[]).await;
        let key = claimed.json()["key"].as_str().unwrap().to_owned();
        Self {
            bus,
            _engine: engine,
            thoxd,
            key,
        }
    }

    async fn post(&self, path: &str, body: Option<&Value>) -> Reply {
        with_key(self.thoxd.address, "POST", path, body, &self.key).await
    }

    async fn engine(&self, name: &str, verb: &str) -> Reply {
        self.post(&format!("/thox/v1/engines/{name}/{verb}"), None)
            .await
    }

    /// What systemd was asked to do to units since the last time.
    async fn done(&self) -> Vec<String> {
        let asked = self.bus.asked_systemd().await.into_iter();
        asked.filter(|one| one != "Subscribe").collect()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let home = self.thoxd.process.folder();
        let mut command = Command::new(binary("thox"));
        command
            .args(arguments)
            .env("HOME", home)
            .env("XDG_CONFIG_HOME", home.join("thox-config"))
            .env("THOX_HOST", self.thoxd.address.to_string())
            .env("THOX_API_KEY", &self.key)
            .env_remove("THOX_CONTROL_SOCKET")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Exit code, output and complaint of `thox`.
    async fn thox(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let running = self.command(arguments).output();
        let done = within("thox to end", running).await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (done.status.code(), text(&done.stdout), text(&done.stderr))
    }
}

#[tokio::test]
async fn engines_are_driven_over_http() {
    if !can_be_tested() {
        return;
    }
    let bus = Bus::with_peers().await;
    let engine = Double::start(Kind::Ollama).await;
    let thoxd = on(&bus, &engine)
        .raw("audit", "enabled", "true")
        .raw("engines.starter", "enabled", "true")
        .start()
        .await;
    thoxd.wait_models(&["thox-coder"]).await;
    bus.wait_for(NAME).await;
    let device = Device::of(bus, engine, thoxd).await;
    device.done().await;
    for (verb, job, state) in [
        ("restart", "RestartUnit", "active"),
        ("stop", "StopUnit", "inactive"),
        ("start", "StartUnit", "active"),
    ] {
        let reply = device.engine("ollama", verb).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let changed = reply.json();
        assert_eq!(
            (
                &changed["object"],
                &changed["engine"],
                &changed["unit"]["name"]
            ),
            (&json!("engine.changed"), &json!("ollama"), &json!(UNIT))
        );
        assert_eq!(changed["unit"]["state"], state, "{verb}");
        let expected = [format!("ResetFailedUnit {UNIT}"), format!("{job} {UNIT}")];
        assert_eq!(device.done().await, expected, "{verb}");
    }
    // What cannot be done says what to do.
    let unknown = device.engine("olama", "restart").await;
    let said = assert_error(&unknown, 404, "engine_not_found");
    assert!(said.contains("`ollama`"), "{said}");
    let without = device.engine("starter", "stop").await;
    let said = assert_error(&without, 400, "capability_missing");
    assert!(said.contains("engines.starter.unit"), "{said}");
    assert!(device.done().await.is_empty(), "nobody was asked for those");
    device.bus.unit("failed", "failed", "exit-code", 0).await;
    device.bus.of_systemd(&["EndJobsWith", "s", "failed"]).await;
    let said = assert_error(&device.engine("ollama", "start").await, 502, "engine_error");
    assert!(
        said.contains("the unit is failed (exit-code)") && said.contains("journalctl -u ollama"),
        "{said}"
    );
    device.bus.of_systemd(&["Deny", "b", "true"]).await;
    let denied = device.engine("ollama", "start").await;
    let said = assert_error(&denied, 503, "no_service_manager");
    assert!(said.contains("50-thox.rules"), "{said}");
    let audit = device.thoxd.process.folder().join("state/audit.log");
    let audit = std::fs::read_to_string(audit).unwrap();
    let lines = audit.lines().filter(|line| {
        line.contains("\"route\":\"/thox/v1/engines/{name}/")
            && line.contains("\"method\":\"POST\"")
    });
    assert_eq!(lines.count(), 7, "{audit}");
}

#[tokio::test]
async fn without_a_bus_it_is_said_where_to_go() {
    if !can_be_tested() {
        return;
    }
    let bus = Bus::down();
    let engine = Double::start(Kind::Ollama).await;
    let thoxd = on(&bus, &engine).start().await;
    thoxd.wait_models(&["thox-coder"]).await;
    let device = Device::of(bus, engine, thoxd).await;
    let absent = device.engine("ollama", "restart").await;
    let said = assert_error(&absent, 503, "no_service_manager");
    assert!(said.contains("systemctl restart ollama.service"), "{said}");
    let body = json!({ "confirm": "thox.local" });
    let reply = device.post("/thox/v1/reboot", Some(&body)).await;
    let said = assert_error(&reply, 503, "no_service_manager");
    assert!(said.contains("systemctl reboot"), "{said}");
}

#[tokio::test]
async fn the_device_restarts_when_its_name_is_said() {
    if !can_be_tested() {
        return;
    }
    let device = Device::new().await;
    for confirm in ["", "localhost", "other.local"] {
        let body = json!({ "confirm": confirm });
        let refused = device.post("/thox/v1/reboot", Some(&body)).await;
        let said = assert_error(&refused, 400, "invalid_request");
        assert!(said.contains("\"thox.local\" to restart"), "{said}");
    }
    assert_eq!(device.bus.reboots().await, 0);
    let body = json!({ "confirm": "thox.local" });
    let reply = device.post("/thox/v1/reboot", Some(&body)).await;
    assert_eq!(reply.status, 202, "{}", reply.text());
    assert_eq!(reply.json()["name"], "thox.local");
    assert_eq!(device.bus.reboots().await, 1);
}

#[tokio::test]
async fn the_command_line_lists_engines_and_changes_them() {
    if !can_be_tested() {
        return;
    }
    let device = Device::new().await;
    device
        .bus
        .wait_property("Engines", |all| {
            all["ollama"]["UnitState"]["data"] == "active"
        })
        .await;
    let (code, table, _) = device.thox(&["engines", "list"]).await;
    assert_eq!(code, Some(0));
    assert!(
        table.starts_with("ENGINE") && table.contains("ollama.service  active (running)"),
        "{table}"
    );
    let (_, list, _) = device.thox(&["engines", "list", "--json"]).await;
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!(list["data"][0]["unit"]["name"], UNIT);
    for (verb, said) in [
        (
            "stop",
            "ollama was stopped: ollama.service is inactive (dead).\n",
        ),
        (
            "start",
            "ollama was started: ollama.service is active (running).\n",
        ),
        (
            "restart",
            "ollama was restarted: ollama.service is active (running).\n",
        ),
    ] {
        let (code, stdout, stderr) = device.thox(&["engines", verb, "ollama"]).await;
        assert_eq!((code, &*stdout, &*stderr), (Some(0), said, ""));
    }
    let (_, changed, _) = device
        .thox(&["engines", "restart", "ollama", "--json"])
        .await;
    let changed: Value = serde_json::from_str(&changed).unwrap();
    assert_eq!(changed["object"], "engine.changed");
    for (arguments, expected, words) in [
        (&["engines", "stop", "o/x"][..], 5, "there is no engine"),
        (&["engines", "stop"], 2, "<NAME>"),
        (&["reboot"], 2, "thox reboot --yes"),
    ] {
        let (code, stdout, stderr) = device.thox(arguments).await;
        assert_eq!((code, &*stdout), (Some(expected), ""), "{stderr}");
        assert!(stderr.contains(words), "{stderr}");
    }
    device.bus.of_systemd(&["Deny", "b", "true"]).await;
    let (code, _, stderr) = device.thox(&["engines", "start", "ollama"]).await;
    assert_eq!(code, Some(1));
    assert!(stderr.contains("50-thox.rules"), "{stderr}");
    assert_eq!(device.bus.reboots().await, 0);
}

#[tokio::test]
async fn the_command_line_waits_for_the_device() {
    if !can_be_tested() {
        return;
    }
    let bus = Bus::with_peers().await;
    let engine = Double::start(Kind::Ollama).await;
    let listen = format!("127.0.0.1:{}", Double::free_port().await);
    let thoxd = on(&bus, &engine)
        .list("server", "listen", &[&listen])
        .start()
        .await;
    let device = Device::of(bus, engine, thoxd).await;
    device.bus.wait_for(NAME).await;
    let rebooting = device.command(&["reboot", "--yes"]).spawn().unwrap();
    loop {
        if device.bus.reboots().await == 1 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    // login1's double does nothing: a restart of thoxd alone stands for the boot.
    assert_eq!(device.post("/thox/v1/restart", None).await.status, 202);
    let done = within("the device is back", rebooting.wait_with_output()).await;
    let done = done.unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(
        done.status.success() && said.starts_with("thox.local is there again after "),
        "{said}{}",
        String::from_utf8_lossy(&done.stderr)
    );
    until("it has not gone for good", || {
        device.thoxd.process.address()
    })
    .await;
}
