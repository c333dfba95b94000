//! Judges a device's certificate within the TLS handshake, and remembers what it was shown.

use super::tls::{Certificate, Trust};
use crate::fingerprint::Fingerprint;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{
        CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use std::sync::{Arc, OnceLock};
use webpki::EndEntityCert;

/// For one handshake.
#[derive(Debug)]
pub(super) struct Verifier {
    trust: Trust,
    /// None where this system has no roots.
    system: Option<Arc<WebPkiServerVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
    shown: OnceLock<Certificate>,
    objection: OnceLock<String>,
}

impl Verifier {
    pub(super) fn new(trust: Trust, provider: &Arc<CryptoProvider>) -> Self {
        let system = match trust {
            Trust::System => system(provider),
            Trust::Pinned(_) | Trust::Look => None,
        };
        Self {
            trust,
            system,
            algorithms: provider.signature_verification_algorithms,
            shown: OnceLock::new(),
            objection: OnceLock::new(),
        }
    }

    /// What the device has shown; none before it has, and of what is no certificate.
    pub(super) fn shown(&self) -> Option<Certificate> {
        self.shown.get().cloned()
    }

    /// Why that does not do.
    pub(super) fn objection(&self) -> Option<String> {
        self.objection.get().cloned()
    }

    fn object(&self, why: impl Into<String>) -> Error {
        // The first one counts; there is no second in a handshake.
        let _ = self.objection.set(why.into());
        CertificateError::ApplicationVerificationFailure.into()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let leaf =
            EndEntityCert::try_from(end_entity).map_err(|_| CertificateError::BadEncoding)?;
        let fingerprint = Fingerprint::of(leaf.subject_public_key_info().as_ref());
        let names = leaf.valid_dns_names().map(str::to_owned).collect();
        let _ = self.shown.set(Certificate { fingerprint, names });
        match (self.trust, &self.system) {
            (Trust::Look, _) => Ok(ServerCertVerified::assertion()),
            (Trust::Pinned(pinned), _) if pinned == fingerprint => {
                Ok(ServerCertVerified::assertion())
            }
            (Trust::Pinned(_), _) => Err(self.object("its key is another one")),
            (Trust::System, None) => Err(self.object("this system has no root certificates")),
            (Trust::System, Some(system)) => system
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
                .map_err(|error| self.object(reason(&error))),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The authorities that the system trusts.
fn system(provider: &Arc<CryptoProvider>) -> Option<Arc<WebPkiServerVerifier>> {
    let mut roots = RootCertStore::empty();
    // One that cannot be read is as good as one that is not there.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .ok()
}

fn reason(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "no authority that this system trusts has issued it".to_owned()
        }
        Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => "it has expired".to_owned(),
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "it is for another name".to_owned(),
        Error::InvalidCertificate(CertificateError::Other(why)) => {
            format!("it is none that an authority issues ({why})")
        }
        other => other.to_string(),
    }
}
