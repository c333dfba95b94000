//! Heads and bodies of HTTP/1.1 read from a bare socket, so that a test can tell a finished body from a cut one.

use std::error::Error;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Header names in lower case with their values, in the order of the wire.
#[derive(Debug, Clone, Default)]
pub struct Headers(pub Vec<(String, String)>);

impl Headers {
    /// The first value of a header; the name in lower case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(have, _)| have == name)
            .map(|(_, value)| value.as_str())
    }

    fn from_wire(parsed: &[httparse::Header<'_>]) -> Self {
        let pair = |h: &httparse::Header<'_>| {
            (
                h.name.to_ascii_lowercase(),
                String::from_utf8_lossy(h.value).into_owned(),
            )
        };
        Self(parsed.iter().map(pair).collect())
    }
}

/// A request's head.
#[derive(Debug, Clone)]
pub struct RequestHead {
    /// `GET`, `POST`, …
    pub method: String,
    /// Path and query as they came.
    pub target: String,
    /// The headers.
    pub headers: Headers,
}

/// A reply's head.
#[derive(Debug, Clone)]
pub struct ReplyHead {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: Headers,
}

const MAX_HEADERS: usize = 64;

fn bad(cause: impl Into<Box<dyn Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, cause)
}

/// Reads more bytes into `buffer`; 0 is the end of the stream.
pub async fn fill(
    reader: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
) -> io::Result<usize> {
    buffer.reserve(16 * 1024);
    reader.read_buf(buffer).await
}

async fn take_head(
    reader: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
) -> io::Result<Option<Vec<u8>>> {
    loop {
        if let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            return Ok(Some(buffer.drain(..end + 4).collect()));
        }
        if fill(reader, buffer).await? == 0 {
            return if buffer.is_empty() {
                Ok(None)
            } else {
                Err(bad("the connection ended inside a head"))
            };
        }
    }
}

/// Reads a request's head; `None` when the peer closed before sending one.
pub async fn read_request_head(
    reader: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
) -> io::Result<Option<RequestHead>> {
    let Some(bytes) = take_head(reader, buffer).await? else {
        return Ok(None);
    };
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    parsed.parse(&bytes).map_err(bad)?;
    Ok(Some(RequestHead {
        method: parsed.method.unwrap_or_default().to_owned(),
        target: parsed.path.unwrap_or_default().to_owned(),
        headers: Headers::from_wire(parsed.headers),
    }))
}

/// Reads a reply's head; `None` when the peer closed before sending one.
pub async fn read_reply_head(
    reader: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
) -> io::Result<Option<ReplyHead>> {
    let Some(bytes) = take_head(reader, buffer).await? else {
        return Ok(None);
    };
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Response::new(&mut headers);
    parsed.parse(&bytes).map_err(bad)?;
    Ok(Some(ReplyHead {
        status: parsed.code.unwrap_or_default(),
        headers: Headers::from_wire(parsed.headers),
    }))
}

/// How a body says where it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// `Content-Length`: so many bytes are left.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// The end of the connection is the end of the body.
    UntilClose,
}

impl Framing {
    /// What the headers say; `otherwise` where they say nothing.
    pub fn of(headers: &Headers, otherwise: Self) -> Self {
        if headers
            .get("transfer-encoding")
            .is_some_and(|v| v.eq_ignore_ascii_case("chunked"))
        {
            return Self::Chunked;
        }
        headers
            .get("content-length")
            .and_then(|v| v.parse().ok())
            .map_or(otherwise, Self::Length)
    }
}

/// A piece of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Bytes of the body.
    Data(Vec<u8>),
    /// The body is complete.
    End,
    /// The connection ended or was reset inside the body.
    Cut,
}

/// Reads the next piece of a body, and moves `framing` on.
pub async fn next_part(
    reader: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
    framing: &mut Framing,
) -> Part {
    match read_part(reader, buffer, framing).await {
        Ok(part) => part,
        Err(_) => Part::Cut,
    }
}

async fn read_part(
    reader: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
    framing: &mut Framing,
) -> io::Result<Part> {
    match framing {
        Framing::Length(0) => Ok(Part::End),
        Framing::Length(left) => {
            if buffer.is_empty() && fill(reader, buffer).await? == 0 {
                return Ok(Part::Cut);
            }
            let size = buffer
                .len()
                .min(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= size as u64;
            Ok(Part::Data(buffer.drain(..size).collect()))
        }
        Framing::UntilClose => {
            if buffer.is_empty() && fill(reader, buffer).await? == 0 {
                return Ok(Part::End);
            }
            Ok(Part::Data(std::mem::take(buffer)))
        }
        Framing::Chunked => {
            // Nothing is taken from the buffer before the chunk is whole, so that a caller may stop waiting and come back.
            let (start, size) = loop {
                if let Some(line_end) = buffer.windows(2).position(|w| w == b"\r\n") {
                    let line = String::from_utf8_lossy(&buffer[..line_end]).into_owned();
                    let digits = line.split(';').next().unwrap_or_default().trim();
                    let size = usize::from_str_radix(digits, 16).map_err(bad)?;
                    if buffer.len() >= line_end + 2 + size + 2 {
                        break (line_end + 2, size);
                    }
                }
                if fill(reader, buffer).await? == 0 {
                    return Ok(Part::Cut);
                }
            };
            let data = buffer[start..start + size].to_vec();
            if &buffer[start + size..start + size + 2] != b"\r\n" {
                return Err(bad("a chunk does not end where it says"));
            }
            buffer.drain(..start + size + 2);
            if size == 0 {
                *framing = Framing::Length(0);
                return Ok(Part::End);
            }
            Ok(Part::Data(data))
        }
    }
}

/// Reads a whole body; the error says that it was cut.
pub async fn read_body(
    reader: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
    mut framing: Framing,
) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        match next_part(reader, buffer, &mut framing).await {
            Part::Data(data) => body.extend_from_slice(&data),
            Part::End => return Ok(body),
            Part::Cut => return Err(bad("the connection ended inside a body")),
        }
    }
}
