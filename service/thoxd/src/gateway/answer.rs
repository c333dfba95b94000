//! A stream on its way from the engine to the client: read, repaired and written in one poll, with no task, no channel
//! and no buffer between the two. Dropping it closes the engine's connection, gives the slot on and writes the record.
//!
//! ```text
//! Live --[DONE] or what counts as it--> Ending --the engine's body ends, or a moment passes--> Over
//!   \--the engine breaks off, stalls, sends an error or nonsense: one `error` event-----------> Over
//! ```

use super::{call::Shared, record::Record};
use crate::engine::{
    Engine, Failure, ReplyStream, Trouble,
    adapter::EndMark,
    choices::Seen,
    chunk::{self, Edits, Piece, Usage},
    refusal,
    shape::Shape,
    sse::Events,
};
use crate::lifetime::Seldom;
use bytes::{Bytes, BytesMut};
use http_body::Body;
use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use thox_api::{ApiError, ErrorKind, StreamEvent};
use thox_policy::Endpoint;
use tokio::time::{Instant, Sleep, sleep_until};

/// How events reach the client.
#[derive(Clone, Debug)]
pub enum Framing {
    /// Server-sent events, as OpenAI streams: `data: {…}`, at the end `data: [DONE]`.
    EventStream {
        /// A comment line after this much silence, so that no proxy and no SDK gives up.
        comment_every: Duration,
    },
    /// WebSocket messages: `"type":"delta"`, at the end `"type":"done"`.
    Messages {
        /// The client's own id for the request, as it wrote it.
        request_id: Option<Box<str>>,
    },
}

/// After `[DONE]` the engine's body ends within the same segment or the next; only a broken one keeps it open.
const ENDING: Duration = Duration::from_secs(1);

/// The stream.
#[derive(Debug)]
pub struct Answer {
    upstream: Option<ReplyStream>,
    events: Events,
    editor: Editor,
    ready: VecDeque<Bytes>,
    state: State,
    alarm: Seldom<Pin<Box<Sleep>>>,
    is_alarm_set: bool,
    has_begun: bool,
    /// Since when the engine has been waited for; nothing while it sends, or while the client takes its time.
    silent_since: Option<Instant>,
    last_comment: Option<Instant>,
    engine: Arc<Engine>,
    shared: Arc<Shared>,
    record: Record,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Live,
    Ending,
    Over,
}

#[derive(Debug)]
struct Editor {
    edits: Edits,
    end: EndMark,
    endpoint: Endpoint,
    framing: Framing,
    backend: Arc<str>,
    model: Arc<str>,
    engine: Arc<str>,
    seen: Seen,
    shape: Option<Shape>,
    misses: u8,
    out: BytesMut,
    ended: Option<Result<(), ApiError>>,
}

/// What an [`Answer`] is made of besides the engine's reply.
#[derive(Debug)]
pub(super) struct Terms {
    pub edits: Edits,
    pub end: EndMark,
    pub endpoint: Endpoint,
    pub framing: Framing,
    pub model: Arc<str>,
    pub engine: Arc<Engine>,
    pub shared: Arc<Shared>,
    pub record: Record,
}

impl Answer {
    pub(super) fn new(upstream: ReplyStream, terms: Terms) -> Self {
        Self {
            upstream: Some(upstream),
            events: Events::default(),
            editor: Editor {
                edits: terms.edits,
                end: terms.end,
                endpoint: terms.endpoint,
                framing: terms.framing,
                backend: Arc::clone(&terms.engine.backend),
                model: terms.model,
                engine: Arc::clone(&terms.engine.name),
                seen: Seen::default(),
                shape: None,
                misses: 0,
                out: BytesMut::new(),
                ended: None,
            },
            ready: VecDeque::new(),
            state: State::Live,
            alarm: Seldom::new(Box::pin(sleep_until(Instant::now()))),
            is_alarm_set: false,
            has_begun: false,
            silent_since: None,
            last_comment: None,
            engine: terms.engine,
            shared: terms.shared,
            record: terms.record,
        }
    }

    /// Waits for the first piece, so that an engine that fails before it can still be replaced by another.
    ///
    /// # Errors
    /// The engine's failure, with the record to go on with.
    pub(super) async fn begun(mut self) -> Result<Box<Self>, (ApiError, Record)> {
        std::future::poll_fn(|cx| self.poll_upstream(cx)).await;
        match self.editor.ended.take() {
            Some(Err(error)) if self.editor.seen.pieces == 0 => Err((error, self.record)),
            ended => {
                self.editor.ended = ended;
                self.has_begun = true;
                self.is_alarm_set = false;
                self.after_read();
                Ok(Box::new(self))
            }
        }
    }

    /// The next bytes for the client: for [`Framing::Messages`] one whole message, else one or more whole events.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if let Some(bytes) = self.ready.pop_front() {
                return Poll::Ready(Some(bytes));
            }
            if self.state == State::Over {
                return Poll::Ready(None);
            }
            ready!(self.poll_upstream(cx));
            self.after_read();
        }
    }

    /// Who answers.
    #[must_use]
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Whether everything for the client has been given out.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.state != State::Live && self.ready.is_empty()
    }

    /// Reads on until something is ready for the client or the reply has ended.
    fn poll_upstream(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let Some(upstream) = &mut self.upstream else {
                self.end(Ok(()));
                return Poll::Ready(());
            };
            let frame = match Pin::new(upstream).poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending => return self.poll_silence(cx),
            };
            match frame {
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else {
                        continue;
                    };
                    self.silent_since = None;
                    if self.state != State::Live {
                        continue;
                    }
                    self.read(&data);
                    if !self.ready.is_empty() || self.editor.ended.is_some() {
                        return Poll::Ready(());
                    }
                }
                Some(Err(error)) => {
                    self.fail(&Failure::of(Trouble::BrokeOff, &error));
                    return Poll::Ready(());
                }
                None => {
                    self.upstream = None;
                    if self.state == State::Live {
                        match self.editor.is_complete_without_mark() {
                            true => self.finish(),
                            false => self.fail(&Failure::new(
                                Trouble::Incomplete,
                                "the stream ended without its end mark",
                            )),
                        }
                    }
                    return Poll::Ready(());
                }
            }
        }
    }

    /// The engine sends nothing just now: is it too long, or time for a comment? The alarm is set for the first of both
    /// and then left alone: what arrives meanwhile only puts them off.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let since = *self.silent_since.get_or_insert_with(Instant::now);
        if self.is_alarm_set {
            ready!(self.alarm.poll(cx));
            self.is_alarm_set = false;
        }
        let now = Instant::now();
        let limit = match (self.state, self.editor.seen.has_content) {
            // TensorRT-LLM sends a head and a piece with the role alone before it has worked through the prompt.
            (State::Live, false) => self
                .engine
                .first_byte_timeout
                .max(self.engine.stall_timeout),
            (State::Live, true) => self.engine.stall_timeout,
            (State::Ending | State::Over, _) => ENDING,
        };
        let deadline = since + limit;
        if now >= deadline {
            if self.state == State::Live {
                self.fail(&Failure::new(
                    Trouble::Stalled,
                    format_args!("nothing came for {limit:?}"),
                ));
            }
            self.upstream = None;
            return Poll::Ready(());
        }
        let mut next = deadline;
        if let (Framing::EventStream { comment_every }, true, State::Live) =
            (&self.editor.framing, self.has_begun, self.state)
        {
            let due = self.last_comment.map_or(since, |last| last.max(since)) + *comment_every;
            if now >= due {
                self.last_comment = Some(now);
                self.ready.push_back(Bytes::from_static(COMMENT));
                return Poll::Ready(());
            }
            next = next.min(due);
        }
        self.alarm.get_mut().as_mut().reset(next);
        self.is_alarm_set = true;
        if self.alarm.poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    fn read(&mut self, data: &[u8]) {
        // What thoxd adds to an event is about as long as what it leaves out. Once the client has the last bytes, their
        // memory serves again.
        self.editor.out.reserve(data.len() + 256);
        let Self {
            events,
            editor,
            ready,
            ..
        } = self;
        let had_content = editor.seen.has_content;
        let result = events.push(data, |event| editor.event(event, ready));
        self.editor.flush(&mut self.ready);
        if self.editor.seen.has_content != had_content {
            // Silence has another limit from now on.
            self.is_alarm_set = false;
        }
        if let Err(error) = result {
            self.fail(&Failure::new(Trouble::Garbled, error));
        }
        if self.editor.seen.pieces > 0 {
            self.record.first_token();
        }
    }

    fn after_read(&mut self) {
        match self.editor.ended.take() {
            None => {}
            Some(Ok(())) => self.finish(),
            Some(Err(error)) => self.end(Err(error)),
        }
    }

    fn finish(&mut self) {
        self.editor.finish(&mut self.ready);
        // An engine that does not count sends about one token a piece.
        let counted = self.editor.seen.usage.unwrap_or(Usage {
            prompt_tokens: 0,
            completion_tokens: self.editor.seen.pieces,
        });
        self.record
            .completed(Some(counted), self.editor.seen.pieces);
        self.is_alarm_set = false;
        self.state = if self.upstream.is_some() {
            State::Ending
        } else {
            State::Over
        };
    }

    fn fail(&mut self, failure: &Failure) {
        let error = failure.to_api(&self.engine.name).cause(&failure.cause);
        self.shared.failed(&self.engine, failure.outcome(), failure);
        self.editor.ended = Some(Err(error));
        self.upstream = None;
    }

    fn end(&mut self, result: Result<(), ApiError>) {
        if let Err(error) = result {
            self.record.failed(&error);
            self.ready.push_back(self.editor.error(&error));
            self.upstream = None;
        }
        self.state = State::Over;
    }
}

/// A comment line of Server-sent events; clients have to ignore it (WHATWG HTML, 9.2.6).
pub const COMMENT: &[u8] = b": keep-alive\n\n";

impl Editor {
    /// One event of the engine's; what it becomes is appended to `out`.
    fn event(&mut self, event: &str, ready: &mut VecDeque<Bytes>) {
        if self.ended.is_some() || event.is_empty() {
            return;
        }
        if event == "[DONE]" {
            self.ended = Some(Ok(()));
            return;
        }
        let start = self.out.len();
        let is_event_stream = matches!(self.framing, Framing::EventStream { .. });
        if is_event_stream {
            self.out.extend_from_slice(b"data: ");
        }
        if let Some(content) = self
            .shape
            .as_ref()
            .and_then(|shape| shape.apply(event, &mut self.out))
        {
            self.seen.pieces += 1;
            self.seen.has_content |= !content.is_empty();
            self.misses = 0;
            return self.end_event(is_event_stream, ready);
        }
        let edited = self.out.len();
        match chunk::edit(event, &self.edits, &mut self.seen, &mut self.out) {
            Ok(Piece::Content) => self.learn(event, edited),
            Ok(Piece::Count) if is_event_stream && self.edits.keeps_usage => {}
            // A message's count goes into its `done`.
            Ok(Piece::Count) => return self.out.truncate(start),
            Ok(Piece::Error) => {
                self.out.truncate(start);
                self.ended = Some(Err(refusal::read(&self.engine, 500, event.as_bytes())));
                return;
            }
            Err(error) => {
                self.out.truncate(start);
                let failure = Failure::new(Trouble::Garbled, format_args!("an event: {error}"));
                self.ended = Some(Err(failure.to_api(&self.engine).cause(&failure.cause)));
                return;
            }
        }
        self.end_event(is_event_stream, ready);
    }

    fn end_event(&mut self, is_event_stream: bool, ready: &mut VecDeque<Bytes>) {
        if is_event_stream {
            self.out.extend_from_slice(b"\n\n");
        } else {
            self.flush(ready);
        }
    }

    /// Remembers the shape of a plain piece; not for ever at an engine whose pieces never look alike.
    fn learn(&mut self, event: &str, edited: usize) {
        const MOST_MISSES: u8 = 32;
        self.shape = None;
        if self.seen.is_plain && self.misses < MOST_MISSES {
            self.misses += 1;
            self.shape = Shape::learn(event, self.out.get(edited..).unwrap_or_default());
        }
    }

    fn flush(&mut self, ready: &mut VecDeque<Bytes>) {
        if !self.out.is_empty() {
            ready.push_back(self.out.split().freeze());
        }
    }

    fn is_complete_without_mark(&self) -> bool {
        match self.end {
            EndMark::Done => false,
            EndMark::DoneOrFinishReason => self.seen.finish_reason.is_some(),
            EndMark::EndOfBody => self.seen.pieces > 0,
        }
    }

    /// The end of a complete reply, with what the engine left out.
    fn finish(&mut self, ready: &mut VecDeque<Bytes>) {
        if self.seen.finish_reason.is_none() && self.end == EndMark::EndOfBody {
            self.event(
                if self.endpoint == Endpoint::Chat {
                    CHAT_END
                } else {
                    COMPLETION_END
                },
                ready,
            );
            self.flush(ready);
        }
        // llama.cpp's completions count on the last piece; who asked for the count gets it where OpenAI sends it.
        if let (Framing::EventStream { .. }, true, Some(usage), None) = (
            &self.framing,
            self.edits.keeps_usage,
            self.seen.usage,
            &self.seen.usage_text,
        ) {
            self.event(&usage.as_piece(self.endpoint), ready);
            self.flush(ready);
        }
        ready.push_back(match &self.framing {
            Framing::EventStream { .. } => Bytes::from_static(b"data: [DONE]\n\n"),
            Framing::Messages { request_id } => event_json(&StreamEvent::Done {
                request_id: own_id(request_id.as_deref()),
                backend: self.backend.to_string(),
                model: self.model.to_string(),
                finish_reason: self.seen.finish_reason.as_deref().map(str::to_owned),
                usage: self
                    .seen
                    .usage_text
                    .as_deref()
                    .and_then(|text| serde_json::from_str(text).ok()),
            }),
        });
    }

    fn error(&self, error: &ApiError) -> Bytes {
        match &self.framing {
            Framing::EventStream { .. } => format!("data: {}\n\n", error.json()).into(),
            Framing::Messages { request_id } => error_message(error, request_id.as_deref()),
        }
    }
}

/// What Jetson's server leaves out at the end of a chat.
const CHAT_END: &str = r#"{"object":"chat.completion.chunk","created":0,"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
/// The same for completions.
const COMPLETION_END: &str = r#"{"object":"text_completion","created":0,"choices":[{"index":0,"text":"","finish_reason":"stop"}]}"#;

/// An error as a WebSocket message.
#[must_use]
pub fn error_message(error: &ApiError, request_id: Option<&str>) -> Bytes {
    event_json(&StreamEvent::Error {
        request_id: own_id(request_id),
        error: error.body().error,
    })
}

fn own_id(json: Option<&str>) -> Option<serde_json::Value> {
    serde_json::from_str(json?).ok()
}

fn event_json(event: &StreamEvent) -> Bytes {
    serde_json::to_vec(event).unwrap_or_default().into()
}

/// What a client reads when the engine's words are not its fault.
pub(super) fn internal(cause: impl std::fmt::Display) -> ApiError {
    ApiError::new(
        ErrorKind::Internal,
        "thoxd made a mistake; its log says more, under the request's id.",
    )
    .cause(cause)
}
