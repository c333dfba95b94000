//! Weight matrices and their product with a vector, in the arithmetic of llama.cpp's kernels.
//!
//! A Q8_0 matrix is multiplied as llama.cpp does it: the vector is quantised to the same blocks first. Only with the
//! same rounding is greedy output the same, token for token.

use crate::gguf::{Kind, TensorInfo};
use crate::half;

/// Numbers under one scale.
const BLOCK: usize = 32;

/// A matrix of the model: `rows` outputs of `columns` inputs.
#[derive(Debug)]
pub(crate) struct Matrix {
    columns: usize,
    rows: usize,
    weights: Weights,
}

#[derive(Debug)]
enum Weights {
    F32(Box<[f32]>),
    F16(Box<[u16]>),
    Q8 {
        scales: Box<[f32]>,
        quants: Box<[i8]>,
    },
}

/// The input of a product, prepared once for all matrices that it meets.
#[derive(Debug, Default)]
pub(crate) struct Input {
    plain: Vec<f32>,
    halves: Vec<f32>,
    scales: Vec<f32>,
    quants: Vec<i8>,
}

impl Matrix {
    /// Takes a tensor's numbers out of the file.
    pub(crate) fn new(tensor: &TensorInfo<'_>) -> Self {
        let weights = match tensor.kind {
            Kind::F32 => Weights::F32(floats(tensor.data)),
            Kind::F16 => Weights::F16(
                tensor
                    .data
                    .as_chunks()
                    .0
                    .iter()
                    .map(|&two| u16::from_le_bytes(two))
                    .collect(),
            ),
            Kind::Q8_0 => {
                let blocks = tensor.data.as_chunks::<{ BLOCK + 2 }>().0;
                Weights::Q8 {
                    scales: blocks
                        .iter()
                        .map(|&[low, high, ..]| half::to_f32(u16::from_le_bytes([low, high])))
                        .collect(),
                    quants: blocks
                        .iter()
                        .flat_map(|[_, _, quants @ ..]| quants)
                        .map(|&byte| byte.cast_signed())
                        .collect(),
                }
            }
        };
        Self {
            columns: tensor.columns,
            rows: tensor.rows,
            weights,
        }
    }

    /// How many rows it has.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Appends one row, as plain numbers, to `out`; nothing if there is no such row.
    pub(crate) fn row(&self, row: usize, out: &mut Vec<f32>) {
        let range = |size: usize| row * size..(row + 1) * size;
        match &self.weights {
            Weights::F32(w) => {
                out.extend_from_slice(w.get(range(self.columns)).unwrap_or_default());
            }
            Weights::F16(w) => out.extend(
                w.get(range(self.columns))
                    .unwrap_or_default()
                    .iter()
                    .map(|&h| half::to_f32(h)),
            ),
            Weights::Q8 { scales, quants } => {
                let scales = scales.get(range(self.columns / BLOCK)).unwrap_or_default();
                let quants = quants
                    .get(range(self.columns))
                    .unwrap_or_default()
                    .as_chunks::<BLOCK>()
                    .0;
                out.extend(
                    scales.iter().zip(quants).flat_map(|(&scale, block)| {
                        block.iter().map(move |&q| f32::from(q) * scale)
                    }),
                );
            }
        }
    }

    /// The product with an input of as many numbers as the matrix has columns.
    pub(crate) fn times(&self, input: &Input, out: &mut Vec<f32>) {
        out.clear();
        match &self.weights {
            Weights::F32(w) => out.extend(
                w.chunks_exact(self.columns)
                    .map(|row| dot(row, &input.plain)),
            ),
            Weights::F16(w) => {
                let products = |row: &[u16]| {
                    row.iter()
                        .zip(&input.halves)
                        .map(|(&w, x)| half::to_f32(w) * x)
                        .sum::<f32>()
                };
                out.extend(w.chunks_exact(self.columns).map(products));
            }
            Weights::Q8 { scales, quants } => {
                let rows = quants
                    .chunks_exact(self.columns)
                    .zip(scales.chunks_exact(self.columns / BLOCK));
                out.extend(
                    rows.map(|(quants, scales)| {
                        dot_q8(quants, scales, &input.quants, &input.scales)
                    }),
                );
            }
        }
    }
}

impl Input {
    /// Takes a vector, in each form that a matrix may ask for.
    pub(crate) fn set(&mut self, vector: &[f32]) {
        self.plain.clear();
        self.plain.extend_from_slice(vector);
        self.halves.clear();
        self.halves.extend(vector.iter().map(|&x| half::round(x)));
        self.scales.clear();
        self.quants.clear();
        for block in vector.as_chunks::<BLOCK>().0 {
            let largest = block
                .iter()
                .fold(0.0_f32, |largest, x| largest.max(x.abs()));
            self.scales.push(half::round(largest / 127.0));
            let inverse = if largest == 0.0 { 0.0 } else { 127.0 / largest };
            #[expect(
                clippy::cast_possible_truncation,
                reason = "within ±127 by construction; `as` saturates what is not finite"
            )]
            self.quants
                .extend(block.iter().map(|x| (x * inverse).round_ties_even() as i8));
        }
    }
}

/// The numbers of an F32 tensor.
pub(crate) fn floats(data: &[u8]) -> Box<[f32]> {
    data.as_chunks()
        .0
        .iter()
        .map(|&four| f32::from_le_bytes(four))
        .collect()
}

/// The scalar product; eight sums side by side, so that the compiler can use vector registers.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a, a_rest) = a.as_chunks::<8>();
    let (b, b_rest) = b.as_chunks::<8>();
    let mut sums = [0.0_f32; 8];
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}

fn dot_q8(a: &[i8], a_scales: &[f32], b: &[i8], b_scales: &[f32]) -> f32 {
    let blocks = a
        .as_chunks::<BLOCK>()
        .0
        .iter()
        .zip(b.as_chunks::<BLOCK>().0);
    let mut total = 0.0;
    for ((a, b), (a_scale, b_scale)) in blocks.zip(a_scales.iter().zip(b_scales)) {
        let sum: i32 = a
            .iter()
            .zip(b)
            .map(|(&a, &b)| i32::from(a) * i32::from(b))
            .sum();
        #[expect(
            clippy::cast_precision_loss,
            reason = "at most 32 · 127 · 128, which is exact"
        )]
        let sum = sum as f32;
        total += sum * (a_scale * b_scale);
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    fn q8(columns: usize, data: &[u8]) -> Matrix {
        Matrix::new(&TensorInfo {
            kind: Kind::Q8_0,
            columns,
            rows: data.len() / (columns / 32 * 34),
            data,
        })
    }

    #[test]
    fn a_q8_row_reads_as_scale_times_quant() {
        let mut data = half::from_f32(0.5).to_le_bytes().to_vec();
        data.extend((0..32).map(|i: i8| (i - 16).cast_unsigned()));
        let mut row = Vec::new();
        q8(32, &data).row(0, &mut row);
        assert_eq!(row[0], -8.0);
        assert_eq!(row[31], 7.5);
        q8(32, &data).row(1, &mut row);
        assert_eq!(row.len(), 32, "there is no second row");
    }

    #[test]
    fn all_storage_types_agree() {
        let numbers: Vec<f32> = (0..64)
            .map(|i| ((i * 37 % 64) as f32 - 32.0) / 32.0)
            .collect();
        let vector: Vec<f32> = (0..64)
            .map(|i| ((i * 11 % 64) as f32 - 20.0) / 64.0)
            .collect();
        let exact: f32 = numbers.iter().zip(&vector).map(|(a, b)| a * b).sum();
        let f32s: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
        let f16s: Vec<u8> = numbers
            .iter()
            .flat_map(|&x| half::from_f32(x).to_le_bytes())
            .collect();
        let mut q8s = Vec::new();
        for block in numbers.chunks(32) {
            q8s.extend(half::from_f32(1.0 / 127.0).to_le_bytes());
            q8s.extend(
                block
                    .iter()
                    .map(|x| ((x * 127.0).round() as i8).cast_unsigned()),
            );
        }
        let mut input = Input::default();
        input.set(&vector);
        for (kind, data, off) in [
            (Kind::F32, &f32s, 1e-6),
            (Kind::F16, &f16s, 2e-3),
            (Kind::Q8_0, &q8s, 5e-2),
        ] {
            let mut out = Vec::new();
            Matrix::new(&TensorInfo {
                kind,
                columns: 64,
                rows: 1,
                data,
            })
            .times(&input, &mut out);
            assert!(
                (out[0] - exact).abs() < off,
                "{kind:?}: {} is not {exact}",
                out[0]
            );
        }
    }
}
