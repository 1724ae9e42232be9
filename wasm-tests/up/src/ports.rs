//! Which ports are used: the usual ones, or free ones where these are taken.

use std::net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket};

use fairlead_testkit::{Result, error::Doing as _};

/// Where targets listen (spec/decisions 43).
pub(crate) const TARGETS: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
/// Where everything else listens.
pub(crate) const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// All ports.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    pub(crate) manual: u16,
    pub(crate) ucl: u16,
    pub(crate) health: u16,
    pub(crate) ingress: u16,
    pub(crate) gateways: u16,
    pub(crate) control_health: u16,
    pub(crate) metrics: u16,
    pub(crate) egress_admin: u16,
    pub(crate) ingress_admin: u16,
    pub(crate) http: u16,
    pub(crate) https: u16,
    pub(crate) mtls: u16,
}

impl Ports {
    /// Chooses, and says where it could not have the usual one.
    pub(crate) fn choose() -> Result<Self> {
        Ok(Self {
            manual: choose("egress, /{app}/{service}", LOCAL, 8080)?,
            ucl: choose("egress, /{app}/{service}/{entry}", LOCAL, 8082)?,
            health: choose("egress, health", LOCAL, 8081)?,
            ingress: choose("ingress", LOCAL, 8443)?,
            gateways: choose("control plane, gateways", LOCAL, 18443)?,
            control_health: choose("control plane, health", LOCAL, 18081)?,
            metrics: choose("control plane, metrics", LOCAL, 19090)?,
            egress_admin: choose("egress, Envoy's admin interface", LOCAL, 19901)?,
            ingress_admin: choose("ingress, Envoy's admin interface", LOCAL, 19902)?,
            http: choose("external system, HTTP", TARGETS, USUAL_HTTP)?,
            https: choose("external system, HTTPS", TARGETS, USUAL_HTTPS)?,
            mtls: choose("external system, HTTPS with client certificates", TARGETS, USUAL_MTLS)?,
        })
    }
}

/// The ports that the samples name.
pub(crate) const USUAL_HTTP: u16 = 28080;
/// See [`USUAL_HTTP`].
pub(crate) const USUAL_HTTPS: u16 = 28443;
/// See [`USUAL_HTTP`].
pub(crate) const USUAL_MTLS: u16 = 28444;

fn choose(what: &str, address: IpAddr, usual: u16) -> Result<u16> {
    if is_free(address, usual) {
        return Ok(usual);
    }
    let listener = TcpListener::bind((address, 0)).doing(format!("cannot listen on {address}"))?;
    let free = listener.local_addr()?.port();
    println!("port {usual} ({what}) is taken; using {free}");
    Ok(free)
}

fn is_free(address: IpAddr, port: u16) -> bool {
    TcpListener::bind((address, port)).is_ok() && UdpSocket::bind((address, port)).is_ok()
}
