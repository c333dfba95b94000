//! A fault for tests: whoever writes a certain line to the log panics there, once.

use std::{
    fmt::{Debug, Write as _},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
    subscriber::{DefaultGuard, set_default},
};

struct Trap {
    words: &'static str,
    times: Arc<AtomicUsize>,
}

/// The first line with these words is a panic, on this thread and for as long as the guard lives; how often such a line
/// was reached is counted.
pub(crate) fn panic_at(words: &'static str) -> (Arc<AtomicUsize>, DefaultGuard) {
    let times = Arc::new(AtomicUsize::new(0));
    let trap = Trap {
        words,
        times: Arc::clone(&times),
    };
    (times, set_default(trap))
}

impl Subscriber for Trap {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        if line.0.contains(self.words) {
            let before = self.times.fetch_add(1, Ordering::SeqCst);
            assert!(before > 0, "on purpose");
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, _: &Field, value: &dyn Debug) {
        write!(self.0, "{value:?} ").unwrap();
    }
}
