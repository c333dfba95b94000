//! Models that are fetched: begun, followed and ended by programs of the machine, and the same ones over HTTP.

use super::stage::{NAME, Signals, all, can_be_tested};
use serde_json::{Value, json};
use std::time::Duration;
use thox_tests::doubles::Fault;
use thox_tests::patience::until;

#[tokio::test]
async fn a_model_is_fetched_and_its_progress_told() {
    if !can_be_tested() {
        return;
    }
    let (bus, engine, thoxd) = all().await;
    assert_eq!(bus.property("Downloads").await, json!({}));
    engine.script(|script| script.pull_gap = Duration::from_millis(400));
    let signals = Signals::of(&bus).await;
    let pull = || bus.call("PullModel", &["ss", "llama3.2:3b", ""]);
    let id = pull().await.expect("it is begun")[0].clone();
    let id = id.as_str().unwrap();
    assert!(id.starts_with("dl_"), "{id}");
    assert_eq!(pull().await.unwrap()[0], id, "the same download");
    signals
        .wait_change("Downloads", "'State': <'running'>")
        .await;
    signals
        .wait_change("Downloads", "'Total': <uint64 1024>")
        .await;
    signals
        .wait_change("Downloads", "'State': <'succeeded'>")
        .await;
    let now = bus.property("Downloads").await;
    let of = |field: &str| now[id][field]["data"].clone();
    assert_eq!(of("Model"), "llama3.2:3b");
    assert_eq!(of("Engine"), "ollama");
    assert_eq!((of("Bytes"), of("Total")), (json!(1024), json!(1024)));
    assert!(of("Created").is_u64() && of("Finished").is_u64(), "{now}");
    thoxd.wait_models(&["llama3.2:3b"]).await;
    assert_eq!(engine.journal().to("/api/pull").len(), 1);
}

#[tokio::test]
async fn one_is_cancelled_and_one_fails() {
    if !can_be_tested() {
        return;
    }
    let (bus, engine, _thoxd) = all().await;
    engine.fault_verbs(Fault::Hang { after: 2 });
    let begun = bus
        .call("PullModel", &["ss", "llama3.2:3b", "ollama"])
        .await;
    let id = begun.expect("it is begun")[0].as_str().unwrap().to_owned();
    bus.wait_property("Downloads", |all| all[&id]["State"]["data"] == "running")
        .await;
    let over = bus.call("CancelDownload", &["s", &id]).await;
    assert_eq!(over.expect("it is ended"), json!(["cancelled"]));
    until("the engine's client has gone", || {
        (engine.journal().pulls_cancelled() == 1).then_some(())
    })
    .await;
    let again = bus.call("CancelDownload", &["s", &id]).await;
    assert_eq!(again.expect("it stays as it is"), json!(["cancelled"]));
    engine.heal();
    let failed = bus.call("PullModel", &["ss", "missing", ""]).await;
    let id = failed.expect("it is begun")[0].as_str().unwrap().to_owned();
    let now: Value = bus
        .wait_property("Downloads", |all| all[&id]["State"]["data"] == "failed")
        .await;
    let why = now[&id]["Error"]["data"].as_str().unwrap();
    assert!(why.contains("file does not exist"), "{why}");
    for (method, arguments, error) in [
        ("CancelDownload", &["dl_0"][..], "DownloadNotFound"),
        ("PullModel", &["../x", ""], "InvalidRequest"),
        ("PullModel", &["evil.example/a/b", ""], "RegistryNotAllowed"),
        ("PullModel", &["llama3.2", "gone"], "InvalidRequest"),
    ] {
        let said = bus.refused(0, method, arguments).await;
        assert!(said.contains(&format!("ai.thox.Error.{error}")), "{said}");
    }
    bus.wait_for(NAME).await;
}
