//! A claim over TLS with the real `thox`: the pin that it leaves, who is refused by it, and what renews it.

use super::{claim_code_of, person::Person};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};
use thox_tests::patience::{LIMIT, until};
use thox_tests::thoxd::{Builder, Thoxd};
use thox_tests::tls::{self, address, fingerprint};

fn encrypted(port: u16) -> Builder {
    let listen = format!("127.0.0.1:{port}");
    Thoxd::builder()
        .raw("tls", "enabled", "true")
        .list("tls", "listen", &[&listen])
}

fn url(address: SocketAddr) -> String {
    format!("https://{address}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_over_tls_pins_the_device_and_no_other_is_spoken_to() {
    let thoxd = encrypted(0).start().await;
    let secure = address(&thoxd);
    let person = Person::at(&url(secure));
    let code = claim_code_of(&thoxd);
    let own = fingerprint(&thoxd);
    // Nothing vouches for the certificate: the code is not sent, and the device is still to be had.
    let stranger = person.fails(&["claim", &code]);
    assert!(
        stranger.contains(&own) && person.stored().is_empty(),
        "{stranger}"
    );
    let wrong = "0".repeat(64);
    person.fails(&["claim", &code, "--fingerprint", &wrong]);
    assert_eq!(claim_code_of(&thoxd), code, "it is not used up");
    let claimed = person.says(&["claim", &code, "--fingerprint", &own]);
    assert!(claimed.contains(&own), "{claimed}");
    let warned = person.thox(&["auth", "enable"]);
    assert!(
        warned.status.success() && warned.stderr.is_empty(),
        "{warned:?}"
    );
    person.says(&["models", "list"]);

    // Another device in its place, on the same port.
    drop(thoxd);
    let other = encrypted(secure.port()).start().await;
    let impostor = fingerprint(&other);
    for arguments in [
        &["models", "list"][..],
        &["auth", "list-keys"],
        &["claim", "0000-0000"],
    ] {
        let refused = person.fails(arguments);
        assert!(
            refused.contains("is NOT the device that was trusted")
                && refused.contains(&own)
                && refused.contains(&impostor),
            "{arguments:?}: {refused}"
        );
    }
    let log = other.log();
    assert!(
        !log.contains("/v1/models") && !log.contains("/thox/v1/keys"),
        "{log}"
    );
    person.fails(&["trust", &own]);
    person.says(&["trust", &impostor]);
    person.says(&["claim", &claim_code_of(&other)]);
    person.says(&["auth", "list-keys"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_claimed_over_plain_http_is_asked_over_tls_from_then_on() {
    let thoxd = encrypted(0).start().await;
    let secure = url(address(&thoxd));
    let plain = thoxd.address.to_string();
    for written in [plain.clone(), format!("http://{plain}/v1")] {
        let person = Person::at(&written);
        let code = Person::on(&thoxd).says(&["claim-code"]);
        person.says(&["claim", &code]);
        // Without an engine it is unhealthy.
        let status = String::from_utf8(person.thox(&["status"]).stdout).unwrap();
        assert!(status.starts_with(&secure), "{written}: {status}");
        let list = person.says(&["auth", "list-keys"]);
        assert!(list.contains("admin"), "{list}");
        let stored = person.stored();
        assert_eq!(stored.matches("sk-").count(), 1, "{stored}");
        person.says(&["reset", "--yes", "thox.local"]);
        assert!(!person.stored().contains("sk-"), "{}", person.stored());
        let fresh = fingerprint_now(&thoxd);
        assert!(person.stored().contains(&fresh), "the new key is pinned");
        person.says(&["models", "list"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_outlives_the_renewal_of_an_own_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = tls::pair(folder.path(), "box.test");
    let set = |builder: Builder, name: &str, file: &Path| {
        builder.text("tls", name, &file.display().to_string())
    };
    let builder = set(encrypted(0), "certificate", &certificate);
    let thoxd = set(builder, "key", &key).start().await;
    let person = Person::at(&url(address(&thoxd)));
    let own = fingerprint(&thoxd);
    person.says(&["claim", &claim_code_of(&thoxd), "--fingerprint", &own]);
    let old = shown(&thoxd).await;
    tls::renewed(folder.path(), "box.test");
    until_other(&thoxd, &old).await;
    person.says(&["auth", "list-keys"]);
    // Of another key it is another device's.
    let (other, other_key) = tls::pair(folder.path(), "other.test");
    std::fs::copy(other_key, &key).unwrap();
    std::fs::copy(other, &certificate).unwrap();
    let refused = until("the other certificate is refused", || {
        let output = person.thox(&["auth", "list-keys"]);
        (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
    })
    .await;
    assert!(
        refused.contains("is NOT the device that was trusted"),
        "{refused}"
    );
}

/// Waits until handshakes are answered with another certificate.
async fn until_other(thoxd: &Thoxd, old: &[u8]) {
    let deadline = Instant::now() + LIMIT;
    while shown(thoxd).await == old {
        assert!(Instant::now() < deadline, "{}", thoxd.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn shown(thoxd: &Thoxd) -> Vec<u8> {
    let stream = tls::connect(address(thoxd), &[]).await.unwrap();
    tls::certificate(&stream)
}

/// As the device itself shows it now.
fn fingerprint_now(thoxd: &Thoxd) -> String {
    let status = Person::on(thoxd).says(&["--json", "claim-code"]);
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    status["tls_fingerprint"].as_str().unwrap().to_owned()
}
