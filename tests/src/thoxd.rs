//! Starts the real `thoxd` on a free port with a generated configuration, keeps its log and ends it.

use crate::client;
use crate::doubles::Double;
use crate::patience::{LIMIT, until};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::time::sleep;

/// What `thoxd` is started with.
pub struct Builder {
    settings: BTreeMap<String, BTreeMap<String, String>>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    within: Vec<String>,
}

impl Default for Builder {
    /// A free port, short timeouts, no engine: the default Ollama and the starter are off, and nothing is said on this
    /// machine's network or message bus.
    fn default() -> Self {
        let builder = Self {
            settings: BTreeMap::new(),
            arguments: Vec::new(),
            environment: Vec::new(),
            within: Vec::new(),
        };
        builder
            .list("server", "listen", &["127.0.0.1:0"])
            .raw("mdns", "enabled", "false")
            .raw("dbus", "enabled", "false")
            .text("log", "level", "debug")
            .raw("engines.ollama", "enabled", "false")
            .raw("engines.starter", "enabled", "false")
    }
}

impl Builder {
    /// A setting in TOML's own words.
    pub fn raw(mut self, section: &str, key: &str, value: &str) -> Self {
        self.settings
            .entry(section.to_owned())
            .or_default()
            .insert(key.to_owned(), value.to_owned());
        self
    }

    /// A setting that is a string.
    pub fn text(self, section: &str, key: &str, value: &str) -> Self {
        let quoted = format!("{value:?}");
        self.raw(section, key, &quoted)
    }

    /// A setting that is a list of strings.
    pub fn list(self, section: &str, key: &str, values: &[&str]) -> Self {
        let list = format!("{values:?}");
        self.raw(section, key, &list)
    }

    /// An engine called `name` at a double; polled often, so that tests need not wait.
    pub fn engine(self, name: &str, double: &Double) -> Self {
        self.engine_at(name, double.kind().setting(), &double.url())
    }

    /// An engine of a kind at any address.
    pub fn engine_at(self, name: &str, kind: &str, url: &str) -> Self {
        let section = format!("engines.{name}");
        self.text(&section, "kind", kind)
            .text(&section, "url", url)
            .raw(&section, "enabled", "true")
            .text(&section, "poll_interval", "200ms")
            .text(&section, "connect_timeout", "1s")
    }

    /// A public model name and what it is on each engine.
    pub fn model(mut self, name: &str, on: &[(&str, &str)]) -> Self {
        for (engine, model) in on {
            self = self.text(&format!("models.{name}"), engine, model);
        }
        self
    }

    /// The log level; `debug` unless told otherwise.
    pub fn log(self, level: &str) -> Self {
        self.text("log", "level", level)
    }

    /// One more command line argument.
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// One more environment variable.
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Has another program start it, which has to become it (exec): `ip netns exec NAME`.
    pub fn within(mut self, program: &[&str]) -> Self {
        self.within = program.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// The configuration file's text.
    pub fn toml(&self, state: &Path) -> String {
        let mut text = format!("state_dir = {:?}\n", state.display().to_string());
        // Its own, so that tests beside each other and a device on this machine are left alone.
        let socket = state.join("control.sock").display().to_string();
        let with_socket = self.settings.get("server").map(|server| {
            let mut server = server.clone();
            server
                .entry("control_socket".to_owned())
                .or_insert_with(|| format!("{socket:?}"));
            ("server", server)
        });
        let mut all = self.settings.clone();
        all.extend(with_socket.map(|(name, settings)| (name.to_owned(), settings)));
        for (section, settings) in &all {
            let name: Vec<String> = section.split('.').map(|part| format!("{part:?}")).collect();
            text.push_str(&format!("\n[{}]\n", name.join(".")));
            for (key, value) in settings {
                text.push_str(&format!("{key} = {value}\n"));
            }
        }
        text
    }

    /// Starts the process without waiting for anything.
    pub fn spawn(self) -> Process {
        let folder = TempDir::new().expect("a temporary folder");
        let file = folder.path().join("config.toml");
        let state = folder.path().join("state");
        std::fs::create_dir_all(&state).expect("a folder for the state");
        std::fs::write(&file, self.toml(&state)).expect("the configuration is written");
        let mut command = match self.within.split_first() {
            None => Command::new(binary("thoxd")),
            Some((program, words)) => {
                let mut command = Command::new(program);
                command.args(words).arg(binary("thoxd"));
                command
            }
        };
        command.arg("--config").arg(&file).args(&self.arguments);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("THOX_")) {
            command.env_remove(name);
        }
        command
            .env("HOME", folder.path())
            .env("XDG_STATE_HOME", folder.path().join("xdg-state"))
            .env("XDG_RUNTIME_DIR", folder.path())
            .envs(self.environment)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("thoxd starts");
        let log = Arc::new(Mutex::new(String::new()));
        let readers = vec![
            keep(child.stdout.take().expect("stdout is piped"), &log),
            keep(child.stderr.take().expect("stderr is piped"), &log),
        ];
        Process {
            child,
            log,
            readers,
            folder,
        }
    }

    /// Starts the process and waits until it listens and each of its engines that is enabled answers or is known to be
    /// down.
    pub async fn start(self) -> Thoxd {
        let process = self.spawn();
        let what = "thoxd listens";
        let deadline = Instant::now() + LIMIT;
        let mut process = process;
        let address = loop {
            if let Some(address) = process.address() {
                break address;
            }
            if let Some(status) = process.exit_status() {
                panic!(
                    "thoxd ended with {status} before it listened:\n{}",
                    process.log()
                );
            }
            assert!(
                Instant::now() < deadline,
                "waited {LIMIT:?} until {what}:\n{}",
                process.log()
            );
            sleep(Duration::from_millis(5)).await;
        };
        Thoxd { process, address }
    }
}

/// The path of a binary of this workspace, built before.
pub fn binary(name: &str) -> PathBuf {
    if let Some(path) = std::env::var_os(format!("{}_BIN", name.to_uppercase())) {
        return PathBuf::from(path);
    }
    let this = std::env::current_exe().expect("a running test has a path");
    let beside = this
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    beside.unwrap_or_else(|| {
        panic!(
            "{name} is not built: run `cargo build -p {name}` first, or set {}_BIN",
            name.to_uppercase()
        )
    })
}

fn keep(output: impl Read + Send + 'static, log: &Arc<Mutex<String>>) -> JoinHandle<()> {
    let log = Arc::clone(log);
    std::thread::spawn(move || {
        let mut lines = BufReader::new(output);
        let mut line = Vec::new();
        while let Ok(1..) = lines.read_until(b'\n', &mut line) {
            log.lock()
                .unwrap()
                .push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    })
}

/// A `thoxd` that runs or has run; it is killed when this is dropped.
pub struct Process {
    child: Child,
    log: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
    folder: TempDir,
}

impl Process {
    /// What it has written so far, both outputs.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Its folder: `config.toml`, `state`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The address that it says it listens on.
    pub fn address(&self) -> Option<SocketAddr> {
        let log = self.log();
        let (_, rest) = log.split_once("listening on http://")?;
        let end = rest.find(|c: char| c.is_whitespace() || c == '/' || c == '\u{1b}')?;
        rest.get(..end)?.parse().ok()
    }

    /// How it ended, if it has.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the process can be asked")
    }

    /// Waits until it has ended and its last words are in the log.
    pub async fn wait_exit(&mut self) -> ExitStatus {
        let status = until("thoxd ends", || self.exit_status()).await;
        let are_done = || {
            self.readers
                .iter()
                .all(JoinHandle::is_finished)
                .then_some(())
        };
        until("thoxd's outputs are closed", are_done).await;
        status
    }

    /// Sends it a signal by name: `TERM`, `INT`, `HUP`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.pid().to_string())
            .status();
        assert!(status.expect("kill runs").success(), "no signal to thoxd");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            eprintln!("--- the end of thoxd's log ---\n{}", tail.join("\n"));
        }
    }
}

/// A `thoxd` that listens.
pub struct Thoxd {
    /// The process.
    pub process: Process,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Thoxd {
    /// Settings to start from.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Waits until `/v1/models` lists all these names.
    pub async fn wait_models(&self, names: &[&str]) {
        let deadline = Instant::now() + LIMIT;
        loop {
            let have = self.model_names().await;
            if names.iter().all(|name| have.iter().any(|h| h == name)) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "waited {LIMIT:?} for {names:?}, have {have:?}:\n{}",
                self.process.log()
            );
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until `/v1/models` no longer lists a name.
    pub async fn wait_model_gone(&self, name: &str) {
        let deadline = Instant::now() + LIMIT;
        while self.model_names().await.iter().any(|have| have == name) {
            assert!(
                Instant::now() < deadline,
                "waited {LIMIT:?} until {name} is gone"
            );
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// The names that `/v1/models` lists.
    pub async fn model_names(&self) -> Vec<String> {
        let list = client::get(self.address, "/v1/models").await.json();
        let items = list["data"].as_array().expect("a list of models").iter();
        items
            .filter_map(|item| item["id"].as_str().map(str::to_owned))
            .collect()
    }

    /// What it has written so far.
    pub fn log(&self) -> String {
        self.process.log()
    }
}
