//! The device's own key, made at the first start and kept, and the certificate it signs for itself.

use super::{
    clock::{RELEASED, is_believable},
    leaf::{Leaf, fingerprint},
    names::{Name, Names},
    problem::CannotServe,
    served::Certified,
};
use crate::state::{make_folder, write_private};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType, SerialNumber,
};
use ring::rand::{SecureRandom as _, SystemRandom};
use rustls::{
    client::verify_server_name,
    crypto::ring::sign::any_supported_type,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject as _},
    server::ParsedCertificate,
    sign::{CertifiedKey, SigningKey},
};
use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};
use time::OffsetDateTime;

const DAY: u64 = 86_400;

/// Apple's systems refuse more than 825 days of any certificate, and 398 of a public authority's: the stricter bound
/// leaves no client to doubt.
const VALID_FOR: u64 = 397 * DAY;

/// A device that is switched on once a month is renewed in time.
const RENEWED_BEFORE_END: u64 = 30 * DAY;

/// A client's clock may be a little behind.
const BACKDATED: u64 = DAY;

const KEY: &str = "key.pem";
const CERTIFICATE: &str = "certificate.pem";

/// The device's key and where it is kept.
pub(super) struct Device {
    folder: PathBuf,
    key: KeyPair,
    signing: Arc<dyn SigningKey>,
}

impl Device {
    /// Reads the key, or makes one. One that cannot be understood is set aside for whoever looks into it: without a new
    /// one the device could not be reached at all.
    pub(super) fn open(folder: PathBuf) -> Result<Self, CannotServe> {
        let kept = folder.join(KEY);
        let state = |path: &PathBuf, cause| CannotServe::State {
            path: path.clone(),
            cause,
        };
        private_folder(&folder).map_err(|cause| state(&folder, cause))?;
        let found = read_private(&kept).map_err(|cause| state(&kept, cause))?;
        let key = match found.as_deref().map(KeyPair::from_pem) {
            Some(Ok(key)) => key,
            unusable => {
                if let Some(Err(error)) = unusable {
                    let aside = folder.join("key.pem.broken");
                    tracing::error!(%error, path = %kept.display(), aside = %aside.display(), "the device's key is of no use and is replaced: clients that pinned it have to pin the new one");
                    fs::rename(&kept, &aside).map_err(|cause| state(&kept, cause))?;
                }
                let key = KeyPair::generate()?;
                write_private(&kept, key.serialize_pem().as_bytes())
                    .map_err(|cause| state(&kept, cause))?;
                key
            }
        };
        let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialized_der()));
        let signing = any_supported_type(&der)?;
        Ok(Self {
            folder,
            key,
            signing,
        })
    }

    /// The certificate that is kept, or a new one where that is of no use.
    pub(super) fn certified(&self, names: &Names, now: u64) -> Result<Certified, CannotServe> {
        let kept = self.kept();
        match kept.filter(|kept| self.is_good(kept, names, now)) {
            Some(kept) => Ok(kept),
            None => self.issue(names, now),
        }
    }

    /// Whether a certificate is of this key, has all these names and is far enough from its end. Names that the device
    /// no longer has are no reason: an interface that comes and goes would renew it each time.
    pub(super) fn is_good(&self, certified: &Certified, names: &Names, now: u64) -> bool {
        let Ok(der) = certified.key.end_entity_cert() else {
            return false;
        };
        let Ok(parsed) = ParsedCertificate::try_from(der) else {
            return false;
        };
        let has = |name: &Name| {
            name.as_server_name()
                .is_some_and(|name| verify_server_name(&parsed, &name).is_ok())
        };
        let leaf = &certified.leaf;
        // A clock that cannot be right is no reason to replace what was made when it was.
        let is_in_time = !is_believable(now)
            || (leaf.not_before <= now && now + RENEWED_BEFORE_END < leaf.not_after);
        let of_this_key = self.signing.public_key();
        of_this_key.is_some_and(|key| key.as_ref() == leaf.key())
            && is_in_time
            && names.iter().all(has)
    }

    /// Signs a new certificate and keeps it. With a clock that cannot be right it begins when this software was made,
    /// so that clients with a right clock take it; it is replaced when the clock has been set.
    pub(super) fn issue(&self, names: &Names, now: u64) -> Result<Certified, CannotServe> {
        if !is_believable(now) {
            tracing::warn!(
                now,
                "the clock is wrong: the certificate begins when this software was made"
            );
        }
        let begin = now.max(RELEASED).saturating_sub(BACKDATED);
        let mut params = CertificateParams::default();
        params.not_before = at(begin);
        params.not_after = at(begin.saturating_add(VALID_FOR));
        params.serial_number = Some(serial_number()?);
        // A name of its own for each key: a client that trusts two devices looks its certificates up by this name.
        let key = self.signing.public_key();
        let fingerprint = key.map(|key| fingerprint(&key)).unwrap_or_default();
        let name = format!("thox {}", fingerprint.get(..16).unwrap_or_default());
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.subject_alt_names = names
            .iter()
            .map(|name| match name {
                Name::Dns(name) => name.as_str().try_into().map(SanType::DnsName),
                Name::Address(address) => Ok(SanType::IpAddress(*address)),
            })
            .collect::<Result<_, rcgen::Error>>()?;
        let certificate = params.self_signed(&self.key)?;
        if let Err(error) =
            write_private(&self.folder.join(CERTIFICATE), certificate.pem().as_bytes())
        {
            tracing::warn!(%error, folder = %self.folder.display(), "the new certificate is not kept: the next start makes another of the same key");
        }
        self.with_key(certificate.der().clone()).ok_or_else(|| {
            rustls::Error::General("a certificate that cannot be read".into()).into()
        })
    }

    fn kept(&self) -> Option<Certified> {
        let path = self.folder.join(CERTIFICATE);
        let read = read_private(&path).and_then(|text| {
            let Some(text) = text else { return Ok(None) };
            let der = CertificateDer::from_pem_slice(text.as_bytes());
            der.map(Some).map_err(io::Error::other)
        });
        match read {
            Ok(der) => self.with_key(der?),
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "the device's certificate is of no use: another is made of the same key");
                None
            }
        }
    }

    fn with_key(&self, der: CertificateDer<'static>) -> Option<Certified> {
        let leaf = Leaf::read(&der)?;
        let key = CertifiedKey::new(vec![der], Arc::clone(&self.signing));
        Some(Certified {
            key: Arc::new(key),
            leaf,
        })
    }
}

/// A folder that was made, or opened to others, by hand is closed.
fn private_folder(folder: &Path) -> io::Result<()> {
    make_folder(folder)?;
    fs::set_permissions(folder, Permissions::from_mode(0o700))
}

/// Reads a file if it is there, and takes it back from everybody else.
fn read_private(path: &Path) -> io::Result<Option<String>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    // What is no text is no PEM either, which is for the reader of the PEM to say.
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// Random: Firefox refuses a second certificate with the issuer and the serial number of one that it knows.
fn serial_number() -> Result<SerialNumber, CannotServe> {
    // RFC 5280, 4.1.2.2: positive, at most 20 bytes; the first bit is the sign.
    let mut bytes = [0; 16];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| rcgen::Error::RingUnspecified)?;
    if let Some(first) = bytes.first_mut() {
        *first = *first & 0x7f | 0x40;
    }
    Ok(SerialNumber::from_slice(&bytes))
}

fn at(seconds: u64) -> OffsetDateTime {
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
