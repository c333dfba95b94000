//! What the tools take and what they give back.

use super::Client;
use crate::stage::{Pair, Stage, one};
use serde_json::{Value, json};
use thox_tests::doubles::{Answering, Double, Fault, Kind};
use thox_tests::thoxd::Thoxd;

const COMPLETE: &str = "thox_complete";
const EXPLAIN: &str = "thox_explain";
const REFACTOR: &str = "thox_refactor";
const TEST: &str = "thox_test";

fn says(stage: &Stage, text: &str) {
    stage.script(|script| script.answering = Answering::Fixed(text.to_owned()));
}

#[tokio::test]
async fn the_list_tells_all_that_a_client_has_to_know() {
    let stage = Stage::of(Kind::Ollama).await;
    for client in Client::both(stage.address()).await {
        let list = client.ask("tools/list", json!({})).await;
        let tools = list["result"]["tools"].as_array().unwrap();
        let names: Vec<&str> = tools
            .iter()
            .map(|tool| tool["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, [COMPLETE, EXPLAIN, REFACTOR, TEST]);
        for tool in tools {
            assert!(tool["description"].as_str().unwrap().len() > 60, "{tool}");
            assert_eq!(tool["annotations"]["readOnlyHint"], true);
            assert_eq!(tool["annotations"]["destructiveHint"], false);
            assert_eq!(tool["annotations"]["openWorldHint"], false);
            let input = &tool["inputSchema"];
            assert_eq!(
                (&input["type"], &input["additionalProperties"]),
                (&json!("object"), &json!(false))
            );
            for (name, field) in input["properties"].as_object().unwrap() {
                assert!(
                    field["description"].as_str().unwrap().len() > 10,
                    "{name}: {field}"
                );
                let is_bounded = ["maxLength", "maximum", "enum"]
                    .iter()
                    .any(|limit| !field[*limit].is_null());
                assert!(is_bounded, "{name}: {field}");
            }
            assert!(input["properties"]["model"].is_object());
            let output = &tool["outputSchema"];
            assert_eq!(output["type"], "object");
            let required = output["required"].as_array().unwrap();
            assert_eq!(
                required.len(),
                output["properties"].as_object().unwrap().len()
            );
        }
    }
}

/// The structured result has exactly what the output schema says.
async fn assert_as_described(client: &Client, tool: &str, result: &Value) {
    let list = client.ask("tools/list", json!({})).await;
    let tools = list["result"]["tools"].as_array().unwrap();
    let tool = tools.iter().find(|have| have["name"] == tool).unwrap();
    let described = tool["outputSchema"]["properties"].as_object().unwrap();
    let result = result.as_object().unwrap();
    assert!(described.keys().eq(result.keys()), "{result:?}");
    for (name, field) in described {
        let value = &result[name];
        let fits = match field["type"].as_str().unwrap() {
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "array" => value.is_array(),
            other => panic!("{other}"),
        };
        assert!(fits, "{name}: {value}");
    }
}

#[tokio::test]
async fn a_completion_fills_the_middle_where_the_model_can() {
    for kind in [Kind::Ollama, Kind::OpenAi] {
        let stage = Stage::of(kind).await;
        for client in Client::both(stage.address()).await {
            let arguments = json!({"before": "fn a() {", "after": "}"});
            let result = client.done(COMPLETE, arguments).await;
            assert_as_described(&client, COMPLETE, &result).await;
            assert_eq!(result["completion"], "the middle between fn a() { and }");
            assert_eq!(result["method"], "fill_in_the_middle");
            assert_eq!(result["model"], "thox-coder");
            assert_eq!(result["backend"], crate::stage::backend_of(kind));
        }
        let seen = stage.journal().generations();
        assert!(seen.iter().all(|seen| seen.path == "/v1/completions"));
    }
}

#[tokio::test]
async fn a_completion_is_a_chat_where_the_model_cannot() {
    for kind in [Kind::Trtllm, Kind::TrtllmJetson, Kind::EdgeLlm] {
        let stage = Stage::of(kind).await;
        says(
            &stage,
            "Sure:\n```python\n    return a + b\n```\nThat adds them.",
        );
        let client = Client::stateless(stage.address());
        let arguments = json!({
            "before": "def add(a, b):\n    return ", "after": "\n\nprint(add(1, 2))",
            "language": "python", "file": "add.py",
        });
        let result = client.done(COMPLETE, arguments).await;
        assert_as_described(&client, COMPLETE, &result).await;
        assert_eq!(
            (&result["completion"], &result["method"]),
            (&json!("a + b"), &json!("chat")),
            "{kind:?}"
        );
        let asked = stage.journal().generations()[0].json();
        let prompt = asked["messages"][1]["content"].as_str().unwrap();
        assert!(prompt.contains("    return <CURSOR>\n\nprint"), "{prompt}");
        assert!(prompt.contains("add.py"), "{prompt}");
    }
}

#[tokio::test]
async fn a_model_without_the_capability_is_asked_in_a_chat() {
    let engine = Double::start(Kind::Ollama).await;
    engine.script(|script| {
        script.models[0].capabilities.retain(|can| *can != "insert");
        script.answering = Answering::Fixed("```\nx\n```".into());
    });
    let thoxd = one(Thoxd::builder(), &engine).start().await;
    thoxd.wait_models(&["thox-coder"]).await;
    let client = Client::stateless(thoxd.address);
    let result = client.done(COMPLETE, json!({"before": "y = "})).await;
    assert_eq!(result["method"], "chat");
    assert_eq!(result["completion"], "x");
}

#[tokio::test]
async fn a_model_that_turns_out_not_to_fill_gaps_is_asked_in_a_chat() {
    let stage = Stage::of(Kind::OpenAi).await;
    says(&stage, "```\nx\n```");
    stage.fault_times(Fault::Status(400), 1);
    let client = Client::stateless(stage.address());
    let result = client.done(COMPLETE, json!({"before": "y = "})).await;
    assert_eq!(
        (&result["method"], &result["completion"]),
        (&json!("chat"), &json!("x"))
    );
    let paths: Vec<String> = stage
        .journal()
        .generations()
        .into_iter()
        .map(|seen| seen.path)
        .collect();
    assert_eq!(paths, ["/v1/completions", "/v1/chat/completions"]);
}

#[tokio::test]
async fn a_completion_has_as_many_lines_as_were_asked_for_and_then_the_engine_stops() {
    let stage = Stage::of(Kind::Ollama).await;
    stage.script(|script| {
        let lines: Vec<String> = (0..500).map(|n| format!("line {n} \n ")).collect();
        script.answering = Answering::Fixed(lines.concat());
        script.gap = std::time::Duration::from_millis(2);
    });
    let client = Client::stateless(stage.address());
    let arguments = json!({"before": "a", "after": "b", "lines": 3});
    let result = client.done(COMPLETE, arguments).await;
    assert_eq!(result["completion"].as_str().unwrap().lines().count(), 3);
    stage.wait_cancelled(1).await;
}

#[tokio::test]
async fn code_and_errors_are_explained() {
    let stage = Stage::of(Kind::Ollama).await;
    says(&stage, "<think>hm</think>It adds **two** numbers.");
    for client in Client::both(stage.address()).await {
        let arguments =
            json!({"code": "a + b", "question": "Why?", "level": "expert", "language": "rust"});
        let result = client.done(EXPLAIN, arguments).await;
        assert_as_described(&client, EXPLAIN, &result).await;
        assert_eq!(result["explanation"], "It adds **two** numbers.");
        let error = client
            .done(EXPLAIN, json!({"error": "E0382: use of moved value"}))
            .await;
        assert_eq!(error["truncated"], false);
    }
    let asked = stage.journal().generations()[1].json();
    let prompt = asked["messages"][1]["content"].as_str().unwrap();
    assert!(prompt.contains("Explain this error message"), "{prompt}");
    assert!(asked["max_tokens"].as_u64().unwrap() > 100);
}

#[tokio::test]
async fn a_refactoring_comes_back_with_its_summary_and_diff() {
    let stage = Stage::of(Kind::Ollama).await;
    says(
        &stage,
        "I named it.\n\n```rust\nlet sum = 1;\nuse_it(sum);\n```\n",
    );
    for client in Client::both(stage.address()).await {
        let arguments =
            json!({"code": "let x = 1;\nuse_it(x);", "goal": "better names", "file": "a.rs"});
        let result = client.done(REFACTOR, arguments).await;
        assert_as_described(&client, REFACTOR, &result).await;
        assert_eq!(result["code"], "let sum = 1;\nuse_it(sum);");
        assert_eq!(result["summary"], "I named it.");
        assert_eq!(result["changed"], true);
        let diff = result["diff"].as_str().unwrap();
        assert!(
            diff.starts_with("--- a/a.rs\n+++ b/a.rs\n@@ -1,2 +1,2 @@\n"),
            "{diff}"
        );
        assert!(
            diff.contains("-let x = 1;\n") && diff.contains("+let sum = 1;\n"),
            "{diff}"
        );
    }
    let same = json!({"code": "let sum = 1;\nuse_it(sum);\n", "goal": "better names"});
    let result = Client::stateless(stage.address())
        .done(REFACTOR, same)
        .await;
    assert_eq!(
        (&result["changed"], &result["diff"]),
        (&json!(false), &json!(""))
    );
}

#[tokio::test]
async fn tests_come_back_with_what_they_cover() {
    let stage = Stage::of(Kind::Ollama).await;
    says(
        &stage,
        "```python\ndef test_half():\n    assert half(2) == 1\n```\n- the usual case\n- rounding\n",
    );
    for client in Client::both(stage.address()).await {
        let arguments = json!({"code": "def half(n): return n // 2", "framework": "pytest", "language": "python"});
        let result = client.done(TEST, arguments).await;
        assert_as_described(&client, TEST, &result).await;
        assert!(
            result["code"]
                .as_str()
                .unwrap()
                .starts_with("def test_half")
        );
        assert_eq!(result["covers"], json!(["the usual case", "rounding"]));
    }
    let asked = stage.journal().generations()[0].json();
    assert!(
        asked["messages"][1]["content"]
            .as_str()
            .unwrap()
            .contains("with pytest")
    );
}

#[tokio::test]
async fn another_model_and_another_backend_can_be_wished_for() {
    let pair = Pair::start().await;
    let mut client = Client::stateless(pair.thoxd.address);
    let by_name = client
        .done(
            EXPLAIN,
            json!({"code": "x", "model": crate::stage::model_of(Kind::EdgeLlm)}),
        )
        .await;
    assert_eq!(by_name["backend"], "tensorrt");
    client
        .headers
        .push(("x-thox-backend".into(), "tensorrt".into()));
    let by_wish = client.done(EXPLAIN, json!({"code": "x"})).await;
    assert_eq!(
        (&by_wish["backend"], &by_wish["model"]),
        (&json!("tensorrt"), &json!("thox-coder"))
    );
    assert_eq!(pair.edge.journal().generations().len(), 2);
}

#[tokio::test]
async fn with_the_starter_alone_every_tool_answers_something_well_formed() {
    let thoxd = Thoxd::builder()
        .raw("engines.starter", "enabled", "true")
        .start()
        .await;
    thoxd.wait_models(&["thox-coder", "thox-starter"]).await;
    for client in Client::both(thoxd.address).await {
        for (tool, arguments) in [
            (COMPLETE, json!({"before": "def add(a, b):\n    return "})),
            (EXPLAIN, json!({"code": "a + b"})),
            (EXPLAIN, json!({"error": "E0382"})),
            (REFACTOR, json!({"code": "a + b", "goal": "clarity"})),
            (TEST, json!({"code": "a + b"})),
        ] {
            let result = client.call(tool, arguments).await;
            let text = result["content"][0]["text"].as_str().unwrap();
            println!("{tool}: {text}");
            if result["isError"] == false {
                assert_as_described(&client, tool, &result["structuredContent"]).await;
                assert_eq!(result["structuredContent"]["backend"], "starter");
            } else {
                assert!(text.len() > 20, "{result}");
            }
        }
    }
}
