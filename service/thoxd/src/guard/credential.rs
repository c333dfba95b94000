//! The key that a request brings: `Authorization: Bearer` (RFC 6750, 2.1) or `x-api-key`, and nowhere else.

use http::{HeaderMap, HeaderName, header};

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// What a request says about keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent<'h> {
    /// Nothing.
    Nothing,
    /// One key.
    Key(&'h str),
    /// Something that is no key, or two different ones.
    Nonsense,
}

impl<'h> Sent<'h> {
    pub(super) fn read(headers: &'h HeaderMap) -> Self {
        let keys = headers.get_all(API_KEY).iter();
        let bearers = headers.get_all(header::AUTHORIZATION).iter();
        let all = keys
            .map(|value| value.to_str().ok())
            .chain(bearers.map(|value| value.to_str().ok().and_then(bearer)));
        let mut sent = Self::Nothing;
        for one in all {
            sent = match (sent, one.map(str::trim)) {
                (_, None | Some("")) => return Self::Nonsense,
                (Self::Nothing, Some(key)) => Self::Key(key),
                (Self::Key(first), Some(key)) if first == key => sent,
                _ => return Self::Nonsense,
            };
        }
        sent
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(pairs: &[(&str, &[u8])]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(
                name.parse::<HeaderName>().unwrap(),
                HeaderValue::from_bytes(value).unwrap(),
            );
        }
        headers
    }

    #[test]
    fn keys_are_read_where_they_belong() {
        let read = |pairs: &[(&str, &[u8])]| match Sent::read(&headers(pairs)) {
            Sent::Nothing => "nothing".to_owned(),
            Sent::Key(key) => key.to_owned(),
            Sent::Nonsense => "nonsense".to_owned(),
        };
        assert_eq!(read(&[]), "nothing");
        assert_eq!(read(&[("authorization", b"Bearer sk-a")]), "sk-a");
        assert_eq!(read(&[("authorization", b"bearer  sk-a ")]), "sk-a");
        assert_eq!(read(&[("x-api-key", b"sk-a")]), "sk-a");
        assert_eq!(
            read(&[("x-api-key", b"sk-a"), ("authorization", b"Bearer sk-a")]),
            "sk-a"
        );
        assert_eq!(
            read(&[("api-key", b"sk-a"), ("cookie", b"key=sk-a")]),
            "nothing"
        );
        for nonsense in [
            &[("authorization", &b"Basic dTpw"[..])][..],
            &[("authorization", b"sk-a")],
            &[("authorization", b"Bearer ")],
            &[("authorization", b"")],
            &[("authorization", b"Bearer \xff")],
            &[("x-api-key", b"")],
            &[("x-api-key", b"sk-a"), ("x-api-key", b"sk-b")],
            &[("x-api-key", b"sk-a"), ("authorization", b"Bearer sk-b")],
            &[
                ("authorization", b"Bearer sk-a"),
                ("authorization", b"Bearer sk-b"),
            ],
        ] {
            assert_eq!(read(nonsense), "nonsense", "{nonsense:?}");
        }
    }
}
