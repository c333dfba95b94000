//! Questions to whoever sits at the keyboard. What blocks is read on a thread of its own, which the end of the process
//! does not wait for, so that Ctrl-C works while nothing is typed.

use crate::{
    failure::{Exit, Failure},
    output,
};
use std::{
    io::{self, IsTerminal as _},
    thread,
};
use tokio::sync::oneshot;

/// More than any answer here.
const MAX_LINE: u64 = 64 << 10;

/// A line of the standard input, after a question where a person is to be asked; none where there is nothing to read.
pub(crate) async fn line(question: &str) -> Result<Option<String>, Failure> {
    if is_person() {
        output::question(question);
    }
    let (sender, receiver) = oneshot::channel();
    thread::spawn(move || {
        use std::io::{BufRead as _, Read as _};
        let mut line = String::new();
        let read = io::stdin().lock().take(MAX_LINE).read_line(&mut line);
        // Nobody waits any more after Ctrl-C.
        let _ = sender.send(read.map(|_| line));
    });
    let line = receiver
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::UnexpectedEof.into()))
        .map_err(|error| Failure::error(format!("cannot read the standard input: {error}")))?;
    let line = line.trim();
    Ok((!line.is_empty()).then(|| line.to_owned()))
}

/// Goes on if a person says yes; a script has to say so by `option` instead.
pub(crate) async fn confirm(question: &str, option: &str) -> Result<(), Failure> {
    if !is_person() {
        return Err(unattended(option));
    }
    let answer = line(&format!("{question} [y/N]")).await?;
    let is_yes = answer.is_some_and(|answer| matches!(answer.to_lowercase().as_str(), "y" | "yes"));
    if is_yes {
        Ok(())
    } else {
        Err(Failure::error("nothing was done: it was not confirmed"))
    }
}

/// A word that a person types; a script has to say it by `option` instead.
pub(crate) async fn word(question: &str, option: &str) -> Result<String, Failure> {
    if !is_person() {
        return Err(unattended(option));
    }
    let answer = line(question).await?;
    answer.ok_or_else(|| Failure::error("nothing was done: it was not confirmed"))
}

fn unattended(option: &str) -> Failure {
    Failure::with(
        Exit::Usage,
        "nobody is there to confirm it, so nothing was done",
    )
    .next(format!("say so in the command: {option}"))
}

/// Whether somebody sits at the keyboard.
pub(crate) fn is_person() -> bool {
    io::stdin().is_terminal()
}
