//! A device's TLS key and certificates for it.

use rcgen::{CertificateParams, KeyPair, PublicKeyData as _};
use rustls::{
    ServerConfig,
    crypto::ring::sign::any_supported_type,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    sign::{CertifiedKey, SingleCertAndKey},
};
use sha2::{Digest as _, Sha256};
use std::{fmt::Write as _, sync::Arc};

/// A self-signed certificate and its key.
pub(crate) struct Identity {
    key: KeyPair,
    certificate: rcgen::Certificate,
}

impl Identity {
    pub(crate) fn new() -> Self {
        Self::renewed(KeyPair::generate().unwrap())
    }

    fn renewed(key: KeyPair) -> Self {
        let names = ["thox.local".to_owned(), "127.0.0.1".to_owned()];
        let params = CertificateParams::new(names).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { key, certificate }
    }

    /// The same key in another certificate.
    pub(crate) fn renew(&self) -> Self {
        Self::renewed(KeyPair::try_from(self.key.serialize_der()).unwrap())
    }

    /// The certificate as a file of roots has it.
    pub(crate) fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// SHA-256 of the SubjectPublicKeyInfo, in hexadecimal digits.
    pub(crate) fn fingerprint(&self) -> String {
        let info = self.key.subject_public_key_info();
        let digest = Sha256::digest(info);
        digest.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
    }

    /// Somebody who shows this certificate and does not have its key.
    pub(crate) fn impostor(&self) -> Self {
        Self {
            key: KeyPair::generate().unwrap(),
            certificate: self.certificate.clone(),
        }
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let key = any_supported_type(&key).unwrap();
        // Whether the key fits the certificate is not looked at.
        let shown = CertifiedKey::new(vec![self.certificate.der().clone()], key);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
        Arc::new(config)
    }
}
