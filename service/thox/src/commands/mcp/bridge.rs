//! MCP over the standard input and output, to the device and back, for clients that only speak that.
//!
//! Each message is a request of its own to the device. When the client leaves, what still runs is stopped there too; one
//! that has only said all that it has to say gets its answers.

use super::{
    input::{self, End, Input},
    line::{self, Line},
    order::Order,
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
use std::{sync::Arc, time::Duration};
use tokio::task::{AbortHandle, JoinSet};

/// The session's end is a courtesy: the device finds out by itself.
const FAREWELL: Duration = Duration::from_secs(2);

const PATH: &str = "/mcp";

/// What all requests share.
struct Bridge {
    device: Device,
    output: Output,
    session: Session,
}

/// A request under way.
struct Running {
    id: Value,
    begins: bool,
    task: AbortHandle,
}

/// Carries messages until the client closes its end.
pub(super) async fn run(device: Device, output: Output) -> Result<(), Failure> {
    let bridge = Arc::new(Bridge {
        device,
        output,
        session: Session::default(),
    });
    let mut input = input::read();
    let mut order = Order::default();
    let mut end = None;
    let mut requests: JoinSet<Result<(), Failure>> = JoinSet::new();
    let mut running: Vec<Running> = Vec::new();
    while end.is_none() || !requests.is_empty() || !order.is_empty() {
        let line = tokio::select! {
            got = input.recv(), if end.is_none() && !order.is_full() => match got {
                Some(Input::Line(text)) if text.trim().is_empty() => continue,
                Some(Input::Line(text)) => match Line::read(text) {
                    Ok(line) => order.take(line),
                    Err(answer) => {
                        bridge.say(&answer)?;
                        continue;
                    }
                },
                Some(Input::End(End::Early)) => {
                    end = Some(End::Early);
                    continue;
                }
                Some(Input::End(End::Leaving)) | None => break,
            },
            Some(ended) = requests.join_next(), if !requests.is_empty() => {
                let is_over = |request: &Running| request.task.is_finished();
                if running.iter().any(|request| request.begins && is_over(request)) {
                    order.begun();
                }
                running.retain(|request| !is_over(request));
                // Nobody reads any more: there is nothing left to do.
                if let Ok(Err(closed)) = ended {
                    return Err(closed);
                }
                None
            }
            // What is held waits for a request under way.
            else => break,
        };
        let mut next = line.or_else(|| order.next());
        while let Some(line) = next {
            match line.id().cloned() {
                Some(id) => {
                    let begins = line.begins();
                    let (bridge, own) = (Arc::clone(&bridge), id.clone());
                    let task = requests.spawn(async move { bridge.request(&line, &own).await });
                    running.push(Running { id, begins, task });
                }
                None => {
                    // Without a session the device goes by the connection: it is closed with the request.
                    if let (Some(cancelled), None) = (line.cancels(), bridge.session.ending()) {
                        for request in running.iter().filter(|request| request.id == *cancelled) {
                            request.task.abort();
                        }
                    } else {
                        bridge.tell(&line).await;
                    }
                }
            }
            next = order.next();
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
