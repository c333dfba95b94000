//! A device that keeps keys, as its routes are described: authentication, keys, claiming, data, the device itself.

use crate::server::{Client, Request};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// The code by which it is claimed.
pub(crate) const CODE: &str = "ABCD-EFGH";

pub(crate) const HEALTH: &str =
    r#"{"status":"healthy","version":"0.1.0","uptime_seconds":1,"backends":[],"notes":[]}"#;

/// How it is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// Over the network: a key of the scope admin is needed.
    Network,
    /// By the control socket.
    Socket,
}

#[derive(Default)]
struct State {
    enabled: bool,
    claimed: bool,
    keys: Vec<Value>,
    made: usize,
}

/// The device. Cloned, it is the same one, behind another door.
#[derive(Clone, Default)]
pub(crate) struct Device {
    state: Arc<Mutex<State>>,
    /// What `tls` in `/thox/v1/status` is.
    pub(crate) tls: Value,
    /// The fingerprint of its TLS key after a reset, if TLS stays on; else it has settings of its own, which go.
    pub(crate) next_fingerprint: Option<String>,
}

impl Device {
    /// With keys of these names, whose ids are `k1`, `k2` and so on.
    pub(crate) fn with_keys(names: &[&str]) -> Self {
        let device = Self::default();
        for name in names {
            device.make(&json!({"name": name}));
        }
        device
    }

    /// The `at`th key it made: always the same.
    pub(crate) fn key(at: usize) -> String {
        let text = format!("{at:x}").repeat(43);
        format!("sk-{}", &text[..43])
    }

    pub(crate) fn answer(
        &self,
        door: Door,
    ) -> impl Fn(&Request, &mut Client) + Send + Sync + use<> {
        let device = self.clone();
        move |request, client| {
            let (status, body) = device.reply(door, request);
            client.reply(status, &body.to_string());
        }
    }

    fn reply(&self, door: Door, request: &Request) -> (u16, Value) {
        let mut words = request.line.split(' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        assert!(door == Door::Network || request.header("host") == Some("localhost"));
        if !request.body.is_empty() {
            assert_eq!(request.header("content-type"), Some("application/json"));
        }
        let open = matches!(path, "/health" | "/thox/v1/claim" | "/thox/v1/status");
        // The first key is the admin's. Headers are kept in lower case here.
        let is_admin = request.header("authorization") == Some(&format!("bearer {}", Self::key(1)));
        if !open && door == Door::Network && !is_admin {
            return match request.header("authorization") {
                None => error(401, "invalid_api_key", "a key is needed"),
                Some(_) => error(403, "insufficient_scope", "the key is not for this"),
            };
        }
        let mut state = self.state.lock().unwrap();
        match (method, path) {
            ("GET", "/health") => (200, serde_json::from_str(HEALTH).unwrap()),
            ("GET", "/thox/v1/status") => (
                200,
                json!({"name": "thox.local", "version": "0.1.0", "names": ["thox.local"], "tls": self.tls}),
            ),
            ("GET", "/thox/v1/auth") => (200, self.auth(&state)),
            ("PUT", "/thox/v1/auth") => {
                state.enabled = request.json()["enabled"].as_bool().unwrap();
                (200, self.auth(&state))
            }
            ("GET", "/thox/v1/keys") => (200, json!({"object": "list", "data": state.keys})),
            ("POST", "/thox/v1/keys") => {
                drop(state);
                (201, self.make(&request.json()))
            }
            ("POST", "/thox/v1/claim") => {
                if state.claimed {
                    return error(409, "already_claimed", "the device has been claimed");
                }
                if request.json()["code"] != CODE {
                    return error(403, "wrong_claim_code", "the claim code is wrong");
                }
                state.claimed = true;
                drop(state);
                (
                    201,
                    self.make(&json!({"name": request.json()["name"], "scope": "admin"})),
                )
            }
            ("GET", "/thox/v1/claim-code") => {
                assert!(door == Door::Socket);
                let code = (!state.claimed).then_some(CODE);
                let page = code.map(|code| format!("http://thox.local:8080/#claim={code}"));
                (
                    200,
                    json!({
                        "code": code, "claimed": state.claimed, "page": page,
                        "tls_fingerprint": self.tls["fingerprint"],
                    }),
                )
            }
            ("POST", "/thox/v1/reset") => {
                let asked = request.json();
                if asked["confirm"] != "thox.local" {
                    return error(400, "invalid_request", "that is not this device's name");
                }
                let keys = state.keys.len();
                state.claimed = false;
                state.keys.clear();
                (
                    200,
                    json!({
                        "name": "thox.local", "keys": keys, "audit_lines": 5,
                        "settings": self.next_fingerprint.is_none().then_some("/etc/thox/90-thox.toml"),
                        "tls_fingerprint": self.next_fingerprint, "left_to_system": "/var/lib/thox/factory-reset",
                        "restart_needed": self.next_fingerprint.is_none(),
                    }),
                )
            }
            ("DELETE", "/thox/v1/data") => (200, json!({"audit_lines": 12, "decisions": 3})),
            (method, path) => {
                let id = path
                    .strip_prefix("/thox/v1/keys/")
                    .unwrap_or_else(|| panic!("{method} {path}"));
                let (id, is_rotation) = match id.strip_suffix("/rotate") {
                    Some(id) => (id, true),
                    None => (id, false),
                };
                assert_eq!(method, if is_rotation { "POST" } else { "DELETE" });
                let Some(at) = state.keys.iter().position(|key| key["id"] == id) else {
                    return error(404, "key_not_found", "there is no key of that id");
                };
                let old = state.keys.remove(at);
                drop(state);
                if is_rotation {
                    return (200, self.make(&old));
                }
                (200, json!({"id": id, "object": "key", "deleted": true}))
            }
        }
    }

    fn auth(&self, state: &State) -> Value {
        let mut auth = json!({
            "enabled": state.enabled, "claimed": state.claimed, "keys": state.keys.len(), "tls": !self.tls.is_null(),
        });
        if state.enabled && self.tls.is_null() {
            auth["warning"] =
                "TLS is off, so keys travel readable over the network; switch it on: tls.enabled"
                    .into();
        }
        auth
    }

    fn make(&self, wanted: &Value) -> Value {
        let mut state = self.state.lock().unwrap();
        state.made += 1;
        let key = Self::key(state.made);
        let text =
            |field: &str, default: &str| wanted[field].as_str().unwrap_or(default).to_owned();
        let expires = wanted["expires_in"].as_u64().map(|seconds| now() + seconds);
        let info = json!({
            "id": format!("k{}", state.made), "object": "key", "name": wanted["name"], "prefix": key[..10],
            "scope": text("scope", "inference"), "class": text("class", "interactive"),
            "created": now(), "expires": expires, "last_used": null,
            "requests_per_minute": wanted["requests_per_minute"], "tokens_per_minute": wanted["tokens_per_minute"],
        });
        state.keys.push(info.clone());
        let mut new = info;
        new["key"] = key.into();
        new
    }
}

fn now() -> u64 {
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

fn error(status: u16, code: &str, message: &str) -> (u16, Value) {
    let error =
        json!({"message": message, "type": "invalid_request_error", "param": null, "code": code});
    (status, json!({"error": error}))
}
