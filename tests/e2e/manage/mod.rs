//! What an owner does to a device: models that come and go, settings, the log, the restart.

mod command_line;
mod downloads;
mod hostile;
mod models;
mod running;
mod settings;

use crate::stage::Stage;
use crate::trust::{Owned, claim};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use thox_tests::client::Reply;
use thox_tests::doubles::Kind;
use thox_tests::patience::LIMIT;
use thox_tests::thoxd::Builder;
use tokio::time::sleep;

pub(crate) const DOWNLOADS: &str = "/thox/v1/models/downloads";

/// A claimed device with an Ollama that is looked at so rarely that only a look of thoxd's own shows what has changed.
pub(crate) async fn device() -> Owned {
    device_with(|builder| builder).await
}

pub(crate) async fn device_with(settings: impl FnOnce(Builder) -> Builder) -> Owned {
    let stage = Stage::with(Kind::Ollama, |builder| {
        settings(builder.text("engines.ollama", "poll_interval", "1h"))
    })
    .await;
    let admin = claim(&stage).await;
    Owned { stage, admin }
}

pub(crate) fn named(model: &str) -> Value {
    json!({ "model": model })
}

impl Owned {
    pub(crate) async fn pull(&self, model: &str) -> Reply {
        self.admin("POST", DOWNLOADS, Some(&named(model))).await
    }

    /// Begins a download that must begin; gives its id.
    pub(crate) async fn begin(&self, model: &str) -> String {
        let reply = self.pull(model).await;
        assert_eq!(reply.status, 202, "{}", reply.text());
        reply.json()["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn download(&self, id: &str) -> Value {
        let path = format!("{DOWNLOADS}/{id}");
        let reply = self.admin("GET", &path, None).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    }

    /// Waits until a download has come to a state.
    pub(crate) async fn wait_download(&self, id: &str, state: &str) -> Value {
        let deadline = Instant::now() + LIMIT;
        loop {
            let now = self.download(id).await;
            if now["state"] == state {
                return now;
            }
            assert!(Instant::now() < deadline, "waited for {state}: {now}");
            sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) async fn verb(&self, verb: &str, model: &str) -> Reply {
        let path = format!("/thox/v1/models/{verb}");
        self.admin("POST", &path, Some(&named(model))).await
    }
}
