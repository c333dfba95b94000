//! Whether the device or a person runs the program, and the folders that follow from it.

use std::{collections::BTreeMap, path::PathBuf};

/// Who runs the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Account {
    /// The device itself: root or the system user `thox`.
    System,
    /// Anybody else: a developer on a PC.
    Person,
}

impl Account {
    /// The account of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let user = nix::unistd::Uid::effective();
        let is_thox = || {
            nix::unistd::User::from_uid(user)
                .is_ok_and(|found| found.is_some_and(|found| found.name == "thox"))
        };
        if user.is_root() || is_thox() {
            Self::System
        } else {
            Self::Person
        }
    }

    /// Where state is kept when no setting says otherwise: `/var/lib/thox` on the device, `$XDG_STATE_HOME/thox` or
    /// `~/.local/state/thox` for a person.
    pub(super) fn state_dir(self, environment: &BTreeMap<String, String>) -> PathBuf {
        let system = PathBuf::from("/var/lib/thox");
        match self {
            Self::System => system,
            Self::Person => base_folder(environment, "XDG_STATE_HOME", ".local/state")
                .map_or(system, |folder| folder.join("thox")),
        }
    }

    /// Where the control socket is when no setting says otherwise: `/run/thox/control.sock` on the device,
    /// `$XDG_RUNTIME_DIR/thox/control.sock` for a person, none where no such folder is given.
    #[must_use]
    pub fn control_socket(self, environment: &BTreeMap<String, String>) -> Option<PathBuf> {
        match self {
            Self::System => Some(PathBuf::from("/run/thox/control.sock")),
            Self::Person => {
                let folder = PathBuf::from(environment.get("XDG_RUNTIME_DIR")?);
                folder
                    .is_absolute()
                    .then(|| folder.join("thox/control.sock"))
            }
        }
    }

    /// Whether it is on the machine's message bus when no setting says otherwise: a person's may not have the name there.
    pub(super) fn is_on_bus(self) -> bool {
        self == Self::System
    }

    /// The person's own settings file; the device has none.
    pub(super) fn config_file(self, environment: &BTreeMap<String, String>) -> Option<PathBuf> {
        match self {
            Self::System => None,
            Self::Person => base_folder(environment, "XDG_CONFIG_HOME", ".config")
                .map(|folder| folder.join("thox/config.toml")),
        }
    }
}

/// A folder of the XDG base directory specification; it says that a relative one is to be ignored.
fn base_folder(
    environment: &BTreeMap<String, String>,
    variable: &str,
    below_home: &str,
) -> Option<PathBuf> {
    let absolute = |name: &str| {
        environment
            .get(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute(variable).or_else(|| absolute("HOME").map(|home| home.join(below_home)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn a_person_keeps_state_at_home_and_the_device_does_not() {
        let home = environment(&[("HOME", "/home/ada")]);
        let xdg = environment(&[("HOME", "/home/ada"), ("XDG_STATE_HOME", "/data/state")]);
        let relative = environment(&[("HOME", "/home/ada"), ("XDG_STATE_HOME", "state")]);
        for (account, environment, expected) in [
            (Account::System, &xdg, "/var/lib/thox"),
            (Account::Person, &home, "/home/ada/.local/state/thox"),
            (Account::Person, &xdg, "/data/state/thox"),
            (Account::Person, &relative, "/home/ada/.local/state/thox"),
            (Account::Person, &BTreeMap::new(), "/var/lib/thox"),
        ] {
            assert_eq!(account.state_dir(environment), PathBuf::from(expected));
        }
        assert_eq!(Account::System.config_file(&home), None);
        assert_eq!(
            Account::Person.config_file(&home),
            Some(PathBuf::from("/home/ada/.config/thox/config.toml"))
        );
    }
}
