//! A QR code for a terminal: two modules in each character, by half blocks.

use crate::failure::Failure;
use qrcode::{Color, EcLevel, QrCode};

/// Whether the terminal's own colours are set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    /// White on black by escape sequences: right on any terminal.
    Coloured,
    /// As it comes: right where the text is bright and the ground dark.
    Plain,
}

/// Light modules around the code, by which scanners find it (ISO/IEC 18004, 6.3.8).
const QUIET: usize = 4;

/// The lines of a code that carries a text.
pub(super) fn lines(text: &str, ink: Ink) -> Result<Vec<String>, Failure> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M)
        .map_err(|error| Failure::error(format!("no QR code can be made of `{text}`: {error}")))?;
    let (width, modules) = (code.width(), code.to_colors());
    let side = width + 2 * QUIET;
    // What is outside is light; below the last row there is nothing.
    let is_light = |row: usize, column: usize| {
        let inside = |at: usize| at.checked_sub(QUIET).filter(|at| *at < width);
        match (inside(row), inside(column)) {
            (Some(row), Some(column)) => modules.get(row * width + column) != Some(&Color::Dark),
            _ => row < side,
        }
    };
    let line = |row: usize| {
        let text: String = (0..side)
            .map(
                |column| match (is_light(row, column), is_light(row + 1, column)) {
                    (true, true) => '█',
                    (true, false) => '▀',
                    (false, true) => '▄',
                    (false, false) => ' ',
                },
            )
            .collect();
        match ink {
            Ink::Coloured => format!("\x1b[97;40m{text}\x1b[0m"),
            Ink::Plain => text,
        }
    };
    Ok((0..side).step_by(2).map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a telephone sees of the lines: light and dark points, three for each module.
    fn scanned(lines: &[String]) -> String {
        let light = |character: char| match character {
            '█' => [true, true],
            '▀' => [true, false],
            '▄' => [false, true],
            _ => [false, false],
        };
        let cells: Vec<Vec<[bool; 2]>> = lines
            .iter()
            .map(|line| line.chars().map(light).collect())
            .collect();
        const POINTS: usize = 3;
        let width = cells[0].len() * POINTS;
        let mut image =
            rqrr::PreparedImage::prepare_from_greyscale(width, cells.len() * 2 * POINTS, |x, y| {
                let row = y / POINTS;
                if cells[row / 2][x / POINTS][row % 2] {
                    255
                } else {
                    0
                }
            });
        let grids = image.detect_grids();
        assert_eq!(grids.len(), 1, "one code is seen");
        grids[0].decode().unwrap().1
    }

    #[test]
    fn a_telephone_reads_what_was_meant() {
        for text in [
            "http://thox.local:8080/#claim=K7QM-2XWD",
            "https://thox-0123456789ab.local:8443/#claim=0000-0000",
        ] {
            let lines = lines(text, Ink::Plain).unwrap();
            assert_eq!(scanned(&lines), text);
            assert!(
                lines.len() <= 23 && lines[0].chars().count() <= 80,
                "it fits a screen"
            );
        }
    }

    #[test]
    fn colours_are_set_and_taken_back_on_each_line() {
        let plain = lines("x", Ink::Plain).unwrap();
        let coloured = lines("x", Ink::Coloured).unwrap();
        for (plain, coloured) in plain.iter().zip(&coloured) {
            assert_eq!(*coloured, format!("\x1b[97;40m{plain}\x1b[0m"));
        }
        let error = lines(&"x".repeat(5000), Ink::Plain);
        assert!(error.is_err(), "more than any code holds");
    }
}
