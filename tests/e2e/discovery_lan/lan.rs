//! A network of namespaces: a bridge in one, hosts with a cable to it in others.

use crate::skipped::skipped;
use nix::sched::{CloneFlags, setns};
use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};
use tempfile::TempDir;
use thox_tests::{
    thoxd::{Builder, Process, Thoxd, binary},
    tls,
};

/// Where the bridge itself stands; hosts follow.
pub(super) const HUB: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// The link address of a host's second cable.
pub(super) const SECOND_CABLE: [u8; 6] = [2, 0, 0, 0, 0, 0x77];

/// A bridge and what is plugged in there. All of it goes with this.
pub(super) struct Lan {
    name: String,
    hosts: Vec<String>,
    folder: TempDir,
}

/// A host on the bridge.
#[derive(Clone)]
pub(super) struct Host {
    pub(super) space: String,
    /// The bridge's end of its cable.
    pub(super) port: String,
    pub(super) address: Ipv4Addr,
    /// Files that it has in the place of this machine's.
    own_files: Vec<(PathBuf, &'static str)>,
}

/// Whether a network can be made here; says why not where nobody can overlook it.
pub(super) fn is_possible() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    let made = *ANSWER.get_or_init(|| {
        let space = format!("thox-try-{}", std::process::id());
        let mut adding = Command::new("ip");
        let is_added = nix::unistd::geteuid().is_root()
            && adding
                .args(["netns", "add", &space])
                .output()
                .is_ok_and(|done| done.status.success());
        if is_added {
            ip(&format!("netns del {space}"));
        }
        is_added
    });
    if !made {
        skipped("discovery_lan", "network namespaces need root and iproute2");
    }
    made
}

impl Lan {
    pub(super) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("thox{}n{number}", std::process::id());
        ip(&format!("netns add {name}"));
        let lan = Self {
            name: name.clone(),
            hosts: Vec::new(),
            folder: TempDir::new().unwrap(),
        };
        for step in [
            "link add br0 type bridge",
            "link set lo up",
            "link set br0 up",
            &format!("addr add {HUB}/24 dev br0"),
        ] {
            ip(&format!("-n {name} {step}"));
        }
        lan
    }

    /// The bridge's own namespace.
    pub(super) fn hub(&self) -> &str {
        &self.name
    }

    /// One more host, its cable plugged in.
    pub(super) fn host(&mut self) -> Host {
        let host = self.bare_host();
        self.plug_in(&host);
        host
    }

    /// One more host, which has no link yet.
    pub(super) fn bare_host(&mut self) -> Host {
        let number = self.hosts.len() + 2;
        let space = format!("{}h{number}", self.name);
        let port = format!("port{number}");
        ip(&format!("netns add {space}"));
        self.hosts.push(space.clone());
        let address = Ipv4Addr::new(10, 77, 0, u8::try_from(number).unwrap());
        ip(&format!("-n {space} link set lo up"));
        let machine_id = self.folder.path().join(format!("machine-id-{number}"));
        fs::write(&machine_id, format!("{number:032x}\n")).unwrap();
        // Whom it asks for names: the bridge, whatever this machine has.
        let resolver = self.folder.path().join("resolv.conf");
        fs::write(&resolver, format!("nameserver {HUB}\n")).unwrap();
        let sources = self.folder.path().join("nsswitch.conf");
        fs::write(&sources, "hosts: files dns\n").unwrap();
        Host {
            space,
            port,
            address,
            own_files: vec![
                (machine_id, "/etc/machine-id"),
                (resolver, "/etc/resolv.conf"),
                (sources, "/etc/nsswitch.conf"),
            ],
        }
    }

    /// Gives a host its link, with a cable to the bridge, which is its way to all other networks.
    pub(super) fn plug_in(&self, host: &Host) {
        let hub = &self.name;
        let Host {
            space,
            port,
            address,
            ..
        } = host;
        for step in [
            format!("-n {hub} link add {port} type veth peer name eth0 netns {space}"),
            format!("-n {hub} link set {port} master br0 up"),
            format!("-n {space} addr add {address}/24 dev eth0"),
            format!("-n {space} link set eth0 up"),
            format!("-n {space} route add default via {HUB}"),
        ] {
            ip(&step);
        }
    }

    /// Lets nothing through to a host or from it, while its cable seems to be plugged in: so it is for a machine that
    /// sleeps.
    pub(super) fn deafen(&self, host: &Host) {
        ip(&format!("-n {} link set {} nomaster", self.name, host.port));
    }

    /// Lets everything through again.
    pub(super) fn undeafen(&self, host: &Host) {
        ip(&format!(
            "-n {} link set {} master br0",
            self.name, host.port
        ));
    }

    /// A folder for what a test needs.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A second cable of a host to the same bridge.
    pub(super) fn second_cable(&self, host: &Host) {
        let (hub, space) = (&self.name, &host.space);
        for step in [
            format!(
                "-n {hub} link add second type veth peer name eth1 address 02:00:00:00:00:77 netns {space}"
            ),
            format!("-n {hub} link set second master br0 up"),
            format!("-n {space} addr add 10.77.0.99/24 dev eth1"),
            format!("-n {space} link set eth1 up"),
        ] {
            ip(&step);
        }
    }

    /// Pulls a host's cable, or plugs it in.
    pub(super) fn cable(&self, host: &Host, state: &str) {
        ip(&format!("-n {} link set {} {state}", self.name, host.port));
    }

    /// Runs the command line on the bridge's host.
    pub(super) fn thox(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.name])
            .arg(binary("thox"))
            .args(arguments)
            .env_remove("THOX_HOST")
            .env_remove("THOX_API_KEY")
            .env("HOME", self.folder.path())
            .env("XDG_CONFIG_HOME", self.folder.path());
        command.output().unwrap()
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        for space in self.hosts.iter().chain([&self.name]) {
            let _ = Command::new("ip").args(["netns", "del", space]).output();
        }
    }
}

impl Host {
    /// A thoxd that is told on the network, and that believes to be a machine of its own, called `thox` as in the image.
    pub(super) fn builder(&self) -> Builder {
        let mut script = "echo thox > /proc/sys/kernel/hostname || exit; ".to_owned();
        for (own, path) in &self.own_files {
            let own = own.display();
            script += &format!("if [ -e {path} ]; then mount --bind {own} {path} || exit; fi; ");
        }
        script += "exec \"$@\"";
        let words = [
            "ip",
            "netns",
            "exec",
            &self.space,
            "unshare",
            "--mount",
            "--uts",
        ];
        Thoxd::builder()
            .list("server", "listen", &["0.0.0.0:8080"])
            .raw("mdns", "enabled", "true")
            .within(&[&words[..], &["sh", "-c", &script, "sh"]].concat())
    }

    pub(super) fn thoxd(&self) -> Process {
        self.builder().spawn()
    }

    pub(super) fn ip(&self, step: &str) {
        ip(&format!("-n {} {step}", self.space));
    }

    /// Its name as `/health` has it, asked on the host itself; none while it does not answer.
    pub(super) fn name(&self) -> Option<String> {
        let (_, body) = get(&self.space, Ipv4Addr::LOCALHOST, "localhost", "/health")?;
        let health: serde_json::Value = serde_json::from_str(&body).ok()?;
        Some(health["name"].as_str()?.to_owned())
    }

    /// Whether the certificate of its encrypted port has a name in it.
    pub(super) fn is_certified_for(&self, name: &str) -> bool {
        within(&self.space, || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 8443));
            let connected = runtime.block_on(tls::connect(address, &[]));
            // A subject alternative name is plain text with its length before it (RFC 5280, 4.2.1.6).
            let mut entry = vec![0x82, u8::try_from(name.len()).unwrap()];
            entry.extend(name.as_bytes());
            connected.is_ok_and(|stream| {
                let certificate = tls::certificate(&stream);
                certificate.windows(entry.len()).any(|part| part == entry)
            })
        })
    }

    /// The status of a request under a name.
    pub(super) fn status_under(&self, name: &str) -> Option<u16> {
        get(&self.space, Ipv4Addr::LOCALHOST, name, "/health").map(|(status, _)| status)
    }
}

/// Does something within a namespace, on a thread of its own.
pub(super) fn within<T: Send>(space: &str, work: impl FnOnce() -> T + Send) -> T {
    let file = File::open(format!("/run/netns/{space}")).unwrap();
    thread::scope(|scope| {
        let entered = scope.spawn(move || {
            setns(file, CloneFlags::CLONE_NEWNET).unwrap();
            work()
        });
        entered.join().unwrap()
    })
}

/// A request to port 8080, its status and body.
pub(super) fn get(space: &str, to: Ipv4Addr, host: &str, path: &str) -> Option<(u16, String)> {
    within(space, || {
        let limit = Duration::from_millis(500);
        let mut stream = TcpStream::connect_timeout(&SocketAddr::from((to, 8080)), limit).ok()?;
        stream.set_read_timeout(Some(limit)).ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply).ok()?;
        let status = reply.split_whitespace().nth(1)?.parse().ok()?;
        let (_, body) = reply.split_once("\r\n\r\n")?;
        Some((status, body.to_owned()))
    })
}

pub(super) fn ip(words: &str) {
    let done = Command::new("ip").args(words.split(' ')).output().unwrap();
    let error = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "ip {words}: {error}");
}
