//! What a client of a revision before 2026-07-28 has at the device: an id, and what it takes to begin anew where the
//! device has been started again meanwhile.

use super::line::Line;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(super) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");

/// The session, once there is one.
#[derive(Debug, Default)]
pub(super) struct Session(Mutex<Known>);

#[derive(Clone, Debug, Default)]
struct Known {
    id: Option<HeaderValue>,
    version: Option<HeaderValue>,
    /// The client's own `initialize`.
    beginning: Option<String>,
}

impl Session {
    /// The headers that a message goes with.
    pub(super) fn headers(&self, line: &Line) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::ACCEPT,
            HeaderValue::from_static("application/json, text/event-stream"),
        );
        if let Some(version) = line.own_version() {
            put(&mut headers, VERSION, version);
            put(&mut headers, METHOD, line.method());
            if let Some(name) = line.name() {
                put(&mut headers, NAME, name);
            }
            return headers;
        }
        // A beginning has no session yet, also where it is a second one.
        if line.method() != "initialize" {
            let known = self.known();
            let own = [(SESSION, &known.id), (VERSION, &known.version)];
            for (name, value) in own {
                if let Some(value) = value {
                    headers.insert(name, value.clone());
                }
            }
        }
        headers
    }

    /// The headers that end it; none where there is none.
    pub(super) fn ending(&self) -> Option<HeaderMap> {
        let known = self.known();
        let mut headers = HeaderMap::new();
        headers.insert(SESSION, known.id.clone()?);
        if let Some(version) = known.version.clone() {
            headers.insert(VERSION, version);
        }
        Some(headers)
    }

    /// The device has opened it in answer to `beginning`.
    pub(super) fn opened(&self, beginning: &Line, id: &HeaderValue) {
        let mut known = self.known();
        known.id = Some(id.clone());
        known.beginning = Some(beginning.text.clone());
    }

    /// The revision that both sides have agreed on.
    pub(super) fn agreed(&self, version: &str) {
        self.known().version = HeaderValue::from_str(version).ok();
    }

    /// What to begin anew with.
    pub(super) fn beginning(&self) -> Option<String> {
        self.known().beginning.clone()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    // One that is no header's value is told by the device, which misses it.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
