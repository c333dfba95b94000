//! A request's head as a stranger writes it: names, origins, keys. Nobody gets past the guard who has no key.
//!
//! The first byte says where the stranger is; each line is a header, a line that begins with a slash is the target.
#![no_main]

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
};
use tempfile::TempDir;
use thox_policy::access::Plane;
use thoxd::{
    guard::{Guard, audit::Audit},
    keys::Keys,
    lan::Lan,
    settings,
};

const STRANGERS: [&str; 4] = ["127.0.0.1", "fe80::1", "203.0.113.7", "2001:db8::7"];

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((&place, text)) = input.split_first() else { return };
    let guard = guard();
    let mut headers = HeaderMap::new();
    let mut target = Uri::from_static("/");
    for line in text.split(|byte| *byte == b'\n') {
        if line.starts_with(b"/") || line.starts_with(b"http") {
            target = Uri::try_from(line).unwrap_or(target);
            continue;
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = line.split_at(colon);
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(&value[1..])) {
            headers.append(name, value);
        }
    }
    let hosts: Vec<_> = headers.get_all("host").iter().collect();
    match guard.look(&target, &headers) {
        Ok(_) => {
            let named = target.authority().map(|named| named.as_str().to_owned());
            let named = named.or_else(|| hosts[0].to_str().ok().map(str::to_owned)).expect("somebody is named");
            let named = named.to_ascii_lowercase();
            assert!(is_ours(&named), "{named}");
            let origin = headers.get("origin").map(|origin| origin.to_str().expect("text").to_ascii_lowercase());
            if let Some(origin) = origin.filter(|origin| origin != "https://listed.example") {
                let (_, page) = origin.split_once("://").expect("an origin");
                assert_eq!(page.split(':').next(), named.split(':').next(), "{origin}");
            }
        }
        Err(error) => assert!(!error.message.is_empty()),
    }
    let address: IpAddr = STRANGERS[usize::from(place) % STRANGERS.len()].parse().expect("an address");
    let visitor = guard.visitor(address, false);
    for plane in [Plane::Administration, Plane::Device] {
        assert!(guard.admit(plane, &visitor, &headers).is_err(), "{plane:?}");
    }
    let is_near = usize::from(place) % STRANGERS.len() < 2;
    assert_eq!(guard.admit(Plane::Inference, &visitor, &headers).is_ok(), is_near);
});

/// Whether what a stranger calls us is a loopback address, the device's name, or a name or address of the machine that
/// the fuzzer runs on, which an input may well hit upon.
fn is_ours(named: &str) -> bool {
    static LAN: OnceLock<Arc<Lan>> = OnceLock::new();
    let lan = LAN.get_or_init(|| Lan::new(&[]));
    let host = match named.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((literal, _)) => literal,
        None => named.split(':').next().unwrap_or(named),
    };
    match host.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(address) => address.is_loopback() || lan.now().addresses().any(|own| own == address),
        Err(_) => lan.now().names.contains(host.trim_end_matches('.')),
    }
}

/// A guard whose only key nobody has seen.
fn guard() -> &'static Arc<Guard> {
    static GUARD: OnceLock<(Arc<Guard>, TempDir)> = OnceLock::new();
    let (guard, _) = GUARD.get_or_init(|| {
        let folder = TempDir::new().expect("a folder");
        let settings = settings::parse_text("[auth]\nallowed_origins = [\"https://listed.example\"]").expect("settings");
        let keys = Keys::open(folder.path()).expect("keys");
        let asked = serde_json::from_str(r#"{"name":"unseen","scope":"admin"}"#).expect("a request");
        keys.make(&asked).expect("a key");
        let guard = Guard::new(&settings, keys, Lan::new(&[]), Audit::new(false, folder.path()));
        (guard, folder)
    });
    guard
}
