//! Updates with a double of RAUC: offered, installed, tried, kept, rolled back, and thoxd killed in each state. A real RAUC
//! stands in `tests/image`.

use super::stage::{Bus, NAME, Signals, can_be_tested, on};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;
use thox_tests::client;
use thox_tests::doubles::{Double, Kind};
use thox_tests::patience::LIMIT;
use thox_tests::thoxd::{Thoxd, binary};
use tokio::time::{Instant, sleep};

const BUNDLE: &str = "/run/thox-usb/sda1/2.raucb";

/// A device: its bus, its RAUC, and what survives a restart of thoxd.
struct Device {
    bus: Bus,
    engine: Double,
    kept: TempDir,
}

impl Device {
    async fn new() -> Self {
        let mut bus = Bus::with_peers().await;
        bus.rauc().await;
        for (source, version, board, is_signed) in [
            (BUNDLE, "2", "thox-test", "true"),
            (
                "/run/thox-usb/sda1/foreign.raucb",
                "2",
                "thox-test",
                "false",
            ),
            ("/run/thox-usb/sda1/board.raucb", "2", "thox-other", "true"),
            ("https://updates.example/3.raucb", "3", "thox-test", "true"),
        ] {
            bus.of_rauc(&["PutBundle", "sssb", source, version, board, is_signed])
                .await;
        }
        Self {
            bus,
            engine: Double::start(Kind::Ollama).await,
            kept: TempDir::new().expect("a folder"),
        }
    }

    async fn start(&self) -> Thoxd {
        let state = self.kept.path().join("state");
        let thoxd = on(&self.bus, &self.engine)
            .argument("--set")
            .argument(&format!("state_dir={}", state.display()))
            .text("server", "control_socket", &self.socket())
            .text("update", "folder", &self.kept.path().display().to_string())
            .start()
            .await;
        self.bus.wait_for(NAME).await;
        thoxd
    }

    fn socket(&self) -> String {
        self.kept.path().join("control.sock").display().to_string()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.kept.path().join(name)
    }

    fn note_trial(&self) {
        std::fs::write(self.file("update-trial"), "BOOTNAME=B\nBASELINE=answers\n").unwrap();
    }

    /// On the device itself.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary("thox"));
        command
            .args(arguments)
            .env_remove("THOX_API_KEY")
            .env_remove("THOX_HOST")
            .env("HOME", self.kept.path())
            .env("XDG_CONFIG_HOME", self.kept.path())
            .env("THOX_CONTROL_SOCKET", self.socket())
            .stdin(Stdio::null());
        command
    }

    async fn thox(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        let ran = tokio::task::spawn_blocking(move || command.output());
        ran.await.unwrap().expect("thox runs")
    }

    async fn says(&self, arguments: &[&str]) -> String {
        let done = self.thox(arguments).await;
        let error = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "thox {arguments:?}: {error}");
        String::from_utf8(done.stdout).unwrap()
    }

    async fn fails(&self, arguments: &[&str]) -> String {
        let done = self.thox(arguments).await;
        assert_eq!(done.status.code(), Some(1), "thox {arguments:?}");
        String::from_utf8(done.stderr).unwrap()
    }
}

async fn wait(thoxd: &Thoxd, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + LIMIT;
    loop {
        let update = client::get(thoxd.address, "/thox/v1/update").await.json();
        if holds(&update) {
            return update;
        }
        assert!(
            Instant::now() < deadline,
            "waited {LIMIT:?} until {what}: {update}\n{}",
            thoxd.log()
        );
        sleep(std::time::Duration::from_millis(20)).await;
    }
}

async fn wait_state(thoxd: &Thoxd, state: &str) -> Value {
    wait(thoxd, state, |update| {
        update["state"] == state && update["available"] == true
    })
    .await
}

#[tokio::test]
async fn a_machine_without_rauc_is_not_updated_and_not_asked_again_and_again() {
    if !can_be_tested() {
        return;
    }
    let mut bus = Bus::with_peers().await;
    let engine = Double::start(Kind::Ollama).await;
    let thoxd = on(&bus, &engine).start().await;
    bus.wait_for(NAME).await;
    let update = wait(&thoxd, "it is known", |update| {
        let note = update["note"].as_str().unwrap_or("");
        note.contains("RAUC is not installed")
    })
    .await;
    assert_eq!(
        (&update["available"], &update["state"]),
        (&json!(false), &json!("idle"))
    );
    let shown = bus.property("Update").await;
    assert_eq!(shown["Available"]["data"], false);
    let health = client::get(thoxd.address, "/health").await.json();
    assert_eq!(health["notes"], json!([]), "that is no trouble");
    let said = bus.refused(0, "InstallUpdate", &["offered"]).await;
    assert!(said.contains("ai.thox.Error.UpdateUnavailable"), "{said}");
    let said = bus.refused(0, "RollBackUpdate", &[]).await;
    assert!(said.contains("ai.thox.Error.UpdateUnavailable"), "{said}");
    // It is installed later.
    bus.rauc().await;
    let update = wait(&thoxd, "it is there", |update| update["available"] == true).await;
    let slots = json!([
        {"name": "A", "version": null, "running": true, "next": true, "good": true},
        {"name": "B", "version": null, "running": false, "next": false, "good": true},
    ]);
    assert_eq!((&update["slots"], &update["note"]), (&slots, &Value::Null));
    // At rest it is left alone.
    bus.asked_rauc().await;
    sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(bus.asked_rauc().await, [""; 0]);
    bus.last_peer_leaves().await;
    wait(&thoxd, "it is gone", |update| update["available"] == false).await;
}

#[tokio::test]
async fn offered_installed_tried_and_kept() {
    if !can_be_tested() {
        return;
    }
    let device = Device::new().await;
    let thoxd = device.start().await;
    wait_state(&thoxd, "idle").await;
    let signals = Signals::of(&device.bus).await;
    let said = device.fails(&["update", "install"]).await;
    assert!(said.contains("no update is offered"), "{said}");
    for (bundle, why) in [
        ("foreign", "signature verification failed"),
        ("board", "`thox-other`"),
        ("none", "No such file"),
    ] {
        let path = format!("/run/thox-usb/sda1/{bundle}.raucb");
        let said = device.fails(&["update", "offer", &path]).await;
        assert!(said.contains(why), "{said}");
        let said = device.fails(&["update", "install", &path]).await;
        assert!(said.contains(why), "{said}");
    }
    let said = device.says(&["update", "offer", BUNDLE]).await;
    assert!(said.contains("Version 2 is offered"), "{said}");
    signals.wait_change("Update", "'State': <'offered'>").await;
    let update = client::get(thoxd.address, "/thox/v1/update").await;
    assert!(
        !update.text().contains("raucb"),
        "where it lies is nobody's to know"
    );
    device
        .says(&["update", "withdraw", "/run/thox-usb/sdb1"])
        .await;
    wait_state(&thoxd, "offered").await;
    device
        .says(&["update", "withdraw", "/run/thox-usb/sda1"])
        .await;
    signals.wait_change("Update", "'State': <'idle'>").await;
    device.says(&["update", "offer", BUNDLE]).await;
    device.bus.asked_rauc().await;
    let mut installing = device.command(&["--json", "update", "install"]);
    let installing = tokio::task::spawn_blocking(move || installing.output());
    wait_state(&thoxd, "installing").await;
    device
        .bus
        .of_rauc(&["Further", "is", "40", "Copying image to rootfs.1"])
        .await;
    let so_far = wait(&thoxd, "it goes on", |update| {
        update["progress"] == json!({"percent": 40, "step": "Copying image to rootfs.1"})
    })
    .await;
    assert_eq!(so_far["version"], "2");
    signals
        .wait_change("Update", "'Percent': <uint32 40>")
        .await;
    let asked = device.bus.asked_rauc().await;
    let begun = format!("InstallBundle {BUNDLE} require-manifest-hash");
    assert!(asked.contains(&begun), "{asked:?}");
    for refused in [
        &["update", "install"][..],
        &["update", "rollback", "--yes"],
        &["update", "offer", BUNDLE],
    ] {
        let said = device.fails(refused).await;
        assert!(
            said.contains("is being installed") || said.contains("already processing"),
            "{said}"
        );
    }
    device.note_trial();
    device.bus.of_rauc(&["EndWith", "s", ""]).await;
    let done = installing.await.unwrap().expect("thox runs");
    let lines = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success(), "{lines}");
    assert!(
        lines.lines().any(|line| line.contains("\"percent\":40")),
        "{lines}"
    );
    assert!(
        lines.lines().last().unwrap().contains("\"staged\""),
        "{lines}"
    );
    let staged = wait_state(&thoxd, "staged").await;
    assert_eq!(staged["slots"][1]["version"], "2");
    assert_eq!(staged["slots"][1]["next"], true);
    for refused in [
        &["update", "install", "https://updates.example/3.raucb"][..],
        &["update", "rollback", "--yes"],
    ] {
        let said = device.fails(refused).await;
        assert!(said.contains("waits for the device's restart"), "{said}");
    }
    // thoxd restarts, the device does not.
    drop(thoxd);
    let thoxd = device.start().await;
    wait_state(&thoxd, "staged").await;
    drop(thoxd);
    device.bus.of_rauc(&["Boot", "s", "B"]).await;
    let thoxd = device.start().await;
    let trial = wait_state(&thoxd, "trial").await;
    assert_eq!(
        (&trial["version"], &trial["slots"][1]["running"]),
        (&json!("2"), &json!(true))
    );
    std::fs::remove_file(device.file("update-trial")).unwrap();
    let kept = wait_state(&thoxd, "idle").await;
    assert_eq!(kept["last"]["outcome"], "kept");
    let host = format!("http://{}", thoxd.address);
    let said = device.says(&["update", "status", "--host", &host]).await;
    assert!(
        said.contains("The last update: 2 is kept") && said.contains("runs, starts next"),
        "{said}"
    );
}

#[tokio::test]
async fn killed_in_each_state_and_rolled_back() {
    if !can_be_tested() {
        return;
    }
    let device = Device::new().await;
    let kill = |thoxd: Thoxd| {
        thoxd.process.signal("KILL");
        drop(thoxd);
    };
    let mut thoxd = device.start().await;
    wait_state(&thoxd, "idle").await;
    device.says(&["update", "offer", BUNDLE]).await;
    kill(thoxd);
    thoxd = device.start().await;
    wait_state(&thoxd, "offered").await;
    kill(thoxd);
    // The stick is pulled meanwhile.
    device.bus.of_rauc(&["RemoveBundle", "s", BUNDLE]).await;
    thoxd = device.start().await;
    wait_state(&thoxd, "idle").await;
    device
        .bus
        .of_rauc(&["PutBundle", "sssb", BUNDLE, "2", "thox-test", "true"])
        .await;
    device.says(&["update", "offer", BUNDLE]).await;
    // RAUC goes on without thoxd; how it ended is seen later.
    for (error, state, outcome) in [
        ("no space left on device", "offered", "not_installed"),
        ("", "staged", "not_installed"),
    ] {
        let begun = device.bus.call("InstallUpdate", &["s", "offered"]).await;
        begun.expect("it is begun");
        wait_state(&thoxd, "installing").await;
        kill(thoxd);
        thoxd = device.start().await;
        wait_state(&thoxd, "installing").await;
        kill(thoxd);
        if error.is_empty() {
            device.note_trial();
        }
        device.bus.of_rauc(&["EndWith", "s", error]).await;
        thoxd = device.start().await;
        let update = wait_state(&thoxd, state).await;
        assert_eq!(update["last"]["outcome"], outcome);
        let why = device.says(&["--json", "update", "why"]).await;
        assert!(why.contains("no space left on device"), "{why}");
    }
    kill(thoxd);
    device.bus.of_rauc(&["Boot", "s", "B"]).await;
    thoxd = device.start().await;
    wait_state(&thoxd, "trial").await;
    kill(thoxd);
    // It goes back, and thox-commit has not spoken yet.
    device.bus.of_rauc(&["Boot", "s", "A"]).await;
    thoxd = device.start().await;
    wait_state(&thoxd, "trial").await;
    device.bus.of_rauc(&["Judge", "ss", "B", "bad"]).await;
    let evidence = "SLOT=B\nREASON=the default model gives no answer\nthe log's last lines\n";
    std::fs::write(device.file("update-failed"), evidence).unwrap();
    std::fs::remove_file(device.file("update-trial")).unwrap();
    let back = wait_state(&thoxd, "idle").await;
    assert_eq!(back["last"]["outcome"], "rolled_back");
    assert!(
        !back.to_string().contains("no answer"),
        "that is the administrator's"
    );
    let why = device.says(&["update", "why"]).await;
    assert!(
        why.contains("because: the default model gives no answer") && why.contains("last lines"),
        "{why}"
    );
    kill(thoxd);
    thoxd = device.start().await;
    wait_state(&thoxd, "idle").await;
    for command in [&["update", "offer", BUNDLE], &["update", "install", BUNDLE]] {
        let said = device.fails(command).await;
        assert!(said.contains("is not taken again"), "{said}");
    }
    let begun = device.bus.asked_rauc().await;
    assert_eq!(
        begun
            .iter()
            .filter(|one| one.starts_with("InstallBundle"))
            .count(),
        2
    );
    let status = client::get(thoxd.address, "/health").await.json();
    assert_eq!(status["notes"], json!([]));
}

#[tokio::test]
async fn interrupted_by_a_power_cut_and_by_an_old_rauc() {
    if !can_be_tested() {
        return;
    }
    let device = Device::new().await;
    let thoxd = device.start().await;
    wait_state(&thoxd, "idle").await;
    device.bus.of_rauc(&["BeOld", "b", "true"]).await;
    let url = "https://updates.example/3.raucb";
    device
        .bus
        .call("InstallUpdate", &["s", url])
        .await
        .expect("it is begun");
    let asked = device.bus.asked_rauc().await;
    assert!(asked.contains(&format!("InstallBundle {url}")), "{asked:?}");
    wait_state(&thoxd, "installing").await;
    thoxd.process.signal("KILL");
    drop(thoxd);
    device.bus.of_rauc(&["Boot", "s", "A"]).await;
    let thoxd = device.start().await;
    let update = wait_state(&thoxd, "idle").await;
    assert_eq!(
        update["last"],
        json!({"outcome": "not_installed", "version": "3", "at": update["last"]["at"]})
    );
    let why = device.says(&["update", "why"]).await;
    assert!(why.contains("interrupted"), "{why}");
    // It was never tried, so it may be had again.
    device
        .bus
        .call("InstallUpdate", &["s", url])
        .await
        .expect("it is begun");
}

#[tokio::test]
async fn the_way_back_and_who_may_go_it() {
    if !can_be_tested() {
        return;
    }
    let device = Device::new().await;
    let thoxd = device.start().await;
    wait_state(&thoxd, "idle").await;
    let key = device
        .says(&["auth", "generate-key", "--name", "a", "--scope", "admin"])
        .await;
    let bearer = format!("Bearer {}", key.trim());
    let post = async |path: &str, body: Value| {
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
        ];
        client::request(
            thoxd.address,
            "POST",
            path,
            &headers,
            body.to_string().as_bytes(),
        )
        .await
        .whole()
        .await
    };
    let reply = post("/thox/v1/update/install", json!({"source": BUNDLE})).await;
    assert_eq!(
        (reply.status, &*reply.error_code()),
        (403, "forbidden"),
        "{}",
        reply.text()
    );
    let reply = post(
        "/thox/v1/update/install",
        json!({"source": "file:///etc/passwd"}),
    )
    .await;
    assert_eq!(
        (reply.status, &*reply.error_code()),
        (400, "invalid_request")
    );
    let offer = json!({"path": BUNDLE}).to_string();
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let reply = client::request(
        thoxd.address,
        "PUT",
        "/thox/v1/update/offer",
        &headers,
        offer.as_bytes(),
    )
    .await
    .whole()
    .await;
    assert_eq!(reply.status, 403, "{}", reply.text());
    assert!(
        device
            .bus
            .asked_rauc()
            .await
            .iter()
            .all(|one| one == "GetSlotStatus")
    );
    // A trial that was begun without thoxd needs its way back too.
    device.note_trial();
    let said = device.fails(&["update", "rollback", "--yes"]).await;
    assert!(said.contains("is on trial"), "{said}");
    let said = device.fails(&["update", "install", BUNDLE]).await;
    assert!(said.contains("is on trial"), "{said}");
    std::fs::remove_file(device.file("update-trial")).unwrap();
    device.bus.of_rauc(&["Judge", "ss", "B", "bad"]).await;
    let reply = post("/thox/v1/update/rollback", json!({})).await;
    assert_eq!(
        (reply.status, &*reply.error_code()),
        (409, "update_refused")
    );
    device.bus.of_rauc(&["Judge", "ss", "B", "good"]).await;
    device.bus.asked_rauc().await;
    let reply = post("/thox/v1/update/rollback", json!({})).await;
    assert_eq!(reply.status, 202, "{}", reply.text());
    assert_eq!(reply.json()["last"]["outcome"], "left");
    let asked = device.bus.asked_rauc().await;
    assert!(
        asked.contains(&"Mark active rootfs.1".to_owned()),
        "{asked:?}"
    );
}
