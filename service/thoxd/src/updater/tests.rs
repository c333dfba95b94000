//! What survives a power cut in each state, and what is refused; RAUC itself is doubled in `tests/e2e/bus`.

use super::*;
use crate::{rauc::Properties, settings};
use std::{fs, path::Path};
use tempfile::TempDir;
use thox_api::{ErrorKind, UpdateState};
use thox_policy::update::{Last, Offer, Outcome, Release, Slot, State};

fn release(version: &str) -> Release {
    Release {
        version: version.to_owned(),
        hash: Some(format!("hash of {version}")),
    }
}

fn offer() -> Offer {
    Offer {
        source: "/run/thox-usb/sda1/2.raucb".to_owned(),
        release: release("2"),
    }
}

fn installing() -> State {
    State::Installing {
        offer: offer(),
        was_offered: true,
    }
}

/// thoxd as it starts after a power cut that left this behind.
fn started(folder: &TempDir, state: State) -> Updater {
    let machine = Machine {
        state,
        ..Machine::default()
    };
    Record::in_folder(&folder.path().join("state"))
        .write(&machine)
        .unwrap();
    on(folder)
}

fn on(folder: &TempDir) -> Updater {
    let text = format!(
        "state_dir = {:?}\n[update]\nfolder = {:?}",
        folder.path().join("state"),
        folder.path()
    );
    Updater::new(&settings::parse_text(&text).unwrap(), Bus::default())
}

fn slot(boot_name: &str, is_booted: bool, version: &str) -> Slot {
    Slot {
        name: format!("rootfs.{}", u8::from(boot_name == "B")),
        boot_name: boot_name.to_owned(),
        is_booted,
        is_primary: boot_name == "B",
        is_good: Some(true),
        is_whole: true,
        release: Some(release(version)),
    }
}

fn at_rest(last_error: &str) -> Properties {
    Properties {
        last_error: last_error.to_owned(),
        ..Properties::default()
    }
}

fn note(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).unwrap();
}

async fn after(updater: &Updater, last_error: &str, slots: &[Slot]) -> Machine {
    if let Some(event) = updater.event(&at_rest(last_error), slots) {
        let turn = updater.turn().await.unwrap();
        updater.step(&turn, event).await.unwrap();
    }
    let kept = updater.0.record.read();
    assert_eq!(kept, updater.machine(), "the disk has it too");
    kept
}

#[tokio::test]
async fn killed_while_it_is_installed() {
    let (running, written) = (slot("A", true, "1"), slot("B", false, "2"));
    let half = Slot {
        is_whole: false,
        ..written.clone()
    };
    let unmarked = Slot {
        is_primary: false,
        ..written.clone()
    };
    for (other, last_error, is_staged, reason) in [
        (&written, "", true, ""),
        (&half, "", false, "interrupted"),
        (&unmarked, "", false, "interrupted"),
        (&half, "no space left", false, "no space left"),
        (&written, "post-install failed", false, "post-install"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let updater = started(&folder, installing());
        assert_eq!(updater.now().state, UpdateState::Installing);
        let slots = [running.clone(), other.clone()];
        let machine = after(&updater, last_error, &slots).await;
        if is_staged {
            let slot = "B".to_owned();
            let release = release("2");
            assert_eq!(machine.state, State::Staged { release, slot });
        } else {
            assert_eq!(machine.state, State::Offered { offer: offer() });
            let last = machine.last.unwrap();
            assert_eq!(last.outcome, Outcome::NotInstalled);
            assert!(last.reason.unwrap().contains(reason), "{reason}");
            assert!(updater.why().reason.unwrap().contains(reason));
        }
        assert_eq!(on(&folder).now().state, updater.now().state);
    }
}

#[tokio::test]
async fn killed_while_it_waits_or_is_tried() {
    let staged = || State::Staged {
        release: release("2"),
        slot: "B".to_owned(),
    };
    let trial = || State::Trial {
        release: release("2"),
        slot: "B".to_owned(),
    };
    let old = [slot("A", true, "1"), slot("B", false, "2")];
    let new = [slot("A", false, "1"), slot("B", true, "2")];
    let bad = [
        slot("A", true, "1"),
        Slot {
            is_good: Some(false),
            ..slot("B", false, "2")
        },
    ];
    for (state, slots, is_noted, shown, outcome) in [
        (staged(), &old, true, UpdateState::Staged, None),
        (staged(), &new, true, UpdateState::Trial, None),
        (
            staged(),
            &new,
            false,
            UpdateState::Idle,
            Some(Outcome::Kept),
        ),
        (trial(), &new, true, UpdateState::Trial, None),
        (trial(), &new, false, UpdateState::Idle, Some(Outcome::Kept)),
        (trial(), &bad, true, UpdateState::Trial, None),
        (
            trial(),
            &bad,
            false,
            UpdateState::Idle,
            Some(Outcome::RolledBack),
        ),
        (
            staged(),
            &bad,
            false,
            UpdateState::Idle,
            Some(Outcome::RolledBack),
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let case = format!("{state:?} {slots:?} {is_noted}");
        if is_noted {
            note(
                folder.path(),
                "update-trial",
                "BOOTNAME=B\nBASELINE=answers\n",
            );
        }
        note(
            folder.path(),
            "update-failed",
            "SLOT=B\nREASON=no answer\nthe log\n",
        );
        let updater = started(&folder, state);
        let machine = after(&updater, "", slots).await;
        assert_eq!(updater.now().state, shown, "{case}");
        let last = machine.last.as_ref().map(|last| last.outcome);
        assert_eq!(last, outcome, "{case}");
        let why = updater.why();
        if outcome == Some(Outcome::RolledBack) {
            assert_eq!(why.reason.as_deref(), Some("no answer"));
            assert!(why.evidence.unwrap().contains("the log"));
            assert!(machine.has_failed(&release("2")));
        } else {
            assert_eq!((why.reason, why.evidence), (None, None), "{case}");
        }
    }
}

#[tokio::test]
async fn a_step_that_cannot_be_written_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let updater = started(&folder, State::Offered { offer: offer() });
    let state = folder.path().join("state");
    fs::remove_dir_all(&state).unwrap();
    fs::write(&state, "in its place").unwrap();
    let turn = updater.turn().await.unwrap();
    let refused = updater.step(&turn, Event::Withdraw).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Internal);
    assert!(refused.message.contains("update.json"), "{refused}");
    assert_eq!(updater.now().state, UpdateState::Offered);
}

#[tokio::test]
async fn without_rauc_there_is_nothing_to_ask_for() {
    let folder = tempfile::tempdir().unwrap();
    let updater = on(&folder);
    assert!(!updater.now().available);
    let offered = updater.install(Source::Offered).await.unwrap_err();
    let back = updater.roll_back().await.unwrap_err();
    let stick = updater.offer("/run/thox-usb/sda1/2.raucb").await;
    for refused in [offered, back, stick.unwrap_err()] {
        assert_eq!(refused.kind, ErrorKind::UpdateUnavailable, "{refused}");
    }
}

#[tokio::test]
async fn a_stick_that_goes_takes_its_offer_with_it_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let updater = started(&folder, State::Offered { offer: offer() });
    for other in [
        "/run/thox-usb/sdb1",
        "/run/thox-usb/sda",
        "/run/thox-usb/sda10",
    ] {
        let now = updater.withdraw(other).await.unwrap();
        assert_eq!(now.state, UpdateState::Offered, "{other}");
    }
    let now = updater.withdraw("/run/thox-usb/sda1").await.unwrap();
    assert_eq!(now.state, UpdateState::Idle);
}

#[test]
fn why_tells_of_the_log_only_where_it_is_this_ones() {
    let folder = tempfile::tempdir().unwrap();
    note(folder.path(), "update-failed", "SLOT=B\nREASON=no answer\n");
    let machine = Machine {
        last: Some(Last {
            outcome: Outcome::Kept,
            release: release("3"),
            at: 1,
            reason: None,
        }),
        ..Machine::default()
    };
    let record = Record::in_folder(&folder.path().join("state"));
    record.write(&machine).unwrap();
    assert_eq!(on(&folder).why().evidence, None);
}

#[test]
fn sources() {
    let url = |text: &str| Source::Url(text.to_owned());
    for (text, source) in [
        ("offered", Source::Offered),
        ("/data/2.raucb", Source::Path("/data/2.raucb".to_owned())),
        (
            "https://a.example/2.raucb",
            url("https://a.example/2.raucb"),
        ),
        (
            "http://10.0.0.1:81/2.raucb?x=1",
            url("http://10.0.0.1:81/2.raucb?x=1"),
        ),
    ] {
        assert_eq!(Source::parse(text), Ok(source));
    }
    for text in [
        "",
        "2.raucb",
        "../2.raucb",
        "file:///data/2.raucb",
        "ftp://a/b",
        "https://",
        "-x",
    ] {
        let refused = Source::parse(text).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::InvalidRequest, "{text}");
    }
}
