//! IEEE 754 half precision, which stable Rust has no type for.

/// The value of a half-precision number's bits.
pub(crate) fn to_f32(bits: u16) -> f32 {
    let sign = u32::from(bits >> 15) << 31;
    let exponent = u32::from(bits >> 10) & 0x1f;
    let fraction = u32::from(bits) & 0x3ff;
    match (exponent, fraction) {
        (0, 0) => f32::from_bits(sign),
        // Subnormal: fraction times 2^-24.
        (0, _) => {
            #[expect(clippy::cast_precision_loss, reason = "ten bits fit exactly")]
            let value = fraction as f32 * f32::from_bits(0x3380_0000);
            f32::from_bits(value.to_bits() | sign)
        }
        (0x1f, _) => f32::from_bits(sign | 0x7f80_0000 | (fraction << 13)),
        _ => f32::from_bits(sign | ((exponent + 112) << 23) | (fraction << 13)),
    }
}

/// The bits of the nearest half-precision number, ties to even, as the processor's own conversion gives them.
pub(crate) fn from_f32(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = (bits >> 16) & 0x8000;
    let magnitude = bits & 0x7fff_ffff;
    let half = if magnitude > 0x7f80_0000 {
        0x7e00
    } else if magnitude >= 0x4780_0000 {
        // 65536 and more, infinity among them.
        0x7c00
    } else if magnitude >= 0x3880_0000 {
        // Normal: rounding may carry into the exponent, which is then right, up to infinity.
        let rounded = magnitude + 0xfff + ((magnitude >> 13) & 1);
        (rounded - 0x3800_0000) >> 13
    } else {
        // Subnormal: adding 0.5 puts the half's fraction into the lowest bits, rounded by the addition.
        (f32::from_bits(magnitude) + 0.5).to_bits() - 0.5_f32.to_bits()
    };
    // All of it is below 2^16 by construction.
    u16::try_from(half | sign).unwrap_or(0x7e00)
}

/// A value as it comes back from half precision.
pub(crate) fn round(value: f32) -> f32 {
    to_f32(from_f32(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_survives_the_way_there_and_back() {
        for bits in 0..=u16::MAX {
            let value = to_f32(bits);
            if value.is_nan() {
                assert!(to_f32(from_f32(value)).is_nan());
            } else {
                assert_eq!(from_f32(value), bits, "{value}");
            }
        }
    }

    #[test]
    fn rounds_to_nearest_with_ties_to_even() {
        // Between 2048 and 4096 the step is two.
        assert_eq!(round(2049.0), 2048.0);
        assert_eq!(round(2051.0), 2052.0);
        assert_eq!(round(2049.1), 2050.0);
        assert_eq!(round(65_519.0), 65_504.0);
        assert_eq!(round(65_520.0), f32::INFINITY);
        // Half of the smallest subnormal goes to zero, a little more does not.
        assert_eq!(round(2.0_f32.powi(-25)), 0.0);
        assert_eq!(round(2.0_f32.powi(-25) * 1.01), 2.0_f32.powi(-24));
    }
}
