//! What users write for a device.

use std::{fmt, io, net::Ipv6Addr, str::FromStr};
use tokio::net::TcpStream;

/// The port on which a device serves plain HTTP.
const PORT: u16 = 8080;

/// Host and port of a device. Text form `NAME`, `NAME:PORT` or `http://NAME[:PORT]`, the latter also with `/v1` behind
/// it, as it stands in the configuration of editors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// Without the brackets of an IPv6 address.
    host: String,
    port: u16,
}

/// A text that is no device's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InvalidAddress {
    text: String,
    why: &'static str,
}

impl Address {
    pub(super) fn this_machine() -> Self {
        Self {
            host: "localhost".to_owned(),
            port: PORT,
        }
    }

    pub(super) fn on_the_network() -> Self {
        Self {
            host: "thox.local".to_owned(),
            port: PORT,
        }
    }

    /// `HOST:PORT` for the Host header.
    pub(super) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    pub(super) async fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
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
                host: text.to_owned(),
                port: PORT,
            });
        }
        let (authority, port_of_silence) = match text.split_once("://") {
            None => (text, PORT),
            Some(("http", rest)) => {
                let rest = rest.strip_suffix('/').unwrap_or(rest);
                (rest.strip_suffix("/v1").unwrap_or(rest), 80)
            }
            Some(("https", _)) => return Err(invalid("only http:// can be spoken so far")),
            Some(_) => return Err(invalid("it has to begin with http://")),
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
        if host.is_empty() {
            return Err(invalid("the name is missing"));
        }
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.authority())
    }
}

impl fmt::Display for InvalidAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, why } = self;
        write!(
            f,
            "`{text}` is no device's address: {why}; write NAME, NAME:PORT or http://NAME:PORT"
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
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), url, "{text}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, why) in [
            ("https://box:8443", "only http://"),
            ("ftp://box", "begin with http://"),
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
