//! Status, models, router, and which device is asked.

use crate::{
    command::{Running, run, thox},
    server::Server,
};
use std::{net::TcpListener, process::Stdio};

const HEALTH: &str = r#"{"status":"degraded","version":"0.1.0","uptime_seconds":3725,"backends":[
    {"name":"ollama","kind":"ollama","backend":"ollama","state":"up","version":"0.24.0","models":3},
    {"name":"gpu","kind":"trtllm","backend":"tensorrt","state":"down","reason":"connection refused","models":0}],
    "notes":["gpu does not answer; start it"],"from_the_future":1}"#;

#[test]
fn status_shows_what_the_device_says_of_itself() {
    let server = Server::canned(&[("GET /health ", 200, HEALTH)]);
    let host = server.host();
    let done = run(&["status", "--host", &host]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let expected = format!(
        "http://{host} is degraded\n\
         thoxd 0.1.0, up 1 h 2 min\n\
         \n\
         ENGINE  KIND    BACKEND   MODELS  VERSION  STATE\n\
         ollama  ollama  ollama    3       0.24.0   up\n\
         gpu     trtllm  tensorrt  0       -        down: connection refused\n\
         \n\
         note: gpu does not answer; start it\n"
    );
    assert_eq!(done.stdout, expected);

    let done = run(&["--json", "status", "--host", &host]);
    assert_eq!(done.stdout.trim_end(), HEALTH, "as the device sent it");
}

#[test]
fn status_shows_what_the_device_is_called_and_its_tls_key() {
    const SELF: &str = r#"{"name":"thox.local","version":"0.1.0","names":["thox.local","thox-1a2b.local","192.168.1.20"],
        "tls":{"ports":[8443],"fingerprint":"ab12","self_signed":true,"expires":1},"from_the_future":1}"#;
    let server = Server::canned(&[
        ("GET /health ", 200, HEALTH),
        ("GET /thox/v1/status ", 200, SELF),
    ]);
    let host = server.host();
    let done = run(&["status", "--host", &host]);
    let expected = format!(
        "http://{host} is degraded\n\
         thoxd 0.1.0, up 1 h 2 min\n\
         name: thox.local (also thox-1a2b.local, 192.168.1.20)\n\
         TLS:  port 8443, self-signed, expired\n      fingerprint ab12\n\n"
    );
    assert!(done.stdout.starts_with(&expected), "{}", done.stdout);
    let done = run(&["--json", "status", "--host", &host]);
    let document: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(document["status"], "degraded");
    assert_eq!(document["from_the_future"], 1);
    assert_eq!(document["device"]["name"], "thox.local");
    assert_eq!(document["device"]["from_the_future"], 1);
}

#[test]
fn an_unknown_model_is_explained_and_is_a_failure() {
    const UNKNOWN: &str = r#"{"model":"nope","parameters":null,"is_large":false,"chosen":null,"not_taken":[],"refusal":"no engine has it",
        "rules":{"large_model_threshold":"10B","default_model":"thox-coder"}}"#;
    const DOWN: &str = r#"{"model":"a","parameters":"7B","is_large":false,"chosen":null,
        "not_taken":[{"engine":"gpu","backend":"tensorrt","model":"a","reason":"it is down"}],"refusal":"it is down",
        "rules":{"large_model_threshold":"10B","default_model":"thox-coder"}}"#;
    let server = Server::canned(&[
        ("explain?model=nope ", 200, UNKNOWN),
        ("explain?model=a ", 200, DOWN),
    ]);
    let host = server.host();
    let done = run(&["router", "explain", "nope", "--host", &host]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(5), ""));
    assert!(
        done.stdout.ends_with("goes nowhere: no engine has it\n"),
        "{}",
        done.stdout
    );
    let done = run(&["router", "explain", "nope", "--json", "--host", &host]);
    assert_eq!((done.code, done.stdout.trim_end()), (Some(5), UNKNOWN));
    let done = run(&["router", "explain", "a", "--host", &host]);
    assert_eq!(done.code, Some(0), "it is there, and down: {done:?}");
}

#[test]
fn an_unhealthy_device_is_shown_and_is_a_failure() {
    const UNHEALTHY: &str =
        r#"{"status":"unhealthy","version":"0.1.0","uptime_seconds":1,"backends":[],"notes":[]}"#;
    let server = Server::canned(&[("GET /health ", 503, UNHEALTHY)]);
    let done = run(&["status", "--host", &server.host()]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(1), ""));
    assert!(done.stdout.contains("is unhealthy"), "{done:?}");
}

#[test]
fn models_are_listed() {
    const MODELS: &str = r#"{"object":"list","data":[
        {"id":"thox-coder","object":"model","created":1,"owned_by":"ollama","backend":"ollama","backends":["ollama","tensorrt"],
         "stands_for":"qwen2.5-coder:7b","parameters":7600000000,"capabilities":["completion","tools"],"context_length":32768,"loaded":true},
        {"id":"x","object":"model","created":1,"owned_by":"ollama","backend":"ollama","backends":["ollama"],"loaded":false}]}"#;
    let server = Server::canned(&[("GET /v1/models ", 200, MODELS)]);
    let done = run(&["models", "list", "--host", &server.host()]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(
        done.stdout,
        "NAME        SIZE  BACKEND          CONTEXT  LOADED  CAN               STANDS FOR\n\
         thox-coder  7.6B  ollama tensorrt  32k      yes     completion tools  qwen2.5-coder:7b\n\
         x           -     ollama           -        no      -                 \n"
    );
}

#[test]
fn the_router_explains_itself() {
    const STATUS: &str = r#"{"rules":{"large_model_threshold":"10B","default_model":"thox-coder"},
        "backends":[{"name":"ollama","kind":"ollama","backend":"ollama","state":"up","models":1,"circuit":"open","in_flight":1,"queued":2,"slots":4,"resident":["a","b"]}],
        "models":[{"id":"a","route":{"engine":"ollama","backend":"ollama","model":"a:7b","reason":"small"}},{"id":"b","route":null,"refusal":"nothing has it"}],
        "decisions":[{"at_ms":1,"request_id":"r","model":"a","endpoint":"chat","engine":"ollama","reason":"small","outcome":"completed","ms":12}]}"#;
    const EXPLANATION: &str = r#"{"model":"hf/a:7b","parameters":"7B","is_large":false,
        "chosen":{"engine":"ollama","backend":"ollama","model":"a","reason":"smaller than 10B"},
        "not_taken":[{"engine":"gpu","backend":"tensorrt","model":"","reason":"it is down"}],
        "rules":{"large_model_threshold":"10B","default_model":"thox-coder"}}"#;
    let server = Server::canned(&[
        ("GET /v1/router/status ", 200, STATUS),
        (
            "GET /thox/v1/router/explain?model=hf%2Fa%3A7b ",
            200,
            EXPLANATION,
        ),
    ]);
    let host = server.host();
    let done = run(&["router", "status", "--host", &host]);
    assert_eq!(done.code, Some(0), "{done:?}");
    for line in [
        "Models of 10B parameters and more prefer tensorrt; thox-coder always finds an answer.",
        "ollama  ollama   open     1 of 4   2        a b        up",
        "a      ollama   a:7b  small",
        "b      nowhere  -     nothing has it",
        "ago  a      chat  ollama  completed  12 ms  small",
    ] {
        assert!(
            done.stdout.contains(line),
            "no {line:?} in:\n{}",
            done.stdout
        );
    }
    let done = run(&["router", "explain", "hf/a:7b", "--host", &host]);
    assert_eq!(
        done.stdout,
        "hf/a:7b: 7B parameters, small (large is 10B and more)\n\n\
         goes to ollama (ollama) as a: smaller than 10B\n\
         not to  gpu (tensorrt) as -: it is down\n"
    );
}

#[test]
fn each_kind_of_failure_has_its_exit_code_and_a_next_step() {
    let error = |message: &str| {
        format!(r#"{{"error":{{"message":"{message}","type":"x","param":null,"code":"y"}}}}"#)
    };
    let server = Server::start(move |request, client| match request.line.as_str() {
        line if line.contains("model=locked") => client.reply(401, &error("a key is needed")),
        line if line.contains("model=absent") => client.reply(404, &error("no engine has it")),
        line if line.contains("model=broken") => client.reply(500, &error("it burns")),
        line if line.contains("model=strange") => client.reply(200, "<html>"),
        _ => client.reply(502, "bad gateway"),
    });
    let host = server.host();
    for (model, code, message) in [
        (
            "locked",
            4,
            "error: a key is needed\nnext:  give a key of the device by --api-key or THOX_API_KEY, or store it: thox config set api.key -\n",
        ),
        ("absent", 5, "error: no engine has it\n"),
        ("broken", 1, "error: it burns\n"),
        ("strange", 1, "answers, but not as a Thox device does"),
        ("proxied", 1, "error: the device answers 502 Bad Gateway\n"),
    ] {
        let done = run(&["router", "explain", model, "--host", &host]);
        assert_eq!(
            (done.code, done.stdout.as_str()),
            (Some(code), ""),
            "{model}"
        );
        assert!(done.stderr.contains(message), "{model}: {}", done.stderr);
    }
}

#[test]
fn a_device_that_is_not_there_is_unreachable() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    let done = run(&["status", "--host", &free]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(3), ""));
    assert_eq!(
        done.stderr,
        format!(
            "error: cannot reach http://{free}: connection refused\nnext:  is the device on and thoxd running? `thox --host NAME status` asks another one\n"
        )
    );
    let done = run(&["status", "--host", "no-such-device.invalid"]);
    assert_eq!(done.code, Some(3), "{done:?}");
    let done = run(&["status", "--host", "ftp://box"]);
    assert_eq!(done.code, Some(2), "{done:?}");
}

#[test]
fn host_and_key_come_from_options_or_environment() {
    let server = Server::canned(&[("GET /health ", 200, HEALTH)]);
    let other = Server::canned(&[("GET /health ", 200, HEALTH)]);
    let mut command = thox(&["status"]);
    command
        .env("THOX_HOST", format!("http://{}/v1", server.host()))
        .env("THOX_API_KEY", "sk-1");
    assert_eq!(Running::start(command).finish().code, Some(0));
    let mut command = thox(&["status", "--host", &other.host()]);
    command
        .env("THOX_HOST", server.host())
        .env("THOX_API_KEY", "");
    assert_eq!(Running::start(command).finish().code, Some(0));
    let (first, second) = (server.seen(), other.seen());
    // The health and the device itself.
    assert_eq!((first.len(), second.len()), (2, 2));
    for request in &first {
        assert_eq!(request.header("authorization"), Some("bearer sk-1"));
    }
    for request in &second {
        assert_eq!(request.header("authorization"), None);
    }
}

#[test]
fn a_reader_that_goes_away_is_no_mistake() {
    let server = Server::canned(&[("GET /health ", 200, HEALTH)]);
    let host = server.host();
    let mut command = thox(&["status", "--host", &host]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let done = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&done.stderr), "");
    assert_eq!(done.status.code(), Some(0));
}
