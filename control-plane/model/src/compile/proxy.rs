//! `spec.fairlead.proxy` and the installation's → the way to targets and endpoints, and what may not be asked of it.

use fairlead_wire::{Reason, Refusal};
use url::Host;

use super::{Refused, entry::Compiler, secret::problem, target::Target};
use crate::{Proxy, ProxyError};

const FIELD: &str = "spec.fairlead.proxy";
/// In place of a URL: targets are called directly, whatever the installation says.
const NONE: &str = "none";

impl Compiler<'_> {
    /// The Application's proxy, or else the installation's. One that cannot be used refuses calls: they must not go past it.
    pub(crate) fn find_proxy(&self) -> Result<Option<Proxy>, Box<Refused>> {
        let fairlead = self.place.application.spec.fairlead.as_ref();
        let Some(text) = fairlead.and_then(|fairlead| fairlead.proxy.as_deref()) else {
            return Ok(self.context.guard.proxy().cloned());
        };
        if text == NONE {
            return Ok(None);
        }
        let refuse = |why: &str| {
            let service = &self.place.service.name;
            let text = format!("failed to read API for {service} service, the proxy cannot be used: {why}");
            Box::new(Refused {
                refusal: Refusal::json(500, Reason::ProxyInvalid, &text),
                problem: problem(FIELD, Reason::ProxyInvalid, why.to_owned()),
            })
        };
        let proxy = Proxy::parse(text).map_err(|error: ProxyError| refuse(&error.to_string()))?;
        let target = Target::of(&proxy);
        match self.context.guard.refuses(&target) || self.context.guard.refuses_address(&target) {
            true => Err(refuse("it is an address that is never called: name the corporate proxy")),
            false => Ok(Some(proxy)),
        }
    }

    /// Why a target is never called, if it is not. Behind a proxy its address is found out there, past the gateway's guard, so
    /// that what is written as an address is judged here.
    pub(crate) fn refuses(&self, target: &Target) -> Option<&'static str> {
        let guard = self.context.guard;
        if guard.refuses(target) {
            Some("the control plane and the API server are never targets")
        } else if self.proxy.is_some() && guard.refuses_address(target) {
            Some("loopback, link-local and metadata addresses are no targets")
        } else {
            None
        }
    }
}

/// The address, if a host is written as one.
pub(crate) fn address(host: &str) -> Option<std::net::IpAddr> {
    match Host::parse(host).ok()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}
