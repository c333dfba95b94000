//! The short id by which this machine is told from others of its kind: the same for good, and no way back from it to the
//! machine's id or a serial number.

use crate::state::write_private;
use sha2::{Digest as _, Sha256};
use std::{fs, io, path::Path};
use thox_policy::discovery::short_id;

/// Where the machine's id is, as machine-id(5) has it; the second is older than systemd.
const MACHINE_ID: [&str; 2] = ["/etc/machine-id", "/var/lib/dbus/machine-id"];

/// machine-id(5): an application shows a hash of the id with something of its own in it, never the id.
const OF_THIS_USE: &[u8] = b"thox: the short id of a device's name\0";

/// The file in the state folder with the id of a machine that has none of its own, or was reset.
pub const FILE: &str = "device-id";

/// The short id of this machine: by the id that is kept in `state_dir`, which a factory reset makes anew, else by the
/// machine's own. One that has none gets one, which is kept.
#[must_use]
pub fn of_machine(state_dir: &Path) -> String {
    let own = || MACHINE_ID.iter().find_map(|path| read(Path::new(path)));
    let kept_before = read(&state_dir.join(FILE));
    hashed(&kept_before.or_else(own).unwrap_or_else(|| kept(state_dir)))
}

/// Has the device known by another id from the next start on: who owned it shall not find it again by the old one.
///
/// # Errors
/// The system's reason; the old id stays.
pub fn renew(state_dir: &Path) -> io::Result<()> {
    let id = hexadecimal(random()?);
    write_private(&state_dir.join(FILE), format!("{id}\n").as_bytes())
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
    let path = state_dir.join(FILE);
    if let Some(id) = read(&path) {
        return id;
    }
    if let Err(error) = renew(state_dir) {
        tracing::warn!(%error, path = %path.display(), "this machine has no id and none can be kept: its name with an id in it changes at the next start");
    }
    read(&path).unwrap_or_else(|| hexadecimal(random().unwrap_or_default()))
}

fn random() -> io::Result<[u8; 16]> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    Ok(random)
}

fn hexadecimal(bytes: [u8; 16]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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
    fn a_reset_makes_it_another_device() {
        let folder = tempfile::tempdir().unwrap();
        let before = of_machine(folder.path());
        renew(folder.path()).unwrap();
        let after = of_machine(folder.path());
        assert_ne!(after, before);
        assert_eq!(of_machine(folder.path()), after, "for good");
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
