//! One keep-alive connection of the client.

use std::net::SocketAddr;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// The key that the client sends, as the SDKs do; the proxy under test is set up to know it or to
/// ask for none.
pub(crate) const KEY: &str = "Bearer sk-not-required";

/// A connection that closes when it is dropped, whatever is going on over it.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
    host: String,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let socket = TcpStream::connect(address)
            .await
            .with_context(|| format!("cannot connect to {address}"))?;
        socket.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(socket)).await?;
        let driver = tokio::spawn(async move {
            // Its error comes back through the sender as well.
            drop(connection.await);
        });
        Ok(Self {
            sender,
            driver,
            host: address.to_string(),
        })
    }

    pub(crate) async fn chat(&mut self, body: Bytes) -> anyhow::Result<Response<Incoming>> {
        let request = Request::builder()
            .method(Method::POST)
            .uri("/v1/chat/completions")
            .header(HOST, &self.host)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, "OpenAI/Python 3.54.0")
            .header(AUTHORIZATION, KEY)
            .body(Full::new(body))?;
        self.send(request).await
    }

    pub(crate) async fn get(&mut self, path: &str) -> anyhow::Result<Response<Incoming>> {
        let request = Request::builder()
            .uri(path)
            .header(HOST, &self.host)
            .body(Full::default())?;
        self.send(request).await
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> anyhow::Result<Response<Incoming>> {
        self.sender.ready().await?;
        Ok(self.sender.send_request(request).await?)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
