//! Where it listens: what the settings say also holds for sockets that a service manager has opened.

use std::fs::{File, read_to_string, write};
use std::io::{Read as _, Write as _};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use thox_tests::patience::LIMIT;
use thox_tests::thoxd::binary;

/// A thoxd, and its folder with settings and log.
struct Listening {
    process: Child,
    folder: TempDir,
}

impl Listening {
    /// With this for `server.listen`; on the socket `handed_over`, where there is one, as systemd passes it on.
    fn begin(listen: &[SocketAddr], handed_over: Option<SocketAddr>) -> Self {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("config.toml");
        let listen: Vec<String> = listen.iter().map(ToString::to_string).collect();
        let off =
            ["mdns", "dbus", "engines.ollama"].map(|one| format!("[{one}]\nenabled = false\n"));
        let state = folder.path().join("state");
        let server = format!("[server]\nlisten = {listen:?}\ncontrol_socket = \"\"\n");
        write(
            &file,
            format!("state_dir = {state:?}\n{server}{}", off.concat()),
        )
        .unwrap();
        let mut command = match handed_over {
            None => Command::new(binary("thoxd")),
            Some(address) => {
                // It starts the program at the first connection.
                let mut command = Command::new("systemd-socket-activate");
                command.arg(format!("--listen={address}"));
                command.arg("--fdname=http").arg(binary("thoxd"));
                command
            }
        };
        let log = File::create(folder.path().join("log")).unwrap();
        command.arg("--config").arg(file);
        let command = command.stdout(Stdio::null()).stderr(log);
        let process = command.spawn();
        let process = process.expect("systemd-socket-activate is of Debian's systemd: ci/setup");
        let begun = Self { process, folder };
        if handed_over.is_some() {
            let deadline = Instant::now() + LIMIT;
            while !begun.log().contains("Listening on") {
                assert!(Instant::now() < deadline, "{}", begun.log());
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        begun
    }

    fn log(&self) -> String {
        read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Waits until it answers there.
    fn answers(&self, address: SocketAddr) {
        let deadline = Instant::now() + LIMIT;
        while ask(address).is_none_or(|line| !line.starts_with("HTTP/1.1 ")) {
            let is_late = Instant::now() > deadline;
            assert!(!is_late, "nobody answers at {address}: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The first line of an answer; none where the connection is refused or reset.
fn ask(address: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2)).ok()?;
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let request = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.lines().next().map(str::to_owned)
}

fn free_port() -> u16 {
    let free = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap();
    free.local_addr().unwrap().port()
}

/// On that port: all of IPv4 and all of IPv6; this machine, by another address of the same interface, by IPv6.
struct Places {
    all: SocketAddr,
    all_v6: SocketAddr,
    local: SocketAddr,
    other: SocketAddr,
    local_v6: SocketAddr,
}

fn places() -> Places {
    let port = free_port();
    let at = |ip: &str| SocketAddr::new(ip.parse().unwrap(), port);
    Places {
        all: at("0.0.0.0"),
        all_v6: at("::"),
        local: at("127.0.0.1"),
        other: at("127.0.0.2"),
        local_v6: at("::1"),
    }
}

#[test]
fn ipv6_beside_ipv4() {
    let places = places();
    let thoxd = Listening::begin(&[places.all, places.all_v6], None);
    for address in [places.local, places.other, places.local_v6] {
        thoxd.answers(address);
    }
}

#[test]
fn a_socket_that_takes_more_than_is_wanted_answers_where_it_is_wanted() {
    let places = places();
    let thoxd = Listening::begin(&[places.local], Some(places.all));
    thoxd.answers(places.local);
    // Many do not keep the others out.
    for _ in 0..50 {
        assert_eq!(ask(places.other), None);
    }
    assert_eq!(ask(places.local_v6), None);
    thoxd.answers(places.local);
}

#[test]
fn what_no_socket_takes_is_opened_beside_it() {
    let places = places();
    let thoxd = Listening::begin(&[places.all, places.local_v6], Some(places.all));
    for address in [places.local, places.other, places.local_v6] {
        thoxd.answers(address);
    }
}

#[test]
fn a_socket_that_nobody_wants_answers_nobody_and_the_log_says_so() {
    let (wanted, opened) = (places().local, places().local);
    let thoxd = Listening::begin(&[wanted], Some(opened));
    assert_eq!(ask(opened), None);
    thoxd.answers(wanted);
    assert_eq!(ask(opened), None);
    let said = thoxd.log();
    assert!(
        said.contains("does not name: nobody is answered there"),
        "{said}"
    );
}
