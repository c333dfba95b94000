//! `thox reset`.

use crate::{
    command::{Home, in_terminal, wait},
    device::{CODE, Device, Door},
    identity::Identity,
    server::Server,
};
use serde_json::{Value, json};
use std::io::Write as _;

/// A home whose user has claimed a device behind a plain server, which is cloned for other doors.
fn owner(device: &Device) -> (Home, Server) {
    let server = Server::start(device.answer(Door::Network));
    let home = Home::new();
    let done = home.run(&["claim", CODE, "--host", &server.host()]);
    assert_eq!(done.code, Some(0), "{done:?}");
    (home, server)
}

#[test]
fn a_reset_has_to_be_confirmed_by_the_devices_name() {
    let (home, server) = owner(&Device::default());
    let host = server.host();
    let done = home.run(&["reset", "--host", &host]);
    assert_eq!(done.code, Some(2), "{done:?}");
    assert!(
        done.stderr.contains("thox reset --yes thox.local")
            && done.stderr.contains("There is no way back."),
        "{done:?}"
    );
    let done = home.run(&["reset", "--host", &host, "--yes", "other.local"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stderr.contains("not this device's name"), "{done:?}");
    assert!(home.stored().contains(&Device::key(1)), "nothing was done");

    for (typed, code) in [("\n", 1), ("thox.local\n", 0)] {
        let (mut child, screen, mut keyboard) = in_terminal(home.thox(&["reset", "--host", &host]));
        screen.until("Type the device's name, thox.local, to go on:", 1);
        keyboard.write_all(typed.as_bytes()).unwrap();
        assert_eq!(wait(&mut child), Some(code), "{}", screen.so_far());
    }
    let asked = server.seen().into_iter().rev();
    let asked: Vec<Value> = asked
        .filter(|request| request.line.contains("/reset"))
        .map(|request| request.json())
        .collect();
    assert_eq!(asked[0], json!({"confirm": "thox.local"}));
    assert!(!home.stored().contains("sk-"), "{}", home.stored());
}

#[test]
fn a_reset_tells_what_is_gone_and_what_is_not() {
    let (home, server) = owner(&Device::default());
    let arguments = ["reset", "--host", &server.host(), "--yes", "thox.local"];
    let done = home.run(&arguments);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(
        done.stdout
            .starts_with("thox.local is new again: 1 keys revoked, 5 lines")
            && done.stdout.contains("/etc/thox/90-thox.toml"),
        "{done:?}"
    );
    for words in [
        "until thoxd is restarted",
        "/var/lib/thox/factory-reset",
        "thox claim-code",
    ] {
        assert!(done.stderr.contains(words), "{words}: {done:?}");
    }
}

#[test]
fn on_the_device_the_new_code_is_told_and_models_may_stay() {
    let device = Device::with_keys(&["a", "b"]);
    let home = Home::new();
    let seen = Server::start_on(&home.control_socket(), device.answer(Door::Socket));
    let done = home.run(&["reset", "--yes", "thox.local", "--keep-models"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(
        done.stderr
            .contains(&format!("Claim it again: thox claim {CODE}"))
            && !done.stderr.contains("factory-reset"),
        "{done:?}"
    );
    let asked = seen.lock().unwrap()[0].json();
    assert_eq!(asked, json!({"confirm": "thox.local", "keep_models": true}));
}

#[test]
fn the_new_tls_key_is_pinned_where_the_old_one_was() {
    let (old, new) = (Identity::new(), Identity::new().fingerprint());
    let mut device = Device::default();
    device.next_fingerprint = Some(new.clone());
    let secure = Server::start_tls(&old, device.answer(Door::Network));
    let (home, url) = (Home::new(), format!("https://{}", secure.host()));
    let done = home.run(&[
        "claim",
        CODE,
        "--host",
        &url,
        "--fingerprint",
        &old.fingerprint(),
    ]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let done = home.run(&["--json", "reset", "--host", &url, "--yes", "thox.local"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let told: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(told["tls_fingerprint"], new.as_str());
    let stored = home.stored();
    assert!(
        stored.contains(&new) && !stored.contains(&old.fingerprint()) && !stored.contains("sk-"),
        "{stored}"
    );
}

#[test]
fn where_the_settings_have_gone_nothing_is_remembered() {
    let identity = Identity::new();
    let mut device = Device::default();
    let secure = Server::start_tls(&identity, device.answer(Door::Network));
    device.tls = json!({
        "ports": [secure.address.port()], "fingerprint": identity.fingerprint(), "self_signed": true, "expires": 1,
    });
    let (home, plain) = owner(&device);
    assert!(home.stored().contains("tls_port"), "{}", home.stored());
    let done = home.run(&["reset", "--host", &plain.host(), "--yes", "thox.local"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(!home.stored().contains("devices"), "{}", home.stored());
    // TLS may be off now: it is spoken to as a new device is.
    let done = home.run(&["claim", CODE, "--host", &plain.host()]);
    assert_eq!(done.code, Some(0), "{done:?}");
}
