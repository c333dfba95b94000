//! The engine over HTTP, on a connection in memory as thoxd uses it.

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use crate::client::{chat, chunks, embedded, endless_starter, events, post, send, with};

#[tokio::test]
async fn health_and_models() {
    let starter = embedded();
    assert_eq!(
        send(&starter, Method::GET, "/health", "").await,
        (StatusCode::OK, json!({}))
    );
    let (status, models) = send(&starter, Method::GET, "/v1/models", "").await;
    assert_eq!(
        (status, &models["object"]),
        (StatusCode::OK, &json!("list"))
    );
    let item = &models["data"][0];
    assert_eq!(models["data"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&item["id"], &item["object"], &item["owned_by"]),
        (&json!("thox-starter"), &json!("model"), &json!("thox"))
    );
    assert_eq!(item["meta"]["n_params"], starter.model().parameters());
    assert_eq!(
        item["meta"]["n_ctx_train"],
        starter.model().context_length()
    );
    assert_eq!(item["meta"]["size"], thox_starter::embedded_gguf().len());
    assert_eq!(
        &send(&starter, Method::GET, "/v1/models/thox-starter", "")
            .await
            .1,
        item
    );
}

#[tokio::test]
async fn a_chat_has_openais_shape_and_a_stream_says_the_same() {
    let starter = embedded();
    let (status, reply) = post(&starter, "/v1/chat/completions", chat("Hello!")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        (&reply["object"], &reply["model"]),
        (&json!("chat.completion"), &json!("thox-starter"))
    );
    assert!(
        reply["id"].as_str().unwrap().starts_with("chatcmpl-")
            && reply["created"].as_u64().unwrap() > 1_700_000_000
    );
    let choice = &reply["choices"][0];
    assert_eq!(
        (&choice["index"], &choice["finish_reason"]),
        (&json!(0), &json!("stop"))
    );
    assert_eq!(choice["message"]["role"], "assistant");
    let text = choice["message"]["content"].as_str().unwrap();
    assert!(text.starts_with("Hello"), "{text:?}");
    let usage = &reply["usage"];
    let count = |key: &str| usage[key].as_u64().unwrap();
    assert_eq!(
        count("total_tokens"),
        count("prompt_tokens") + count("completion_tokens")
    );
    assert!(count("prompt_tokens") > 3 && count("completion_tokens") > 3);

    let chunks = chunks(&events(&starter, "/v1/chat/completions", chat("Hello!")).await);
    let (first, last) = (&chunks[0], chunks.last().unwrap());
    assert_eq!(
        first["choices"][0]["delta"],
        json!({"role": "assistant", "content": ""})
    );
    assert_eq!(
        (
            &last["choices"][0]["delta"],
            &last["choices"][0]["finish_reason"]
        ),
        (&json!({}), &json!("stop"))
    );
    let deltas: String = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(deltas, text);
    for chunk in &chunks {
        assert_eq!(
            (&chunk["id"], &chunk["object"]),
            (&first["id"], &json!("chat.completion.chunk"))
        );
        assert!(chunk.get("usage").is_none());
    }
    assert!(
        chunks[..chunks.len() - 1]
            .iter()
            .all(|chunk| chunk["choices"][0]["finish_reason"].is_null())
    );
}

#[tokio::test]
async fn usage_comes_with_a_stream_that_asks_for_it() {
    let body = with(
        chat("Hello!"),
        json!({"stream_options": {"include_usage": true}}),
    );
    let chunks = chunks(&events(&embedded(), "/v1/chat/completions", body).await);
    let last = chunks.last().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert!(last["usage"]["completion_tokens"].as_u64().unwrap() > 3);
}

#[tokio::test]
async fn limits_stops_and_seeds_hold() {
    let starter = endless_starter();
    let answer = async |fields: Value| {
        let (status, reply) =
            post(&starter, "/v1/chat/completions", with(chat("hi"), fields)).await;
        assert_eq!(status, StatusCode::OK, "{reply}");
        let choice = &reply["choices"][0];
        (
            choice["message"]["content"].as_str().unwrap().to_owned(),
            choice["finish_reason"].clone(),
            reply["usage"]["completion_tokens"].clone(),
        )
    };
    assert_eq!(
        answer(json!({"max_tokens": 3})).await,
        ("zzz".into(), json!("length"), json!(3))
    );
    assert_eq!(
        answer(json!({"max_completion_tokens": 2, "max_tokens": 9})).await,
        ("zz".into(), json!("length"), json!(2))
    );
    assert_eq!(
        answer(json!({"stop": "zzzz"})).await,
        (String::new(), json!("stop"), json!(4))
    );
    assert_eq!(
        answer(json!({"stop": ["x", "zz"], "max_tokens": 9}))
            .await
            .1,
        json!("stop")
    );
    let hot = |seed: u64| json!({"max_tokens": 40, "temperature": 2.0, "seed": seed});
    assert_eq!(answer(hot(1)).await, answer(hot(1)).await);
    // With all scores but one equal, a high temperature still picks others now and then.
    let starter = embedded();
    let (_, first) = post(&starter, "/v1/chat/completions", with(chat("Hi"), hot(7))).await;
    let (_, second) = post(&starter, "/v1/chat/completions", with(chat("Hi"), hot(7))).await;
    assert_eq!(first["choices"], second["choices"]);
}

#[tokio::test]
async fn plain_completions() {
    let starter = endless_starter();
    let body = json!({"model": "thox-starter", "prompt": "hi", "max_tokens": 4});
    let (status, reply) = post(&starter, "/v1/completions", body.clone()).await;
    assert_eq!(
        (status, &reply["object"]),
        (StatusCode::OK, &json!("text_completion"))
    );
    assert_eq!(
        (
            &reply["choices"][0]["text"],
            &reply["choices"][0]["finish_reason"]
        ),
        (&json!("zzzz"), &json!("length"))
    );
    assert_eq!(
        reply["usage"],
        json!({"prompt_tokens": 2, "completion_tokens": 4, "total_tokens": 6})
    );
    let chunks = chunks(&events(&starter, "/v1/completions", body).await);
    let text: String = chunks
        .iter()
        .map(|chunk| chunk["choices"][0]["text"].as_str().unwrap())
        .collect();
    assert_eq!(text, "zzzz");
    assert_eq!(
        chunks.last().unwrap()["choices"][0]["finish_reason"],
        "length"
    );
}

#[tokio::test]
async fn messages_may_have_text_parts_and_a_system_message() {
    let parts = json!({"model": "thox-starter", "messages": [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": [{"type": "text", "text": "Hello!"}]},
    ]});
    let (status, reply) = post(&embedded(), "/v1/chat/completions", parts).await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        reply["choices"][0]["message"]["content"]
            .as_str()
            .unwrap()
            .starts_with("Hello")
    );
}

#[tokio::test]
async fn what_the_starter_cannot_do_is_refused_with_the_way_to_a_real_model() {
    let starter = embedded();
    let image = json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}]}]);
    let tool = json!([{"role": "user", "content": "hi"}, {"role": "tool", "tool_call_id": "1", "content": "x"}]);
    let cases = [
        (
            json!({"tools": [{"type": "function", "function": {"name": "f"}}]}),
            "tools",
        ),
        (
            json!({"response_format": {"type": "json_object"}}),
            "response_format",
        ),
        (json!({"n": 2}), "n"),
        (json!({"logprobs": true}), "logprobs"),
        (json!({"messages": image}), "messages"),
        (json!({"messages": tool}), "messages"),
    ];
    for (fields, param) in cases {
        for stream in [false, true] {
            let body = with(with(chat("hi"), fields.clone()), json!({"stream": stream}));
            let (status, reply) = post(&starter, "/v1/chat/completions", body).await;
            assert_eq!(
                (status, &reply["error"]["param"]),
                (StatusCode::BAD_REQUEST, &json!(param))
            );
            assert_eq!(reply["error"]["type"], "invalid_request_error");
            assert!(
                reply["error"]["message"]
                    .as_str()
                    .unwrap()
                    .contains("ollama pull ")
            );
        }
    }
    let (status, reply) = post(
        &starter,
        "/v1/embeddings",
        json!({"model": "thox-starter", "input": "x"}),
    )
    .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(
        reply["error"]["message"]
            .as_str()
            .unwrap()
            .contains("ollama pull nomic-embed-text")
    );
    let body = json!({"model": "thox-starter", "prompt": "def f", "suffix": "return 1"});
    assert_eq!(
        post(&starter, "/v1/completions", body).await.0,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn harmless_fields_are_taken() {
    let fields = json!({
        "n": 1, "tools": [], "tool_choice": "none", "response_format": {"type": "text"}, "logprobs": false, "user": "me",
        "stop": null, "max_tokens": null, "metadata": {}, "parallel_tool_calls": true, "temperature": 0.7, "top_p": 0.9,
        "frequency_penalty": 0.1, "presence_penalty": 0, "logit_bias": {}, "store": false, "reasoning_effort": "low",
    });
    let (status, reply) = post(
        &embedded(),
        "/v1/chat/completions",
        with(chat("Hello!"), fields),
    )
    .await;
    assert_eq!(status, StatusCode::OK, "{reply}");
}

#[tokio::test]
async fn wrong_requests_are_refused_in_openais_shape() {
    let starter = embedded();
    let path = "/v1/chat/completions";
    let (get, post) = (Method::GET, Method::POST);
    let body = |fields: Value| with(chat("hi"), fields).to_string();
    let cases = [
        (
            &get,
            "/nowhere",
            String::new(),
            StatusCode::NOT_FOUND,
            "unknown_url",
        ),
        (
            &get,
            "/v1/models/llama",
            String::new(),
            StatusCode::NOT_FOUND,
            "unknown_url",
        ),
        (
            &get,
            path,
            String::new(),
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
        ),
        (
            &post,
            path,
            body(json!({"model": "gpt-5"})),
            StatusCode::NOT_FOUND,
            "model_not_found",
        ),
        (
            &post,
            path,
            body(json!({"messages": [{"role": "user", "content": "word ".repeat(3000)}]})),
            StatusCode::BAD_REQUEST,
            "context_length_exceeded",
        ),
        (
            &post,
            path,
            "x".repeat(2 << 20),
            StatusCode::PAYLOAD_TOO_LARGE,
            "request_too_large",
        ),
    ];
    for (method, path, body, expected, code) in cases {
        let shown: String = body.chars().take(120).collect();
        let (status, reply) = send(&starter, method.clone(), path, body).await;
        assert_eq!(status, expected, "{method} {path} {shown} gives {reply}");
        assert_eq!(
            reply["error"]["code"].as_str().unwrap_or(""),
            code,
            "{method} {path} {shown} gives {reply}"
        );
        assert!(reply["error"]["message"].as_str().unwrap().len() > 10);
    }
    let plain = |prompt: Value| json!({"model": "thox-starter", "prompt": prompt}).to_string();
    let malformed = [
        (path, "{".to_owned()),
        (path, String::new()),
        (path, body(json!({"model": null}))),
        (path, body(json!({"messages": []}))),
        (
            path,
            body(json!({"messages": [{"role": "wizard", "content": "hi"}]})),
        ),
        (path, body(json!({"max_tokens": 0}))),
        (path, body(json!({"temperature": 3}))),
        (path, body(json!({"top_p": -1}))),
        (path, body(json!({"stop": vec!["x"; 99]}))),
        (
            path,
            body(json!({"stream_options": {"include_usage": true}})),
        ),
        ("/v1/completions", plain(json!(""))),
        ("/v1/completions", plain(json!([1, 2]))),
    ];
    for (path, body) in malformed {
        let (status, reply) = send(&starter, Method::POST, path, body.clone()).await;
        assert_eq!(
            status,
            StatusCode::BAD_REQUEST,
            "{path} {body} gives {reply}"
        );
        assert_eq!(reply["error"]["type"], "invalid_request_error");
        assert!(reply["error"]["message"].as_str().unwrap().len() > 10);
    }
    // Also a stream gets its proper status, since the prompt is read before the first byte.
    let long =
        json!({"stream": true, "messages": [{"role": "user", "content": "word ".repeat(3000)}]});
    let (status, reply) = send(&starter, Method::POST, path, body(long)).await;
    assert_eq!(
        (status, &reply["error"]["code"]),
        (StatusCode::BAD_REQUEST, &json!("context_length_exceeded"))
    );
}
