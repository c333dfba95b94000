//! What arrives on an open WebSocket: frames as bytes, and the messages in them.
//!
//! Where the first byte is odd the rest is one message; else it is frames as they come off the wire.
#![no_main]

use std::io::{Cursor, Read, Write};
use thoxd::ws::message::read;
use tungstenite::Message;
use tungstenite::protocol::{Role, WebSocket, WebSocketConfig};

/// Small enough that the limit is met by short inputs too.
const LARGEST: usize = 4096;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((&kind, input)) = input.split_first() else { return };
    if kind % 2 == 1 {
        if let Ok(text) = std::str::from_utf8(input) {
            check(text);
        }
        return;
    }
    let config = WebSocketConfig::default().max_message_size(Some(LARGEST)).max_frame_size(Some(LARGEST));
    let wire = Wire(Cursor::new(input.to_vec()));
    let mut socket = WebSocket::from_raw_socket(wire, Role::Server, Some(config));
    while let Ok(message) = socket.read() {
        assert!(message.len() <= LARGEST);
        if let Message::Text(text) = message {
            check(&text);
        }
    }
});

fn check(text: &str) {
    if let Err((error, _)) = read(text) {
        assert!(!error.message.is_empty());
    }
}

/// Reads the input, swallows the answers.
struct Wire(Cursor<Vec<u8>>);

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Wire {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        Ok(buffer.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
