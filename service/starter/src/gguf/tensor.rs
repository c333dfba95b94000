//! The tensor directory: where each tensor lies, checked against the file's size and against the other tensors.

use std::collections::BTreeMap;

use super::{GgufError, reader::Reader};

/// How a tensor's numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Four bytes each.
    F32,
    /// Two bytes each.
    F16,
    /// Blocks of 32 signed bytes under one F16 scale.
    Q8_0,
}

/// A tensor's place and shape. `rows` is the product of all dimensions but the first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TensorInfo<'a> {
    pub(crate) kind: Kind,
    /// Numbers in a row: the first dimension.
    pub(crate) columns: usize,
    pub(crate) rows: usize,
    /// The tensor's bytes, exactly as many as the shape needs.
    pub(crate) data: &'a [u8],
}

/// Reads the directory; the data begins at the next multiple of the alignment behind it.
pub(super) fn read_all(
    mut reader: Reader<'_>,
    count: u64,
    alignment: usize,
) -> Result<BTreeMap<&str, TensorInfo<'_>>, GgufError> {
    let mut found = Vec::new();
    for _ in 0..count {
        found.push(read_entry(&mut reader)?);
    }
    let start = reader.position().next_multiple_of(alignment);
    let data = reader.rest_from(start);

    let mut tensors = BTreeMap::new();
    let mut places = Vec::with_capacity(found.len());
    for entry in found {
        let place = |where_| GgufError::TensorPlace {
            name: entry.name.to_owned(),
            where_,
        };
        if !entry.offset.is_multiple_of(alignment) {
            return Err(place("at an offset that is not aligned"));
        }
        let end = entry
            .offset
            .checked_add(entry.bytes)
            .ok_or_else(|| place("behind the end of the file"))?;
        let bytes = data
            .get(entry.offset..end)
            .ok_or_else(|| place("behind the end of the file"))?;
        places.push((entry.offset, end, entry.name));
        let info = TensorInfo {
            kind: entry.kind,
            columns: entry.columns,
            rows: entry.rows,
            data: bytes,
        };
        if tensors.insert(entry.name, info).is_some() {
            return Err(GgufError::Duplicate(entry.name.to_owned()));
        }
    }
    // Tensors that share bytes would let a small file ask for any amount of memory.
    places.sort_unstable();
    for pair in places.windows(2) {
        if let [(_, end, _), (next, _, name)] = pair
            && next < end
        {
            return Err(GgufError::TensorPlace {
                name: (*name).to_owned(),
                where_: "on top of another tensor",
            });
        }
    }
    Ok(tensors)
}

struct Entry<'a> {
    name: &'a str,
    kind: Kind,
    columns: usize,
    rows: usize,
    offset: usize,
    bytes: usize,
}

fn read_entry<'a>(reader: &mut Reader<'a>) -> Result<Entry<'a>, GgufError> {
    const WHAT: &str = "the tensor directory";
    let name = reader.text("a tensor's name")?;
    let shape = |why| GgufError::TensorShape {
        name: name.to_owned(),
        why,
    };
    let dimensions = reader.u32(WHAT)?;
    // ggml has at most four dimensions.
    if !(1..=4).contains(&dimensions) {
        return Err(shape("it needs one to four dimensions"));
    }
    let columns = usize::try_from(reader.u64(WHAT)?).map_err(|_| shape("it is too large"))?;
    let mut rows = 1_usize;
    for _ in 1..dimensions {
        let size = usize::try_from(reader.u64(WHAT)?).map_err(|_| shape("it is too large"))?;
        rows = rows
            .checked_mul(size)
            .ok_or_else(|| shape("it is too large"))?;
    }
    if columns == 0 || rows == 0 {
        return Err(shape("a dimension is zero"));
    }
    let (kind, block, block_bytes) = match reader.u32(WHAT)? {
        0 => (Kind::F32, 1, 4),
        1 => (Kind::F16, 1, 2),
        8 => (Kind::Q8_0, 32, 34),
        kind => {
            return Err(GgufError::TensorType {
                name: name.to_owned(),
                kind,
            });
        }
    };
    if !columns.is_multiple_of(block) {
        return Err(shape("its rows are not a multiple of 32"));
    }
    let blocks = (columns / block)
        .checked_mul(rows)
        .ok_or_else(|| shape("it is too large"))?;
    let bytes = blocks
        .checked_mul(block_bytes)
        .ok_or_else(|| shape("it is too large"))?;
    let offset =
        usize::try_from(reader.u64(WHAT)?).map_err(|_| shape("its offset is too large"))?;
    Ok(Entry {
        name,
        kind,
        columns,
        rows,
        offset,
        bytes,
    })
}
