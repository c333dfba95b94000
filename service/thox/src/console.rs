//! The consoles of the machine itself: what is written there is seen by whoever stands in front of it.

use crate::failure::Failure;
use nix::fcntl::OFlag;
use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

/// Where the kernel's own messages go: a serial port on most boards.
const CONSOLE: &str = "/dev/console";

/// The first terminal of a screen, where the board has one.
const SCREEN: &str = "/dev/tty1";

/// The names behind `/dev/console`, the last of them the one that is written to (proc(5), `console` of tty).
const ACTIVE: &str = "/sys/class/tty/console/active";

/// A serial port on which the other side holds the line takes nothing, for ever.
const PATIENCE: Duration = Duration::from_secs(10);

/// Writes a text to each place; without one, to the machine's console, and to its screen if that is another.
pub(crate) async fn show(places: Vec<PathBuf>, text: &str) -> Result<(), Failure> {
    // A raw terminal does not go back to the left by itself.
    let text = text.replace('\n', "\r\n");
    if places.is_empty() {
        let active = fs::read_to_string(ACTIVE).unwrap_or_default();
        if has_second_screen(&active) {
            // A board without a screen has the device all the same, or has none: neither is a mistake.
            let _ = write(PathBuf::from(SCREEN), text.clone()).await;
        }
        return write(PathBuf::from(CONSOLE), text).await;
    }
    for place in places {
        write(place, text.clone()).await?;
    }
    Ok(())
}

/// Whether the screen shows something else than the console.
fn has_second_screen(active: &str) -> bool {
    let last = active.split_whitespace().next_back();
    !matches!(last, Some("tty0" | "tty1"))
}

async fn write(place: PathBuf, text: String) -> Result<(), Failure> {
    let shown = place.display().to_string();
    let writing = tokio::task::spawn_blocking(move || write_now(&place, &text));
    let written = match tokio::time::timeout(PATIENCE, writing).await {
        Ok(Ok(written)) => written,
        Ok(Err(error)) => Err(io::Error::other(error)),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    };
    written.map_err(|error| {
        Failure::error(format!("{shown} cannot be written to: {error}"))
            .next("name a terminal that this user may write to: --console /dev/ttyS0")
    })
}

fn write_now(place: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    // Else the terminal would become this process's own, and be hung up for everybody when it ends.
    options.append(true).custom_flags(OFlag::O_NOCTTY.bits());
    options.open(place)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_that_is_the_console_is_written_to_once() {
        for (active, is_second) in [
            ("ttyTCU0\n", true),
            ("tty0 ttyTCU0\n", true),
            ("ttyS0 tty0\n", false),
            ("tty1\n", false),
            ("", true),
        ] {
            assert_eq!(has_second_screen(active), is_second, "{active:?}");
        }
    }

    #[test]
    fn nothing_is_made_where_no_terminal_is() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("tty");
        assert!(write_now(&place, "x").is_err() && !place.exists());
        fs::write(&place, "before\n").unwrap();
        write_now(&place, "after\r\n").unwrap();
        assert_eq!(fs::read_to_string(&place).unwrap(), "before\nafter\r\n");
    }
}
