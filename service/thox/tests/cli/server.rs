//! A little HTTP server with canned replies, that can break off, wait, and see a client go; over TCP, TLS or a Unix
//! socket.

use crate::identity::Identity;
use rustls::{ServerConnection, StreamOwned};
use std::{
    io::{self, BufRead as _, BufReader, ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

/// What a client asked for.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) line: String,
    pub(crate) headers: Vec<String>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// A header's value, in lower case as all of them are kept.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let value =
            |header: &'_ String| header.strip_prefix(name)?.strip_prefix(": ").map(str::len);
        self.headers.iter().find_map(|header| {
            let length = value(header)?;
            header.get(header.len() - length..)
        })
    }
}

/// A connection of whatever kind.
trait Line: Read + Write + Send {
    fn set_read_timeout(&self, timeout: Duration) -> io::Result<()>;
}

impl Line for TcpStream {
    fn set_read_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(timeout))
    }
}

impl Line for UnixStream {
    fn set_read_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(timeout))
    }
}

impl Line for StreamOwned<ServerConnection, TcpStream> {
    fn set_read_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.sock.set_read_timeout(Some(timeout))
    }
}

type Handle = dyn Fn(&Request, &mut Client) + Send + Sync;
type Seen = Arc<Mutex<Vec<Request>>>;

fn serve(line: impl Line + 'static, handle: Arc<Handle>, seen: Seen) {
    thread::spawn(move || {
        let mut line: Box<dyn Line> = Box::new(line);
        if let Some(request) = read(&mut line) {
            seen.lock().unwrap().push(request.clone());
            handle(&request, &mut Client(line));
        }
    });
}

/// Serves each connection on a thread of its own until the test's process ends.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub(crate) fn start(handle: impl Fn(&Request, &mut Client) + Send + Sync + 'static) -> Self {
        Self::listen(handle, |stream| stream)
    }

    /// Over TLS.
    pub(crate) fn start_tls(
        identity: &Identity,
        handle: impl Fn(&Request, &mut Client) + Send + Sync + 'static,
    ) -> Self {
        let config = identity.config();
        Self::listen(handle, move |stream| {
            let session = ServerConnection::new(config.clone()).unwrap();
            StreamOwned::new(session, stream)
        })
    }

    fn listen<L: Line + 'static>(
        handle: impl Fn(&Request, &mut Client) + Send + Sync + 'static,
        line: impl Fn(TcpStream) -> L + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (handle, seen) = (Arc::new(handle), Seen::default());
        let log = seen.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                serve(line(stream.unwrap()), handle.clone(), log.clone());
            }
        });
        Self { address, seen }
    }

    /// On a Unix socket; gives what it was asked.
    pub(crate) fn start_on(
        path: &Path,
        handle: impl Fn(&Request, &mut Client) + Send + Sync + 'static,
    ) -> Seen {
        let listener = UnixListener::bind(path).unwrap();
        let (handle, seen) = (Arc::new(handle), Seen::default());
        let log = seen.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                serve(stream.unwrap(), handle.clone(), log.clone());
            }
        });
        seen
    }

    /// Answers every path with the reply of the first entry whose text is in the request's line.
    pub(crate) fn canned(replies: &'static [(&'static str, u16, &'static str)]) -> Self {
        Self::start(|request, client| {
            let found = replies
                .iter()
                .find(|(path, ..)| request.line.contains(path));
            let (_, status, body) = found.unwrap_or(&("", 404, "no such page"));
            client.reply(*status, body);
        })
    }

    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }
}

fn read(stream: &mut Box<dyn Line>) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        match header.trim_end() {
            "" => break,
            header => headers.push(header.to_ascii_lowercase()),
        }
    }
    let length = headers
        .iter()
        .find_map(|header| header.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    let line = line.trim_end().to_owned();
    (!line.is_empty()).then(|| Request {
        line,
        headers,
        body: String::from_utf8(body).unwrap(),
    })
}

/// The connection to answer on.
pub(crate) struct Client(Box<dyn Line>);

impl Client {
    pub(crate) fn reply(&mut self, status: u16, body: &str) {
        let length = body.len();
        self.write(&format!(
            "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        ));
    }

    /// Begins a stream that ends with the connection, or by [`Client::end`].
    pub(crate) fn stream(&mut self) {
        self.write("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n");
    }

    pub(crate) fn event(&mut self, data: &str) {
        let text = format!("data: {data}\n\n");
        self.write(&format!("{:x}\r\n{text}\r\n", text.len()));
    }

    pub(crate) fn token(&mut self, text: &str) {
        let text = serde_json::Value::from(text);
        self.event(&format!(
            r#"{{"model":"thox-coder","backend":"ollama","choices":[{{"index":0,"delta":{{"content":{text}}},"finish_reason":null}}]}}"#
        ));
    }

    pub(crate) fn end(&mut self, finish_reason: &str) {
        self.event(&format!(
            r#"{{"choices":[{{"index":0,"delta":{{}},"finish_reason":"{finish_reason}"}}]}}"#
        ));
        self.event(r#"{"choices":[],"usage":{"total_tokens":3}}"#);
        self.event("[DONE]");
        self.finish();
    }

    /// Ends the body properly, whatever was in it.
    pub(crate) fn finish(&mut self) {
        self.write("0\r\n\r\n");
    }

    /// Waits until the client closes the connection, and tells when that was.
    pub(crate) fn gone(&mut self, when: &mpsc::Sender<Instant>) {
        self.0.set_read_timeout(Duration::from_secs(20)).unwrap();
        let mut byte = [0];
        // A client that goes before it has read everything resets the connection.
        let is_gone = match self.0.read(&mut byte) {
            Ok(length) => length == 0,
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        };
        if is_gone {
            let _ = when.send(Instant::now());
        }
    }

    fn write(&mut self, text: &str) {
        // A client that has gone is part of some tests.
        let _ = self
            .0
            .write_all(text.as_bytes())
            .and_then(|()| self.0.flush());
    }
}
