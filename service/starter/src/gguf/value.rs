//! Metadata values, borrowed from the file.

use std::collections::BTreeMap;

use super::{GgufError, reader::Reader};

/// A metadata value, with the format's thirteen types folded into what a model asks for.
#[derive(Debug)]
pub(crate) enum Value<'a> {
    /// Any integer; one beyond `i64` is kept at its limit, where every range check refuses it.
    Whole(i64),
    /// Any floating-point number.
    Decimal(f32),
    /// A truth value.
    Flag(bool),
    /// A text.
    Text(&'a str),
    /// A list of texts.
    Texts(Vec<&'a str>),
    /// A list of integers.
    Wholes(Vec<i64>),
    /// A list that no supported model needs; it is skipped.
    Skipped,
}

/// The format's type numbers.
mod kind {
    pub(super) const U8: u32 = 0;
    pub(super) const I8: u32 = 1;
    pub(super) const U16: u32 = 2;
    pub(super) const I16: u32 = 3;
    pub(super) const U32: u32 = 4;
    pub(super) const I32: u32 = 5;
    pub(super) const F32: u32 = 6;
    pub(super) const BOOL: u32 = 7;
    pub(super) const TEXT: u32 = 8;
    pub(super) const LIST: u32 = 9;
    pub(super) const U64: u32 = 10;
    pub(super) const I64: u32 = 11;
    pub(super) const F64: u32 = 12;
}

/// Reads the metadata section.
pub(super) fn read_all<'a>(
    reader: &mut Reader<'a>,
    count: usize,
) -> Result<BTreeMap<&'a str, Value<'a>>, GgufError> {
    let mut metadata = BTreeMap::new();
    for _ in 0..count {
        let key = reader.text("a metadata key")?;
        let kind = reader.u32("a metadata type")?;
        let value = if kind == kind::LIST {
            read_list(reader, key)?
        } else {
            read_one(reader, key, kind)?
        };
        if metadata.insert(key, value).is_some() {
            return Err(GgufError::Duplicate(key.to_owned()));
        }
    }
    Ok(metadata)
}

fn read_one<'a>(reader: &mut Reader<'a>, key: &str, kind: u32) -> Result<Value<'a>, GgufError> {
    const WHAT: &str = "a metadata value";
    Ok(match kind {
        kind::U8 => Value::Whole(u8::from_le_bytes(reader.array(WHAT)?).into()),
        kind::I8 => Value::Whole(i8::from_le_bytes(reader.array(WHAT)?).into()),
        kind::U16 => Value::Whole(u16::from_le_bytes(reader.array(WHAT)?).into()),
        kind::I16 => Value::Whole(i16::from_le_bytes(reader.array(WHAT)?).into()),
        kind::U32 => Value::Whole(reader.u32(WHAT)?.into()),
        kind::I32 => Value::Whole(i32::from_le_bytes(reader.array(WHAT)?).into()),
        kind::U64 => Value::Whole(i64::try_from(reader.u64(WHAT)?).unwrap_or(i64::MAX)),
        kind::I64 => Value::Whole(i64::from_le_bytes(reader.array(WHAT)?)),
        kind::F32 => Value::Decimal(f32::from_le_bytes(reader.array(WHAT)?)),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "no model parameter needs a double's precision"
        )]
        kind::F64 => Value::Decimal(f64::from_le_bytes(reader.array(WHAT)?) as f32),
        kind::BOOL => match reader.array(WHAT)? {
            [0] => Value::Flag(false),
            [1] => Value::Flag(true),
            _ => return Err(super::wrong(key, "true or false")),
        },
        kind::TEXT => Value::Text(reader.text(WHAT)?),
        _ => {
            return Err(GgufError::ValueType {
                key: key.to_owned(),
                kind,
            });
        }
    })
}

fn read_list<'a>(reader: &mut Reader<'a>, key: &str) -> Result<Value<'a>, GgufError> {
    const WHAT: &str = "a metadata list";
    let kind = reader.u32(WHAT)?;
    let count = reader.u64(WHAT)?;
    let size = match kind {
        kind::U8 | kind::I8 | kind::BOOL => 1,
        kind::U16 | kind::I16 => 2,
        kind::U32 | kind::I32 | kind::F32 => 4,
        kind::U64 | kind::I64 | kind::F64 | kind::TEXT => 8,
        // A list of lists has no use in a model and would allow a nesting without end.
        _ => {
            return Err(GgufError::ValueType {
                key: key.to_owned(),
                kind,
            });
        }
    };
    let count = reader.check_count(count, size, WHAT)?;
    if kind == kind::TEXT {
        return (0..count)
            .map(|_| reader.text(WHAT))
            .collect::<Result<_, _>>()
            .map(Value::Texts);
    }
    if matches!(kind, kind::F32 | kind::F64 | kind::BOOL) {
        reader.bytes(count.saturating_mul(size), WHAT)?;
        return Ok(Value::Skipped);
    }
    let mut numbers = Vec::with_capacity(count);
    for _ in 0..count {
        match read_one(reader, key, kind)? {
            Value::Whole(number) => numbers.push(number),
            _ => return Err(super::wrong(key, "a list of whole numbers")),
        }
    }
    Ok(Value::Wholes(numbers))
}
