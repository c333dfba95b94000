//! Resources and prompts.

use super::Client;
use crate::stage::Stage;
use serde_json::{Value, json};
use thox_tests::doubles::Kind;

#[tokio::test]
async fn the_models_and_the_status_can_be_read() {
    let stage = Stage::of(Kind::Ollama).await;
    for client in Client::both(stage.address()).await {
        let list = client.ask("resources/list", json!({})).await;
        for resource in list["result"]["resources"].as_array().unwrap() {
            let uri = resource["uri"].as_str().unwrap();
            let read = client.ask("resources/read", json!({"uri": uri})).await;
            let content = &read["result"]["contents"][0];
            assert_eq!(
                (&content["uri"], &content["mimeType"]),
                (&json!(uri), &json!("application/json"))
            );
            let text: Value = serde_json::from_str(content["text"].as_str().unwrap()).unwrap();
            match uri {
                "thox://models" => {
                    let ids = text["data"].as_array().unwrap().iter();
                    assert!(
                        ids.map(|model| &model["id"]).any(|id| id == "thox-coder"),
                        "{text}"
                    );
                }
                "thox://status" => assert_eq!(text["status"], "healthy"),
                other => panic!("{other}"),
            }
        }
        let templates = client.ask("resources/templates/list", json!({})).await;
        assert_eq!(
            templates["result"]["resourceTemplates"]
                .as_array()
                .unwrap()
                .len(),
            1
        );
        let uri = "thox://models/qwen2.5-coder:7b";
        let one = client.ask("resources/read", json!({"uri": uri})).await;
        assert!(
            one["result"]["contents"][0]["text"]
                .as_str()
                .unwrap()
                .contains("32768"),
            "{one}"
        );
        for uri in [
            "thox://models/nobody",
            "thox://secrets",
            "file:///etc/passwd",
        ] {
            let none = client.ask("resources/read", json!({"uri": uri})).await;
            let code = none["error"]["code"].as_i64().unwrap();
            assert!([-32002, -32602].contains(&code), "{none}");
            assert_eq!(none["error"]["data"]["uri"], uri, "{none}");
        }
    }
}

#[tokio::test]
async fn the_four_jobs_are_prompts_too() {
    let stage = Stage::of(Kind::Ollama).await;
    for client in Client::both(stage.address()).await {
        let list = client.ask("prompts/list", json!({})).await;
        let prompts = list["result"]["prompts"].as_array().unwrap();
        assert_eq!(prompts.len(), 4);
        for prompt in prompts {
            let needed = prompt["arguments"].as_array().unwrap().iter();
            let needed = needed.filter(|argument| argument["required"] == true);
            let arguments: serde_json::Map<String, Value> = needed
                .map(|argument| {
                    (
                        argument["name"].as_str().unwrap().to_owned(),
                        json!("canary-1"),
                    )
                })
                .collect();
            let params = json!({"name": prompt["name"], "arguments": arguments});
            let got = client.ask("prompts/get", params).await;
            let message = &got["result"]["messages"][0];
            assert_eq!(message["role"], "user");
            assert!(
                message["content"]["text"]
                    .as_str()
                    .unwrap()
                    .contains("canary-1"),
                "{got}"
            );
            let none = client
                .ask("prompts/get", json!({"name": prompt["name"]}))
                .await;
            assert_eq!(none["error"]["code"], -32602, "{none}");
        }
    }
    assert!(stage.journal().generations().is_empty());
}
