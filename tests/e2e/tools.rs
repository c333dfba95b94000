//! Tool calls, whole and streamed.

use crate::stage::{Stage, ask, ask_stream, content, with};
use serde_json::{Value, json};
use thox_tests::doubles::Kind;

const KINDS: [Kind; 4] = [Kind::Ollama, Kind::Trtllm, Kind::EdgeLlm, Kind::OpenAi];

fn tools() -> Value {
    let parameters =
        json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    json!([{"type": "function", "function": {"name": "get_weather", "description": "Weather", "parameters": parameters}}])
}

#[tokio::test]
async fn a_tool_call_is_the_same_from_every_kind_of_engine() {
    for kind in KINDS {
        let stage = Stage::of(kind).await;
        let reply = stage
            .chat(&with(
                ask("What is the weather in Paris?"),
                "tools",
                tools(),
            ))
            .await;
        assert_eq!(reply.status, 200, "{kind:?}: {}", reply.text());
        let choice = reply.json()["choices"][0].clone();
        assert_eq!(choice["finish_reason"], "tool_calls", "{kind:?}");
        let calls = choice["message"]["tool_calls"].as_array().unwrap();
        assert_eq!(calls.len(), 1, "{kind:?}");
        assert_eq!(calls[0]["type"], "function");
        assert!(
            calls[0]["id"].as_str().is_some_and(|id| !id.is_empty()),
            "{kind:?}"
        );
        assert_eq!(
            calls[0]["function"],
            json!({"name": "get_weather", "arguments": r#"{"city":"Paris"}"#}),
            "{kind:?}"
        );
    }
}

#[tokio::test]
async fn a_streamed_tool_call_can_be_put_together() {
    for kind in KINDS {
        let stage = Stage::of(kind).await;
        let streamed = stage
            .stream(&with(
                ask_stream("What is the weather in Paris?"),
                "tools",
                tools(),
            ))
            .await;
        assert_eq!(streamed.finish_reasons(), ["tool_calls"], "{kind:?}");
        assert!(streamed.is_done);
        let (id, name, arguments) = streamed
            .tool_call()
            .unwrap_or_else(|| panic!("{kind:?}: no call"));
        assert!(!id.is_empty(), "{kind:?}");
        assert_eq!(
            (name.as_str(), arguments.as_str()),
            ("get_weather", r#"{"city":"Paris"}"#),
            "{kind:?}"
        );
        for chunk in &streamed.chunks {
            for call in chunk["choices"][0]["delta"]["tool_calls"]
                .as_array()
                .into_iter()
                .flatten()
            {
                assert!(
                    call["index"].is_u64(),
                    "{kind:?}: a delta without an index: {call}"
                );
            }
        }
    }
}

#[tokio::test]
async fn the_tools_answer_goes_back_to_the_model() {
    for kind in KINDS {
        let stage = Stage::of(kind).await;
        let call = json!({"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{\"city\":\"Paris\"}"}});
        let messages = json!([
            {"role": "user", "content": "What is the weather in Paris?"},
            {"role": "assistant", "content": null, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": "21 degrees"}
        ]);
        let body = json!({"model": "thox-coder", "messages": messages, "tools": tools()});
        let reply = stage.chat(&body).await;
        assert_eq!(
            content(&reply),
            "The tool says: 21 degrees",
            "{kind:?}: {}",
            reply.text()
        );
    }
}

#[tokio::test]
async fn no_tool_is_called_where_the_client_says_none() {
    for kind in KINDS {
        let stage = Stage::of(kind).await;
        let body = with(
            with(ask("What is the weather?"), "tools", tools()),
            "tool_choice",
            json!("none"),
        );
        let reply = stage.chat(&body).await;
        assert_eq!(
            content(&reply),
            "Hello! You said: What is the weather?",
            "{kind:?}: {}",
            reply.text()
        );
        assert_eq!(
            reply.json()["choices"][0]["finish_reason"],
            "stop",
            "{kind:?}"
        );
    }
}

#[tokio::test]
async fn a_tool_that_must_be_called_is_called() {
    for kind in [Kind::Trtllm, Kind::EdgeLlm, Kind::OpenAi] {
        let stage = Stage::of(kind).await;
        for choice in [
            json!("required"),
            json!({"type": "function", "function": {"name": "get_weather"}}),
        ] {
            let body = with(with(ask("Hi"), "tools", tools()), "tool_choice", choice);
            let reply = stage.chat(&body).await;
            assert_eq!(
                reply.json()["choices"][0]["finish_reason"],
                "tool_calls",
                "{kind:?}: {}",
                reply.text()
            );
        }
    }
}

#[tokio::test]
async fn a_choice_without_tools_harms_nobody() {
    for kind in KINDS {
        let stage = Stage::of(kind).await;
        for tools in [Value::Null, json!([])] {
            let body = with(
                with(ask("Hi"), "tool_choice", json!("auto")),
                "tools",
                tools,
            );
            assert_eq!(stage.chat(&body).await.status, 200, "{kind:?}");
        }
    }
}
