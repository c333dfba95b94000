//! A device that the network reaches over TLS alone, its plain port being its own machine's.

use super::{
    BOUND, START, addresses,
    lan::{Lan, is_possible},
    packets::{Capture, Frame, answers, read},
    within_time,
};
use std::net::IpAddr;

#[test]
fn a_device_with_tls_alone_is_found_and_spoken_to() {
    if !is_possible() {
        return;
    }
    let mut lan = Lan::new();
    let host = lan.host();
    let capture = Capture::start(&host.space);
    let _thoxd = host
        .builder()
        .list("server", "listen", &["127.0.0.1:8080"])
        .raw("tls", "enabled", "true")
        .list("tls", "listen", &["0.0.0.0:8443"])
        .spawn();
    within_time("the device is found", START, || {
        addresses(lan.hub(), "thox.local") == [IpAddr::from(host.address)]
    });
    let is_told = |service: &str| {
        capture.frames().iter().any(|frame| match read(frame) {
            Frame::Mdns(message) => answers(message).iter().any(|record| record.name == service),
            Frame::Loopback | Frame::Kernel | Frame::Other => false,
        })
    };
    within_time("both services are told", BOUND, || {
        is_told("_https._tcp.local") && is_told("_thox._tcp.local")
    });
    assert!(!is_told("_http._tcp.local"), "nobody is answered there");

    let found = lan.thox(&["discover", "--json"]);
    let list: serde_json::Value = serde_json::from_slice(&found.stdout).unwrap();
    let device = &list["devices"][0];
    assert_eq!(device["name"], "thox.local", "{list}");
    assert_eq!(device["status"], "unhealthy", "{list}");
    assert_eq!(device["port"], 8443, "{list}");
    assert_eq!(device["tls_port"], 8443, "{list}");
    let table = lan.thox(&["discover", "--wait", "1"]);
    let table = String::from_utf8_lossy(&table.stdout);
    assert!(
        table.contains(&format!("https://{}:8443", host.address)),
        "{table}"
    );

    // Nothing is sent to a key that nobody has vouched for.
    let unknown = lan.thox(&["--host", "auto", "status"]);
    let told = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert_eq!(unknown.status.code(), Some(1), "{told}");
    let (_, pin) = told
        .split_once("thox --host https://thox.local:8443 trust ")
        .unwrap_or_else(|| panic!("how to go on is told: {told}"));
    let pin = pin.split_whitespace().next().unwrap();
    let pinned = lan.thox(&["--host", "auto", "trust", pin]);
    let told = String::from_utf8_lossy(&pinned.stderr);
    assert_eq!(pinned.status.code(), Some(0), "{told}");
    let status = lan.thox(&["--host", "auto", "--json", "status"]);
    let told = String::from_utf8_lossy(&status.stderr);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).expect(&told);
    assert_eq!(status["name"], "thox.local", "{told}");
    // It is known by its pin: a key is given to it, which it does not know.
    let with_key = lan.thox(&["--host", "auto", "--api-key", "sk-x", "status"]);
    let told = String::from_utf8_lossy(&with_key.stderr);
    assert!(told.contains("the device is thox.local"), "{told}");
    assert!(!told.contains("no key is given"), "{told}");
}
