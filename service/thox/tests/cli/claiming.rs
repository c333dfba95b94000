//! `thox claim` and `thox claim-code`.

use crate::{
    command::{Home, Running, in_terminal, wait},
    device::{CODE, Device, Door},
    identity::Identity,
    server::Server,
};
use serde_json::{Value, json};
use std::{fs, io::Write as _, os::unix::fs::PermissionsExt as _, thread, time::Duration};

#[test]
fn a_claim_stores_the_key_and_shows_it_nowhere() {
    let device = Device::default();
    let server = Server::start(device.answer(Door::Network));
    let (home, host) = (Home::new(), server.host());
    let done = home.run(&["claim", CODE, "--host", &host, "--name", "desk"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(
        done.stdout.starts_with(&format!(
            "http://{host} is yours. Its admin key `desk` is stored in "
        )),
        "{done:?}"
    );
    assert!(!(done.stdout + &done.stderr).contains("sk-"));
    let mode = fs::metadata(home.credentials())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let asked = &server.seen()[0];
    assert_eq!(asked.json(), json!({"code": CODE, "name": "desk"}));
    // It is used from now on.
    let done = home.run(&["auth", "list-keys", "--host", &host]);
    assert_eq!(done.code, Some(0), "{done:?}");

    let done = home.run(&["claim", CODE, "--host", &host]);
    assert_eq!(done.code, Some(1));
    assert!(
        done.stderr.starts_with(
            "error: the device has been claimed\nnext:  ask for a key whoever claimed it"
        ),
        "{done:?}"
    );
}

#[test]
fn a_code_is_read_where_none_is_typed_and_a_wrong_one_is_told() {
    let device = Device::default();
    let server = Server::start(device.answer(Door::Network));
    let (home, host) = (Home::new(), server.host());
    let done = home.run(&["claim", "--host", &host]);
    assert_eq!(done.code, Some(2), "{done:?}");
    assert!(done.stderr.contains("there is no claim code"), "{done:?}");
    let done = home.run(&["claim", "WRONG", "--host", &host]);
    assert_eq!(done.code, Some(4));
    assert!(
        done.stderr.contains(
            "the claim code is wrong\nnext:  the device shows its code itself: thox claim-code"
        ),
        "{done:?}"
    );
    assert_eq!(home.stored(), "");
    let done = home.run_with_input(&["claim", "--host", &host, "--json"], &format!("{CODE}\n"));
    assert_eq!(done.code, Some(0), "{done:?}");
    let document: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(
        (&document["id"], &document["prefix"]),
        (&"k1".into(), &"sk-1111111".into())
    );
    assert!(document.get("key").is_none(), "{document}");
}

#[test]
fn nothing_is_claimed_where_the_key_could_not_be_kept() {
    let device = Device::default();
    let server = Server::start(device.answer(Door::Network));
    let home = Home::new();
    fs::create_dir_all(home.credentials().parent().unwrap()).unwrap();
    fs::write(home.credentials(), "").unwrap();
    fs::set_permissions(home.credentials(), fs::Permissions::from_mode(0o644)).unwrap();
    let done = home.run(&["claim", CODE, "--host", &server.host()]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(
        done.stderr.contains("open to other users (mode 644)")
            && done.stderr.contains("chmod 600 "),
        "{done:?}"
    );
    let mut homeless = crate::command::thox(&["claim", CODE, "--host", &server.host()]);
    homeless.env("HOME", "");
    let done = Running::start(homeless).finish();
    assert!(done.stderr.contains("no place for credentials"), "{done:?}");
    assert!(server.seen().is_empty());
}

/// A device that tells of a TLS port on which it really speaks TLS.
fn with_tls(identity: &Identity) -> (Server, Server) {
    let mut device = Device::default();
    let secure = Server::start_tls(identity, device.answer(Door::Network));
    device.tls = json!({
        "ports": [secure.address.port()], "fingerprint": identity.fingerprint(), "self_signed": true, "expires": 1,
    });
    (Server::start(device.answer(Door::Network)), secure)
}

#[test]
fn a_claim_pins_the_devices_tls_key() {
    let identity = Identity::new();
    let (plain, secure) = with_tls(&identity);
    let home = Home::new();
    let done = home.run(&["claim", CODE, "--host", &plain.host()]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let pinned = format!(
        "TLS: https://{}, whose key is pinned: {}\n",
        secure.host(),
        identity.fingerprint()
    );
    assert!(done.stdout.ends_with(&pinned), "{done:?}");
    let before = plain.seen().len();
    for host in [format!("https://{}", secure.host()), plain.host()] {
        let done = home.run(&["auth", "list-keys", "--host", &host]);
        assert_eq!(done.code, Some(0), "{host}: {done:?}");
    }
    assert_eq!(
        plain.seen().len(),
        before,
        "nothing is asked over plain HTTP any more"
    );
    assert_eq!(home.stored().matches("sk-").count(), 1, "{}", home.stored());
}

#[test]
fn over_tls_a_claim_needs_to_know_the_device() {
    let identity = Identity::new();
    let (plain, secure) = with_tls(&identity);
    let (home, url) = (Home::new(), format!("https://{}", secure.host()));
    let done = home.run(&["claim", CODE, "--host", &url]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(
        done.stderr.contains("nothing vouches for the certificate"),
        "{done:?}"
    );
    let other = Identity::new().fingerprint();
    let done = home.run(&["claim", CODE, "--host", &url, "--fingerprint", &other]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(
        secure.seen().is_empty() && home.stored().is_empty(),
        "no code to a stranger"
    );
    let own = identity.fingerprint();
    let done = home.run(&[
        "claim",
        CODE,
        "--host",
        &plain.host(),
        "--fingerprint",
        &own,
    ]);
    assert_eq!(done.code, Some(2), "there is none to compare: {done:?}");
    let done = home.run(&["claim", CODE, "--host", &url, "--fingerprint", &own]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(home.stored().contains(&own), "{}", home.stored());
    assert_eq!(
        home.run(&["auth", "list-keys", "--host", &url]).code,
        Some(0)
    );
    assert!(plain.seen().is_empty());
}

#[test]
fn a_person_compares_the_fingerprint_before_the_code_is_sent() {
    let identity = Identity::new();
    let (_plain, secure) = with_tls(&identity);
    let (home, url) = (Home::new(), format!("https://{}", secure.host()));
    for (answer, code) in [("no\n", 1), ("yes\n", 0)] {
        let command = home.thox(&["claim", CODE, "--host", &url]);
        let (mut child, screen, mut keyboard) = in_terminal(command);
        screen.until(&identity.fingerprint(), 1);
        screen.until("show this fingerprint? [y/N]", 1);
        assert!(secure.seen().is_empty(), "nothing before the answer");
        keyboard.write_all(answer.as_bytes()).unwrap();
        assert_eq!(wait(&mut child), Some(code), "{}", screen.so_far());
    }
    assert!(home.stored().contains(&identity.fingerprint()));
}

#[test]
fn a_fingerprint_that_is_none_does_not_lose_the_key() {
    let mut device = Device::default();
    device.tls = json!({"ports": [8443], "fingerprint": "x", "self_signed": true, "expires": 1});
    let server = Server::start(device.answer(Door::Network));
    let home = Home::new();
    let done = home.run(&["claim", CODE, "--host", &server.host()]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(
        done.stdout.contains(" is yours. ") && done.stderr.contains("nothing is pinned"),
        "{done:?}"
    );
    assert!(home.stored().contains(&Device::key(1)));
}

#[test]
fn a_claim_does_not_change_a_pin() {
    let (plain, secure) = with_tls(&Identity::new());
    let home = Home::new();
    let old = "0".repeat(64);
    fs::create_dir_all(home.credentials().parent().unwrap()).unwrap();
    let text = format!(
        "[devices.\"{}\"]\ntls_fingerprint = \"{old}\"\n",
        secure.host()
    );
    fs::write(home.credentials(), text).unwrap();
    fs::set_permissions(home.credentials(), fs::Permissions::from_mode(0o600)).unwrap();
    let done = home.run(&["claim", CODE, "--host", &plain.host()]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(
        done.stderr
            .contains("warning: another TLS key is pinned for https://"),
        "{done:?}"
    );
    assert!(home.stored().contains(&old));
    assert_eq!(
        home.stored().matches("sk-").count(),
        1,
        "no key for a stranger: {}",
        home.stored()
    );
}

#[test]
fn the_claim_code_is_told_on_the_device_alone() {
    let device = Device::default();
    let home = Home::new();
    let done = home.run(&["claim-code"]);
    assert_eq!(done.code, Some(3), "{done:?}");
    assert!(
        done.stderr.contains("run this on the device itself"),
        "{done:?}"
    );

    Server::start_on(&home.control_socket(), device.answer(Door::Socket));
    let done = home.run(&["claim-code"]);
    assert_eq!((done.code, done.stdout), (Some(0), format!("{CODE}\n")));
    let done = home.run(&["claim-code", "--host", "box"]);
    assert_eq!(done.code, Some(2), "{done:?}");

    let server = Server::start(device.answer(Door::Network));
    assert_eq!(
        home.run(&["claim", CODE, "--host", &server.host()]).code,
        Some(0)
    );
    let done = home.run(&["claim-code"]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""));
    assert!(
        done.stderr.contains("claimed already")
            && done
                .stderr
                .contains("generate-key --name NAME --scope admin"),
        "{done:?}"
    );
    let done = home.run(&["claim-code", "--json"]);
    assert_eq!(
        (done.code, done.stdout.as_str()),
        (
            Some(1),
            "{\"claimed\":true,\"code\":null,\"page\":null,\"tls_fingerprint\":null}\n"
        )
    );
}

#[test]
fn a_code_is_shown_for_a_telephone() {
    let device = Device::default();
    let home = Home::new();
    Server::start_on(&home.control_socket(), device.answer(Door::Socket));
    let done = home.run(&["claim-code", "--qr"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let mut lines = done.stdout.lines();
    assert_eq!((lines.next(), lines.next()), (Some(CODE), Some("")));
    let rows: Vec<&str> = lines.collect();
    assert!(
        rows.len() > 15 && rows[0].chars().all(|c| c == '█'),
        "{done:?}"
    );
    assert!(!done.stdout.contains('\x1b'), "colours are for terminals");
    let page = format!("http://thox.local:8080/#claim={CODE}\n");
    assert!(done.stderr.contains(&page), "{done:?}");
    let (mut child, screen, _keyboard) = in_terminal(home.thox(&["claim-code", "--qr"]));
    assert_eq!(wait(&mut child), Some(0));
    screen.until("\x1b[97;40m█", 15);
}

#[test]
fn the_console_shows_the_code_until_the_device_is_claimed() {
    let mut device = Device::default();
    device.tls = json!({"fingerprint": "f".repeat(64)});
    let home = Home::new();
    let console = home.credentials().with_file_name("console");
    let socket = home.control_socket();
    fs::write(&console, "kernel\n").unwrap();
    let place = console.display().to_string();
    // thoxd starts later than the command.
    let waiting = Running::start(home.thox(&["claim-code", "--console", &place, "--wait", "15s"]));
    thread::sleep(Duration::from_millis(300));
    Server::start_on(&socket, device.answer(Door::Socket));
    let done = waiting.finish();
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), ""), "{done:?}");
    let text = fs::read_to_string(&console).unwrap();
    let fingerprint = "f".repeat(64);
    for part in [
        "kernel\n",
        &format!("Its claim code: {CODE}\r\n"),
        &format!("thox --host http://thox.local:8080 claim {CODE}\r\n"),
        &format!("http://thox.local:8080/#claim={CODE}\r\n"),
        &fingerprint,
        "█▀",
    ] {
        assert!(text.contains(part), "{part:?} is missing: {text}");
    }
    assert!(text.lines().count() <= 26, "it fits a screen: {text}");

    let server = Server::start(device.answer(Door::Network));
    let done = home.run(&["claim", CODE, "--host", &server.host()]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let done = home.run(&["claim-code", "--console", &place]);
    assert_eq!(
        (done.code, done.stdout.as_str(), done.stderr.as_str()),
        (Some(0), "", "")
    );
    assert_eq!(
        fs::read_to_string(&console).unwrap(),
        text,
        "claimed: nothing more is said"
    );
}

#[test]
fn a_console_without_thoxd_or_without_a_terminal_is_told() {
    let home = Home::new();
    let none = home
        .credentials()
        .with_file_name("none")
        .display()
        .to_string();
    let done = home.run(&["claim-code", "--console", &none, "--wait", "1s"]);
    assert_eq!(done.code, Some(3), "{done:?}");
    Server::start_on(
        &home.control_socket(),
        Device::default().answer(Door::Socket),
    );
    let done = home.run(&["claim-code", "--console", &none]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(
        done.stderr
            .contains(&format!("{none} cannot be written to")),
        "{done:?}"
    );
    assert_eq!(home.run(&["claim-code", "--wait", "1s"]).code, Some(2));
}
