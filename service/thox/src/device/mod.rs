//! Which device is meant, and the few HTTP requests that commands make.
//!
//! - [`address`]: what users write for a device.
//! - [`exchange`]: one request and its reply.
//! - [`events`]: server-sent events out of a streaming reply.

mod address;
mod events;
mod exchange;

use crate::{
    arguments::Target,
    failure::{Exit, Failure},
};
use address::Address;
use bytes::Bytes;
use exchange::Exchange;
use http::{HeaderValue, Method, Request, header};
use http_body_util::Full;
use serde::de::DeserializeOwned;
use std::{io, time::Duration};
use thox_api::Health;

pub(crate) use exchange::{Reply, Stream};

/// For a connection to a host that was named, or to `thox.local`; a multicast name takes a second or two.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// For this machine's own port, which refuses at once where there is no thoxd.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// For a whole reply that is not generated.
const REPLY_TIMEOUT: Duration = Duration::from_secs(15);

/// A Thox device.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    address: Address,
    authorization: Option<HeaderValue>,
    /// Why this machine is not meant, where nothing says which one is.
    not_here: Option<String>,
}

impl Device {
    /// The device that the options name; else the one on this machine if there is one; else `thox.local`.
    pub(crate) async fn find(target: &Target) -> Result<Self, Failure> {
        let key = target
            .api_key
            .as_deref()
            .map(str::trim)
            .filter(|key| !key.is_empty());
        let authorization = key.map(|key| {
            let value = HeaderValue::from_str(&format!("Bearer {key}"));
            value.map_err(|_| Failure::with(Exit::Usage, "the key has characters that no key has").next(
                "give it by --api-key or THOX_API_KEY exactly as it was shown, sk- and 64 letters and digits",
            ))
        });
        let device = |address| Self {
            address,
            authorization: None,
            not_here: None,
        };
        let host = target
            .host
            .as_deref()
            .map(str::trim)
            .filter(|host| !host.is_empty());
        let mut found = match host {
            Some(host) => device(host.parse().map_err(|error: address::InvalidAddress| {
                Failure::with(Exit::Usage, error.to_string())
            })?),
            None => {
                // Asked without the key: whoever sits on this port is not known yet.
                let here = device(Address::this_machine());
                match here.answers().await {
                    Ok(()) => here,
                    Err(why) => Self {
                        not_here: Some(format!("{}: {why}", here.address)),
                        ..device(Address::on_the_network())
                    },
                }
            }
        };
        found.authorization = authorization.transpose()?;
        Ok(found)
    }

    /// As a URL, for messages.
    pub(crate) fn url(&self) -> String {
        self.address.to_string()
    }

    /// Asks for a JSON document, and checks that it is of the type that is wanted.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<(Reply, T), Failure> {
        let reply = self.reply(path).await?;
        reply.check()?;
        let document = self.read(&reply)?;
        Ok((reply, document))
    }

    /// `/health`, which is read also where its status says that the device is not well.
    pub(crate) async fn health(&self) -> Result<(Reply, Health), Failure> {
        let reply = self.reply("/health").await?;
        match self.read(&reply) {
            Ok(health) => Ok((reply, health)),
            Err(strange) => Err(reply.check().err().unwrap_or(strange)),
        }
    }

    /// Posts a JSON document, whose reply comes bit by bit and may take as long as it wants.
    pub(crate) async fn post(&self, path: &str, body: String) -> Result<Stream, Failure> {
        let exchange = self.send(Method::POST, path, body.into()).await?;
        exchange.into_stream().await
    }

    async fn reply(&self, path: &str) -> Result<Reply, Failure> {
        let reply = async {
            self.send(Method::GET, path, Bytes::new())
                .await?
                .into_reply()
                .await
        };
        match tokio::time::timeout(REPLY_TIMEOUT, reply).await {
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
                .map_err(|_| "no answer".to_owned())
        };
        let reply = tokio::time::timeout(PROBE_TIMEOUT, health)
            .await
            .unwrap_or_else(|_| Err("no answer".to_owned()))?;
        serde_json::from_slice::<Health>(&reply.body)
            .map(drop)
            .map_err(|_| "another service is on this port".to_owned())
    }

    async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<Exchange, Failure> {
        let exchange = self.exchange(method, path, body).await;
        exchange.map_err(|why| self.unreachable(&why))
    }

    async fn exchange(&self, method: Method, path: &str, body: Bytes) -> Result<Exchange, String> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.address.authority())
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
        let request = request
            .body(Full::new(body))
            .map_err(|error| error.to_string())?;
        let connecting = self.address.connect();
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, connecting)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(|error| reason(&error))?;
        Exchange::begin(stream, request)
            .await
            .map_err(|error| error.to_string())
    }

    fn unreachable(&self, why: &str) -> Failure {
        match &self.not_here {
            None => Failure::with(
                Exit::Unreachable,
                format!("cannot reach {}: {why}", self.url()),
            )
            .next("is the device on and thoxd running? `thox --host NAME status` asks another one"),
            Some(here) => {
                let message = format!("no Thox device found; {here}; {}: {why}", self.url());
                Failure::with(Exit::Unreachable, message)
                    .next("start thoxd on this machine, or name a device: --host NAME or THOX_HOST")
            }
        }
    }
}

/// The system's reason, without what the user does not need to know of it.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::TimedOut => "no answer".to_owned(),
        _ => {
            let text = error.to_string();
            let text = text
                .strip_prefix("failed to lookup address information: ")
                .unwrap_or(&text);
            text.to_owned()
        }
    }
}

/// A text as part of a query (RFC 3986, 2.3: what need not be escaped).
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
