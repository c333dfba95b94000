//! What users write for a device.

use super::resolve;
use std::{
    fmt, io,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};
use tokio::net::TcpStream;

/// The port on which a device serves plain HTTP.
const PORT: u16 = 8080;

/// The port on which a device serves HTTPS.
const TLS_PORT: u16 = 8443;

/// How a device is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// Anybody on the way can read it.
    Http,
    /// HTTP over TLS.
    Https,
}

/// Scheme, host and port of a device. Text form `NAME`, `NAME:PORT` or `http[s]://NAME[:PORT]`, the latter also with
/// `/v1` behind it, as it stands in the configuration of editors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    scheme: Scheme,
    /// Without the brackets of an IPv6 address.
    host: String,
    port: u16,
}

/// A text that is no device's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InvalidAddress {
    text: String,
    why: &'static str,
}

impl Address {
    pub(super) fn this_machine() -> Self {
        Self {
            scheme: Scheme::Http,
            host: "localhost".to_owned(),
            port: PORT,
        }
    }

    /// By a name or an address as it is told.
    pub(super) fn of_neighbour(host: &str, port: u16) -> Self {
        Self {
            scheme: Scheme::Http,
            host: host.to_owned(),
            port,
        }
    }

    pub(super) fn on_the_network() -> Self {
        Self {
            scheme: Scheme::Http,
            host: "thox.local".to_owned(),
            port: PORT,
        }
    }

    /// `HOST:PORT` for the Host header, and the name under which credentials are stored.
    pub(crate) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The same host, over TLS at another port.
    pub(crate) fn over_tls_at(&self, port: u16) -> Self {
        Self {
            scheme: Scheme::Https,
            host: self.host.clone(),
            port,
        }
    }

    /// The same port, over TLS: what a device that is pinned there has to speak.
    pub(super) fn over_tls(&self) -> Self {
        self.over_tls_at(self.port)
    }

    /// Where the device speaks TLS if that was left open: the usual port takes the place of the usual plain one.
    pub(super) fn or_its_tls_port(&self) -> Self {
        match (self.scheme, self.port) {
            (Scheme::Http, PORT) => self.over_tls_at(TLS_PORT),
            _ => self.over_tls(),
        }
    }

    pub(crate) fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Whether it is a device's plain port as it comes, which is what a name alone means.
    pub(super) fn is_usual(&self) -> bool {
        self.scheme == Scheme::Http && self.port == PORT
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Whether what is sent there leaves this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        let address = self.host.parse::<IpAddr>();
        self.host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }

    pub(super) async fn connect(&self) -> io::Result<TcpStream> {
        let addresses = resolve::lookup(&self.host, self.port).await?;
        let stream = TcpStream::connect(&*addresses).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = |why| InvalidAddress {
            text: text.to_owned(),
            why,
        };
        if text.parse::<Ipv6Addr>().is_ok() {
            return Ok(Self {
                scheme: Scheme::Http,
                host: text.to_ascii_lowercase(),
                port: PORT,
            });
        }
        let (scheme, authority, port_of_silence) = match text.split_once("://") {
            None => (Scheme::Http, text, PORT),
            Some(("http", rest)) => (Scheme::Http, base(rest), 80),
            // Not 443: that port is not a device's.
            Some(("https", rest)) => (Scheme::Https, base(rest), TLS_PORT),
            Some(_) => return Err(invalid("it has to begin with http:// or https://")),
        };
        if authority.contains(['/', '?', '#', '@']) {
            return Err(invalid("give the host and the port alone"));
        }
        let parsed: http::uri::Authority = authority
            .parse()
            .map_err(|_| invalid("it is no name and no address"))?;
        let host = parsed.host();
        let port = match authority.strip_prefix(host) {
            Some("") => port_of_silence,
            Some(rest) => rest
                .strip_prefix(':')
                .and_then(|port| port.parse().ok())
                .filter(|port| *port > 0)
                .ok_or_else(|| invalid("the port has to be 1 to 65535"))?,
            None => return Err(invalid("it is no name and no address")),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        // One device has one name in the credentials, however it is typed.
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        if host.is_empty() {
            return Err(invalid("the name is missing"));
        }
        Ok(Self { scheme, host, port })
    }
}

/// A base URL without the path that clients of the API have behind it.
fn base(rest: &str) -> &str {
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    rest.strip_suffix("/v1").unwrap_or(rest)
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        write!(f, "{scheme}://{}", self.authority())
    }
}

impl fmt::Display for InvalidAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, why } = self;
        write!(
            f,
            "`{text}` is no device's address: {why}; write NAME, NAME:PORT, http://NAME:PORT or https://NAME:PORT"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_people_write() {
        for (text, url) in [
            ("box", "http://box:8080"),
            ("box:9000", "http://box:9000"),
            ("http://box:8080", "http://box:8080"),
            ("http://box:8080/", "http://box:8080"),
            ("http://box:8080/v1", "http://box:8080"),
            ("http://box", "http://box:80"),
            ("192.168.1.20", "http://192.168.1.20:8080"),
            ("::1", "http://[::1]:8080"),
            ("[::1]:9000", "http://[::1]:9000"),
            ("http://[::1]:9000/v1/", "http://[::1]:9000"),
            ("https://box", "https://box:8443"),
            ("https://Box.Local.:443/v1", "https://box.local:443"),
            ("Box", "http://box:8080"),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), url, "{text}");
        }
    }

    #[test]
    fn finds_the_way_over_tls() {
        for (text, usual, same) in [
            ("box", "https://box:8443", "https://box:8080"),
            ("box:9000", "https://box:9000", "https://box:9000"),
            ("https://box:443", "https://box:443", "https://box:443"),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.or_its_tls_port().to_string(), usual);
            assert_eq!(address.over_tls().to_string(), same);
        }
        for (text, is_loopback) in [
            ("localhost", true),
            ("[::1]:1", true),
            ("127.0.0.2", true),
            ("box", false),
        ] {
            assert_eq!(
                text.parse::<Address>().unwrap().is_loopback(),
                is_loopback,
                "{text}"
            );
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, why) in [
            ("ftp://box", "begin with http:// or https://"),
            ("http://box:8080/health", "host and the port alone"),
            ("user@box", "host and the port alone"),
            ("box:", "1 to 65535"),
            ("box:http", "1 to 65535"),
            ("box:70000", "1 to 65535"),
            ("a b", "no name and no address"),
            ("http://", "no name and no address"),
        ] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
