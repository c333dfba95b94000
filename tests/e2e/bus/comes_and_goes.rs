//! No bus, another bus, a name that is taken: thoxd answers all the same and says what is missing.

use super::stage::{Bus, NAME, can_be_tested, on};
use thox_tests::client;
use thox_tests::doubles::{Double, Kind};
use thox_tests::patience::LIMIT;
use thox_tests::thoxd::Thoxd;
use tokio::time::{Instant, sleep};

async fn wait_note(thoxd: &Thoxd, what: &str, is_there: bool) {
    let deadline = Instant::now() + LIMIT;
    loop {
        let health = client::get(thoxd.address, "/health").await.json();
        assert_eq!(
            health["status"], "healthy",
            "requests are answered as well as before"
        );
        if health["notes"].to_string().contains(what) == is_there {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "waited {LIMIT:?}, {what:?} {is_there}: {health}"
        );
        sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn without_a_bus_everything_else_works_and_with_one_it_is_there() {
    if !can_be_tested() {
        return;
    }
    let mut bus = Bus::down();
    let engine = Double::start(Kind::Ollama).await;
    let thoxd = on(&bus, &engine).start().await;
    thoxd.wait_models(&["thox-coder"]).await;
    wait_note(&thoxd, "D-Bus is not there", true).await;
    for _ in 0..2 {
        bus.start().await;
        bus.polkit().await;
        bus.systemd().await;
        bus.wait_for(NAME).await;
        wait_note(&thoxd, "D-Bus is not there", false).await;
        bus.wait_property("Engines", |all| {
            all["ollama"]["UnitState"]["data"] == "active"
        })
        .await;
        bus.call("Reload", &[]).await.expect("it is asked");
        bus.stop().await;
        wait_note(&thoxd, "D-Bus is not there", true).await;
    }
}

#[tokio::test]
async fn a_name_that_is_taken_is_told_of_and_taken_when_it_is_free() {
    if !can_be_tested() {
        return;
    }
    let bus = Bus::with_peers().await;
    let engine = Double::start(Kind::Ollama).await;
    let first = on(&bus, &engine).start().await;
    bus.wait_for(NAME).await;
    let second = on(&bus, &engine).start().await;
    second.wait_models(&["thox-coder"]).await;
    wait_note(&second, "another thoxd has it", true).await;
    drop(first);
    bus.wait_for(NAME).await;
    wait_note(&second, "another thoxd has it", false).await;
}
