//! A client of thoxd's WebSocket.

use crate::patience::within;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// A connection.
pub struct Socket(pub WebSocketStream<TcpStream>);

impl Socket {
    /// Connects to `path`; the error is what the server answered instead.
    pub async fn connect(
        address: SocketAddr,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, Error> {
        Self::connect_and_response(address, path, headers)
            .await
            .map(|(socket, _)| socket)
    }

    /// The same, with the server's answer to the upgrade.
    pub async fn connect_and_response(
        address: SocketAddr,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<(Self, Response), Error> {
        let mut request = format!("ws://{address}{path}").into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().insert(
                *name,
                HeaderValue::from_str(value).expect("a header's value"),
            );
        }
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let config = WebSocketConfig::default()
            .max_message_size(None)
            .max_frame_size(None);
        let upgrade = client_async_with_config(request, stream, Some(config));
        let (socket, response) = within("the upgrade", upgrade).await?;
        Ok((Self(socket), response))
    }

    /// Sends a JSON message.
    pub async fn send(&mut self, message: &Value) {
        self.send_text(&message.to_string()).await;
    }

    /// Sends a text message as it is.
    pub async fn send_text(&mut self, text: &str) {
        self.0
            .send(Message::text(text))
            .await
            .expect("the message is sent");
    }

    /// The next message of any kind but pings and pongs; `None` when the connection is gone.
    pub async fn next(&mut self) -> Option<Message> {
        loop {
            match within("a message", self.0.next()).await? {
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                Ok(message) => return Some(message),
                Err(_) => return None,
            }
        }
    }

    /// The next JSON message; panics at a close.
    pub async fn json(&mut self) -> Value {
        match self.next().await {
            Some(Message::Text(text)) => serde_json::from_str(&text).expect("a message is JSON"),
            other => panic!("no text message: {other:?}"),
        }
    }

    /// Reads messages until one of `done` or `error` for the request, and returns all of them.
    pub async fn answer(&mut self, request_id: Option<&str>) -> Vec<Value> {
        let mut messages = Vec::new();
        loop {
            let message = self.json().await;
            let is_ours = request_id.is_none_or(|id| message["request_id"] == id);
            if is_ours {
                let is_last = message["type"] == "done" || message["type"] == "error";
                messages.push(message);
                if is_last {
                    return messages;
                }
            }
        }
    }
}

/// The text of the deltas.
pub fn text_of(messages: &[Value]) -> String {
    messages
        .iter()
        .filter_map(|m| m["choices"][0]["delta"]["content"].as_str())
        .collect()
}
