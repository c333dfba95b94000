//! Events out of an engine's stream of bytes (WHATWG HTML, 9.2.6, as far as engines use it: `data` and comments).

/// Events are collected up to here; a whole tool call in one event is some kilobytes.
const LARGEST_EVENT: usize = 8 << 20;

/// The state between two reads: an unfinished line and an unfinished event.
#[derive(Debug, Default)]
pub struct Events {
    line: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
}

/// A stream that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoEvent {
    /// An event is larger than any engine's.
    #[error("an event of more than {LARGEST_EVENT} bytes")]
    TooLarge,
    /// An event is not UTF-8.
    #[error("an event that is not UTF-8")]
    NotText,
}

impl Events {
    /// Takes the next bytes in and calls `each` with the data of every event that is complete now.
    ///
    /// # Errors
    /// [`NoEvent`]; nothing more can be read then.
    pub fn push(&mut self, bytes: &[u8], mut each: impl FnMut(&str)) -> Result<(), NoEvent> {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at(end);
            rest = after.get(1..).unwrap_or_default();
            if self.line.is_empty() {
                // Nearly every event is one line that came whole with its end; it is read where it stands.
                if let (false, Some(data), Some(after)) = (
                    self.has_data,
                    line.strip_prefix(b"data:"),
                    rest.strip_prefix(b"\n"),
                ) {
                    each(text(data)?);
                    rest = after;
                    continue;
                }
                self.end_line(line, &mut each)?;
            } else {
                let mut whole = std::mem::take(&mut self.line);
                whole.extend_from_slice(line);
                self.end_line(&whole, &mut each)?;
            }
        }
        self.line.extend_from_slice(rest);
        if self.line.len() > LARGEST_EVENT {
            Err(NoEvent::TooLarge)
        } else {
            Ok(())
        }
    }

    fn end_line(&mut self, line: &[u8], each: &mut impl FnMut(&str)) -> Result<(), NoEvent> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            if std::mem::take(&mut self.has_data) {
                each(text(&self.data)?);
                self.data.clear();
            }
            return Ok(());
        }
        let Some(value) = line.strip_prefix(b"data:") else {
            return Ok(());
        };
        if std::mem::replace(&mut self.has_data, true) {
            // The standard has a line feed here. Data is JSON, to which a space is the same, and a line feed would end
            // the line that it is sent on in.
            self.data.push(b' ');
        }
        self.data.extend_from_slice(value);
        if self.data.len() > LARGEST_EVENT {
            Err(NoEvent::TooLarge)
        } else {
            Ok(())
        }
    }
}

/// TensorRT-LLM ends its events with a space before the line's end.
fn text(data: &[u8]) -> Result<&str, NoEvent> {
    let text = std::str::from_utf8(data).map_err(|_| NoEvent::NotText)?;
    Ok(text.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(pieces: &[&[u8]]) -> Vec<String> {
        let mut events = Events::default();
        let mut seen = Vec::new();
        for piece in pieces {
            events
                .push(piece, |event| seen.push(event.to_owned()))
                .unwrap();
        }
        seen
    }

    #[test]
    fn reads_what_engines_write_wherever_it_is_cut() {
        let stream = "data: {\"a\":\"é\"} \n\n: comment\n\nevent: x\r\ndata:b\r\n\r\ndata: 1\ndata: 2\n\ndata: [DONE]\n\n";
        let whole = events(&[stream.as_bytes()]);
        assert_eq!(whole, ["{\"a\":\"é\"}", "b", "1  2", "[DONE]"]);
        for at in 0..stream.len() {
            let (a, b) = stream.as_bytes().split_at(at);
            assert_eq!(events(&[a, b]), whole, "cut at {at}");
        }
        let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
        assert_eq!(events(&bytes), whole);
    }

    #[test]
    fn an_event_without_its_end_is_none() {
        assert!(events(&[b"data: {\"cut\":"]).is_empty());
        assert!(events(&[b"data: whole\n"]).is_empty());
    }

    #[test]
    fn refuses_what_has_no_end_and_what_is_no_text() {
        let mut endless = Events::default();
        let piece = vec![b'x'; 1 << 20];
        let result = (0..9).try_for_each(|_| endless.push(&piece, |_| ()));
        assert_eq!(result, Err(NoEvent::TooLarge));
        assert_eq!(
            Events::default().push(b"data: \xff\n\n", |_| ()),
            Err(NoEvent::NotText)
        );
    }
}
