//! A snapshot as `/health`, `/v1/models` and `/router/status` show it.

use super::{
    Sighting, Snapshot, Worlds,
    refusal::{GET_A_MODEL, to_api},
    unit,
};
use crate::{bus::Bus, engine::Engine, lan::Lan, lifetime::Lifetime};
use std::time::{SystemTime, UNIX_EPOCH};
use thox_api::{
    BackendHealth, BackendState, CircuitState, DecisionRecord, Explanation, Health, ModelList,
    ModelObject, OverallStatus, RouteChoice, RouterBackend, RouterModel, RouterRules, RouterStatus,
};
use thox_policy::{
    Ask, Capabilities, Capability, Endpoint, EngineKind,
    route::{Lack, Verdict, judge, route},
    world::{EngineState, Model, Placement},
};

impl Worlds {
    /// What the engines make of it.
    #[must_use]
    pub fn health(&self) -> Health {
        let snapshot = self.current();
        let backends: Vec<_> = snapshot
            .engines()
            .map(|(engine, state, seen)| backend(engine, state, seen))
            .collect();
        let (status, notes) = snapshot.verdict();
        Health {
            status,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            name: None,
            uptime_seconds: self.started.elapsed().as_secs(),
            backends,
            notes,
        }
    }

    /// The same with what the device and its daemon have to say: the reply of `/health`.
    #[must_use]
    pub fn device_health(&self, lan: &Lan, bus: &Bus, lifetime: &Lifetime) -> Health {
        let mut health = self.health();
        let surroundings = lan.now();
        health.name = Some(surroundings.name.to_string());
        // What is answered is answered as well as before.
        let of_lan = surroundings.trouble.as_deref().map(str::to_owned);
        health
            .notes
            .extend(of_lan.into_iter().chain(bus.troubles()));
        let troubles = lifetime.troubles();
        if !troubles.is_empty() && health.status == OverallStatus::Healthy {
            health.status = OverallStatus::Degraded;
        }
        health.notes.extend(troubles);
        health
    }

    /// The reply of `/v1/models`.
    #[must_use]
    pub fn models(&self) -> ModelList {
        let snapshot = self.current();
        let mut data: Vec<_> = snapshot
            .routing
            .models
            .values()
            .filter(|model| model.is_listed)
            .filter_map(|model| self.object(&snapshot, model))
            .collect();
        data.sort_by(|a, b| a.id.cmp(&b.id));
        ModelList {
            object: "list".to_owned(),
            data,
        }
    }

    /// The reply of `/v1/models/{id}`.
    #[must_use]
    pub fn model(&self, id: &str) -> Option<ModelObject> {
        let snapshot = self.current();
        self.object(&snapshot, snapshot.routing.models.get(id)?)
    }

    fn object(&self, snapshot: &Snapshot, model: &Model) -> Option<ModelObject> {
        let ask = ask_of(model);
        let routed = route(&ask, &snapshot.routing).ok();
        let placement = routed
            .as_ref()
            .and_then(|decision| decision.candidates.first().map(|first| first.placement))
            .or_else(|| model.placements.first())?;
        let engine = snapshot.fleet.get(placement.engine)?;
        let mut backends: Vec<String> = model
            .placements
            .iter()
            .filter_map(|placement| Some(snapshot.fleet.get(placement.engine)?.backend.to_string()))
            .collect();
        backends.dedup();
        let started = SystemTime::now()
            .checked_sub(self.started.elapsed())
            .unwrap_or(UNIX_EPOCH);
        Some(ModelObject {
            id: model.id.to_string(),
            object: "model".to_owned(),
            created: started
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                .as_secs(),
            owned_by: engine.backend.to_string(),
            backend: engine.backend.to_string(),
            backends,
            stands_for: (placement.model != model.id).then(|| placement.model.to_string()),
            description: self.catalog.load().descriptions.get(&*model.id).cloned(),
            parameters: placement
                .parameters
                .or(model.parameters)
                .map(|count| count.0),
            capabilities: placement
                .capabilities
                .map(|all| all.iter().map(|one| one.as_str().to_owned()).collect()),
            context_length: placement.context_length,
            max_context_length: placement.max_context_length,
            loaded: placement.is_loaded,
            starter: engine.kind == EngineKind::Starter,
        })
    }

    /// The reply of `/router/status`.
    #[must_use]
    pub fn router_status(&self, decisions: Vec<DecisionRecord>) -> RouterStatus {
        let snapshot = self.current();
        let backends = snapshot.engines().map(|(engine, state, seen)| {
            let (in_flight, queued) = engine.slots.load();
            RouterBackend {
                health: backend(engine, state, seen),
                circuit: if engine.is_resting() {
                    CircuitState::Open
                } else {
                    CircuitState::Closed
                },
                in_flight,
                queued,
                slots: engine.slots.limit(),
                resident: seen
                    .report
                    .models
                    .iter()
                    .filter(|model| model.is_loaded)
                    .map(|model| model.name.to_string())
                    .collect(),
            }
        });
        let mut models: Vec<_> = snapshot
            .routing
            .models
            .values()
            .filter(|model| model.is_listed || !model.wanted.is_empty())
            .map(|model| routed(&snapshot, model))
            .collect();
        models.sort_by(|a, b| a.id.cmp(&b.id));
        RouterStatus {
            rules: snapshot.rules(),
            backends: backends.collect(),
            models,
            decisions,
        }
    }

    /// The reply of `/thox/v1/router/explain`: the decision for a chat and the roads not taken.
    #[must_use]
    pub fn explain(&self, name: &str) -> Explanation {
        let snapshot = self.current();
        let ask = Ask {
            model: name,
            endpoint: Endpoint::Chat,
            needs: Capabilities::NONE.with(Capability::Completion),
            wish: None,
        };
        let model = snapshot.routing.models.get(name);
        let ask = model.map_or(ask, ask_of);
        let (mut chosen, mut not_taken, mut refusal) = (None, Vec::new(), None);
        match route(&ask, &snapshot.routing) {
            Ok(decision) => {
                for candidate in &decision.candidates {
                    let choice = snapshot.choice(candidate.placement, candidate.reason.as_str());
                    if chosen.is_none() {
                        chosen = choice;
                    } else {
                        not_taken.extend(choice);
                    }
                }
            }
            Err(refused) => {
                refusal = Some(
                    to_api(&refused, &ask, &snapshot.routing)
                        .message
                        .into_owned(),
                );
            }
        }
        for placement in model.map(|model| &*model.placements).unwrap_or_default() {
            let why = match judge(&ask, placement, &snapshot.routing) {
                Verdict::Usable(_) => continue,
                Verdict::Unhealthy(_, EngineState::Down(why) | EngineState::Resting(why)) => {
                    why.to_string()
                }
                Verdict::Unhealthy(_, EngineState::Up | EngineState::Unproven) => {
                    "not usable".to_owned()
                }
                Verdict::Lacking(Lack::Endpoint) => format!("has no {}", ask.endpoint.as_str()),
                Verdict::Lacking(Lack::Capabilities(missing)) => {
                    format!("lacks {}", missing.names())
                }
            };
            not_taken.extend(snapshot.choice(placement, &why));
        }
        // The size that decided: of the model that answers, else of what the name stands for.
        let of_chosen = route(&ask, &snapshot.routing).ok().and_then(|decision| {
            decision
                .candidates
                .first()
                .and_then(|first| first.placement.parameters)
        });
        let parameters = of_chosen.or_else(|| model.and_then(|model| model.parameters));
        Explanation {
            model: name.to_owned(),
            parameters: parameters.map(|count| count.to_string()),
            is_large: parameters.is_some_and(|count| count >= snapshot.routing.rules.large_model),
            chosen,
            not_taken,
            refusal,
            rules: snapshot.rules(),
        }
    }
}

impl Snapshot {
    /// The engines with their states, as routing sees them.
    pub fn engines(&self) -> impl Iterator<Item = (&Engine, &EngineState, &Sighting)> {
        self.fleet
            .iter()
            .zip(&self.routing.engines)
            .zip(&self.reports)
            .map(|((engine, view), seen)| (&**engine, &view.state, seen))
    }

    fn rules(&self) -> RouterRules {
        RouterRules {
            large_model_threshold: self.routing.rules.large_model.to_string(),
            default_model: self.routing.rules.default_model.to_string(),
        }
    }

    fn choice(&self, placement: &Placement, reason: &str) -> Option<RouteChoice> {
        let engine = self.fleet.get(placement.engine)?;
        Some(RouteChoice {
            engine: engine.name.to_string(),
            backend: engine.backend.to_string(),
            model: placement.model.to_string(),
            reason: reason.to_owned(),
        })
    }

    /// Healthy while a real engine answers the default model and nothing that was up is down.
    fn verdict(&self) -> (OverallStatus, Vec<String>) {
        let mut notes = Vec::new();
        let usable = self
            .engines()
            .filter(|(_, state, _)| state.is_usable())
            .count();
        for (engine, state, seen) in self.engines() {
            let is_missed = seen.was_up || seen.unit.as_ref().is_some_and(unit::is_broken);
            if let (EngineState::Down(why) | EngineState::Resting(why), true) = (state, is_missed) {
                notes.push(format!("engine `{}`: {why}", engine.name));
            }
        }
        if usable == 0 {
            notes.push(format!(
                "no engine answers: start one, it is found by itself. {GET_A_MODEL}."
            ));
            return (OverallStatus::Unhealthy, notes);
        }
        let default = &self.routing.rules.default_model;
        let answers = self.routing.models.get(default).and_then(|model| {
            let decision = route(&ask_of(model), &self.routing).ok()?;
            Some(
                self.fleet
                    .get(decision.candidates.first()?.placement.engine)?
                    .kind,
            )
        });
        match answers {
            None => notes.push(format!(
                "no engine has a model for `{default}`. {GET_A_MODEL}."
            )),
            Some(EngineKind::Starter) => {
                notes.push(format!(
                    "only the embedded starter model answers. {GET_A_MODEL}."
                ));
            }
            Some(_) => {}
        }
        let status = if notes.is_empty() {
            OverallStatus::Healthy
        } else {
            OverallStatus::Degraded
        };
        (status, notes)
    }
}

/// The job that a model is for: chat, unless it is known to give vectors only.
fn ask_of(model: &Model) -> Ask<'_> {
    let only_embeds =
        |all: Capabilities| all.has(Capability::Embedding) && !all.has(Capability::Completion);
    let is_embedding = model
        .placements
        .first()
        .is_some_and(|placement| placement.capabilities.is_some_and(only_embeds));
    let (endpoint, need) = if is_embedding {
        (Endpoint::Embeddings, Capability::Embedding)
    } else {
        (Endpoint::Chat, Capability::Completion)
    };
    Ask {
        model: &model.id,
        endpoint,
        needs: Capabilities::NONE.with(need),
        wish: None,
    }
}

fn routed(snapshot: &Snapshot, model: &Model) -> RouterModel {
    let ask = ask_of(model);
    let (route, refusal) = match route(&ask, &snapshot.routing) {
        Ok(decision) => {
            let first = decision.candidates.first();
            (
                first.and_then(|first| snapshot.choice(first.placement, first.reason.as_str())),
                None,
            )
        }
        Err(refused) => (
            None,
            Some(
                to_api(&refused, &ask, &snapshot.routing)
                    .message
                    .into_owned(),
            ),
        ),
    };
    RouterModel {
        id: model.id.to_string(),
        route,
        refusal,
    }
}

fn backend(engine: &Engine, state: &EngineState, seen: &Sighting) -> BackendHealth {
    let (state, reason) = match state {
        EngineState::Up => (BackendState::Up, None),
        EngineState::Unproven => (BackendState::Unknown, None),
        EngineState::Resting(why) => (BackendState::Resting, Some(why.to_string())),
        EngineState::Down(why) => (BackendState::Down, Some(why.to_string())),
    };
    BackendHealth {
        name: engine.name.to_string(),
        kind: engine.kind.as_str().to_owned(),
        backend: engine.backend.to_string(),
        state,
        reason,
        version: seen.report.version.clone(),
        models: seen.report.models.len(),
        unit: seen.unit.clone(),
    }
}
