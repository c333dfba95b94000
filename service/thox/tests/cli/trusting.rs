//! HTTPS: pins, the system's roots, and `thox trust`.

use crate::{
    command::{Home, Running, in_terminal, wait},
    device::{Device, Door},
    identity::Identity,
    server::Server,
};
use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    thread,
};

fn secure(identity: &Identity) -> Server {
    Server::start_tls(
        identity,
        Device::with_keys(&["admin"]).answer(Door::Network),
    )
}

#[test]
fn a_certificate_that_nothing_vouches_for_is_refused_with_what_to_do() {
    let identity = Identity::new();
    let server = secure(&identity);
    let (home, url) = (Home::new(), format!("https://{}", server.host()));
    let done = home.run(&["status", "--host", &url, "--api-key", &Device::key(1)]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""));
    assert!(
        done.stderr.starts_with(&format!(
            "error: nothing vouches for the certificate of {url}"
        )),
        "{done:?}"
    );
    let fingerprint = identity.fingerprint();
    assert!(
        done.stderr
            .ends_with(&format!("thox --host {url} trust {fingerprint}\n")),
        "{done:?}"
    );
    assert!(server.seen().is_empty(), "no key goes to a stranger");
}

#[test]
fn a_trusted_device_is_spoken_to_and_no_other_under_its_name() {
    let identity = Identity::new();
    let server = secure(&identity);
    let (home, url) = (Home::new(), format!("https://{}", server.host()));
    let done = home.run(&["--host", &url, "trust", &identity.fingerprint()]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(
        done.stdout.starts_with(&format!("{url} is pinned in ")),
        "{done:?}"
    );
    let done = home.run(&["status", "--host", &url]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(
        done.stdout.starts_with(&format!("{url} is healthy")),
        "{done:?}"
    );
    // However the address is written: nothing goes over plain HTTP any more.
    let done = home.run(&["status", "--host", &server.host()]);
    assert!(
        done.stdout.starts_with(&format!("{url} is healthy")),
        "{done:?}"
    );

    // Another key in the pin's place is what an impostor's key in the device's place is.
    let stored = home.stored();
    let other = Identity::new().fingerprint();
    fs::write(
        home.credentials(),
        stored.replace(&identity.fingerprint(), &other),
    )
    .unwrap();
    let before = server.seen().len();
    for host in [&url, &server.host()] {
        let done = home.run(&["status", "--host", host, "--api-key", "sk-1"]);
        assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""));
        assert!(
            done.stderr
                .starts_with(&format!("error: {url} is NOT the device that was trusted")),
            "{done:?}"
        );
        assert!(
            done.stderr.contains(&format!(
                "pinned: {other}\nshown:  {}",
                identity.fingerprint()
            )),
            "{done:?}"
        );
    }
    assert_eq!(server.seen().len(), before, "nothing was sent");
}

#[test]
fn a_pin_outlives_the_certificate() {
    let identity = Identity::new();
    let server = secure(&identity.renew());
    let (home, url) = (Home::new(), format!("https://{}", server.host()));
    assert_eq!(
        home.run(&["--host", &url, "trust", &identity.fingerprint()])
            .code,
        Some(0)
    );
    assert_eq!(home.run(&["status", "--host", &url]).code, Some(0));
}

#[test]
fn who_shows_the_certificate_without_having_its_key_is_refused() {
    let identity = Identity::new();
    let server = secure(&identity.impostor());
    let (home, url) = (Home::new(), format!("https://{}", server.host()));
    let done = home.run(&["--host", &url, "trust", &identity.fingerprint()]);
    assert_eq!(done.code, Some(3), "{done:?}");
    assert!(
        done.stderr
            .contains("TLS failed: invalid peer certificate: BadSignature"),
        "{done:?}"
    );
    assert_eq!(home.stored(), "");
    // With the true key pinned, as it would be.
    let text = format!(
        "[devices.\"{}\"]\ntls_fingerprint = \"{}\"\n",
        server.host(),
        identity.fingerprint()
    );
    fs::create_dir_all(home.credentials().parent().unwrap()).unwrap();
    fs::write(home.credentials(), text).unwrap();
    fs::set_permissions(home.credentials(), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(home.run(&["status", "--host", &url]).code, Some(3));
    assert!(server.seen().is_empty());
}

#[test]
fn nothing_is_pinned_that_was_not_meant() {
    let identity = Identity::new();
    let server = secure(&identity);
    let (home, url) = (Home::new(), format!("https://{}", server.host()));
    let done = home.run(&["--host", &url, "trust", &"0".repeat(64)]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""));
    assert!(
        done.stderr
            .contains("is NOT the device that is meant, so nothing was pinned"),
        "{done:?}"
    );
    let done = home.run(&["--host", &url, "trust", "abc"]);
    assert_eq!(done.code, Some(2), "{done:?}");
    let done = home.run(&["--host", &url, "trust"]);
    assert_eq!(
        done.code,
        Some(2),
        "nobody is there to confirm it: {done:?}"
    );
    assert!(
        done.stderr
            .contains(&format!("fingerprint:     {}", identity.fingerprint())),
        "{done:?}"
    );
    assert!(
        done.stderr.contains("certificate for: thox.local"),
        "{done:?}"
    );
    assert_eq!(home.stored(), "");
}

#[test]
fn a_person_confirms_what_is_pinned() {
    let identity = Identity::new();
    let server = secure(&identity);
    let (home, url) = (Home::new(), format!("https://{}", server.host()));
    for (answer, code) in [("\n", 1), ("no\n", 1), ("yes\n", 0)] {
        let (mut child, screen, mut keyboard) = in_terminal(home.thox(&["--host", &url, "trust"]));
        screen.until("show this fingerprint? [y/N]", 1);
        keyboard.write_all(answer.as_bytes()).unwrap();
        assert_eq!(
            wait(&mut child),
            Some(code),
            "{answer:?}: {}",
            screen.so_far()
        );
        assert_eq!(
            home.stored().contains(&identity.fingerprint()),
            code == 0,
            "{answer:?}"
        );
    }
}

#[test]
fn the_systems_roots_need_no_pin() {
    let identity = Identity::new();
    let server = secure(&identity);
    let home = Home::new();
    let roots = home.credentials().with_file_name("roots.pem");
    fs::create_dir_all(roots.parent().unwrap()).unwrap();
    fs::write(&roots, identity.pem()).unwrap();
    let mut command = home.thox(&["status", "--host", &format!("https://{}", server.host())]);
    command.env("SSL_CERT_FILE", &roots);
    let done = Running::start(command).finish();
    assert_eq!(done.code, Some(0), "{done:?}");
    // Under a name that is not in the certificate it does not count.
    let port = server.address.port();
    let mut command = home.thox(&["status", "--host", &format!("https://localhost:{port}")]);
    command.env("SSL_CERT_FILE", &roots);
    let done = Running::start(command).finish();
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stderr.contains("it is for another name"), "{done:?}");
}

#[test]
fn two_mixed_up_ports_are_told() {
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = plain.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = plain.accept().unwrap();
        let mut hello = [0; 4096];
        let _ = stream.read(&mut hello).unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .unwrap();
    });
    let done = Home::new().run(&["status", "--host", &format!("https://{host}")]);
    assert_eq!(done.code, Some(3), "{done:?}");
    assert!(
        done.stderr.contains("it does not speak TLS at this port"),
        "{done:?}"
    );
}
