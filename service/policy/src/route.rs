//! Which engine answers a request, and why.
//!
//! In this order: the client's wish, if it can be met; engines that have the model and can do what is asked; size; what
//! is resident; the settings' order. Engines that are down or rest are passed over, which makes the choice a fallback.
//! The starter engine and models that only stand in for a name come after everything else.

use crate::{
    Capabilities, Capability, Endpoint, EngineKind,
    nearest::nearest,
    world::{EngineState, Model, Placement, World},
};
use serde::Serialize;
use std::sync::Arc;

/// What a request asks for, as far as routing is concerned.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The model's public name.
    pub model: &'a str,
    /// The job.
    pub endpoint: Endpoint,
    /// What the request needs of the model and the engine.
    pub needs: Capabilities,
    /// The backend or engine that the client wishes for (`x-thox-backend`).
    pub wish: Option<&'a str>,
}

/// The engines that will be tried, in order, each only before the first byte of a reply.
#[derive(Clone, Debug)]
pub struct Decision<'w> {
    /// What was asked for.
    pub model: &'w Model,
    /// At least one.
    pub candidates: Vec<Candidate<'w>>,
}

/// One engine that can answer.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'w> {
    /// The model at the engine; `placement.engine` is the index.
    pub placement: &'w Placement,
    /// Why it stands where it stands.
    pub reason: Reason,
}

/// Why an engine was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The client wished for it.
    Wish,
    /// No other engine has the model.
    Only,
    /// The model's size decided.
    Size,
    /// The model is in memory there already.
    Resident,
    /// All else being equal, the settings' order decided.
    Order,
    /// The better choice cannot answer now.
    Fallback,
    /// No engine has the default model: another one stands in.
    Substitute,
}

/// Why nobody answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No engine and no catalog entry has that name.
    UnknownModel {
        /// A known name that was perhaps meant.
        nearest: Option<Arc<str>>,
    },
    /// The catalog knows the name, but nothing that was found has the model: `(engine or backend, its model name)`.
    NotInstalled(Vec<(Arc<str>, Arc<str>)>),
    /// Engines have it, but none can do what is asked: `(engine, what it lacks)`.
    Incapable(Vec<(Arc<str>, Lack)>),
    /// Engines have it, but each is down or rests: `(engine, state)`.
    Unavailable(Vec<(Arc<str>, EngineState)>),
    /// There is no usable engine at all: the states of those configured.
    NoEngine(Vec<(Arc<str>, EngineState)>),
}

/// What stands against an engine for a request, whatever its health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// It has no route for the job.
    Endpoint,
    /// The engine or the model cannot do this.
    Capabilities(Capabilities),
}

/// What is said of one placement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'w> {
    /// It can answer; a smaller rank is better.
    Usable(Rank),
    /// It could, were its engine up.
    Unhealthy(Rank, &'w EngineState),
    /// It cannot do what is asked.
    Lacking(Lack),
}

/// The order of placements that can answer: the first difference decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    unwished: bool,
    substitute: bool,
    starter: bool,
    misplaced: u8,
    unproven: bool,
    unloaded: bool,
    order: usize,
}

/// Decides who answers.
///
/// # Errors
/// A [`Refusal`] with what is known of each engine that might have answered.
pub fn route<'w>(ask: &Ask<'_>, world: &'w World) -> Result<Decision<'w>, Refusal> {
    let model = world
        .models
        .get(ask.model)
        .ok_or_else(|| unknown(ask, world))?;
    let mut usable = Vec::with_capacity(model.placements.len());
    let mut best_unhealthy: Option<Rank> = None;
    for placement in &model.placements {
        match judge(ask, placement, world) {
            Verdict::Usable(rank) => usable.push((rank, placement)),
            Verdict::Unhealthy(rank, _) if best_unhealthy.is_none_or(|best| rank < best) => {
                best_unhealthy = Some(rank);
            }
            Verdict::Unhealthy(..) | Verdict::Lacking(_) => {}
        }
    }
    usable.sort_unstable_by_key(|(rank, _)| *rank);
    let Some((first, _)) = usable.first().copied() else {
        return Err(refuse(ask, model, world));
    };
    let reason = reason(ask, model, &usable, first, best_unhealthy);
    let candidates = usable
        .into_iter()
        .enumerate()
        .map(|(at, (_, placement))| Candidate {
            placement,
            reason: if at == 0 { reason } else { Reason::Fallback },
        })
        .collect();
    Ok(Decision { model, candidates })
}

/// What is said of one placement for a request.
#[must_use]
pub fn judge<'w>(ask: &Ask<'_>, placement: &Placement, world: &'w World) -> Verdict<'w> {
    let Some(engine) = world.engines.get(placement.engine) else {
        return Verdict::Lacking(Lack::Endpoint);
    };
    if !engine.kind.serves(ask.endpoint) {
        return Verdict::Lacking(Lack::Endpoint);
    }
    let lacking = lacking(ask.needs, engine.kind, placement.capabilities);
    if !lacking.is_empty() {
        return Verdict::Lacking(Lack::Capabilities(lacking));
    }
    let is_large = placement
        .parameters
        .is_some_and(|count| count >= world.rules.large_model);
    let rank = Rank {
        unwished: ask
            .wish
            .is_some_and(|wish| *wish != *engine.backend && *wish != *engine.name),
        substitute: placement.is_substitute,
        starter: engine.kind == EngineKind::Starter,
        misplaced: match (engine.kind, is_large) {
            (EngineKind::Trtllm | EngineKind::EdgeLlm, true) | (EngineKind::Ollama, false) => 0,
            (EngineKind::Openai | EngineKind::Starter, _) => 1,
            (EngineKind::Trtllm | EngineKind::EdgeLlm, false) | (EngineKind::Ollama, true) => 2,
        },
        unproven: engine.state == EngineState::Unproven,
        unloaded: !placement.is_loaded,
        order: placement.engine,
    };
    if engine.state.is_usable() {
        Verdict::Usable(rank)
    } else {
        Verdict::Unhealthy(rank, &engine.state)
    }
}

/// What of `needs` is known to be missing. What an engine does not tell of its models is not held against it; vectors
/// can be had from models that do not call themselves embedding models, so there the engine has the word.
fn lacking(needs: Capabilities, kind: EngineKind, of_model: Option<Capabilities>) -> Capabilities {
    const TOLD_BY_MODELS: Capabilities = Capabilities::NONE
        .with(Capability::Completion)
        .with(Capability::Tools)
        .with(Capability::Insert)
        .with(Capability::Vision);
    needs
        .iter()
        .filter(|need| {
            kind.cannot().contains(need)
                || (TOLD_BY_MODELS.has(*need) && of_model.is_some_and(|able| !able.has(*need)))
        })
        .collect()
}

fn reason(
    ask: &Ask<'_>,
    model: &Model,
    usable: &[(Rank, &Placement)],
    first: Rank,
    best_unhealthy: Option<Rank>,
) -> Reason {
    if best_unhealthy.is_some_and(|better| better < first) || first.unwished {
        return Reason::Fallback;
    }
    if ask.wish.is_some() {
        return Reason::Wish;
    }
    if first.substitute {
        return Reason::Substitute;
    }
    if model
        .placements
        .iter()
        .filter(|placement| !placement.is_substitute)
        .count()
        <= 1
    {
        return Reason::Only;
    }
    match usable.get(1) {
        Some((next, _)) if next.misplaced == first.misplaced && next.unloaded != first.unloaded => {
            Reason::Resident
        }
        Some((next, _)) if next.misplaced == first.misplaced => Reason::Order,
        Some(_) | None => Reason::Size,
    }
}

fn unknown(ask: &Ask<'_>, world: &World) -> Refusal {
    if !world.engines.iter().any(|engine| engine.state.is_usable()) {
        return Refusal::NoEngine(states(world));
    }
    let known = world
        .models
        .values()
        .filter(|model| !model.placements.is_empty())
        .map(|model| &*model.id);
    Refusal::UnknownModel {
        nearest: nearest(ask.model, known).map(Arc::from),
    }
}

fn states(world: &World) -> Vec<(Arc<str>, EngineState)> {
    world
        .engines
        .iter()
        .map(|engine| (engine.name.clone(), engine.state.clone()))
        .collect()
}

fn refuse(ask: &Ask<'_>, model: &Model, world: &World) -> Refusal {
    let mut unavailable = Vec::new();
    let mut incapable = Vec::new();
    for placement in &model.placements {
        let Some(engine) = world.engines.get(placement.engine) else {
            continue;
        };
        match judge(ask, placement, world) {
            Verdict::Unhealthy(_, state) => unavailable.push((engine.name.clone(), state.clone())),
            Verdict::Lacking(lack) => incapable.push((engine.name.clone(), lack)),
            Verdict::Usable(_) => {}
        }
    }
    if !unavailable.is_empty() {
        Refusal::Unavailable(unavailable)
    } else if !incapable.is_empty() {
        Refusal::Incapable(incapable)
    } else if world.engines.iter().any(|engine| engine.state.is_usable()) {
        Refusal::NotInstalled(model.wanted.clone())
    } else {
        Refusal::NoEngine(states(world))
    }
}

impl Reason {
    /// The word in `x-thox-route` and in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wish => "wish",
            Self::Only => "only",
            Self::Size => "size",
            Self::Resident => "resident",
            Self::Order => "order",
            Self::Fallback => "fallback",
            Self::Substitute => "substitute",
        }
    }
}

#[cfg(test)]
mod tests;
