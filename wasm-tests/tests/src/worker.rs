//! Connections to each worker of an Envoy, so that a test can say which of them it means.

use std::net::SocketAddr;

use fairlead_testkit::{
    Error, Result,
    bed::LIMIT,
    envoy::Envoy,
    http::{Connection, Request},
    wait,
};

use crate::place::{Place, Way};

/// Attempts until every worker has taken enough connections: the kernel deals them out.
const ATTEMPTS: usize = 400;

/// `count` connections to each of `workers` workers that listen at `address`. Nobody else may connect meanwhile.
///
/// # Errors
/// Envoy does not answer, or a worker takes none.
pub fn connections(
    envoy: &Envoy,
    address: SocketAddr,
    workers: usize,
    count: usize,
) -> Result<Vec<Vec<Connection>>> {
    deal(&|| taken(envoy, workers), &|| Connection::open(address), count)
}

/// [`connections`] of callers to each worker of a place's egress gateway.
///
/// # Errors
/// As [`connections`].
pub fn connections_in(place: &dyn Place, count: usize) -> Result<Vec<Vec<Connection>>> {
    deal(&|| place.taken(), &|| place.connect(&Way::Manual), count)
}

fn deal(
    taken: &dyn Fn() -> Result<Vec<u64>>,
    open: &dyn Fn() -> Result<Connection>,
    count: usize,
) -> Result<Vec<Vec<Connection>>> {
    let mut before = taken()?;
    let mut all: Vec<Vec<Connection>> = before.iter().map(|_| Vec::new()).collect();
    for _ in 0..ATTEMPTS {
        if all.iter().all(|connections| connections.len() >= count) {
            return Ok(all);
        }
        let connection = open()?;
        let (worker, now) = wait::attempt("a worker to take a connection", LIMIT, || {
            let now = taken()?;
            let risen = now.iter().zip(&before).position(|(now, before)| now > before);
            risen.map(|worker| (worker, now)).ok_or_else(|| Error::new("none did"))
        })?;
        before = now;
        if let Some(connections) = all.get_mut(worker).filter(|connections| connections.len() < count) {
            connections.push(connection);
        }
    }
    Err(Error::new("a worker takes no connections"))
}

/// Connections that each worker took so far.
fn taken(envoy: &Envoy, workers: usize) -> Result<Vec<u64>> {
    let stats = envoy.stats()?;
    let of = |worker: usize| {
        let name = format!("worker_{worker}.downstream_cx_total");
        stats
            .iter()
            .filter(|(have, _)| have.starts_with("listener.") && have.ends_with(&name))
            .map(|(_, n)| n)
            .sum()
    };
    Ok((0..workers).map(of).collect())
}

/// A request that kills the VM that gets it, in a module that was built for it.
#[must_use]
pub fn crash() -> Request {
    Request::new("GET", "/none/of/it").header("x-crash-test", "1")
}
