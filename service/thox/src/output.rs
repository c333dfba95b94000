//! What is printed and how. Everything goes through here, so that a closed pipe ends the command in peace instead of in
//! a panic, and so that text from a device cannot steer the terminal.

use crate::failure::Failure;
use std::{
    borrow::Cow,
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
};

/// How a piece of text is meant; a terminal shows it as a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// A heading.
    Heading,
    /// All is well.
    Good,
    /// Look at this.
    Warning,
    /// This is wrong.
    Bad,
    /// Beside the point.
    Faint,
}

/// The standard output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// Whether a person looks at it.
    pub(crate) is_terminal: bool,
    /// Whether it shows colours, and they are wanted.
    pub(crate) has_colour: bool,
}

impl Output {
    /// The standard output of this process.
    pub(crate) fn new() -> Self {
        let is_terminal = io::stdout().is_terminal();
        Self {
            is_terminal,
            has_colour: is_terminal && wants_colour(),
        }
    }

    /// Writes and shows it at once.
    pub(crate) fn print(self, text: &str) -> Result<(), Failure> {
        let text = if self.is_terminal {
            Cow::Owned(shown(text))
        } else {
            Cow::Borrowed(text)
        };
        self.write(&text)
    }

    /// Writes a line.
    pub(crate) fn line(self, text: &str) -> Result<(), Failure> {
        self.print(text)?;
        self.write("\n")
    }

    /// Writes what was made for a program to read.
    pub(crate) fn raw(self, bytes: &[u8]) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes)?;
        stdout.flush()?;
        Ok(())
    }

    /// Writes a text in a tone.
    pub(crate) fn toned(self, tone: Tone, text: &str) -> Result<(), Failure> {
        if !self.has_colour {
            return self.print(text);
        }
        self.write(start(tone))?;
        self.print(text)?;
        self.write("\x1b[0m")
    }

    /// Writes lines in columns; the first line is the heading.
    pub(crate) fn table(self, rows: &[Vec<Cell>]) -> Result<(), Failure> {
        let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells
                .map(|cell| cell.text.chars().count())
                .max()
                .unwrap_or_default()
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (at, row) in rows.iter().enumerate() {
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let tone = if at == 0 {
                    Some(Tone::Heading)
                } else {
                    cell.tone
                };
                match tone {
                    Some(tone) => self.toned(tone, &cell.text)?,
                    None => self.print(&cell.text)?,
                }
                if column + 1 < row.len() {
                    let gap = width - cell.text.chars().count() + 2;
                    self.write(&" ".repeat(gap))?;
                }
            }
            self.write("\n")?;
        }
        Ok(())
    }

    fn write(self, text: &str) -> Result<(), Failure> {
        self.raw(text.as_bytes())
    }
}

/// One field of a table.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    text: String,
    tone: Option<Tone>,
}

impl Cell {
    /// A field in a tone.
    pub(crate) fn toned(tone: Tone, text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            tone: Some(tone),
        }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self {
            text: text.into(),
            tone: None,
        }
    }
}

/// Writes a remark that is no part of the result to the standard error.
pub(crate) fn remark(text: &str) {
    let text = if io::stderr().is_terminal() {
        Cow::Owned(shown(text))
    } else {
        Cow::Borrowed(text)
    };
    // Where even the standard error is closed there is nobody to tell.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Shows how far something is in a line of the standard error that the next one takes the place of; for people alone.
pub(crate) fn progress(text: &str) {
    let mut stderr = io::stderr().lock();
    if stderr.is_terminal() {
        let _ = write!(stderr, "\r\x1b[K{}", shown(text));
        let _ = stderr.flush();
    }
}

/// Writes a question, behind which is typed, to the standard error.
pub(crate) fn question(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = write!(stderr, "{} ", shown(text));
    let _ = stderr.flush();
}

/// Writes a remark that must not be overlooked.
pub(crate) fn warning(text: &str) {
    let label = if io::stderr().is_terminal() && wants_colour() {
        "\x1b[33mwarning:\x1b[0m"
    } else {
        "warning:"
    };
    let _ = write!(io::stderr().lock(), "{label} ");
    remark(text);
}

/// Tells a failure and turns it into the exit code.
pub(crate) fn fail(failure: &Failure) -> ExitCode {
    let exit = match failure {
        Failure::OutputClosed => return ExitCode::SUCCESS,
        Failure::Silent(exit) => *exit,
        Failure::Told {
            exit,
            message,
            next,
        } => {
            let is_coloured = io::stderr().is_terminal() && wants_colour();
            let label = if is_coloured {
                "\x1b[31merror:\x1b[0m"
            } else {
                "error:"
            };
            let _ = write!(io::stderr().lock(), "{label} ");
            remark(message);
            if let Some(next) = next {
                remark(&format!("next:  {next}"));
            }
            *exit
        }
    };
    ExitCode::from(exit as u8)
}

/// <https://no-color.org>
fn wants_colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|terminal| terminal != "dumb")
}

fn start(tone: Tone) -> &'static str {
    match tone {
        Tone::Heading => "\x1b[1m",
        Tone::Good => "\x1b[32m",
        Tone::Warning => "\x1b[33m",
        Tone::Bad => "\x1b[31m",
        Tone::Faint => "\x1b[2m",
    }
}

/// Without the characters by which a text could move the cursor, rename the window or type into the shell.
fn shown(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_steer_the_terminal() {
        assert_eq!(shown("a\x1b]0;x\x07b\u{9b}2Jc\r\n\td"), "a]0;xb2Jc\n\td");
    }
}
