//! Progress while a tool works, for clients that have asked for it: tokens so far, not for every single one.

use rmcp::{
    RoleServer,
    model::{ProgressNotificationParam, ProgressToken},
    service::{Peer, RequestContext},
};
use std::time::Duration;
use tokio::time::Instant;

/// Quick enough to be seen moving, seldom enough to cost nothing beside the tokens.
const EVERY: Duration = Duration::from_millis(200);

/// Tells one call's client how far it is.
#[derive(Debug)]
pub(super) struct Progress {
    to: Option<(Peer<RoleServer>, ProgressToken)>,
    told: f64,
    told_at: Option<Instant>,
}

impl Progress {
    pub(super) fn of(context: &RequestContext<RoleServer>) -> Self {
        let token = context.meta.get_progress_token();
        Self {
            to: token.map(|token| (context.peer.clone(), token)),
            told: 0.0,
            told_at: None,
        }
    }

    /// The request goes to an engine, which may have to load the model first.
    pub(super) async fn waiting(&mut self) {
        self.tell(0, "waiting for the model").await;
    }

    /// So many pieces of the answer are here; an engine sends about one a token.
    pub(super) async fn tokens(&mut self, count: u32, model: &str) {
        let is_due = |at: Instant| at.elapsed() >= EVERY;
        // The first of them is worth telling at once: the model works.
        if count == 1 || self.told_at.is_none_or(is_due) {
            let words = if count == 1 { "token" } else { "tokens" };
            self.tell(count, &format!("{model}: {count} {words}")).await;
        }
    }

    async fn tell(&mut self, count: u32, message: &str) {
        let Some((peer, token)) = &self.to else {
            return;
        };
        // It has to grow with each message (specification, "Progress"), also where a second question begins anew.
        let progress = f64::from(count);
        if self.told_at.is_some() && progress <= self.told {
            return;
        }
        self.told = progress;
        self.told_at = Some(Instant::now());
        let progress =
            ProgressNotificationParam::new(token.clone(), progress).with_message(message);
        // Who does not hear it any more will not get the result either.
        let _ = peer.notify_progress(progress).await;
    }
}
