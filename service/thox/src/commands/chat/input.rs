//! Prompts from arguments, pipes and the keyboard. What blocks is read on a thread of its own, which the end of the
//! process does not wait for, so that Ctrl-C works while nothing is typed.

use crate::{
    failure::{Exit, Failure},
    output::remark,
};
use std::{
    io::{self, IsTerminal as _, Read as _},
    os::fd::AsFd as _,
    thread,
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};

/// A pipe that nobody writes to (`ssh device thox chat …`) looks like a command that hangs; then it says what it waits for.
const SILENCE: Duration = Duration::from_secs(2);

/// Whether a person sits at the standard input.
pub(super) fn is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// The typed prompt with what is piped in behind it, or either alone.
pub(super) async fn whole_prompt(
    model: Option<&str>,
    typed: Option<String>,
) -> Result<String, Failure> {
    let piped = match &typed {
        Some(_) if !is_pipe_or_file() => String::new(),
        _ => read_to_end().await?,
    };
    let piped = piped.trim_end();
    match typed {
        Some(typed) if piped.is_empty() => Ok(typed),
        Some(typed) => Ok(format!("{typed}\n\n{piped}")),
        None if piped.trim().is_empty() => {
            let taken = model.map_or_else(String::new, |model| {
                format!(", `{model}` is taken for the model")
            });
            Err(Failure::with(Exit::Usage, format!("there is no prompt{taken}")).next(
                "type one, thox chat thox-coder \"Hello!\", or pipe one in, echo Hello | thox chat",
            ))
        }
        None => Ok(piped.to_owned()),
    }
}

/// A terminal belongs to the person; `/dev/null` and the like have nothing to say.
fn is_pipe_or_file() -> bool {
    let Ok(stdin) = io::stdin().as_fd().try_clone_to_owned() else {
        return false;
    };
    let metadata = std::fs::File::from(stdin).metadata();
    metadata.is_ok_and(|metadata| {
        use std::os::unix::fs::FileTypeExt as _;
        let kind = metadata.file_type();
        kind.is_fifo() || kind.is_file() || kind.is_socket()
    })
}

async fn read_to_end() -> Result<String, Failure> {
    let (sender, mut receiver) = oneshot::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes);
        // Nobody waits any more after Ctrl-C.
        let _ = sender.send(read);
    });
    let read = match tokio::time::timeout(SILENCE, &mut receiver).await {
        Ok(read) => read,
        Err(_) => {
            remark(
                "thox reads the prompt from the standard input; Ctrl-D ends it, < /dev/null leaves it out",
            );
            receiver.await
        }
    };
    let bytes = read
        .unwrap_or_else(|_| Err(io::ErrorKind::UnexpectedEof.into()))
        .map_err(|error| Failure::error(format!("cannot read the standard input: {error}")))?;
    String::from_utf8(bytes).map_err(|_| {
        Failure::error("the standard input is no UTF-8 text")
            .next("models read text; convert it, or name the file's content in words")
    })
}

/// Lines from the keyboard.
pub(super) struct Lines(mpsc::Receiver<io::Result<String>>);

impl Lines {
    pub(super) fn read() -> Self {
        // One line: who types ahead is read when the reply is there.
        let (sender, receiver) = mpsc::channel(1);
        thread::spawn(move || {
            for line in io::stdin().lines() {
                if sender.blocking_send(line).is_err() {
                    break;
                }
            }
        });
        Self(receiver)
    }

    /// The next line; none after Ctrl-D.
    pub(super) async fn next(&mut self) -> Result<Option<String>, Failure> {
        let line = self.0.recv().await.transpose();
        line.map_err(|error| Failure::error(format!("cannot read the standard input: {error}")))
    }
}
