//! The certificate over the years: made, kept, renewed, replaced, with a clock that is right or not.

use super::{clock::RELEASED, *};
use rcgen::{CertificateParams, KeyPair};
use rustls::{
    client::verify_server_name,
    pki_types::{ServerName, pem::PemObject as _},
    server::ParsedCertificate,
};
use std::{fs, net::IpAddr, os::unix::fs::PermissionsExt as _, path::PathBuf};

const DAY: u64 = 86_400;
/// Some day when the clock is right.
const TODAY: u64 = RELEASED + 100 * DAY;

fn names(names: &[&str], addresses: &[&str]) -> Names {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let addresses: Vec<IpAddr> = addresses.iter().map(|a| a.parse().unwrap()).collect();
    Names::new(&names, &addresses)
}

fn usual() -> Names {
    names(&["thox.local"], &["192.0.2.7"])
}

fn has(certified: &Certified, name: &str) -> bool {
    let der = certified.key.end_entity_cert().unwrap();
    let parsed = ParsedCertificate::try_from(der).unwrap();
    verify_server_name(&parsed, &ServerName::try_from(name).unwrap()).is_ok()
}

fn der(certified: &Certified) -> Vec<u8> {
    certified.key.end_entity_cert().unwrap().to_vec()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn the_key_is_made_once_and_for_nobody_else_to_read() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("state/tls");
    let first = Device::open(folder.clone())
        .unwrap()
        .certified(&usual(), TODAY)
        .unwrap();
    assert_eq!(
        (mode(&folder), mode(&folder.join("key.pem"))),
        (0o700, 0o600)
    );
    let again = Device::open(folder.clone())
        .unwrap()
        .certified(&usual(), TODAY)
        .unwrap();
    assert_eq!(
        der(&first),
        der(&again),
        "a restart is no reason for another"
    );
    assert_eq!(
        fs::read_dir(&folder).unwrap().count(),
        2,
        "nothing is left behind"
    );

    fs::set_permissions(folder.join("key.pem"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    Device::open(folder.clone()).unwrap();
    assert_eq!(
        (mode(&folder), mode(&folder.join("key.pem"))),
        (0o700, 0o600)
    );
}

#[test]
fn the_certificate_is_what_clients_take() {
    let root = tempfile::tempdir().unwrap();
    let device = Device::open(root.path().join("tls")).unwrap();
    let all = names(
        &["Thox.local.", "thox", "no name", "", "bad_but_used"],
        &[
            "192.0.2.7",
            "2001:db8::7",
            "::ffff:192.0.2.8",
            "0.0.0.0",
            "::",
        ],
    );
    let certified = device.issue(&all, TODAY).unwrap();
    for name in [
        "thox.local",
        "thox",
        "192.0.2.7",
        "192.0.2.8",
        "2001:db8::7",
    ] {
        assert!(has(&certified, name), "{name}");
    }
    assert!(!has(&certified, "evil.example") && !has(&certified, "0.0.0.0"));
    let leaf = &certified.leaf;
    assert!(leaf.is_self_signed);
    let days = (leaf.not_after - leaf.not_before) / DAY;
    assert!(days <= 397, "{days} days");
    assert!(leaf.not_before < TODAY && leaf.not_after > TODAY + 390 * DAY);
    let other = device.issue(&all, TODAY).unwrap();
    assert_eq!(leaf.fingerprint(), other.leaf.fingerprint());
    assert_ne!(
        der(&certified),
        der(&other),
        "each has a serial number of its own"
    );
    let fingerprint = leaf.fingerprint();
    assert_eq!(fingerprint.len(), 64);
    assert!(fingerprint.bytes().all(|digit| digit.is_ascii_hexdigit()));
    // rustls's own reading of the same key.
    assert_eq!(certified.key.key.public_key().unwrap().as_ref(), leaf.key());
    assert!(
        device
            .issue(&Names::new(&[], &[]), TODAY)
            .is_ok_and(|one| has(&one, "localhost"))
    );
}

#[test]
fn it_is_renewed_before_its_end_and_when_a_name_is_missing() {
    let root = tempfile::tempdir().unwrap();
    let device = Device::open(root.path().join("tls")).unwrap();
    let first = device.certified(&usual(), TODAY).unwrap();
    let kept = root.path().join("tls/certificate.pem");
    let text_of_first = fs::read(&kept).unwrap();
    for (what, names, now, is_good) in [
        ("the same day", usual(), TODAY, true),
        (
            "31 days before its end",
            usual(),
            first.leaf.not_after - 31 * DAY,
            true,
        ),
        (
            "29 days before its end",
            usual(),
            first.leaf.not_after - 29 * DAY,
            false,
        ),
        (
            "long after its end",
            usual(),
            first.leaf.not_after + 900 * DAY,
            false,
        ),
        (
            "made by a clock that ran ahead",
            usual(),
            first.leaf.not_before - 1,
            false,
        ),
        ("a clock that starts in 1970", usual(), 3600, true),
        (
            "one more name",
            names(&["thox.local", "thox-2.local"], &["192.0.2.7"]),
            TODAY,
            false,
        ),
        (
            "another address",
            names(&["thox.local"], &["192.0.2.8"]),
            TODAY,
            false,
        ),
        (
            "no address any more",
            names(&["thox.local"], &[]),
            TODAY,
            true,
        ),
        (
            "one more name in 1970",
            names(&["thox-2.local"], &[]),
            3600,
            false,
        ),
    ] {
        assert_eq!(device.is_good(&first, &names, now), is_good, "{what}");
        let next = device.certified(&names, now).unwrap();
        assert_eq!(der(&next) == der(&first), is_good, "{what}");
        assert_eq!(next.leaf.fingerprint(), first.leaf.fingerprint(), "{what}");
        let pem = rustls::pki_types::CertificateDer::from_pem_file(&kept).unwrap();
        assert_eq!(pem.to_vec(), der(&next), "{what}: the one in force is kept");
        fs::write(&kept, &text_of_first).unwrap();
    }
}

#[test]
fn a_clock_that_starts_in_1970_makes_a_certificate_that_others_take() {
    let root = tempfile::tempdir().unwrap();
    let device = Device::open(root.path().join("tls")).unwrap();
    let made = device.certified(&usual(), 3600).unwrap();
    assert!(made.leaf.not_before < RELEASED && made.leaf.not_after > RELEASED + 390 * DAY);
    assert!(
        device.is_good(&made, &usual(), 7200),
        "it stays until the clock is right"
    );
    assert!(device.is_good(&made, &usual(), TODAY));
    assert!(
        !device.is_good(&made, &usual(), RELEASED + 400 * DAY),
        "the clock was set"
    );
}

#[test]
fn a_key_that_cannot_be_understood_is_set_aside() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("tls");
    let first = Device::open(folder.clone())
        .unwrap()
        .certified(&usual(), TODAY)
        .unwrap();
    fs::write(folder.join("key.pem"), b"\xff\x00 half a").unwrap();
    let second = Device::open(folder.clone())
        .unwrap()
        .certified(&usual(), TODAY)
        .unwrap();
    assert_ne!(first.leaf.fingerprint(), second.leaf.fingerprint());
    assert_eq!(
        fs::read(folder.join("key.pem.broken")).unwrap(),
        b"\xff\x00 half a"
    );

    fs::write(folder.join("certificate.pem"), "nonsense").unwrap();
    let third = Device::open(folder.clone())
        .unwrap()
        .certified(&usual(), TODAY)
        .unwrap();
    assert_eq!(second.leaf.fingerprint(), third.leaf.fingerprint());
}

#[test]
fn a_folder_that_cannot_be_used_is_named() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("tls"), "a file").unwrap();
    let Err(error) = Device::open(root.path().join("tls")) else {
        panic!("a file is no folder");
    };
    let text = error.to_string();
    assert!(
        text.contains("/tls\"") && text.contains("tls.enabled"),
        "{text}"
    );
}

#[test]
fn new_names_are_served_at_once_and_the_pin_stays() {
    let root = tempfile::tempdir().unwrap();
    let settings = settings::parse_text("").unwrap().tls;
    let tls = Tls::open(&settings, root.path(), usual()).unwrap();
    let (before, pin) = (tls.0.served.current(), tls.fingerprint());
    tls.set_names(usual());
    assert_eq!(der(&before), der(&tls.0.served.current()));
    tls.set_names(names(&["thox-2.local"], &[]));
    let after = tls.0.served.current();
    assert!(has(&after, "thox-2.local") && !has(&before, "thox-2.local"));
    assert_eq!(tls.fingerprint(), pin);
    assert!(tls.is_self_signed());

    tls.look(after.leaf.not_after - DAY);
    let renewed = tls.0.served.current();
    assert!(has(&renewed, "thox-2.local") && tls.expires() > after.leaf.not_after);
    assert_eq!(tls.fingerprint(), pin);
}

/// A certificate and a key of the user's.
struct Pair {
    certificate: PathBuf,
    key: PathBuf,
}

impl Pair {
    fn write(folder: &Path, name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let pair = Self {
            certificate: folder.join("own.pem"),
            key: folder.join("own.key"),
        };
        fs::write(&pair.certificate, params.self_signed(&key).unwrap().pem()).unwrap();
        fs::write(&pair.key, key.serialize_pem()).unwrap();
        pair
    }

    fn open(&self) -> Result<(Own, Certified), CannotServe> {
        Own::open(&self.certificate, &self.key, TODAY)
    }

    fn error(&self) -> String {
        self.open().map(|_| ()).unwrap_err().to_string()
    }
}

#[test]
fn own_files_that_are_of_no_use_are_told_apart() {
    let root = tempfile::tempdir().unwrap();
    let pair = Pair::write(root.path(), "own.example");
    let (certificate, key) = (
        fs::read_to_string(&pair.certificate).unwrap(),
        fs::read_to_string(&pair.key).unwrap(),
    );
    assert!(has(&pair.open().unwrap().1, "own.example"));
    let others = KeyPair::generate().unwrap().serialize_pem();
    let cut: String = certificate.lines().take(4).collect::<Vec<_>>().join("\n");
    let not_der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (what, certificate, key, expected) in [
        ("empty", "", key.as_str(), "number 1 in it: there is none"),
        (
            "a key instead",
            key.as_str(),
            key.as_str(),
            "there is none in it",
        ),
        (
            "cut",
            cut.as_str(),
            key.as_str(),
            "certificate number 1 in it",
        ),
        (
            "no DER",
            not_der,
            key.as_str(),
            "certificate number 1 in it",
        ),
        (
            "second broken",
            &format!("{certificate}{not_der}"),
            key.as_str(),
            "number 2 in it",
        ),
        ("no key", certificate.as_str(), "", "BEGIN PRIVATE KEY"),
        (
            "another's key",
            certificate.as_str(),
            others.as_str(),
            "not the key of the first",
        ),
    ] {
        fs::write(&pair.certificate, certificate).unwrap();
        fs::write(&pair.key, key).unwrap();
        let error = pair.error();
        assert!(error.contains(expected), "{what}: {error}");
        assert!(
            error.contains(root.path().to_str().unwrap()),
            "{what}: {error}"
        );
    }
    fs::remove_file(&pair.key).unwrap();
    fs::write(&pair.certificate, &certificate).unwrap();
    let error = pair.error();
    assert!(
        error.starts_with("tls.key = ") && error.contains("No such file"),
        "{error}"
    );
}

#[test]
fn own_files_are_taken_up_when_they_are_whole_and_right() {
    let root = tempfile::tempdir().unwrap();
    let pair = Pair::write(root.path(), "one.example");
    let (own, _) = pair.open().unwrap();
    assert!(own.look(TODAY).is_none(), "nothing has changed");

    Pair::write(root.path(), "two.example");
    assert!(own.look(TODAY).is_none(), "perhaps still being written");
    assert!(own.look(TODAY).is_some_and(|new| has(&new, "two.example")));
    assert!(own.look(TODAY).is_none() && own.look(TODAY).is_none());

    fs::write(&pair.certificate, "broken").unwrap();
    for _ in 0..3 {
        assert!(own.look(TODAY).is_none(), "what is broken is not served");
    }
    fs::remove_file(&pair.key).unwrap();
    for _ in 0..3 {
        assert!(own.look(TODAY).is_none());
    }
    Pair::write(root.path(), "three.example");
    assert!(own.look(TODAY).is_none());
    assert!(
        own.look(TODAY)
            .is_some_and(|new| has(&new, "three.example"))
    );
}

#[test]
fn own_certificates_of_authorities_are_not_self_signed() {
    let root = tempfile::tempdir().unwrap();
    let pair = Pair::write(root.path(), "x");
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::default();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    authority
        .distinguished_name
        .push(rcgen::DnType::CommonName, "authority");
    let issuer = rcgen::Issuer::new(authority.clone(), authority_key);
    let key = KeyPair::from_pem(&fs::read_to_string(&pair.key).unwrap()).unwrap();
    let mut params = CertificateParams::new(["own.example".to_owned()]).unwrap();
    (params.not_before, params.not_after) = (
        rcgen::date_time_ymd(2026, 11, 1),
        rcgen::date_time_ymd(2051, 2, 3),
    );
    let leaf = params.signed_by(&key, &issuer).unwrap();
    fs::write(&pair.certificate, leaf.pem()).unwrap();
    let (_, certified) = pair.open().unwrap();
    assert!(!certified.leaf.is_self_signed);
    assert_eq!(certified.leaf.not_before, RELEASED);
    assert_eq!(certified.leaf.not_after, 2_558_995_200);
}

#[test]
fn a_forgotten_key_is_another_at_once_and_after_a_restart() {
    let root = tempfile::tempdir().unwrap();
    let settings = settings::parse_text("").unwrap().tls;
    let tls = Tls::open(&settings, root.path(), usual()).unwrap();
    let (old, expires) = (tls.fingerprint(), tls.expires());
    fs::write(folder(root.path()).join("key.pem.broken"), "older").unwrap();
    tls.forget_key(root.path()).unwrap();
    let new = tls.fingerprint();
    assert!(new != old && tls.expires() >= expires);
    assert!(has(&tls.0.served.current(), "thox.local"));
    assert_eq!(fs::read_dir(folder(root.path())).unwrap().count(), 2);
    let again = Tls::open(&settings, root.path(), usual()).unwrap();
    assert_eq!(again.fingerprint(), new);
}
