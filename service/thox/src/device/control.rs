//! The control socket of the thoxd on this machine: the kernel tells thoxd who is calling, so that no key is needed.

use crate::{
    arguments::Target,
    failure::{Exit, Failure},
};
use nix::unistd::{Gid, Group};
use std::{
    fs, io,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};
use tokio::net::UnixStream;

/// Where a device has it.
const SYSTEM: &str = "/run/thox/control.sock";

/// The group whose members may use it, where the socket itself does not tell.
const GROUP: &str = "thox";

/// The socket that is named, or the first that is there; one that this user must not even see counts after one that may
/// be used.
pub(super) fn path(target: &Target) -> Option<PathBuf> {
    if let Some(path) = &target.control_socket {
        return Some(path.clone());
    }
    let own = std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join("thox/control.sock"));
    let places: Vec<PathBuf> = [Some(PathBuf::from(SYSTEM)), own]
        .into_iter()
        .flatten()
        .collect();
    let is_there =
        |path: &&PathBuf| fs::metadata(path).is_ok_and(|found| found.file_type().is_socket());
    let is_hidden = |path: &&PathBuf| {
        fs::metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
    };
    let found = places.iter().find(is_there);
    found.or_else(|| places.iter().find(is_hidden)).cloned()
}

/// Whether somebody answers there.
pub(super) async fn try_connect(path: &Path) -> io::Result<()> {
    UnixStream::connect(path).await.map(drop)
}

/// Why a socket cannot be used, and what to do.
pub(super) fn refused(path: &Path, error: &io::Error) -> Failure {
    let shown = path.display();
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            let message = format!("this user may not use the control socket {shown}");
            Failure::with(Exit::Authentication, message).next(membership(path))
        }
        io::ErrorKind::NotFound => absent(Some(path)),
        io::ErrorKind::ConnectionRefused => Failure::with(
            Exit::Unreachable,
            format!("nobody listens at the control socket {shown}: thoxd has stopped"),
        )
        .next("start it: systemctl start thoxd, or thoxd by hand on a PC"),
        _ => Failure::with(
            Exit::Unreachable,
            format!("the control socket {shown} cannot be used: {error}"),
        ),
    }
}

/// There is no socket.
pub(super) fn absent(path: Option<&Path>) -> Failure {
    let place = path.map_or_else(|| SYSTEM.to_owned(), |path| path.display().to_string());
    Failure::with(Exit::Unreachable, format!("there is no control socket at {place}")).next(
        "run this on the device itself, where thoxd runs (ssh to it, or its console); --control-socket names another place",
    )
}

/// How a user comes to be allowed.
pub(super) fn membership(path: &Path) -> String {
    let group = group(path);
    format!(
        "its users are the group {group}: sudo usermod -aG {group} \"$USER\", then log in again; or give an admin key by THOX_API_KEY"
    )
}

fn group(path: &Path) -> String {
    let of = |path: &Path| fs::metadata(path).ok().map(|found| found.gid());
    let gid = of(path).or_else(|| path.parent().and_then(of));
    let group = gid
        .filter(|gid| *gid != 0)
        .and_then(|gid| Group::from_gid(Gid::from_raw(gid)).ok().flatten());
    group.map_or_else(|| GROUP.to_owned(), |group| group.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_obstacle_has_its_exit_code_and_the_way_around_it() {
        let path = Path::new("/nonexistent/control.sock");
        for (kind, exit, words, step) in [
            (
                io::ErrorKind::PermissionDenied,
                Exit::Authentication,
                "may not use",
                "the group thox",
            ),
            (
                io::ErrorKind::ConnectionRefused,
                Exit::Unreachable,
                "thoxd has stopped",
                "systemctl start thoxd",
            ),
            (
                io::ErrorKind::NotFound,
                Exit::Unreachable,
                "no control socket at /nonexistent",
                "on the device itself",
            ),
        ] {
            let Failure::Told {
                exit: found,
                message,
                next,
            } = refused(path, &kind.into())
            else {
                panic!("{kind} is not told");
            };
            assert_eq!(found, exit);
            assert!(message.contains(words), "{message}");
            assert!(next.unwrap().contains(step), "{kind}");
        }
    }
}
