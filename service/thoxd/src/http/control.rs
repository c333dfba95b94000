//! The control socket: the same HTTP on a Unix socket, for whoever is on the device. The kernel says who that is
//! (SO_PEERCRED), so that no key is needed: root, the user that runs thoxd, and members of the group `thox`.

use super::{
    connection::{Peer, Terms, Via, reply, serve},
    entrance::{Entrance, Place},
    socket::Stream as _,
};
use crate::state::make_folder;
use nix::unistd::{Gid, Group, Uid, User, getgrouplist};
use std::{
    ffi::CString,
    fs::{self, Permissions},
    io,
    net::{IpAddr, Ipv4Addr},
    os::unix::fs::{FileTypeExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
};
use thox_api::{ApiError, ErrorKind};
use tokio::net::{UnixListener, UnixStream};

/// A bound control socket; its file goes with it.
#[derive(Debug)]
pub struct Control {
    listener: UnixListener,
    /// None where it is the service manager's.
    file: Option<PathBuf>,
}

/// A control socket that is not to be had. Everything else works without.
#[derive(Debug, thiserror::Error)]
pub enum NoControl {
    /// Another thoxd serves it.
    #[error(
        "another thoxd serves {0}; this one has no control socket. server.control_socket gives it a path of its own"
    )]
    Taken(PathBuf),
    /// Something that is no socket lies there.
    #[error(
        "{0} is no socket and is left alone; move it away, or set server.control_socket to another path"
    )]
    NoSocket(PathBuf),
    /// The system refuses it.
    #[error(
        "{file} cannot be made: {cause}. server.control_socket in the settings names another path, or \"\" for none"
    )]
    Io {
        /// The socket.
        file: PathBuf,
        /// The system's reason.
        cause: io::Error,
    },
}

/// The group whose members may change the device.
const GROUP: &str = "thox";

/// Binds the socket.
///
/// # Errors
/// [`NoControl`]
pub async fn bind(file: &Path) -> Result<Control, NoControl> {
    let fail = |cause| NoControl::Io {
        file: file.to_owned(),
        cause,
    };
    match fs::symlink_metadata(file) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(NoControl::NoSocket(file.to_owned()));
        }
        Ok(_) => match UnixStream::connect(file).await {
            Ok(_) => return Err(NoControl::Taken(file.to_owned())),
            // What a thoxd left behind that had no time to clean up.
            Err(_) => fs::remove_file(file).map_err(fail)?,
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(folder) = file.parent()
                && !folder.exists()
            {
                make_folder(folder).map_err(fail)?;
                // The system's own folder is for its group too.
                if Uid::effective().is_root() {
                    fs::set_permissions(folder, Permissions::from_mode(0o755)).map_err(fail)?;
                }
            }
        }
        Err(error) => return Err(fail(error)),
    }
    let listener = UnixListener::bind(file).map_err(fail)?;
    let control = Control {
        listener,
        file: Some(file.to_owned()),
    };
    let group = Group::from_name(GROUP).ok().flatten();
    let is_shared = group.is_some_and(|group| chown(file, None, Some(group.gid.as_raw())).is_ok());
    let mode = if is_shared { 0o660 } else { 0o600 };
    fs::set_permissions(file, Permissions::from_mode(mode)).map_err(fail)?;
    Ok(control)
}

/// Takes over a socket that listens already, with the file and the rights that it was given.
///
/// # Errors
/// The system's reason.
pub fn adopt(socket: std::os::unix::net::UnixListener) -> io::Result<Control> {
    socket.set_nonblocking(true)?;
    Ok(Control {
        listener: UnixListener::from_std(socket)?,
        file: None,
    })
}

impl Entrance for Control {
    type Arriving = UnixStream;

    fn via(&self) -> Via {
        Via::ControlSocket
    }

    async fn next(&self) -> io::Result<(UnixStream, IpAddr)> {
        loop {
            let (mut stream, _) = self.listener.accept().await?;
            let user = stream
                .peer_cred()
                .ok()
                .map(|cred| Uid::from_raw(cred.uid()));
            if user.is_some_and(may_control) {
                return Ok((stream, IpAddr::V4(Ipv4Addr::LOCALHOST)));
            }
            let message = "the control socket is for root, the user that runs thoxd and the group thox: `sudo thox …`, or have yourself added to the group.";
            stream.last_word(&reply(&ApiError::new(ErrorKind::Forbidden, message)));
        }
    }

    fn serve(&self, stream: UnixStream, peer: Peer, place: Place, terms: Terms) {
        let lifetime = terms.lifetime.clone();
        lifetime.spawn(serve(stream, peer, place, terms));
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            let _ = fs::remove_file(file);
        }
    }
}

fn may_control(user: Uid) -> bool {
    user.is_root() || user == Uid::effective() || is_member(user)
}

/// Whether a user is in the group, by the system's lists as they are now.
fn is_member(user: Uid) -> bool {
    let groups = || -> Option<Vec<Gid>> {
        let user = User::from_uid(user).ok()??;
        getgrouplist(&CString::new(user.name).ok()?, user.gid).ok()
    };
    let Ok(Some(group)) = Group::from_name(GROUP) else {
        return false;
    };
    groups().is_some_and(|groups| groups.contains(&group.gid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_is_made_taken_over_and_cleaned_up() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("run/control.sock");
        let control = bind(&file).await.unwrap();
        let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        assert!([0o600, 0o660].contains(&mode), "{mode:o}");
        assert!(matches!(bind(&file).await, Err(NoControl::Taken(_))));
        drop(control);
        assert!(!file.exists());
        // What is left after a crash: a file that nobody serves.
        drop(std::os::unix::net::UnixListener::bind(&file).unwrap());
        assert!(file.exists());
        drop(bind(&file).await.unwrap());
        fs::write(&file, "mine").unwrap();
        assert!(matches!(bind(&file).await, Err(NoControl::NoSocket(_))));
        assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    }

    #[test]
    fn strangers_may_not() {
        assert!(may_control(Uid::from_raw(0)) && may_control(Uid::effective()));
        let nobody = Uid::from_raw(65_533);
        assert!(nobody == Uid::effective() || !may_control(nobody));
    }
}
