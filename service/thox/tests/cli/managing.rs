//! Models that come and go, the log: what a person at a terminal sees, and what a script gets.

use crate::{
    command::{in_terminal, run, thox, wait},
    server::Server,
};
use serde_json::{Value, json};

fn download(state: &str, bytes: u64) -> Value {
    json!({
        "id": "dl_1", "object": "model.download", "model": "llama3.2:3b", "engine": "ollama", "state": state,
        "status": "downloading", "bytes": bytes, "total": 2_000_000_000, "bytes_per_second": 10_000_000, "created": 1,
        "finished": null, "error": null, "from_the_future": 1
    })
}

/// A device at which a download ends like this.
fn device(last: &Value) -> (Server, String) {
    let lines = format!("{}\n\n{last}\n", download("running", 500_000_000));
    let begun = download("queued", 0).to_string();
    let told = lines.clone();
    let server = Server::start(move |request, client| {
        let (status, body) = match request.line.split(" HTTP").next() {
            Some("POST /thox/v1/models/downloads" | "POST /thox/v1/models/builds") => (202, &begun),
            Some("GET /thox/v1/models/downloads/dl_1?follow=true") => (200, &told),
            other => panic!("{other:?} was asked for"),
        };
        client.reply(status, body);
    });
    (server, lines)
}

#[test]
fn a_person_sees_how_far_it_is_and_a_script_only_the_end() {
    let (server, lines) = device(&download("succeeded", 2_000_000_000));
    let host = server.host();
    let pull = ["models", "pull", "llama3.2:3b", "--host", &host];
    let (mut child, screen, _keyboard) = in_terminal(thox(&pull));
    assert_eq!(wait(&mut child), Some(0));
    screen.until("llama3.2:3b is on ollama: 2.0 GB.", 1);
    let seen = screen.so_far();
    assert!(
        seen.contains("500.0 MB of 2.0 GB  25 %  10.0 MB/s  2 min 30 s left"),
        "{seen:?}"
    );
    let done = run(&pull);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{done:?}");
    assert_eq!(done.stdout, "llama3.2:3b is on ollama: 2.0 GB.\n");
    let done = run(&[&pull[..], &["--json"]].concat());
    assert_eq!(
        done.stdout,
        lines.replace("\n\n", "\n"),
        "as the device sent it"
    );
}

#[test]
fn each_end_has_its_exit_code() {
    let mut failed = download("failed", 0);
    failed["error"] = json!({"message": "the disk is full", "type": "server_error", "param": null, "code": "engine_error"});
    let mut missing = failed.clone();
    missing["error"]["code"] = json!("model_not_found");
    for (last, code, words) in [
        (failed, 1, "the disk is full"),
        (missing, 5, "the disk is full"),
        (download("cancelled", 1), 1, "was cancelled"),
        (
            download("running", 1),
            1,
            "thox models downloads tells whether it goes on",
        ),
        (json!("none"), 1, "strangely"),
    ] {
        let (server, _) = device(&last);
        let done = run(&["models", "pull", "llama3.2:3b", "--host", &server.host()]);
        assert_eq!(
            (done.code, done.stdout.as_str()),
            (Some(code), ""),
            "{last}"
        );
        assert!(done.stderr.contains(words), "{last}: {}", done.stderr);
    }
}

#[test]
fn a_build_is_told_of_as_a_build() {
    let build = |state: &str| {
        let mut build = download(state, 500_000_000);
        build["object"] = json!("model.build");
        build["engine"] = json!("tensorrt");
        build["total"] = Value::Null;
        build["bytes_per_second"] = Value::Null;
        build["status"] = json!("compiling, 12 min so far");
        build
    };
    let (server, _) = device(&build("succeeded"));
    let host = server.host();
    let command = ["models", "build", "llama3.2:3b", "--host", &host];
    let done = run(&command);
    assert_eq!(
        (done.code, done.stdout.as_str()),
        (Some(0), "llama3.2:3b is built, and tensorrt serves it.\n"),
        "{done:?}"
    );
    for (last, words) in [
        ("cancelled", "the build of llama3.2:3b was cancelled"),
        ("running", "thox models build follows it again"),
    ] {
        let (server, _) = device(&build(last));
        let host = server.host();
        let done = run(&["models", "build", "llama3.2:3b", "--host", &host]);
        assert_eq!(done.code, Some(1), "{last}");
        assert!(done.stderr.contains(words), "{last}: {}", done.stderr);
    }
}

#[test]
fn a_log_cannot_steer_the_terminal() {
    let line = json!({"number": 1, "at_ms": 1_767_225_600_007_u64, "level": "warn", "target": "t", "message": "a\u{1b}[2Jb"});
    let text = format!("\n{line}\n");
    let server = Server::start(move |request, client| {
        let wanted = "GET /thox/v1/logs?lines=5&follow=false&level=warn ";
        assert!(request.line.starts_with(wanted), "{}", request.line);
        client.reply(200, &text);
    });
    let host = server.host();
    let logs = ["logs", "-n", "5", "--level", "warn", "--host", &host];
    assert_eq!(
        run(&logs).stdout,
        "2026-01-01T00:00:00.007Z warn  a\u{1b}[2Jb\n",
        "into a pipe it goes unchanged"
    );
    let (mut child, screen, _keyboard) = in_terminal(thox(&logs));
    assert_eq!(wait(&mut child), Some(0));
    screen.until("a[2Jb", 1);
}
