//! The GGUF container: metadata and the places of the tensors, nothing of which is believed before it is checked.
//!
//! Format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>, versions 2 and 3, little-endian.

mod reader;
mod tensor;
mod value;

use std::collections::BTreeMap;

use reader::Reader;
pub(crate) use tensor::{Kind, TensorInfo};
pub(crate) use value::Value;

/// Why the bytes are no GGUF file that can be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GgufError {
    /// The file does not begin with `GGUF`.
    #[error("this is no GGUF file: it does not begin with the letters `GGUF`")]
    Magic,
    /// A version of the format that is not read here.
    #[error("GGUF version {0} is not supported; versions 2 and 3 are")]
    Version(u32),
    /// The file ends before what it announces.
    #[error("the file ends at byte {end} in the middle of {what}: it is cut off or damaged")]
    Truncated {
        /// What was being read.
        what: &'static str,
        /// Where the file ends, in bytes.
        end: usize,
    },
    /// A count or a length that the rest of the file cannot hold.
    #[error(
        "the file announces {count} of {what} but has only {left} bytes left: it is cut off or damaged"
    )]
    TooMany {
        /// What was announced.
        what: &'static str,
        /// How many of it.
        count: u64,
        /// Bytes left in the file.
        left: usize,
    },
    /// A string that is not UTF-8.
    #[error("{0} is not UTF-8")]
    NotUtf8(&'static str),
    /// A metadata type number that the format does not have.
    #[error("metadata `{key}` has the unknown type {kind}")]
    ValueType {
        /// The metadata key.
        key: String,
        /// The type's number.
        kind: u32,
    },
    /// Two entries of one name.
    #[error("`{0}` is in the file twice")]
    Duplicate(String),
    /// A metadata entry that a model needs.
    #[error("metadata `{0}` is missing")]
    MissingKey(String),
    /// A metadata entry of another type or range than the model needs.
    #[error("metadata `{key}` is not {expected}")]
    WrongValue {
        /// The metadata key.
        key: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A tensor's storage type that is not read here.
    #[error(
        "tensor `{name}` is of storage type {kind}; F32, F16 and Q8_0 are supported: convert the file to one of them"
    )]
    TensorType {
        /// The tensor's name.
        name: String,
        /// The type's number in ggml.
        kind: u32,
    },
    /// A tensor with a shape that cannot be.
    #[error("tensor `{name}` has an impossible shape: {why}")]
    TensorShape {
        /// The tensor's name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A tensor that lies outside the file or on another tensor.
    #[error("tensor `{name}` lies {where_}: the file is cut off or damaged")]
    TensorPlace {
        /// The tensor's name.
        name: String,
        /// Where it lies.
        where_: &'static str,
    },
}

/// A GGUF file, read as far as its directory.
#[derive(Debug)]
pub(crate) struct Gguf<'a> {
    metadata: BTreeMap<&'a str, Value<'a>>,
    tensors: BTreeMap<&'a str, TensorInfo<'a>>,
}

impl<'a> Gguf<'a> {
    /// Reads and checks the directory of a file.
    pub(crate) fn parse(file: &'a [u8]) -> Result<Self, GgufError> {
        let mut reader = Reader::new(file);
        if reader.bytes(4, "the magic letters").ok() != Some(b"GGUF".as_slice()) {
            return Err(GgufError::Magic);
        }
        let version = reader.u32("the version")?;
        if !matches!(version, 2 | 3) {
            return Err(GgufError::Version(version));
        }
        // The least a tensor's entry takes: name length, dimension count, type, offset. Metadata: key length, type, one byte.
        let tensor_count = reader.u64("the number of tensors")?;
        let metadata_count = reader.u64("the number of metadata entries")?;
        reader.check_count(tensor_count, 24, "tensors")?;
        let metadata_count = reader.check_count(metadata_count, 13, "metadata entries")?;
        let metadata = value::read_all(&mut reader, metadata_count)?;

        let mut gguf = Self {
            metadata,
            tensors: BTreeMap::new(),
        };
        let alignment = gguf.alignment()?;
        gguf.tensors = tensor::read_all(reader, tensor_count, alignment)?;
        Ok(gguf)
    }

    /// A metadata entry, if it is there.
    pub(crate) fn get(&self, key: &str) -> Option<&Value<'a>> {
        self.metadata.get(key)
    }

    /// A metadata entry that has to be there.
    pub(crate) fn need(&self, key: &str) -> Result<&Value<'a>, GgufError> {
        self.get(key)
            .ok_or_else(|| GgufError::MissingKey(key.to_owned()))
    }

    /// A text that has to be there.
    pub(crate) fn text(&self, key: &str) -> Result<&'a str, GgufError> {
        match self.need(key)? {
            Value::Text(text) => Ok(text),
            _ => Err(wrong(key, "a text")),
        }
    }

    /// A text that may be missing.
    pub(crate) fn optional_text(&self, key: &str) -> Result<Option<&'a str>, GgufError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(_) => Err(wrong(key, "a text")),
        }
    }

    /// A whole number that may be missing.
    pub(crate) fn optional_count(&self, key: &str) -> Result<Option<usize>, GgufError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Whole(number)) => match usize::try_from(*number) {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(wrong(key, "a number that is not negative")),
            },
            Some(_) => Err(wrong(key, "a whole number")),
        }
    }

    /// A whole number that has to be there.
    pub(crate) fn count(&self, key: &str) -> Result<usize, GgufError> {
        self.optional_count(key)?
            .ok_or_else(|| GgufError::MissingKey(key.to_owned()))
    }

    /// A decimal number that may be missing.
    pub(crate) fn optional_decimal(&self, key: &str) -> Result<Option<f32>, GgufError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Decimal(number)) => Ok(Some(*number)),
            Some(_) => Err(wrong(key, "a decimal number")),
        }
    }

    /// A truth value that may be missing.
    pub(crate) fn optional_flag(&self, key: &str) -> Result<Option<bool>, GgufError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Flag(flag)) => Ok(Some(*flag)),
            Some(_) => Err(wrong(key, "true or false")),
        }
    }

    /// A list of texts that has to be there.
    pub(crate) fn texts(&self, key: &str) -> Result<&[&'a str], GgufError> {
        match self.need(key)? {
            Value::Texts(texts) => Ok(texts),
            _ => Err(wrong(key, "a list of texts")),
        }
    }

    /// A list of whole numbers that may be missing.
    pub(crate) fn optional_wholes(&self, key: &str) -> Result<Option<&[i64]>, GgufError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Wholes(numbers)) => Ok(Some(numbers)),
            Some(_) => Err(wrong(key, "a list of whole numbers")),
        }
    }

    /// All tensors by name.
    pub(crate) fn tensors(&self) -> &BTreeMap<&'a str, TensorInfo<'a>> {
        &self.tensors
    }

    fn alignment(&self) -> Result<usize, GgufError> {
        // 32 is the format's default; the upper bound only keeps the arithmetic far from overflow.
        let alignment = self.optional_count("general.alignment")?.unwrap_or(32);
        if alignment.is_power_of_two() && (8..=65_536).contains(&alignment) {
            Ok(alignment)
        } else {
            Err(wrong(
                "general.alignment",
                "a power of two between 8 and 65536",
            ))
        }
    }
}

/// The error of a metadata entry that is there but cannot be used.
pub(crate) fn wrong(key: &str, expected: &'static str) -> GgufError {
    GgufError::WrongValue {
        key: key.to_owned(),
        expected,
    }
}
