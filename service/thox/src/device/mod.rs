//! Which device is meant, how it is reached, and the few HTTP requests that commands make.
//!
//! - [`address`]: what users write for a device.
//! - [`find`]: the device that is meant, with the key and the pin that this user has for it.
//! - [`around`]: the devices of the network, and the one that `--host auto` means.
//! - [`resolve`]: the addresses of a name; [`connect`]: the way to a device, and a connection on it.
//! - [`control`]: the control socket of the thoxd on this machine.
//! - [`tls`], [`verifier`]: TLS to a device, and whether its certificate does.
//! - [`exchange`]: one request and its reply.
//! - [`events`]: server-sent events out of a streaming reply; [`lines`]: JSON line by line.

mod address;
pub(crate) mod around;
mod connect;
mod control;
mod events;
mod exchange;
pub(crate) mod find;
mod lines;
mod resolve;
mod tls;
mod verifier;

use crate::{
    credentials,
    failure::{Exit, Failure},
    fingerprint::Fingerprint,
    secret::Secret,
};
use bytes::Bytes;
use connect::{Fault, Line, Road};
use exchange::Exchange;
use http::{HeaderMap, HeaderValue, Method, Request, header};
use http_body_util::Full;
use serde::{Serialize, de::DeserializeOwned};
use std::time::Duration;
use thox_api::Health;

pub(crate) use address::{Address, Scheme};
pub(crate) use exchange::{ALREADY_CLAIMED, Reply, Spoken, Stream};
pub(crate) use lines::Lines;
pub(crate) use tls::Certificate;

/// For a connection to a host that was named, or to `thox.local`; a multicast name takes a second or two.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// For this machine's own port, which refuses at once where there is no thoxd.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// For a whole reply that is not generated.
const REPLY_TIMEOUT: Duration = Duration::from_secs(15);

/// A Thox device.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    road: Road,
    /// Marked as sensitive, so that it is not shown.
    authorization: Option<HeaderValue>,
    /// Why this machine is not meant, where nothing says which one is.
    not_here: Option<String>,
}

impl Device {
    /// As a URL or a path, for messages.
    pub(crate) fn url(&self) -> String {
        match &self.road {
            Road::Network { address, .. } => address.to_string(),
            Road::Socket(path) => path.display().to_string(),
        }
    }

    /// Its address; none of the control socket.
    pub(crate) fn address(&self) -> Option<&Address> {
        match &self.road {
            Road::Network { address, .. } => Some(address),
            Road::Socket(_) => None,
        }
    }

    /// Whether an authority that the system trusts vouches for it, so that no pin is needed.
    pub(crate) fn is_vouched_for(&self) -> bool {
        match &self.road {
            Road::Network { address, pin } => address.scheme() == Scheme::Https && pin.is_none(),
            Road::Socket(_) => false,
        }
    }

    /// The fingerprint that its TLS key must have.
    pub(crate) fn pin(&self) -> Option<Fingerprint> {
        match &self.road {
            Road::Network { pin, .. } => *pin,
            Road::Socket(_) => None,
        }
    }

    /// The same device, whose TLS key must have this fingerprint.
    pub(crate) fn pinned(mut self, fingerprint: Fingerprint) -> Self {
        if let Road::Network { pin, .. } = &mut self.road {
            *pin = Some(fingerprint);
        }
        self
    }

    /// The same device, with another key.
    pub(crate) fn with_key(mut self, key: &Secret) -> Result<Self, Failure> {
        self.authorization = Some(find::authorization(key)?);
        Ok(self)
    }

    /// Asks for a JSON document, and checks that it is of the type that is wanted.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<(Reply, T), Failure> {
        self.document(Method::GET, path, Bytes::new()).await
    }

    /// Sends a JSON document, and reads the one that comes back.
    pub(crate) async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<(Reply, T), Failure> {
        self.document(method, path, as_json(body)?).await
    }

    /// The same for what may take as long as `patience`.
    pub(crate) async fn send_patiently<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        patience: Duration,
    ) -> Result<(Reply, T), Failure> {
        let body = as_json(body)?;
        let reply = self.reply(Method::POST, path, body, patience).await?;
        self.checked(reply)
    }

    /// Asks for documents that come line by line, for as long as the device has any.
    pub(crate) async fn lines(&self, path: &str) -> Result<Lines, Failure> {
        let exchange = self.exchange(Method::GET, path, Bytes::new()).await;
        let lines = exchange
            .map_err(|fault| self.told(fault))?
            .into_lines()
            .await;
        lines.map_err(|failure| self.explained(failure))
    }

    /// Asks the device to delete something.
    pub(crate) async fn delete<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<(Reply, T), Failure> {
        self.document(Method::DELETE, path, Bytes::new()).await
    }

    /// `/health`, which is read also where its status says that the device is not well.
    pub(crate) async fn health(&self) -> Result<(Reply, Health), Failure> {
        let reply = self
            .reply(Method::GET, "/health", Bytes::new(), REPLY_TIMEOUT)
            .await?;
        match self.read(&reply) {
            Ok(health) => Ok((reply, health)),
            Err(strange) => Err(reply.check().err().unwrap_or(strange)),
        }
    }

    /// Posts a JSON document, whose reply comes bit by bit and may take as long as it wants.
    pub(crate) async fn post(&self, path: &str, body: String) -> Result<Stream, Failure> {
        let exchange = self.exchange(Method::POST, path, body.into()).await;
        exchange
            .map_err(|fault| self.told(fault))?
            .into_stream()
            .await
    }

    /// Says something of a protocol above HTTP, with its headers; what comes back is the caller's to read, whatever its
    /// status.
    pub(crate) async fn talk(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        headers: HeaderMap,
    ) -> Result<Spoken, Failure> {
        let exchange = self.exchange_with(method, path, body, headers).await;
        exchange
            .map_err(|fault| self.told(fault))?
            .into_spoken()
            .await
    }

    /// Whether this user has a key for it.
    pub(crate) fn has_key(&self) -> bool {
        self.authorization.is_some()
    }

    /// The certificate that the device shows, whoever vouches for it. Nothing else is asked of it.
    pub(crate) async fn certificate(&self) -> Result<Certificate, Failure> {
        let Some(address) = self.address() else {
            return Err(Failure::error("the control socket has no certificate"));
        };
        let looking = async {
            let shown = connect::look(address).await?;
            shown.ok_or_else(|| Fault::Away("it shows no certificate".to_owned()))
        };
        let looked = tokio::time::timeout(CONNECT_TIMEOUT, looking).await;
        looked
            .unwrap_or_else(|_| Err(Fault::Away("no answer".to_owned())))
            .map_err(|fault| self.told(fault))
    }

    async fn document<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(Reply, T), Failure> {
        let reply = self.reply(method, path, body, REPLY_TIMEOUT).await?;
        self.checked(reply)
    }

    fn checked<T: DeserializeOwned>(&self, reply: Reply) -> Result<(Reply, T), Failure> {
        reply.check().map_err(|failure| self.explained(failure))?;
        let document = self.read(&reply)?;
        Ok((reply, document))
    }

    fn explained(&self, failure: Failure) -> Failure {
        match (&self.road, failure) {
            // There is no key to give: who is calling decides.
            (
                Road::Socket(path),
                Failure::Told {
                    exit: Exit::Authentication,
                    message,
                    ..
                },
            ) => Failure::with(Exit::Authentication, message).next(control::membership(path)),
            (_, failure) => failure,
        }
    }

    async fn reply(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        patience: Duration,
    ) -> Result<Reply, Failure> {
        let reply = async {
            let exchange = self.exchange(method, path, body).await;
            exchange
                .map_err(|fault| self.told(fault))?
                .into_reply()
                .await
        };
        match tokio::time::timeout(patience, reply).await {
            Ok(reply) => reply,
            Err(_) => Err(self.unreachable("it accepts connections and does not answer")),
        }
    }

    fn read<T: DeserializeOwned>(&self, reply: &Reply) -> Result<T, Failure> {
        serde_json::from_slice(&reply.body).map_err(|error| {
            Failure::error(format!("{} answers, but not as a Thox device does: {error}", self.url()))
                .next("is another service on this port, or is one of the two sides much older than the other?")
        })
    }

    /// Whether there is a Thox device behind the address.
    async fn answers(&self) -> Result<(), String> {
        let health = async {
            let exchange = self.exchange(Method::GET, "/health", Bytes::new()).await?;
            exchange
                .into_reply()
                .await
                .map_err(|_| Fault::Away("no answer".to_owned()))
        };
        let reply = tokio::time::timeout(PROBE_TIMEOUT, health)
            .await
            .unwrap_or_else(|_| Err(Fault::Away("no answer".to_owned())))
            .map_err(|fault| match fault {
                Fault::Away(why) => why,
                Fault::Told(_) => "it is not the device that was trusted".to_owned(),
            })?;
        serde_json::from_slice::<Health>(&reply.body)
            .map(drop)
            .map_err(|_| "another service is on this port".to_owned())
    }

    async fn exchange(&self, method: Method, path: &str, body: Bytes) -> Result<Exchange, Fault> {
        self.exchange_with(method, path, body, HeaderMap::new())
            .await
    }

    async fn exchange_with(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        headers: HeaderMap,
    ) -> Result<Exchange, Fault> {
        let host = match &self.road {
            Road::Network { address, .. } => address.authority(),
            Road::Socket(_) => "localhost".to_owned(),
        };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, host)
            .header(
                header::USER_AGENT,
                concat!("thox/", env!("CARGO_PKG_VERSION")),
            );
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let mut request = request
            .body(Full::new(body))
            .map_err(|error| Fault::Away(error.to_string()))?;
        request.headers_mut().extend(headers);
        let connecting = self.road.connect();
        let line = tokio::time::timeout(CONNECT_TIMEOUT, connecting)
            .await
            .unwrap_or_else(|_| Err(Fault::Away("no answer".to_owned())))?;
        match line {
            Line::Plain(stream) => Exchange::begin(stream, request).await,
            Line::Tls(stream) => Exchange::begin(*stream, request).await,
            Line::Local(stream) => Exchange::begin(stream, request).await,
        }
        .map_err(|error| Fault::Away(error.to_string()))
    }

    fn told(&self, fault: Fault) -> Failure {
        match fault {
            Fault::Away(why) => self.unreachable(&why),
            Fault::Told(failure) => failure,
        }
    }

    fn what_to_look_at(&self) -> String {
        let is_secure = |address: &Address| address.scheme() == Scheme::Https;
        if self.address().is_some_and(is_secure) {
            format!(
                "is the device on, thoxd running and its TLS on? Where that was switched off on purpose, delete the device's tables in {}",
                credentials::shown_path()
            )
        } else {
            "is the device on and thoxd running? `thox --host NAME status` asks another one"
                .to_owned()
        }
    }

    fn unreachable(&self, why: &str) -> Failure {
        match &self.not_here {
            None => Failure::with(
                Exit::Unreachable,
                format!("cannot reach {}: {why}", self.url()),
            )
            .next(self.what_to_look_at()),
            Some(here) => {
                let message = format!("no Thox device found; {here}; {}: {why}", self.url());
                Failure::with(Exit::Unreachable, message)
                    .next("start thoxd on this machine, or name a device: --host NAME or THOX_HOST")
            }
        }
    }
}

fn as_json(document: &impl Serialize) -> Result<Bytes, Failure> {
    let json = serde_json::to_vec(document)
        .map_err(|error| Failure::error(format!("the request cannot be put as JSON: {error}")))?;
    Ok(json.into())
}

/// A text as part of a path or a query (RFC 3986, 2.3: what need not be escaped).
pub(crate) fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_models_name_survives_a_query() {
        assert_eq!(
            escaped("hf/qwen2.5:7b&x=ä"),
            "hf%2Fqwen2.5%3A7b%26x%3D%C3%A4"
        );
    }
}
