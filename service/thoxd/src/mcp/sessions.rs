//! Sessions of clients that speak a revision before 2026-07-28: whose each is, how many there may be, and when one ends.
//!
//! ```text
//! open --no request for session_idle_timeout, or its key is revoked, or DELETE--------------------------> gone
//!   \--its client has no connection for resume_within: the tools that work for it are stopped-----> open
//! ```
//!
//! rmcp's own sessions do the work; this keeps the books. A session that is not the caller's does not exist for him.

use crate::{gateway::Caller, keys::Key, lifetime::Lifetime, settings::Mcp};
use futures_util::Stream;
use rmcp::{
    model::{ClientJsonRpcMessage, GetExtensions as _, JsonRpcMessage, ServerJsonRpcMessage},
    transport::streamable_http_server::session::{
        ServerSseMessage, SessionId, SessionManager,
        local::{LocalSessionManager, LocalSessionManagerError},
    },
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// All sessions.
#[derive(Debug)]
pub(super) struct Sessions {
    rmcp: LocalSessionManager,
    books: Mutex<Books>,
    settings: Mcp,
}

#[derive(Debug, Default)]
struct Books {
    open: HashMap<SessionId, Entry>,
    /// Places for sessions that are being opened.
    promised: usize,
}

#[derive(Debug)]
struct Entry {
    /// None where nobody had to show one.
    key: Option<Arc<Key>>,
    /// Replies on their way and streams that are listened to.
    open: usize,
    used_at: Instant,
    /// Ends the work for a client that stays away.
    absent: CancellationToken,
}

/// A place for one session more, until it is open.
#[derive(Debug)]
pub(super) struct Place(Arc<Sessions>);

impl Drop for Place {
    fn drop(&mut self) {
        let mut books = self.0.books();
        books.promised = books.promised.saturating_sub(1);
    }
}

/// A reply of a session on its way: while it lives the client is there.
#[derive(Debug)]
pub(super) struct Visit {
    sessions: Arc<Sessions>,
    id: SessionId,
}

impl Drop for Visit {
    fn drop(&mut self) {
        if let Some(entry) = self.sessions.books().open.get_mut(&self.id) {
            entry.open = entry.open.saturating_sub(1);
            entry.used_at = Instant::now();
        }
    }
}

impl Sessions {
    /// None yet; `lifetime` runs what ends them.
    pub(super) fn new(settings: Mcp, lifetime: &Lifetime) -> Arc<Self> {
        let mut rmcp = LocalSessionManager::default();
        // A tool may work for longer in silence than a session may idle; who is idle is known here alone.
        rmcp.session_config.keep_alive = None;
        let sessions = Arc::new(Self {
            rmcp,
            books: Mutex::default(),
            settings,
        });
        lifetime.spawn_background(Arc::clone(&sessions).sweep());
        sessions
    }

    /// A session's next request, if it is the caller's.
    pub(super) fn visit(self: &Arc<Self>, id: &str, caller: &Caller) -> Option<Visit> {
        let mut books = self.books();
        let (id, _) = books.open.get_key_value(id)?;
        let id = Arc::clone(id);
        let entry = books.open.get_mut(&id)?;
        let number = |key: &Arc<Key>| key.number;
        if entry.key.as_ref().map(number) != caller.allowance.key().map(number) {
            return None;
        }
        entry.open += 1;
        entry.used_at = Instant::now();
        Some(Visit {
            sessions: Arc::clone(self),
            id,
        })
    }

    /// What is cancelled when the session's client stays away.
    pub(super) fn absence(&self, id: &str) -> CancellationToken {
        let books = self.books();
        books
            .open
            .get(id)
            .map(|entry| entry.absent.clone())
            .unwrap_or_default()
    }

    /// A place for one more. Where there is none, the session that is out of use for longest goes; none where all are in
    /// use.
    pub(super) async fn place(self: &Arc<Self>) -> Option<Place> {
        let oldest = {
            let mut books = self.books();
            let is_full = books.open.len() + books.promised >= self.settings.max_sessions;
            let unused = books.open.iter().filter(|(_, entry)| entry.open == 0);
            let oldest = unused
                .min_by_key(|(_, entry)| entry.used_at)
                .map(|(id, _)| Arc::clone(id))
                .filter(|_| is_full);
            if is_full {
                // Out of the books at once, so that nobody else counts on the same place.
                let entry = books.open.remove(oldest.as_ref()?);
                if let Some(entry) = entry {
                    entry.absent.cancel();
                }
            }
            books.promised += 1;
            oldest
        };
        let place = Place(Arc::clone(self));
        if let Some(id) = oldest {
            let _ = self.rmcp.close_session(&id).await;
        }
        Some(place)
    }

    /// Ends what is over, now and then.
    async fn sweep(self: Arc<Self>) {
        const SELDOM: Duration = Duration::from_secs(5);
        const OFTEN: Duration = Duration::from_millis(20);
        let shortest = self
            .settings
            .resume_within
            .min(self.settings.session_idle_timeout);
        let mut ticks = tokio::time::interval((shortest / 4).clamp(OFTEN, SELDOM));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            for id in self.overdue() {
                let _ = self.close_session(&id).await;
            }
        }
    }

    /// The sessions that are over; the work for those who stay away is ended on the way.
    fn overdue(&self) -> Vec<SessionId> {
        let mut over = Vec::new();
        for (id, entry) in self.books().open.iter_mut() {
            let away = if entry.open == 0 {
                entry.used_at.elapsed()
            } else {
                Duration::ZERO
            };
            let is_revoked = |key: &Arc<Key>| key.revoked().is_cancelled();
            if away >= self.settings.session_idle_timeout
                || entry.key.as_ref().is_some_and(is_revoked)
            {
                over.push(Arc::clone(id));
            } else if away >= self.settings.resume_within {
                std::mem::take(&mut entry.absent).cancel();
            }
        }
        over
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The caller that the door has attached to a message's HTTP request.
fn caller_of(message: &ClientJsonRpcMessage) -> Option<Caller> {
    let JsonRpcMessage::Request(request) = message else {
        return None;
    };
    let parts = request.request.extensions().get::<http::request::Parts>()?;
    parts.extensions.get::<Caller>().cloned()
}

type Failure = LocalSessionManagerError;

impl SessionManager for Sessions {
    type Error = Failure;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), Failure> {
        let (id, transport) = self.rmcp.create_session().await?;
        let entry = Entry {
            key: None,
            open: 0,
            used_at: Instant::now(),
            absent: CancellationToken::new(),
        };
        self.books().open.insert(Arc::clone(&id), entry);
        Ok((id, transport))
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, Failure> {
        let key = caller_of(&message).and_then(|caller| caller.allowance.key().cloned());
        if let Some(entry) = self.books().open.get_mut(id) {
            entry.key = key;
        }
        let reply = self.rmcp.initialize_session(id, message).await;
        if !matches!(reply, Ok(JsonRpcMessage::Response(_))) {
            // A session that was refused is none.
            let _ = self.close_session(id).await;
        }
        reply
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, Failure> {
        self.rmcp.has_session(id).await
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), Failure> {
        if let Some(entry) = self.books().open.remove(id) {
            entry.absent.cancel();
        }
        self.rmcp.close_session(id).await
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Failure> {
        self.rmcp.create_stream(id, message).await
    }

    async fn accept_message(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<(), Failure> {
        self.rmcp.accept_message(id, message).await
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Failure> {
        self.rmcp.create_standalone_stream(id).await
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Failure> {
        self.rmcp.resume(id, last_event_id).await
    }
}
