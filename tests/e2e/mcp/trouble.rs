//! What goes wrong: tool errors with the cause and the next step, and never a protocol error.

use super::Client;
use crate::stage::Stage;
use serde_json::json;
use thox_tests::doubles::{Answering, Fault, Kind};

#[tokio::test]
async fn a_models_failure_is_a_tool_error() {
    for kind in [Kind::Ollama, Kind::EdgeLlm] {
        let settings = |builder: thox_tests::thoxd::Builder| {
            let name = format!("engines.{}", crate::stage::name_of(kind));
            builder
                .raw("router.circuit", "failures", "1000")
                .text(&name, "stall_timeout", "300ms")
        };
        let stage = Stage::with(kind, settings).await;
        for (fault, code) in [
            (Fault::Status(500), "engine_error"),
            (Fault::CloseBeforeHead, "engine_error"),
            (Fault::Close { after: 2 }, "engine_error"),
            (Fault::Truncate { after: 2 }, "engine_error"),
            (Fault::Hang { after: 2 }, "engine_error"),
            (Fault::BadEvent { after: 2 }, "engine_error"),
        ] {
            stage.script(|script| script.answering = Answering::Words(20));
            stage.fault(fault);
            for client in Client::both(stage.address()).await {
                let (text, got) = client.failed("thox_explain", json!({"code": "x"})).await;
                assert_eq!(got, code, "{kind:?} {fault:?}: {text}");
                assert!(
                    !text.contains("w0"),
                    "what the model said is no part of it: {text}"
                );
            }
            stage.heal();
        }
    }
}

#[tokio::test]
async fn no_engine_and_no_such_model() {
    let stage = Stage::of(Kind::Ollama).await;
    let client = Client::stateless(stage.address());
    let unknown = json!({"code": "x", "model": "thox-codr"});
    let (text, code) = client.failed("thox_explain", unknown).await;
    assert_eq!(code, "model_not_found");
    assert!(text.contains("thox-coder"), "the nearest is named: {text}");
    stage.die().await;
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let (text, code) = client.failed("thox_test", json!({"code": "x"})).await;
        if code == "no_engine" {
            assert!(text.contains("ollama"), "{text}");
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{code}: {text}");
    }
}

#[tokio::test]
async fn wrong_arguments_are_tool_errors_that_a_model_can_learn_from() {
    let stage = Stage::of(Kind::Ollama).await;
    let client = Client::stateless(stage.address());
    for (tool, arguments, word) in [
        ("thox_complete", json!({}), "`before`"),
        (
            "thox_complete",
            json!({"before": "x", "lines": 0}),
            "`lines`",
        ),
        (
            "thox_complete",
            json!({"before": "x", "lines": 201}),
            "`lines`",
        ),
        ("thox_complete", json!({"before": "x", "line": 1}), "`line`"),
        ("thox_explain", json!({}), "`code` or `error`"),
        (
            "thox_explain",
            json!({"code": "a", "error": "b"}),
            "not both",
        ),
        ("thox_explain", json!({"code": " \n"}), "`code` is empty"),
        (
            "thox_explain",
            json!({"code": "a", "level": "god"}),
            "beginner",
        ),
        ("thox_refactor", json!({"code": "a"}), "`goal`"),
        (
            "thox_refactor",
            json!({"code": "a", "goal": "b", "file": "a\nb"}),
            "`file`",
        ),
        ("thox_test", json!({"code": 7}), "string"),
        (
            "thox_test",
            json!({"code": "a", "model": "x".repeat(300)}),
            "`model`",
        ),
    ] {
        let (text, code) = client.failed(tool, arguments.clone()).await;
        assert_eq!(code, "invalid_request");
        assert!(text.contains(word), "{tool} {arguments}: {text}");
    }
    assert!(
        stage.journal().generations().is_empty(),
        "no engine was asked"
    );
}

#[tokio::test]
async fn an_answer_that_is_no_use_is_said_to_be_none() {
    let stage = Stage::of(Kind::Ollama).await;
    let client = Client::stateless(stage.address());
    let says = |text: &str| {
        let text = text.to_owned();
        stage.script(|script| script.answering = Answering::Fixed(text));
    };
    let refactor = json!({"code": "let a = 1;", "goal": "x"});
    for (reply, word) in [
        ("I cannot do that.", "no code"),
        ("```rust\nlet a = ", "limit of tokens"),
        ("<think>on and on", "answered nothing"),
    ] {
        says(reply);
        let (text, code) = client.failed("thox_refactor", refactor.clone()).await;
        assert_eq!(code, "engine_error");
        assert!(text.contains(word), "{reply}: {text}");
    }
    // Half of a new file is refused, half of a test file is marked.
    says("```rust\n#[test]\nfn a() {");
    let half = client.done("thox_test", json!({"code": "x"})).await;
    assert_eq!(half["truncated"], true);
    stage.script(|script| script.answering = Answering::Words(5000));
    let cut = client.done("thox_explain", json!({"code": "x"})).await;
    assert_eq!(cut["truncated"], true);
}
