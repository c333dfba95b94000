//! The credentials file's text: a table for each device, by `host:port`. Other keys and comments in it are left alone.

use super::{Change, Credentials, Entry};
use crate::{fingerprint::Fingerprint, secret::Secret};
use std::collections::BTreeMap;
use toml_edit::{DocumentMut, Item, Table, TableLike};

const DEVICES: &str = "devices";
const KEY: &str = "api_key";
const FINGERPRINT: &str = "tls_fingerprint";
const TLS_PORT: &str = "tls_port";

const HEAD: &str = "# What thox has of each device; whoever reads this file can use its keys.\n\n";

/// What is wrong with a text. Never a piece of it: that could be a key.
pub(super) type Fault = String;

/// Reads a file's text.
pub(super) fn read(text: &str) -> Result<Credentials, Fault> {
    let document = parse(text)?;
    let mut found = BTreeMap::new();
    let Some(devices) = document.get(DEVICES) else {
        return Ok(Credentials::default());
    };
    let devices = devices
        .as_table_like()
        .ok_or_else(|| format!("`{DEVICES}` is no table"))?;
    for (device, item) in devices.iter() {
        let table = item
            .as_table_like()
            .ok_or_else(|| format!("`{device}` is no table"))?;
        let text = |key| text_of(table, device, key);
        let fingerprint = text(FINGERPRINT)?
            .map(str::parse::<Fingerprint>)
            .transpose()
            .map_err(|error| format!("{FINGERPRINT} of `{device}`: {error}"))?;
        let key = text(KEY)?.map(|key| Secret::from(key.to_owned()));
        let tls_port = port_of(table, device)?;
        let entry = Entry {
            key,
            fingerprint,
            tls_port,
        };
        found.insert(device.to_owned(), entry);
    }
    Ok(Credentials(found))
}

/// The text with the changes made in it.
pub(super) fn changed(text: &str, changes: &[(String, Change)]) -> Result<String, Fault> {
    // Not parsed with the rest: a comment without a table behind it would stay the last thing in the file.
    let head = if text.trim().is_empty() { HEAD } else { "" };
    let mut document = parse(text)?;
    for (device, change) in changes {
        let devices = table(document.as_table_mut(), DEVICES, true)?;
        let entry = table(devices, device, false)?;
        match change {
            Change::Key(Some(key)) => {
                entry.insert(KEY, toml_edit::value(key.expose()));
            }
            Change::Key(None) => {
                entry.remove(KEY);
            }
            Change::Fingerprint(fingerprint) => {
                entry.insert(FINGERPRINT, toml_edit::value(fingerprint.to_string()));
            }
            Change::TlsPort(port) => {
                entry.insert(TLS_PORT, toml_edit::value(i64::from(*port)));
            }
            Change::Forget => entry.clear(),
        }
        if entry.is_empty() {
            devices.remove(device);
        }
    }
    Ok(format!("{head}{document}"))
}

fn parse(text: &str) -> Result<DocumentMut, Fault> {
    // The error's own text would show the line that it is about.
    text.parse().map_err(|error: toml_edit::TomlError| {
        let before = error.span().and_then(|span| text.get(..span.start));
        let line = before.map_or(1, |before| before.matches('\n').count() + 1);
        format!("line {line} is no TOML: {}", error.message())
    })
}

fn text_of<'a>(
    table: &'a dyn TableLike,
    device: &str,
    key: &str,
) -> Result<Option<&'a str>, Fault> {
    match table.get(key) {
        None => Ok(None),
        Some(item) => match item.as_str() {
            Some(text) => Ok(Some(text)),
            None => Err(format!("{key} of `{device}` is no text")),
        },
    }
}

fn port_of(table: &dyn TableLike, device: &str) -> Result<Option<u16>, Fault> {
    let Some(item) = table.get(TLS_PORT) else {
        return Ok(None);
    };
    let port = item.as_integer().and_then(|port| u16::try_from(port).ok());
    match port.filter(|port| *port > 0) {
        Some(port) => Ok(Some(port)),
        None => Err(format!("{TLS_PORT} of `{device}` is no port")),
    }
}

fn table<'a>(
    parent: &'a mut dyn TableLike,
    name: &str,
    is_implicit: bool,
) -> Result<&'a mut dyn TableLike, Fault> {
    let mut fresh = Table::new();
    fresh.set_implicit(is_implicit);
    parent
        .entry(name)
        .or_insert(Item::Table(fresh))
        .as_table_like_mut()
        .ok_or_else(|| format!("`{name}` is no table"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Change {
        Change::Key(Some(Secret::from(text.to_owned())))
    }

    #[test]
    fn what_is_stored_is_read_and_the_rest_is_left_alone() {
        let print = Fingerprint::of(b"x");
        let changes = [
            ("box:8080".to_owned(), key("sk-1")),
            ("[::1]:8443".to_owned(), key("sk-2")),
            ("[::1]:8443".to_owned(), Change::Fingerprint(print)),
        ];
        let text = changed("", &changes).unwrap();
        assert_eq!(
            text,
            format!(
                "{HEAD}[devices.\"box:8080\"]\napi_key = \"sk-1\"\n\n[devices.\"[::1]:8443\"]\napi_key = \"sk-2\"\ntls_fingerprint = \"{print}\"\n"
            )
        );
        let read = read(&text).unwrap();
        assert_eq!(read.of("[::1]:8443").fingerprint, Some(print));
        assert_eq!(read.of("box:8080").key.unwrap().expose(), "sk-1");
        assert_eq!(read.of("other:8080"), Entry::default());
        assert_eq!(read.with_key_like("sk-2"), ["[::1]:8443"]);

        let text = "# Mine.\n[devices.\"box:8080\"]\napi_key = \"old\" \nnote = \"desk\"\n";
        let text = changed(text, &[("box:8080".to_owned(), key("new"))]).unwrap();
        assert_eq!(
            text,
            "# Mine.\n[devices.\"box:8080\"]\napi_key = \"new\"\nnote = \"desk\"\n"
        );
        let text = changed("", &[("box:8080".to_owned(), key("k"))]).unwrap();
        let text = changed(&text, &[("box:8080".to_owned(), Change::Key(None))]).unwrap();
        assert!(!text.contains("box"), "{text}");
        let text = changed(&text, &[("box:8080".to_owned(), key("k"))]).unwrap();
        assert!(
            text.starts_with(HEAD) && text.ends_with("\"k\"\n"),
            "{text}"
        );
    }

    #[test]
    fn a_mistake_is_told_without_the_line_it_is_in() {
        for (text, expected) in [
            (
                "\n[devices.x]\napi_key = \"sk-SECRET\n",
                "line 3 is no TOML",
            ),
            (
                "[devices.x]\napi_key = [\"sk-SECRET\"]",
                "api_key of `x` is no text",
            ),
            (
                "[devices.x]\ntls_fingerprint = \"sk-SECRET\"",
                "tls_fingerprint of `x`",
            ),
            (
                "[devices.x]\ntls_port = \"sk-SECRET\"",
                "tls_port of `x` is no port",
            ),
            (
                "[devices.x]\ntls_port = 70000",
                "tls_port of `x` is no port",
            ),
            ("devices = \"sk-SECRET\"", "`devices` is no table"),
            ("[devices]\nx = \"sk-SECRET\"", "`x` is no table"),
        ] {
            let fault = read(text).unwrap_err();
            assert!(
                fault.contains(expected) && !fault.contains("SECRET"),
                "{fault}"
            );
        }
    }
}
