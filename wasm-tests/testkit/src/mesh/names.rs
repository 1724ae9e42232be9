//! The pods' name server: `10.77.0.1:53`, as kube-dns would be.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, UdpSocket},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use super::HOST;
use crate::{Result, error::Doing as _, external::dns};

/// Time to live of its answers, seconds: short, because tests replace pods.
const TTL: u32 = 1;

/// What it answers: exact names, and `*.suffix` for everything below. Names of Services are the full ones
/// (`fairlead-control.kyma-system.svc.cluster.local`); pods have the usual search list for shorter ones.
#[derive(Clone, Default)]
pub struct Names(Arc<Mutex<BTreeMap<String, Vec<IpAddr>>>>);

impl Names {
    /// The server, started once a program; a later mesh begins without names.
    pub(super) fn serve() -> Result<Self> {
        static SERVER: OnceLock<Result<Names>> = OnceLock::new();
        let names = SERVER.get_or_init(Self::start).clone()?;
        names.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(names)
    }

    fn start() -> Result<Self> {
        let names = Self::default();
        let server = names.clone();
        let socket = UdpSocket::bind((HOST, 53)).doing("cannot open the name server's port")?;
        std::thread::spawn(move || {
            let mut packet = [0; 1500];
            loop {
                let Ok((length, peer)) = socket.recv_from(&mut packet) else { continue };
                let question = packet.get(..length).unwrap_or_default();
                if let Some(answer) = dns::reply(question, TTL, |name| server.addresses(name)) {
                    let _ = socket.send_to(&answer, peer);
                }
            }
        });
        Ok(names)
    }

    /// Lets `name` have these addresses; without any it does not exist.
    pub fn set(&self, name: &str, addresses: &[Ipv4Addr]) {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if addresses.is_empty() {
            table.remove(name);
        } else {
            table.insert(name.to_owned(), addresses.iter().copied().map(IpAddr::V4).collect());
        }
    }

    /// The addresses of `name`; none if it does not exist.
    #[must_use]
    pub fn get(&self, name: &str) -> Vec<Ipv4Addr> {
        let addresses = self.addresses(name).unwrap_or_default().into_iter();
        addresses
            .filter_map(|address| if let IpAddr::V4(address) = address { Some(address) } else { None })
            .collect()
    }

    fn addresses(&self, name: &str) -> Option<Vec<IpAddr>> {
        dns::lookup(&self.0.lock().unwrap_or_else(PoisonError::into_inner), name).cloned()
    }
}
