//! The egress pipeline: caller's request in, target's request out (AG §2–§10).

use fairlead_wire::config::PluginConfig;

use crate::{
    connection::Connection,
    headers::HeaderBlock,
    snapshot::{Egress, Grants, Table},
    step::Step,
};

/// The egress pipeline of one plugin instance.
#[derive(Debug)]
pub struct Pipeline {}

impl Pipeline {
    /// The pipeline for this configuration.
    #[must_use]
    pub fn new(_config: &PluginConfig) -> Self {
        Self {}
    }

    /// Decides on a request. `table` is absent while no complete view is there.
    #[must_use]
    pub fn on_request<'a>(
        &self,
        _headers: &HeaderBlock<'a>,
        _connection: &dyn Connection,
        _table: Option<&'a Table<Egress>>,
        _grants: &'a dyn Grants,
    ) -> Step<'a> {
        Step::Pass(Vec::new())
    }
}
