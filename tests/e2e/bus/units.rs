//! The engines' units as systemd has them: shown, followed, driven, never by a process of our own.

use super::stage::{NAME, UNIT, all, can_be_tested, on};
use serde_json::Value;
use thox_tests::client;
use thox_tests::doubles::{Double, Kind};
use thox_tests::patience::LIMIT;
use thox_tests::thoxd::Thoxd;
use tokio::time::{Instant, sleep};

async fn health(thoxd: &Thoxd, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + LIMIT;
    loop {
        let health = client::get(thoxd.address, "/health").await.json();
        if holds(&health) {
            return health;
        }
        assert!(
            Instant::now() < deadline,
            "waited {LIMIT:?} until {what}: {health}"
        );
        sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn what_systemd_knows_is_shown_as_it_changes() {
    if !can_be_tested() {
        return;
    }
    let (mut bus, engine, thoxd) = all().await;
    let unit = |health: &Value| health["backends"][0]["unit"].clone();
    health(&thoxd, "the unit runs", |health| {
        unit(health)["state"] == "active"
    })
    .await;
    engine.die().await;
    bus.unit("failed", "failed", "oom-kill", 5).await;
    let seen = health(&thoxd, "the unit has failed", |health| {
        let reason = health["backends"][0]["reason"].as_str().unwrap_or("");
        reason.contains("ollama.service has failed (oom-kill, restarted 5 times)")
    })
    .await;
    assert_eq!(unit(&seen)["result"], "oom-kill");
    assert_eq!(seen["status"], "unhealthy");
    bus.unit("activating", "auto-restart", "exit-code", 6).await;
    health(&thoxd, "it crashes again and again", |health| {
        health["notes"].to_string().contains("ends again and again")
    })
    .await;
    bus.unit("active", "running", "success", 6).await;
    engine.come_back().await;
    health(&thoxd, "all is well", |health| {
        health["status"] == "healthy"
    })
    .await;
    // systemd itself is executed anew: it has forgotten who listens.
    bus.last_peer_leaves().await;
    bus.last_peer_leaves().await;
    health(&thoxd, "nobody knows", |health| unit(health).is_null()).await;
    assert!(
        client::get(thoxd.address, "/health").await.json()["notes"]
            .to_string()
            .contains("systemd")
    );
    bus.systemd().await;
    health(&thoxd, "it is known again", |health| {
        unit(health)["state"] == "active"
    })
    .await;
    bus.unit("deactivating", "stop-sigterm", "success", 0).await;
    health(&thoxd, "changes are heard", |health| {
        unit(health)["state"] == "deactivating"
    })
    .await;
    let asked = bus.asked_systemd().await;
    assert!(asked.iter().any(|one| one == "Subscribe"), "{asked:?}");
}

#[tokio::test]
async fn a_unit_is_driven_through_systemd_and_its_word_is_waited_for() {
    if !can_be_tested() {
        return;
    }
    let (bus, _engine, _thoxd) = all().await;
    bus.unit("failed", "failed", "start-limit-hit", 6).await;
    bus.asked_systemd().await;
    for (method, verb, state) in [
        ("RestartEngine", "RestartUnit", "active"),
        ("StopEngine", "StopUnit", "inactive"),
        ("StartEngine", "StartUnit", "active"),
    ] {
        let reply = bus
            .call(method, &["s", "ollama"])
            .await
            .expect("it is done");
        assert_eq!(reply[0], state, "{method}");
        let asked = bus.asked_systemd().await;
        let expected = [format!("ResetFailedUnit {UNIT}"), format!("{verb} {UNIT}")];
        let asked: Vec<&String> = asked.iter().filter(|one| *one != "Subscribe").collect();
        assert_eq!(asked, expected.iter().collect::<Vec<_>>(), "{method}");
    }
    bus.unit("failed", "failed", "exit-code", 0).await;
    bus.of_systemd(&["EndJobsWith", "s", "failed"]).await;
    let said = bus.refused(0, "RestartEngine", &["ollama"]).await;
    assert!(
        said.contains("ai.thox.Error.EngineError") && said.contains("journalctl -u ollama.service"),
        "{said}"
    );
    bus.of_systemd(&["Deny", "b", "true"]).await;
    let said = bus.refused(0, "RestartEngine", &["ollama"]).await;
    assert!(
        said.contains("ai.thox.Error.NoServiceManager") && said.contains("50-thox.rules"),
        "{said}"
    );
}

#[tokio::test]
async fn engines_without_units_say_so() {
    if !can_be_tested() {
        return;
    }
    let (bus, _engine, _thoxd) = all().await;
    let said = bus.refused(0, "RestartEngine", &["olama"]).await;
    assert!(
        said.contains("ai.thox.Error.EngineNotFound") && said.contains("`ollama`"),
        "{said}"
    );
    drop(_thoxd);
    let engine = Double::start(Kind::Ollama).await;
    let thoxd = on(&bus, &engine)
        .text("engines.ollama", "unit", "other.service")
        .start()
        .await;
    bus.wait_for(NAME).await;
    health(&thoxd, "it answers", |health| health["status"] == "healthy").await;
    let seen = client::get(thoxd.address, "/health").await.json();
    assert!(
        seen["backends"][0].get("unit").is_none(),
        "one that is not installed is none: {seen}"
    );
}
