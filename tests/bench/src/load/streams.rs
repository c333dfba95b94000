//! Streams that are read to their end.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::ensure;
use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::task::JoinSet;

use super::connection::Connection;

/// What was seen of some streams.
#[derive(Default)]
pub(crate) struct StreamTimes {
    /// From the request to the first byte of the body, for each stream.
    pub(crate) first_byte: Vec<Duration>,
}

/// Reads `total` streams over `concurrency` connections and checks that each is whole.
pub(crate) async fn streams(
    address: SocketAddr,
    body: Bytes,
    concurrency: usize,
    total: usize,
    chunks: usize,
) -> anyhow::Result<StreamTimes> {
    let mut clients = JoinSet::new();
    for _ in 0..concurrency {
        clients.spawn(client(
            address,
            body.clone(),
            total.div_ceil(concurrency),
            chunks,
        ));
    }
    let mut times = StreamTimes::default();
    while let Some(done) = clients.join_next().await {
        times.first_byte.extend(done??);
    }
    Ok(times)
}

async fn client(
    address: SocketAddr,
    body: Bytes,
    count: usize,
    chunks: usize,
) -> anyhow::Result<Vec<Duration>> {
    let mut connection = Connection::open(address).await?;
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let start = Instant::now();
        let reply = connection.chat(body.clone()).await?;
        ensure!(
            reply.status().is_success(),
            "{address} answered {}",
            reply.status()
        );
        let mut reply = reply.into_body();
        let mut text = Vec::with_capacity(32 * 1024);
        while let Some(frame) = reply.frame().await {
            if let Ok(data) = frame?.into_data() {
                if text.is_empty() {
                    times.push(start.elapsed());
                }
                text.extend_from_slice(&data);
            }
        }
        let events = text.windows(8).filter(|part| part == b"\"delta\":").count();
        ensure!(
            events > chunks,
            "{address}: a stream had {events} chunks, expected {}",
            chunks + 1
        );
        ensure!(
            text.ends_with(b"data: [DONE]\n\n"),
            "{address}: a stream ended without [DONE]"
        );
    }
    Ok(times)
}
