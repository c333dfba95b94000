//! What can be asked for, and by whom.

use super::stage::{Bus, NAME, all, can_be_tested, on};
use serde_json::json;
use thox_tests::client;
use thox_tests::doubles::{Double, Kind};
use thox_tests::patience::until;
use thox_tests::thoxd::Thoxd;

const NOBODY: u32 = 65_534;

/// Every method with arguments that are good.
const METHODS: [(&str, &[&str]); 13] = [
    ("Reload", &[]),
    ("SetLogLevel", &["warn"]),
    ("Restart", &[]),
    ("Reboot", &[]),
    ("StartEngine", &["ollama"]),
    ("StopEngine", &["ollama"]),
    ("RestartEngine", &["ollama"]),
    ("LoadModel", &["thox-coder", ""]),
    ("UnloadModel", &["thox-coder", ""]),
    ("InstallUpdate", &["offered"]),
    ("RollBackUpdate", &[]),
    ("PullModel", &["llama3.2:3b", ""]),
    ("CancelDownload", &["dl_0"]),
];

/// Writes the settings anew, with lines added.
fn add(thoxd: &Thoxd, more: &str) {
    let file = thoxd.process.folder().join("config.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text + more).unwrap();
}

#[tokio::test]
async fn each_does_what_it_says() {
    if !can_be_tested() {
        return;
    }
    let (bus, _engine, thoxd) = all().await;
    add(
        &thoxd,
        "\n[models.my-own]\nollama = \"qwen2.5-coder:7b\"\n[mdns]\n",
    );
    let said = bus.refused(0, "Reload", &[]).await;
    assert!(said.contains("ai.thox.Error.InvalidSettings"), "{said}");
    let file = thoxd.process.folder().join("config.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, good.strip_suffix("[mdns]\n").unwrap()).unwrap();
    let reply = bus.call("Reload", &[]).await.expect("it is read again");
    assert_eq!(reply, json!([["models.my-own.ollama"], []]));
    thoxd.wait_models(&["my-own"]).await;
    bus.call("SetLogLevel", &["s", "trace"])
        .await
        .expect("it is changed");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("level = \"trace\""), "{text}");
    let said = bus.refused(0, "SetLogLevel", &["inof"]).await;
    assert!(said.contains("ai.thox.Error.InvalidRequest"), "{said}");
    let reply = bus.call("LoadModel", &["ss", "thox-coder", ""]).await;
    assert_eq!(
        reply.expect("it is loaded"),
        json!(["qwen2.5-coder:7b", "ollama"])
    );
    bus.wait_property("Models", |all| all["thox-coder"]["Loaded"]["data"] == true)
        .await;
    let reply = bus
        .call("UnloadModel", &["ss", "thox-coder", "ollama"])
        .await;
    assert_eq!(
        reply.expect("it is unloaded"),
        json!(["qwen2.5-coder:7b", "ollama"])
    );
    bus.wait_property("Models", |all| all["thox-coder"]["Loaded"]["data"] == false)
        .await;
    let said = bus.refused(0, "LoadModel", &["no-such", ""]).await;
    assert!(said.contains("ai.thox.Error.ModelNotFound"), "{said}");
    bus.call("Reboot", &[]).await.expect("login1 is asked");
    let before = thoxd.process.pid();
    bus.call("Restart", &[])
        .await
        .expect("it answers before it goes");
    let starts = || {
        thoxd
            .log()
            .matches("on D-Bus name=\"ai.thox.Thoxd1\"")
            .count()
    };
    until("it is there again", || (starts() == 2).then_some(())).await;
    assert_eq!(thoxd.process.pid(), before);
}

#[tokio::test]
async fn nobody_changes_anything_without_polkits_yes() {
    if !can_be_tested() {
        return;
    }
    let mut bus = Bus::with_peers().await;
    let engine = Double::start(Kind::Ollama).await;
    let thoxd = on(&bus, &engine)
        .raw("audit", "enabled", "true")
        .start()
        .await;
    thoxd.wait_models(&["thox-coder"]).await;
    bus.wait_for(NAME).await;
    bus.polkit_allows(false).await;
    bus.asked_systemd().await;
    let level = std::fs::read_to_string(thoxd.process.folder().join("config.toml")).unwrap();
    for (method, arguments) in METHODS {
        let said = bus.refused(0, method, arguments).await;
        assert!(said.contains("ai.thox.Error.Forbidden"), "{method}: {said}");
    }
    assert_eq!(
        bus.asked_systemd().await,
        [""; 0],
        "systemd was not asked for anything"
    );
    assert!(engine.journal().generations().is_empty(), "nor the engine");
    assert!(engine.journal().to("/api/pull").is_empty());
    let after = std::fs::read_to_string(thoxd.process.folder().join("config.toml")).unwrap();
    assert_eq!(level, after);
    // Looking is everybody's.
    assert_eq!(bus.property("Health").await, "healthy");
    let audit = std::fs::read_to_string(thoxd.process.folder().join("state/audit.log")).unwrap();
    let denied = audit
        .lines()
        .filter(|line| line.contains("\"method\":\"D-Bus\"") && line.contains("\"status\":403,"));
    assert_eq!(denied.count(), METHODS.len(), "{audit}");
    assert!(
        audit.contains("\"route\":\"Reload\"") && audit.contains("\"user\":0"),
        "{audit}"
    );
    // Polkit is asked for each action by its own name.
    let authority = "/org/freedesktop/PolicyKit1/Authority";
    let only = [
        "call",
        "org.freedesktop.PolicyKit1",
        authority,
        "org.freedesktop.DBus.Mock",
        "SetAllowed",
        "as",
        "1",
        "ai.thox.Thoxd1.reload",
    ];
    bus.busctl(&only).await.expect("polkit's double");
    bus.call("Reload", &[]).await.expect("this one is allowed");
    let said = bus.refused(0, "RestartEngine", &["ollama"]).await;
    assert!(said.contains("ai.thox.Error.Forbidden"), "{said}");
    // No polkit: root alone.
    let mut without = Bus::down();
    without.start().await;
    drop(thoxd);
    let thoxd = on(&without, &engine).start().await;
    without.wait_for(NAME).await;
    without.call("Reload", &[]).await.expect("root may");
    let said = without.refused(NOBODY, "Reload", &[]).await;
    assert!(said.contains("ai.thox.Error.Forbidden"), "{said}");
    let seen = client::get(thoxd.address, "/health").await.json();
    assert!(
        seen["notes"]
            .to_string()
            .contains("systemd cannot be asked"),
        "{seen}"
    );
    bus.stop().await;
}
