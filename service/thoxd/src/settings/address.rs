//! Where an engine is reached: over TCP or through a Unix socket.

use std::{fmt, path::PathBuf, str::FromStr};

/// An engine's base address. Text form `http://HOST:PORT` or `unix:/ABSOLUTE/PATH`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum EngineAddress {
    /// Plain HTTP; `authority` is `HOST:PORT`, the port always given.
    Http {
        /// Host and port, as they stand in a Host header and in a URL; an IPv6 address in brackets.
        authority: String,
    },
    /// HTTP over the Unix socket at this path.
    Unix(PathBuf),
}

/// A text that is no engine's address, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidEngineAddress(&'static str);

impl FromStr for EngineAddress {
    type Err = InvalidEngineAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = PathBuf::from(path);
            return if path.is_absolute() {
                Ok(Self::Unix(path))
            } else {
                Err(InvalidEngineAddress(
                    "the path of the socket must be absolute",
                ))
            };
        }
        let url: http::Uri = text
            .parse()
            .map_err(|_| InvalidEngineAddress("this is no address"))?;
        match url.scheme_str() {
            Some("http") => {}
            Some("https") => {
                return Err(InvalidEngineAddress(
                    "engines are reached by plain http on this machine or a trusted network",
                ));
            }
            _ => {
                return Err(InvalidEngineAddress(
                    "it has to begin with http:// or unix:",
                ));
            }
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() {
            return Err(InvalidEngineAddress(
                "leave out what follows the port, such as /v1: the engine's paths are known",
            ));
        }
        let Some(authority) = url.authority() else {
            return Err(InvalidEngineAddress("the host is missing"));
        };
        if authority.as_str().contains('@') {
            return Err(InvalidEngineAddress(
                "a user name or password has no place here: an engine's key stands in a file, api_key_file",
            ));
        }
        if authority.host().is_empty() {
            return Err(InvalidEngineAddress("the host is missing"));
        }
        let after_host = authority.as_str().strip_prefix(authority.host());
        let port = match after_host.unwrap_or_default() {
            "" => 80,
            ":" => {
                return Err(InvalidEngineAddress("the port is missing after the colon"));
            }
            port => match port.trim_start_matches(':').parse::<u16>() {
                Ok(port) if port > 0 => port,
                _ => return Err(InvalidEngineAddress("the port has to be 1 to 65535")),
            },
        };
        Ok(Self::Http {
            authority: format!("{}:{port}", authority.host()),
        })
    }
}

impl fmt::Display for EngineAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http { authority } => write!(f, "http://{authority}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_forms_and_shows_them_again() {
        for (text, shown) in [
            ("http://127.0.0.1:11434", "http://127.0.0.1:11434"),
            ("http://127.0.0.1:11434/", "http://127.0.0.1:11434"),
            ("http://ollama", "http://ollama:80"),
            ("http://[::1]:8000", "http://[::1]:8000"),
            ("unix:/run/engine.sock", "unix:/run/engine.sock"),
        ] {
            let address: EngineAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), shown);
            assert_eq!(shown.parse::<EngineAddress>().unwrap(), address);
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, reason) in [
            ("127.0.0.1:11434", "begin with http://"),
            (
                "http://127.0.0.1:8000/v1",
                "leave out what follows the port",
            ),
            ("https://engine:443", "plain http"),
            ("http://user:secret@engine:80", "api_key_file"),
            ("http://engine:", "port is missing"),
            ("http://engine:0", "1 to 65535"),
            ("http://engine:70000", "1 to 65535"),
            ("unix:engine.sock", "absolute"),
            ("", "no address"),
        ] {
            let error = text.parse::<EngineAddress>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
