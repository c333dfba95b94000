//! Multicast DNS by hand: a question as the simplest resolver asks it, and all that goes over a wire.

use super::lan::{HUB, within};
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    io::Read as _,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

/// A resource record (RFC 1035, 4.1.3), as far as the tests want it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) name: String,
    pub(super) kind: u16,
    pub(super) ttl: u32,
    pub(super) address: Option<IpAddr>,
}

/// The type of an IPv4 address' record.
pub(super) const A: u16 = 1;

/// The type of an IPv6 address' record (RFC 3596, 2.1).
pub(super) const AAAA: u16 = 28;

/// The addresses that answer to a name now, asked from the bridge by a one-shot query (RFC 6762, 5.1).
pub(super) fn addresses(space: &str, name: &str) -> Vec<IpAddr> {
    ask(space, name, A)
}

/// The addresses of one type.
pub(super) fn ask(space: &str, name: &str, kind: u16) -> Vec<IpAddr> {
    let mut query = vec![0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        query.push(u8::try_from(label.len()).unwrap());
        query.extend(label.as_bytes());
    }
    query.push(0);
    query.extend(kind.to_be_bytes());
    query.extend([0, 1]);
    within(space, || {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).unwrap();
        socket.set_multicast_if_v4(&HUB).unwrap();
        socket
            .bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)).into())
            .unwrap();
        let socket = UdpSocket::from(socket);
        socket
            .set_read_timeout(Some(Duration::from_millis(150)))
            .unwrap();
        let group = SocketAddr::from((Ipv4Addr::new(224, 0, 0, 251), 5353));
        if socket.send_to(&query, group).is_err() {
            return Vec::new();
        }
        let mut found = Vec::new();
        let mut reply = [0; 2048];
        while let Ok(length) = socket.recv(&mut reply) {
            let records = answers(&reply[..length]);
            let own = records.iter().filter(|record| record.name == name);
            found.extend(own.filter_map(|record| record.address));
            if !found.is_empty() {
                break;
            }
        }
        found.sort();
        found
    })
}

/// The records of a message's answer section.
pub(super) fn answers(message: &[u8]) -> Vec<Record> {
    let number = |at: usize| u16::from_be_bytes([message[at], message[at + 1]]);
    let mut at = 12;
    for _ in 0..number(4) {
        at = name(message, at).1 + 4;
    }
    let mut records = Vec::new();
    for _ in 0..number(6) {
        let (name, end) = name(message, at);
        let (kind, length) = (number(end), usize::from(number(end + 8)));
        let data = &message[end + 10..end + 10 + length];
        let ttl = u32::from(number(end + 4)) << 16 | u32::from(number(end + 6));
        let address = match kind {
            A => <[u8; 4]>::try_from(data).ok().map(IpAddr::from),
            AAAA => <[u8; 16]>::try_from(data).ok().map(IpAddr::from),
            _ => None,
        };
        records.push(Record {
            name,
            kind,
            ttl,
            address,
        });
        at = end + 10 + length;
    }
    records
}

/// A name with its pointers followed, and where it ends.
fn name(message: &[u8], mut at: usize) -> (String, usize) {
    let (mut labels, mut end) = (Vec::new(), None);
    loop {
        let length = usize::from(message[at]);
        match length {
            0 => return (labels.join("."), end.unwrap_or(at + 1)),
            0xc0.. => {
                end.get_or_insert(at + 2);
                at = (length & 0x3f) << 8 | usize::from(message[at + 1]);
            }
            length => {
                let label = &message[at + 1..=at + length];
                labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
                at += 1 + length;
            }
        }
    }
}

/// All frames that pass a namespace's links.
pub(super) struct Capture {
    frames: Arc<Mutex<Vec<Vec<u8>>>>,
    is_over: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

impl Capture {
    pub(super) fn start(space: &str) -> Self {
        // ETH_P_ALL of linux/if_ether.h, in the network's order.
        let all = Protocol::from(i32::from(3_u16.to_be()));
        let mut socket = within(space, || {
            let socket = Socket::new(Domain::PACKET, Type::RAW, Some(all)).unwrap();
            let pause = Some(Duration::from_millis(50));
            socket.set_read_timeout(pause).unwrap();
            socket
        });
        let frames = Arc::new(Mutex::new(Vec::new()));
        let is_over = Arc::new(AtomicBool::new(false));
        let (kept, over) = (Arc::clone(&frames), Arc::clone(&is_over));
        let reader = std::thread::spawn(move || {
            let mut frame = [0; 10_000];
            while !over.load(Ordering::Relaxed) {
                if let Ok(length) = socket.read(&mut frame) {
                    kept.lock().unwrap().push(frame[..length].to_vec());
                }
            }
        });
        Self {
            frames,
            is_over,
            reader: Some(reader),
        }
    }

    pub(super) fn frames(&self) -> Vec<Vec<u8>> {
        self.frames.lock().unwrap().clone()
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let _ = self.reader.take().map(JoinHandle::join);
    }
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Frame<'f> {
    /// Between two programs of one host.
    Loopback,
    /// What the kernel itself needs: ARP, IGMP, and neighbour and listener discovery of IPv6.
    Kernel,
    /// Multicast DNS: the message.
    Mdns(&'f [u8]),
    /// Anything else.
    Other,
}

pub(super) fn read(frame: &[u8]) -> Frame<'_> {
    if frame[..12] == [0; 12] {
        return Frame::Loopback;
    }
    let payload = &frame[14..];
    match (frame[12], frame[13]) {
        (8, 6) => Frame::Kernel,
        (8, 0) => {
            let header = usize::from(payload[0] & 15) * 4;
            match payload[9] {
                2 => Frame::Kernel,
                17 if payload[16..20] == [224, 0, 0, 251] => mdns(&payload[header..]),
                _ => Frame::Other,
            }
        }
        (0x86, 0xdd) => {
            let group = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfb];
            match payload[6] {
                58 => Frame::Kernel,
                // MLD stands behind the router alert.
                0 if payload[40] == 58 => Frame::Kernel,
                17 if payload[24..40] == group => mdns(&payload[40..]),
                _ => Frame::Other,
            }
        }
        _ => Frame::Other,
    }
}

fn mdns(udp: &[u8]) -> Frame<'_> {
    match (u16::from_be_bytes([udp[2], udp[3]]), udp.get(8..)) {
        (5353, Some(message)) => Frame::Mdns(message),
        _ => Frame::Other,
    }
}
