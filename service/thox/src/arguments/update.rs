//! `thox update`: the device's own system.

use clap::Subcommand;
use std::path::PathBuf;

/// `thox update`
#[derive(Debug, Subcommand)]
pub(crate) enum UpdateCommand {
    /// What runs, whether an update can be had or is under way, how the last one ended
    Status,
    /// Install an update and show how far it is; it goes on without this command too, and starts with the device's next
    /// restart
    Install {
        /// The URL of a bundle, or on the device itself a bundle's file; without it, the one that is offered
        source: Option<String>,
    },
    /// Why the last update ended as it did, with what the device noted
    Why,
    /// Go back to the system of the other slot, and restart the device
    Rollback {
        /// Do not ask whether it is meant
        #[arg(long, short)]
        yes: bool,
    },
    /// Offer a bundle of this device's, such as one on a USB stick; on the device itself alone
    #[command(hide = true)]
    Offer {
        /// The bundle
        file: PathBuf,
    },
    /// Offer the bundles of a folder no more; on the device itself alone
    #[command(hide = true)]
    Withdraw {
        /// The folder
        folder: PathBuf,
    },
}
