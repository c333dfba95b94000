//! Minutes of an engine whose connections break at every moment: `cargo test … soak -- --ignored`.

use crate::stage::{Stage, ask, ask_stream, name_of};
use futures_util::future::join_all;
use std::time::Duration;
use thox_tests::doubles::{Answering, Fault, Kind};
use tokio::time::timeout;

/// Once in some ten thousand of these a request waited for ever on a connection that was gone.
const ROUNDS: usize = 8000;

#[tokio::test]
#[ignore = "takes a minute; a race shows only now and then"]
async fn no_request_waits_for_a_connection_that_is_gone() {
    let kinds = [Kind::Ollama, Kind::Trtllm, Kind::EdgeLlm].repeat(2);
    join_all(kinds.into_iter().map(soak)).await;
}

async fn soak(kind: Kind) {
    let section = format!("engines.{}", name_of(kind));
    let stage = Stage::with(kind, |b| {
        b.text(&section, "poll_interval", "20ms")
            .raw("router.circuit", "failures", "1000000")
    })
    .await;
    stage.script(|s| s.answering = Answering::Fixed("ok".into()));
    for round in 0..ROUNDS {
        stage.heal();
        match round / 25 % 4 {
            0 => stage.fault(Fault::CloseAfterReply),
            1 => stage.fault(Fault::StaleConnection),
            2 => stage.drop_connections(),
            _ => {
                stage.die().await;
                stage.come_back().await;
            }
        }
        // Any answer will do, but there has to be one.
        let answer = async {
            if round % 2 == 0 {
                stage.chat(&ask("x")).await;
            } else {
                stage.begin(&ask_stream("x")).await.whole().await;
            }
        };
        let answered = timeout(Duration::from_secs(5), answer).await;
        assert!(
            answered.is_ok(),
            "{kind:?} round {round}: no answer after 5 s"
        );
    }
}
