//! MCP over the standard input and output, to the device and back, for clients that only speak that.
//!
//! Each message is a request of its own to the device. When the client closes its end, what still runs is stopped there
//! too.

use super::{
    line::{self, Line},
    session::{SESSION, Session},
};
use crate::{
    device::{Device, Spoken},
    failure::Failure,
    output::Output,
};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::{
    io::{BufRead as _, Read as _},
    sync::Arc,
    thread,
    time::Duration,
};
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinSet},
};

/// Lines that are read ahead; a client that sends more is held back by the pipe.
const AHEAD: usize = 16;

/// More than the device takes (`server.max_body`), so that it is the device that says so.
const LONGEST_LINE: u64 = 64 << 20;

/// The session's end is a courtesy: the device finds out by itself.
const FAREWELL: Duration = Duration::from_secs(2);

const PATH: &str = "/mcp";

/// What all requests share.
struct Bridge {
    device: Device,
    output: Output,
    session: Session,
}

/// Carries messages until the client closes its end.
pub(super) async fn run(device: Device, output: Output) -> Result<(), Failure> {
    let bridge = Arc::new(Bridge {
        device,
        output,
        session: Session::default(),
    });
    let mut lines = lines();
    let mut running: Vec<(Value, AbortHandle)> = Vec::new();
    let mut requests: JoinSet<Result<(), Failure>> = JoinSet::new();
    loop {
        let text = tokio::select! {
            text = lines.recv() => text,
            Some(ended) = requests.join_next(), if !requests.is_empty() => {
                running.retain(|(_, request)| !request.is_finished());
                // Nobody reads any more: there is nothing left to do.
                if let Ok(Err(closed)) = ended {
                    return Err(closed);
                }
                continue;
            }
        };
        let Some(text) = text else { break };
        if text.trim().is_empty() {
            continue;
        }
        let line = match Line::read(text) {
            Ok(line) => line,
            Err(answer) => {
                bridge.say(&answer)?;
                continue;
            }
        };
        match line.id().cloned() {
            Some(id) => {
                let bridge = Arc::clone(&bridge);
                let own = id.clone();
                let request = requests.spawn(async move { bridge.request(&line, &own).await });
                running.push((id, request));
            }
            None => {
                // Without a session the device goes by the connection: it is closed with the request.
                if let (Some(cancelled), None) = (line.cancels(), bridge.session.ending()) {
                    for (_, request) in running.iter().filter(|(id, _)| id == cancelled) {
                        request.abort();
                    }
                } else {
                    bridge.tell(&line).await;
                }
            }
        }
    }
    requests.abort_all();
    if let Some(headers) = bridge.session.ending() {
        let ending = bridge
            .device
            .talk(Method::DELETE, PATH, Bytes::new(), headers);
        let _ = tokio::time::timeout(FAREWELL, ending).await;
    }
    Ok(())
}

/// The lines of the standard input, read on a thread of its own, which the end of the process does not wait for.
fn lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        loop {
            let mut line = Vec::new();
            match input
                .by_ref()
                .take(LONGEST_LINE)
                .read_until(b'\n', &mut line)
            {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let line = String::from_utf8_lossy(&line).into_owned();
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

impl Bridge {
    /// A request: its answer is printed whatever happens. The failure is that nobody reads it.
    async fn request(&self, line: &Line, id: &Value) -> Result<(), Failure> {
        match self.answer(line, id).await {
            Ok(()) => Ok(()),
            Err(closed @ Failure::OutputClosed) => Err(closed),
            Err(failure) => self.say(&line::failed(id, &failure)),
        }
    }

    async fn answer(&self, line: &Line, id: &Value) -> Result<(), Failure> {
        let mut spoken = self.post(line).await?;
        if spoken.status() == StatusCode::NOT_FOUND && self.begin_anew(line).await? {
            spoken = self.post(line).await?;
        }
        if line.method() == "initialize"
            && let Some(session) = spoken.headers().get(SESSION)
        {
            self.session.opened(line, session);
        }
        match spoken {
            Spoken::Whole { reply, .. } => {
                let message = serde_json::from_slice(&reply.body).map_err(|_| {
                    let message = format!("the device answers {} without a message", reply.status);
                    Failure::error(message).next("is it a Thox device? `thox status` tells")
                })?;
                self.say(&self.noted(line, line::answer(message, id)))
            }
            Spoken::Events { mut events, .. } => {
                while let Some(data) = events.next().await? {
                    // An event that only gives its id.
                    if data.is_empty() {
                        continue;
                    }
                    let message = serde_json::from_str(&data).map_err(|_| {
                        Failure::error("the device sends an event that is no message of MCP's")
                    })?;
                    let message = self.noted(line, line::answer(message, id));
                    self.say(&message)?;
                    if line::answers(&message, id) {
                        return Ok(());
                    }
                }
                let broken = "the device went away before it had answered";
                Err(Failure::error(broken).next("call again; `thox status` tells how it is"))
            }
        }
    }

    /// A notification or a response: nobody waits for an answer.
    async fn tell(&self, line: &Line) {
        let _ = self.post(line).await;
    }

    async fn post(&self, line: &Line) -> Result<Spoken, Failure> {
        let headers = self.session.headers(line);
        let body = Bytes::from(line.text.trim().to_owned());
        self.device.talk(Method::POST, PATH, body, headers).await
    }

    /// The session has gone with the device's restart or its own age: the client's beginning is said again on its behalf.
    async fn begin_anew(&self, line: &Line) -> Result<bool, Failure> {
        if line.own_version().is_some() || line.method() == "initialize" {
            return Ok(false);
        }
        let Some(Ok(beginning)) = self.session.beginning().map(Line::read) else {
            return Ok(false);
        };
        let spoken = self.post(&beginning).await?;
        let Some(id) = spoken.headers().get(SESSION).cloned() else {
            return Ok(false);
        };
        self.session.opened(&beginning, &id);
        if let Spoken::Events { mut events, .. } = spoken {
            while let Some(data) = events.next().await? {
                let answer: Value = serde_json::from_str(&data).unwrap_or_default();
                if beginning.id().is_some_and(|id| line::answers(&answer, id)) {
                    break;
                }
            }
        }
        let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        if let Ok(ready) = Line::read(ready.to_string()) {
            self.tell(&ready).await;
        }
        Ok(true)
    }

    /// The revision that a beginning's answer names counts from here on.
    fn noted(&self, line: &Line, message: Value) -> Value {
        let agreed = message.pointer("/result/protocolVersion");
        if let ("initialize", Some(version)) = (line.method(), agreed.and_then(Value::as_str)) {
            self.session.agreed(version);
        }
        message
    }

    fn say(&self, message: &Value) -> Result<(), Failure> {
        let mut text = message.to_string();
        text.push('\n');
        self.output.raw(text.as_bytes())
    }
}
