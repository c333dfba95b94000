//! The slots of the device, as RAUC tells of them, and what can be read off them.

use super::Release;

/// One slot with a system of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    /// RAUC's name for it, `rootfs.0`.
    pub name: String,
    /// The bootloader's, `A`.
    pub boot_name: String,
    /// Whether it runs.
    pub is_booted: bool,
    /// Whether it boots next.
    pub is_primary: bool,
    /// Whether the bootloader takes it; none where that is not known.
    pub is_good: Option<bool>,
    /// Whether all that was written to it is there.
    pub is_whole: bool,
    /// What was written to it by an update.
    pub release: Option<Release>,
}

/// The slot that an installation of `release` has written and made the next one to boot, if it came so far.
#[must_use]
pub fn holding<'s>(slots: &'s [Slot], release: &Release) -> Option<&'s Slot> {
    slots.iter().find(|slot| {
        let holds = slot.release.as_ref();
        !slot.is_booted
            && slot.is_primary
            && slot.is_whole
            && holds.is_some_and(|held| held.is_same(release))
    })
}

/// The slot that could run in place of the present one; none where there is not exactly one.
#[must_use]
pub fn other_than_booted(slots: &[Slot]) -> Option<&Slot> {
    let mut others = slots.iter().filter(|slot| !slot.is_booted);
    let other = others.next()?;
    let is_one_booted = slots.iter().any(|slot| slot.is_booted);
    (others.next().is_none() && is_one_booted).then_some(other)
}
