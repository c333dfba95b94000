//! An HTTP/1.1 client that sees every byte: when each came, and whether a body was finished or cut.

use crate::http1::{Framing, Headers, Part, next_part, read_reply_head};
use crate::patience::within;
use crate::sse::{Event, Parser};
use crate::stream::Streamed;
use serde_json::Value;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// How a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// As its framing says.
    Complete,
    /// The connection ended before that.
    Cut,
}

/// A whole reply.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
    /// How it ended.
    pub ending: Ending,
}

impl Reply {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; panics where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|cause| panic!("no JSON ({cause}): {}", self.text()))
    }

    /// `error.code` of the body.
    pub fn error_code(&self) -> String {
        self.json()["error"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// A header's value; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_default()
    }
}

/// A connection to a server.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = within("a connection", TcpStream::connect(address)).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
        })
    }

    /// Writes bytes as they are.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        within("a request to be taken", self.stream.write_all(bytes)).await
    }

    /// Sends a request with a body's length in its head.
    pub async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<()> {
        let mut head = format!("{method} {path} HTTP/1.1\r\n");
        if !headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("host"))
        {
            head.push_str(&format!("host: {}\r\n", self.stream.peer_addr()?));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() || method == "POST" {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(body);
        self.write(&bytes).await
    }

    /// Sends a JSON body by POST.
    pub async fn post(&mut self, path: &str, body: &Value) -> io::Result<()> {
        self.send(
            "POST",
            path,
            &[("content-type", "application/json")],
            body.to_string().as_bytes(),
        )
        .await
    }

    /// Reads the head of the reply; the body follows. Panics when the server closes without one.
    pub async fn receive(self) -> Receiving {
        self.try_receive().await.expect("a reply")
    }

    /// The same; `None` when the server closes without a byte, or resets.
    pub async fn try_receive(mut self) -> Option<Receiving> {
        let head = within(
            "a reply's head",
            read_reply_head(&mut self.stream, &mut self.buffer),
        )
        .await
        .ok()??;
        let has_no_body = head.status == 204 || head.status == 304;
        let otherwise = if has_no_body {
            Framing::Length(0)
        } else {
            Framing::UntilClose
        };
        let framing = Framing::of(&head.headers, otherwise);
        Some(Receiving {
            status: head.status,
            headers: head.headers,
            head_at: Instant::now(),
            connection: self,
            framing,
            parser: Parser::default(),
            events: VecDeque::new(),
            ending: None,
        })
    }

    /// Resets the connection instead of closing it.
    pub fn reset(self) {
        let _ = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }

    /// The socket.
    pub fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }
}

/// A reply whose body is being read.
pub struct Receiving {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: Headers,
    /// When the head was here.
    pub head_at: Instant,
    connection: Connection,
    framing: Framing,
    parser: Parser,
    events: VecDeque<Event>,
    ending: Option<Ending>,
}

impl Receiving {
    async fn part(&mut self) -> Option<Vec<u8>> {
        if self.ending.is_some() {
            return None;
        }
        let part = next_part(
            &mut self.connection.stream,
            &mut self.connection.buffer,
            &mut self.framing,
        );
        match part.await {
            Part::Data(data) => return Some(data),
            Part::End => self.ending = Some(Ending::Complete),
            Part::Cut => self.ending = Some(Ending::Cut),
        }
        None
    }

    /// The next event of the stream; `None` at the end of the body. May be dropped and asked again.
    pub async fn next_event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let data = within("an event or the end of the stream", self.part()).await?;
            self.events.extend(self.parser.push(&data));
        }
    }

    /// The next event that is no comment, as JSON; `None` for `[DONE]` and at the end.
    pub async fn next_chunk(&mut self) -> Option<Value> {
        loop {
            match self.next_event().await? {
                Event::Comment(_) => {}
                Event::Data(data) if data.trim() == "[DONE]" => return None,
                Event::Data(data) => {
                    return Some(serde_json::from_str(&data).expect("an event is JSON"));
                }
            }
        }
    }

    /// Reads chunks until one has content, and returns the content.
    pub async fn first_content(&mut self) -> String {
        loop {
            let chunk = self
                .next_chunk()
                .await
                .expect("the stream ended before any content");
            if let Some(content) = chunk["choices"][0]["delta"]["content"]
                .as_str()
                .filter(|c| !c.is_empty())
            {
                return content.to_owned();
            }
        }
    }

    /// How the body ended, once it has.
    pub fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// Reads the whole stream.
    pub async fn stream(mut self) -> Streamed {
        let mut events = Vec::new();
        // Comments may keep a stream alive for ever; a test has a limit.
        within("the end of a stream", async {
            while let Some(event) = self.next_event().await {
                events.push(event);
            }
        })
        .await;
        assert!(
            !self.parser.has_rest() || self.ending == Some(Ending::Cut),
            "the stream ends inside an event"
        );
        Streamed::of(
            self.status,
            self.headers,
            &events,
            self.ending.expect("the body has ended"),
        )
    }

    /// Reads the whole body.
    pub async fn whole(self) -> Reply {
        self.whole_and_connection().await.0
    }

    /// Reads the whole body and gives the connection back for another request.
    pub async fn whole_and_connection(mut self) -> (Reply, Connection) {
        let mut body = Vec::new();
        while let Some(data) = within("the end of a body", self.part()).await {
            body.extend_from_slice(&data);
        }
        let ending = self.ending.expect("the body has ended");
        (
            Reply {
                status: self.status,
                headers: self.headers,
                body,
                ending,
            },
            self.connection,
        )
    }

    /// The connection, with the body unread.
    pub fn into_connection(self) -> Connection {
        self.connection
    }
}

/// One request on a connection of its own.
pub async fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Receiving {
    let mut connection = Connection::open(address)
        .await
        .expect("the server is there");
    connection
        .send(method, path, headers, body)
        .await
        .expect("the request is sent");
    connection.receive().await
}

/// GET, whole.
pub async fn get(address: SocketAddr, path: &str) -> Reply {
    request(address, "GET", path, &[], b"").await.whole().await
}

/// POST of JSON, whole.
pub async fn post(address: SocketAddr, path: &str, body: &Value) -> Reply {
    begin(address, path, body).await.whole().await
}

/// POST of JSON, with the body to be read.
pub async fn begin(address: SocketAddr, path: &str, body: &Value) -> Receiving {
    request(
        address,
        "POST",
        path,
        &[("content-type", "application/json")],
        body.to_string().as_bytes(),
    )
    .await
}

/// POST of JSON with more headers, whole.
pub async fn post_with(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: &Value,
) -> Reply {
    let mut all = vec![("content-type", "application/json")];
    all.extend_from_slice(headers);
    request(address, "POST", path, &all, body.to_string().as_bytes())
        .await
        .whole()
        .await
}
