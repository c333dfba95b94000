//! Which of the client's messages may go now. Until the device has answered `initialize` there is no session yet that the
//! others belong to; a client that pipes everything in at once does not wait for it itself.
//!
//! ```text
//! free --initialize goes--> beginning --its answer, whatever it is--> free, and what was held goes in its order
//! ```

use super::line::Line;
use serde_json::Value;
use std::collections::VecDeque;

/// As many as an impatient client may have; a longer one is held back by the pipe.
const MOST: usize = 64;

/// The messages that wait, and what for.
#[derive(Debug, Default)]
pub(super) struct Order {
    is_beginning: bool,
    held: VecDeque<Line>,
}

impl Order {
    /// Takes a message that has come; it is given back if it goes at once.
    pub(super) fn take(&mut self, line: Line) -> Option<Line> {
        // It names its revision itself and belongs to no session.
        if line.own_version().is_some() {
            return Some(line);
        }
        if !self.is_beginning {
            return Some(self.go(line));
        }
        // What has not gone yet needs no cancelling at the device, and gets no answer.
        let is_cancelled = line.cancels().is_some_and(|id| self.forget(id));
        if !is_cancelled {
            self.held.push_back(line);
        }
        None
    }

    /// The device has answered `initialize`.
    pub(super) fn begun(&mut self) {
        self.is_beginning = false;
    }

    /// The next of those that were held and may go.
    pub(super) fn next(&mut self) -> Option<Line> {
        if self.is_beginning {
            return None;
        }
        let line = self.held.pop_front()?;
        Some(self.go(line))
    }

    pub(super) fn is_full(&self) -> bool {
        self.held.len() >= MOST
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    fn go(&mut self, line: Line) -> Line {
        self.is_beginning = line.begins();
        line
    }

    fn forget(&mut self, id: &Value) -> bool {
        let before = self.held.len();
        self.held.retain(|line| line.id() != Some(id));
        self.held.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn line(message: &Value) -> Line {
        Line::read(message.to_string()).unwrap()
    }

    fn call(id: u64, method: &str) -> Line {
        line(&json!({"jsonrpc": "2.0", "id": id, "method": method}))
    }

    fn rest(order: &mut Order) -> Vec<String> {
        std::iter::from_fn(|| order.next())
            .map(|line| line.method().to_owned())
            .collect()
    }

    #[test]
    fn all_wait_for_the_beginning_and_go_in_their_order() {
        let mut order = Order::default();
        assert!(order.take(call(1, "ping")).is_some());
        assert!(order.take(call(2, "initialize")).is_some());
        let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert!(order.take(line(&ready)).is_none());
        assert!(order.take(call(3, "tools/list")).is_none());
        assert!(order.take(line(&json!({"id": 9, "result": {}}))).is_none());
        assert!(order.next().is_none());
        order.begun();
        assert_eq!(
            rest(&mut order),
            ["notifications/initialized", "tools/list", ""]
        );
        assert!(order.is_empty() && order.take(call(4, "ping")).is_some());
    }

    #[test]
    fn who_needs_no_session_waits_for_none() {
        let mut order = Order::default();
        order.take(call(1, "initialize"));
        let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28"});
        let own = json!({"id": 2, "method": "tools/list", "params": {"_meta": meta}});
        assert!(order.take(line(&own)).is_some());
        assert!(order.is_empty());
    }

    #[test]
    fn what_is_cancelled_before_it_has_gone_never_goes() {
        let mut order = Order::default();
        order.take(call(1, "initialize"));
        order.take(call(2, "tools/call"));
        order.take(call(3, "ping"));
        let cancel = |id| {
            let params = json!({"requestId": id});
            line(&json!({"method": "notifications/cancelled", "params": params}))
        };
        order.take(cancel(2));
        // Of one that is under way the device has to hear.
        order.take(cancel(1));
        order.begun();
        assert_eq!(rest(&mut order), ["ping", "notifications/cancelled"]);
    }

    #[test]
    fn a_second_beginning_is_waited_for_too() {
        let mut order = Order::default();
        order.take(call(1, "initialize"));
        order.take(call(2, "initialize"));
        order.take(call(3, "ping"));
        order.begun();
        assert_eq!(rest(&mut order), ["initialize"]);
        order.begun();
        assert_eq!(rest(&mut order), ["ping"]);
    }
}
