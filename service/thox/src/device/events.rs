//! Server-sent events out of a streaming reply: <https://html.spec.whatwg.org/multipage/server-sent-events.html>.

/// A line longer than this is not a token any more; it would only fill the memory.
const MAX_PENDING: usize = 16 << 20;

/// Takes bytes as they come and gives whole events.
#[derive(Debug, Default)]
pub(super) struct Events {
    pending: Vec<u8>,
    data: Option<String>,
}

/// A line, or an event's data, without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl Events {
    /// Adds bytes and gives the data of the events that they complete.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<String>, TooLong> {
        self.pending.extend_from_slice(bytes);
        let mut complete = Vec::new();
        let mut rest = self.pending.as_slice();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(end);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                complete.extend(self.data.take());
            } else if let Some(data) = line.strip_prefix(b"data:") {
                let text = String::from_utf8_lossy(data.strip_prefix(b" ").unwrap_or(data));
                match &mut self.data {
                    None => self.data = Some(text.into_owned()),
                    Some(before) => {
                        before.push('\n');
                        before.push_str(&text);
                    }
                }
            }
            rest = after.strip_prefix(b"\n").unwrap_or(after);
        }
        self.pending = rest.to_vec();
        let length = self.pending.len() + self.data.as_ref().map_or(0, String::len);
        if length > MAX_PENDING {
            Err(TooLong)
        } else {
            Ok(complete)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wherever_the_bytes_are_cut_the_events_are_the_same() {
        let text = ": comment\n\ndata: {\"a\":\"ä\"}\n\nevent: x\r\ndata:1\r\ndata: 2\r\n\r\nid: 7\n\ndata: [DONE]\n\ndata: lost";
        let expected = ["{\"a\":\"ä\"}", "1\n2", "[DONE]"];
        for cut in 0..=text.len() {
            let (head, tail) = text.as_bytes().split_at(cut);
            let mut events = Events::default();
            let mut found = events.push(head).unwrap();
            found.extend(events.push(tail).unwrap());
            assert_eq!(found, expected, "cut at {cut}");
        }
    }

    #[test]
    fn a_line_without_end_does_not_fill_the_memory() {
        let mut events = Events::default();
        let block = vec![b'x'; MAX_PENDING];
        assert_eq!(events.push(&block), Ok(Vec::new()));
        assert_eq!(events.push(b"x"), Err(TooLong));
    }
}
