//! What is too long for the context that a model is run with is refused in words, and never silently cut.

use super::Client;
use crate::stage::Stage;
use serde_json::json;
use std::time::{Duration, Instant};
use thox_tests::client::get;
use thox_tests::doubles::{Answering, Cutting, Kind, Seen};

async fn stage(kind: Kind) -> Stage {
    let stage = Stage::of(kind).await;
    stage.script(|script| script.answering = Answering::Fixed("fine".into()));
    stage
}

async fn wait_loaded(stage: &Stage) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while get(stage.address(), "/v1/models/thox-coder").await.json()["loaded"] != true {
        assert!(Instant::now() < deadline, "it is never seen to be loaded");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What Ollama was asked on its native routes.
fn measured(stage: &Stage) -> Vec<Seen> {
    let is_one = |seen: &Seen| matches!(seen.path.as_str(), "/api/chat" | "/api/generate");
    stage.journal().seen().into_iter().filter(is_one).collect()
}

/// About 6000 tokens: the model could read them, but Ollama runs it with 4096.
fn between() -> String {
    "let x = 1;\n".repeat(1000)
}

/// By thoxd's count, and by the double's words, about 1200 tokens.
fn short() -> String {
    "one two three ".repeat(400)
}

#[tokio::test]
async fn what_the_model_cannot_read_whole_is_refused_and_never_cut() {
    let stage = Stage::of(Kind::Ollama).await;
    let client = Client::stateless(stage.address());
    let large = "let x = 1;\n".repeat(12_000);
    for (tool, arguments) in [
        ("thox_explain", json!({"code": large})),
        ("thox_refactor", json!({"code": large, "goal": "x"})),
        ("thox_test", json!({"code": large})),
        ("thox_complete", json!({"before": large})),
    ] {
        let (text, code) = client.failed(tool, arguments).await;
        assert_eq!(code, "invalid_request");
        assert!(
            text.contains("32768") && text.contains("thox-coder"),
            "{text}"
        );
        assert!(text.contains("thox://models"), "{text}");
    }
    assert!(
        stage.journal().generations().is_empty(),
        "no engine was asked"
    );
    let beyond = json!({"code": "x".repeat(400_001)});
    let (text, _) = client.failed("thox_explain", beyond).await;
    assert!(text.contains("400001") && text.contains("400000"), "{text}");
}

#[tokio::test]
async fn what_the_engine_runs_a_model_with_counts_and_not_what_the_model_could_read() {
    let stage = stage(Kind::Ollama).await;
    let client = Client::stateless(stage.address());
    client.done("thox_explain", json!({"code": "x"})).await;
    wait_loaded(&stage).await;
    let asked = stage.journal().generations().len();
    let (text, code) = client
        .failed("thox_explain", json!({"code": between()}))
        .await;
    assert_eq!(code, "invalid_request");
    assert!(
        text.contains("reads 4096 in all") && text.contains("OLLAMA_CONTEXT_LENGTH"),
        "{text}"
    );
    assert_eq!(stage.journal().generations().len(), asked);
}

#[tokio::test]
async fn a_model_that_is_loaded_with_too_little_is_stopped_and_the_input_refused() {
    for (tool, arguments) in [
        ("thox_explain", json!({"code": between()})),
        ("thox_complete", json!({"before": between()})),
    ] {
        let stage = stage(Kind::Ollama).await;
        stage.script(|script| {
            script.answering = Answering::Words(10_000);
            script.gap = Duration::from_millis(2);
        });
        let client = Client::stateless(stage.address());
        let (text, code) = client.failed(tool, arguments).await;
        assert_eq!(code, "invalid_request");
        assert!(
            text.contains("reads 4096 in all") && text.contains("OLLAMA_CONTEXT_LENGTH"),
            "{text}"
        );
        // One question, which loaded the model, and none to the end.
        stage.wait_cancelled(1).await;
        assert_eq!(stage.journal().generations().len(), 1, "{tool}");
        assert_eq!(stage.journal().finished(), 0);
    }
}

#[tokio::test]
async fn an_answer_for_which_the_loaded_context_has_no_room_is_asked_for_again_and_shorter() {
    let stage = stage(Kind::Ollama).await;
    stage.script(|script| script.answering = Answering::Fixed("```\nlet x = 2;\n```".into()));
    let client = Client::stateless(stage.address());
    // About 1500 tokens, and twice that for the answer.
    let code = "let x = 1;\n".repeat(250);
    let refactor = json!({"code": code, "goal": "x"});
    client.done("thox_refactor", refactor).await;
    let asked = stage.journal().generations();
    let limits: Vec<u64> = asked
        .iter()
        .map(|asked| asked.json()["max_tokens"].as_u64().unwrap())
        .collect();
    assert_eq!(limits.len(), 2, "{limits:?}");
    assert!(limits[1] < limits[0] && limits[1] > 1000, "{limits:?}");
}

/// Whatever is counted beforehand: a tokenizer that knows few words makes more of them.
#[tokio::test]
async fn the_answer_to_a_part_of_the_input_is_not_given_out() {
    for cutting in [Cutting::ToHalf, Cutting::ToContext] {
        for (tool, arguments, is_fill) in [
            ("thox_explain", json!({"code": short()}), false),
            ("thox_test", json!({"code": short()}), false),
            ("thox_complete", json!({"before": short()}), true),
            // The answer is over before the engine tells how much it has read.
            (
                "thox_complete",
                json!({"before": short(), "lines": 1}),
                true,
            ),
        ] {
            let stage = stage(Kind::Ollama).await;
            stage.script(|script| {
                script.cutting = Some(cutting);
                script.tokens_per_word = 5;
                if is_fill {
                    let text = "a b\n c d\n e f".to_owned();
                    script.answering = Answering::Fixed(text);
                }
            });
            for client in Client::both(stage.address()).await {
                let (text, code) = client.failed(tool, arguments.clone()).await;
                assert_eq!(code, "engine_error", "{cutting:?} {tool}: {text}");
                assert!(
                    text.contains("context of 4096 tokens")
                        && text.contains("OLLAMA_CONTEXT_LENGTH"),
                    "{text}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_long_input_that_was_read_whole_is_answered_and_was_asked_about_once_more() {
    let stage = stage(Kind::Ollama).await;
    // 2400 tokens of 4096: as many as Ollama would leave of something longer.
    stage.script(|script| script.tokens_per_word = 2);
    let client = Client::stateless(stage.address());
    let explained = client.done("thox_explain", json!({"code": short()})).await;
    assert_eq!(explained["explanation"], "fine");
    let asked = stage.journal().generations();
    let [once_more] = measured(&stage).try_into().unwrap();
    let body = once_more.json();
    assert_eq!(once_more.path, "/api/chat");
    assert_eq!(body["model"], "qwen2.5-coder:7b");
    assert_eq!(body["messages"], asked[0].json()["messages"]);
    assert_eq!(
        (&body["truncate"], &body["options"]),
        (&json!(false), &json!({"num_predict": 1}))
    );
    // What is short needs no second look.
    client.done("thox_explain", json!({"code": "x"})).await;
    assert_eq!(measured(&stage).len(), 1);
}

#[tokio::test]
async fn an_input_that_is_forgotten_while_the_answer_is_written_gives_none() {
    let stage = stage(Kind::Ollama).await;
    // By thoxd's count about 700 tokens, so that there is room for 900 more; by the engine's twice as many.
    stage.script(|script| {
        script.context = 2000;
        script.tokens_per_word = 2;
        script.answering = Answering::Words(900);
    });
    let client = Client::stateless(stage.address());
    let arguments = json!({"code": "a ".repeat(600)});
    let (text, code) = client.failed("thox_explain", arguments).await;
    assert_eq!(code, "engine_error", "{text}");
    assert!(text.contains("context of 2000 tokens"), "{text}");
}

#[tokio::test]
async fn an_engine_that_no_longer_says_whether_it_has_read_all_gives_no_answer() {
    let stage = stage(Kind::Ollama).await;
    stage.script(|script| script.tokens_per_word = 2);
    stage.fault_verbs(thox_tests::doubles::Fault::Status(500));
    let client = Client::stateless(stage.address());
    let (text, code) = client
        .failed("thox_explain", json!({"code": short()}))
        .await;
    assert_eq!(code, "engine_error", "{text}");
}

/// A server that is not known to cut anything does.
#[tokio::test]
async fn a_prompt_of_which_fewer_tokens_than_words_were_read_gives_no_answer() {
    let stage = stage(Kind::OpenAi).await;
    stage.script(|script| {
        script.cutting = Some(Cutting::ToContext);
        script.context = 500;
    });
    let client = Client::stateless(stage.address());
    let short_one = client.done("thox_explain", json!({"code": "a b c"})).await;
    assert_eq!(short_one["explanation"], "fine");
    let (text, code) = client
        .failed("thox_explain", json!({"code": short()}))
        .await;
    assert_eq!(code, "engine_error");
    assert!(
        text.contains("only 500 tokens") && text.contains("OLLAMA_CONTEXT_LENGTH"),
        "{text}"
    );
}
