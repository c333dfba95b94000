//! The two completion endpoints: the computation runs off the async threads and ends when its client goes.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::sync::mpsc::{self, Sender};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::task::spawn_blocking;

use super::ask::{ChatRequest, Common, CompletionRequest, read};
use super::body::Body;
use super::failure::Failure;
use super::wire::{Form, Reply, done, event};
use super::{Starter, read_body};
use crate::answer::{Ask, Outcome};
use crate::cancel::Cancel;
use crate::error::Error;
use crate::model::Model;

/// Events between the computation and the connection: enough for each answer of the embedded model, so that a slow reader
/// does not hold a slot; a longer answer waits for its reader.
const EVENTS_AHEAD: usize = 128;

impl Starter {
    pub(super) async fn chat(&self, request: Request<Incoming>) -> Result<Response<Body>, Failure> {
        let body = read_body(request).await?;
        let request: ChatRequest = read(&body)?;
        let ask = request.common.ask()?;
        let messages = request.messages()?;
        let prompt = move |model: &Model| model.chat_prompt(&messages);
        self.reply(Form::Chat, &request.common, ask, prompt).await
    }

    pub(super) async fn completion(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Failure> {
        let body = read_body(request).await?;
        let request: CompletionRequest = read(&body)?;
        let ask = request.common.ask()?;
        let text = request.prompt()?.to_owned();
        let prompt = move |model: &Model| Ok(model.prompt(&text));
        self.reply(Form::Plain, &request.common, ask, prompt).await
    }

    async fn reply(
        &self,
        form: Form,
        common: &Common,
        ask: Ask,
        prompt: impl FnOnce(&Model) -> Result<Vec<u32>, Error> + Send + 'static,
    ) -> Result<Response<Body>, Failure> {
        let stopped = |_| Failure::internal("the starter engine is stopping");
        let permit = Arc::clone(&self.slots)
            .acquire_owned()
            .await
            .map_err(|_| Failure::internal("the starter engine is stopping"))?;
        let cancel = Cancel::default();
        let guard = cancel.on_drop();
        let model = Arc::clone(&self.model);
        let reply = Reply::new(form);
        if !common.streams() {
            // The guard lives in this future, which is dropped when the client goes.
            let task = spawn_blocking(move || whole(&model, ask, prompt, &cancel, permit));
            let (text, outcome) = task.await.map_err(stopped)??;
            drop(guard);
            return Ok(Body::json(StatusCode::OK, &reply.whole(&text, &outcome)));
        }
        let (events, receiver) = mpsc::channel(EVENTS_AHEAD);
        let (begun, begins) = oneshot::channel();
        let include_usage = common.include_usage();
        spawn_blocking(move || {
            let stream = Stream {
                reply,
                events,
                cancel,
                begun: Some(begun),
            };
            stream.run(&model, ask, prompt, include_usage, permit);
        });
        // What is wrong with the prompt is known before the first token and still gets its proper status.
        begins
            .await
            .map_err(|_| Failure::internal("the starter engine is stopping"))??;
        Ok(Body::events(receiver, guard))
    }
}

fn whole(
    model: &Model,
    mut ask: Ask,
    prompt: impl FnOnce(&Model) -> Result<Vec<u32>, Error>,
    cancel: &Cancel,
    _permit: OwnedSemaphorePermit,
) -> Result<(String, Outcome), Failure> {
    ask.prompt = prompt(model)?;
    let mut text = String::new();
    let outcome = model.answer(&ask, cancel, |piece| text.push_str(piece))?;
    Ok((text, outcome))
}

/// A streamed answer in the making.
struct Stream {
    reply: Reply,
    events: Sender<Bytes>,
    cancel: Cancel,
    /// Tells the waiting handler that the prompt is read, or why it is refused.
    begun: Option<oneshot::Sender<Result<(), Failure>>>,
}

impl Stream {
    fn run(
        mut self,
        model: &Model,
        mut ask: Ask,
        prompt: impl FnOnce(&Model) -> Result<Vec<u32>, Error>,
        include_usage: bool,
        _permit: OwnedSemaphorePermit,
    ) {
        let cancel = self.cancel.clone();
        let result = prompt(model).map_err(Failure::from).and_then(|prompt| {
            ask.prompt = prompt;
            Ok(model.answer(&ask, &cancel, |piece| {
                self.begin(Ok(()));
                let piece = self.reply.piece(piece);
                self.send(event(&piece));
            })?)
        });
        match result {
            Ok(outcome) => {
                self.begin(Ok(()));
                let closing = self.reply.closing(outcome.finish);
                self.send(event(&closing));
                if include_usage {
                    let usage = self.reply.usage(&outcome);
                    self.send(event(&usage));
                }
                self.send(done());
            }
            // Before the first byte it is a status, after it an event.
            Err(failure) if self.begun.is_some() => self.begin(Err(failure)),
            Err(failure) => self.send(event(&failure.object())),
        }
    }

    /// Opens the stream, once.
    fn begin(&mut self, result: Result<(), Failure>) {
        let Some(begun) = self.begun.take() else {
            return;
        };
        let opens = result.is_ok();
        if begun.send(result).is_err() {
            self.cancel.cancel();
        } else if let Some(opening) = self.reply.opening().filter(|_| opens) {
            self.send(event(&opening));
        }
    }

    /// Hands an event to the connection; waits for a slow reader, stops for one that is gone.
    fn send(&self, event: Bytes) {
        if self.events.blocking_send(event).is_err() {
            self.cancel.cancel();
        }
    }
}
