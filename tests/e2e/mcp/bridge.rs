//! `thox mcp`: the same on the standard input and output, and what tells clients of it.

use super::{NEW, OLD, initialize};
use crate::stage::{Stage, one};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};
use thox_tests::doubles::{Answering, Double, Fault, Kind};
use thox_tests::patience::within;
use thox_tests::thoxd::{Thoxd, binary};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// A client that has started the bridge.
struct Bridge {
    child: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
}

fn thox(address: SocketAddr, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary("thox"));
    command
        .args(["--host", &address.to_string()])
        .args(arguments)
        .env_remove("THOX_API_KEY")
        .env("HOME", "/nonexistent")
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .kill_on_drop(true);
    command
}

impl Bridge {
    fn start(address: SocketAddr) -> Self {
        let mut child = thox(address, &["mcp"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            input: child.stdin.take(),
            output: BufReader::new(child.stdout.take().unwrap()).lines(),
            child,
        }
    }

    /// One whose client has begun.
    async fn begun(address: SocketAddr) -> Self {
        let mut bridge = Self::start(address);
        bridge.say(&initialize(OLD)).await;
        assert_eq!(bridge.hear().await["result"]["protocolVersion"], OLD);
        let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        bridge.say(&ready).await;
        bridge
    }

    async fn say(&mut self, message: &Value) {
        let line = format!("{message}\n");
        self.input
            .as_mut()
            .unwrap()
            .write_all(line.as_bytes())
            .await
            .unwrap();
    }

    async fn hear(&mut self) -> Value {
        let line = within("a line of the bridge", self.output.next_line()).await;
        serde_json::from_str(&line.unwrap().expect("a line")).unwrap()
    }

    async fn ask(&mut self, id: u64, method: &str, params: Value) -> Value {
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.say(&message).await;
        let answer = self.hear().await;
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }
}

fn explain() -> Value {
    json!({"name": "thox_explain", "arguments": {"code": "x"}})
}

#[tokio::test]
async fn a_client_of_each_revision_is_served_over_its_pipe() {
    let stage = Stage::of(Kind::Ollama).await;
    let mut old = Bridge::begun(stage.address()).await;
    let list = old.ask(2, "tools/list", json!({})).await;
    assert_eq!(list["result"]["tools"].as_array().unwrap().len(), 4);
    let called = old.ask(3, "tools/call", explain()).await;
    assert_eq!(called["result"]["isError"], false, "{called}");
    let mut new = Bridge::start(stage.address());
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": NEW,
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let mut params = explain();
    params["_meta"] = meta.clone();
    let called = new.ask(1, "tools/call", params).await;
    assert_eq!(called["result"]["isError"], false, "{called}");
    let found = new.ask(2, "server/discover", json!({"_meta": meta})).await;
    assert!(found["result"]["supportedVersions"].is_array(), "{found}");
    new.input
        .as_mut()
        .unwrap()
        .write_all(b"nonsense\n")
        .await
        .unwrap();
    let answer = new.hear().await;
    assert_eq!(
        (&answer["id"], &answer["error"]["code"]),
        (&Value::Null, &json!(-32700))
    );
    drop(new.input.take());
    assert!(within("its end", new.child.wait()).await.unwrap().success());
}

#[tokio::test]
async fn progress_and_several_requests_at_once() {
    let stage = Stage::of(Kind::Ollama).await;
    stage.script(|script| {
        script.answering = Answering::Words(40);
        script.gap = Duration::from_millis(20);
    });
    let mut bridge = Bridge::begun(stage.address()).await;
    let mut params = explain();
    params["_meta"] = json!({"progressToken": "p"});
    let message = json!({"jsonrpc": "2.0", "id": "slow", "method": "tools/call", "params": params});
    bridge.say(&message).await;
    assert_eq!(bridge.hear().await["method"], "notifications/progress");
    bridge
        .say(&json!({"jsonrpc": "2.0", "id": "quick", "method": "ping"}))
        .await;
    let mut ids = Vec::new();
    while ids.len() < 2 {
        let message = bridge.hear().await;
        ids.extend(message["id"].as_str().map(str::to_owned));
    }
    assert_eq!(ids, ["quick", "slow"]);
}

#[tokio::test]
async fn the_end_of_the_client_stops_the_engine_and_the_session() {
    for is_session in [true, false] {
        let stage = Stage::of(Kind::Ollama).await;
        stage.fault(Fault::Hang { after: 2 });
        let mut bridge = Bridge::start(stage.address());
        let mut params = explain();
        if is_session {
            bridge = Bridge::begun(stage.address()).await;
        } else {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": NEW,
                "io.modelcontextprotocol/clientCapabilities": {},
            });
        }
        let message = json!({"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": params});
        bridge.say(&message).await;
        stage.wait_open(1).await;
        // One that ends at once has said all that it had to say, and waits.
        tokio::time::sleep(Duration::from_millis(1100)).await;
        let ended = Instant::now();
        drop(bridge.input.take());
        let cancelled = stage.wait_cancelled(1).await;
        let took = cancelled.at.saturating_duration_since(ended);
        assert!(took < Duration::from_millis(500), "{took:?}");
        assert!(
            within("its end", bridge.child.wait())
                .await
                .unwrap()
                .success()
        );
    }
}

/// All that is said at once, and what comes back until the bridge ends by itself.
async fn piped(address: SocketAddr, messages: &[Value]) -> Vec<Value> {
    let mut bridge = Bridge::start(address);
    let lines: Vec<String> = messages.iter().map(|m| format!("{m}\n")).collect();
    let mut input = bridge.input.take().unwrap();
    input.write_all(lines.concat().as_bytes()).await.unwrap();
    drop(input);
    let mut heard = Vec::new();
    while let Some(line) = within("a line", bridge.output.next_line()).await.unwrap() {
        heard.push(serde_json::from_str(&line).unwrap());
    }
    let status = within("its end", bridge.child.wait()).await.unwrap();
    assert!(status.success());
    heard
}

fn request(id: u64, method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

fn by_id(heard: &[Value], id: u64) -> &Value {
    let mut answers = heard.iter().filter(|message| message["id"] == id);
    let answer = answers.next().unwrap_or_else(|| panic!("{id}: {heard:?}"));
    assert!(answers.next().is_none(), "answered twice: {heard:?}");
    answer
}

#[tokio::test]
async fn a_session_may_be_piped_in_at_once() {
    let stage = Stage::of(Kind::Ollama).await;
    stage.script(|script| {
        script.answering = Answering::Words(20);
        script.gap = Duration::from_millis(10);
    });
    for version in ["2025-03-26", "2025-06-18", OLD] {
        let heard = piped(
            stage.address(),
            &[
                initialize(version),
                json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
                request(2, "tools/list", &json!({})),
                request(3, "tools/call", &explain()),
                request(4, "ping", &json!({})),
                request(5, "tools/call", &explain()),
            ],
        )
        .await;
        assert_eq!(heard.len(), 5, "{heard:?}");
        // Nothing of the session is answered before it is open.
        assert_eq!(heard[0]["result"]["protocolVersion"], version);
        let tools = by_id(&heard, 2)["result"]["tools"].as_array();
        assert_eq!(tools.unwrap().len(), 4);
        assert!(by_id(&heard, 4)["result"].is_object(), "{heard:?}");
        for id in [3, 5] {
            assert_eq!(by_id(&heard, id)["result"]["isError"], false, "{heard:?}");
        }
    }
}

#[tokio::test]
async fn what_needs_no_session_waits_for_none() {
    let stage = Stage::of(Kind::Ollama).await;
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": NEW,
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let mut call = explain();
    call["_meta"] = meta.clone();
    let own = [
        request(1, "server/discover", &json!({"_meta": meta})),
        request(2, "tools/list", &json!({"_meta": meta})),
        request(3, "tools/call", &call),
    ];
    let heard = piped(stage.address(), &own).await;
    assert_eq!(heard.len(), 3, "{heard:?}");
    for id in 1..=3 {
        assert!(by_id(&heard, id)["result"].is_object(), "{heard:?}");
    }
}

#[tokio::test]
async fn each_request_is_answered_where_the_beginning_fails() {
    let stage = Stage::of(Kind::Ollama).await;
    let mut wrong = initialize(OLD);
    wrong["params"] = json!({"protocolVersion": 7});
    let rest = [
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        request(2, "tools/list", &json!({})),
        request(3, "ping", &json!({})),
    ];
    let messages = [&[wrong][..], &rest].concat();
    let heard = piped(stage.address(), &messages).await;
    assert_eq!(heard.len(), 3, "{heard:?}");
    for id in 1..=3 {
        assert!(by_id(&heard, id)["error"]["code"].is_i64(), "{heard:?}");
    }
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = unused.local_addr().unwrap();
    drop(unused);
    let messages = [&[initialize(OLD)][..], &rest].concat();
    let heard = piped(nobody, &messages).await;
    assert_eq!(heard.len(), 3, "{heard:?}");
    for id in 1..=3 {
        let message = by_id(&heard, id)["error"]["message"].as_str().unwrap();
        assert!(message.contains("cannot reach"), "{message}");
    }
}

#[tokio::test]
async fn a_cancelled_request_stops_the_engine() {
    for is_session in [true, false] {
        let stage = Stage::of(Kind::Ollama).await;
        stage.fault(Fault::HangBeforeHead);
        let mut params = explain();
        let mut bridge = if is_session {
            Bridge::begun(stage.address()).await
        } else {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": NEW,
                "io.modelcontextprotocol/clientCapabilities": {},
            });
            Bridge::start(stage.address())
        };
        let message = json!({"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": params});
        bridge.say(&message).await;
        stage.wait_open(1).await;
        let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 9}});
        bridge.say(&cancel).await;
        stage.wait_cancelled(1).await;
    }
}

#[tokio::test]
async fn a_device_that_is_away_is_told_and_found_again() {
    let engine = Double::start(Kind::Ollama).await;
    let thoxd = one(Thoxd::builder(), &engine).start().await;
    thoxd.wait_models(&["thox-coder"]).await;
    let address = thoxd.address;
    let mut bridge = Bridge::begun(address).await;
    drop(thoxd);
    let away = bridge.ask(5, "tools/list", json!({})).await;
    assert_eq!(away["error"]["code"], -32000, "{away}");
    assert!(
        away["error"]["message"]
            .as_str()
            .unwrap()
            .contains("cannot reach"),
        "{away}"
    );
    let listen = address.to_string();
    let builder = one(Thoxd::builder(), &engine).list("server", "listen", &[&listen]);
    let _again = builder.start().await;
    // Its session is gone: the bridge begins anew on the client's behalf.
    let list = bridge.ask(6, "tools/list", json!({})).await;
    assert_eq!(
        list["result"]["tools"].as_array().unwrap().len(),
        4,
        "{list}"
    );
    bridge.ask(7, "ping", json!({})).await;
}

#[tokio::test]
async fn a_device_that_wants_a_key_says_so() {
    let device = crate::trust::Owned::new().await;
    let set = json!({"enabled": true});
    device.admin("PUT", "/thox/v1/auth", Some(&set)).await;
    let mut bridge = Bridge::start(device.address());
    bridge.say(&initialize(OLD)).await;
    let refused = bridge.hear().await;
    assert_eq!(
        (&refused["id"], &refused["error"]["code"]),
        (&json!(1), &json!(-32000))
    );
    assert!(
        refused["error"]["message"]
            .as_str()
            .unwrap()
            .contains("key"),
        "{refused}"
    );
}

async fn config(address: SocketAddr, arguments: &[&str], key: Option<&str>) -> Output {
    let mut command = thox(address, &["mcp", "config"]);
    command.args(arguments).stdin(Stdio::null());
    if let Some(key) = key {
        command.env("THOX_API_KEY", key);
    }
    within("thox mcp config", command.output()).await.unwrap()
}

#[tokio::test]
async fn each_client_gets_its_own_form() {
    let address: SocketAddr = "127.0.0.1:8080".parse().unwrap();
    let url = format!("http://{address}/mcp");
    let key = "sk-secret-5531";
    for (client, pointer) in [
        ("claude-code", "/mcpServers/thox"),
        ("cursor", "/mcpServers/thox"),
        ("vscode", "/servers/thox"),
        ("zed", "/context_servers/thox"),
        ("opencode", "/mcp/servers/thox"),
    ] {
        let plain = config(address, &[client], None).await;
        assert!(plain.status.success(), "{client}");
        let json: Value = serde_json::from_slice(&plain.stdout).unwrap();
        let server = json.pointer(pointer).unwrap();
        assert_eq!(server["url"], url, "{client}");
        assert!(server.get("headers").is_none(), "{client}: {server}");
        assert!(!plain.stderr.is_empty(), "where it goes is said");
        let keyed = config(address, &[client], Some(key)).await;
        let json: Value = serde_json::from_slice(&keyed.stdout).unwrap();
        let authorization = json.pointer(pointer).unwrap()["headers"]["Authorization"].clone();
        assert!(
            authorization.as_str().unwrap().starts_with("Bearer "),
            "{client}"
        );
        let said = [keyed.stdout, keyed.stderr].concat();
        assert!(
            !String::from_utf8(said).unwrap().contains(key),
            "{client} is given the key"
        );
        let stdio = config(address, &[client, "--stdio"], None).await;
        let text = String::from_utf8(stdio.stdout).unwrap();
        assert!(
            text.contains("\"thox\"") && text.contains("--host") && text.contains("\"mcp\""),
            "{text}"
        );
    }
    let toml = config(address, &["codex"], Some(key)).await;
    let text = String::from_utf8(toml.stdout).unwrap();
    assert_eq!(
        text,
        format!("[mcp_servers.thox]\nurl = \"{url}\"\nbearer_token_env_var = \"THOX_API_KEY\"\n")
    );
    // Codex hands on only the variables that it is told to.
    for (key, is_handed_on) in [(Some(key), true), (None, false)] {
        let toml = config(address, &["codex", "--stdio"], key).await;
        let text = String::from_utf8(toml.stdout).unwrap();
        let line = "env_vars = [\"THOX_API_KEY\"]";
        assert_eq!(text.contains(line), is_handed_on, "{text}");
    }
    let yaml = config(address, &["continue"], None).await;
    let text = String::from_utf8(yaml.stdout).unwrap();
    assert!(
        text.contains("type: streamable-http\n    url: \"http://127.0.0.1:8080/mcp\""),
        "{text}"
    );
}
