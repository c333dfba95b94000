//! The device's system: what a person at a terminal sees, and what a script gets.

use crate::{
    command::{in_terminal, run, thox, wait},
    server::Server,
};
use serde_json::{Value, json};

fn update(state: &str, percent: Option<u8>) -> Value {
    let progress = percent.map(|percent| json!({"percent": percent, "step": "Copying image"}));
    json!({
        "object": "update", "available": true, "note": null, "state": state, "version": "1.5.0", "progress": progress,
        "slots": [
            {"name": "A", "version": null, "running": true, "next": true, "good": true},
            {"name": "B", "version": "1.4.0", "running": false, "next": false, "good": false},
        ],
        "last": {"outcome": "rolled_back", "version": "1.4.0", "at": 1, "from_the_future": 1},
    })
}

/// A device at which an installation ends like this.
fn device(last: &Value) -> (Server, String) {
    let lines = format!("{}\n\n{last}\n", update("installing", Some(40)));
    let (begun, told) = (update("installing", None).to_string(), lines.clone());
    let why = json!({"object": "update.evidence", "last": null, "reason": "the disk is full", "evidence": null});
    let server = Server::start(move |request, client| {
        let (status, body) = match request.line.split(" HTTP").next() {
            Some("POST /thox/v1/update/install") => (202, &begun),
            Some("GET /thox/v1/update?follow=true") => (200, &told),
            Some("GET /thox/v1/update/why") => (200, &why.to_string()),
            other => panic!("{other:?} was asked for"),
        };
        client.reply(status, body);
    });
    (server, lines)
}

#[test]
fn a_person_sees_how_far_it_is_and_a_script_each_line() {
    let (server, lines) = device(&update("staged", None));
    let host = server.host();
    let install = ["update", "install", "--host", &host];
    let (mut child, screen, _keyboard) = in_terminal(thox(&install));
    assert_eq!(wait(&mut child), Some(0));
    screen.until("Version 1.5.0 is installed.", 1);
    let seen = screen.so_far();
    assert!(seen.contains("1.5.0   40 %  Copying image"), "{seen:?}");
    let done = run(&[&install[..], &["--json"]].concat());
    assert_eq!(done.code, Some(0));
    assert_eq!(done.stdout, lines.replace("\n\n", "\n"));
}

#[test]
fn each_end_has_its_exit_code() {
    for (last, words) in [
        (
            update("offered", None),
            "was not installed: the disk is full",
        ),
        (update("idle", None), "was not installed: the disk is full"),
        (update("installing", Some(41)), "tells whether it goes on"),
        (json!("none"), "strangely"),
    ] {
        let (server, _) = device(&last);
        let done = run(&["update", "install", "--host", &server.host()]);
        assert_eq!((done.code, &*done.stdout), (Some(1), ""), "{last}");
        assert!(done.stderr.contains(words), "{last}: {}", done.stderr);
    }
}

#[test]
fn what_runs_and_how_the_last_one_ended() {
    let server = Server::start(|request, client| {
        assert!(request.line.starts_with("GET /thox/v1/update "));
        client.reply(200, &update("offered", None).to_string());
    });
    let done = run(&["update", "status", "--host", &server.host()]);
    for words in [
        "Version 1.5.0 is offered: thox update install\n",
        "The last update: 1.4.0 did not work and was rolled back (thox update why), ",
        "A     as flashed  runs, starts next\n",
        "B     1.4.0       bad\n",
    ] {
        assert!(done.stdout.contains(words), "{words}: {}", done.stdout);
    }
}
