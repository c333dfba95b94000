//! The events of a stream, comments included, from bytes that are cut anywhere.

/// One thing that a stream of server-sent events says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A line that starts with a colon: keeps the connection alive, and clients ignore it.
    Comment(String),
    /// The joined `data:` lines of an event.
    Data(String),
}

/// Takes bytes and gives events.
#[derive(Debug, Default)]
pub struct Parser {
    rest: Vec<u8>,
    data: Vec<String>,
}

impl Parser {
    /// Adds bytes as they came and returns the events that are now complete.
    ///
    /// Panics on a line that is neither a field, a comment nor empty: thoxd's streams have none.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Event> {
        self.rest.extend_from_slice(bytes);
        let mut events = Vec::new();
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8(line).expect("a line of an event stream is UTF-8");
            self.line(line.trim_end_matches(['\n', '\r']), &mut events);
        }
        events
    }

    /// Whether bytes of an unfinished event are left.
    pub fn has_rest(&self) -> bool {
        !self.rest.is_empty() || !self.data.is_empty()
    }

    fn line(&mut self, line: &str, events: &mut Vec<Event>) {
        if line.is_empty() {
            if !self.data.is_empty() {
                events.push(Event::Data(std::mem::take(&mut self.data).join("\n")));
            }
        } else if let Some(comment) = line.strip_prefix(':') {
            events.push(Event::Comment(comment.trim().to_owned()));
        } else if let Some(data) = line.strip_prefix("data:") {
            self.data
                .push(data.strip_prefix(' ').unwrap_or(data).to_owned());
        } else {
            let is_field = ["event:", "id:", "retry:"]
                .iter()
                .any(|field| line.starts_with(field));
            assert!(is_field, "no field of an event stream: {line:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_whole_however_the_bytes_are_cut() {
        let text = ": still here\n\ndata: {\"a\":\"ü\"} \n\ndata: one\r\ndata: two\r\n\r\n";
        let expected = [
            Event::Comment("still here".into()),
            Event::Data("{\"a\":\"ü\"} ".into()),
            Event::Data("one\ntwo".into()),
        ];
        for size in 1..text.len() {
            let mut parser = Parser::default();
            let events: Vec<Event> = text
                .as_bytes()
                .chunks(size)
                .flat_map(|piece| parser.push(piece))
                .collect();
            assert_eq!(events, expected);
            assert!(!parser.has_rest());
        }
    }
}
