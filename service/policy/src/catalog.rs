//! What a public model name means on each engine: the settings' catalog joined with what the engines have.

use crate::{
    Capabilities, Capability, EngineKind, ParameterCount,
    world::{Engine, Model, Placement, Rules},
};
use std::{collections::HashMap, sync::Arc};

/// A name of the settings' catalog, `models.NAME`.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// The public name.
    pub name: Arc<str>,
    /// Its size where the settings give one.
    pub parameters: Option<ParameterCount>,
    /// Engine name or backend label, and that engine's own name for the model.
    pub on: Vec<(Arc<str>, Arc<str>)>,
}

/// A model that an engine has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// The engine's own name for it.
    pub name: Arc<str>,
    /// Its size.
    pub parameters: Option<ParameterCount>,
    /// What it can do.
    pub capabilities: Option<Capabilities>,
    /// Tokens of context: those it runs with where it is in memory.
    pub context_length: Option<u64>,
    /// Tokens that it could read, where it runs with fewer.
    pub max_context_length: Option<u64>,
    /// Whether it is in memory now.
    pub is_loaded: bool,
}

/// Joins the catalog with the engines' inventories (`inventories[i]` belongs to `engines[i]`; missing ones count as empty).
///
/// Every model is known by the engine's own name too. The default model gets a substitute on each engine that lacks it,
/// so that the documents' examples work in front of whatever is installed.
#[must_use]
pub fn compose(
    rules: &Rules,
    entries: &[Entry],
    engines: &[Engine],
    inventories: &[Arc<[Found]>],
) -> HashMap<Arc<str>, Model> {
    let mut models: HashMap<Arc<str>, Model> = HashMap::new();
    for entry in entries {
        models.insert(entry.name.clone(), from_entry(entry, engines, inventories));
    }
    for (index, (engine, inventory)) in engines.iter().zip(inventories).enumerate() {
        for found in inventory.iter() {
            add_own_name(&mut models, &found.name, index, found, true);
            if let (EngineKind::Ollama, Some(short)) =
                (engine.kind, found.name.strip_suffix(":latest"))
            {
                add_own_name(&mut models, &Arc::from(short), index, found, false);
            }
        }
    }
    add_substitutes(&mut models, rules, engines, inventories);
    models
}

fn from_entry(entry: &Entry, engines: &[Engine], inventories: &[Arc<[Found]>]) -> Model {
    let mut placements = Vec::new();
    for (index, (engine, inventory)) in engines.iter().zip(inventories).enumerate() {
        // The engine's own name is the closer word than its backend's label.
        let named = |label: &str| entry.on.iter().find(|(on, _)| **on == *label);
        let Some((_, wanted)) = named(&engine.name).or_else(|| named(&engine.backend)) else {
            continue;
        };
        if let Some(found) = inventory
            .iter()
            .find(|found| is_same(engine.kind, &found.name, wanted))
        {
            placements.push(Placement {
                parameters: entry.parameters.or(found.parameters),
                ..place(index, found)
            });
        }
    }
    Model {
        id: entry.name.clone(),
        parameters: entry
            .parameters
            .or_else(|| placements.iter().find_map(|p| p.parameters)),
        is_listed: !placements.is_empty(),
        placements,
        wanted: entry.on.clone(),
    }
}

/// Ollama reads a name without a tag as `NAME:latest`.
fn is_same(kind: EngineKind, found: &str, wanted: &str) -> bool {
    found == wanted
        || (kind == EngineKind::Ollama
            && !wanted.contains(':')
            && found.strip_suffix(":latest") == Some(wanted))
}

fn place(engine: usize, found: &Found) -> Placement {
    Placement {
        engine,
        model: found.name.clone(),
        parameters: found.parameters,
        capabilities: found.capabilities,
        context_length: found.context_length,
        max_context_length: found.max_context_length,
        is_loaded: found.is_loaded,
        is_substitute: false,
    }
}

fn add_own_name(
    models: &mut HashMap<Arc<str>, Model>,
    name: &Arc<str>,
    engine: usize,
    found: &Found,
    is_listed: bool,
) {
    let model = models.entry(name.clone()).or_insert_with(|| Model {
        id: name.clone(),
        placements: Vec::new(),
        parameters: found.parameters,
        is_listed,
        wanted: Vec::new(),
    });
    // A name of the catalog means what the catalog says on the engines that it speaks of.
    if model
        .placements
        .iter()
        .all(|placement| placement.engine != engine)
    {
        model.placements.push(place(engine, found));
        model.is_listed |= is_listed;
    }
}

fn add_substitutes(
    models: &mut HashMap<Arc<str>, Model>,
    rules: &Rules,
    engines: &[Engine],
    inventories: &[Arc<[Found]>],
) {
    let model = models
        .entry(rules.default_model.clone())
        .or_insert_with(|| Model {
            id: rules.default_model.clone(),
            placements: Vec::new(),
            parameters: None,
            is_listed: false,
            wanted: Vec::new(),
        });
    for (index, (_, inventory)) in engines.iter().zip(inventories).enumerate() {
        if model
            .placements
            .iter()
            .any(|placement| placement.engine == index)
        {
            continue;
        }
        let chat = inventory.iter().filter(|found| {
            found
                .capabilities
                .is_none_or(|capabilities| capabilities.has(Capability::Completion))
        });
        // The largest that is not large; else the smallest large one. By name where sizes are equal: stable from call to call.
        let best = chat.min_by_key(|found| {
            let size = found.parameters.map_or(0, |count| count.0);
            let is_large = size >= rules.large_model.0;
            (
                is_large,
                if is_large { size } else { u64::MAX - size },
                found.name.clone(),
            )
        });
        if let Some(found) = best {
            model.placements.push(Placement {
                is_substitute: true,
                ..place(index, found)
            });
        }
    }
    model.is_listed |= !model.placements.is_empty();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::EngineState;

    fn engine(name: &str, kind: EngineKind) -> Engine {
        let backend = Arc::from(kind.backend().unwrap_or(name));
        Engine {
            name: Arc::from(name),
            kind,
            backend,
            state: EngineState::Up,
        }
    }

    fn found(name: &str, size: &str) -> Found {
        Found {
            name: Arc::from(name),
            parameters: size.parse().ok(),
            ..Found::default()
        }
    }

    fn entry(name: &str, on: &[(&str, &str)]) -> Entry {
        let on = on
            .iter()
            .map(|(e, m)| (Arc::from(*e), Arc::from(*m)))
            .collect();
        Entry {
            name: Arc::from(name),
            parameters: None,
            on,
        }
    }

    #[test]
    fn a_catalog_name_finds_its_model_by_engine_or_backend_and_with_ollamas_latest() {
        let engines = [
            engine("ollama", EngineKind::Ollama),
            engine("trt", EngineKind::EdgeLlm),
        ];
        let inventories = [
            Arc::from([found("nomic-embed-text:latest", "137M")]),
            Arc::from([found("qwen-14b", "14B")]),
        ];
        let entries = [
            entry("embed", &[("ollama", "nomic-embed-text")]),
            entry("large", &[("tensorrt", "qwen-14b"), ("ollama", "qwen:14b")]),
            entry("none", &[("ollama", "absent")]),
        ];
        let models = compose(&Rules::default(), &entries, &engines, &inventories);
        assert_eq!(
            &*models["embed"].placements[0].model,
            "nomic-embed-text:latest"
        );
        assert_eq!(models["large"].placements.len(), 1);
        assert_eq!(models["large"].placements[0].engine, 1);
        assert!(models["none"].placements.is_empty() && !models["none"].is_listed);
        assert!(models["nomic-embed-text:latest"].is_listed);
        assert!(
            !models["nomic-embed-text"].is_listed,
            "a second spelling is answered, not listed"
        );
    }

    #[test]
    fn the_default_model_is_stood_in_for_by_the_largest_that_is_not_large() {
        let engines = [engine("ollama", EngineKind::Ollama)];
        let embed = Found {
            capabilities: Some(Capabilities::NONE.with(Capability::Embedding)),
            ..found("embed", "9B")
        };
        let inventory = Arc::from([found("a", "3B"), found("b", "8B"), found("c", "70B"), embed]);
        let models = compose(&Rules::default(), &[], &engines, &[inventory]);
        let placement = &models["thox-coder"].placements[0];
        assert_eq!(&*placement.model, "b");
        assert!(placement.is_substitute);
    }
}
