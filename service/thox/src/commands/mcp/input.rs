//! The lines of the standard input, read on a thread of its own, which the end of the process does not wait for.

use std::{
    io::{BufRead as _, Read as _},
    thread,
    time::{Duration, Instant},
};
use tokio::sync::mpsc;

/// Lines that are read ahead; a client that sends more is held back by the pipe.
const AHEAD: usize = 16;

/// More than the device takes (`server.max_body`), so that it is the device that says so.
const LONGEST_LINE: u64 = 64 << 20;

/// A client that closes its end within this time after its last message has piped its messages in and waits for the
/// answers; one that does so later leaves (MCP specification, "stdio", "Shutdown"). Clients that leave right after a
/// message kill this program two seconds later themselves, as the official ones do.
const BREATH: Duration = Duration::from_secs(1);

/// What comes from the client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// A line.
    Line(String),
    /// No more of them.
    End(End),
}

/// What the end of the client's messages means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It has said all that it had to say.
    Early,
    /// It wants no answers any more.
    Leaving,
}

impl End {
    /// The end that comes so long after the last message.
    fn after(silence: Option<Duration>) -> Self {
        match silence {
            Some(silence) if silence < BREATH => Self::Early,
            Some(_) | None => Self::Leaving,
        }
    }
}

/// Reads until the end.
pub(super) fn read() -> mpsc::Receiver<Input> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        let mut last = None;
        loop {
            let mut line = Vec::new();
            let read = input
                .by_ref()
                .take(LONGEST_LINE)
                .read_until(b'\n', &mut line);
            let next = match read {
                Ok(0) | Err(_) => Input::End(End::after(last.as_ref().map(Instant::elapsed))),
                Ok(_) => Input::Line(String::from_utf8_lossy(&line).into_owned()),
            };
            let is_end = matches!(next, Input::End(_));
            if sender.blocking_send(next).is_err() || is_end {
                return;
            }
            // After the line has been taken over: one that waits for its turn is no silence.
            last = Some(Instant::now());
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_ends_right_after_a_message_waits_for_its_answer() {
        assert_eq!(End::after(Some(Duration::from_millis(5))), End::Early);
        assert_eq!(End::after(Some(Duration::from_secs(1))), End::Leaving);
        assert_eq!(End::after(None), End::Leaving);
    }
}
