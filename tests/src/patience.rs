//! Bounded waiting: no test hangs, and none sleeps for a guess.

use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// How long a test waits for anything that should happen "soon" on a busy machine of two cores.
pub const LIMIT: Duration = Duration::from_secs(20);

/// Runs `work`, and panics with `what` when it takes longer than [`LIMIT`].
pub async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    match timeout(LIMIT, work).await {
        Ok(value) => value,
        Err(_) => panic!("waited {LIMIT:?} for: {what}"),
    }
}

/// Asks `question` every few milliseconds until it answers, and panics with `what` after [`LIMIT`].
pub async fn until<T>(what: &str, mut question: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(answer) = question() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited {LIMIT:?} until: {what}");
        sleep(Duration::from_millis(2)).await;
    }
}
