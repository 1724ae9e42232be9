//! The view in force: tables that requests look into. Filled by the feed client, read by the pipelines.

use std::rc::Rc;

use fairlead_wire::{Refusal, feed::Credential};

/// What an egress key leads to.
#[derive(Debug)]
pub enum Egress {
    /// Forward so.
    Route(Route),
    /// Answer with this.
    Refusal(Refusal),
}

/// A route as a request needs it: compiled from [`EgressRoute`](fairlead_wire::feed::EgressRoute) when its record arrives.
#[derive(Debug)]
pub struct Route {
    /// Cluster name of the transport profile.
    pub profile: Box<str>,
    /// TLS to the target.
    pub tls: bool,
    /// `Host` towards the target.
    pub authority: Box<str>,
    /// Query of the target URL, without `?`.
    pub query: Box<str>,
    /// `spec.encodeUrl`.
    pub encode_url: bool,
    /// What goes on top.
    pub credential: Credential,
    /// Header lines to add where absent, names in lower case.
    pub headers: Box<[(Box<str>, Box<str>)]>,
    /// Query parameters to add where absent.
    pub query_parameters: Box<[(Box<str>, Box<[Box<str>]>)]>,
    /// Milliseconds until response headers, if not the installation's default.
    pub headers_timeout_ms: Option<u32>,
    // + pub base: fairlead_app_router::Base
}

/// Records of one view by key.
#[derive(Debug)]
pub struct Table<E> {
    entries: hashbrown::HashMap<Box<[u8]>, Rc<E>>,
}

impl<E> Table<E> {
    /// The record that `key` leads to: `app/service` or `app/service/entry` (egress), `app` (ingress).
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<&Rc<E>> {
        self.entries.get(key)
    }
}

/// A grant as a pipeline sees it.
#[derive(Clone, Copy, Debug)]
pub enum GrantState<'a> {
    /// The complete `Authorization` value.
    Ready(&'a [u8]),
    /// Not there: wait for it.
    Missing,
}

/// Where pipelines find grants.
pub trait Grants {
    /// The grant of this id now.
    fn grant(&self, id: &str) -> GrantState<'_>;
}
