//! While a tool works its client hears of it, if it wants to.

use super::{Client, answer, next};
use crate::stage::Stage;
use serde_json::{Value, json};
use std::time::Duration;
use thox_tests::doubles::{Answering, Fault, Kind};
use thox_tests::sse::Event;

async fn slow() -> Stage {
    let stage = Stage::with(Kind::Ollama, |builder| {
        builder
            .text("server", "keep_alive_comment_after", "200ms")
            .text("server", "keep_alive_comment_every", "100ms")
    })
    .await;
    stage.script(|script| {
        script.answering = Answering::Words(60);
        script.gap = Duration::from_millis(20);
    });
    stage
}

#[tokio::test]
async fn progress_grows_with_the_tokens() {
    let stage = slow().await;
    for client in Client::both(stage.address()).await {
        let params = json!({
            "name": "thox_explain", "arguments": {"code": "x"}, "_meta": {"progressToken": "mine"},
        });
        let (id, mut receiving) = client.begin("tools/call", params).await;
        let mut told: Vec<Value> = Vec::new();
        let result = loop {
            let message = next(&mut receiving).await.expect("a result");
            if message["id"] == id {
                break message;
            }
            assert_eq!(message["method"], "notifications/progress", "{message}");
            assert_eq!(message["params"]["progressToken"], "mine");
            told.push(message["params"].clone());
        };
        assert_eq!(result["result"]["isError"], false, "{result}");
        let steps: Vec<f64> = told
            .iter()
            .map(|told| told["progress"].as_f64().unwrap())
            .collect();
        assert!(steps.len() >= 4 && steps.len() < 20, "{steps:?}");
        assert!(steps.windows(2).all(|pair| pair[0] < pair[1]), "{steps:?}");
        assert!(
            told[0]["message"].as_str().unwrap().contains("waiting"),
            "{told:?}"
        );
        assert!(
            told[2]["message"].as_str().unwrap().contains("tokens"),
            "{told:?}"
        );
    }
}

#[tokio::test]
async fn who_does_not_ask_for_progress_gets_none_but_is_kept_waiting_in_company() {
    let stage = slow().await;
    for client in Client::both(stage.address()).await {
        let params = json!({"name": "thox_explain", "arguments": {"code": "x"}});
        let (id, mut receiving) = client.begin("tools/call", params).await;
        let mut comments = 0;
        loop {
            match receiving.next_event().await.expect("a result") {
                Event::Comment(_) => comments += 1,
                Event::Data(data) if data.is_empty() => {}
                Event::Data(data) => {
                    let message: Value = serde_json::from_str(&data).unwrap();
                    assert_eq!(message["id"], id, "{message}");
                    break;
                }
            }
        }
        assert!(comments >= 3, "{comments} comments in a second of silence");
    }
}

#[tokio::test]
async fn a_failure_after_a_long_wait_is_still_a_tool_error() {
    let stage = Stage::with(Kind::Ollama, |builder| {
        builder
            .text("server", "keep_alive_comment_after", "100ms")
            .text("engines.ollama", "first_byte_timeout", "500ms")
    })
    .await;
    stage.fault(Fault::HangBeforeHead);
    for client in Client::both(stage.address()).await {
        let params = json!({"name": "thox_explain", "arguments": {"code": "x"}});
        let (_, receiving) = client.begin("tools/call", params).await;
        assert_eq!(receiving.status, 200);
        let result = answer(receiving).await;
        assert_eq!(result["result"]["isError"], true, "{result}");
        assert_eq!(result["result"]["_meta"]["ai.thox/code"], "engine_timeout");
    }
}
