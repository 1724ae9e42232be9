//! Objects in, views out: compiles Applications and Secrets into what gateways and the grant broker need.
//!
//! A store tells an [`Index`] what is there ([`Index::apply`], [`Index::delete`]: the only verbs); [`Index::changes`]
//! says what became different since the last time: feed records for the plugins, [`Profile`]s for the renderer,
//! [`GrantSpec`]s for the broker, [`Problem`]s for the status. Nothing here does I/O or reads a clock.

mod compile;
mod date;
mod explain;
mod grant;
mod index;
mod installation;
mod pair;
mod pem;
mod problem;
mod profile;
mod proxy;
mod record;

pub use explain::{Explanation, Forward, Verdict};
pub use grant::{CsrfAuth, Endpoint, GrantKind, GrantSpec};
pub use index::{CallPath, Changes, Index, Overview, ProfileChanges};
pub use installation::{BUILT_IN_REFUSED, Installation};
pub use pair::{ClientPair, PairError};
pub use problem::{Effect, Problem};
pub use profile::{Profile, Trust};
pub use proxy::{Proxy, ProxyError};
pub use record::Record;
