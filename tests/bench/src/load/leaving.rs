//! Clients that stay and clients that go: what is held open, and what the upstream still sees of it.

use std::net::SocketAddr;

use anyhow::{Context, ensure};
use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::task::JoinSet;

use super::connection::Connection;
use super::prompts::Prompt;
use crate::upstream::OPEN_PATH;

/// Requests that are open; dropping this closes every connection.
pub(crate) struct Held {
    clients: JoinSet<()>,
}

impl Held {
    /// How many are really being waited on: less than were opened when a proxy ended some itself.
    pub(crate) fn waiting(&mut self) -> usize {
        while self.clients.try_join_next().is_some() {}
        self.clients.len()
    }
}

/// Opens `count` requests, each on a connection of its own, and reads them without hurry.
///
/// Those that have a head and a first chunk have got both when this returns; of the others the
/// upstream has to be asked.
pub(crate) async fn hold(
    address: SocketAddr,
    prompt: Prompt,
    body: &Bytes,
    count: usize,
) -> anyhow::Result<Held> {
    let mut clients = JoinSet::new();
    for _ in 0..count {
        let mut connection = Connection::open(address).await?;
        let body = body.clone();
        if prompt == Prompt::Prefill {
            clients.spawn(async move {
                // Kept by this task, so that the end of the task is the end of the connection.
                drop(connection.chat(body).await);
            });
            continue;
        }
        let reply = connection.chat(body).await?;
        ensure!(
            reply.status().is_success(),
            "{address} answered {}",
            reply.status()
        );
        let mut reply = reply.into_body();
        reply
            .frame()
            .await
            .context("a stream ended before its first chunk")??;
        clients.spawn(async move {
            let _connection = connection;
            while let Some(Ok(_)) = reply.frame().await {}
        });
    }
    Ok(Held { clients })
}

/// How many chat requests the upstream has open now.
pub(crate) async fn open_at(upstream: SocketAddr) -> anyhow::Result<usize> {
    let reply = Connection::open(upstream).await?.get(OPEN_PATH).await?;
    let text = reply.into_body().collect().await?.to_bytes();
    Ok(std::str::from_utf8(&text)?.parse()?)
}
