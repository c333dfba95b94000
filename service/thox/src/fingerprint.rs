//! The name of a device's TLS key, by which it is recognised again.

use sha2::{Digest as _, Sha256};
use std::{fmt, str::FromStr};

/// Bytes of a SHA-256 digest.
const LENGTH: usize = 32;

/// SHA-256 of a certificate's public key (SubjectPublicKeyInfo, RFC 5280, 4.1.2.7). Text form 64 hexadecimal digits. It
/// outlives the certificate, which is made anew when it expires or the device's names change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint([u8; LENGTH]);

/// A text that is no fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint has 64 hexadecimal digits; `thox status` on the device shows its own")]
pub(crate) struct InvalidFingerprint;

impl Fingerprint {
    /// Of a SubjectPublicKeyInfo in DER.
    pub(crate) fn of(public_key: &[u8]) -> Self {
        Self(Sha256::digest(public_key).into())
    }
}

impl FromStr for Fingerprint {
    type Err = InvalidFingerprint;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Other tools write colons between the bytes.
        let digits: Vec<u8> = text
            .trim()
            .chars()
            .filter(|c| *c != ':')
            .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
            .collect::<Option<_>>()
            .ok_or(InvalidFingerprint)?;
        let bytes: Vec<u8> = digits
            .chunks(2)
            .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
            .collect();
        if digits.len() != 2 * LENGTH {
            return Err(InvalidFingerprint);
        }
        bytes.try_into().map(Self).map_err(|_| InvalidFingerprint)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf abc | sha256sum`
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn reads_what_it_and_other_tools_write() {
        let print = Fingerprint::of(b"abc");
        assert_eq!(print.to_string(), ABC);
        let with_colons: Vec<String> = (0..64)
            .step_by(2)
            .map(|at| ABC[at..at + 2].to_uppercase())
            .collect();
        for text in [ABC.to_owned(), format!(" {ABC}\n"), with_colons.join(":")] {
            assert_eq!(text.parse(), Ok(print), "{text}");
        }
        for text in [
            "",
            "ab",
            &ABC[1..],
            &format!("{ABC}0"),
            &format!("{}x", &ABC[1..]),
        ] {
            assert_eq!(
                text.parse::<Fingerprint>(),
                Err(InvalidFingerprint),
                "{text}"
            );
        }
    }
}
