//! The user's own certificate: checked when it is read, and read again when its files change.

use super::{clock::is_believable, leaf::Leaf, problem::CannotServe, served::Certified};
use rustls::{
    crypto::ring::sign::any_supported_type,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::ParsedCertificate,
    sign::CertifiedKey,
};
use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

const CERTIFICATE: &str = "tls.certificate";
const KEY: &str = "tls.key";

/// The two files, and what was seen of them.
pub(super) struct Own {
    certificate: PathBuf,
    key: PathBuf,
    seen: Mutex<Seen>,
}

struct Seen {
    /// As they were when they were last read, well or badly.
    read: Stamps,
    /// As they were at the last look.
    last: Stamps,
}

/// What changes when a file does; `None` for one that is not there.
type Stamps = [Option<(u64, u64, Option<SystemTime>)>; 2];

impl Own {
    pub(super) fn open(
        certificate: &Path,
        key: &Path,
        now: u64,
    ) -> Result<(Self, Certified), CannotServe> {
        // Before they are read: what changes from here on is seen later.
        let stamps = stamps(certificate, key);
        let certified = read(certificate, key)?;
        warn_of_time(&certified.leaf, certificate, now);
        let own = Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            seen: Mutex::new(Seen {
                read: stamps,
                last: stamps,
            }),
        };
        Ok((own, certified))
    }

    /// The new certificate, if the files have changed and are right. If they are wrong that is logged, once.
    pub(super) fn look(&self, now: u64) -> Option<Certified> {
        let stamps = stamps(&self.certificate, &self.key);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // Two files change one after the other: only what has stayed the same from one look to the next is complete.
        let is_settled = seen.last == stamps;
        seen.last = stamps;
        if seen.read == stamps || !is_settled {
            return None;
        }
        seen.read = stamps;
        match read(&self.certificate, &self.key) {
            Ok(certified) => {
                warn_of_time(&certified.leaf, &self.certificate, now);
                Some(certified)
            }
            Err(error) => {
                tracing::error!(%error, "the new certificate is not taken up: the old one stays in force");
                None
            }
        }
    }
}

fn stamps(certificate: &Path, key: &Path) -> Stamps {
    [certificate, key].map(|path| {
        let found = fs::metadata(path).ok()?;
        Some((found.ino(), found.len(), found.modified().ok()))
    })
}

fn read(certificate: &Path, key: &Path) -> Result<Certified, CannotServe> {
    let chain = read_chain(certificate)?;
    let unusable = |cause: &dyn std::fmt::Display, next| CannotServe::Unusable {
        setting: KEY,
        path: key.to_owned(),
        cause: cause.to_string(),
        next,
    };
    let signing = PrivateKeyDer::from_pem_slice(&bytes(KEY, key)?)
        .map_err(|cause| {
            unusable(
                &cause,
                "The file has to begin with a line like -----BEGIN PRIVATE KEY-----, without a password",
            )
        })
        .and_then(|der| {
            any_supported_type(&der)
                .map_err(|cause| unusable(&cause, "Take an ECDSA, RSA or Ed25519 key"))
        })?;
    let leaf = chain.first().and_then(|leaf| Leaf::read(leaf));
    let certified = CertifiedKey::new(chain, signing);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {}
        Err(_) => {
            let cause = format!("it is not the key of the first certificate in {certificate:?}");
            let next = "Name the files of one pair, and put the device's certificate before those of the authority";
            return Err(unusable(&cause, next));
        }
    }
    let leaf = leaf.ok_or_else(|| not_a_certificate(certificate, 1, &"it cannot be read"))?;
    Ok(Certified {
        key: Arc::new(certified),
        leaf,
    })
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, CannotServe> {
    let pem = bytes(CERTIFICATE, path)?;
    let mut chain = Vec::new();
    for der in CertificateDer::pem_slice_iter(&pem) {
        let place = chain.len() + 1;
        let der = der.map_err(|cause| not_a_certificate(path, place, &cause))?;
        ParsedCertificate::try_from(&der)
            .map_err(|cause| not_a_certificate(path, place, &cause))?;
        chain.push(der);
    }
    if chain.is_empty() {
        return Err(not_a_certificate(path, 1, &"there is none in it"));
    }
    Ok(chain)
}

fn not_a_certificate(path: &Path, place: usize, cause: &dyn std::fmt::Display) -> CannotServe {
    CannotServe::Unusable {
        setting: CERTIFICATE,
        path: path.to_owned(),
        cause: format!("certificate number {place} in it: {cause}"),
        next: "The file has to hold X.509 certificates in PEM, each from -----BEGIN CERTIFICATE----- to its END line",
    }
}

fn bytes(setting: &'static str, path: &Path) -> Result<Vec<u8>, CannotServe> {
    fs::read(path).map_err(|cause| CannotServe::Unreadable {
        setting,
        path: path.to_owned(),
        cause,
    })
}

/// Clients judge by their own clock: a certificate out of its time is served all the same.
fn warn_of_time(leaf: &Leaf, path: &Path, now: u64) {
    let path = path.display();
    if leaf.not_after <= now {
        tracing::warn!(%path, expired = leaf.not_after, "the certificate has expired: clients refuse it; put a new one there");
    } else if now < leaf.not_before && is_believable(now) {
        tracing::warn!(%path, begins = leaf.not_before, "the certificate is not valid yet: clients refuse it until it is");
    }
}
