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

use crate::settings;
use clock::now;
use device::Device;
use own::Own;
use rustls::ServerConfig;
use served::{Certified, Served};
use std::{
    fmt,
    path::Path,
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
    Device { device: Device, names: Mutex<Names> },
    Own(Own),
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
                let device = Device::open(state_dir.join("tls"))?;
                let certified = device.certified(&names, now())?;
                let names = Mutex::new(names);
                (Source::Device { device, names }, certified)
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
        let Source::Device {
            device,
            names: current,
        } = &self.0.source
        else {
            return;
        };
        let mut current = current.lock().unwrap_or_else(PoisonError::into_inner);
        *current = names;
        self.renew(device, &current, now());
    }

    /// SHA-256 over the key (the certificate's SubjectPublicKeyInfo, as in RFC 7469) in 64 hexadecimal digits; the same
    /// before and after a renewal.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.0.served.current().leaf.fingerprint()
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
            Source::Device { device, names } => {
                let names = names.lock().unwrap_or_else(PoisonError::into_inner);
                self.renew(device, &names, now);
            }
            Source::Own(own) => {
                if let Some(certified) = own.look(now) {
                    self.serve(certified);
                }
            }
        }
    }

    fn renew(&self, device: &Device, names: &Names, now: u64) {
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
