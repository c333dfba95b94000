//! A thoxd that a service manager has started, as far as it can be seen without one: what it says on `NOTIFY_SOCKET`, and
//! what a reload does. `ci/booted` has a real systemd.

use crate::skipped::skipped;
use crate::stage::{CHAT, one};
use serde_json::{Value, json};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use thox_tests::client;
use thox_tests::doubles::{Double, Kind};
use thox_tests::patience::LIMIT;
use thox_tests::thoxd::{Builder, Thoxd};

/// The service manager's end.
struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
    heard: Vec<String>,
    _folder: TempDir,
}

impl Manager {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket
            .set_read_timeout(Some(Duration::from_millis(20)))
            .expect("a timeout");
        Self {
            socket,
            path,
            heard: Vec::new(),
            _folder: folder,
        }
    }

    fn of(&self, builder: Builder) -> Builder {
        builder
            .environment("NOTIFY_SOCKET", &self.path.display().to_string())
            .environment("WATCHDOG_USEC", "1000000")
    }

    /// Waits for a message that has this; forgets those before it.
    async fn hears(&mut self, what: &str) -> String {
        let deadline = Instant::now() + LIMIT;
        loop {
            self.listen();
            if let Some(at) = self.heard.iter().position(|text| text.contains(what)) {
                return self.heard.drain(..=at).next_back().unwrap();
            }
            assert!(
                Instant::now() < deadline,
                "{what:?} was not told, but {:?}",
                self.heard
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn listen(&mut self) {
        let mut buffer = [0; 8192];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..length]);
            let text = text.trim_end().to_owned();
            if text != "WATCHDOG=1" || self.heard.last() != Some(&text) {
                self.heard.push(text);
            }
        }
    }
}

/// Writes the settings anew, with lines added.
fn add(thoxd: &Thoxd, more: &str) {
    let file = thoxd.process.folder().join("config.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text + more).unwrap();
}

#[tokio::test]
async fn it_says_what_it_does() {
    let mut manager = Manager::new();
    let engine = Double::start(Kind::Ollama).await;
    let thoxd = manager.of(one(Thoxd::builder(), &engine)).start().await;
    manager.hears("READY=1").await;
    let status = manager.hears("STATUS=").await;
    assert!(
        status.contains("engines: ollama up") && status.contains(&thoxd.address.to_string()),
        "{status}"
    );
    manager.hears("WATCHDOG=1").await;
    engine.die().await;
    manager.hears("ollama not there").await;
    manager.hears("WATCHDOG=1").await;
    add(&thoxd, "\n[router]\ndefault_model = \"thox-coder\"\n");
    thoxd.process.signal("HUP");
    let reloading = manager.hears("RELOADING=1").await;
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    manager.hears("READY=1").await;
    let mut process = thoxd.process;
    process.signal("TERM");
    manager.hears("STOPPING=1").await;
    assert!(process.wait_exit().await.success());
}

#[tokio::test]
async fn a_restart_is_no_end_for_the_service_manager() {
    let mut manager = Manager::new();
    let engine = Double::start(Kind::Ollama).await;
    let thoxd = manager.of(one(Thoxd::builder(), &engine)).start().await;
    manager.hears("READY=1").await;
    let socket = thoxd.process.folder().join("state/control.sock");
    let status = std::process::Command::new("curl")
        .args(["-sf", "-X", "POST", "http://localhost/thox/v1/restart"])
        .arg("--unix-socket")
        .arg(socket)
        .output()
        .expect("curl runs");
    assert!(status.status.success());
    let told = manager.hears("RELOADING=1").await;
    assert!(!told.contains("STOPPING"), "{told}");
    manager.hears("READY=1").await;
    assert!(!manager.heard.iter().any(|text| text.contains("STOPPING")));
}

#[tokio::test]
async fn a_reload_is_all_or_nothing() {
    let mut manager = Manager::new();
    let engine = Double::start(Kind::Ollama).await;
    let thoxd = manager.of(one(Thoxd::builder(), &engine)).start().await;
    manager.hears("READY=1").await;
    let body = json!({ "model": "my-model", "messages": [{ "role": "user", "content": "hi" }] });
    let refused = client::post(thoxd.address, CHAT, &body).await;
    assert_eq!(refused.status, 404, "{}", refused.text());
    let good = "\n[models.my-model]\nollama = \"qwen2.5-coder:7b\"\n[limits]\nremote_requests_per_minute = 7\n";
    add(&thoxd, &format!("{good}remote_requests_per_minut = 8\n"));
    thoxd.process.signal("HUP");
    manager.hears("RELOADING=1").await;
    let status = manager.hears("STATUS=").await;
    assert!(
        status.contains("not valid") && status.contains("remote_requests_per_minut"),
        "{status}"
    );
    manager.hears("READY=1").await;
    let refused = client::post(thoxd.address, CHAT, &body).await;
    assert_eq!(refused.status, 404, "nothing of a bad file counts");
    assert!(thoxd.log().contains("the old ones stay"));
    let file = thoxd.process.folder().join("config.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let mended = text.replace("remote_requests_per_minut = 8\n", "");
    std::fs::write(&file, mended).unwrap();
    thoxd.process.signal("HUP");
    let status = manager.hears("STATUS=").await;
    assert!(!status.contains("not valid"), "{status}");
    thoxd.wait_models(&["my-model"]).await;
    let reply = client::post(thoxd.address, CHAT, &body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

#[tokio::test]
async fn the_answer_says_what_counts_and_what_waits() {
    let engine = Double::start(Kind::Ollama).await;
    let thoxd = one(Thoxd::builder(), &engine).start().await;
    let file = thoxd.process.folder().join("config.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.replace("[\"server\"]", "[\"server\"]\nmax_body = \"1MiB\"");
    let text = text.replace("\"debug\"", "\"warn\"");
    std::fs::write(&file, text).unwrap();
    let socket = thoxd.process.folder().join("state/control.sock");
    let ask = |path: &str| {
        let output = std::process::Command::new("curl")
            .args(["-s", "-X", "POST", "--unix-socket"])
            .arg(&socket)
            .arg(format!("http://localhost{path}"))
            .output()
            .expect("curl runs");
        serde_json::from_slice::<Value>(&output.stdout).expect("JSON")
    };
    let done = ask("/thox/v1/settings/reload");
    assert_eq!(
        done,
        json!({ "object": "reload", "changed": ["log.level"], "restart_needed": ["server.max_body"] })
    );
    let before = thoxd.log().len();
    client::get(thoxd.address, "/v1/models").await;
    let said = thoxd.log()[before..].to_owned();
    assert!(!said.contains("DEBUG"), "{said}");
    std::fs::write(&file, "[server]\nlisten = 7\n").unwrap();
    let refused = ask("/thox/v1/settings/reload");
    assert_eq!(refused["error"]["code"], "invalid_settings", "{refused}");
}

#[tokio::test]
async fn sockets_that_are_handed_over_are_served_and_named_rightly() {
    // systemd-socket-activate(1) opens them and passes them on as systemd does.
    let Some(activate) = [
        "/usr/bin/systemd-socket-activate",
        "/bin/systemd-socket-activate",
    ]
    .into_iter()
    .find(|path| std::path::Path::new(path).is_file()) else {
        skipped(
            "supervised: sockets that are handed over",
            "systemd-socket-activate is not installed; ci/setup does it",
        );
        return;
    };
    let folder = TempDir::new().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let file = folder.path().join("config.toml");
    let text = format!(
        "state_dir = {:?}\n[server]\ncontrol_socket = \"\"\n[engines.ollama]\nenabled = false\n",
        folder.path().join("state")
    );
    std::fs::write(&file, text).unwrap();
    for (name, is_served) in [("http", true), ("telnet", false)] {
        let mut child = std::process::Command::new(activate)
            .arg(format!("--listen={address}"))
            .arg(format!("--fdname={name}"))
            .arg(thox_tests::thoxd::binary("thoxd"))
            .arg("--config")
            .arg(&file)
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let answer = tokio::task::spawn_blocking(move || {
            let deadline = Instant::now() + LIMIT;
            loop {
                let tried = std::process::Command::new("curl")
                    .args(["-s", "-m", "10"])
                    .arg(format!("http://{address}/health"))
                    .output()
                    .unwrap();
                if tried.status.success() || !is_served && tried.status.code() != Some(7) {
                    return tried.status.success();
                }
                assert!(Instant::now() < deadline, "{address} is not there");
                std::thread::sleep(Duration::from_millis(20));
            }
        })
        .await
        .unwrap();
        assert_eq!(answer, is_served, "{name}");
        if is_served {
            child.kill().unwrap();
        }
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(
            !is_served,
            said.contains("nobody knows what it is for"),
            "{said}"
        );
    }
}

#[test]
fn a_factory_reset_empties_the_data_partition_and_no_more() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../systemd/factory-reset");
    for (models, is_kept) in [("delete", false), ("keep", true)] {
        let folder = TempDir::new().unwrap();
        let data = folder.path();
        for (file, text) in [
            ("thox/keys.json", "{}".to_owned()),
            (
                "thox/factory-reset",
                format!("# left by thoxd\nMODELS={models}\n"),
            ),
            ("ollama/models/blob", String::new()),
            ("logs and more/deep/file", String::new()),
            (".hidden", String::new()),
        ] {
            let file = data.join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        let run = || {
            std::process::Command::new(script)
                .env("THOX_DATA", data)
                .env("THOX_STATE", data.join("thox"))
                .env("THOX_MODELS", data.join("ollama"))
                .output()
                .unwrap()
        };
        assert!(run().status.success());
        assert!(data.join("thox/keys.json").exists(), "the next owner's");
        assert!(!data.join("thox/factory-reset").exists(), "the note goes");
        assert!(!data.join("logs and more").exists() && !data.join(".hidden").exists());
        assert_eq!(data.join("ollama/models/blob").exists(), is_kept);
        assert!(data.join("ollama").exists(), "it is mounted elsewhere");
        // Without a note nothing goes.
        std::fs::write(data.join("new"), "").unwrap();
        assert!(run().status.success() && data.join("new").exists());
    }
}
