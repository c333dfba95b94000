//! Open for asking, closed for changing: who may pass which route with what.

use crate::network::Place;

/// What a route is for. Every route has one; there is none without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Plane {
    /// Answers everyone on the device's network, also while authentication is on: health, and claiming the device.
    Public,
    /// Asking: models, and what they and the router are doing.
    Inference,
    /// Changing the device, and reading what only its owner may.
    Administration,
    /// For whoever is on the device itself, by the control socket alone.
    Device,
}

impl Plane {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Public,
        Self::Inference,
        Self::Administration,
        Self::Device,
    ];
}

/// What a key may be used for, as its record says; what a request says of itself counts for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Right {
    /// Asking.
    Inference,
    /// Asking and changing.
    Administration,
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The control socket; the kernel named its peer, who may change the device.
    ControlSocket,
    /// A program of this machine, over D-Bus: the bus says who may look, polkit who may change.
    Bus,
    /// The network.
    Network(Place),
}

/// What a request brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Credential {
    /// No key.
    None,
    /// A key that is unknown, expired or revoked.
    Bad,
    /// A key that is good; over D-Bus, polkit's yes.
    Good(Right),
}

/// Why a request may not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Denial {
    /// A key is needed.
    KeyNeeded,
    /// The key is not good.
    BadKey,
    /// The key is good, but not for this.
    WrongRight,
    /// From there only with a key.
    TooFar,
    /// Only on the device itself.
    NotHere,
    /// Polkit does not allow it.
    NotAuthorized,
}

/// Whether a request may pass. `is_locked` is `auth.enabled`: asking needs a key on the own network too.
///
/// # Errors
/// [`Denial`]
pub fn decide(
    plane: Plane,
    source: Source,
    credential: Credential,
    is_locked: bool,
) -> Result<(), Denial> {
    let place = match source {
        Source::ControlSocket => return Ok(()),
        Source::Bus => {
            let is_allowed = match plane {
                Plane::Public | Plane::Inference => true,
                Plane::Administration | Plane::Device => {
                    credential == Credential::Good(Right::Administration)
                }
            };
            return is_allowed.then_some(()).ok_or(Denial::NotAuthorized);
        }
        Source::Network(place) => place,
    };
    let is_near = place != Place::Remote;
    match (plane, credential) {
        (Plane::Device, _) => Err(Denial::NotHere),
        (_, Credential::Good(Right::Administration)) => Ok(()),
        (Plane::Administration, Credential::Good(Right::Inference)) => Err(Denial::WrongRight),
        (Plane::Public | Plane::Inference, Credential::Good(Right::Inference)) => Ok(()),
        (Plane::Public, Credential::None | Credential::Bad) if is_near => Ok(()),
        // Clients have to send some key: while none is needed, any is as good as none.
        (Plane::Inference, Credential::None | Credential::Bad) if is_near && !is_locked => Ok(()),
        (_, Credential::Bad) => Err(Denial::BadKey),
        (_, Credential::None) if is_near => Err(Denial::KeyNeeded),
        (_, Credential::None) => Err(Denial::TooFar),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCES: [Source; 5] = [
        Source::ControlSocket,
        Source::Bus,
        Source::Network(Place::Loopback),
        Source::Network(Place::OnLink),
        Source::Network(Place::Remote),
    ];
    const CREDENTIALS: [Credential; 4] = [
        Credential::None,
        Credential::Bad,
        Credential::Good(Right::Inference),
        Credential::Good(Right::Administration),
    ];

    /// All 160 cases against the sentences that users are promised.
    #[test]
    fn every_case_is_as_promised() {
        let mut passed = 0;
        for plane in Plane::ALL {
            for source in SOURCES {
                for credential in CREDENTIALS {
                    for is_locked in [false, true] {
                        let case = format!("{plane:?} {source:?} {credential:?} {is_locked}");
                        let may = decide(plane, source, credential, is_locked);
                        passed += u32::from(may.is_ok());
                        if source == Source::ControlSocket {
                            assert_eq!(may, Ok(()), "{case}: the kernel knows who it is");
                            continue;
                        }
                        let is_admin = credential == Credential::Good(Right::Administration);
                        if source == Source::Bus {
                            let is_asking = matches!(plane, Plane::Public | Plane::Inference);
                            assert_eq!(may.is_ok(), is_asking || is_admin, "{case}: polkit's yes");
                            continue;
                        }
                        let is_good = matches!(credential, Credential::Good(_));
                        if plane == Plane::Device {
                            assert_eq!(may, Err(Denial::NotHere), "{case}");
                        }
                        if plane == Plane::Administration {
                            assert_eq!(
                                may.is_ok(),
                                is_admin,
                                "{case}: nobody changes without right"
                            );
                        }
                        if source == Source::Network(Place::Remote) && !is_good {
                            assert!(may.is_err(), "{case}: nobody from outside without a key");
                        }
                        if plane == Plane::Inference && is_locked {
                            assert_eq!(may.is_ok(), is_good, "{case}: locked");
                        }
                        let is_near = source != Source::Network(Place::Remote);
                        if is_near && plane == Plane::Inference && !is_locked
                            || is_near && plane == Plane::Public
                        {
                            assert_eq!(may, Ok(()), "{case}: open for asking");
                        }
                    }
                }
            }
        }
        let (control, bus) = (32, 16 + 4);
        let (administration, public, inference) = (6, 16 + 4, 12 + 4);
        assert_eq!(passed, control + bus + administration + public + inference);
    }
}
