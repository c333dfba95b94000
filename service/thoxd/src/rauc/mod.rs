//! RAUC, which writes systems into slots and says whose a bundle is: `de.pengutronix.rauc` on D-Bus.
//!
//! - [`installer`]: its object, as much of it as thoxd uses, by its own description
//!   (`de.pengutronix.rauc.Installer.xml`, RAUC 1.13 to 1.15).
//! - `dictionary`: what it tells in dictionaries.

mod dictionary;
pub mod installer;

pub use dictionary::Bundle;
pub use installer::{Installer, News, Properties};
