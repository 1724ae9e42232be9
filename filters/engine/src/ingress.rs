//! The ingress pipeline: external system's request in, sink's request out (CV §3–§6).

use fairlead_wire::{config::PluginConfig, feed::IngressRecord};

use crate::{connection::Connection, headers::HeaderBlock, snapshot::Table, step::Step};

/// The ingress view as a request sees it.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// Records by application name.
    pub table: &'a Table<IngressRecord>,
    /// Milliseconds since the control plane last confirmed it.
    pub age_ms: u64,
}

/// The ingress pipeline of one plugin instance.
#[derive(Debug)]
pub struct Pipeline {}

impl Pipeline {
    /// The pipeline for this configuration.
    #[must_use]
    pub fn new(_config: &PluginConfig) -> Self {
        Self {}
    }

    /// Decides on a request. `view` is absent while no complete view is there.
    #[must_use]
    pub fn on_request<'a>(
        &self,
        _headers: &HeaderBlock<'a>,
        _connection: &dyn Connection,
        _view: Option<View<'a>>,
    ) -> Step<'a> {
        Step::Pass(Vec::new())
    }
}
