//! What the device is called after all: each link finds that out for itself, since a name may be free here and taken
//! there.

use std::collections::{BTreeMap, BTreeSet};
use thox_policy::discovery::Called;

/// Which of the device's two names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The one that people are shown, `thox.local`.
    Main,
    /// The one that has the id in it, `thox-k3mzq2xa.local`.
    Stable,
}

/// As the device wants to be called.
pub(super) fn wanted(main: &str, stable: &str) -> Called {
    Called {
        name: main.into(),
        names: BTreeSet::from([main.into(), stable.into()]),
        wished: main.into(),
        trouble: None,
    }
}

/// The names in force, by link.
#[derive(Debug)]
pub(super) struct Names {
    on: BTreeMap<u32, OnLink>,
    called: Called,
}

#[derive(Debug, Default)]
struct OnLink {
    main: Option<Box<str>>,
    stable: Option<Box<str>>,
}

impl Names {
    /// As the device was called so far, while no link has told.
    pub(super) fn so_far(called: Called) -> Self {
        Self {
            on: BTreeMap::new(),
            called,
        }
    }

    /// A name has become the device's on a link.
    pub(super) fn take(&mut self, link: u32, kind: Kind, name: &str) {
        let on_link = self.on.entry(link).or_default();
        let place = match kind {
            Kind::Main => &mut on_link.main,
            Kind::Stable => &mut on_link.stable,
        };
        *place = Some(name.into());
    }

    /// Nothing is told on a link any more.
    pub(super) fn forget(&mut self, link: u32) {
        self.on.remove(&link);
    }

    /// The first link's name is shown. While no link has any, the device is called as before.
    pub(super) fn called(&mut self, trouble: Option<Box<str>>) -> Called {
        self.called.trouble = trouble;
        if let Some(main) = self.on.values().find_map(|on| on.main.clone()) {
            self.called.name = main;
            let names = self.on.values().flat_map(|on| [&on.main, &on.stable]);
            self.called.names = names.flatten().cloned().collect();
        }
        self.called.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(names: &mut Names) -> String {
        let called = names.called(None);
        let all: Vec<&str> = called.names.iter().map(|name| &**name).collect();
        format!("{}: {}", called.name, all.join(" "))
    }

    #[test]
    fn a_name_is_the_devices_once_a_link_has_it() {
        let mut names = Names::so_far(wanted("thox.local", "thox-a.local"));
        let as_wanted = "thox.local: thox-a.local thox.local";
        assert_eq!(shown(&mut names), as_wanted);
        names.take(3, Kind::Stable, "thox-a.local");
        assert_eq!(shown(&mut names), as_wanted, "no main name yet");
        names.take(3, Kind::Main, "thox-2.local");
        let second = "thox-2.local: thox-2.local thox-a.local";
        assert_eq!(shown(&mut names), second);
        names.take(2, Kind::Main, "thox.local");
        assert_eq!(
            shown(&mut names),
            "thox.local: thox-2.local thox-a.local thox.local"
        );
        names.forget(2);
        assert_eq!(shown(&mut names), second);
        names.forget(3);
        assert_eq!(shown(&mut names), second, "as before");
        names.take(3, Kind::Main, "thox.local");
        assert_eq!(shown(&mut names), "thox.local: thox.local");
    }
}
