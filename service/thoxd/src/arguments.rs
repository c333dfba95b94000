//! What the program was started with.

use lexopt::{Arg, Parser, ValueExt as _};
use std::{ffi::OsString, path::PathBuf};

/// `thoxd --help`.
const HELP: &str = "\
One OpenAI-compatible API in front of this machine's engines

Usage: thoxd [OPTIONS]

Options:
      --config <FILE>            Read this file alone instead of /usr/lib/thox, /etc/thox and /run/thox
      --set <SECTION.KEY=VALUE>  Set one key; VALUE is TOML, a bare word is a string. Can be repeated
      --check                    Check the settings and say what is wrong with them, without starting
  -h, --help                     Print this
  -V, --version                  Print the version
";

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Run with these settings.
    Run(Wishes),
    /// Look at the settings, and no more.
    Check(Wishes),
    /// Print this.
    Tell(String),
}

/// Where settings come from besides the usual places.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Wishes {
    /// The one file that is read.
    pub(crate) config: Option<PathBuf>,
    /// Keys with their values.
    pub(crate) set: Vec<String>,
}

/// Reads the words after the program's name.
///
/// # Errors
/// A word that is not known, one that lacks its value, or a key that is not text.
pub(crate) fn read(words: impl IntoIterator<Item = OsString>) -> Result<Task, lexopt::Error> {
    let mut wishes = Wishes::default();
    let mut is_check = false;
    let mut words = Parser::from_args(words);
    while let Some(word) = words.next()? {
        match word {
            Arg::Long("config") => wishes.config = Some(words.value()?.into()),
            Arg::Long("set") => wishes.set.push(words.value()?.string()?),
            Arg::Long("check") => is_check = true,
            Arg::Long("help") | Arg::Short('h') => return Ok(Task::Tell(HELP.to_owned())),
            Arg::Long("version") | Arg::Short('V') => {
                return Ok(Task::Tell(
                    concat!("thoxd ", env!("CARGO_PKG_VERSION"), "\n").to_owned(),
                ));
            }
            unknown => return Err(unknown.unexpected()),
        }
    }
    Ok(if is_check {
        Task::Check(wishes)
    } else {
        Task::Run(wishes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[&str]) -> Result<Task, String> {
        read(words.iter().map(OsString::from)).map_err(|error| error.to_string())
    }

    #[test]
    fn takes_each_form_of_each_word() {
        assert_eq!(of(&[]), Ok(Task::Run(Wishes::default())));
        let wishes = |config: Option<&str>, set: &[&str]| Wishes {
            config: config.map(PathBuf::from),
            set: set.iter().map(|key| (*key).to_owned()).collect(),
        };
        for words in [
            &[
                "--config",
                "a b.toml",
                "--set",
                "log.level=debug",
                "--set=x.y='= z'",
            ][..],
            &[
                "--set=log.level=debug",
                "--set",
                "x.y='= z'",
                "--config=a b.toml",
            ],
        ] {
            let expected = wishes(Some("a b.toml"), &["log.level=debug", "x.y='= z'"]);
            assert_eq!(of(words), Ok(Task::Run(expected)), "{words:?}");
        }
        assert_eq!(of(&["--check"]), Ok(Task::Check(wishes(None, &[]))));
        for word in ["--version", "-V"] {
            let version = format!("thoxd {}\n", env!("CARGO_PKG_VERSION"));
            assert_eq!(of(&[word]), Ok(Task::Tell(version)));
        }
        for word in ["--help", "-h"] {
            assert_eq!(of(&[word]), Ok(Task::Tell(HELP.to_owned())));
        }
    }

    #[test]
    fn names_what_it_does_not_take() {
        for (words, named) in [
            (&["--confg", "x"][..], "--confg"),
            (&["serve"], "serve"),
            (&["--set"], "--set"),
            (&["--check=yes"], "--check"),
            (&["-x"], "-x"),
        ] {
            let error = of(words).expect_err(named);
            assert!(error.contains(named), "{words:?}: {error}");
        }
    }
}
