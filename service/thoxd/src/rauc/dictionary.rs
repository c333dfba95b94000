//! What RAUC tells in dictionaries: of a bundle (`InspectBundle`) and of slots (`GetSlotStatus`).

use std::collections::HashMap;
use thox_policy::update::{Release, Slot};
use zbus::{OwnedVariant, Variant};

/// A dictionary of D-Bus.
pub(super) type Dictionary = HashMap<String, OwnedVariant>;

/// What a signed bundle says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// What is in it.
    pub release: Release,
    /// The board that it is for.
    pub compatible: String,
}

impl Bundle {
    pub(super) fn read(whole: &Dictionary) -> Self {
        let update = whole.get("update");
        let of_update = |name: &str| -> String {
            let within = update.and_then(|update| entry(update, name));
            within.unwrap_or_default()
        };
        Self {
            release: Release {
                version: of_update("version"),
                hash: text(whole, "manifest-hash"),
            },
            compatible: of_update("compatible"),
        }
    }
}

/// The slots that can be booted; `primary` is the name of the one that boots next.
pub(super) fn slots(all: &[(String, Dictionary)], primary: Option<&str>) -> Vec<Slot> {
    let mut slots: Vec<Slot> = all
        .iter()
        .filter_map(|(name, of_slot)| slot(name, of_slot, primary))
        .collect();
    // RAUC keeps them in a hash table.
    slots.sort_by(|one, other| one.name.cmp(&other.name));
    slots
}

fn slot(name: &str, of_slot: &Dictionary, primary: Option<&str>) -> Option<Slot> {
    let version = text(of_slot, "bundle.version");
    let hash = text(of_slot, "bundle.hash");
    let is_known = version.is_some() || hash.is_some();
    Some(Slot {
        name: name.to_owned(),
        boot_name: text(of_slot, "bootname")?,
        is_booted: text(of_slot, "state").as_deref() == Some("booted"),
        is_primary: primary == Some(name),
        is_good: match text(of_slot, "boot-status").as_deref() {
            Some("good") => Some(true),
            Some("bad") => Some(false),
            _ => None,
        },
        is_whole: text(of_slot, "status").as_deref() == Some("ok"),
        release: is_known.then(|| Release {
            version: version.unwrap_or_default(),
            hash,
        }),
    })
}

pub(super) fn text(of: &Dictionary, name: &str) -> Option<String> {
    let value = of.get(name)?.downcast_ref::<&str>().ok()?;
    Some(value.to_owned())
}

/// Per cent and step; the third is how deep the step lies in others.
pub(super) fn progress(of: &Dictionary) -> Option<(u8, String)> {
    let Variant::Structure(whole) = &**of.get("Progress")? else {
        return None;
    };
    let [percent, step, ..] = whole.fields() else {
        return None;
    };
    let percent: i32 = percent.downcast_ref().ok()?;
    let step: &str = step.downcast_ref().ok()?;
    let percent = u8::try_from(percent.clamp(0, 100)).ok()?;
    Some((percent, step.to_owned()))
}

/// A text of a dictionary inside a dictionary. RAUC wraps such a one in one variant more than its description tells.
fn entry(of: &Variant<'_>, name: &str) -> Option<String> {
    match of {
        Variant::Variant(inner) => entry(inner, name),
        Variant::Dict(dict) => {
            let found = dict
                .iter()
                .find(|(key, _)| key.downcast_ref::<&str>().is_ok_and(|key| key == name));
            let (_, value) = found?;
            Some(value.downcast_ref::<&str>().ok()?.to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dictionary<'v>(
        entries: impl IntoIterator<Item = (&'static str, Variant<'v>)>,
    ) -> Dictionary {
        let owned = |(name, value): (&str, Variant<'v>)| {
            (name.to_owned(), OwnedVariant::try_from(value).unwrap())
        };
        entries.into_iter().map(owned).collect()
    }

    #[test]
    fn a_bundle_is_read_however_deep_its_manifest_is_wrapped() {
        let update = || {
            Variant::from(HashMap::from([
                ("compatible", Variant::from("thox-p3768")),
                ("version", Variant::from("1.4.0")),
            ]))
        };
        for update in [
            update(),
            Variant::Variant(Box::new(update())),
            Variant::Variant(Box::new(Variant::Variant(Box::new(update())))),
        ] {
            let hash = ("manifest-hash", Variant::from("00ff"));
            let bundle = Bundle::read(&dictionary([hash, ("update", update)]));
            assert_eq!(bundle.compatible, "thox-p3768");
            assert_eq!(bundle.release.version, "1.4.0");
            assert_eq!(bundle.release.hash.as_deref(), Some("00ff"));
        }
        let bare = Bundle::read(&Dictionary::new());
        assert_eq!((bare.compatible, bare.release.version), Default::default());
    }

    #[test]
    fn progress_is_a_structure_of_three() {
        let of = |percent: i32| {
            progress(&dictionary([(
                "Progress",
                Variant::from((percent, "Copying image to rootfs.1", 3_i32)),
            )]))
        };
        assert_eq!(of(40), Some((40, "Copying image to rootfs.1".to_owned())));
        assert_eq!(of(-1).unwrap().0, 0);
        assert_eq!(progress(&dictionary([("Progress", 3_u32.into())])), None);
        assert_eq!(progress(&Dictionary::new()), None);
    }

    #[test]
    fn slots_are_those_that_boot_in_their_order() {
        let of = |bootname: &'static str, state: &'static str, boot: &'static str| {
            dictionary([
                ("bootname", bootname.into()),
                ("state", state.into()),
                ("boot-status", boot.into()),
            ])
        };
        let mut written = of("B", "inactive", "bad");
        written.extend(dictionary([
            ("bundle.version", "2".into()),
            ("bundle.hash", "ab".into()),
            ("status", "ok".into()),
        ]));
        let all = [
            ("rootfs.1".to_owned(), written),
            ("data.0".to_owned(), dictionary([("class", "data".into())])),
            ("rootfs.0".to_owned(), of("A", "booted", "unknown")),
        ];
        let slots = slots(&all, Some("rootfs.1"));
        let names: Vec<&str> = slots.iter().map(|slot| &*slot.boot_name).collect();
        assert_eq!(names, ["A", "B"]);
        assert!(slots[0].is_booted && !slots[0].is_primary && slots[0].release.is_none());
        assert_eq!((slots[0].is_good, slots[1].is_good), (None, Some(false)));
        assert!(slots[1].is_primary && slots[1].is_whole);
        assert_eq!(slots[1].release.as_ref().unwrap().version, "2");
    }
}
