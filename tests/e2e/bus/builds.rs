//! An engine that is compiled for a model: a unit that is started and followed until its server has the model.

use super::stage::{Bus, NAME, can_be_tested};
use crate::stage::{Stage, assert_error};
use crate::trust::{Owned, claim};
use serde_json::{Value, json};
use std::path::Path;
use tempfile::TempDir;
use thox_tests::client::Reply;
use thox_tests::doubles::{Double, Kind, Model};
use thox_tests::patience::{LIMIT, until};
use thox_tests::thoxd::{Builder, Thoxd};
use tokio::time::{Instant, sleep};

const BUILDS: &str = "/thox/v1/models/builds";
const UNIT: &str = "tensorrt-llm@qwen.service";
const OTHER: &str = "tensorrt-llm@other.service";

/// A device with a TensorRT server that does not run yet, its unit, and a model's folder on the disk.
struct Board {
    device: Owned,
    bus: Bus,
    disk: TempDir,
}

impl Board {
    async fn new(settings: impl FnOnce(Builder) -> Builder) -> Self {
        let bus = Bus::with_peers().await;
        let disk = TempDir::new().expect("a folder");
        let engine = Double::start(Kind::EdgeLlm).await;
        engine.script(|script| script.models = vec![Model::chat("qwen", 7_000_000_000)]);
        engine.die().await;
        let builder = Thoxd::builder()
            .raw("dbus", "enabled", "true")
            .text("dbus", "address", &bus.address())
            .engine("tensorrt", &engine);
        let thoxd = settings(builder).start().await;
        let stage = Stage { engine, thoxd };
        let admin = claim(&stage).await;
        bus.wait_for(NAME).await;
        let board = Self {
            device: Owned { stage, admin },
            bus,
            disk,
        };
        let model = board.own().join("model");
        std::fs::create_dir_all(&model).expect("the model's folder");
        std::fs::write(model.join("model.safetensors"), [0; 4096]).expect("weights");
        board.install(UNIT, &model).await;
        board.bus.asked_systemd().await;
        board
    }

    fn own(&self) -> std::path::PathBuf {
        self.disk.path().join("qwen")
    }

    async fn install(&self, unit: &str, folder: &Path) {
        let folder = folder.display().to_string();
        self.bus
            .of_systemd(&["SetFolder", "ss", unit, &folder])
            .await;
    }

    async fn build(&self, what: &Value) -> Reply {
        self.device.admin("POST", BUILDS, Some(what)).await
    }

    async fn begin(&self) -> String {
        let reply = self.build(&json!({ "model": "qwen" })).await;
        assert_eq!(reply.status, 202, "{}", reply.text());
        let begun = reply.json();
        assert_eq!(begun["object"], "model.build");
        begun["id"].as_str().unwrap().to_owned()
    }

    /// Waits until the build is as it shall be.
    async fn wait(&self, id: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + LIMIT;
        loop {
            let now = self.device.download(id).await;
            if holds(&now) {
                return now;
            }
            assert!(Instant::now() < deadline, "waited until {what}: {now}");
            sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    async fn compiles(&self, id: &str) -> Value {
        let is_compiling = |now: &Value| now["status"].as_str().unwrap().starts_with("compiling");
        self.wait(id, "it compiles", is_compiling).await
    }

    /// What systemd was asked to do since the last time.
    async fn done(&self) -> Vec<String> {
        let mut asked = self.bus.asked_systemd().await;
        asked.retain(|one| {
            ["StartUnit", "StopUnit", "RestartUnit"]
                .iter()
                .any(|verb| one.starts_with(verb))
        });
        asked
    }
}

#[tokio::test]
async fn it_is_followed_until_the_model_is_served() {
    if !can_be_tested() {
        return;
    }
    let board = Board::new(|builder| builder).await;
    board.install(OTHER, Path::new("/nowhere")).await;
    let running = [
        "SetUnit", "ssssu", OTHER, "active", "running", "success", "0",
    ];
    board.bus.of_systemd(&running).await;
    let id = board.begin().await;
    assert_eq!(board.begin().await, id, "the same build is not begun twice");
    board.compiles(&id).await;
    // What it has made so far is counted.
    std::fs::create_dir_all(board.own().join("cache/bundle")).unwrap();
    std::fs::write(board.own().join("cache/bundle/engine"), [0; 5000]).unwrap();
    let now = board
        .wait(&id, "its bytes are told", |now| now["bytes"] == 5000)
        .await;
    assert_eq!(
        (&now["state"], &now["total"]),
        (&json!("running"), &Value::Null)
    );
    let expected = [format!("StopUnit {OTHER}"), format!("StartUnit {UNIT}")];
    assert_eq!(board.done().await, expected);
    board.device.stage.engine.come_back().await;
    let over = board.device.wait_download(&id, "succeeded").await;
    assert_eq!(over["error"], Value::Null);
    assert!(board.done().await.is_empty(), "it goes on running");
    let names = board.device.stage.thoxd.model_names().await;
    assert!(names.contains(&"qwen".to_owned()), "{names:?}");
    let list = board
        .device
        .admin("GET", "/thox/v1/models/downloads", None)
        .await;
    assert_eq!(list.json()["data"][0]["id"], id.as_str());
}

#[tokio::test]
async fn afterwards_what_the_settings_name_runs() {
    if !can_be_tested() {
        return;
    }
    let board = Board::new(|builder| builder.text("engines.tensorrt", "unit", OTHER)).await;
    board.install(OTHER, Path::new("/nowhere")).await;
    let id = board.begin().await;
    board.compiles(&id).await;
    board.device.stage.engine.come_back().await;
    board.device.wait_download(&id, "succeeded").await;
    let expected = [
        format!("StartUnit {UNIT}"),
        format!("StopUnit {UNIT}"),
        format!("StartUnit {OTHER}"),
    ];
    assert_eq!(board.done().await, expected);
}

#[tokio::test]
async fn one_that_fails_is_stopped_and_says_what_the_engine_said() {
    if !can_be_tested() {
        return;
    }
    let board = Board::new(|builder| builder).await;
    board.install(OTHER, Path::new("/nowhere")).await;
    let running = [
        "SetUnit", "ssssu", OTHER, "active", "running", "success", "0",
    ];
    board.bus.of_systemd(&running).await;
    let id = board.begin().await;
    board.compiles(&id).await;
    let words = "Loading weights\n\u{1b}[31mValueError: external FP16 bias has no recipe\n";
    std::fs::write(board.own().join("engine.log"), words).unwrap();
    // systemd tries it again and again.
    let again = [
        "SetUnit",
        "ssssu",
        UNIT,
        "activating",
        "auto-restart",
        "exit-code",
        "1",
    ];
    board.bus.of_systemd(&again).await;
    let over = board.device.wait_download(&id, "failed").await;
    let message = over["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("exit-code")
            && message.contains(&format!("journalctl -u {UNIT}"))
            && message
                .ends_with("Loading weights\n[31mValueError: external FP16 bias has no recipe"),
        "{message}"
    );
    let expected = [
        format!("StopUnit {OTHER}"),
        format!("StartUnit {UNIT}"),
        format!("StopUnit {UNIT}"),
        format!("StartUnit {OTHER}"),
    ];
    assert_eq!(board.done().await, expected);
    // The log comes by a pipe.
    let log = until("the log tells of it", || {
        let log = board.device.stage.thoxd.log();
        log.contains("a job has failed").then_some(log)
    })
    .await;
    assert!(!log.contains("ValueError"), "{log}");
}

#[tokio::test]
async fn one_that_is_cancelled_is_stopped() {
    if !can_be_tested() {
        return;
    }
    let board = Board::new(|builder| builder).await;
    let id = board.begin().await;
    board.compiles(&id).await;
    let path = format!("/thox/v1/models/downloads/{id}");
    let over = board.device.admin("DELETE", &path, None).await.json();
    assert_eq!(over["state"], "cancelled", "{over}");
    let expected = [format!("StartUnit {UNIT}"), format!("StopUnit {UNIT}")];
    assert_eq!(board.done().await, expected);
}

#[tokio::test]
async fn what_cannot_be_built_is_refused_and_nothing_is_started() {
    if !can_be_tested() {
        return;
    }
    let mut board = Board::new(|builder| builder).await;
    for name in [
        "",
        "../qwen",
        "a/b",
        "qwen.service\n",
        "a@b",
        "%i",
        "llama3.2:3b",
    ] {
        let reply = board.build(&json!({ "model": name })).await;
        assert_error(&reply, 400, "invalid_request");
    }
    let reply = board.build(&json!({ "model": "missing" })).await;
    assert_error(&reply, 400, "capability_missing");
    let reply = board
        .build(&json!({ "model": "qwen", "engine": "nobody" }))
        .await;
    assert_error(&reply, 400, "invalid_request");
    std::fs::remove_dir_all(board.own()).unwrap();
    let reply = board.build(&json!({ "model": "qwen" })).await;
    assert_error(&reply, 404, "model_not_found");
    assert!(reply.text().contains("qwen/model"), "{}", reply.text());
    // Larger than any disk, and of no size on this one.
    std::fs::create_dir_all(board.own().join("model")).unwrap();
    let weights = std::fs::File::create(board.own().join("model/weights")).unwrap();
    weights.set_len(8 << 40).unwrap();
    let reply = board.build(&json!({ "model": "qwen" })).await;
    assert_error(&reply, 400, "capability_missing");
    assert!(reply.text().contains("enough room"), "{}", reply.text());
    assert!(board.done().await.is_empty());
    board.bus.stop().await;
    let deadline = Instant::now() + LIMIT;
    loop {
        let reply = board.build(&json!({ "model": "qwen" })).await;
        if reply.status == 503 {
            assert_error(&reply, 503, "no_service_manager");
            break;
        }
        assert!(Instant::now() < deadline, "{}", reply.text());
        sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_condition_that_does_not_hold_is_no_build() {
    if !can_be_tested() {
        return;
    }
    let board = Board::new(|builder| builder).await;
    let skipped = ["SetFate", "ssss", UNIT, "inactive", "dead", "success"];
    board.bus.of_systemd(&skipped).await;
    let id = board.begin().await;
    let over = board.device.wait_download(&id, "failed").await;
    let message = over["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("a condition of it does not hold"),
        "{message}"
    );
}
