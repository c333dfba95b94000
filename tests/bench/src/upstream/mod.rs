//! An engine made for speed: it answers like an Ollama, does no work, and counts what is open.
//!
//! What it does is asked for by a word at the start of the user's message, since a message is what
//! every proxy hands on unchanged; its replies cost it next to nothing.

mod body;
mod replies;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response, StatusCode};
use tokio::net::TcpListener;

pub(crate) use replies::MODEL;

use crate::serve;
use body::{Ending, Open, Paced};

/// Where the driver asks how many chat requests are open.
pub(crate) const OPEN_PATH: &str = "/bench/open";

/// What the user's message starts with, and what the upstream then does.
pub(crate) mod ask {
    /// A small whole reply.
    pub(crate) const SMALL: &str = "bench-small";
    /// 64 chunks, 5 ms apart: a fast model on a fast board.
    pub(crate) const STREAM: &str = "bench-stream";
    /// Four such chunks: for the time to the first byte the rest is waiting.
    pub(crate) const BRIEF: &str = "bench-brief";
    /// One chunk, then nothing for ever.
    pub(crate) const SILENT: &str = "bench-silent";
    /// A stream that goes on for longer than any test.
    pub(crate) const LIVE: &str = "bench-live";
    /// No head at all: a prompt that is still being read.
    pub(crate) const PREFILL: &str = "bench-prefill";
}

/// Chunks and gap of the paced stream; both are the budgets' own.
pub(crate) const CHUNKS: usize = 64;
const GAP: Duration = Duration::from_millis(5);

type Reply = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// Serves until the process is ended; prints its address first.
pub(crate) async fn run(listen: SocketAddr) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}"))?;
    serve::announce(&listener)?;
    let streams = Arc::new(Streams::new());
    let open = Arc::new(AtomicUsize::new(0));
    serve::forever(listener, move |request| {
        answer(request, Arc::clone(&streams), Arc::clone(&open))
    })
    .await
}

/// The events of each stream, made once.
struct Streams {
    plain: Vec<Bytes>,
    with_usage: Vec<Bytes>,
    brief: Vec<Bytes>,
    brief_with_usage: Vec<Bytes>,
    live: Vec<Bytes>,
}

impl Streams {
    fn new() -> Self {
        Self {
            plain: replies::stream(CHUNKS, false),
            with_usage: replies::stream(CHUNKS, true),
            brief: replies::stream(4, false),
            brief_with_usage: replies::stream(4, true),
            live: replies::stream(2_000, false),
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    streams: Arc<Streams>,
    open: Arc<AtomicUsize>,
) -> Result<Reply, hyper::Error> {
    let path = request.uri().path();
    if path == OPEN_PATH {
        return Ok(whole(
            open.load(Ordering::Relaxed).to_string().into(),
            "text/plain",
        ));
    }
    if let Some(known) = replies::discovery(path) {
        return Ok(whole(known, "application/json"));
    }
    if path != "/v1/chat/completions" {
        let mut reply = whole(
            Bytes::from_static(br#"{"error":"not found"}"#),
            "application/json",
        );
        *reply.status_mut() = StatusCode::NOT_FOUND;
        return Ok(reply);
    }
    let guard = Open::new(&open);
    let body = request.into_body().collect().await?.to_bytes();
    let usage =
        contains(&body, b"\"include_usage\":true") || contains(&body, b"\"include_usage\": true");
    let asked = |word: &str| contains(&body, word.as_bytes());
    if asked(ask::SMALL) {
        return Ok(whole(
            Bytes::from_static(replies::CHAT.as_bytes()),
            "application/json",
        ));
    }
    let (events, ending) = if asked(ask::STREAM) {
        (
            if usage {
                &streams.with_usage
            } else {
                &streams.plain
            },
            Ending::Finished,
        )
    } else if asked(ask::BRIEF) {
        (
            if usage {
                &streams.brief_with_usage
            } else {
                &streams.brief
            },
            Ending::Finished,
        )
    } else if asked(ask::LIVE) {
        (&streams.live, Ending::Finished)
    } else if asked(ask::SILENT) {
        return Ok(paced(
            streams.plain.iter().take(1).cloned().collect(),
            Ending::Silence,
            guard,
        ));
    } else {
        // Dropped with the connection, and the guard with it.
        let _prefill = guard;
        return std::future::pending().await;
    };
    Ok(paced(events.clone(), ending, guard))
}

fn paced(events: Vec<Bytes>, ending: Ending, open: Open) -> Reply {
    typed(
        Paced::new(events, GAP, ending, open).boxed_unsync(),
        "text/event-stream",
    )
}

fn whole(body: Bytes, content_type: &'static str) -> Reply {
    typed(Full::new(body).boxed_unsync(), content_type)
}

fn typed(body: UnsyncBoxBody<Bytes, Infallible>, content_type: &'static str) -> Reply {
    let mut reply = Response::new(body);
    reply
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

/// Is `needle` within the first part of `haystack`? The bench's own words stand at the start or, for
/// the options that a gateway adds, at the end; a prompt of 32 KB is not searched.
fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    const EDGE: usize = 512;
    let found = |part: &[u8]| part.windows(needle.len()).any(|window| window == needle);
    if haystack.len() <= EDGE * 2 {
        return found(haystack);
    }
    let head = haystack.get(..EDGE).is_some_and(found);
    let tail = haystack.get(haystack.len() - EDGE..).is_some_and(found);
    head || tail
}

#[cfg(test)]
mod tests {
    use super::contains;

    #[test]
    fn words_are_found_at_both_ends_of_a_long_body() {
        let mut body = b"{\"content\":\"bench-small ".to_vec();
        body.extend(std::iter::repeat_n(b'x', 32 * 1024));
        body.extend(b"\"stream_options\":{\"include_usage\":true}}");
        assert!(contains(&body, b"bench-small"));
        assert!(contains(&body, b"\"include_usage\":true"));
        assert!(!contains(&body, b"bench-stream"));
    }
}
