//! The certificate in force, as handshakes find it: they read it without a lock, and a new one is there for the next.

use super::leaf::Leaf;
use arc_swap::ArcSwap;
use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use std::sync::Arc;

/// A certificate with its key.
#[derive(Clone, Debug)]
pub(super) struct Certified {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) leaf: Leaf,
}

/// The one in force.
#[derive(Debug)]
pub(super) struct Served(ArcSwap<Certified>);

impl Served {
    pub(super) fn new(certified: Certified) -> Self {
        Self(ArcSwap::from_pointee(certified))
    }

    pub(super) fn current(&self) -> Arc<Certified> {
        self.0.load_full()
    }

    pub(super) fn set(&self, certified: Certified) {
        self.0.store(Arc::new(certified));
    }
}

impl ResolvesServerCert for Served {
    /// One certificate for every name: a client that asks for another name than the certificate's sees that itself.
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.load().key))
    }
}
