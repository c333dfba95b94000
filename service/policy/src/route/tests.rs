//! Routing as tables, and its promises as properties.

use super::*;
use crate::{
    ParameterCount,
    catalog::{Entry, Found, compose},
    world::{Engine, Rules},
};
use proptest::prelude::*;

fn engine(name: &str, kind: EngineKind, state: EngineState) -> Engine {
    let backend = Arc::from(kind.backend().unwrap_or(name));
    Engine {
        name: Arc::from(name),
        kind,
        backend,
        state,
    }
}

fn down() -> EngineState {
    EngineState::Down(Arc::from("connection refused"))
}

/// Ollama, an edge-llm and the starter, with the same model on the first two.
fn world(size: &str, ollama: EngineState, edge: EngineState, is_loaded: bool) -> World {
    let rules = Rules::default();
    let engines = vec![
        engine("ollama", EngineKind::Ollama, ollama),
        engine("edge", EngineKind::EdgeLlm, edge),
        engine("starter", EngineKind::Starter, EngineState::Up),
    ];
    let found = |name: &str, is_loaded| Found {
        name: Arc::from(name),
        is_loaded,
        ..Found::default()
    };
    let inventories = [
        Arc::from([found("m:o", false)]),
        Arc::from([found("m-e", is_loaded)]),
        Arc::from([found("thox-starter", true)]),
    ];
    let on = |model: &str| {
        vec![
            (Arc::from("ollama"), Arc::from(model)),
            (Arc::from("tensorrt"), Arc::from("m-e")),
        ]
    };
    let entries = [
        Entry {
            name: Arc::from("m"),
            parameters: size.parse().ok(),
            on: on("m:o"),
        },
        Entry {
            name: Arc::from("absent"),
            parameters: None,
            on: vec![(Arc::from("ollama"), Arc::from("x"))],
        },
    ];
    let models = compose(&rules, &entries, &engines, &inventories);
    World {
        rules,
        engines,
        models,
    }
}

fn ask(model: &str) -> Ask<'_> {
    Ask {
        model,
        endpoint: Endpoint::Chat,
        needs: Capabilities::NONE.with(Capability::Completion),
        wish: None,
    }
}

fn chosen(ask: &Ask<'_>, world: &World) -> (String, Reason) {
    let decision = route(ask, world).unwrap();
    let first = decision.candidates[0];
    (
        world.engines[first.placement.engine].name.to_string(),
        first.reason,
    )
}

#[test]
fn size_decides_at_the_threshold() {
    for (size, name) in [
        ("7B", "ollama"),
        ("9.99B", "ollama"),
        ("10B", "edge"),
        ("14B", "edge"),
    ] {
        let world = world(size, EngineState::Up, EngineState::Up, false);
        assert_eq!(
            chosen(&ask("m"), &world),
            (name.to_owned(), Reason::Size),
            "{size}"
        );
    }
    let mut world = world("7B", EngineState::Up, EngineState::Up, false);
    world.rules.large_model = ParameterCount(5_000_000_000);
    assert_eq!(chosen(&ask("m"), &world).0, "edge");
}

#[test]
fn a_wish_is_granted_if_it_can_be_and_else_marked() {
    let up = world("7B", EngineState::Up, EngineState::Up, false);
    let wish = |wish| Ask {
        wish: Some(wish),
        ..ask("m")
    };
    assert_eq!(
        chosen(&wish("tensorrt"), &up),
        ("edge".to_owned(), Reason::Wish)
    );
    assert_eq!(
        chosen(&wish("edge"), &up),
        ("edge".to_owned(), Reason::Wish)
    );
    assert_eq!(
        chosen(&wish("ollama"), &up),
        ("ollama".to_owned(), Reason::Wish)
    );
    assert_eq!(
        chosen(&wish("elsewhere"), &up),
        ("ollama".to_owned(), Reason::Fallback)
    );
    let half = world("7B", EngineState::Up, down(), false);
    assert_eq!(
        chosen(&wish("tensorrt"), &half),
        ("ollama".to_owned(), Reason::Fallback)
    );
}

#[test]
fn an_engine_that_is_down_is_replaced_and_the_answer_marked() {
    let half = world("14B", EngineState::Up, down(), false);
    assert_eq!(
        chosen(&ask("m"), &half),
        ("ollama".to_owned(), Reason::Fallback)
    );
    let rests = world(
        "7B",
        EngineState::Resting(Arc::from("3 failures")),
        EngineState::Up,
        false,
    );
    assert_eq!(
        chosen(&ask("m"), &rests),
        ("edge".to_owned(), Reason::Fallback)
    );
    // The engine that would have been second anyway does not make the first a fallback.
    let second = world("7B", EngineState::Up, down(), false);
    assert_eq!(
        chosen(&ask("m"), &second),
        ("ollama".to_owned(), Reason::Size)
    );
    let none = world("7B", down(), down(), false);
    let refusal = route(&ask("m"), &none).unwrap_err();
    assert!(matches!(refusal, Refusal::Unavailable(engines) if engines.len() == 2));
}

#[test]
fn what_is_asked_must_be_possible() {
    let world = world("7B", EngineState::Up, EngineState::Up, false);
    let many = Ask {
        needs: Capabilities::NONE.with(Capability::ManyChoices),
        ..ask("m")
    };
    assert!(matches!(route(&many, &world), Err(Refusal::Incapable(engines)) if engines.len() == 2));
    let vectors = Ask {
        endpoint: Endpoint::Embeddings,
        needs: Capabilities::NONE,
        ..ask("m")
    };
    assert_eq!(chosen(&vectors, &world).0, "ollama");
    let vectors = Ask {
        endpoint: Endpoint::Embeddings,
        needs: Capabilities::NONE,
        ..ask("m-e")
    };
    assert!(matches!(
        route(&vectors, &world),
        Err(Refusal::Incapable(_))
    ));
}

#[test]
fn names_that_lead_nowhere_say_so() {
    let world = world("7B", EngineState::Up, EngineState::Up, false);
    assert!(
        matches!(route(&ask("absent"), &world), Err(Refusal::NotInstalled(wanted)) if wanted.len() == 1)
    );
    let Err(Refusal::UnknownModel { nearest }) = route(&ask("thox-codr"), &world) else {
        panic!()
    };
    assert_eq!(nearest.as_deref(), Some("thox-coder"));
    assert!(matches!(
        route(&ask("m"), &World::default()),
        Err(Refusal::NoEngine(_))
    ));
}

#[test]
fn the_default_model_always_finds_somebody_and_the_starter_last() {
    let up = world("7B", EngineState::Up, EngineState::Up, false);
    assert_eq!(
        chosen(&ask("thox-coder"), &up),
        ("ollama".to_owned(), Reason::Substitute)
    );
    let edge = world("7B", down(), EngineState::Up, false);
    assert_eq!(
        chosen(&ask("thox-coder"), &edge),
        ("edge".to_owned(), Reason::Fallback)
    );
    let none = world("7B", down(), down(), false);
    assert_eq!(
        chosen(&ask("thox-coder"), &none),
        ("starter".to_owned(), Reason::Fallback)
    );
    let order: Vec<_> = route(&ask("thox-coder"), &up)
        .unwrap()
        .candidates
        .iter()
        .map(|c| c.placement.engine)
        .collect();
    assert_eq!(order, [0, 1, 2]);
}

#[test]
fn of_two_alike_the_one_with_the_model_in_memory_answers() {
    let mut world = world("7B", EngineState::Up, EngineState::Up, true);
    world.engines[0].kind = EngineKind::EdgeLlm;
    assert_eq!(
        chosen(&ask("m"), &world),
        ("edge".to_owned(), Reason::Resident)
    );
    world.models.get_mut("m").unwrap().placements[1].is_loaded = false;
    assert_eq!(
        chosen(&ask("m"), &world),
        ("ollama".to_owned(), Reason::Order)
    );
}

fn states() -> impl Strategy<Value = EngineState> {
    prop_oneof![
        Just(EngineState::Up),
        Just(EngineState::Unproven),
        Just(EngineState::Resting(Arc::from("x"))),
        Just(down()),
    ]
}

fn kinds() -> impl Strategy<Value = EngineKind> {
    prop_oneof![
        Just(EngineKind::Ollama),
        Just(EngineKind::Trtllm),
        Just(EngineKind::EdgeLlm),
        Just(EngineKind::Openai),
        Just(EngineKind::Starter),
    ]
}

fn any_capabilities() -> impl Strategy<Value = Option<Capabilities>> {
    let one = prop::sample::select(vec![
        Capability::Completion,
        Capability::Tools,
        Capability::Insert,
        Capability::Vision,
        Capability::ManyChoices,
        Capability::Json,
    ]);
    prop::option::of(prop::collection::vec(one, 0..6).prop_map(|list| list.into_iter().collect()))
}

proptest! {
    /// Whatever the world: every candidate is usable and able, none is tried twice, the starter only comes after every
    /// other engine, a wish that can be met is met, a large model goes to TensorRT if one can answer, and a refusal is
    /// made only when nobody can answer.
    #[test]
    fn promises(
        engines in prop::collection::vec((kinds(), states(), any_capabilities(), any::<bool>(), 1u64..20), 0..6),
        needs in any_capabilities(),
        wish in prop::option::of(0usize..6),
        endpoint in prop::sample::select(vec![Endpoint::Chat, Endpoint::Completions, Endpoint::Embeddings]),
    ) {
        let rules = Rules::default();
        let listed: Vec<Engine> =
            engines.iter().enumerate().map(|(at, (kind, state, ..))| engine(&format!("e{at}"), *kind, state.clone())).collect();
        let inventories: Vec<Arc<[Found]>> = engines.iter().map(|(_, _, capabilities, is_loaded, size)| Arc::from([Found {
            name: Arc::from("m"), parameters: Some(ParameterCount(size * 1_000_000_000)), capabilities: *capabilities,
            context_length: None, max_context_length: None, is_loaded: *is_loaded,
        }])).collect();
        let models = compose(&rules, &[], &listed, &inventories);
        let world = World { rules, engines: listed, models };
        let wish = wish.map(|at| format!("e{at}"));
        let needs = needs.unwrap_or_default();
        let ask = Ask { model: "m", endpoint, needs, wish: wish.as_deref() };
        let able = |at: usize| {
            let (kind, state, capabilities, ..) = &engines[at];
            kind.serves(endpoint) && lacking(needs, *kind, *capabilities).is_empty() && state.is_usable()
        };
        match route(&ask, &world) {
            Err(_) => prop_assert!((0..engines.len()).all(|at| !able(at))),
            Ok(decision) => {
                let order: Vec<usize> = decision.candidates.iter().map(|c| c.placement.engine).collect();
                let mut unique = order.clone();
                unique.sort_unstable();
                unique.dedup();
                prop_assert_eq!(unique.len(), order.len());
                prop_assert_eq!(unique, (0..engines.len()).filter(|at| able(*at)).collect::<Vec<_>>());
                let wished = wish.as_ref().and_then(|wish| wish[1..].parse::<usize>().ok()).filter(|at| *at < engines.len() && able(*at));
                if let Some(wished) = wished {
                    prop_assert_eq!(order[0], wished);
                    prop_assert_eq!(decision.candidates[0].reason, Reason::Wish);
                } else {
                    if wish.is_some() { prop_assert_eq!(decision.candidates[0].reason, Reason::Fallback); }
                    let is_starter = |at: &usize| engines[*at].0 == EngineKind::Starter;
                    prop_assert!(order.is_sorted_by_key(is_starter));
                    let is_tensorrt = |at: &usize| matches!(engines[*at].0, EngineKind::Trtllm | EngineKind::EdgeLlm);
                    let is_large = |at: &usize| engines[*at].4 >= 10;
                    if let Some(large) = order.iter().find(|at| is_tensorrt(at) && is_large(at)) {
                        prop_assert!((is_tensorrt(&order[0]) && is_large(&order[0])) || (engines[order[0]].0 == EngineKind::Ollama && !is_large(&order[0])), "{order:?} {large}");
                    }
                }
                for candidate in &decision.candidates[1..] { prop_assert_eq!(candidate.reason, Reason::Fallback); }
            }
        }
    }
}
