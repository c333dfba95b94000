//! WebSocket frames by hand (RFC 6455, 5.2), wrong ones too: a client library would not send those.

use crate::http1::{self, ReplyHead};
use crate::patience::within;
use std::net::SocketAddr;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// Opcodes, 5.2.
pub const CONTINUATION: u8 = 0x0;
/// A text message or its first fragment.
pub const TEXT: u8 = 0x1;
/// A binary message or its first fragment.
pub const BINARY: u8 = 0x2;
/// Close.
pub const CLOSE: u8 = 0x8;
/// Ping.
pub const PING: u8 = 0x9;
/// Pong.
pub const PONG: u8 = 0xA;

/// Any four bytes that are neither equal nor zero would do.
const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// A frame, received or to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// FIN.
    pub is_final: bool,
    /// RSV1 to RSV3 as a number of three bits.
    pub reserved: u8,
    /// The opcode.
    pub opcode: u8,
    /// Whether it is masked.
    pub is_masked: bool,
    /// The payload, unmasked.
    pub payload: Vec<u8>,
}

impl Frame {
    /// A whole message, or a control frame, as a client has to send it.
    pub fn new(opcode: u8, payload: impl AsRef<[u8]>) -> Self {
        Self {
            is_final: true,
            reserved: 0,
            opcode,
            is_masked: true,
            payload: payload.as_ref().to_vec(),
        }
    }

    /// A close frame.
    pub fn close(code: u16, reason: impl AsRef<[u8]>) -> Self {
        Self::new(CLOSE, [&code.to_be_bytes(), reason.as_ref()].concat())
    }

    /// The same without FIN.
    pub fn unfinished(mut self) -> Self {
        self.is_final = false;
        self
    }

    /// The same with these reserved bits.
    pub fn reserved(mut self, bits: u8) -> Self {
        self.reserved = bits;
        self
    }

    /// The same without a mask.
    pub fn unmasked(mut self) -> Self {
        self.is_masked = false;
        self
    }

    /// On the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head(self.payload.len() as u64);
        if self.is_masked {
            let masked = self.payload.iter().zip(MASK.iter().cycle());
            bytes.extend(masked.map(|(byte, mask)| byte ^ mask));
        } else {
            bytes.extend_from_slice(&self.payload);
        }
        bytes
    }

    /// Its head alone, announcing `length` bytes of payload, in the shortest of the three forms.
    pub fn head(&self, length: u64) -> Vec<u8> {
        let mask = u8::from(self.is_masked) << 7;
        let mut bytes = vec![u8::from(self.is_final) << 7 | self.reserved << 4 | self.opcode];
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short @ 0..126), _) => bytes.push(mask | short),
            (_, Ok(middle)) => {
                bytes.push(mask | 126);
                bytes.extend(middle.to_be_bytes());
            }
            _ => {
                bytes.push(mask | 127);
                bytes.extend(length.to_be_bytes());
            }
        }
        if self.is_masked {
            bytes.extend(MASK);
        }
        bytes
    }

    /// The first frame in `buffer` and its size there; `None` while there is no whole one.
    fn parse(buffer: &[u8]) -> Option<(Self, usize)> {
        let (&[first, second], rest) = buffer.split_first_chunk()?;
        let (length, rest) = match second & 0x7F {
            126 => {
                let (bytes, rest) = rest.split_first_chunk()?;
                (usize::from(u16::from_be_bytes(*bytes)), rest)
            }
            127 => {
                let (bytes, rest) = rest.split_first_chunk()?;
                let length = u64::from_be_bytes(*bytes);
                (usize::try_from(length).expect("a length for us"), rest)
            }
            short => (usize::from(short), rest),
        };
        let payload = rest.get(..length)?;
        let frame = Self {
            is_final: first & 0x80 != 0,
            reserved: first >> 4 & 0b111,
            opcode: first & 0xF,
            is_masked: second & 0x80 != 0,
            payload: payload.to_vec(),
        };
        Some((frame, buffer.len() - rest.len() + length))
    }
}

/// A connection whose every byte a test chooses.
pub struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Wire {
    /// A bare connection.
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = within("a connection", TcpStream::connect(address)).await;
        let stream = stream.expect("thoxd listens");
        stream.set_nodelay(true).expect("a socket's option");
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    /// Sends bytes; whether the peer still took them.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        within("sending", self.stream.write_all(bytes))
            .await
            .is_ok()
    }

    /// The head of an HTTP reply.
    pub async fn head(&mut self) -> ReplyHead {
        let head = http1::read_reply_head(&mut self.stream, &mut self.buffer);
        let head = within("a reply's head", head).await;
        head.expect("a head can be read").expect("there is a head")
    }

    /// The next frame; `None` when the connection has ended or was reset.
    pub async fn frame(&mut self) -> Option<Frame> {
        loop {
            if let Some((frame, size)) = Frame::parse(&self.buffer) {
                self.buffer.drain(..size);
                return Some(frame);
            }
            let more = http1::fill(&mut self.stream, &mut self.buffer);
            match within("a frame", more).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return None,
            }
        }
    }
}
