//! Whether the engine that answers has read a question to its end, where engines of its kind cut one without a word.
//!
//! ```text
//! the answer begins --> look: with which context does it run? --too short--> ask anew, or not at all
//! the answer is there --> by what is known: whole | cut | unsure --> have it read once more, not to be cut: whole | cut
//! ```

use super::{
    job::{Missing, Question, Said},
    size::{self, Reading},
};
use crate::{
    engine::{
        Engine,
        reading::{self, Measured},
    },
    gateway::Caller,
    world::Snapshot,
};
use std::sync::Arc;
use thox_api::{ApiError, Class, ErrorKind};
use thox_policy::admit::Urgency;

/// A model at an engine that cuts.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    engine: Arc<Engine>,
    /// The engine's own name for it.
    model: Arc<str>,
    can_measure: bool,
    /// What the engine runs it with, as far as it tells.
    pub context: Option<u64>,
}

impl Reader {
    /// The one at `engine` that a question to `model` went to, while its answer is on the way; none where the engine
    /// cuts nothing.
    ///
    /// Now and not later: an engine neither drops nor reloads a model that is answering.
    pub(super) async fn of(engine: &Arc<Engine>, model: &str, snapshot: &Snapshot) -> Option<Self> {
        if !reading::cuts(engine.kind) {
            return None;
        }
        let mut fleet = snapshot.fleet.iter();
        let index = fleet.position(|known| known.name == engine.name);
        let known = snapshot.routing.models.get(model);
        let mut placements = known.iter().flat_map(|model| &model.placements);
        let placed = placements.find(|placement| Some(placement.engine) == index);
        let seen = index.and_then(|index| snapshot.reports.get(index));
        let version = seen.and_then(|seen| seen.report.version.as_deref());
        let model = placed.map_or_else(|| Arc::from(model), |placed| Arc::clone(&placed.model));
        Some(Self {
            context: reading::context(engine, &model).await,
            engine: Arc::clone(engine),
            model,
            can_measure: version.is_some_and(reading::can_measure),
        })
    }

    /// Lets an answer pass only if the whole question was read for it.
    ///
    /// # Errors
    /// It was not, or there is no telling.
    pub(super) async fn must_have_read(
        mut self,
        question: &Question,
        said: &Said,
        caller: &Caller,
    ) -> Result<(), Missing> {
        let written = said.tokens.unwrap_or(question.max_tokens);
        let read = said.prompt_tokens.filter(|read| *read > 0);
        match size::reading(self.context, question.most, read, written) {
            Reading::Whole => return Ok(()),
            Reading::Cut => return Err(self.cut()),
            Reading::Unsure => {}
        }
        match self.measure(question, caller).await? {
            Measured::TooLong => Err(self.cut()),
            Measured::Tokens(tokens) => {
                if self.context.is_none() {
                    // It has just been read once more, so it is in memory.
                    self.context = reading::context(&self.engine, &self.model).await;
                }
                if self.context.is_none() && !self.can_measure {
                    return Err(self.untold());
                }
                if size::is_kept(self.context, tokens, written) {
                    Ok(())
                } else {
                    Err(self.cut())
                }
            }
        }
    }

    async fn measure(&self, question: &Question, caller: &Caller) -> Result<Measured, ApiError> {
        let engine = &self.engine;
        let urgency = match caller.allowance.class() {
            Class::Interactive => Urgency::Interactive,
            Class::Batch => Urgency::Batch,
        };
        // As any other request: those who wait are not pushed in front of.
        let Ok(_permit) = engine.slots.admit(caller.client, urgency).await else {
            let message = format!(
                "the queue of engine `{}` is full. Try again in a moment.",
                engine.name
            );
            return Err(ApiError::new(ErrorKind::QueueFull, message));
        };
        let patience = engine.first_byte_timeout;
        reading::measure(
            engine,
            question.endpoint,
            &self.model,
            &question.body,
            patience,
        )
        .await
        .map_err(|failure| failure.to_api(&engine.name).cause(&failure))
    }

    fn cut(&self) -> Missing {
        let context = match self.context {
            Some(context) => format!(" of {context} tokens"),
            None => String::new(),
        };
        Missing::Failed {
            kind: ErrorKind::EngineError,
            message: format!(
                "engine `{}` runs `{}` with a context{context}, and the input and the answer did not fit into it, so the answer is not used. Send less, or raise the engine's context (Ollama: OLLAMA_CONTEXT_LENGTH).",
                self.engine.name, self.model
            ),
        }
    }

    fn untold(&self) -> Missing {
        Missing::Failed {
            kind: ErrorKind::EngineError,
            message: format!(
                "engine `{}` does not tell with which context it runs `{}`, so it may have read a part of the input only, and its answer is not used. Send less, or update it (Ollama: v0.12.6 or newer).",
                self.engine.name, self.model
            ),
        }
    }
}
