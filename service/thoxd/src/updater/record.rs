//! The machine on the disk: `update.json` in `state_dir`.

use crate::state::{rename, write_private};
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use thox_policy::update::Machine;

/// Where it is.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) file: PathBuf,
}

impl Record {
    pub(super) fn in_folder(state: &Path) -> Self {
        Self {
            file: state.join("update.json"),
        }
    }

    /// One that cannot be read is put aside and told of: what is installed is seen without it.
    pub(super) fn read(&self) -> Machine {
        let read = match fs::read(&self.file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Machine::default(),
            Err(error) => Err(error),
        };
        read.unwrap_or_else(|error| {
            let aside = self.file.with_extension("json.unreadable");
            let moved = rename(&self.file, &aside);
            tracing::error!(%error, file = %self.file.display(), is_aside = moved.is_ok(), "what is known of updates cannot be read: an update under way, and which releases failed here, are forgotten");
            Machine::default()
        })
    }

    pub(super) fn write(&self, machine: &Machine) -> io::Result<()> {
        let bytes = serde_json::to_vec(machine)?;
        write_private(&self.file, &bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use thox_policy::update::Release;

    #[test]
    fn what_cannot_be_read_is_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        let record = Record::in_folder(folder.path());
        assert_eq!(record.read(), Machine::default());
        let machine = Machine {
            failed: vec![Release {
                version: "2".to_owned(),
                hash: None,
            }],
            ..Machine::default()
        };
        record.write(&machine).unwrap();
        assert_eq!(record.read(), machine);
        fs::write(&record.file, "{\"state\":").unwrap();
        assert_eq!(record.read(), Machine::default());
        assert!(!record.file.exists());
        let aside = folder.path().join("update.json.unreadable");
        assert_eq!(fs::read(aside).unwrap(), b"{\"state\":");
    }
}
