//! Command line of `fairlead-double`, and the line that it prints when it is ready.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use clap::Parser;
use serde::{Deserialize, Serialize};

use crate::{Error, Result, error::Doing as _};

/// An external system's double: targets, token endpoint, event sink and DNS server in one process. Prints one line
/// of JSON with its addresses when it is ready.
#[derive(Clone, Debug, Parser)]
#[command(name = "fairlead-double")]
pub struct Options {
    /// Address of the target listeners; further ones get the same ports.
    #[arg(long = "bind", value_name = "ADDRESS", default_values = ["127.0.0.2"])]
    pub binds: Vec<IpAddr>,
    /// Directory for `ca.pem` and `other-ca.pem`, the authorities of its server certificates.
    #[arg(long)]
    pub directory: PathBuf,
    /// DNS name in its server certificates, beside its addresses.
    #[arg(long = "name", value_name = "NAME", default_values = ["example.test", "*.example.test", "localhost"])]
    pub names: Vec<String>,
    /// Authorities (PEM file) of the clients that the `mtls` listener takes; any client without it.
    #[arg(long, value_name = "FILE")]
    pub client_ca: Option<PathBuf>,
    /// A name that the DNS server answers: `name=address` or `*.suffix=address`; repeat for several.
    #[arg(long = "dns", value_name = "NAME=ADDRESS", value_parser = entry)]
    pub dns: Vec<(String, IpAddr)>,
    /// Port of a listener instead of a free one: `http=8000`.
    #[arg(long = "port", value_name = "LISTENER=PORT", value_parser = port)]
    pub ports: Vec<(String, u16)>,
}

fn entry(text: &str) -> Result<(String, IpAddr)> {
    let (name, address) = text.split_once('=').ok_or_else(|| Error::new("not name=address"))?;
    Ok((name.to_ascii_lowercase(), address.parse().doing("not an address")?))
}

fn port(text: &str) -> Result<(String, u16)> {
    let (name, port) = text.split_once('=').ok_or_else(|| Error::new("not listener=port"))?;
    Ok((name.to_owned(), port.parse().doing("not a port")?))
}

/// The ready line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// Listener → address on the first of the bind addresses.
    pub listeners: BTreeMap<String, SocketAddr>,
    /// The admin interface.
    pub admin: SocketAddr,
    /// The DNS server (UDP).
    pub dns: SocketAddr,
}
