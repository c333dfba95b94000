//! One connection of a double: requests in, replies out cut as the script and the fault say, and an eye on the client
//! all the while.

use super::double::State;
use super::fault::Fault;
use super::journal::{Outcome, Seen, Stage, purpose};
use super::reply::{Event, Reply};
use super::script::Delivery;
use crate::http1::{Framing, fill, read_body, read_request_head};
use std::io;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

/// How the connection goes on after a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    Keep,
    /// The reply is whole, the connection closes.
    CloseWhole,
    /// The reply is broken off by closing.
    CloseBroken,
    /// The reply is broken off by a reset.
    Reset,
}

pub(crate) async fn serve(mut stream: TcpStream, state: &State) {
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::new();
    let mut is_fresh = true;
    loop {
        let Some(seen) = read_request(&mut stream, &mut buffer).await else {
            return;
        };
        let fault = state.take_fault(purpose(&seen));
        if fault == Some(Fault::StaleConnection) && !is_fresh {
            return;
        }
        is_fresh = false;
        let running = Running::begin(state, &seen);
        let reply = match fault {
            Some(Fault::Status(status)) => state.fault_reply(status, &seen.path),
            _ => state.route(&seen),
        };
        let (mut reader, mut writer) = stream.split();
        let writing = Writing {
            writer: &mut writer,
            running: &running,
            state,
            delivery: state.script().delivery,
        };
        let written = tokio::select! {
            biased;
            () = gone(&mut reader, &mut buffer) => None,
            written = writing.send(reply, fault, seen.method == "HEAD") => written.ok(),
        };
        running.end(match written {
            None => Outcome::Cancelled,
            Some(After::Keep | After::CloseWhole) => Outcome::Finished,
            Some(After::CloseBroken | After::Reset) => Outcome::Broken,
        });
        if written == Some(After::Reset) {
            let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        }
        let asked_to_close = seen
            .headers
            .get("connection")
            .is_some_and(|v| v.eq_ignore_ascii_case("close"));
        if written != Some(After::Keep) || asked_to_close {
            return;
        }
    }
}

async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Seen> {
    let head = read_request_head(stream, buffer).await.ok()??;
    if head.headers.get("expect").is_some() {
        stream
            .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
            .await
            .ok()?;
    }
    let framing = Framing::of(&head.headers, Framing::Length(0));
    let body = read_body(stream, buffer, framing).await.ok()?;
    let path = head.target.split('?').next().unwrap_or_default().to_owned();
    Some(Seen {
        method: head.method,
        path,
        headers: head.headers,
        body,
        at: Instant::now(),
    })
}

/// Ends when the client closes or resets the connection. What it sends ahead of its turn is kept for later.
async fn gone(reader: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) {
    while let Ok(1..) = fill(reader, buffer).await {}
}

/// A request under way; what becomes of it is recorded also when the engine "dies" around it.
struct Running<'a> {
    state: &'a State,
    path: String,
    stage: Mutex<Stage>,
    is_over: bool,
}

impl<'a> Running<'a> {
    fn begin(state: &'a State, seen: &Seen) -> Self {
        state.journal.begin(seen);
        Self {
            state,
            path: seen.path.clone(),
            stage: Mutex::new(Stage::BeforeHead),
            is_over: false,
        }
    }

    fn reaches(&self, stage: Stage) {
        *self.stage.lock().unwrap() = stage;
    }

    fn record(&self, outcome: Outcome) {
        self.state
            .journal
            .end(&self.path, outcome, *self.stage.lock().unwrap());
    }

    fn end(mut self, outcome: Outcome) {
        self.is_over = true;
        self.record(outcome);
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.record(Outcome::Broken);
        }
    }
}

/// Writes one reply.
struct Writing<'a, W> {
    writer: &'a mut W,
    running: &'a Running<'a>,
    state: &'a State,
    delivery: Delivery,
}

impl<W: AsyncWrite + Unpin> Writing<'_, W> {
    async fn send(
        mut self,
        reply: Reply,
        fault: Option<Fault>,
        is_head: bool,
    ) -> io::Result<After> {
        match fault {
            Some(Fault::CloseBeforeHead) => return Ok(After::CloseBroken),
            Some(Fault::ResetBeforeHead) => return Ok(After::Reset),
            Some(Fault::HangBeforeHead) => return hang().await,
            Some(Fault::Garbage) => {
                self.writer
                    .write_all(b"\x16\x03\x01\x00 this is no HTTP\r\n\r\n")
                    .await?;
                return Ok(After::CloseBroken);
            }
            _ => {}
        }
        let after = match reply {
            Reply::Whole {
                status,
                headers,
                body,
                after,
            } => {
                sleep(after).await;
                let body = if is_head { String::new() } else { body };
                self.whole(status, &headers, body.as_bytes(), fault).await?
            }
            Reply::Stream {
                content_type,
                head_after,
                events,
            } => {
                sleep(head_after).await;
                self.stream(content_type, events, fault).await?
            }
        };
        Ok(if fault == Some(Fault::CloseAfterReply) {
            After::CloseWhole
        } else {
            after
        })
    }

    async fn head(&mut self, status: u16, headers: &[(&str, String)]) -> io::Result<()> {
        let mut head = format!("HTTP/1.1 {status} {}\r\n", reason(status));
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        self.writer.write_all(head.as_bytes()).await?;
        self.running.reaches(Stage::BeforeFirstToken);
        Ok(())
    }

    async fn whole(
        &mut self,
        status: u16,
        headers: &[(&'static str, String)],
        body: &[u8],
        fault: Option<Fault>,
    ) -> io::Result<After> {
        let body = if matches!(fault, Some(Fault::BadEvent { .. })) {
            b"{\"choices\": [oops"
        } else {
            body
        };
        let mut headers = headers.to_vec();
        headers.push(("content-length", body.len().to_string()));
        self.head(status, &headers).await?;
        let half = &body[..body.len() / 2];
        match fault {
            Some(Fault::HangAfterHead) => return hang().await,
            Some(
                Fault::Hang { .. }
                | Fault::Close { .. }
                | Fault::Reset { .. }
                | Fault::Truncate { .. },
            ) => {
                self.writer.write_all(half).await?;
            }
            _ => {
                self.writer.write_all(body).await?;
                return Ok(After::Keep);
            }
        }
        match fault {
            Some(Fault::Hang { .. }) => hang().await,
            Some(Fault::Reset { .. }) => Ok(After::Reset),
            _ => Ok(After::CloseBroken),
        }
    }

    async fn stream(
        &mut self,
        content_type: &str,
        events: Vec<Event>,
        fault: Option<Fault>,
    ) -> io::Result<After> {
        let headers = [
            ("content-type", content_type.to_owned()),
            ("cache-control", "no-cache".to_owned()),
            ("transfer-encoding", "chunked".to_owned()),
        ];
        self.head(200, &headers).await?;
        if fault == Some(Fault::HangAfterHead) {
            return hang().await;
        }
        let mut pending = Vec::new();
        for (index, event) in events.iter().enumerate() {
            match fault {
                Some(Fault::Hang { after } | Fault::Close { after } | Fault::Reset { after })
                    if after == index =>
                {
                    self.deliver(&mut pending, true).await?;
                    return match fault {
                        Some(Fault::Hang { .. }) => hang().await,
                        Some(Fault::Reset { .. }) => Ok(After::Reset),
                        _ => Ok(After::CloseBroken),
                    };
                }
                Some(Fault::Truncate { after }) if after == index => {
                    let words = self
                        .state
                        .last_words()
                        .map(|words| Event::data(words, Duration::ZERO));
                    return self.finish(pending, words.into_iter().collect()).await;
                }
                Some(Fault::ErrorEvent { after }) if after == index => {
                    let error = Event::data(&self.state.error_event(), Duration::ZERO);
                    return self.finish(pending, vec![error, Event::done()]).await;
                }
                Some(Fault::BadEvent { after }) if after == index => {
                    pending.push(Event::data("{\"choices\": [oops", Duration::ZERO));
                }
                _ => {}
            }
            if !event.after.is_zero() {
                self.deliver(&mut pending, true).await?;
                sleep(event.after).await;
            }
            pending.push(event.clone());
            self.deliver(&mut pending, false).await?;
            if let Some(model) = &event.brings {
                self.state.add_model(model);
            }
        }
        self.finish(pending, Vec::new()).await
    }

    /// Writes what is pending, some last events and the end of the body.
    async fn finish(&mut self, mut pending: Vec<Event>, last: Vec<Event>) -> io::Result<After> {
        pending.extend(last);
        self.deliver(&mut pending, true).await?;
        self.writer.write_all(b"0\r\n\r\n").await?;
        Ok(After::Keep)
    }

    /// Writes the pending events as the script wants them cut; all of them when `now`.
    async fn deliver(&mut self, pending: &mut Vec<Event>, now: bool) -> io::Result<()> {
        let enough = match self.delivery {
            Delivery::Bursts(count) => count.max(1),
            Delivery::Events | Delivery::Pieces(_) => 1,
        };
        if pending.is_empty() || (pending.len() < enough && !now) {
            return Ok(());
        }
        let events = std::mem::take(pending);
        match self.delivery {
            Delivery::Events | Delivery::Bursts(_) => {
                let chunks: Vec<u8> = events
                    .iter()
                    .flat_map(|event| chunk(&event.bytes))
                    .collect();
                self.writer.write_all(&chunks).await?;
            }
            Delivery::Pieces(size) => {
                let bytes: Vec<u8> = events.into_iter().flat_map(|event| event.bytes).collect();
                for (count, piece) in bytes.chunks(size.max(1)).enumerate() {
                    self.writer.write_all(&chunk(piece)).await?;
                    self.writer.flush().await?;
                    if count % 8 == 7 {
                        // Gives the reader time to see the pieces one by one.
                        sleep(Duration::from_millis(1)).await;
                    }
                }
            }
        }
        self.running.reaches(Stage::InStream);
        Ok(())
    }
}

async fn hang() -> io::Result<After> {
    std::future::pending().await
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    let mut out = format!("{:x}\r\n", bytes.len()).into_bytes();
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
    out
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        404 => "Not Found",
        405 => "Method Not Allowed",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Whatever",
    }
}
