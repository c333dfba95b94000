//! What a certificate says of itself: its key and its time (RFC 5280, 4.1).
//!
//! rustls keeps these to itself, and a whole X.509 library would come for four fields: this walks to them and judges
//! nothing else; whether the certificate is well-formed is rustls's word.

use ring::digest::{SHA256, digest};
use std::fmt::Write as _;
use time::{Date, Month, PrimitiveDateTime, Time};

/// The fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Leaf {
    /// Seconds since 1970.
    pub(super) not_before: u64,
    /// Seconds since 1970.
    pub(super) not_after: u64,
    /// Whether it is its own issuer.
    pub(super) is_self_signed: bool,
    key: Vec<u8>,
}

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

impl Leaf {
    /// Reads a certificate in DER; `None` for what is none.
    pub(super) fn read(der: &[u8]) -> Option<Self> {
        let mut certificate = Der(Der(der).content(SEQUENCE)?);
        let mut fields = Der(certificate.content(SEQUENCE)?);
        if fields.tag() == Some(VERSION) {
            fields.content(VERSION)?;
        }
        let _serial_number = fields.content(INTEGER)?;
        let _signature_algorithm = fields.content(SEQUENCE)?;
        let issuer = fields.content(SEQUENCE)?;
        let mut validity = Der(fields.content(SEQUENCE)?);
        let (not_before, not_after) = (validity.time()?, validity.time()?);
        let subject = fields.content(SEQUENCE)?;
        let key = fields.whole(SEQUENCE)?;
        Some(Self {
            not_before,
            not_after,
            is_self_signed: issuer == subject,
            key: key.to_vec(),
        })
    }

    /// The SubjectPublicKeyInfo in DER.
    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    /// What clients pin.
    pub(super) fn fingerprint(&self) -> String {
        fingerprint(&self.key)
    }
}

/// SHA-256 over a SubjectPublicKeyInfo, in hexadecimal digits.
pub(super) fn fingerprint(key: &[u8]) -> String {
    let hash = digest(&SHA256, key);
    hash.as_ref().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What is left of a text in DER (X.690).
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn tag(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The content of the next element, if it is of this type.
    fn content(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next(tag).map(|(_, content)| content)
    }

    /// The next element as it stands there, if it is of this type.
    fn whole(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next(tag).map(|(whole, _)| whole)
    }

    fn next(&mut self, tag: u8) -> Option<(&'a [u8], &'a [u8])> {
        let all = self.0;
        let [first, length, ..] = *all else {
            return None;
        };
        if first != tag {
            return None;
        }
        // Below 128 the length itself, else the number of bytes that hold it; four are 4 GiB.
        let (start, length) = match usize::from(length) {
            short @ 0..=0x7f => (2, short),
            long @ 0x81..=0x84 => {
                let start = 2 + (long & 0x7f);
                let bytes = all.get(2..start)?;
                let length = bytes
                    .iter()
                    .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
                (start, length)
            }
            _ => return None,
        };
        let (whole, rest) = all.split_at_checked(start.checked_add(length)?)?;
        self.0 = rest;
        Some((whole, whole.get(start..)?))
    }

    /// Seconds since 1970; what is earlier is 0.
    fn time(&mut self) -> Option<u64> {
        let (tag, digits) = match self.tag()? {
            tag @ (UTC_TIME | GENERALIZED_TIME) => (tag, self.content(tag)?),
            _ => return None,
        };
        let mut digits = std::str::from_utf8(digits).ok()?.strip_suffix('Z')?;
        let mut number = |length: usize| -> Option<u16> {
            let (number, rest) = digits.split_at_checked(length)?;
            digits = rest;
            number.parse().ok()
        };
        let year = if tag == GENERALIZED_TIME {
            number(4)?
        } else {
            // RFC 5280, 4.1.2.5.1: two digits are 1950 to 2049.
            match number(2)? {
                year @ 50.. => 1900 + year,
                year => 2000 + year,
            }
        };
        let mut pair = || number(2).and_then(|number| u8::try_from(number).ok());
        let (month, day) = (Month::try_from(pair()?).ok()?, pair()?);
        let date = Date::from_calendar_date(year.into(), month, day).ok()?;
        let time = Time::from_hms(pair()?, pair()?, pair()?).ok()?;
        let seconds = PrimitiveDateTime::new(date, time)
            .assume_utc()
            .unix_timestamp();
        Some(u64::try_from(seconds).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_forms_of_a_time() {
        for (tag, text, expected) in [
            (UTC_TIME, "700101000000Z", Some(0)),
            (
                UTC_TIME,
                "261101000000Z",
                Some(super::super::clock::RELEASED),
            ),
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (UTC_TIME, "500101000000Z", Some(0)),
            (GENERALIZED_TIME, "20500101000000Z", Some(2_524_608_000)),
            (GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799)),
            (GENERALIZED_TIME, "20261301000000Z", None),
            (GENERALIZED_TIME, "20260230000000Z", None),
            (UTC_TIME, "2611010000Z", None),
            (UTC_TIME, "261101000000", None),
            (UTC_TIME, "2611010000é", None),
        ] {
            let mut der = vec![tag, u8::try_from(text.len()).unwrap()];
            der.extend_from_slice(text.as_bytes());
            assert_eq!(Der(&der).time(), expected, "{text}");
        }
    }

    #[test]
    fn a_length_beyond_the_end_is_no_element() {
        for der in [
            &[0x30][..],
            &[0x30, 1],
            &[0x30, 0x80, 0],
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0],
            &[0x30, 0x85, 0, 0, 0, 0, 0],
            &[0x31, 0],
        ] {
            assert_eq!(Der(der).content(SEQUENCE), None, "{der:?}");
        }
        assert_eq!(Der(&[0x30, 0x81, 1, 7]).content(SEQUENCE), Some(&[7][..]));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_bring_it_down(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
            let mut der = vec![SEQUENCE, 66, SEQUENCE, 64];
            der.extend(bytes);
            let _ = Leaf::read(&der);
        }
    }
}
