//! How the device is found on a network: two of them, cables that are pulled, addresses that change, avahi as the peer,
//! and that nothing else is said. Each bound is the product's own: two seconds for its reaction.
//!
//! - `lan`: a network of namespaces; `packets`: multicast DNS by hand, and all that goes over a wire.
//! - `avahi`: the resolver that most Linux hosts have.
//! - `encrypted`: a device that the network reaches over TLS alone; `links`: links that come later, a machine that slept.
//! - `quiet`: what a device says when nobody asks.

mod avahi;
mod encrypted;
mod lan;
mod links;
mod packets;
mod quiet;

use crate::bus::stage as bus;
use lan::{Host, Lan, get, is_possible};
use packets::{A, AAAA, Capture, Frame, addresses, answers, ask, read};
use std::{
    net::IpAddr,
    thread::sleep,
    time::{Duration, Instant},
};
use thox_tests::thoxd::Process;

/// In which the device has to be right after a change.
const BOUND: Duration = Duration::from_secs(2);

/// Probing takes up to a second (RFC 6762, 8.1), where the name is taken twice that, and a second more for a busy
/// machine.
const CONFLICT: Duration = Duration::from_secs(4);

/// Before a process is called slow to start.
const START: Duration = Duration::from_secs(10);

/// Waits for something, and tells how long it took.
fn within_time(what: &str, limit: Duration, mut is_so: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < limit, "waited {limit:?} until {what}");
        sleep(Duration::from_millis(20));
    }
    let taken = start.elapsed();
    println!("{what}: {taken:?}");
    taken
}

/// A host with a thoxd that has found its name.
fn settled(lan: &mut Lan, name: &str) -> (Host, Process) {
    let host = lan.host();
    let thoxd = host.thoxd();
    let at = IpAddr::from(host.address);
    within_time(&format!("{name} is found"), START, || {
        addresses(lan.hub(), name) == [at] && host.name().as_deref() == Some(name)
    });
    (host, thoxd)
}

#[test]
fn two_devices_share_out_the_names_and_each_knows_its_own() {
    if !is_possible() {
        return;
    }
    let mut lan = Lan::new();
    let (first, _one) = settled(&mut lan, "thox.local");
    let second = lan.host();
    let _two = second
        .builder()
        .raw("tls", "enabled", "true")
        .list("tls", "listen", &["0.0.0.0:8443"])
        .spawn();
    within_time("the second listens", START, || second.name().is_some());
    within_time("the second has another name", CONFLICT, || {
        second.name().as_deref() == Some("thox-2.local")
    });
    assert_eq!(first.name().as_deref(), Some("thox.local"));
    within_time("the second is found by its name", BOUND, || {
        addresses(lan.hub(), "thox-2.local") == [IpAddr::from(second.address)]
    });
    assert_eq!(
        addresses(lan.hub(), "thox.local"),
        [IpAddr::from(first.address)]
    );
    within_time("its certificate is for that name", BOUND, || {
        second.is_certified_for("thox-2.local")
    });
    assert!(!second.is_certified_for("thox-3.local"));
    // The Host check goes by the name in force.
    assert_eq!(second.status_under("thox-2.local:8080"), Some(503));
    assert_eq!(first.status_under("thox.local:8080"), Some(503));
    assert_eq!(first.status_under("thox-2.local:8080"), Some(403));
    // Though its system calls it so too: the name is the other's.
    assert_eq!(second.status_under("thox.local:8080"), Some(403));
    assert!(!second.is_certified_for("thox.local"));
    assert_eq!(second.status_under("thox:8080"), Some(503), "the host's");
    // Each has a name that stays, and answers to it.
    let (_, status) = get(
        lan.hub(),
        second.address,
        "thox-2.local:8080",
        "/thox/v1/status",
    )
    .unwrap();
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["name"], "thox-2.local");
    let names: Vec<&str> = status["names"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|name| name.as_str())
        .collect();
    let stable = names
        .iter()
        .find(|name| name.len() == "thox-abcdefgh.local".len() && name.starts_with("thox-"))
        .unwrap_or_else(|| panic!("no name with an id: {names:?}"));
    assert_eq!(addresses(lan.hub(), stable), [IpAddr::from(second.address)]);
}

#[test]
fn the_command_line_lists_the_devices_and_takes_the_only_one() {
    if !is_possible() {
        return;
    }
    let mut lan = Lan::new();
    let none = lan.thox(&["discover", "--wait", "1"]);
    let text = String::from_utf8_lossy(&none.stdout);
    assert_eq!(none.status.code(), Some(5), "{text}");
    // What is said of a firewall depends on the one that this machine has.
    let firewalls = [
        "let UDP port 5353 through",
        "`sudo ufw allow 5353/udp`",
        "`sudo firewall-cmd --add-service=mdns`",
    ];
    let lines: Vec<&str> = text.lines().collect();
    let has = |part: &str| {
        lines
            .iter()
            .any(|line| line.starts_with("- ") && line.contains(part))
    };
    assert_eq!(
        lines[0],
        "No Thox device answered within 1 s. What may be the reason:"
    );
    assert!(firewalls.into_iter().any(has), "{text}");
    assert!(has("mdns.enabled = false"), "{text}");

    let (first, _one) = settled(&mut lan, "thox.local");
    let only = lan.thox(&["--host", "auto", "--json", "status"]);
    let told = String::from_utf8_lossy(&only.stderr);
    let expected = format!("the device is thox.local ({})", first.address);
    assert!(told.contains(&expected), "{told}");
    let status: serde_json::Value = serde_json::from_slice(&only.stdout).unwrap();
    assert_eq!(status["name"], "thox.local");
    // No resolver of this namespace knows names of the network: `thox` asks for them itself.
    let by_name = lan.thox(&["--host", "thox.local", "--json", "status"]);
    let told = String::from_utf8_lossy(&by_name.stderr);
    let status: serde_json::Value = serde_json::from_slice(&by_name.stdout).expect(&told);
    assert_eq!(status["name"], "thox.local");
    let nobody = lan.thox(&["--host", "no-such.local", "status"]);
    let told = String::from_utf8_lossy(&nobody.stderr);
    assert_eq!(nobody.status.code(), Some(3), "{told}");
    assert!(
        told.contains("cannot reach http://no-such.local:8080"),
        "{told}"
    );
    // Whoever is on the network can tell that he is a device.
    let with_key = lan.thox(&["--host", "auto", "--api-key", "sk-x", "status"]);
    let told = String::from_utf8_lossy(&with_key.stderr);
    assert_eq!(with_key.status.code(), Some(1), "{told}");
    assert!(told.contains("no key is given to thox.local"), "{told}");

    let (second, _two) = settled(&mut lan, "thox-2.local");
    let start = Instant::now();
    let both = lan.thox(&["discover", "--json"]);
    assert!(
        start.elapsed() < Duration::from_secs(6),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(both.status.code(), Some(0));
    let list: serde_json::Value = serde_json::from_slice(&both.stdout).unwrap();
    let told = |field: &str| -> Vec<String> {
        let devices = list["devices"].as_array().unwrap().iter();
        devices.map(|device| device[field].to_string()).collect()
    };
    assert_eq!(told("name"), ["\"thox.local\"", "\"thox-2.local\""]);
    assert_eq!(told("status"), ["\"unhealthy\"", "\"unhealthy\""]);
    let expected = [&first, &second].map(|host| format!("[\"{}\"]", host.address));
    assert_eq!(told("addresses"), expected);
    let table = lan.thox(&["discover", "--wait", "1"]);
    let table = String::from_utf8_lossy(&table.stdout);
    assert!(table.starts_with("NAME"), "{table}");
    assert!(table.contains("unhealthy"), "{table}");

    let several = lan.thox(&["--host", "auto", "status"]);
    let told = String::from_utf8_lossy(&several.stderr);
    assert_eq!(several.status.code(), Some(2), "{told}");
    assert!(
        told.contains("there are 2 Thox devices") && told.contains("--host thox.local"),
        "{told}"
    );
}

#[test]
fn a_change_of_address_is_known_at_once() {
    if !is_possible() {
        return;
    }
    let mut lan = Lan::new();
    let (host, _thoxd) = settled(&mut lan, "thox.local");
    // One more.
    let more = "10.77.0.50".parse().unwrap();
    host.ip("addr add 10.77.0.50/24 dev eth0");
    within_time("the device answers to one more address", BOUND, || {
        host.status_under("10.77.0.50:8080") == Some(503)
    });
    within_time("one more address is told", BOUND, || {
        addresses(lan.hub(), "thox.local") == [IpAddr::from(host.address), more]
    });
    // Another one in the place of all.
    let other: IpAddr = "10.77.0.60".parse().unwrap();
    host.ip("addr flush dev eth0");
    host.ip("addr add 10.77.0.60/24 dev eth0");
    let start = Instant::now();
    within_time("the device answers to another address", BOUND, || {
        host.status_under("10.77.0.60:8080") == Some(503)
    });
    within_time(
        "another address is told",
        BOUND.saturating_sub(start.elapsed()),
        || addresses(lan.hub(), "thox.local") == [other],
    );
    assert_eq!(
        host.status_under("10.77.0.50:8080"),
        Some(403),
        "no longer its own"
    );
}

#[test]
fn a_cable_is_pulled_and_plugged_in_again() {
    if !is_possible() {
        return;
    }
    let mut lan = Lan::new();
    let (host, thoxd) = settled(&mut lan, "thox.local");
    lan.cable(&host, "down");
    within_time("the device notices the pulled cable", BOUND, || {
        thoxd.log().contains("no longer announced")
    });
    // Somebody else takes the name meanwhile, on the rest of the network.
    let (_other, _two) = settled(&mut lan, "thox.local");
    lan.cable(&host, "up");
    within_time(
        "the device is found again, by another name",
        CONFLICT,
        || addresses(lan.hub(), "thox-2.local") == [IpAddr::from(host.address)],
    );
    lan.cable(&host, "down");
    within_time("it notices again", BOUND, || {
        thoxd.log().matches("no longer announced").count() == 2
    });
    drop((_other, _two));
    lan.cable(&host, "up");
    within_time("the device is found again, by its own name", BOUND, || {
        addresses(lan.hub(), "thox.local") == [IpAddr::from(host.address)]
    });
}

#[tokio::test]
async fn another_name_is_told_on_the_bus() {
    if !is_possible() || !bus::can_be_tested() {
        return;
    }
    let mut bus = bus::Bus::down();
    bus.start().await;
    let mut lan = Lan::new();
    let host = lan.host();
    let thoxd = host
        .builder()
        .raw("dbus", "enabled", "true")
        .text("dbus", "address", &bus.address())
        .spawn();
    bus.wait_for(bus::NAME).await;
    within_time("the device has its name", START, || {
        addresses(lan.hub(), "thox.local") == [IpAddr::from(host.address)]
    });
    assert_eq!(bus.property("Name").await, "thox.local");
    lan.cable(&host, "down");
    within_time("the device notices the pulled cable", BOUND, || {
        thoxd.log().contains("no longer announced")
    });
    let (_other, _two) = settled(&mut lan, "thox.local");
    let signals = bus::Signals::of(&bus).await;
    lan.cable(&host, "up");
    let start = Instant::now();
    signals.wait_change("Name", "'thox-2.local'").await;
    assert!(start.elapsed() < CONFLICT, "{:?}", start.elapsed());
    assert_eq!(bus.property("Name").await, "thox-2.local");
}

#[test]
fn ipv6_is_told_where_it_is_answered() {
    if !is_possible() {
        return;
    }
    let mut lan = Lan::new();
    let host = lan.host();
    host.ip("addr add fd77::2/64 dev eth0 nodad");
    let _thoxd = host
        .builder()
        .list("server", "listen", &["[::]:8080"])
        .text("mdns", "hostname", "Box")
        .spawn();
    within_time("both kinds of address are told", START, || {
        ask(lan.hub(), "box.local", A) == [IpAddr::from(host.address)]
            && ask(lan.hub(), "box.local", AAAA) == ["fd77::2".parse::<IpAddr>().unwrap()]
    });
    host.ip("addr add fd77::3/64 dev eth0 nodad");
    let both = ["fd77::2", "fd77::3"].map(|text| text.parse::<IpAddr>().unwrap());
    within_time("one more is told", BOUND, || {
        ask(lan.hub(), "box.local", AAAA) == both
    });
    assert!(addresses(lan.hub(), "thox.local").is_empty());
}

#[test]
fn containers_hear_nothing_and_a_second_cable_is_no_rival() {
    if !is_possible() {
        return;
    }
    let mut lan = Lan::new();
    let host = lan.host();
    let container = [2, 0, 0, 0, 0, 0x99];
    host.ip("link add docker0 address 02:00:00:00:00:99 type veth peer name inside");
    host.ip("addr add 172.17.0.1/16 dev docker0");
    host.ip("link set inside up");
    host.ip("link set docker0 up");
    let capture = Capture::start(&host.space);
    lan.second_cable(&host);
    let _thoxd = host.thoxd();
    within_time("the device is found at its first cable", START, || {
        addresses(lan.hub(), "thox.local") == [IpAddr::from(host.address)]
    });
    // Longer than probing takes: it has not given its name up.
    sleep(BOUND);
    assert_eq!(host.name().as_deref(), Some("thox.local"));
    let told = |at: &[u8]| {
        let frames = capture.frames();
        let told = |frame: &&Vec<u8>| frame[6..12] == *at && matches!(read(frame), Frame::Mdns(_));
        frames.iter().filter(told).count()
    };
    assert_eq!(told(&container), 0);
    assert_eq!(told(&lan::SECOND_CABLE), 0);
    // The first cable is pulled: the second takes over.
    lan.cable(&host, "down");
    // As whatever manages a host's networks does; the kernel alone would go on sending there.
    host.ip("route del 10.77.0.0/24 dev eth0");
    within_time("the device is found at its second cable", BOUND, || {
        addresses(lan.hub(), "thox.local") == ["10.77.0.99".parse::<IpAddr>().unwrap()]
    });
    assert!(told(&lan::SECOND_CABLE) > 0, "the capture sees that link");
}

#[tokio::test]
async fn at_its_end_it_says_goodbye() {
    if !is_possible() {
        return;
    }
    let mut lan = Lan::new();
    let (host, mut thoxd) = settled(&mut lan, "thox.local");
    let capture = Capture::start(&host.space);
    thoxd.signal("TERM");
    assert!(thoxd.wait_exit().await.success());
    let gone = |name: &str| {
        capture.frames().iter().any(|frame| match read(frame) {
            Frame::Mdns(message) => answers(message)
                .iter()
                .any(|record| record.ttl == 0 && record.kind == A && record.name == name),
            Frame::Loopback | Frame::Kernel | Frame::Other => false,
        })
    };
    within_time("the goodbye is seen", BOUND, || gone("thox.local"));
    assert!(addresses(lan.hub(), "thox.local").is_empty());
}
