//! How each setting is read: its key, its default, and which values make no sense.

use super::{
    shape::{
        Audit, Auth, Circuit, Dbus, Downloads, Engine, HostLabel, Limits, Log, Mcp, Mdns, Model,
        Router, Server, Settings, SocketFile, Tls, Update,
    },
    table::Table,
    units::Bytes,
};
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};
use thox_policy::{
    EngineKind, ParameterCount, Registry,
    discovery::{Choice, LinkPattern},
};

const MORE_THAN_NOTHING: &str = "a duration above zero such as \"500ms\", \"30s\" or \"10m\"";
const AT_LEAST_ONE: &str = "a whole number, 1 or more";
const SIZE_ABOVE_ZERO: &str = "a size above zero such as \"32MiB\" or \"1GiB\"";

/// The defaults that depend on who runs the program.
pub(super) struct Folders {
    pub(super) state: PathBuf,
    pub(super) control_socket: SocketFile,
    pub(super) is_on_bus: bool,
}

impl Settings {
    pub(super) fn read(table: &mut Table<'_>, folders: Folders) -> Self {
        Self {
            server: table.table("server", |table| {
                Server::read(table, folders.control_socket)
            }),
            tls: table.table("tls", Tls::read),
            engines: table.named("engines", |_, table| Engine::read(table)),
            models: table.named("models", |_, table| Model::read(table)),
            downloads: table.table("downloads", |table| Downloads {
                registries: table.read("registries", default_registries()),
            }),
            router: table.table("router", Router::read),
            mcp: table.table("mcp", |table| Mcp {
                max_sessions: count(table, "max_sessions", 256),
                session_idle_timeout: time(table, "session_idle_timeout", 30 * 60),
                resume_within: time(table, "resume_within", 10),
                max_message: size(table, "max_message", 4 << 20),
            }),
            auth: table.table("auth", |table| Auth {
                enabled: table.read("enabled", false),
                allowed_origins: table.read("allowed_origins", Vec::new()),
                allowed_hosts: table.read("allowed_hosts", Vec::new()),
                trusted_networks: table.read("trusted_networks", Vec::new()),
            }),
            limits: table.table("limits", |table| Limits {
                remote_requests_per_minute: table.read("remote_requests_per_minute", 100),
            }),
            audit: table.table("audit", |table| Audit {
                enabled: table.read("enabled", false),
            }),
            mdns: table.table("mdns", Mdns::read),
            dbus: table.table("dbus", |table| Dbus {
                enabled: table.read("enabled", folders.is_on_bus),
                address: table.read_optional("address"),
            }),
            update: table.table("update", |table| Update {
                folder: table.read("folder", PathBuf::from("/data/system")),
            }),
            log: table.table("log", Log::read),
            state_dir: table.read("state_dir", folders.state),
        }
    }
}

impl Server {
    /// Where it listens unless it is told.
    #[must_use]
    pub fn listen() -> Vec<SocketAddr> {
        vec![SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080))]
    }

    fn read(table: &mut Table<'_>, control_socket: SocketFile) -> Self {
        Self {
            listen: table.read_if(
                "listen",
                Self::listen(),
                "a list of at least one address and port such as [\"0.0.0.0:8080\", \"[::]:8080\"]",
                |listen| !listen.is_empty(),
            ),
            control_socket: table.read("control_socket", control_socket),
            max_body: size(table, "max_body", 32 << 20),
            max_connections: count(table, "max_connections", 1024),
            max_connections_per_client: count(table, "max_connections_per_client", 256),
            header_timeout: time(table, "header_timeout", 10),
            body_timeout: time(table, "body_timeout", 60),
            send_timeout: time(table, "send_timeout", 60),
            idle_timeout: time(table, "idle_timeout", 120),
            keep_alive_comment_after: time(table, "keep_alive_comment_after", 3),
            keep_alive_comment_every: time(table, "keep_alive_comment_every", 10),
            drain_deadline: table.read("drain_deadline", Duration::from_secs(20)),
            websocket_max_message: size(table, "websocket_max_message", 4 << 20),
            websocket_max_requests: count(table, "websocket_max_requests", 16),
        }
    }
}

impl Tls {
    /// Where it listens unless it is told.
    #[must_use]
    pub fn listen() -> Vec<SocketAddr> {
        vec![SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8443))]
    }

    fn read(table: &mut Table<'_>) -> Self {
        Self {
            enabled: table.read("enabled", false),
            listen: table.read_if(
                "listen",
                Self::listen(),
                "a list of at least one address and port such as [\"0.0.0.0:8443\", \"[::]:8443\"]",
                |listen| !listen.is_empty(),
            ),
            certificate: table.read_optional("certificate"),
            key: table.read_optional("key"),
        }
    }
}

impl Engine {
    fn read(table: &mut Table<'_>) -> Self {
        Self {
            kind: table.read_required("kind", EngineKind::Starter),
            url: table.read_optional("url"),
            enabled: table.read("enabled", true),
            slots: table.read("slots", 0),
            queue: table.read("queue", 256),
            connect_timeout: time(table, "connect_timeout", 2),
            first_byte_timeout: time(table, "first_byte_timeout", 600),
            stall_timeout: time(table, "stall_timeout", 120),
            poll_interval: time(table, "poll_interval", 2),
            unit: table.read_optional("unit"),
            api_key_file: table.read_optional("api_key_file"),
        }
    }
}

impl Model {
    fn read(table: &mut Table<'_>) -> Self {
        Self {
            parameters: table.read_optional("parameters"),
            description: table.read_optional("description"),
            on: table.rest("ENGINE"),
        }
    }
}

impl Router {
    fn read(table: &mut Table<'_>) -> Self {
        Self {
            large_model_threshold: table
                .read("large_model_threshold", ParameterCount(10_000_000_000)),
            default_model: table.read_if(
                "default_model",
                "thox-coder".to_owned(),
                "a model's name in quotes",
                |name| !name.is_empty(),
            ),
            circuit: table.table("circuit", |table| Circuit {
                failures: table.read_if("failures", 3, AT_LEAST_ONE, |failures| *failures > 0),
                open_for: time(table, "open_for", 5),
            }),
        }
    }
}

impl Mdns {
    fn read(table: &mut Table<'_>) -> Self {
        let not_the_lan = NOT_THE_LAN.iter().filter_map(|text| LinkPattern::new(text));
        Self {
            enabled: table.read("enabled", true),
            hostname: table.read("hostname", HostLabel("thox".to_owned())),
            choice: Choice {
                only: table.read("interfaces", Vec::new()),
                exclude: table.read("exclude_interfaces", not_the_lan.collect()),
            },
        }
    }
}

/// The names that containers, virtual machines and overlay networks give their interfaces.
const NOT_THE_LAN: [&str; 14] = [
    "docker*", "br-*", "podman*", "cni*", "flannel*", "cali*", "veth*", "virbr*", "vnet*", "lxc*",
    "lxdbr*", "tun*", "tap*", "zt*",
];

impl Log {
    fn read(table: &mut Table<'_>) -> Self {
        Self {
            level: table.read_if(
                "level",
                "info".to_owned(),
                "\"error\", \"warn\", \"info\", \"debug\", \"trace\" or \"off\", or such a level for each part, \"info,thoxd=debug\"",
                |level| are_directives(level),
            ),
        }
    }
}

/// Ollama's own, and Hugging Face, which it speaks to as well.
fn default_registries() -> Vec<Registry> {
    ["registry.ollama.ai", "hf.co"]
        .iter()
        .filter_map(|host| host.parse().ok())
        .collect()
}

fn time(table: &mut Table<'_>, name: &str, seconds: u64) -> Duration {
    let default = Duration::from_secs(seconds);
    table.read_if(name, default, MORE_THAN_NOTHING, |time| !time.is_zero())
}

fn size(table: &mut Table<'_>, name: &str, bytes: u64) -> Bytes {
    table.read_if(name, Bytes(bytes), SIZE_ABOVE_ZERO, |size| size.0 > 0)
}

fn count(table: &mut Table<'_>, name: &str, default: usize) -> usize {
    table.read_if(name, default, AT_LEAST_ONE, |count| *count > 0)
}

/// Whether each part is `LEVEL` or `MODULE=LEVEL`. The log's own parser would take a mistyped level, `inof`, for the
/// name of a module and log nothing but that.
fn are_directives(text: &str) -> bool {
    let is_level = |level: &str| {
        ["off", "error", "warn", "info", "debug", "trace"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(level))
    };
    let is_module = |name: &str| {
        !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ':'))
    };
    text.split(',')
        .map(str::trim)
        .all(|part| match part.split_once('=') {
            Some((module, level)) => is_module(module) && is_level(level),
            None => is_level(part),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_level_is_no_module() {
        for good in [
            "info",
            "OFF",
            "info,thoxd=debug",
            "warn, thoxd::engine=trace",
        ] {
            assert!(are_directives(good), "{good}");
        }
        for bad in [
            "",
            "inof",
            "info,",
            "thoxd",
            "thoxd=loud",
            "=info",
            "info;thoxd=debug",
        ] {
            assert!(!are_directives(bad), "{bad}");
        }
    }
}
