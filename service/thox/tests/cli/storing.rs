//! `thox config get|set api.key`, and which key a device gets.

use crate::{
    command::{Home, Running, run},
    device::{Device, HEALTH},
    server::Server,
};
use std::{fs, os::unix::fs::PermissionsExt as _};

#[test]
fn a_stored_key_is_for_its_device_alone() {
    let server = Server::canned(&[("GET /health ", 200, HEALTH)]);
    let other = Server::canned(&[("GET /health ", 200, HEALTH)]);
    let (home, host) = (Home::new(), server.host());
    let key = Device::key(7);
    let done = home.run(&[
        "config",
        "set",
        "api.key",
        &key,
        "--host",
        &format!("http://{host}/v1"),
    ]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(
        done.stdout
            .starts_with(&format!("The key sk-777777… for {host} is stored in ")),
        "{done:?}"
    );
    home.run(&["status", "--host", &host]);
    home.run(&["status", "--host", &other.host()]);
    let mut command = home.thox(&["status", "--host", &host, "--api-key", "sk-option"]);
    command.env("THOX_API_KEY", "sk-variable");
    Running::start(command).finish();
    let mut command = home.thox(&["status", "--host", &host]);
    command.env("THOX_API_KEY", "sk-variable");
    Running::start(command).finish();
    let keys: Vec<Option<String>> = server
        .seen()
        .iter()
        .filter(|request| request.line.contains("/health"))
        .map(|request| request.header("authorization").map(str::to_owned))
        .collect();
    let bearer = |key: &str| Some(format!("bearer {key}"));
    assert_eq!(
        keys,
        [bearer(&key), bearer("sk-option"), bearer("sk-variable")]
    );
    assert!(
        other
            .seen()
            .iter()
            .all(|request| request.header("authorization").is_none())
    );
}

#[test]
fn the_own_key_is_shown_whole_only_where_that_is_asked_for() {
    let (home, key) = (Home::new(), Device::key(7));
    let get = |more: &[&str]| {
        let arguments = [&["config", "get", "api.key", "--host", "box"], more].concat();
        home.run(&arguments)
    };
    let done = get(&[]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(5), ""));
    assert!(
        done.stderr
            .starts_with("error: no key is stored for box:8080\nnext:  store one"),
        "{done:?}"
    );
    let done = home.run_with_input(
        &["config", "set", "api.key", "-", "--host", "BOX"],
        &format!("{key}\n"),
    );
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(!(done.stdout + &done.stderr).contains(&key));
    assert_eq!(get(&[]).stdout, "sk-777777…\n");
    assert_eq!(get(&["--json"]).stdout, "\"sk-777777…\"\n");
    assert_eq!(get(&["--reveal"]).stdout, format!("{key}\n"));
    assert_eq!(
        home.run(&["config", "set", "api.key", "", "--host", "box"])
            .code,
        Some(0)
    );
    assert_eq!(get(&[]).code, Some(5));
    assert!(
        home.run(&["config", "explain", "api.key"])
            .stdout
            .contains("credentials.toml")
    );
    assert_eq!(
        home.run(&["config", "get", "server.listen", "--reveal"])
            .code,
        Some(2)
    );
    let done = home.run(&[
        "config", "set", "api.key", "k", "--host", "box", "--file", "/tmp/x",
    ]);
    assert_eq!(done.code, Some(2), "{done:?}");
    let done = home.run(&["config", "set", "api.key", "a\nb", "--host", "box"]);
    assert_eq!(done.code, Some(2), "{done:?}");
}

#[test]
fn credentials_that_others_can_read_or_that_are_broken_are_not_used() {
    let server = Server::canned(&[("GET /health ", 200, HEALTH)]);
    let (home, host) = (Home::new(), server.host());
    home.run(&["config", "set", "api.key", &Device::key(7), "--host", &host]);
    let set_mode =
        |mode| fs::set_permissions(home.credentials(), fs::Permissions::from_mode(mode)).unwrap();
    set_mode(0o640);
    let done = home.run(&["status", "--host", &host]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""));
    let file = home.credentials();
    assert!(
        done.stderr
            .contains(&format!("next:  chmod 600 {}", file.display())),
        "{done:?}"
    );
    assert!(server.seen().is_empty());
    set_mode(0o600);
    fs::write(
        &file,
        format!("[devices.x]\napi_key = \"{}\n", Device::key(7)),
    )
    .unwrap();
    let done = home.run(&["status", "--host", &host]);
    assert_eq!(done.code, Some(1));
    assert!(
        done.stderr.contains("line 2 is no TOML") && !done.stderr.contains("sk-"),
        "{done:?}"
    );
}

#[test]
fn a_home_that_is_not_there_is_no_mistake() {
    let server = Server::canned(&[("GET /health ", 200, HEALTH)]);
    assert_eq!(run(&["status", "--host", &server.host()]).code, Some(0));
}
