//! A TLS client that shows the certificate and the protocol, HTTP/1.1 and HTTP/2 over it, and certificates to serve.

use crate::http1::{Framing, Headers, read_body, read_reply_head};
use crate::patience::within;
use crate::thoxd::Thoxd;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::SendRequest;
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

/// A client's end.
pub type Stream = TlsStream<TcpStream>;

/// HTTP/2's name in a handshake.
pub const HTTP2: &str = "h2";
/// HTTP/1.1's name in a handshake.
pub const HTTP1: &str = "http/1.1";

/// The encrypted port that a thoxd says it has.
pub fn address(thoxd: &Thoxd) -> SocketAddr {
    after(thoxd, "listening with TLS on https://")
        .parse()
        .expect("an address")
}

/// The fingerprint of its key that a thoxd shows.
pub fn fingerprint(thoxd: &Thoxd) -> String {
    after(thoxd, "fingerprint of its key ")
}

fn after(thoxd: &Thoxd, mark: &str) -> String {
    let log = thoxd.log();
    let (_, rest) = log.split_once(mark).expect("thoxd says where TLS is");
    let end = rest.find(|c: char| c.is_whitespace() || matches!(c, ',' | '\u{1b}'));
    rest[..end.unwrap_or(rest.len())].to_owned()
}

/// Connects and takes any certificate, as long as its key signs the handshake.
pub async fn connect(address: SocketAddr, protocols: &[&str]) -> io::Result<Stream> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(Anything(Arc::clone(&provider)));
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("protocol versions")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    handshake(address, config, "thox.test", protocols).await
}

/// Connects and takes only what the certificate in a file vouches for, under this name.
pub async fn connect_trusting(
    address: SocketAddr,
    certificate: &Path,
    name: &str,
) -> io::Result<Stream> {
    let mut roots = RootCertStore::empty();
    let trusted = CertificateDer::from_pem_file(certificate).expect("a certificate in the file");
    roots.add(trusted).expect("a certificate to trust");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("protocol versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    handshake(address, config, name, &[]).await
}

async fn handshake(
    address: SocketAddr,
    mut config: ClientConfig,
    name: &str,
    protocols: &[&str],
) -> io::Result<Stream> {
    config.alpn_protocols = protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    let connector = TlsConnector::from(Arc::new(config));
    within("the handshake", connector.connect(name, tcp)).await
}

/// The certificate that the server showed.
pub fn certificate(stream: &Stream) -> Vec<u8> {
    let chain = stream.get_ref().1.peer_certificates().expect("a chain");
    chain[0].to_vec()
}

/// The protocol that both agreed on.
pub fn protocol(stream: &Stream) -> Option<String> {
    let name = stream.get_ref().1.alpn_protocol()?;
    Some(String::from_utf8_lossy(name).into_owned())
}

/// A request and its whole reply over HTTP/1.1; GET without a body, POST with one.
pub async fn ask(
    stream: &mut Stream,
    path: &str,
    body: Option<&Value>,
) -> io::Result<(u16, Headers, Vec<u8>)> {
    let request = match body {
        None => format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n"),
        Some(body) => {
            let body = body.to_string();
            let length = body.len();
            format!(
                "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
            )
        }
    };
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    receive(stream).await
}

/// A whole reply over HTTP/1.1.
pub async fn receive(stream: &mut Stream) -> io::Result<(u16, Headers, Vec<u8>)> {
    let mut buffer = Vec::new();
    let head = within("a reply's head", read_reply_head(stream, &mut buffer)).await?;
    let head = head.ok_or(io::ErrorKind::UnexpectedEof)?;
    let framing = Framing::of(&head.headers, Framing::UntilClose);
    let body = within("a reply's body", read_body(stream, &mut buffer, framing)).await?;
    Ok((head.status, head.headers, body))
}

/// HTTP/2 over a connection.
pub struct Http2 {
    send: SendRequest<Full<Bytes>>,
    connection: tokio::task::JoinHandle<hyper::Result<()>>,
    socket: socket2::Socket,
}

impl Http2 {
    /// Begins.
    pub async fn over(stream: Stream) -> Self {
        let socket = socket2::SockRef::from(stream.get_ref().0).try_clone();
        let io = TokioIo::new(stream);
        let begun = hyper::client::conn::http2::handshake(TokioExecutor::new(), io);
        let (send, connection) = within("HTTP/2's preface", begun).await.expect("HTTP/2");
        Self {
            send,
            connection: tokio::spawn(connection),
            socket: socket.expect("a second handle of the socket"),
        }
    }

    /// A reply whose body is still to be read. `path` may be a whole address, to ask under another name.
    pub async fn begin(
        &self,
        path: &str,
        body: Option<&Value>,
    ) -> hyper::Result<Response<Incoming>> {
        let uri = if path.starts_with('/') {
            format!("https://localhost{path}")
        } else {
            path.to_owned()
        };
        let request = match body {
            None => Request::get(uri).body(Full::default()),
            Some(body) => Request::post(uri)
                .header("content-type", "application/json")
                .body(Full::from(body.to_string())),
        };
        let request = request.expect("a request");
        within("a reply's head", self.send.clone().send_request(request)).await
    }

    /// A request and its whole reply.
    pub async fn ask(&self, path: &str, body: Option<&Value>) -> hyper::Result<(u16, Bytes)> {
        let response = self.begin(path, body).await?;
        let status = response.status().as_u16();
        let body = within("a reply's body", response.into_body().collect()).await?;
        Ok((status, body.to_bytes()))
    }

    /// Ends the connection without a word.
    pub fn abort(self) {
        // What hyper runs on its own holds the stream: only the socket itself can be ended from here.
        self.socket
            .shutdown(std::net::Shutdown::Both)
            .expect("the socket is open");
    }

    /// Waits until the server has ended the connection.
    pub async fn ended(self) -> hyper::Result<()> {
        // Kept: without it the client itself would end the connection.
        let _send = self.send;
        within("the connection to end", self.connection)
            .await
            .expect("the connection's task")
    }
}

/// Writes a certificate for a name and its key to `NAME.pem` and `NAME.key`.
pub fn pair(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new([name.to_owned()]).expect("a name");
    let certificate = params.self_signed(&key).expect("a certificate");
    let paths = (
        folder.join(format!("{name}.pem")),
        folder.join(format!("{name}.key")),
    );
    std::fs::write(&paths.0, certificate.pem()).expect("the certificate is written");
    std::fs::write(&paths.1, key.serialize_pem()).expect("the key is written");
    paths
}

/// Another certificate of the same name and key in the place of what [`pair`] has written.
pub fn renewed(folder: &Path, name: &str) {
    let key = std::fs::read_to_string(folder.join(format!("{name}.key"))).expect("the key");
    let key = KeyPair::from_pem(&key).expect("a key");
    let params = CertificateParams::new([name.to_owned()]).expect("a name");
    let certificate = params.self_signed(&key).expect("a certificate");
    let path = folder.join(format!("{name}.pem"));
    std::fs::write(path, certificate.pem()).expect("the certificate is written");
}

#[derive(Debug)]
struct Anything(Arc<CryptoProvider>);

impl ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
