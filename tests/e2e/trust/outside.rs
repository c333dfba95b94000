//! Clients from elsewhere, in a network namespace of the test's own: a global address, a foreign private one, a
//! neighbour.

use super::chat;
use serde_json::{Value, json};
use std::process::{Child, Command, Stdio};
use thox_tests::patience::until;
use thox_tests::thoxd::binary;

/// The device's own addresses in the namespace, and those of its clients.
const DEVICE: &str = "192.168.77.1";
const NEIGHBOUR: &str = "192.168.77.2";
const OTHER_NETWORK: &str = "192.168.88.2";
const GLOBAL_OF_DEVICE: &str = "203.0.113.1";
const GLOBAL: &str = "203.0.113.9";
const TRUSTED: &str = "10.8.0.2";

/// A thoxd in a namespace of its own; killed when dropped.
struct Island {
    child: Child,
    folder: tempfile::TempDir,
}

impl Island {
    /// `None` where this machine lets nobody make a namespace.
    async fn start(settings: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.toml");
        let state = folder.path().join("state");
        let text = format!(
            "state_dir = {state:?}\n[server]\nlisten = [\"0.0.0.0:8080\"]\ncontrol_socket = \"\"\n[engines.ollama]\nenabled = false\n{settings}"
        );
        std::fs::write(&config, text).unwrap();
        // The device has a private and a global address; its clients' are routed to it and are none of its own.
        let mut script = "ip link set lo up".to_owned();
        for own in [DEVICE, GLOBAL_OF_DEVICE] {
            script.push_str(&format!(" && ip address add {own}/24 dev lo"));
        }
        for client in [NEIGHBOUR, OTHER_NETWORK, GLOBAL, TRUSTED] {
            script.push_str(&format!(" && ip route add local {client} dev lo"));
        }
        script.push_str(&format!(
            " && touch {}/ready && exec {} --config {}",
            folder.path().display(),
            binary("thoxd").display(),
            config.display()
        ));
        let child = Command::new("unshare")
            .args(["--net", "--user", "--map-root-user", "sh", "-c", &script])
            .env("HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .ok()?;
        let mut island = Self { child, folder };
        let path = island.folder.path().to_owned();
        let is_there = until("the namespace is made, or is not to be had", || {
            let log = std::fs::read_to_string(path.join("log")).unwrap_or_default();
            if log.contains("listening on") {
                return Some(true);
            }
            let has_ended = island.child.try_wait().unwrap().is_some();
            has_ended.then_some(false)
        })
        .await;
        if !is_there {
            let log = std::fs::read_to_string(path.join("log")).unwrap();
            assert!(!path.join("ready").exists(), "thoxd does not start: {log}");
            println!("SKIPPED: no network namespace on this machine: {log}");
            return None;
        }
        Some(island)
    }

    /// The status and the body that a client of `from` gets.
    fn ask(
        &self,
        from: &str,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: Option<&Value>,
    ) -> (u16, String) {
        let mut command = Command::new("nsenter");
        command.args(["--user", "--preserve-credentials", "--net", "--target"]);
        command.arg(self.child.id().to_string());
        command.args([
            "curl",
            "-sS",
            "-m",
            "10",
            "--interface",
            from,
            "-X",
            method,
            "-w",
            "\n%{http_code}",
        ]);
        if let Some(key) = key {
            command.args(["-H", &format!("Authorization: Bearer {key}")]);
        }
        if let Some(body) = body {
            command.args([
                "-H",
                "content-type: application/json",
                "-d",
                &body.to_string(),
            ]);
        }
        command.arg(format!("http://{DEVICE}:8080{path}"));
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, status) = text.rsplit_once('\n').unwrap_or_else(|| {
            panic!(
                "curl from {from}: {}",
                String::from_utf8_lossy(&output.stderr)
            )
        });
        (status.parse().unwrap(), body.to_owned())
    }
}

impl Drop for Island {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn who_is_near_may_ask_and_who_is_not_may_not() {
    let settings =
        "[auth]\ntrusted_networks = [\"10.8.0.0/16\"]\n[limits]\nremote_requests_per_minute = 5\n";
    let Some(island) = Island::start(settings).await else {
        return;
    };
    let paths = [
        "/",
        "/page/app.js",
        "/health",
        "/v1/models",
        "/metrics",
        "/openapi.json",
        "/router/status",
    ];
    for near in [NEIGHBOUR, TRUSTED, DEVICE] {
        for path in paths {
            assert_eq!(
                island.ask(near, "GET", path, None, None).0,
                200,
                "{near} {path}"
            );
        }
    }
    for far in [OTHER_NETWORK, GLOBAL] {
        for path in paths {
            let (status, body) = island.ask(far, "GET", path, None, None);
            assert_eq!(status, 403, "{far} {path}: {body}");
            assert!(body.contains("auth.trusted_networks"), "{body}");
        }
        let (status, _) = island.ask(far, "POST", "/v1/chat/completions", None, Some(&chat()));
        assert_eq!(status, 403, "{far}");
        let (status, _) = island.ask(
            far,
            "POST",
            "/v1/chat/completions",
            Some("not-required"),
            Some(&chat()),
        );
        assert_eq!(status, 401, "{far}");
    }
    let content: Value = serde_json::from_slice(
        &std::fs::read(island.folder.path().join("state/keys.json")).unwrap(),
    )
    .unwrap();
    let code = json!({ "code": content["claim_code"] });
    assert_eq!(
        island
            .ask(GLOBAL, "POST", "/thox/v1/claim", None, Some(&code))
            .0,
        403,
        "the code is worth nothing outside"
    );
    let (status, body) = island.ask(NEIGHBOUR, "POST", "/thox/v1/claim", None, Some(&code));
    assert_eq!(status, 201, "{body}");
    let key: Value = serde_json::from_str(&body).unwrap();
    let warning = key["warning"].as_str().unwrap();
    assert!(
        warning.contains("plain HTTP") && warning.contains("tls.enabled"),
        "{warning}"
    );
    let key = key["key"].as_str();
    let statuses: Vec<u16> = (0..7)
        .map(|_| island.ask(GLOBAL, "GET", "/v1/models", key, None).0)
        .collect();
    assert_eq!(
        statuses,
        [200, 200, 200, 200, 200, 429, 429],
        "five a minute from outside"
    );
    assert_eq!(
        island.ask(NEIGHBOUR, "GET", "/v1/models", key, None).0,
        200,
        "and no limit inside"
    );
    for (from, is_warned) in [(NEIGHBOUR, true), ("127.0.0.1", false)] {
        let (status, body) = island.ask(from, "GET", "/thox/v1/auth", key, None);
        assert_eq!(
            (status, body.contains("over plain HTTP")),
            (200, is_warned),
            "{from}: {body}"
        );
    }
    let on = json!({ "enabled": true });
    let (_, body) = island.ask("127.0.0.1", "PUT", "/thox/v1/auth", key, Some(&on));
    assert!(
        body.contains("TLS is off"),
        "wherever it is switched on: {body}"
    );
}
