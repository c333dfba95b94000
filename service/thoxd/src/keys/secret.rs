//! A key: `sk-` and 256 random bits in base 62. Only its SHA-256 is kept; with so many random bits nothing slower is
//! needed.

use sha2::{Digest as _, Sha256};
use std::fmt;
use subtle::ConstantTimeEq as _;

/// A key as its owner has it. Shown in no log: its `Debug` is its first characters.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// What is kept of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

/// The system has no random numbers.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no random numbers: {0}")]
pub struct NoRandomness(String);

const MARK: &str = "sk-";

/// 62^43 is the first power above 2^256.
const DIGITS: usize = 43;

/// `sk-` and five digits, 30 bits: enough to tell keys apart, and 226 bits stay secret.
const SHOWN: usize = 8;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

impl Secret {
    /// A new key.
    ///
    /// # Errors
    /// [`NoRandomness`]
    pub fn new() -> Result<Self, NoRandomness> {
        Ok(Self::of_bits(random()?))
    }

    /// The key that a client sent; nothing where it does not look like one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(MARK)?;
        let is_key =
            digits.len() == DIGITS && digits.bytes().all(|digit| digit.is_ascii_alphanumeric());
        is_key.then(|| Self(text.to_owned()))
    }

    /// The key itself, to be shown once.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The first characters.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.0.get(..SHOWN).unwrap_or_default()
    }

    /// What is kept.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(Sha256::digest(self.0.as_bytes()).into())
    }

    /// Long division of the 256 bits by 62, least significant digit first.
    fn of_bits(mut bits: [u8; 32]) -> Self {
        let mut digits = [b'0'; DIGITS];
        for place in digits.iter_mut().rev() {
            let mut rest: u32 = 0;
            for byte in &mut bits {
                let value = rest << 8 | u32::from(*byte);
                *byte = u8::try_from(value / 62).unwrap_or_default();
                rest = value % 62;
            }
            let digit = usize::try_from(rest).unwrap_or_default();
            *place = ALPHABET.get(digit).copied().unwrap_or(b'0');
        }
        let digits = std::str::from_utf8(&digits).unwrap_or_default();
        Self([MARK, digits].concat())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({}…)", self.prefix())
    }
}

impl Fingerprint {
    /// Whether both are of the same key, in a time that does not tell where they differ.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    /// As 64 hexadecimal digits.
    #[must_use]
    pub fn to_hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The inverse of [`Fingerprint::to_hex`].
    #[must_use]
    pub fn of_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

/// Random bytes from the system.
///
/// # Errors
/// [`NoRandomness`]
pub fn random<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| NoRandomness(error.to_string()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_long_different_and_read_back() {
        let (one, other) = (Secret::new().unwrap(), Secret::new().unwrap());
        assert_ne!(one.reveal(), other.reveal());
        assert!(!one.fingerprint().is(&other.fingerprint()));
        assert_eq!(one.reveal().len(), 46);
        assert_eq!(Secret::parse(one.reveal()), Some(one.clone()));
        let kept = Fingerprint::of_hex(&one.fingerprint().to_hex()).unwrap();
        assert!(kept.is(&one.fingerprint()));
        let shown = format!("{one:?}");
        assert!(!shown.contains(one.reveal()), "{shown}");
    }

    #[test]
    fn every_bit_counts() {
        let of = |bits: [u8; 32]| Secret::of_bits(bits).0;
        assert_eq!(of([0; 32]), format!("sk-{}", "0".repeat(43)));
        let mut one = [0; 32];
        one[31] = 63;
        assert_eq!(of(one), format!("sk-{}11", "0".repeat(41)));
        let mut all: std::collections::BTreeSet<String> = (0..256)
            .map(|bit| {
                let mut bits = [0_u8; 32];
                bits[bit / 8] = 1 << (bit % 8);
                of(bits)
            })
            .collect();
        all.insert(of([0xff; 32]));
        assert_eq!(all.len(), 257);
    }

    #[test]
    fn what_is_no_key_is_not_hashed() {
        let long = "a".repeat(44);
        for text in [
            "",
            "sk-",
            "not-required",
            "sk-short",
            &format!("sk-{long}"),
            &format!("sk-{}", "é".repeat(43)),
            &format!("pk-{}", "a".repeat(43)),
        ] {
            assert_eq!(Secret::parse(text), None, "{text}");
        }
        for text in ["", "zz", &"g".repeat(64), &"é".repeat(32)] {
            assert_eq!(Fingerprint::of_hex(text), None, "{text}");
        }
    }
}
