//! Whether a page that asks is ours: Host and Origin, against DNS rebinding and foreign pages.
//!
//! Over plain HTTP browsers send no `Sec-Fetch-*`: Host (RFC 9110, 7.2) and Origin (RFC 6454; Fetch, 3.2) have to carry it.

use std::net::IpAddr;

/// A host without its port: a name in lower case, or an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// A name.
    Name(Box<str>),
    /// An address, in its canonical form.
    Address(IpAddr),
}

/// What a request says of the page that sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// No Origin: no browser, or a page of ours that reads.
    NoPage,
    /// A page of the very host and port that it asks.
    OwnPage,
    /// A page that is on the list: it may read the reply.
    ListedPage,
    /// Any other page, `null` included.
    ForeignPage,
}

impl Host {
    /// Reads `NAME`, `NAME:PORT`, `ADDRESS` or `[ADDRESS]:PORT`; the port has to be a number and is left out.
    #[must_use]
    pub fn of_authority(authority: &str) -> Option<Self> {
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (address, rest) = rest.split_once(']')?;
                let address: std::net::Ipv6Addr = address.parse().ok()?;
                let port = match rest {
                    "" => None,
                    rest => Some(rest.strip_prefix(':')?),
                };
                check_port(port)?;
                return Some(Self::Address(IpAddr::V6(address).to_canonical()));
            }
            None => match authority.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        check_port(port)?;
        Self::of_name(host)
    }

    /// Reads a name or an IPv4 address. A dot at the end of a name is its root and means nothing (RFC 1034, 3.1).
    #[must_use]
    pub fn of_name(text: &str) -> Option<Self> {
        if let Ok(address) = text.parse::<std::net::Ipv4Addr>() {
            return Some(Self::Address(address.into()));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let is_plain =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let is_name = (1..=253).contains(&name.len())
            && name.bytes().all(is_plain)
            && name.split('.').all(|label| (1..=63).contains(&label.len()));
        is_name.then(|| Self::Name(name.to_ascii_lowercase().into()))
    }
}

fn check_port(port: Option<&str>) -> Option<()> {
    match port {
        None => Some(()),
        Some(port) => {
            let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
            (is_number && port.parse::<u16>().is_ok()).then_some(())
        }
    }
}

/// Who asks. `host` is the request's own authority, which has been found to be ours; `listed` are origins as the
/// settings have them, `https://chat.example.org`.
#[must_use]
pub fn asker(origin: Option<&str>, host: &str, listed: &[impl AsRef<str>]) -> Asker {
    let Some(origin) = origin else {
        return Asker::NoPage;
    };
    if listed
        .iter()
        .any(|listed| listed.as_ref().eq_ignore_ascii_case(origin))
    {
        return Asker::ListedPage;
    }
    let own = ["http://", "https://"]
        .iter()
        .find_map(|scheme| Some((strip_scheme(origin, scheme)?, *scheme)));
    match own {
        Some((authority, scheme)) if is_same(authority, host, scheme) => Asker::OwnPage,
        _ => Asker::ForeignPage,
    }
}

fn strip_scheme<'o>(origin: &'o str, scheme: &str) -> Option<&'o str> {
    let (start, rest) = origin.split_at_checked(scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// Whether both name the same host and port; browsers leave a scheme's own port out.
fn is_same(origin: &str, host: &str, scheme: &str) -> bool {
    let usual = if scheme == "http://" { ":80" } else { ":443" };
    let bare = |authority: &str| {
        let authority = authority.strip_suffix(usual).unwrap_or(authority);
        authority.to_ascii_lowercase()
    };
    !origin.is_empty() && bare(origin) == bare(host)
}

/// Whether a text is an origin as browsers write it: scheme, host, port if it is not the usual one, nothing behind.
#[must_use]
pub fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else {
        return false;
    };
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte)
        });
    is_scheme && Host::of_authority(authority).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hosts_are_read_and_what_is_none_is_not() {
        let name = |text: &str| Some(Host::Name(text.into()));
        let address = |text: &str| Some(Host::Address(text.parse().unwrap()));
        for (authority, expected) in [
            ("thox.local:8080", name("thox.local")),
            ("THOX.local.", name("thox.local")),
            ("localhost", name("localhost")),
            ("192.168.1.7:8080", address("192.168.1.7")),
            ("[::1]:8080", address("::1")),
            ("[fe80::1]", address("fe80::1")),
            ("[::ffff:127.0.0.1]", address("127.0.0.1")),
            ("", None),
            (":8080", None),
            ("thox.local:", None),
            ("thox.local:80a", None),
            ("thox.local:99999", None),
            ("::1", None),
            ("[::1", None),
            ("[::1]x", None),
            ("user@thox.local", None),
            ("thox..local", None),
            ("thox.local/", None),
            ("thox local", None),
        ] {
            assert_eq!(Host::of_authority(authority), expected, "{authority}");
        }
    }

    #[test]
    fn pages_are_told_apart() {
        let listed = ["https://chat.example.org", "http://localhost:3000"];
        let host = "thox.local:8080";
        for (origin, expected) in [
            (None, Asker::NoPage),
            (Some("http://thox.local:8080"), Asker::OwnPage),
            (Some("http://THOX.local:8080"), Asker::OwnPage),
            (Some("https://thox.local:8080"), Asker::OwnPage),
            (Some("http://thox.local"), Asker::ForeignPage),
            (Some("http://thox.local:3000"), Asker::ForeignPage),
            (
                Some("http://thox.local:8080.evil.example"),
                Asker::ForeignPage,
            ),
            (Some("https://chat.example.org"), Asker::ListedPage),
            (Some("https://chat.example.org.evil"), Asker::ForeignPage),
            (Some("http://chat.example.org"), Asker::ForeignPage),
            (Some("http://localhost:3000"), Asker::ListedPage),
            (Some("null"), Asker::ForeignPage),
            (Some(""), Asker::ForeignPage),
            (Some("http://"), Asker::ForeignPage),
            (Some("file://"), Asker::ForeignPage),
            (Some("https://evil.example"), Asker::ForeignPage),
        ] {
            assert_eq!(asker(origin, host, &listed), expected, "{origin:?}");
        }
        let none: [&str; 0] = [];
        assert_eq!(
            asker(Some("http://thox.local"), "thox.local:80", &none),
            Asker::OwnPage
        );
        assert_eq!(
            asker(Some("https://thox.local"), "thox.local", &none),
            Asker::OwnPage
        );
        assert_eq!(
            asker(Some("https://thox.local:80"), "thox.local:80", &none),
            Asker::OwnPage
        );
    }

    #[test]
    fn origins_of_the_settings_are_checked() {
        for good in [
            "https://chat.example.org",
            "http://localhost:3000",
            "vscode-webview://abc",
            "http://[::1]:80",
        ] {
            assert!(is_origin(good), "{good}");
        }
        for bad in [
            "",
            "*",
            "null",
            "chat.example.org",
            "https://",
            "https://a/",
            "https://a b",
            "HTTPS://a",
        ] {
            assert!(!is_origin(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(authority in ".*", origin in ".*") {
            let _ = Host::of_authority(&authority);
            let _ = asker(Some(&origin), &authority, &["https://a"]);
            let _ = is_origin(&origin);
        }
    }
}
