//! The claim code: eight characters that a person can read off a screen and type, `K7QM-2XWD`.

use super::secret::{NoRandomness, random};
use std::fmt;
use subtle::ConstantTimeEq as _;

/// A claim code. 40 random bits, five tries a minute: a century for one chance in four thousand.
#[derive(Clone, PartialEq, Eq)]
pub struct Code([u8; 8]);

/// Crockford's base 32: no I, L, O and U, which are taken for other characters.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

impl Code {
    /// A new code.
    ///
    /// # Errors
    /// [`NoRandomness`]
    pub fn new() -> Result<Self, NoRandomness> {
        let digit = |byte: u8| ALPHABET.get(usize::from(byte & 31)).copied();
        Ok(Self(random::<8>()?.map(|byte| digit(byte).unwrap_or(b'0'))))
    }

    /// Reads what a person typed: hyphens and blanks mean nothing, nor does case; I and L are 1, O is 0.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut characters = text
            .bytes()
            .filter(|byte| !matches!(byte, b'-' | b' '))
            .map(|byte| match byte.to_ascii_uppercase() {
                b'I' | b'L' => b'1',
                b'O' => b'0',
                other => other,
            });
        let mut code = [0; 8];
        for place in &mut code {
            *place = characters.next().filter(|byte| ALPHABET.contains(byte))?;
        }
        characters.next().is_none().then_some(Self(code))
    }

    /// Whether both are the same, in a time that does not tell where they differ.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = std::str::from_utf8(&self.0).unwrap_or_default();
        let (first, second) = text.split_at_checked(4).unwrap_or_default();
        write!(f, "{first}-{second}")
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        let code = Code::new().unwrap();
        let shown = code.to_string();
        assert_eq!(shown.len(), 9);
        for typed in [
            shown.clone(),
            shown.to_lowercase(),
            shown.replace('-', ""),
            shown.replace('-', " "),
            format!(" {shown} "),
        ] {
            assert!(
                Code::parse(&typed).is_some_and(|typed| typed.is(&code)),
                "{typed}"
            );
        }
        assert_eq!(
            Code::parse("oil0-0000")
                .map(|code| code.to_string())
                .as_deref(),
            Some("0110-0000")
        );
        for none in ["", "AAAA", "AAAA-AAAA-A", "AAAA-AAAU", "AAAA-AAÄA"] {
            assert_eq!(Code::parse(none), None, "{none}");
        }
        assert!(!format!("{code:?}").contains(&shown[..4]));
        assert!(!Code::new().unwrap().is(&code));
    }
}
