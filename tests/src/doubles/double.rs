//! One double: its socket, its state, and the switches that a test turns.

use super::connection::serve;
use super::fault::{Fault, Faults, Purpose};
use super::journal::{Cancelled, Journal, Seen};
use super::model::Model;
use super::reply::Reply;
use super::script::Script;
use super::trtllm::Branch;
use super::{edge_llm, ollama, openai, trtllm};
use crate::patience::{until, within};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Which engine a double plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `ollama serve`.
    Ollama,
    /// `trtllm-serve` of TensorRT-LLM 1.x.
    Trtllm,
    /// The server of TensorRT-LLM's branch for Jetson (v0.12).
    TrtllmJetson,
    /// `tensorrt-edgellm-serve`.
    EdgeLlm,
    /// Any other compatible server; here as llama.cpp's.
    OpenAi,
}

impl Kind {
    /// What thoxd's setting `engines.NAME.kind` calls it.
    pub fn setting(self) -> &'static str {
        match self {
            Self::Ollama => "ollama",
            Self::Trtllm | Self::TrtllmJetson => "trtllm",
            Self::EdgeLlm => "edge-llm",
            Self::OpenAi => "openai",
        }
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "ollama" => Ok(Self::Ollama),
            "trtllm" => Ok(Self::Trtllm),
            "trtllm-jetson" => Ok(Self::TrtllmJetson),
            "edge-llm" => Ok(Self::EdgeLlm),
            "openai" => Ok(Self::OpenAi),
            _ => Err(format!(
                "no engine is called {text}: ollama, trtllm, trtllm-jetson, edge-llm or openai"
            )),
        }
    }
}

/// What the connections share.
pub(crate) struct State {
    kind: Kind,
    script: Mutex<Script>,
    faults: Mutex<Faults>,
    /// The loaded models; with a time, when it will be gone (an unload is asynchronous).
    resident: Mutex<BTreeMap<String, Option<Instant>>>,
    pub(crate) journal: Journal,
    /// Counts up when all connections are to be dropped.
    deaths: watch::Sender<u64>,
}

impl State {
    pub(crate) fn script(&self) -> Script {
        self.script.lock().unwrap().clone()
    }

    pub(crate) fn change_script(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.script.lock().unwrap());
    }

    pub(crate) fn deaths(&self) -> watch::Receiver<u64> {
        self.deaths.subscribe()
    }

    pub(crate) fn take_fault(&self, purpose: Purpose) -> Option<Fault> {
        self.faults.lock().unwrap().take(purpose)
    }

    pub(crate) fn resident(&self) -> Vec<String> {
        let mut resident = self.resident.lock().unwrap();
        resident.retain(|_, end| end.is_none_or(|end| end > Instant::now()));
        resident.keys().cloned().collect()
    }

    pub(crate) fn load(&self, name: &str) {
        self.resident.lock().unwrap().insert(name.to_owned(), None);
    }

    /// A model that has been pulled.
    pub(crate) fn add_model(&self, model: &Model) {
        self.change_script(|script| {
            script.models.retain(|known| known.name != model.name);
            script.models.push(model.clone());
        });
    }

    /// A model that is on the disk no more.
    pub(crate) fn remove_model(&self, name: &str) {
        self.change_script(|script| script.models.retain(|known| known.name != name));
        self.resident.lock().unwrap().remove(name);
    }

    /// The engine's answer.
    pub(crate) fn route(&self, seen: &Seen) -> Reply {
        match self.kind {
            Kind::Ollama => ollama::route(self, seen),
            Kind::Trtllm => trtllm::route(self, seen, Branch::Current),
            Kind::TrtllmJetson => trtllm::route(self, seen, Branch::Jetson),
            Kind::EdgeLlm => edge_llm::route(self, seen),
            Kind::OpenAi => openai::route(self, seen),
        }
    }

    /// The engine's own words for a status.
    pub(crate) fn fault_reply(&self, status: u16, path: &str) -> Reply {
        match self.kind {
            Kind::Ollama => ollama::fault(status, path),
            Kind::Trtllm | Kind::TrtllmJetson => trtllm::fault(status),
            Kind::EdgeLlm => edge_llm::fault(status),
            Kind::OpenAi => openai::fault(status),
        }
    }

    /// What a stream says just before it ends too early.
    pub(crate) fn last_words(&self) -> Option<&'static str> {
        // Ollama's error after the first chunk becomes a chunk with nothing in it.
        (self.kind == Kind::Ollama).then_some(
            r#"{"id":"chatcmpl-0","object":"chat.completion.chunk","created":0,"model":"","system_fingerprint":"fp_ollama","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#,
        )
    }

    /// The error event of a stream.
    pub(crate) fn error_event(&self) -> String {
        edge_llm::error_body(500, "engine_error", "the runtime reported an error", None)
    }

    pub(crate) fn unload_after(&self, name: &str, delay: Duration) {
        self.resident
            .lock()
            .unwrap()
            .insert(name.to_owned(), Some(Instant::now() + delay));
    }
}

/// One engine on a free port of the loopback.
pub struct Double {
    state: Arc<State>,
    address: SocketAddr,
    listening: Mutex<Option<JoinHandle<()>>>,
}

impl Double {
    /// Starts a double with its usual script.
    pub async fn start(kind: Kind) -> Self {
        Self::start_at(kind, 0).await
    }

    /// The same on a given port; 0 is a free one.
    pub async fn start_at(kind: Kind, port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .await
            .expect("no port for a double");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let state = Arc::new(State {
            kind,
            script: Mutex::new(Script::of(kind)),
            faults: Mutex::default(),
            resident: Mutex::default(),
            journal: Journal::default(),
            deaths: watch::Sender::new(0),
        });
        let listening = Mutex::new(Some(tokio::spawn(accept(listener, Arc::clone(&state)))));
        Self {
            state,
            address,
            listening,
        }
    }

    /// A port on which nothing listens, for an engine that comes later by [`Double::start_at`].
    pub async fn free_port() -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("no free port");
        listener
            .local_addr()
            .expect("a bound socket has an address")
            .port()
    }

    /// Which engine it plays.
    pub fn kind(&self) -> Kind {
        self.state.kind
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it saw.
    pub fn journal(&self) -> &Journal {
        &self.state.journal
    }

    /// The names of the models that are loaded (Ollama).
    pub fn resident(&self) -> Vec<String> {
        self.state.resident()
    }

    /// Changes what it has and how it answers, for the requests that come from now on.
    pub fn script(&self, change: impl FnOnce(&mut Script)) {
        self.state.change_script(change);
    }

    /// Each generation fails like this until [`Double::heal`].
    pub fn fault(&self, fault: Fault) {
        let mut faults = self.state.faults.lock().unwrap();
        (faults.generation, faults.times) = (Some(fault), None);
    }

    /// The next generations fail like this, the ones after them work.
    pub fn fault_times(&self, fault: Fault, times: usize) {
        let mut faults = self.state.faults.lock().unwrap();
        (faults.generation, faults.times) = (Some(fault), Some(times));
    }

    /// Everything but generations (health, lists) fails like this until [`Double::heal`].
    pub fn fault_probes(&self, fault: Fault) {
        let mut faults = self.state.faults.lock().unwrap();
        (faults.probes, faults.probe_times) = (Some(fault), None);
    }

    /// Each pull, load, unload and delete fails like this until [`Double::heal`] (Ollama).
    pub fn fault_verbs(&self, fault: Fault) {
        self.state.faults.lock().unwrap().verbs = Some(fault);
    }

    /// The next so many requests that are no generations fail like this, the ones after them work.
    pub fn fault_probes_times(&self, fault: Fault, times: usize) {
        let mut faults = self.state.faults.lock().unwrap();
        (faults.probes, faults.probe_times) = (Some(fault), Some(times));
    }

    /// Takes all faults away.
    pub fn heal(&self) {
        *self.state.faults.lock().unwrap() = Faults::default();
    }

    /// Closes all connections, as an engine that restarts does; new ones are accepted.
    pub fn drop_connections(&self) {
        self.state.deaths.send_modify(|count| *count += 1);
    }

    /// Closes the listener: new connections are refused; those that are open stay.
    pub async fn refuse(&self) {
        let task = self.listening.lock().unwrap().take();
        if let Some(task) = task {
            task.abort();
            // The socket is closed when the task is gone, not when it is told to go.
            let _ = within("the listener to close", task).await;
        }
    }

    /// The engine dies: its listener and all its connections close.
    pub async fn die(&self) {
        self.refuse().await;
        self.drop_connections();
        self.state.resident.lock().unwrap().clear();
    }

    /// Listens again on the same port.
    pub async fn come_back(&self) {
        let listener = within("the double's own port to be free again", async {
            loop {
                match TcpListener::bind(self.address).await {
                    Ok(listener) => return listener,
                    Err(_) => sleep(Duration::from_millis(5)).await,
                }
            }
        });
        let task = tokio::spawn(accept(listener.await, Arc::clone(&self.state)));
        *self.listening.lock().unwrap() = Some(task);
    }

    /// Waits until so many pulls were cancelled in all.
    pub async fn wait_pulls_cancelled(&self, count: usize) {
        let what = format!("{count} pulls are cancelled");
        until(&what, || {
            (self.journal().pulls_cancelled() == count).then_some(())
        })
        .await;
    }

    /// Waits until so many generations run at once.
    pub async fn wait_open(&self, count: usize) {
        let what = format!("{:?} has {count} generations open", self.state.kind);
        until(&what, || (self.journal().open() == count).then_some(())).await;
    }

    /// Waits until so many generations were cancelled in all, and returns the last of them.
    pub async fn wait_cancelled(&self, count: usize) -> Cancelled {
        let what = format!("{:?} has seen {count} cancellations", self.state.kind);
        until(&what, || self.journal().cancelled().get(count - 1).cloned()).await
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        if let Some(task) = self.listening.lock().unwrap().take() {
            task.abort();
        }
        self.drop_connections();
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                state.journal.connected();
                tokio::spawn(serve_until_death(stream, Arc::clone(&state)));
            }
            Err(_) => sleep(Duration::from_millis(5)).await,
        }
    }
}

async fn serve_until_death(stream: TcpStream, state: Arc<State>) {
    let mut deaths = state.deaths();
    tokio::select! {
        _ = deaths.changed() => {}
        () = serve(stream, &state) => {}
    }
}
