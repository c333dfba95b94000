//! `thox auth`, `thox api-key`, `thox data`: by the control socket and over the network.

use crate::{
    command::Home,
    device::{Device, Door},
    server::Server,
};
use serde_json::{Value, json};
use std::{fs, os::unix::fs::PermissionsExt as _, os::unix::net::UnixListener};

/// A home with the control socket of a device.
fn local(device: &Device) -> Home {
    let home = Home::new();
    Server::start_on(&home.control_socket(), device.answer(Door::Socket));
    home
}

#[test]
fn a_new_key_stands_alone_on_the_standard_output() {
    let device = Device::default();
    let home = Home::new();
    let seen = Server::start_on(&home.control_socket(), device.answer(Door::Socket));
    let done = home.run(&[
        "auth",
        "generate-key",
        "--name",
        "ci",
        "--scope",
        "admin",
        "--expires",
        "90d",
        "--rpm",
        "5",
        "--tpm",
        "6",
        "--class",
        "batch",
    ]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(done.stdout, format!("{}\n", Device::key(1)));
    assert!(!done.stderr.contains(&Device::key(1)[..12]), "{done:?}");
    assert!(
        done.stderr
            .starts_with("The key `ci` (admin, expires in 89 d 23 h")
            || done.stderr.contains("in 90 d"),
        "{done:?}"
    );
    assert!(done.stderr.contains("shown this once"), "{done:?}");
    let asked = seen.lock().unwrap().pop().unwrap();
    assert_eq!(asked.line, "POST /thox/v1/keys HTTP/1.1");
    assert_eq!(
        asked.header("authorization"),
        None,
        "the kernel tells who asks"
    );
    let wanted = json!({
        "name": "ci", "scope": "admin", "expires_in": 7_776_000, "requests_per_minute": 5, "tokens_per_minute": 6,
        "class": "batch",
    });
    assert_eq!(asked.json(), wanted);

    let done = home.run(&["api-key", "generate"]);
    assert_eq!(done.stdout, format!("{}\n", Device::key(2)));
    assert!(
        done.stderr.starts_with("The key `ada@")
            && done.stderr.contains("(inference, never expires"),
        "{done:?}"
    );
    let done = home.run(&["auth", "generate-key", "--name", "x", "--json"]);
    let document: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(
        (&document["key"], &document["name"]),
        (&Device::key(3).into(), &"x".into())
    );
    assert_eq!(home.stored(), "", "others' keys are not kept");
}

#[test]
fn options_of_a_key_are_checked_before_the_device_is_asked() {
    let home = Home::new();
    for arguments in [
        &["auth", "generate-key"][..],
        &["auth", "generate-key", "--name", "x", "--expires", "soon"],
        &["auth", "generate-key", "--name", "x", "--rpm", "0"],
        &["auth", "generate-key", "--name", "x", "--scope", "root"],
        &["auth", "revoke-key"],
    ] {
        assert_eq!(home.run(arguments).code, Some(2), "{arguments:?}");
    }
}

#[test]
fn keys_are_listed() {
    let home = local(&Device::with_keys(&["ci", "laptop"]));
    let done = home.run(&["auth", "list-keys"]);
    let lines: Vec<Vec<&str>> = done
        .stdout
        .lines()
        .map(|line| {
            line.split("  ")
                .filter(|cell| !cell.is_empty())
                .map(str::trim)
                .collect()
        })
        .collect();
    assert_eq!(
        lines[0],
        [
            "NAME",
            "PREFIX",
            "SCOPE",
            "CREATED",
            "LAST USED",
            "EXPIRES",
            "ID"
        ]
    );
    assert_eq!(lines[1][..3], ["ci", "sk-1111111", "inference"]);
    assert_eq!(lines[2][4..], ["never", "never", "k2"]);
    let done = home.run(&["auth", "list-keys", "--json"]);
    let document: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(document["data"][1]["name"], "laptop");
    let none = local(&Device::default()).run(&["auth", "list-keys"]);
    assert!(none.stdout.starts_with("There are no keys."), "{none:?}");
}

#[test]
fn a_key_is_revoked_by_what_names_it_alone() {
    let home = local(&Device::with_keys(&["ci", "ci", "laptop"]));
    let done = home.run(&["auth", "revoke-key", "ci"]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""));
    assert!(
        done.stderr
            .starts_with("error: 2 keys are meant by that:\n  k1  sk-1111111  ci\n  k2  "),
        "{done:?}"
    );
    assert!(
        done.stderr.ends_with("next:  name the one by its id\n"),
        "{done:?}"
    );
    let done = home.run(&["auth", "revoke-key", "nobody"]);
    assert_eq!(done.code, Some(5), "{done:?}");
    for (named, told) in [
        ("k2", "`ci` (sk-2222222…)"),
        ("ci", "`ci` (sk-1"),
        ("sk-33", "`laptop`"),
    ] {
        let done = home.run(&["auth", "revoke-key", named]);
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{named}");
        assert!(done.stdout.contains(told), "{named}: {done:?}");
    }
    assert!(
        home.run(&["auth", "list-keys"])
            .stdout
            .starts_with("There are no keys.")
    );
}

#[test]
fn rotating_the_own_key_goes_on_with_the_new_one() {
    let device = Device::with_keys(&["admin"]);
    let server = Server::start(device.answer(Door::Network));
    let (home, host) = (Home::new(), server.host());
    for place in [&host, "box"] {
        home.run(&["config", "set", "api.key", &Device::key(1), "--host", place]);
    }
    let done = home.run(&["auth", "rotate-key", "admin", "--host", &host]);
    assert_eq!(
        (done.code, done.stdout),
        (Some(0), format!("{}\n", Device::key(2)))
    );
    assert!(
        done.stderr
            .contains(&format!("thox's own key for {host}: the new one is stored")),
        "{}",
        done.stderr
    );
    let stored = home.stored();
    let of = |place: &str| {
        stored
            .split(&format!("\"{place}\"]"))
            .nth(1)
            .unwrap()
            .lines()
            .nth(1)
            .unwrap()
            .to_owned()
    };
    assert!(of(&host).contains(&Device::key(2)), "{stored}");
    assert!(
        of("box:8080").contains(&Device::key(1)),
        "another host's key is not this device's to change: {stored}"
    );
    let done = home.run(&["auth", "rotate-key", "admin", "--host", &host]);
    assert_eq!(
        done.code,
        Some(4),
        "the double takes its first key alone: {done:?}"
    );
    assert!(done.stderr.contains("a key of the scope admin"), "{done:?}");
}

#[test]
fn authentication_is_switched_and_what_is_missing_is_said() {
    let device = Device::default();
    let home = local(&device);
    let done = home.run(&["auth", "enable"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stdout.starts_with("Authentication is on"), "{done:?}");
    assert!(
        done.stderr
            .contains("warning: TLS is off, so keys travel readable")
            && done.stderr.contains("tls.enabled"),
        "{done:?}"
    );
    assert!(
        done.stderr.contains("warning: there is no key yet"),
        "{done:?}"
    );
    let done = home.run(&["auth", "status"]);
    assert!(
        done.stdout.starts_with(
            "authentication: on\nTLS:            off\nkeys:           0\nclaimed:        no"
        ),
        "{done:?}"
    );
    let done = home.run(&["auth", "disable", "--json"]);
    let document: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(
        (document["enabled"].as_bool(), done.stderr.as_str()),
        (Some(false), "")
    );

    let mut secure = Device::with_keys(&["a"]);
    secure.tls = json!({"ports": [8443], "fingerprint": "", "self_signed": true, "expires": 1});
    assert_eq!(local(&secure).run(&["auth", "enable"]).stderr, "");
}

#[test]
fn over_the_network_an_admin_key_is_needed() {
    let device = Device::with_keys(&["admin"]);
    let server = Server::start(device.answer(Door::Network));
    let (home, host) = (local(&device), server.host());
    let done = home.run(&["auth", "list-keys", "--host", &host]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(4), ""));
    assert!(
        done.stderr
            .starts_with("error: a key is needed\nnext:  give a key"),
        "{done:?}"
    );
    let done = home.run(&[
        "auth",
        "list-keys",
        "--host",
        &host,
        "--api-key",
        &Device::key(2),
    ]);
    assert_eq!(done.code, Some(4));
    let done = home.run(&[
        "auth",
        "list-keys",
        "--host",
        &host,
        "--api-key",
        &Device::key(1),
    ]);
    assert_eq!(done.code, Some(0), "{done:?}");
}

#[test]
fn a_socket_that_cannot_be_used_is_explained() {
    let home = Home::new();
    drop(UnixListener::bind(home.control_socket()).unwrap());
    let done = home.run(&["auth", "status"]);
    assert_eq!(done.code, Some(3), "{done:?}");
    assert!(
        done.stderr.contains("thoxd has stopped") && done.stderr.contains("systemctl start thoxd"),
        "{done:?}"
    );

    let done = home.run(&["auth", "status", "--control-socket", "/nonexistent/x.sock"]);
    assert_eq!(done.code, Some(3), "{done:?}");
    assert!(
        done.stderr
            .contains("there is no control socket at /nonexistent/x.sock"),
        "{done:?}"
    );

    if nix::unistd::geteuid().is_root() {
        return; // For root nothing is forbidden.
    }
    let home = local(&Device::default());
    let socket = home.control_socket();
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o000)).unwrap();
    let done = home.run(&["auth", "status"]);
    assert_eq!(done.code, Some(4), "{done:?}");
    assert!(
        done.stderr.contains("may not use the control socket")
            && done.stderr.contains("usermod -aG"),
        "{done:?}"
    );
}

#[test]
fn a_caller_whom_the_device_does_not_know_is_told_of_the_group() {
    let home = Home::new();
    Server::start_on(&home.control_socket(), |_, client| {
        client.reply(403, r#"{"error":{"message":"uid 1000 may not do this","type":"x","param":null,"code":"forbidden"}}"#);
    });
    let done = home.run(&["auth", "status"]);
    assert_eq!(done.code, Some(4));
    assert!(
        done.stderr
            .starts_with("error: uid 1000 may not do this\nnext:  its users are the group "),
        "{done:?}"
    );
}

#[test]
fn data_is_cleared_when_that_is_meant() {
    let device = Device::default();
    let home = Home::new();
    let seen = Server::start_on(&home.control_socket(), device.answer(Door::Socket));
    let done = home.run(&["data", "clear"]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(2), ""));
    assert!(
        done.stderr
            .contains("next:  say so in the command: thox data clear --yes"),
        "{done:?}"
    );
    assert!(seen.lock().unwrap().is_empty());
    let done = home.run(&["data", "clear", "--yes"]);
    assert_eq!(
        done.stdout,
        "Deleted: 12 lines of the audit log, 3 decisions.\n"
    );
    assert_eq!(
        seen.lock().unwrap()[0].line,
        "DELETE /thox/v1/data HTTP/1.1"
    );
    let done = home.run(&["data", "clear", "-y", "--json"]);
    assert_eq!(done.stdout, "{\"audit_lines\":12,\"decisions\":3}\n");
}
