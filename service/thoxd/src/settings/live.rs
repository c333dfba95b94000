//! The settings of the daemon that runs: what it has, what the files say by now, and changes to these, one at a time.

use super::{
    edit::{Edit, EditError, edit_own},
    explain::{Explanation, Loaded, UnknownKey},
    key::Key,
    problem::Problems,
    shape::Settings,
    sources::Sources,
};
use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

/// The settings of the daemon that runs.
#[derive(Debug)]
pub struct Live {
    sources: Sources,
    /// What it was started with.
    started_with: Loaded,
    /// Held while a file is read, changed and written, so that of two changes none is lost.
    turn: Mutex<()>,
    /// What counts now of all that is changed at once.
    in_force: Mutex<Loaded>,
}

/// What a reload has changed, by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// What counts now.
    pub at_once: Vec<String>,
    /// What counts after a restart, this reload's and those before.
    pub waiting: Vec<String>,
}

/// When a change counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// With the next request.
    AtOnce,
    /// With the next start.
    Restart,
}

/// One setting, as the files have it and as the daemon has it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// As the files have it.
    pub explanation: Explanation,
    /// When a change counts.
    pub effect: Effect,
    /// Whether the daemon has another value until it is started anew.
    pub is_waiting: bool,
}

/// Why a setting is not told or not changed.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// There is none of that key.
    #[error(transparent)]
    Unknown(#[from] UnknownKey),
    /// It was not changed.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// The settings as they stand are not valid, before any change.
    #[error("the settings files are not valid: {0}")]
    Files(Problems),
}

/// What is changed while the daemon runs: keys, and tables with all that is in them. The others are sockets, the engines'
/// connections and slots, and what the certificate is made for.
const AT_ONCE: [&str; 8] = [
    "auth.enabled",
    "auth.allowed_hosts",
    "auth.allowed_origins",
    "auth.trusted_networks",
    "limits.remote_requests_per_minute",
    "log.level",
    "models",
    "router",
];

impl Live {
    /// What the daemon was started with, and from where.
    #[must_use]
    pub fn new(sources: Sources, started_with: Loaded) -> Self {
        Self {
            sources,
            in_force: Mutex::new(started_with.clone()),
            started_with,
            turn: Mutex::default(),
        }
    }

    /// Whether a start now would find settings that are valid.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn check(&self) -> Result<(), Refused> {
        self.load().map(drop)
    }

    /// All settings, by key.
    ///
    /// # Errors
    /// The files are not valid.
    pub fn list(&self) -> Result<Vec<Entry>, Refused> {
        let loaded = self.load()?;
        let all = loaded.within(&Key::default())?;
        Ok(all.into_iter().map(|one| self.entry(one)).collect())
    }

    /// One setting.
    ///
    /// # Errors
    /// There is none of that key, or the files are not valid.
    pub fn get(&self, key: &Key) -> Result<Entry, Refused> {
        Ok(self.entry(self.load()?.explain(key)?))
    }

    /// Changes a setting in the file that belongs to it; gives all of them, and this one, as the files have them then.
    ///
    /// # Errors
    /// Nothing is written then.
    pub fn change(&self, key: &Key, edit: &Edit) -> Result<(Loaded, Entry), Refused> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.load()?.explain(key);
        if let (Edit::Unset, Err(unknown)) = (edit, &before) {
            // Taking out what is no setting would pass for success.
            return Err(unknown.clone().into());
        }
        let loaded = edit_own(&self.sources, key, edit)?;
        let now = match (loaded.explain(key), before) {
            (Ok(now), _) => now,
            // A name that was chosen is gone with its value.
            (Err(_), Ok(before)) => before.taken_out(),
            (Err(unknown), Err(_)) => return Err(unknown.into()),
        };
        Ok((loaded, self.entry(now)))
    }

    /// Why a setting is not changed over the network, if it is not.
    ///
    /// # Errors
    /// The files are not valid.
    pub fn fixed(&self, key: &Key) -> Result<Option<Fixed>, Refused> {
        if names_a_file(key) {
            return Ok(Some(Fixed::File));
        }
        if let [section, _, field] = key.segments()
            && section == "engines"
            && field == "unit"
        {
            return Ok(Some(Fixed::Unit));
        }
        if let [section, engine, field] = key.segments()
            && section == "engines"
            && field == "url"
        {
            let secret = Key::from(vec![
                section.clone(),
                engine.clone(),
                "api_key_file".to_owned(),
            ]);
            let has_secret =
                |loaded: &Loaded| loaded.explain(&secret).is_ok_and(|of| of.value.is_some());
            if has_secret(&self.load()?) || has_secret(&self.started_with) {
                return Ok(Some(Fixed::Secret));
            }
        }
        Ok(None)
    }

    /// The file that is thoxd's own; none where a person's takes its place.
    #[must_use]
    pub fn own_drop_in(&self) -> Option<PathBuf> {
        self.sources.own_drop_in()
    }

    /// Does `work` while no setting is being changed.
    pub fn alone<T>(&self, work: impl FnOnce() -> T) -> T {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        work()
    }

    /// The settings as a start now would find them.
    ///
    /// # Errors
    /// They are not valid.
    pub fn load(&self) -> Result<Loaded, Refused> {
        Settings::load(&self.sources).map_err(Refused::Files)
    }

    /// Notes that of these settings everything that is changed at once counts now; tells what that is, and what waits.
    pub fn is_in_force(&self, loaded: Loaded) -> Changes {
        let mut in_force = self.in_force.lock().unwrap_or_else(PoisonError::into_inner);
        let (at_once, _) = differences(&in_force, &loaded);
        let (_, waiting) = differences(&self.started_with, &loaded);
        *in_force = loaded;
        Changes { at_once, waiting }
    }

    fn entry(&self, explanation: Explanation) -> Entry {
        let value_in = |loaded: &Loaded| loaded.explain(&explanation.key).ok()?.value;
        let effect = effect_of(&explanation.key);
        let now = match effect {
            Effect::AtOnce => {
                value_in(&self.in_force.lock().unwrap_or_else(PoisonError::into_inner))
            }
            Effect::Restart => value_in(&self.started_with),
        };
        Entry {
            is_waiting: now != explanation.value,
            effect,
            explanation,
        }
    }
}

/// Why a setting is changed on the device alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fixed {
    /// It names a file or a folder of the device: whoever could set it over the network could have any file that thoxd
    /// can read sent to an engine of his own, or another written over.
    File,
    /// It says where a key of the device is sent.
    Secret,
    /// It names a service of the device: whoever could set it over the network could have any of them stopped that thoxd
    /// may stop.
    Unit,
}

/// When a change of this key counts.
#[must_use]
pub fn effect_of(key: &Key) -> Effect {
    let key = key.to_string();
    let counts = |name: &str| {
        key.strip_prefix(name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    if AT_ONCE.into_iter().any(counts) {
        Effect::AtOnce
    } else {
        Effect::Restart
    }
}

/// The keys that have another value: those that are changed at once, and the others.
fn differences(before: &Loaded, after: &Loaded) -> (Vec<String>, Vec<String>) {
    let keys: BTreeSet<&Key> = before.keys().chain(after.keys()).collect();
    let value = |loaded: &Loaded, key: &Key| loaded.explain(key).ok()?.value;
    let changed = keys
        .into_iter()
        .filter(|key| value(before, key) != value(after, key));
    let (at_once, others): (Vec<&Key>, Vec<&Key>) =
        changed.partition(|key| effect_of(key) == Effect::AtOnce);
    let names = |keys: Vec<&Key>| keys.into_iter().map(Key::to_string).collect();
    (names(at_once), names(others))
}

fn names_a_file(key: &Key) -> bool {
    let names: Vec<&str> = key.segments().iter().map(String::as_str).collect();
    matches!(
        names.as_slice(),
        ["state_dir"]
            | ["server", "control_socket"]
            | ["tls", "certificate" | "key"]
            | ["update", "folder"]
            | ["engines", _, "api_key_file"]
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Account;
    use std::collections::BTreeMap;

    #[test]
    fn what_was_changed_waits_for_a_restart_and_what_is_no_setting_is_told() {
        let root = tempfile::tempdir().unwrap();
        let sources = Sources {
            config: None,
            set: Vec::new(),
            environment: BTreeMap::new(),
            account: Account::System,
            root: root.path().to_owned(),
        };
        let live = Live::new(sources.clone(), Settings::load(&sources).unwrap());
        let key = |text: &str| text.parse::<Key>().unwrap();
        assert!(live.list().unwrap().iter().all(|one| !one.is_waiting));
        for (name, value, is_waiting) in [
            ("server.max_body", "1MiB", true),
            ("auth.enabled", "true", false),
        ] {
            let (loaded, now) = live.change(&key(name), &Edit::typed(value)).unwrap();
            assert!(now.is_waiting, "{name}");
            let changes = live.is_in_force(loaded);
            assert_eq!(changes.waiting, ["server.max_body"]);
            assert_eq!(changes.at_once.is_empty(), is_waiting, "{name}");
            let now = live.get(&key(name)).unwrap();
            assert_eq!(now.is_waiting, is_waiting, "{name}");
            assert_eq!(now.explanation.plain(), value);
        }
        live.change(&key("server.max_body"), &Edit::Unset).unwrap();
        assert!(!live.get(&key("server.max_body")).unwrap().is_waiting);
        let own = key("models.thox-coder.mine");
        let engine = [
            ("engines.mine.kind", "openai"),
            ("engines.mine.url", "http://127.0.0.1:1"),
        ];
        let text: Vec<String> = engine
            .iter()
            .map(|(name, value)| format!("{name} = \"{value}\"\n"))
            .collect();
        std::fs::write(sources.file_to_edit(), text.concat()).unwrap();
        live.change(&own, &Edit::typed("coder")).unwrap();
        let (_, gone) = live.change(&own, &Edit::Unset).unwrap();
        assert_eq!(gone.explanation.json(), serde_json::Value::Null);
        for edit in [Edit::Unset, Edit::typed("1")] {
            let error = live
                .change(&key("log.levl"), &edit)
                .unwrap_err()
                .to_string();
            assert!(error.contains("did you mean log.level?"), "{error}");
        }
        std::fs::write(sources.file_to_edit(), "[log]\nlevel = 7\n").unwrap();
        assert!(matches!(live.check(), Err(Refused::Files(_))));
    }

    #[test]
    fn tables_and_keys_count_at_once() {
        for (name, effect) in [
            ("auth.enabled", Effect::AtOnce),
            ("auth.allowed_hosts", Effect::AtOnce),
            ("router.circuit.failures", Effect::AtOnce),
            ("models.thox-coder.ollama", Effect::AtOnce),
            ("log.level", Effect::AtOnce),
            ("engines.ollama.url", Effect::Restart),
        ] {
            assert_eq!(effect_of(&name.parse().unwrap()), effect, "{name}");
        }
    }

    #[test]
    fn where_a_key_is_sent_is_for_the_device_alone() {
        let root = tempfile::tempdir().unwrap();
        let sources = Sources {
            config: None,
            set: Vec::new(),
            environment: BTreeMap::new(),
            account: Account::System,
            root: root.path().to_owned(),
        };
        let live = Live::new(sources.clone(), Settings::load(&sources).unwrap());
        let text = "[engines.open]\nkind = \"openai\"\nurl = \"http://127.0.0.1:1\"\n[engines.locked]\nkind = \"openai\"\nurl = \"http://127.0.0.1:2\"\napi_key_file = \"/etc/thox/key\"\n";
        let file = sources.file_to_edit();
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
        for (key, fixed) in [
            ("engines.open.url", None),
            ("engines.open.unit", Some(Fixed::Unit)),
            ("engines.locked.url", Some(Fixed::Secret)),
            ("engines.locked.slots", None),
            ("engines.locked.api_key_file", Some(Fixed::File)),
        ] {
            assert_eq!(live.fixed(&key.parse().unwrap()).unwrap(), fixed, "{key}");
        }
    }

    #[test]
    fn paths_are_for_the_device_alone() {
        let all = Settings::load(&Sources {
            config: None,
            set: Vec::new(),
            environment: BTreeMap::new(),
            account: Account::System,
            root: "/nonexistent".into(),
        })
        .unwrap();
        // What reads as a path but is the address of an engine, `unix:/…`, leads to a socket and to no file's content.
        let paths: Vec<String> = all
            .keys()
            .filter(|key| names_a_file(key))
            .map(Key::to_string)
            .collect();
        assert_eq!(
            paths,
            [
                "engines.ollama.api_key_file",
                "engines.starter.api_key_file",
                "server.control_socket",
                "state_dir",
                "tls.certificate",
                "tls.key",
                "update.folder",
            ]
        );
    }
}
