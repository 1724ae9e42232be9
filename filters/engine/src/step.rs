//! What a pipeline says to the shell: the [`Step`] of a request and the header [`Op`]s in it.

use std::{borrow::Cow, fmt};

use fairlead_wire::Refusal;

use crate::{bulkhead::Permit, response::Exchange};

/// What happens to a request next.
#[derive(Debug)]
pub enum Step<'a> {
    /// Routing stays with others: perform the operations and continue; nothing is to be done with the response. For
    /// requests that are not ours they only remove internal headers that the caller sent; in `identify` mode they
    /// also set the verified application.
    Pass(Vec<Op<'a>>),
    /// Perform [`Forward::ops`], continue, and keep [`Forward::exchange`] for the response.
    Forward(Forward<'a>),
    /// Pause. When it is there, read the headers again and ask the pipeline again.
    Wait(WaitFor<'a>),
    /// Answer with this, and with the headers that [`Refusal::headers`] lists.
    Answer(Refusal),
}

/// What a paused request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitFor<'a> {
    /// A complete view.
    Snapshot,
    /// The grant of this id.
    Grant(&'a str),
    /// A newer grant than the one of this serial, which a target rejected.
    Newer(&'a str, u64),
}

/// A request that goes on.
#[derive(Debug)]
pub struct Forward<'a> {
    pub(crate) ops: Vec<Op<'a>>,
    /// What the response phase needs.
    pub exchange: Exchange,
    /// The call's place in its Application's bulkhead, to be kept until the stream has ended; none on ingress.
    pub permit: Option<Permit>,
    /// The request may have to be sent again: keep its headers as they are now, and a body of up to so many bytes.
    pub keep: Option<u32>,
    /// The connection to the target must not become an HTTP/2 one: over those, hardly any target takes a WebSocket (RFC
    /// 8441), and the host does not ask.
    pub only_http1: bool,
}

impl Forward<'_> {
    /// What to do with the request's headers, in this order: removals first, `:path` last, so that nothing that the
    /// caller sent survives beside what is set.
    pub fn ops(&self) -> impl Iterator<Item = Op<'_>> {
        let path = Op::Set(b":path", Cow::Borrowed(self.exchange.path()));
        self.ops.iter().map(Op::reborrow).chain([path])
    }
}

/// One operation on the headers. Names are lower case; values any bytes.
#[derive(Clone, PartialEq, Eq)]
pub enum Op<'a> {
    /// Replace the first line of this name, or add one.
    Set(&'a [u8], Cow<'a, [u8]>),
    /// Add a line, whatever is there.
    Add(&'a [u8], Cow<'a, [u8]>),
    /// Remove every line of this name.
    Remove(&'a [u8]),
}

impl Op<'_> {
    /// The same operation, borrowed from this one.
    fn reborrow(&self) -> Op<'_> {
        match self {
            Self::Set(name, value) => Op::Set(name, Cow::Borrowed(value)),
            Self::Add(name, value) => Op::Add(name, Cow::Borrowed(value)),
            Self::Remove(name) => Op::Remove(name),
        }
    }
}

/// Values may be secrets: only names are shown.
impl fmt::Debug for Op<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (verb, name) = match self {
            Self::Set(name, _) => ("Set", name),
            Self::Add(name, _) => ("Add", name),
            Self::Remove(name) => ("Remove", name),
        };
        write!(f, "{verb}({})", String::from_utf8_lossy(name))
    }
}
