//! The namespaces that the mesh lives in, as if they were one machine with a network of pods.

use std::{
    net::Ipv4Addr,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, AtomicU16, Ordering},
};

use crate::{Error, Result, error::Doing as _};

/// Set by `fairlead-enter` for the program that it starts, to one of the two below.
pub const ENTERED: &str = "FAIRLEAD_ENTERED";
/// In network and mount namespaces alone.
pub const ENTERED_AS_ROOT: &str = "root";
/// In a user namespace too.
pub const ENTERED_AS_USER: &str = "user";

/// The machine's own address in the pods' network.
pub const HOST: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// The first three bytes of addresses outside the cluster (RFC 5737 TEST-NET-2): all 256 are the machine's, so an
/// external system's double may bind any of them, and for pods they are as remote and public as any.
pub const EXTERNAL: [u8; 3] = [198, 51, 100];

/// The bridge to which pods are connected.
pub(super) const BRIDGE: &str = "mesh0";

/// The right to be the machine's only mesh, until it is dropped.
pub(super) struct Only(());

/// Whether a mesh lives here.
static TAKEN: AtomicBool = AtomicBool::new(false);

impl Only {
    /// Takes the machine.
    pub(super) fn take() -> Result<Self> {
        if std::env::var_os(ENTERED).is_none() {
            return Err(Error::new(
                "the mesh needs network and mount namespaces of its own: run `cargo xtask mesh test` or `mesh up`, or start the program by `fairlead-enter`",
            ));
        }
        if TAKEN.swap(true, Ordering::AcqRel) {
            return Err(Error::new(
                "this program has a mesh already, and its ports are those of a cluster: share it between cases, or give the other one a test file of its own",
            ));
        }
        Ok(Self(()))
    }
}

impl Drop for Only {
    fn drop(&mut self) {
        TAKEN.store(false, Ordering::Release);
    }
}

/// Makes the network, once, in new namespaces.
///
/// # Errors
/// `ip` is missing or may not.
pub fn set_up() -> Result {
    let host = format!("{HOST}/16");
    let [a, b, c] = EXTERNAL;
    let external = format!("{a}.{b}.{c}.0/24");
    for arguments in [
        &["link", "set", "lo", "up"][..],
        &["link", "add", BRIDGE, "type", "bridge"],
        &["addr", "add", &host, "dev", BRIDGE],
        &["link", "set", BRIDGE, "up"],
        &["route", "add", "local", &external, "dev", "lo"],
    ] {
        run(Command::new("ip").args(arguments))?;
    }
    Ok(())
}

/// Runs a short command; its error output is the error.
pub(super) fn run(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().doing(format!("cannot start {name}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
    let errors = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::new(format!("`{name} {}`: {errors}", arguments.join(" "))))
}

/// Addresses for pods, never one twice: whatever still speaks to a pod that is gone must not meet another.
#[derive(Default)]
pub(super) struct Addresses(AtomicU16);

impl Addresses {
    pub(super) fn next(&self) -> Result<Ipv4Addr> {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        // Pods begin at 10.77.1.1; the last byte is never 0 or 255.
        let (high, low) = (number / 254, number % 254 + 1);
        let [a, b, ..] = HOST.octets();
        let high = u8::try_from(high + 1).doing("there were more than 64 000 pods")?;
        Ok(Ipv4Addr::new(a, b, high, u8::try_from(low).doing("an address")?))
    }
}
