//! The first minutes: what thoxd says when it starts, with nothing installed, and with something wrong.

use crate::stage::{CHAT, ask, content, model_of, one};
use serde_json::json;
use std::net::TcpListener;
use thox_tests::client::{begin, get, post};
use thox_tests::doubles::{Double, Kind};
use thox_tests::patience::within;
use thox_tests::thoxd::{Builder, Thoxd};

#[tokio::test]
async fn it_says_where_to_point_a_client_and_what_it_found() {
    let ollama = Double::start(Kind::Ollama).await;
    let thoxd = one(Thoxd::builder(), &ollama).start().await;
    thoxd.wait_models(&["thox-coder"]).await;
    let log = thoxd.log();
    assert!(log.contains(&format!("http://{}", thoxd.address)), "{log}");
    thox_tests::patience::until("the log names the engine and a model", || {
        let log = thoxd.log();
        (log.contains("ollama") && log.contains(model_of(Kind::Ollama))).then_some(())
    })
    .await;
}

fn with_starter() -> Builder {
    Thoxd::builder().raw("engines.starter", "enabled", "true")
}

#[tokio::test]
async fn with_no_engine_the_starter_answers() {
    let thoxd = with_starter().start().await;
    thoxd.wait_models(&["thox-coder", "thox-starter"]).await;
    let reply = post(thoxd.address, CHAT, &ask("Hello!")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let body = reply.json();
    assert_eq!(
        (&body["backend"], &body["model"]),
        (&json!("starter"), &json!("thox-coder"))
    );
    assert!(content(&reply).len() > 3, "{body}");
    let streamed = begin(thoxd.address, CHAT, &crate::stage::ask_stream("Hello!"))
        .await
        .stream()
        .await;
    assert!(
        streamed.is_done && streamed.finish_reasons() == ["stop"],
        "{streamed:?}"
    );
    assert_eq!(streamed.chunks[0]["backend"], "starter");
    let list = get(thoxd.address, "/v1/models").await.json();
    let starter = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|m| m["id"] == "thox-starter")
        .unwrap();
    assert_eq!(starter["starter"], true, "it is marked: {starter}");
}

#[tokio::test]
async fn the_starter_steps_aside_for_a_real_engine() {
    let port = Double::free_port().await;
    let thoxd = with_starter()
        .engine_at("ollama", "ollama", &format!("http://127.0.0.1:{port}"))
        .start()
        .await;
    thoxd.wait_models(&["thox-coder"]).await;
    assert_eq!(
        post(thoxd.address, CHAT, &ask("Hello!")).await.json()["backend"],
        "starter"
    );
    let ollama = Double::start_at(Kind::Ollama, port).await;
    let real = async {
        while post(thoxd.address, CHAT, &ask("Hello!")).await.json()["backend"] != "ollama" {}
    };
    within("Ollama answers instead of the starter", real).await;
    assert!(!ollama.journal().generations().is_empty());
}

#[tokio::test]
async fn a_port_that_is_taken_is_a_clear_error() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut process = Thoxd::builder()
        .list("server", "listen", &[&address])
        .spawn();
    let status = process.wait_exit().await;
    assert!(!status.success());
    let log = process.log();
    assert!(log.contains(&address), "the address is not named: {log}");
    assert!(
        log.contains("server.listen") || log.contains("--set"),
        "no next step: {log}"
    );
    assert!(!log.contains("panicked"), "{log}");
}

#[tokio::test]
async fn a_setting_that_does_not_exist_is_named_with_the_nearest_one() {
    let mut process = Thoxd::builder()
        .raw("server", "max_bodi", "\"1MiB\"")
        .spawn();
    assert!(!process.wait_exit().await.success());
    let log = process.log();
    for word in ["max_bodi", "max_body", "config.toml"] {
        assert!(log.contains(word), "{word} is not named: {log}");
    }
}

#[tokio::test]
async fn settings_can_be_checked_and_set_from_the_command_line() {
    let mut process = Thoxd::builder().argument("--check").spawn();
    assert!(process.wait_exit().await.success(), "{}", process.log());
    let mut process = Thoxd::builder()
        .raw("server", "max_body", "7")
        .argument("--check")
        .spawn();
    assert!(!process.wait_exit().await.success());
    let ollama = Double::start(Kind::Ollama).await;
    let thoxd = one(Thoxd::builder(), &ollama)
        .argument("--set")
        .argument("router.large_model_threshold=3B")
        .start()
        .await;
    let status = get(thoxd.address, "/router/status").await.json();
    assert_eq!(status["rules"]["large_model_threshold"], "3B");
}

#[tokio::test]
async fn the_environment_sets_what_the_file_does_not() {
    let ollama = Double::start(Kind::Ollama).await;
    let builder =
        one(Thoxd::builder(), &ollama).environment("THOX_ROUTER__LARGE_MODEL_THRESHOLD", "4B");
    let thoxd = builder.start().await;
    let status = get(thoxd.address, "/router/status").await.json();
    assert_eq!(status["rules"]["large_model_threshold"], "4B");
}

#[tokio::test]
async fn it_ends_when_it_is_told_and_lets_a_running_answer_end() {
    let ollama = Double::start(Kind::Ollama).await;
    ollama.script(|s| s.gap = std::time::Duration::from_millis(100));
    let mut thoxd = one(Thoxd::builder(), &ollama).start().await;
    thoxd.wait_models(&["thox-coder"]).await;
    let mut receiving = begin(thoxd.address, CHAT, &crate::stage::ask_stream("a b c d")).await;
    receiving.first_content().await;
    thoxd.process.signal("TERM");
    let streamed = receiving.stream().await;
    assert!(
        streamed.is_done,
        "the running answer is cut off: {streamed:?}"
    );
    assert!(thoxd.process.wait_exit().await.success());
}

#[tokio::test]
async fn at_the_deadline_a_running_answer_is_ended_with_an_error() {
    let ollama = Double::start(Kind::Ollama).await;
    ollama.fault(thox_tests::doubles::Fault::Hang { after: 2 });
    let mut thoxd = one(Thoxd::builder(), &ollama)
        .text("server", "drain_deadline", "300ms")
        .start()
        .await;
    thoxd.wait_models(&["thox-coder"]).await;
    let mut receiving = begin(thoxd.address, CHAT, &crate::stage::ask_stream("x")).await;
    receiving.first_content().await;
    thoxd.process.signal("INT");
    let streamed = receiving.stream().await;
    assert!(!streamed.looks_finished(), "{streamed:?}");
    assert!(thoxd.process.wait_exit().await.success());
    ollama.wait_cancelled(1).await;
}
