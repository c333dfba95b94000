//! What a device says when nobody asks: its name, and nothing else.

use super::{
    START, addresses,
    lan::{HUB, Lan, is_possible},
    packets::{Capture, Frame, read},
    within_time,
};
use std::{
    net::{IpAddr, Ipv4Addr},
    thread::sleep,
    time::Duration,
};

/// A host of no network of the test's (RFC 5737).
const FOREIGN: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// The frames that a device has no reason to send.
fn strange(capture: &Capture) -> Vec<Vec<u8>> {
    let port_of_mdns = 5353_u16.to_be_bytes();
    let mut frames = capture.frames();
    frames.retain(|frame| {
        // The one question of the test, asked until it is answered, is replied to without multicast.
        let is_reply = frame[23] == 17 && frame[34..36] == port_of_mdns;
        read(frame) == Frame::Other && !(is_reply && frame[30..34] == HUB.octets())
    });
    frames
}

/// Whether it asks the domain name system for a host of this name.
fn asks_for(frame: &[u8], label: &str) -> bool {
    let is_dns = frame[23] == 17 && frame[30..34] == HUB.octets() && frame[36..38] == [0, 53];
    is_dns
        && frame
            .windows(label.len())
            .any(|part| part == label.as_bytes())
}

/// Whether it is the first packet of a TCP connection to an address.
fn connects_to(frame: &[u8], address: Ipv4Addr) -> bool {
    let syn = 2;
    frame[23] == 6 && frame[30..34] == address.octets() && frame[47] == syn
}

#[test]
fn an_idle_device_says_nothing_but_its_name() {
    if !is_possible() {
        return;
    }
    let mut lan = Lan::new();
    let host = lan.host();
    let capture = Capture::start(&host.space);
    // With engines as they come: thoxd looks for Ollama on the machine itself.
    let thoxd = host
        .builder()
        .raw("engines.ollama", "enabled", "true")
        .raw("engines.starter", "enabled", "true")
        .raw("tls", "enabled", "true")
        .spawn();
    within_time("the device is found", START, || {
        addresses(lan.hub(), "thox.local") == [IpAddr::from(host.address)]
    });
    sleep(Duration::from_secs(30));
    let frames = capture.frames();
    let count =
        |wanted: fn(&Frame<'_>) -> bool| frames.iter().filter(|frame| wanted(&read(frame))).count();
    let told = count(|frame| matches!(frame, Frame::Mdns(_)));
    println!("{} frames, {told} of mDNS", frames.len());
    assert!(told >= 5, "probes and announcements are seen: {told}");
    assert!(
        count(|frame| *frame == Frame::Loopback) > 0,
        "the capture sees all links"
    );
    let said = strange(&capture);
    assert!(said.is_empty(), "{said:02x?}");
    drop(thoxd);
    // It could have: one that is made to look for a name and to call another network does not go unseen.
    let _talker = host
        .builder()
        .engine_at("named", "ollama", "http://phone-home.example:11434")
        .engine_at("foreign", "ollama", &format!("http://{FOREIGN}:11434"))
        .spawn();
    let sees = |wanted: &dyn Fn(&[u8]) -> bool| strange(&capture).iter().any(|one| wanted(one));
    within_time("a question for a name is seen", START, || {
        sees(&|frame| asks_for(frame, "phone-home"))
    });
    within_time("a connection to another network is seen", START, || {
        sees(&|frame| connects_to(frame, FOREIGN))
    });
}
