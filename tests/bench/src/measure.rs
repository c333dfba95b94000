//! One round with one proxy: start it, measure every row, end it.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde::Serialize;
use tokio::time::sleep;

use crate::load::{Held, Prompt, hold, open_at, requests, streams, until_answered};
use crate::process;
use crate::subject::{Programs, Running, Subject};
use crate::upstream::CHUNKS;

/// The concurrency of the budgets' rows.
const CLIENTS: usize = 32;
/// How long after its client has gone a request may still be open at the engine.
const LEAVE_LIMIT: Duration = Duration::from_millis(100);
/// How many clients leave at once: as many as in the measurements that the budgets come from.
const LEAVERS: usize = 50;

/// How much of everything one round does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Small requests at concurrency 1.
    pub(crate) latencies: usize,
    /// Small requests at concurrency 32.
    pub(crate) small: usize,
    /// Prompts of 32 KB at concurrency 32.
    pub(crate) large: usize,
    /// Streams of 64 chunks at concurrency 32.
    pub(crate) streams: usize,
    /// Short streams at concurrency 1, for the time to the first byte.
    pub(crate) first_bytes: usize,
    /// Streams that are open while the memory is read.
    pub(crate) held: usize,
}

impl Plan {
    pub(crate) const FULL: Self = Self {
        latencies: 4_000,
        small: 10_000,
        large: 3_000,
        streams: 320,
        first_bytes: 200,
        held: 500,
    };
    /// To see that everything works; its figures are worth little.
    pub(crate) const BRIEF: Self = Self {
        latencies: 500,
        small: 1_000,
        large: 300,
        streams: 32,
        first_bytes: 10,
        held: 100,
    };
}

/// What was seen in one round; `None` where a direct connection has no such thing.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Sample {
    /// Median time of a small request at concurrency 1.
    pub(crate) p50_us: f64,
    /// Median time to the first byte of a stream at concurrency 1.
    pub(crate) first_byte_us: f64,
    /// CPU for 10,000 small requests.
    pub(crate) small_cpu_ms: Option<f64>,
    /// CPU for 10,000 prompts of 32 KB.
    pub(crate) large_cpu_ms: Option<f64>,
    /// CPU for 10,000 streams.
    pub(crate) stream_cpu_ms: Option<f64>,
    pub(crate) idle_mb: Option<f64>,
    pub(crate) stream_kb: Option<f64>,
    pub(crate) left_live: Option<f64>,
    pub(crate) left_silent: Option<f64>,
    pub(crate) left_prefill: Option<f64>,
    pub(crate) start_ms: Option<f64>,
}

/// Measures one subject once.
pub(crate) async fn round(
    subject: Subject,
    programs: &Programs,
    upstream: SocketAddr,
    plan: &Plan,
) -> anyhow::Result<Sample> {
    let mut sample = Sample::default();
    if subject == Subject::Direct {
        latencies(subject, upstream, plan, &mut sample).await?;
        return Ok(sample);
    }
    let proxy = Running::start(subject, programs, upstream).await?;
    let at = Proxy {
        subject,
        address: proxy.address,
        pid: proxy.pid()?,
        upstream,
    };
    sample.start_ms = Some(milliseconds(proxy.started_after));
    // What a program does just after its start belongs to the start.
    sleep(Duration::from_millis(500)).await;
    sample.idle_mb = Some(megabytes(process::resident_bytes(at.pid)?));

    let small = Prompt::Small.body(subject.model());
    until_answered(at.address, small.clone(), Duration::from_secs(20)).await?;
    requests(at.address, small, 4, 200).await?;
    sample.stream_kb = Some(at.memory_per_stream(plan.held).await?);
    sample.left_live = Some(at.left_open(Prompt::Live).await?);
    sample.left_silent = Some(at.left_open(Prompt::Silent).await?);
    sample.left_prefill = Some(at.left_open(Prompt::Prefill).await?);
    latencies(subject, at.address, plan, &mut sample).await?;
    sample.small_cpu_ms = Some(at.whole_cpu(Prompt::Small, plan.small).await?);
    sample.large_cpu_ms = Some(at.whole_cpu(Prompt::Large, plan.large).await?);
    sample.stream_cpu_ms = Some(at.stream_cpu(plan.streams).await?);
    proxy.stop().await?;
    Ok(sample)
}

async fn latencies(
    subject: Subject,
    address: SocketAddr,
    plan: &Plan,
    sample: &mut Sample,
) -> anyhow::Result<()> {
    let model = subject.model();
    let times = requests(address, Prompt::Small.body(model), 1, plan.latencies).await?;
    sample.p50_us = microseconds(median_time(times)?);
    let times = streams(address, Prompt::Brief.body(model), 1, plan.first_bytes, 4).await?;
    sample.first_byte_us = microseconds(median_time(times.first_byte)?);
    Ok(())
}

/// A proxy that is being measured.
struct Proxy {
    subject: Subject,
    address: SocketAddr,
    pid: u32,
    upstream: SocketAddr,
}

impl Proxy {
    async fn whole_cpu(&self, prompt: Prompt, count: usize) -> anyhow::Result<f64> {
        let before = process::cpu(self.pid)?;
        let sent = requests(
            self.address,
            prompt.body(self.subject.model()),
            CLIENTS,
            count,
        )
        .await?
        .len();
        Ok(per_ten_thousand(
            process::cpu(self.pid)?.saturating_sub(before),
            sent,
        ))
    }

    async fn stream_cpu(&self, count: usize) -> anyhow::Result<f64> {
        let body = Prompt::Stream.body(self.subject.model());
        let before = process::cpu(self.pid)?;
        let read = streams(self.address, body, CLIENTS, count, CHUNKS)
            .await?
            .first_byte
            .len();
        Ok(per_ten_thousand(
            process::cpu(self.pid)?.saturating_sub(before),
            read,
        ))
    }

    async fn memory_per_stream(&self, count: usize) -> anyhow::Result<f64> {
        let before = process::resident_bytes(self.pid)?;
        let held = self.hold(Prompt::Silent, count).await?;
        let grown = process::resident_bytes(self.pid)?.saturating_sub(before);
        drop(held);
        self.settle().await?;
        Ok(grown as f64 / 1024.0 / count as f64)
    }

    /// How many requests the upstream still has open 100 ms after all their clients have gone.
    async fn left_open(&self, prompt: Prompt) -> anyhow::Result<f64> {
        let held = self.hold(prompt, LEAVERS).await?;
        drop(held);
        sleep(LEAVE_LIMIT).await;
        let left = open_at(self.upstream).await?;
        self.settle().await?;
        Ok(left as f64)
    }

    async fn hold(&self, prompt: Prompt, count: usize) -> anyhow::Result<Held> {
        let mut held = hold(
            self.address,
            prompt,
            &prompt.body(self.subject.model()),
            count,
        )
        .await?;
        for _ in 0..200 {
            if open_at(self.upstream).await? == count {
                ensure!(
                    held.waiting() == count,
                    "{} ended requests itself",
                    self.subject.title()
                );
                return Ok(held);
            }
            sleep(Duration::from_millis(10)).await;
        }
        let open = open_at(self.upstream).await?;
        anyhow::bail!(
            "of {count} requests through {} {open} are open at the upstream",
            self.subject.title()
        )
    }

    /// Waits until the upstream has nothing open; a proxy that leaks is ended rather than waited for.
    async fn settle(&self) -> anyhow::Result<()> {
        for _ in 0..500 {
            if open_at(self.upstream).await? == 0 {
                return Ok(());
            }
            sleep(Duration::from_millis(10)).await;
        }
        anyhow::bail!(
            "{} never lets go of requests whose client has gone",
            self.subject.title()
        )
    }
}

fn median_time(mut times: Vec<Duration>) -> anyhow::Result<Duration> {
    times.sort_unstable();
    times
        .get(times.len() / 2)
        .copied()
        .context("nothing was measured")
}

fn per_ten_thousand(cpu: Duration, count: usize) -> f64 {
    milliseconds(cpu) / count as f64 * 10_000.0
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}
