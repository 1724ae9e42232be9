//! What the engine may ask of the host while it decides.

use std::cell::OnceCell;

use fairlead_engine::{connection::Connection, grants::SharedData, response::Response};

use crate::abi::{self, Map};

/// The connection of the request in effect.
pub(super) struct HostConnection;

impl Connection for HostConnection {
    fn port(&self) -> Option<u16> {
        // A 64-bit integer in the host's byte order, which is ours.
        let bytes = abi::property("destination\0port")?;
        let port = i64::from_le_bytes(*bytes.first_chunk()?);
        u16::try_from(port).ok()
    }

    fn server_name(&self) -> Option<Vec<u8>> {
        text("connection\0requested_server_name")
    }

    fn peer_subject(&self) -> Option<Vec<u8>> {
        // A subject may be empty; then only the handshake says that there is a certificate.
        text("connection\0subject_peer_certificate")
            .or_else(|| (abi::property("connection\0mtls")?.first() == Some(&1)).then(Vec::new))
    }
}

/// The response in effect. What was asked for once is kept.
#[derive(Default)]
pub(super) struct HostResponse {
    details: OnceCell<Option<Vec<u8>>>,
}

impl HostResponse {
    pub(super) fn details(&self) -> Option<&[u8]> {
        self.details.get_or_init(|| text("response\0code_details")).as_deref()
    }
}

impl Response for HostResponse {
    fn header(&self, name: &str) -> Option<Vec<u8>> {
        abi::header(Map::Response, name).map(|value| value.to_vec())
    }

    fn code_details(&self) -> Option<Vec<u8>> {
        self.details().map(<[u8]>::to_vec)
    }
}

/// What all VMs of this Envoy share.
pub(super) struct HostData;

impl SharedData for HostData {
    fn read(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        abi::shared(key).map(|(value, version)| (value.to_vec(), version))
    }

    fn write(&self, key: &str, value: &[u8], version: u32) -> bool {
        abi::set_shared(key, value, version)
    }
}

fn text(path: &str) -> Option<Vec<u8>> {
    abi::property(path).filter(|value| !value.is_empty()).map(|value| value.to_vec())
}
