//! A cursor over the file's bytes that cannot leave them.

use super::GgufError;

/// Reads little-endian values one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    file: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(file: &'a [u8]) -> Self {
        Self { file, at: 0 }
    }

    /// Where the cursor stands, in bytes from the file's start.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Bytes from the cursor to the file's end.
    pub(super) fn left(&self) -> usize {
        self.file.len().saturating_sub(self.at)
    }

    /// The bytes from an absolute place to the file's end; none if the place is behind it.
    pub(super) fn rest_from(&self, place: usize) -> &'a [u8] {
        self.file.get(place..).unwrap_or_default()
    }

    pub(super) fn bytes(
        &mut self,
        length: usize,
        what: &'static str,
    ) -> Result<&'a [u8], GgufError> {
        let end = self.at.checked_add(length);
        let bytes = end.and_then(|end| self.file.get(self.at..end));
        let bytes = bytes.ok_or(GgufError::Truncated {
            what,
            end: self.file.len(),
        })?;
        self.at += length;
        Ok(bytes)
    }

    pub(super) fn array<const N: usize>(
        &mut self,
        what: &'static str,
    ) -> Result<[u8; N], GgufError> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N, what)?);
        Ok(array)
    }

    pub(super) fn u32(&mut self, what: &'static str) -> Result<u32, GgufError> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    pub(super) fn u64(&mut self, what: &'static str) -> Result<u64, GgufError> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    pub(super) fn text(&mut self, what: &'static str) -> Result<&'a str, GgufError> {
        let length = self.u64(what)?;
        let length = self.check_count(length, 1, what)?;
        std::str::from_utf8(self.bytes(length, what)?).map_err(|_| GgufError::NotUtf8(what))
    }

    /// Refuses a count whose items, of at least `least` bytes each, cannot be in the rest of the file.
    pub(super) fn check_count(
        &self,
        count: u64,
        least: usize,
        what: &'static str,
    ) -> Result<usize, GgufError> {
        let left = self.left();
        match usize::try_from(count) {
            Ok(number) if number.checked_mul(least).is_some_and(|bytes| bytes <= left) => {
                Ok(number)
            }
            _ => Err(GgufError::TooMany { what, count, left }),
        }
    }
}
