//! `thox auth`, `thox api-key`, `thox claim` and what else is about who may do what.

use super::lifetime;
use crate::{fingerprint::Fingerprint, secret::Secret};
use clap::{Args, Subcommand, ValueEnum};
use std::{path::PathBuf, time::Duration};
use thox_api::{Class, Scope};

/// `thox auth`
#[derive(Debug, Subcommand)]
pub(crate) enum AuthCommand {
    /// Whether asking models needs a key, whether the device is claimed, how many keys there are
    Status,
    /// Answer nobody without a key from now on
    Enable,
    /// Answer everybody on the device's own network without a key again
    Disable,
    /// Make a key; it alone is printed, and only this once: KEY=$(thox auth generate-key --name ci)
    GenerateKey {
        /// What it is for, by which it is found again
        #[arg(long)]
        name: String,
        #[command(flatten)]
        options: KeyOptions,
    },
    /// List the keys
    ListKeys,
    /// Refuse a key from now on
    RevokeKey {
        /// The key's name, id or first characters
        key: Secret,
    },
    /// Replace a key by a new one with the same rights, which is printed; the old one is refused from now on
    RotateKey {
        /// The key's name, id or first characters
        key: Secret,
    },
}

/// `thox api-key`
#[derive(Debug, Subcommand)]
pub(crate) enum ApiKeyCommand {
    /// Make a key; it alone is printed, and only this once
    Generate {
        /// What it is for, by which it is found again; without it, this user and machine
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        options: KeyOptions,
    },
}

/// `thox data`
#[derive(Debug, Subcommand)]
pub(crate) enum DataCommand {
    /// Delete what the device has kept of requests: the audit log and the last decisions
    Clear {
        /// Do not ask whether it is meant
        #[arg(long, short)]
        yes: bool,
    },
}

/// `thox claim`
#[derive(Debug, Args)]
pub(crate) struct ClaimArguments {
    /// The device's claim code; without it, it is asked for or read from the standard input
    pub(crate) code: Option<String>,
    /// What the admin key is called; without it, this user and machine
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// With https: the fingerprint that the device shows beside its code; without it, the one seen is shown and asked about
    #[arg(long)]
    pub(crate) fingerprint: Option<Fingerprint>,
}

/// `thox claim-code`
#[derive(Debug, Args)]
pub(crate) struct ClaimCodeArguments {
    /// Show a QR code too, by which a telephone opens the page on which the device is claimed
    #[arg(long)]
    pub(crate) qr: bool,
    /// Write code, address, fingerprint and QR code to these terminals instead, and nothing once the device is claimed;
    /// without a TTY, to the machine's console and its screen. What the device does when it boots
    #[arg(long, value_name = "TTY", num_args = 0.., conflicts_with = "qr")]
    pub(crate) console: Option<Vec<PathBuf>>,
    /// With --console: how long to wait for a thoxd that is not there yet
    #[arg(long, value_name = "TIME", value_parser = lifetime::parse, default_value = "60s", requires = "console")]
    pub(crate) wait: Duration,
}

/// `thox reset`
#[derive(Debug, Args)]
pub(crate) struct ResetArguments {
    /// The device's name, which is asked for otherwise: it says which device is meant
    #[arg(long, value_name = "NAME")]
    pub(crate) yes: Option<String>,
    /// Models and what engines keep may stay
    #[arg(long)]
    pub(crate) keep_models: bool,
}

/// `thox trust`
#[derive(Debug, Args)]
pub(crate) struct TrustArguments {
    /// The fingerprint that the device itself shows (thox status); without it, the one seen is shown and asked about
    pub(crate) fingerprint: Option<Fingerprint>,
}

/// What a new key may do.
#[derive(Debug, Args)]
pub(crate) struct KeyOptions {
    /// What it may be used for: asking models, or changing the device too
    #[arg(long, value_enum, default_value_t = ScopeName::Inference)]
    pub(crate) scope: ScopeName,
    /// How long it is good for: 90d, 12h, 2w, 1y; without it, for ever
    #[arg(long, value_name = "TIME", value_parser = lifetime::parse)]
    pub(crate) expires: Option<Duration>,
    /// Requests a minute that it may make; without it, any number
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rpm: Option<u32>,
    /// Tokens a minute, of prompts and replies together; without it, any number
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) tpm: Option<u32>,
    /// Whose requests go first: somebody waits for these, or nobody does
    #[arg(long, value_enum, default_value_t = ClassName::Interactive)]
    pub(crate) class: ClassName,
}

/// [`Scope`] as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScopeName {
    Inference,
    Admin,
}

/// [`Class`] as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ClassName {
    Interactive,
    Batch,
}

impl From<ScopeName> for Scope {
    fn from(name: ScopeName) -> Self {
        match name {
            ScopeName::Inference => Self::Inference,
            ScopeName::Admin => Self::Admin,
        }
    }
}

impl From<ClassName> for Class {
    fn from(name: ClassName) -> Self {
        match name {
            ClassName::Interactive => Self::Interactive,
            ClassName::Batch => Self::Batch,
        }
    }
}
