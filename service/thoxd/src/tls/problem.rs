//! Why the encrypted port cannot be served, in words for the person who set it up.

use std::{io, path::PathBuf};

/// Why there is no certificate to serve.
#[derive(Debug, thiserror::Error)]
pub enum CannotServe {
    /// A file of the user's cannot be read.
    #[error(
        "{setting} = {path:?} cannot be read: {cause}. Let the user that thoxd runs as read it, or correct the setting."
    )]
    Unreadable {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's word.
        cause: io::Error,
    },
    /// A file of the user's is not what it should be.
    #[error("{setting} = {path:?} is of no use: {cause}. {next}.")]
    Unusable {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
        /// What to do.
        next: &'static str,
    },
    /// The device's own key cannot be kept.
    #[error(
        "{path:?}, where the device's own key or certificate is kept, cannot be used: {cause}. Let the user that thoxd runs as write below state_dir, or set tls.enabled to false."
    )]
    State {
        /// The file or folder.
        path: PathBuf,
        /// The system's word.
        cause: io::Error,
    },
    /// The device's own certificate cannot be made.
    #[error(
        "the device's own certificate cannot be made: {0}. Set tls.certificate and tls.key, or tls.enabled to false."
    )]
    Made(#[from] rcgen::Error),
    /// TLS refuses what it is given.
    #[error("TLS cannot be set up: {0}. Set tls.enabled to false.")]
    Refused(#[from] rustls::Error),
}
