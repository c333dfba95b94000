//! Every state with every event, and what holds whatever happens.

use super::*;
use proptest::prelude::*;

const NOW: u64 = 1_767_225_600;

fn release(version: &str) -> Release {
    Release {
        version: version.to_owned(),
        hash: Some(format!("hash of {version}")),
    }
}

fn offer(version: &str) -> Offer {
    Offer {
        source: format!("/run/thox-usb/sda1/{version}.raucb"),
        release: release(version),
    }
}

fn at(state: State) -> Machine {
    Machine {
        state,
        ..Machine::default()
    }
}

fn states() -> [State; 5] {
    let (release, slot) = (release("2"), "B".to_owned());
    [
        State::Idle,
        State::Offered { offer: offer("2") },
        State::Installing {
            offer: offer("2"),
            was_offered: true,
        },
        State::Staged {
            release: release.clone(),
            slot: slot.clone(),
        },
        State::Trial { release, slot },
    ]
}

fn seen(running: &str, note: Note, is_given_up: bool) -> Seen {
    Seen {
        running: running.to_owned(),
        note,
        is_given_up,
        reason: Some("no answer".to_owned()),
    }
}

fn noted(slot: &str) -> Note {
    Note::Of(slot.to_owned())
}

fn events() -> [Event; 7] {
    [
        Event::Offer(offer("3")),
        Event::Withdraw,
        Event::Install(offer("2")),
        Event::Installed {
            slot: "B".to_owned(),
        },
        Event::NotInstalled {
            reason: "full".to_owned(),
        },
        Event::Seen(seen("B", noted("B"), false)),
        Event::Leave(release("1")),
    ]
}

#[test]
fn every_state_with_every_event() {
    use Refused::{Installing, NotUnderWay, Staged, Trial};
    let name = |state: &State| match state {
        State::Idle => "idle",
        State::Offered { .. } => "offered",
        State::Installing { .. } => "installing",
        State::Staged { .. } => "staged",
        State::Trial { .. } => "trial",
    };
    type Row = [Result<&'static str, Refused>; 7];
    let table: [Row; 5] = [
        [
            Ok("offered"),
            Err(NotUnderWay),
            Ok("installing"),
            Err(NotUnderWay),
            Err(NotUnderWay),
            Err(NotUnderWay),
            Ok("idle"),
        ],
        [
            Ok("offered"),
            Ok("idle"),
            Ok("installing"),
            Err(NotUnderWay),
            Err(NotUnderWay),
            Err(NotUnderWay),
            Ok("offered"),
        ],
        [
            Err(Installing),
            Ok("installing"),
            Err(Installing),
            Ok("staged"),
            Ok("offered"),
            Err(NotUnderWay),
            Err(Installing),
        ],
        [
            Err(Staged),
            Err(NotUnderWay),
            Err(Staged),
            Err(NotUnderWay),
            Err(NotUnderWay),
            Ok("trial"),
            Err(Staged),
        ],
        [
            Err(Trial),
            Err(NotUnderWay),
            Err(Trial),
            Err(NotUnderWay),
            Err(NotUnderWay),
            Ok("trial"),
            Err(Trial),
        ],
    ];
    for (state, row) in states().into_iter().zip(table) {
        for (event, expected) in events().into_iter().zip(row) {
            let case = format!("{state:?} {event:?}");
            let next = at(state.clone()).step(event, NOW);
            assert_eq!(next.map(|next| name(&next.state)), expected, "{case}");
        }
    }
}

#[test]
fn what_a_restart_has_shown() {
    let staged = State::Staged {
        release: release("2"),
        slot: "B".to_owned(),
    };
    let trial = State::Trial {
        release: release("2"),
        slot: "B".to_owned(),
    };
    let kept = Some(Outcome::Kept);
    let back = Some(Outcome::RolledBack);
    for (from, seen, to, last) in [
        // thoxd was restarted, the device was not.
        (&staged, seen("A", noted("B"), false), &staged, None),
        (&staged, seen("B", noted("B"), false), &trial, None),
        // thox-commit was faster than thoxd.
        (&staged, seen("B", Note::None, false), &State::Idle, kept),
        (&trial, seen("B", noted("B"), false), &trial, None),
        (&trial, seen("B", Note::None, false), &State::Idle, kept),
        // The old system runs, and thox-commit has not said so yet.
        (&trial, seen("A", noted("B"), true), &trial, None),
        (&trial, seen("A", Note::None, true), &State::Idle, back),
        (&staged, seen("A", Note::None, true), &State::Idle, back),
        // A system without thox-commit, which notes nothing.
        (&staged, seen("A", Note::None, false), &staged, None),
        // Another trial than this one is none of its.
        (&trial, seen("A", noted("A"), true), &State::Idle, back),
        (&staged, seen("B", Note::Unreadable, false), &staged, None),
        (&trial, seen("A", Note::Unreadable, true), &trial, None),
    ] {
        let case = format!("{from:?} {seen:?}");
        let next = at(from.clone()).step(Event::Seen(seen), NOW).unwrap();
        assert_eq!(next.state, *to, "{case}");
        assert_eq!(next.last.as_ref().map(|last| last.outcome), last, "{case}");
        let reason = next.last.and_then(|last| last.reason);
        assert_eq!(reason.is_some(), last == back, "{case}: {reason:?}");
        assert_eq!(next.failed.len(), usize::from(last == back), "{case}");
    }
}

#[test]
fn a_release_that_failed_here_is_never_taken_again() {
    let machine = Machine {
        failed: vec![release("2")],
        ..Machine::default()
    };
    for event in [Event::Offer(offer("2")), Event::Install(offer("2"))] {
        assert_eq!(machine.step(event, NOW), Err(Refused::FailedHere));
    }
    let renamed = Offer {
        release: Release {
            version: "3".to_owned(),
            ..release("2")
        },
        ..offer("2")
    };
    assert!(machine.has_failed(&renamed.release), "the same bundle");
    let built_anew = Release {
        hash: Some("another".to_owned()),
        ..release("2")
    };
    assert!(
        !machine.has_failed(&built_anew),
        "the same version, another bundle"
    );
    let without_hash = Release {
        hash: None,
        ..release("2")
    };
    assert!(machine.has_failed(&without_hash));
    assert!(!machine.has_failed(&release("4")));
}

#[test]
fn an_installation_that_fails_is_an_offer_again_only_if_it_was_one() {
    let failed = || Event::NotInstalled {
        reason: "full".to_owned(),
    };
    let offered = at(State::Offered { offer: offer("2") });
    let installing = offered.step(Event::Install(offer("2")), NOW).unwrap();
    let again = installing.step(failed(), NOW).unwrap();
    assert_eq!(again.state, offered.state);
    assert_eq!(again.last.unwrap().reason.as_deref(), Some("full"));
    assert!(again.failed.is_empty(), "it was never tried");
    let pulled = installing.step(Event::Withdraw, NOW).unwrap();
    assert_eq!(pulled.step(failed(), NOW).unwrap().state, State::Idle);
    let another = offered.step(Event::Install(offer("3")), NOW).unwrap();
    assert_eq!(another.step(failed(), NOW).unwrap().state, State::Idle);
}

#[test]
fn slots_tell_whether_an_installation_was_finished() {
    let booted = Slot {
        name: "rootfs.0".to_owned(),
        boot_name: "A".to_owned(),
        is_booted: true,
        release: Some(release("2")),
        is_whole: true,
        ..Slot::default()
    };
    let written = Slot {
        name: "rootfs.1".to_owned(),
        boot_name: "B".to_owned(),
        is_primary: true,
        is_whole: true,
        is_good: Some(true),
        release: Some(release("2")),
        ..Slot::default()
    };
    let slots = [booted.clone(), written.clone()];
    assert_eq!(holding(&slots, &release("2")), Some(&written));
    assert_eq!(holding(&slots, &release("3")), None);
    for half in [
        Slot {
            is_primary: false,
            ..written.clone()
        },
        Slot {
            is_whole: false,
            ..written.clone()
        },
        Slot {
            release: None,
            ..written.clone()
        },
    ] {
        assert_eq!(holding(&[booted.clone(), half], &release("2")), None);
    }
    assert_eq!(other_than_booted(&slots), Some(&written));
    let three = [booted.clone(), written.clone(), written.clone()];
    assert_eq!(other_than_booted(&three), None, "which of the two?");
    assert_eq!(
        other_than_booted(&[written]),
        None,
        "nothing is known to run"
    );
    assert_eq!(other_than_booted(&[booted]), None);
}

#[test]
fn what_is_kept_is_read_back() {
    // It is read by the next release too: names may not change.
    let text = r#"{"state":"staged","release":{"version":"2","hash":"hash of 2"},"slot":"B","last":{"outcome":"rolled_back","release":{"version":"1"},"at":5,"reason":"x"},"failed":[{"version":"1"}]}"#;
    let machine: Machine = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&machine).unwrap(), text);
    for state in states() {
        let machine = at(state);
        let text = serde_json::to_string(&machine).unwrap();
        assert_eq!(serde_json::from_str::<Machine>(&text).unwrap(), machine);
    }
}

fn any_offer() -> impl Strategy<Value = Offer> {
    (0..4u8).prop_map(|version| offer(&version.to_string()))
}

fn any_slot() -> impl Strategy<Value = String> {
    prop_oneof![Just("A".to_owned()), Just("B".to_owned())]
}

fn any_seen() -> impl Strategy<Value = Seen> {
    let note = prop_oneof![
        Just(Note::None),
        Just(Note::Unreadable),
        any_slot().prop_map(Note::Of)
    ];
    (any_slot(), note, any::<bool>()).prop_map(|(running, note, is_given_up)| Seen {
        running,
        note,
        is_given_up,
        reason: None,
    })
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        any_offer().prop_map(Event::Offer),
        Just(Event::Withdraw),
        any_offer().prop_map(Event::Install),
        any_slot().prop_map(|slot| Event::Installed { slot }),
        Just(Event::NotInstalled {
            reason: String::new()
        }),
        any_seen().prop_map(Event::Seen),
        Just(Event::Leave(release("0"))),
    ]
}

proptest! {
    /// Nothing runs on trial that was not installed, nothing is installed that was not asked for, and nothing is asked
    /// for again that failed.
    #[test]
    fn whatever_happens(events in prop::collection::vec(any_event(), 0..80)) {
        let mut machine = Machine::default();
        for event in events {
            let asked = match &event {
                Event::Install(offer) => Some(offer.release.clone()),
                _ => None,
            };
            let Ok(next) = machine.step(event.clone(), NOW) else { continue };
            for failed in &machine.failed {
                prop_assert!(next.has_failed(failed), "what failed is not forgotten");
            }
            let (before, after) = (&machine.state, &next.state);
            match after {
                State::Installing { offer, .. } if asked.is_some() => {
                    let may_begin = matches!(before, State::Idle | State::Offered { .. });
                    prop_assert!(may_begin && !machine.has_failed(&offer.release));
                    prop_assert_eq!(Some(&offer.release), asked.as_ref());
                }
                State::Installing { .. } => prop_assert_eq!(event, Event::Withdraw),
                State::Staged { .. } => {
                    let may_be = matches!(before, State::Installing { .. } | State::Staged { .. });
                    prop_assert!(may_be, "{before:?}");
                }
                State::Trial { .. } => {
                    let may_be = matches!(before, State::Staged { .. } | State::Trial { .. });
                    prop_assert!(may_be, "{before:?}");
                }
                State::Idle | State::Offered { .. } => {
                    let was_tried = matches!(before, State::Staged { .. } | State::Trial { .. });
                    let outcome = next.last.as_ref().map(|last| last.outcome);
                    let is_told = matches!(outcome, Some(Outcome::Kept | Outcome::RolledBack));
                    prop_assert!(!was_tried || is_told, "{outcome:?}");
                }
            }
            machine = next;
        }
    }
}

#[test]
fn the_memory_has_a_bound() {
    let mut machine = Machine::default();
    for version in 0..2 * REMEMBERED {
        machine.remember(&release(&version.to_string()));
        machine.remember(&release(&version.to_string()));
    }
    assert_eq!(machine.failed.len(), REMEMBERED);
    assert!(machine.has_failed(&release(&(2 * REMEMBERED - 1).to_string())));
    assert!(!machine.has_failed(&release("0")));
}
