//! The members of a JSON object as they stand in the text, and a cursor for what is nested in it, without parsing values.
//!
//! Written here and not taken from serde_json because of what it costs: a request of 32 KB is one long string, and
//! serde_json looks at it byte by byte, which was most of the time that thoxd spent on it; here memchr jumps from quote
//! to quote. It checks less: strings end, brackets match, the outermost object or array is well formed (RFC 8259); what
//! stands deeper is checked by the engine that reads it. A property test holds it against serde_json.

use std::borrow::Cow;

/// A text that is not the object or array that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct Malformed {
    what: &'static str,
    at: usize,
}

impl Malformed {
    /// Brackets match, but what stands between them is no JSON.
    pub const INSIDE: Self = Self {
        what: "broken JSON inside a value",
        at: 0,
    };
}

/// serde_json's limit too; no request or reply is near it.
const DEEPEST: u32 = 127;

/// The members of an object, `(name, value)`, the name unescaped, the value as it stands.
#[derive(Clone, Debug)]
pub struct Members<'a> {
    cursor: Cursor<'a>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Before,
    Between,
    Over,
}

/// Reads an object.
#[must_use]
pub fn members(text: &str) -> Members<'_> {
    Members {
        cursor: Cursor::new(text),
        stage: Stage::Before,
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = Result<(Cow<'a, str>, &'a str), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.step().transpose();
        self.stage = match item {
            Some(Ok(_)) => Stage::Between,
            Some(Err(_)) | None => Stage::Over,
        };
        item
    }
}

impl<'a> Members<'a> {
    fn step(&mut self) -> Result<Option<(Cow<'a, str>, &'a str)>, Malformed> {
        let cursor = &mut self.cursor;
        let is_first = match self.stage {
            Stage::Over => return Ok(None),
            Stage::Before => {
                cursor.open(b'{', NO_OBJECT)?;
                true
            }
            Stage::Between => false,
        };
        if cursor.is_over(b'}', is_first)? {
            cursor.end()?;
            return Ok(None);
        }
        let name = cursor.name()?;
        Ok(Some((name, cursor.value()?)))
    }
}

const NO_OBJECT: &str = "expected a JSON object";
const NO_ARRAY: &str = "expected a JSON array";

/// A place in a JSON text. What is nested is read in the same pass: whoever is handed the cursor at a value has to take
/// the value, whole by [`Cursor::value`] or in parts.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    text: &'a str,
    at: usize,
    member: usize,
}

impl<'a> Cursor<'a> {
    /// The start of `text`.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            member: 0,
        }
    }

    /// How many bytes have been read.
    #[must_use]
    pub fn at(&self) -> usize {
        self.at
    }

    /// Where the name of the member stands whose value is next.
    #[must_use]
    pub fn member(&self) -> usize {
        self.member
    }

    /// What has been read from byte `start` on.
    #[must_use]
    pub fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// Whether an object is next.
    #[must_use]
    pub fn is_at_object(&self) -> bool {
        self.byte() == Some(b'{')
    }

    /// Reads an object; `each` is called at the value of each member.
    ///
    /// # Errors
    /// [`Malformed`], also what `each` gives.
    pub fn object(
        &mut self,
        mut each: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        self.open(b'{', NO_OBJECT)?;
        let mut is_first = true;
        while !self.is_over(b'}', is_first)? {
            let name = self.name()?;
            each(self, name)?;
            is_first = false;
        }
        Ok(())
    }

    /// Reads an array; `each` is called at each element.
    ///
    /// # Errors
    /// [`Malformed`], also what `each` gives.
    pub fn array(
        &mut self,
        mut each: impl FnMut(&mut Self) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        self.open(b'[', NO_ARRAY)?;
        let mut is_first = true;
        while !self.is_over(b']', is_first)? {
            each(self)?;
            is_first = false;
        }
        Ok(())
    }

    /// Reads the value that is next, whatever it is; gives it as it stands.
    ///
    /// # Errors
    /// [`Malformed`]
    pub fn value(&mut self) -> Result<&'a str, Malformed> {
        let start = self.at;
        self.at = match self.byte() {
            Some(b'"') => self.end_of_string(start + 1)?,
            Some(b'{' | b'[') => self.end_of_nest()?,
            _ => self.end_of_scalar()?,
        };
        self.text
            .get(start..self.at)
            .ok_or(self.malformed("a broken character"))
    }

    /// Checks that nothing more follows.
    ///
    /// # Errors
    /// [`Malformed`]
    pub fn end(&mut self) -> Result<(), Malformed> {
        self.skip_space();
        if self.at < self.text.len() {
            return Err(self.malformed("unexpected text after the end"));
        }
        Ok(())
    }

    fn open(&mut self, bracket: u8, expected: &'static str) -> Result<(), Malformed> {
        self.skip_space();
        if self.byte() != Some(bracket) {
            return Err(self.malformed(expected));
        }
        self.at += 1;
        Ok(())
    }

    /// Goes to the next item, or behind the closing bracket.
    fn is_over(&mut self, close: u8, is_first: bool) -> Result<bool, Malformed> {
        self.skip_space();
        match self.byte() {
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(true)
            }
            Some(b',') if !is_first => {
                self.at += 1;
                self.skip_space();
                Ok(false)
            }
            Some(_) if is_first => Ok(false),
            Some(_) => Err(self.malformed("expected `,` or the end")),
            None => Err(self.malformed("unexpected end")),
        }
    }

    /// A member's name, unescaped; goes on to its value.
    fn name(&mut self) -> Result<Cow<'a, str>, Malformed> {
        let start = self.at;
        if self.byte() != Some(b'"') {
            return Err(self.malformed("expected a name in quotes"));
        }
        self.member = start;
        let rest = self.text.get(start + 1..).unwrap_or_default();
        let name = match near_quote_or_backslash(rest.as_bytes()) {
            Some(end) if rest.as_bytes().get(end) == Some(&b'"') => {
                self.at = start + end + 2;
                Cow::Borrowed(rest.get(..end).unwrap_or_default())
            }
            _ => {
                self.at = self.end_of_string(start + 1)?;
                let name = serde_json::from_str(self.since(start))
                    .map_err(|_| self.malformed("a broken name before"))?;
                Cow::Owned(name)
            }
        };
        self.skip_space();
        if self.byte() != Some(b':') {
            return Err(self.malformed("expected `:`"));
        }
        self.at += 1;
        self.skip_space();
        Ok(name)
    }

    /// From behind the opening quote to behind the closing one.
    fn end_of_string(&self, start: usize) -> Result<usize, Malformed> {
        match end_of_string(self.text.get(start..).unwrap_or_default()) {
            Some(length) => Ok(start + length + 1),
            None => Err(self.malformed("a text without end")),
        }
    }

    /// From an opening bracket to behind its closing one.
    fn end_of_nest(&self) -> Result<usize, Malformed> {
        let bytes = self.text.as_bytes();
        let mut at = self.at;
        // One bit for each open bracket, the innermost lowest: 1 for a brace.
        let mut nest: u128 = 0;
        let mut depth: u32 = 0;
        while let Some(byte) = bytes.get(at) {
            at += 1;
            match byte {
                b'"' => at = self.end_of_string(at)?,
                b'{' | b'[' => {
                    nest = nest << 1 | u128::from(*byte == b'{');
                    depth += 1;
                    if depth > DEEPEST {
                        return Err(self.malformed("nested too deep"));
                    }
                }
                b'}' | b']' => {
                    if (nest & 1 == 1) != (*byte == b'}') {
                        return Err(self.malformed("brackets that do not match"));
                    }
                    nest >>= 1;
                    depth -= 1;
                    if depth == 0 {
                        return Ok(at);
                    }
                }
                _ => {}
            }
        }
        Err(self.malformed("a bracket without end"))
    }

    fn end_of_scalar(&self) -> Result<usize, Malformed> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest
            .bytes()
            .position(|byte| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t'))
            .unwrap_or(rest.len());
        let scalar = rest.get(..length).unwrap_or_default();
        if matches!(scalar, "true" | "false" | "null") || is_number(scalar.as_bytes()) {
            Ok(self.at + length)
        } else {
            Err(self.malformed("expected a value"))
        }
    }

    #[inline]
    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.byte() {
            self.at += 1;
        }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn malformed(&self, what: &'static str) -> Malformed {
        Malformed { what, at: self.at }
    }
}

/// The grammar of RFC 8259, 6. How large a number may be is for the reader of the value to say.
fn is_number(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let (whole, mut rest) = digits(text);
    if whole == 0 || (whole > 1 && text.starts_with(b"0")) {
        return false;
    }
    if let Some(fraction) = rest.strip_prefix(b".") {
        let (count, after) = digits(fraction);
        if count == 0 {
            return false;
        }
        rest = after;
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = match exponent {
            [b'+' | b'-', exponent @ ..] => exponent,
            _ => exponent,
        };
        let (count, after) = digits(exponent);
        return count > 0 && after.is_empty();
    }
    rest.is_empty()
}

/// How many digits come first, and what follows.
fn digits(text: &[u8]) -> (usize, &[u8]) {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (count, text.get(count..).unwrap_or_default())
}

/// Where the closing quote stands in a text that begins behind the opening one: the first with an even number of
/// backslashes before it. Source code is full of other escapes, so looking for quotes alone makes half the stops.
#[must_use]
pub fn end_of_string(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let start = match near_quote_or_backslash(bytes) {
        Some(at) if bytes.get(at) == Some(&b'"') => return Some(at),
        Some(at) => at,
        None => NEAR.min(bytes.len()),
    };
    let escaped = bytes.get(start..).unwrap_or_default();
    let end = memchr::memchr_iter(b'"', escaped).find(|quote| {
        let before = escaped.get(..*quote).unwrap_or_default();
        before
            .iter()
            .rev()
            .take_while(|byte| **byte == b'\\')
            .count()
            % 2
            == 0
    })?;
    Some(start + end)
}

/// Names and tokens are shorter than this; memchr's start costs more than so many bytes in words of eight.
const NEAR: usize = 64;

/// The first of the two within [`NEAR`] bytes.
fn near_quote_or_backslash(bytes: &[u8]) -> Option<usize> {
    let (words, rest) = bytes.get(..NEAR).unwrap_or(bytes).as_chunks();
    let mut start = 0;
    for word in words {
        if let Some(at) = quote_or_backslash(*word) {
            return Some(start + at);
        }
        start += WORD;
    }
    let at = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
    Some(start + at)
}

/// How many bytes are looked at in one step.
const WORD: usize = size_of::<u64>();

/// The first of the two in eight bytes. A byte that is looked for becomes zero, and only the lowest zero byte is sure to
/// be told from others by subtracting one from each ("Bit Twiddling Hacks", S. E. Anderson, "Determine if a word has a
/// zero byte"), which is the one that is asked for.
fn quote_or_backslash(word: [u8; WORD]) -> Option<usize> {
    const ONES: u64 = u64::from_le_bytes([1; WORD]);
    const TOPS: u64 = u64::from_le_bytes([0x80; WORD]);
    let word = u64::from_le_bytes(word);
    let zeros = |byte: u8| {
        let differs = word ^ (ONES * u64::from(byte));
        differs.wrapping_sub(ONES) & !differs & TOPS
    };
    let found = zeros(b'"') | zeros(b'\\');
    (found != 0).then_some(found.trailing_zeros() as usize / 8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;
    use std::collections::BTreeMap;

    fn all(text: &str) -> Result<Vec<(String, String)>, Malformed> {
        members(text)
            .map(|member| member.map(|(name, value)| (name.into_owned(), value.to_owned())))
            .collect()
    }

    #[test]
    fn gives_names_and_values_as_they_stand() {
        let found = all(" {\"a\" : [1, {\"}\":\"]\\\"\"}] ,\"b\\u0063\":\"x\\\\\",\"d\":-1.5e3}\n")
            .unwrap();
        let expected = [
            ("a", "[1, {\"}\":\"]\\\"\"}]"),
            ("bc", "\"x\\\\\""),
            ("d", "-1.5e3"),
        ];
        assert_eq!(
            found,
            expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        assert!(all("{}").unwrap().is_empty());
        let mut found = Vec::new();
        let mut cursor = Cursor::new(r#"[ 1,"a,b" ,[2]] "#);
        let element = |cursor: &mut Cursor<'_>| {
            found.push(cursor.value()?.to_owned());
            Ok(())
        };
        cursor.array(element).unwrap();
        cursor.end().unwrap();
        assert_eq!(found, ["1", "\"a,b\"", "[2]"]);
    }

    #[test]
    fn refuses_what_is_no_object() {
        for text in [
            "",
            " ",
            "{",
            "}",
            "[]",
            "null",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{,}",
            "{\"a\":1 \"b\":2}",
            "{a:1}",
            "{\"a\":1}}",
            "{\"a\":1} x",
            "{\"a\":[}",
            "{\"a\":[1}]",
            "{\"a\":\"}",
            "{\"a\":\"\\\"}",
            "{\"a\":nul}",
            "{\"a\":01x}",
            "{\"a\":+1}",
            "{\"a\":.5}",
            "{\"a\":1.}",
            "{\"a\":01}",
            "{\"a\":-}",
            "{\"a\":1e}",
            "{\"a\":1e+}",
            "{\"a\":1e5.5}",
            "{\"a\":1.5x}",
            "{\"\\q\":1}",
            "{\"é\"}",
            "{é:1}",
            "{\"a\":é}",
        ] {
            assert!(all(text).is_err(), "{text}");
            assert!(
                serde_json::from_str::<BTreeMap<String, Value>>(text).is_err(),
                "{text}"
            );
        }
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
        assert!(all(&deep).is_err());
        let mut after = members("{\"a\":}");
        assert!(after.next().is_some_and(|item| item.is_err()));
        assert!(after.next().is_none(), "an error is the end");
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(".*", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// What serde_json reads, this reads the same, compact or spaced.
        #[test]
        fn reads_what_serde_json_reads(object in prop::collection::btree_map(".*", values(), 0..6), pretty in any::<bool>()) {
            let text = if pretty { serde_json::to_string_pretty(&object) } else { serde_json::to_string(&object) }.unwrap();
            let mut found = BTreeMap::new();
            for (name, value) in all(&text).unwrap() {
                found.insert(name, serde_json::from_str::<Value>(&value).unwrap());
            }
            prop_assert_eq!(found, serde_json::from_str::<BTreeMap<String, Value>>(&text).unwrap());
        }

        /// Damage anywhere is either noticed, or what comes out of it is what serde_json sees at the outermost level too.
        #[test]
        fn damage_is_noticed_or_harmless(object in prop::collection::btree_map("[a-c\"\\\\]*", values(), 0..4), at in any::<prop::sample::Index>(), byte in "[\\[\\]{}\",:\\\\a1 ]") {
            let mut text = serde_json::to_string(&object).unwrap();
            let mut at = at.index(text.len());
            while !text.is_char_boundary(at) { at -= 1; }
            text.replace_range(at..(at + text[at..].chars().next().map_or(0, char::len_utf8)), &byte);
            if let Ok(strict) = serde_json::from_str::<BTreeMap<String, Value>>(&text) {
                let lenient: BTreeMap<String, Value> = all(&text).unwrap().into_iter()
                    .map(|(name, value)| (name, serde_json::from_str(&value).unwrap())).collect();
                prop_assert_eq!(lenient, strict);
            }
        }
    }
}
