//! The settings themselves. Keys, units and defaults are explained to users in `config/thoxd.toml`.

use super::{address::EngineAddress, units::Bytes};
use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};
use thox_policy::{EngineKind, ParameterCount, Registry, discovery::Choice, network::Prefix};

/// Everything that can be set, validated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The doors.
    pub server: Server,
    /// The encrypted port.
    pub tls: Tls,
    /// The engines by name.
    pub engines: BTreeMap<String, Engine>,
    /// The catalog: public model names.
    pub models: BTreeMap<String, Model>,
    /// Where models may come from.
    pub downloads: Downloads,
    /// How requests are routed.
    pub router: Router,
    /// MCP clients.
    pub mcp: Mcp,
    /// Who may ask and who may change.
    pub auth: Auth,
    /// How much may be asked.
    pub limits: Limits,
    /// Whether it is kept who asked.
    pub audit: Audit,
    /// How it is found on its network.
    pub mdns: Mdns,
    /// The message bus of the machine.
    pub dbus: Dbus,
    /// Updates of the device's system.
    pub update: Update,
    /// What is logged.
    pub log: Log,
    /// Folder of what has to survive a restart.
    pub state_dir: PathBuf,
}

/// How clients reach the daemon, and what a client may use up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Addresses of the plain HTTP port; at least one.
    pub listen: Vec<SocketAddr>,
    /// The Unix socket for whoever is on the device.
    pub control_socket: SocketFile,
    /// Largest request body.
    pub max_body: Bytes,
    /// Connections open at once; at least one.
    pub max_connections: usize,
    /// Of these, from one address, or from one /64 of IPv6; at least one.
    pub max_connections_per_client: usize,
    /// Time for a request's head to arrive.
    pub header_timeout: Duration,
    /// Time for a request's body to arrive.
    pub body_timeout: Duration,
    /// Time that a client may take nothing of a reply that is there for it.
    pub send_timeout: Duration,
    /// Time that a connection may stay open between two requests.
    pub idle_timeout: Duration,
    /// Silence before the first token after which a stream gets its first comment line.
    pub keep_alive_comment_after: Duration,
    /// Time between the comment lines that follow.
    pub keep_alive_comment_every: Duration,
    /// Time that requests in flight are given at shutdown.
    pub drain_deadline: Duration,
    /// Largest WebSocket message from a client.
    pub websocket_max_message: Bytes,
    /// Requests at once on one WebSocket connection; at least one.
    pub websocket_max_requests: usize,
}

/// The encrypted port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Whether it is served.
    pub enabled: bool,
    /// Its addresses; at least one.
    pub listen: Vec<SocketAddr>,
    /// The user's own certificate chain; there exactly where `key` is.
    pub certificate: Option<PathBuf>,
    /// The key of the user's own certificate.
    pub key: Option<PathBuf>,
}

/// One engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engine {
    /// What software it is.
    pub kind: EngineKind,
    /// Where it is reached; none for the embedded starter and for no other.
    pub url: Option<EngineAddress>,
    /// Whether it is used at all.
    pub enabled: bool,
    /// Requests that it is given at once; 0 is no limit.
    pub slots: usize,
    /// Requests that may wait for a slot.
    pub queue: usize,
    /// Time for a connection to be made.
    pub connect_timeout: Duration,
    /// Time from a request to the first byte of its reply; a model may have to be loaded in it.
    pub first_byte_timeout: Duration,
    /// Silence in a reply that has begun after which it counts as broken.
    pub stall_timeout: Duration,
    /// Time between two looks at its health and its models.
    pub poll_interval: Duration,
    /// The service manager's unit that runs it.
    pub unit: Option<UnitName>,
    /// File that holds the key that the engine wants as bearer token.
    pub api_key_file: Option<PathBuf>,
}

/// One public model name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    /// Its size, where the engine does not say it.
    pub parameters: Option<ParameterCount>,
    /// One sentence for the people who choose between models.
    pub description: Option<String>,
    /// What the model is called on an engine, by the engine's name or by a backend label (`ollama`, `tensorrt`, `starter`).
    pub on: BTreeMap<String, String>,
}

/// Where models may come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Downloads {
    /// The registries that engines may fetch models from.
    pub registries: Vec<Registry>,
}

/// How requests are routed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Router {
    /// Models of this size and larger prefer TensorRT.
    pub large_model_threshold: ParameterCount,
    /// The model that always finds an answer, by a substitute where need be.
    pub default_model: String,
    /// When an engine is left alone.
    pub circuit: Circuit,
}

/// When an engine is left alone after failures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Circuit {
    /// Failures in a row that open the circuit; at least one.
    pub failures: u32,
    /// Time until the engine is probed again.
    pub open_for: Duration,
}

/// MCP clients: their messages, and the sessions of those before 2026-07-28.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mcp {
    /// Sessions at once; at least one.
    pub max_sessions: usize,
    /// Time that a session is kept of which nothing is heard.
    pub session_idle_timeout: Duration,
    /// Time that a session's calls go on while its client has no connection.
    pub resume_within: Duration,
    /// Largest message from a client, of those without a session too.
    pub max_message: Bytes,
}

/// Who may ask and who may change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// Whether asking needs a key on the device's own network too.
    pub enabled: bool,
    /// Web pages that may ask.
    pub allowed_origins: Vec<WebOrigin>,
    /// Further names of the device.
    pub allowed_hosts: Vec<HostName>,
    /// Networks that count as the device's own.
    pub trusted_networks: Vec<Prefix>,
}

impl Auth {
    /// The further names as texts.
    #[must_use]
    pub fn further_names(&self) -> Vec<String> {
        let hosts = self.allowed_hosts.iter();
        hosts.map(|host| host.0.clone()).collect()
    }
}

/// How much may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests a minute of an address outside the device's own networks; 0 is no limit.
    pub remote_requests_per_minute: u32,
}

/// Whether it is kept who asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// Whether a line is written for each request.
    pub enabled: bool,
}

/// How it is found on its network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mdns {
    /// Whether it tells of itself.
    pub enabled: bool,
    /// The name that it wants, without `.local`.
    pub hostname: HostLabel,
    /// The interfaces on which it tells.
    pub choice: Choice,
}

/// The message bus of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dbus {
    /// Whether thoxd is on it.
    pub enabled: bool,
    /// Another bus than the system's.
    pub address: Option<BusAddress>,
}

/// Updates of the device's system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// Folder in which the system notes how an update fares.
    pub folder: PathBuf,
}

/// The address of a message bus, as the D-Bus specification writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusAddress(pub String);

/// The name of a service manager's service, with its suffix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitName(pub String);

/// A page's origin as browsers send it, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebOrigin(pub String);

impl AsRef<str> for WebOrigin {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// A host's name in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(pub String);

/// One label of a host's name, in lower case (RFC 1123, 2.1): letters, digits and inner hyphens, 63 at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostLabel(pub String);

/// The path of a Unix socket; none where there shall be none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketFile(pub Option<PathBuf>);

/// What is logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// A level, or directives: `info,thoxd=debug`.
    pub level: String,
}
