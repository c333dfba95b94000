//! Every route with every credential in every place: what passes is what may, and nothing changes without right.

use super::{Owned, filled, routes, send, with_key};
use serde_json::{Value, json};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Credential {
    None,
    Wrong,
    Malformed,
    Expired,
    Revoked,
    Inference,
    Admin,
}

const CREDENTIALS: [Credential; 7] = [
    Credential::None,
    Credential::Wrong,
    Credential::Malformed,
    Credential::Expired,
    Credential::Revoked,
    Credential::Inference,
    Credential::Admin,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Bearer,
    Header,
    Query,
    Cookie,
}

const PLACES: [Place; 4] = [Place::Bearer, Place::Header, Place::Query, Place::Cookie];

fn is_administration(path: &str) -> bool {
    [
        "/thox/v1/auth",
        "/thox/v1/keys",
        "/thox/v1/data",
        "/thox/v1/reset",
        "/thox/v1/models",
        "/thox/v1/settings",
        "/thox/v1/logs",
        "/thox/v1/restart",
        "/thox/v1/update/why",
        "/thox/v1/update/install",
        "/thox/v1/update/rollback",
        "/thox/v1/engines",
        "/thox/v1/reboot",
    ]
    .iter()
    .any(|start| path.starts_with(start))
}

fn is_public(path: &str) -> bool {
    let is_page = path == "/" || path.starts_with("/page/");
    is_page || ["/health", "/v1/health", "/openapi.json", "/thox/v1/claim"].contains(&path)
}

/// What must be the same before and after a request that may change nothing.
async fn state(device: &Owned) -> [Value; 4] {
    let mut keys = device.admin("GET", "/thox/v1/keys", None).await.json();
    for key in keys["data"].as_array_mut().unwrap() {
        key["last_used"] = Value::Null;
    }
    let auth = device.admin("GET", "/thox/v1/auth", None).await.json();
    let settings = device.admin("GET", "/thox/v1/settings", None).await.json();
    let status = device.admin("GET", "/thox/v1/status", None).await.json();
    [keys, auth, settings, status["instance"].clone()]
}

#[tokio::test]
async fn every_route_with_every_credential() {
    let device = Owned::new().await;
    let (inference, _) = device.key(&json!({ "name": "inference" })).await;
    let (expired, _) = device
        .key(&json!({ "name": "expired", "scope": "admin", "expires_in": 1 }))
        .await;
    let (revoked, id) = device
        .key(&json!({ "name": "revoked", "scope": "admin" }))
        .await;
    let gone = device
        .admin("DELETE", &format!("/thox/v1/keys/{id}"), None)
        .await;
    assert_eq!(gone.status, 200);
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let wrong = format!("sk-{}", "a".repeat(43));
    let (mut asked, mut passed, mut refused) = (0, 0, 0);
    for is_locked in [false, true] {
        let set = json!({ "enabled": is_locked });
        let reply = device.admin("PUT", "/thox/v1/auth", Some(&set)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let before = state(&device).await;
        for (method, path, body) in routes(device.address()).await {
            for credential in CREDENTIALS {
                for place in PLACES {
                    let key = match credential {
                        Credential::None if place != Place::Bearer => continue,
                        Credential::None => None,
                        Credential::Wrong => Some(wrong.as_str()),
                        Credential::Malformed => Some("not-required"),
                        Credential::Expired => Some(expired.as_str()),
                        Credential::Revoked => Some(revoked.as_str()),
                        Credential::Inference => Some(inference.as_str()),
                        Credential::Admin => Some(device.admin.as_str()),
                    };
                    let counts = matches!(place, Place::Bearer | Place::Header);
                    let is_admin = credential == Credential::Admin && counts;
                    let is_good = is_admin || (credential == Credential::Inference && counts);
                    if is_administration(&path) && is_admin && method != "GET" {
                        // What may change something does: other tests see to it.
                        continue;
                    }
                    let path = filled(&path, "thox-coder");
                    let bearer = key.map(|key| format!("Bearer {key}"));
                    let cookie = key.map(|key| format!("api_key={key}; key={key}"));
                    let mut asked_path = path.clone();
                    let mut headers: Vec<(&str, &str)> = Vec::new();
                    match (place, key) {
                        (_, None) => {}
                        (Place::Bearer, Some(_)) => {
                            headers.push(("authorization", bearer.as_deref().unwrap()));
                        }
                        (Place::Header, Some(key)) => headers.push(("x-api-key", key)),
                        (Place::Query, Some(key)) => {
                            asked_path = format!("{path}?api_key={key}&key={key}");
                        }
                        (Place::Cookie, Some(_)) => {
                            headers.push(("cookie", cookie.as_deref().unwrap()));
                        }
                    }
                    let reply = send(
                        device.address(),
                        &method,
                        &asked_path,
                        body.as_ref(),
                        &headers,
                    )
                    .await;
                    let case = format!(
                        "{method} {asked_path} {credential:?} {place:?} locked={is_locked}: {} {}",
                        reply.status,
                        reply.text()
                    );
                    asked += 1;
                    // Too many wrong keys in a minute: no way in either.
                    let is_refused = [401, 403, 429].contains(&reply.status);
                    let may = if ["/thox/v1/claim-code", "/thox/v1/update/offer"].contains(&&*path)
                    {
                        false
                    } else if is_administration(&path) {
                        is_admin
                    } else if is_public(&path) || !is_locked {
                        true
                    } else {
                        is_good
                    };
                    // The device is claimed and the tries at its code are counted.
                    let is_claim = path == "/thox/v1/claim";
                    if is_claim {
                        assert!([409, 429, 403].contains(&reply.status), "{case}");
                        continue;
                    }
                    assert_eq!(is_refused, !may, "{case}");
                    if may {
                        passed += 1;
                    } else {
                        refused += 1;
                    }
                    assert!(!reply.text().contains(&device.admin), "{case}");
                }
            }
        }
        assert_eq!(state(&device).await, before, "nothing has changed");
    }
    let journal = device.stage.engine.journal();
    for verb in ["/api/pull", "/api/generate", "/api/embed", "/api/delete"] {
        assert!(journal.to(verb).is_empty(), "{verb} has reached the engine");
    }
    assert!(
        asked > 900 && passed > 200 && refused > 300,
        "{asked} {passed} {refused}"
    );
    println!("{asked} requests: {passed} passed, {refused} were refused, nothing changed");
    let log = device.stage.thoxd.process.log();
    for secret in [&device.admin, &inference, &expired, &revoked] {
        assert!(!log.contains(secret.as_str()), "a key stands in the log");
    }
}

#[tokio::test]
async fn an_unclaimed_device_is_closed() {
    let stage = crate::stage::Stage::of(thox_tests::doubles::Kind::Ollama).await;
    for (method, path, body) in routes(stage.address()).await {
        if is_administration(&path) {
            let path = filled(&path, "key_0");
            for key in ["", "not-required", &format!("sk-{}", "0".repeat(43))] {
                let reply = with_key(stage.address(), &method, &path, body.as_ref(), key).await;
                assert!(
                    [401, 429].contains(&reply.status),
                    "{method} {path}: {}",
                    reply.text()
                );
            }
        }
    }
    let reply = send(stage.address(), "GET", "/thox/v1/keys", None, &[]).await;
    assert!(reply.text().contains("thox claim"), "{}", reply.text());
}
