//! The device's identity on the encrypted port: a certificate that is replaced in place, and what clients pin.
//!
//! - [`Tls`]: the certificate in force, whoever made it; `served`: how handshakes find it.
//! - `device`: the device's own key and the certificate it signs for itself.
//! - `own`: the user's own certificate, taken up again when its files change.
//! - `names`: what a certificate is for; `leaf`: what a certificate says of itself.
//! - `clock`: the time, and whether to believe it.
//! - `problem`: why the port cannot be served.

mod clock;
mod device;
mod leaf;
mod names;
mod own;
mod problem;
mod served;
#[cfg(test)]
mod tests;

pub use names::Names;
pub use problem::CannotServe;

use crate::{settings, state::remove_folder};
use clock::now;
use device::Device;
use own::Own;
use rustls::ServerConfig;
use served::{Certified, Served};
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// The protocols inside TLS, the preferred first (RFC 7301).
const PROTOCOLS: [&[u8]; 2] = [HTTP2, b"http/1.1"];

/// HTTP/2's name in a handshake (RFC 9113, 3.2).
pub const HTTP2: &[u8] = b"h2";

/// Between two looks at the certificate's files and its end. Each is two `stat`s; a person waits this long after `cp`.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The certificate in force. Clones are the same.
#[derive(Clone)]
pub struct Tls(Arc<Shared>);

struct Shared {
    config: Arc<ServerConfig>,
    served: Arc<Served>,
    source: Source,
}

enum Source {
    Device(Mutex<Kept>),
    Own(Own),
}

/// The device's own key, and what its certificate has to be for.
struct Kept {
    device: Device,
    names: Names,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tls({})", self.fingerprint())
    }
}

impl Tls {
    /// Reads the user's certificate, or the device's own from `state_dir/tls`, which is made for `names` where it is
    /// missing or of no use any more.
    ///
    /// # Errors
    /// [`CannotServe`] names the file and the cause.
    pub fn open(
        settings: &settings::Tls,
        state_dir: &Path,
        names: Names,
    ) -> Result<Self, CannotServe> {
        let (source, certified) = match (&settings.certificate, &settings.key) {
            (Some(certificate), Some(key)) => {
                let (own, certified) = Own::open(certificate, key, now())?;
                (Source::Own(own), certified)
            }
            (None, _) | (_, None) => {
                let device = Device::open(folder(state_dir))?;
                let certified = device.certified(&names, now())?;
                (
                    Source::Device(Mutex::new(Kept { device, names })),
                    certified,
                )
            }
        };
        let served = Arc::new(Served::new(certified));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&served) as _);
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok(Self(Arc::new(Shared {
            config: Arc::new(config),
            served,
            source,
        })))
    }

    /// What a listener needs for its handshakes; it sees every later certificate.
    #[must_use]
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.config)
    }

    /// The device's names and addresses have changed: where its certificate lacks one of them, a new one of the same
    /// key serves the next handshake. A user's own certificate stays as it is. It waits for the disk where one is made.
    pub fn set_names(&self, names: Names) {
        let Source::Device(kept) = &self.0.source else {
            return;
        };
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.names = names;
        self.renew(&kept, now());
    }

    /// Deletes the device's own key and makes another, with which the next handshake is answered; a user's own
    /// certificate is served on. Waits for the disk.
    ///
    /// # Errors
    /// The old key cannot be deleted or the new one not be kept; the old one is served on.
    pub fn forget_key(&self, state_dir: &Path) -> Result<(), CannotServe> {
        let folder = folder(state_dir);
        let remove = || {
            remove_folder(&folder).map_err(|cause| CannotServe::State {
                path: folder.clone(),
                cause,
            })
        };
        let Source::Device(kept) = &self.0.source else {
            return remove().map(drop);
        };
        // Held, so that nobody renews the old certificate into the folder that goes.
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        remove()?;
        kept.device = Device::open(folder)?;
        self.serve(kept.device.issue(&kept.names, now())?);
        Ok(())
    }

    /// SHA-256 over the key (the certificate's SubjectPublicKeyInfo, as in RFC 7469) in 64 hexadecimal digits; the same
    /// before and after a renewal.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.0.served.current().leaf.fingerprint()
    }

    /// Whether the certificate is of the device's own making, and not the user's.
    #[must_use]
    pub fn is_of_device(&self) -> bool {
        matches!(self.0.source, Source::Device(_))
    }

    /// Whether nobody but its own key vouches for the certificate.
    #[must_use]
    pub fn is_self_signed(&self) -> bool {
        self.0.served.current().leaf.is_self_signed
    }

    /// When the certificate ends, in seconds since 1970.
    #[must_use]
    pub fn expires(&self) -> u64 {
        self.0.served.current().leaf.not_after
    }

    /// Renews the device's certificate before its end and takes up the user's when its files change, as long as it runs.
    pub async fn keep(self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            self.look(now());
        }
    }

    fn look(&self, now: u64) {
        match &self.0.source {
            Source::Device(kept) => {
                let kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                self.renew(&kept, now);
            }
            Source::Own(own) => {
                if let Some(certified) = own.look(now) {
                    self.serve(certified);
                }
            }
        }
    }

    fn renew(&self, kept: &Kept, now: u64) {
        let Kept { device, names } = kept;
        if device.is_good(&self.0.served.current(), names, now) {
            return;
        }
        match device.issue(names, now) {
            Ok(certified) => self.serve(certified),
            Err(error) => tracing::error!(%error, "the certificate could not be renewed"),
        }
    }

    fn serve(&self, certified: Certified) {
        self.0.served.set(certified);
        tracing::info!(
            fingerprint = self.fingerprint(),
            expires = self.expires(),
            "a new certificate is in force"
        );
    }
}

/// Where the device's own key is.
#[must_use]
pub fn folder(state_dir: &Path) -> PathBuf {
    state_dir.join("tls")
}
