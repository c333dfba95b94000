//! What is shown, and that every change is told.

use super::stage::{NAME, PATH, Signals, all, can_be_tested};
use std::path::Path;

#[tokio::test]
async fn everything_is_shown_and_every_change_told() {
    if !can_be_tested() {
        return;
    }
    let (bus, engine, _thoxd) = all().await;
    assert_eq!(bus.property("Version").await, env!("CARGO_PKG_VERSION"));
    assert_eq!(bus.property("Name").await, "thox.local");
    bus.wait_property("Health", |health| health == "healthy")
        .await;
    assert_eq!(bus.property("Notes").await.as_array().unwrap().len(), 0);
    let engines = bus
        .wait_property("Engines", |all| {
            all["ollama"]["UnitState"]["data"] == "active"
        })
        .await;
    let of_engine = |name: &str| engines["ollama"][name]["data"].clone();
    assert_eq!(of_engine("State"), "up");
    assert_eq!(of_engine("Kind"), "ollama");
    assert_eq!(of_engine("Unit"), "ollama.service");
    assert!(of_engine("Models").as_u64().unwrap() > 0);
    let models = bus.property("Models").await;
    assert_eq!(models["thox-coder"]["Backend"]["data"], "ollama");
    assert_eq!(
        models["thox-coder"]["StandsFor"]["data"],
        "qwen2.5-coder:7b"
    );
    let signals = Signals::of(&bus).await;
    engine.die().await;
    signals.wait_change("Health", "unhealthy").await;
    signals.wait_change("Notes", "no engine answers").await;
    signals.wait_change("Engines", "'State': <'down'>").await;
    engine.come_back().await;
    signals.wait_change("Health", "'healthy'").await;
    signals.wait_change("Engines", "'State': <'up'>").await;
    bus.call("LoadModel", &["ss", "thox-coder", ""])
        .await
        .expect("it is loaded");
    signals.wait_change("Models", "'Loaded': <true>").await;
    bus.unit("failed", "failed", "oom-kill", 3).await;
    signals
        .wait_change("Engines", "'UnitResult': <'oom-kill'>")
        .await;
}

/// `THOX_UPDATE=1` writes it anew.
#[tokio::test]
async fn the_interface_is_the_one_that_is_published() {
    if !can_be_tested() {
        return;
    }
    let (bus, _engine, _thoxd) = all().await;
    let introspection = "org.freedesktop.DBus.Introspectable";
    let whole = bus
        .busctl(&["call", NAME, PATH, introspection, "Introspect"])
        .await
        .expect("it tells of itself");
    let whole = whole[0].as_str().expect("a text");
    let start = whole
        .find("  <interface name=\"ai.thox.Thoxd1\">")
        .expect("the interface");
    let end = "  </interface>\n";
    let length = whole[start..].find(end).expect("its end") + end.len();
    let ours = &whole[start..start + length];
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/dbus/ai.thox.Thoxd1.xml");
    let head = concat!(
        "<!DOCTYPE node PUBLIC \"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN\"\n",
        "  \"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">\n",
        "<!-- The object /ai/thox/Thoxd1. Errors are ai.thox.Error.NAME, as in the error table of thox-api. -->\n",
    );
    let text = format!("{head}<node name=\"{PATH}\">\n{ours}</node>\n");
    if std::env::var_os("THOX_UPDATE").is_some() {
        std::fs::write(&file, &text).expect("the file is written");
    }
    let published = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(published, text, "{} is out of date", file.display());
}
