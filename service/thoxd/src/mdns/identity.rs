//! The short id by which this machine is told from others of its kind: the same for good, and no way back from it to the
//! machine's id or a serial number.

use crate::state::write_private;
use sha2::{Digest as _, Sha256};
use std::{
    fs,
    path::{Path, PathBuf},
};
use thox_policy::discovery::short_id;

/// Where the machine's id is, as machine-id(5) has it; the second is older than systemd.
const MACHINE_ID: [&str; 2] = ["/etc/machine-id", "/var/lib/dbus/machine-id"];

/// machine-id(5): an application shows a hash of the id with something of its own in it, never the id.
const OF_THIS_USE: &[u8] = b"thox: the short id of a device's name\0";

/// The short id of this machine. One that has no id of its own gets one, which is kept in `state_dir`.
#[must_use]
pub fn of_machine(state_dir: &Path) -> String {
    let machine = MACHINE_ID.iter().find_map(|path| read(Path::new(path)));
    hashed(&machine.unwrap_or_else(|| kept(state_dir)))
}

fn hashed(id: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(OF_THIS_USE);
    hash.update(id.as_bytes());
    short_id(&hash.finalize())
}

/// 32 hexadecimal digits. What stands there while a machine is booted for the first time is none.
fn read(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let id = text.trim().to_ascii_lowercase();
    let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then_some(id)
}

fn kept(state_dir: &Path) -> String {
    let path: PathBuf = state_dir.join("device-id");
    if let Some(id) = read(&path) {
        return id;
    }
    let mut random = [0; 16];
    let made = getrandom::fill(&mut random)
        .map_err(|error| error.to_string())
        .and_then(|()| {
            let id: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
            let written = write_private(&path, format!("{id}\n").as_bytes());
            written.map_err(|error| error.to_string()).map(|()| id)
        });
    made.unwrap_or_else(|error| {
        tracing::warn!(error, path = %path.display(), "this machine has no id and none can be kept: its name with an id in it changes at the next start");
        random.iter().map(|byte| format!("{byte:02x}")).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_hashed_and_stays() {
        let id = "0123456789abcdef0123456789abcdef";
        // printf 'thox: the short id of a device'"'"'s name\0<id>' | sha256sum, its first 40 bits in base32.
        assert_eq!(hashed(id), "mvu5d4y3");
        assert_ne!(hashed(id), hashed("1123456789abcdef0123456789abcdef"));
    }

    #[test]
    fn a_machine_without_an_id_keeps_one() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let first = kept(&state);
        assert_eq!(first.len(), 32);
        assert_eq!(kept(&state), first);
        fs::write(state.join("device-id"), "uninitialized\n").unwrap();
        let second = kept(&state);
        assert_ne!(second, first);
        assert_eq!(read(&state.join("device-id")), Some(second));
    }
}
