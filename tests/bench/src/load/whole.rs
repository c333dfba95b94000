//! Whole replies: many requests over a fixed number of connections.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::ensure;
use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::connection::Connection;

/// Sends `total` requests over `concurrency` connections, each waiting for its reply; the time of each.
pub(crate) async fn requests(
    address: SocketAddr,
    body: Bytes,
    concurrency: usize,
    total: usize,
) -> anyhow::Result<Vec<Duration>> {
    let mut clients = JoinSet::new();
    for _ in 0..concurrency {
        clients.spawn(client(address, body.clone(), total.div_ceil(concurrency)));
    }
    let mut times = Vec::with_capacity(total);
    while let Some(done) = clients.join_next().await {
        times.extend(done??);
    }
    Ok(times)
}

/// Waits until a request is answered: a gateway that has just started may still be asking what its engines have.
pub(crate) async fn until_answered(
    address: SocketAddr,
    body: Bytes,
    limit: Duration,
) -> anyhow::Result<()> {
    let start = Instant::now();
    // Not often: under callgrind each refusal would be part of what is counted.
    while let Err(error) = requests(address, body.clone(), 1, 1).await {
        if start.elapsed() > limit {
            return Err(error);
        }
        sleep(Duration::from_millis(500)).await;
    }
    Ok(())
}

async fn client(address: SocketAddr, body: Bytes, count: usize) -> anyhow::Result<Vec<Duration>> {
    let mut connection = Connection::open(address).await?;
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let start = Instant::now();
        let reply = connection.chat(body.clone()).await?;
        let status = reply.status();
        let text = reply.into_body().collect().await?.to_bytes();
        times.push(start.elapsed());
        ensure!(
            status.is_success(),
            "{address} answered {status}: {}",
            String::from_utf8_lossy(&text)
        );
    }
    Ok(times)
}
