//! The last lines of the log, kept in memory for whoever asks over the API: a part of what goes to standard error, so no
//! prompt, no reply and no key is in it either.

use std::{
    collections::VecDeque,
    fmt::{self, Write as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};
use thox_api::{LogLevel, LogLine};
use tokio::sync::watch;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context};

/// Some thousand lines.
const MOST_BYTES: usize = 512 << 10;

/// A line that is longer is cut.
const LONGEST_LINE: usize = 4 << 10;

/// What a line takes beside its text.
const OVERHEAD: usize = size_of::<LogLine>() + 32;

/// The last lines. Clones are the same lines.
#[derive(Clone, Debug, Default)]
pub struct Recent(Arc<Ring>);

#[derive(Debug, Default)]
struct Ring {
    kept: Mutex<Kept>,
    /// The number of the newest line.
    newest: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<Arc<LogLine>>,
    bytes: usize,
    count: u64,
}

impl Recent {
    /// The last `count` lines that matter at least as much as `level`, oldest first.
    #[must_use]
    pub fn last(&self, count: usize, level: LogLevel) -> Vec<Arc<LogLine>> {
        let kept = self.kept();
        let lines = kept.lines.iter().rev().filter(|line| line.level <= level);
        let mut last: Vec<_> = lines.take(count).map(Arc::clone).collect();
        last.reverse();
        last
    }

    /// The lines after the one of that number, oldest first.
    #[must_use]
    pub fn after(&self, number: u64, level: LogLevel) -> Vec<Arc<LogLine>> {
        let kept = self.kept();
        let newer = kept.lines.partition_point(|line| line.number <= number);
        let lines = kept.lines.iter().skip(newer);
        lines
            .filter(|line| line.level <= level)
            .map(Arc::clone)
            .collect()
    }

    /// Tells the number of each new line.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.newest.subscribe()
    }

    fn add(&self, level: LogLevel, target: &str, mut message: String) {
        if message.len() > LONGEST_LINE {
            message.truncate(message.floor_char_boundary(LONGEST_LINE));
            message.push('…');
        }
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let mut kept = self.kept();
        kept.count += 1;
        let line = LogLine {
            number: kept.count,
            at_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
            level,
            target: target.to_owned(),
            message,
        };
        kept.bytes += weight(&line);
        kept.lines.push_back(Arc::new(line));
        while kept.bytes > MOST_BYTES
            && let Some(oldest) = kept.lines.pop_front()
        {
            kept.bytes -= weight(&oldest);
        }
        let newest = kept.count;
        drop(kept);
        self.0.newest.send_replace(newest);
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn weight(line: &LogLine) -> usize {
    OVERHEAD + line.target.len() + line.message.len()
}

impl<S: Subscriber> Layer<S> for Recent {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        let about = event.metadata();
        self.add(level(*about.level()), about.target(), text.0);
    }
}

fn level(level: Level) -> LogLevel {
    match level {
        Level::ERROR => LogLevel::Error,
        Level::WARN => LogLevel::Warn,
        Level::INFO => LogLevel::Info,
        Level::DEBUG => LogLevel::Debug,
        Level::TRACE => LogLevel::Trace,
    }
}

/// An event as text: `message name=value …`.
#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let gap = if self.0.is_empty() { "" } else { " " };
        // Writing to a text does not fail.
        let _ = match field.name() {
            "message" => {
                let fields = std::mem::take(&mut self.0);
                write!(self.0, "{value:?}{gap}{fields}")
            }
            name => write!(self.0, "{gap}{name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt as _;

    #[test]
    fn lines_are_numbered_filtered_and_read_as_in_the_log() {
        let recent = Recent::default();
        let subscriber = tracing_subscriber::registry().with(recent.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(engine = %"ollama", models = 2, "the engine is up");
            tracing::debug!(name: "quiet", "small");
            tracing::warn!(error = "a \"b\"", "trouble");
        });
        let last = recent.last(10, LogLevel::Info);
        let said: Vec<&str> = last.iter().map(|line| line.message.as_str()).collect();
        assert_eq!(
            said,
            [
                "the engine is up engine=ollama models=2",
                "trouble error=\"a \\\"b\\\"\""
            ]
        );
        assert_eq!((last[0].number, last[1].number), (1, 3));
        assert!(last[0].target.contains("recent") && last[0].at_ms > 0);
        assert_eq!(recent.last(1, LogLevel::Trace)[0].number, 3);
        assert_eq!(recent.after(1, LogLevel::Trace).len(), 2);
        assert_eq!(*recent.changes().borrow(), 3);
    }

    #[test]
    fn the_oldest_go_and_a_long_line_is_cut() {
        let recent = Recent::default();
        let long = "ä".repeat(LONGEST_LINE);
        for _ in 0..400 {
            recent.add(LogLevel::Info, "t", long.clone());
        }
        let kept = recent.kept();
        let held: usize = kept.lines.iter().map(|line| weight(line)).sum();
        assert!(held <= MOST_BYTES && held == kept.bytes && held > MOST_BYTES / 2);
        assert!(kept.lines[0].number > 200 && kept.count == 400);
        assert!(kept.lines[0].message.len() <= LONGEST_LINE + 3);
    }
}
