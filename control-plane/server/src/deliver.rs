//! Transport profiles on their way to gateways: one trait, two ways (design decision 14).
//!
//! [`Publisher`](crate::publish::Publisher) says which profiles records need and no longer need, and publishes records only
//! once the gateway can be expected to know their profile. [`files`] writes what an embedded Envoy watches,
//! [`kubernetes`] writes what istiod gives to gateways of a mesh.

pub mod files;
pub mod kubernetes;

use std::time::Instant;

use fairlead_model::Profile;
use futures_util::future::BoxFuture;

/// How transport profiles get to one gateway, but for the plain one, which every gateway has from the start. Nothing here
/// waits, so that one profile holds up nothing but the records that need it.
pub trait Deliver: Send {
    /// Records need this profile from now on.
    fn add(&mut self, profile: &Profile);

    /// No record needs this profile any longer: it goes after its grace period.
    fn release(&mut self, id: &str);

    /// Whether the gateway can be expected to know this profile.
    fn has(&self, id: &str) -> bool;

    /// Does what is due, and says when to be called again besides after [`changed`](Self::changed). Failures are
    /// logged and tried again.
    fn work(&mut self) -> Option<Instant>;

    /// Returns when it may [have](Self::has) something that it did not have. Dropping the future loses nothing.
    fn changed(&mut self) -> BoxFuture<'_, ()>;

    /// How many profiles the gateway is to know, those in their grace period included.
    fn count(&self) -> usize;
}

/// The profile as the renderer takes it: without the key of its client certificate.
fn rendered(profile: &Profile) -> fairlead_render::Profile {
    use fairlead_model::Trust as From;
    use fairlead_render::{Proxy, Trust as To};
    let trust = match &profile.trust {
        From::Plain => To::Plain,
        From::System => To::System,
        From::Private { ca_pem } => To::Private { ca_pem: ca_pem.clone() },
        From::Unverified => To::Unverified,
    };
    fairlead_render::Profile {
        id: profile.id.clone(),
        trust,
        client: profile.client.as_ref().map(|client| client.fingerprint.clone()),
        proxy: profile.proxy.as_ref().map(|proxy| Proxy { host: proxy.host.clone(), port: proxy.port }),
        pinned: profile.pinned,
    }
}
