//! The ingress pipeline: an external system's request in, the sink's request out (CV §3–§6).
//!
//! Order of decisions: host ours? → path names an application (404) → certificate (V1) → server name (421) → name
//! empty (V2) → view there, and fresh (503) → application (V3) → subject (V4) → path (V5) → sink. Certificate
//! problems come before path problems, as in CV §3.
//!
//! What the record does not say yet comes with enrolment and takes its place after the subject: the CA source that an
//! Application's certificates must have, and revocation (decisions 9, 10, 37).
//!
//! `identify` mode answers nothing but staleness: it sets or removes `x-application`, and leaves XFCC and routing to
//! whoever composed the chain.

use std::borrow::Cow;

use fairlead_client_identity::{IdentityError, Subject, gateway_subject, matches};
use fairlead_wire::{
    Refusal,
    config::{IdentitySource, Mode, PluginConfig},
    feed::{IngressRecord, Sink},
    header::{APPLICATION, PROFILE},
};

use crate::{
    connection::Connection,
    headers::HeaderBlock,
    ours::{Ours, host_of},
    replay::Used,
    response::Exchange,
    snapshot::Table,
    step::{Forward, Op, Step, WaitFor},
    strip,
};

mod path;
mod refusals;
mod request;

use request::{Seen, XFCC};

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
pub struct Pipeline {
    ours: Ours,
    identity: IdentitySource,
    /// The listener compared server name and host: it admits one name, and one host is ours.
    server_name_matched: bool,
    max_staleness_ms: u64,
}

impl Pipeline {
    /// The pipeline for this configuration.
    #[must_use]
    pub fn new(config: &PluginConfig) -> Self {
        let ours = Ours::new(config);
        Self {
            identity: config.identity,
            server_name_matched: config.server_name_matched && ours.is_one_host(),
            max_staleness_ms: config.max_staleness_ms,
            ours,
        }
    }

    /// Decides on a request. `view` is absent while no complete view is there.
    #[must_use]
    pub fn on_request<'a>(
        &self,
        headers: &HeaderBlock<'a>,
        connection: &dyn Connection,
        view: Option<View<'a>>,
    ) -> Step<'a> {
        let seen = Seen::read(headers);
        match self.ours.mode(seen.authority, connection) {
            Some(Mode::Route) => self.route(seen, connection, view).unwrap_or_else(|step| step),
            Some(Mode::Identify) => self.identify(headers, &seen, connection, view),
            Some(Mode::Manual | Mode::Ucl) | None => Step::Pass(internal(headers)),
        }
    }

    /// `Err` is the step of a request that ends or waits here.
    fn route<'a>(
        &self,
        seen: Seen<'a>,
        connection: &dyn Connection,
        view: Option<View<'a>>,
    ) -> Result<Step<'a>, Step<'a>> {
        let answer = |refusal: Refusal| Step::Answer(refusal);
        let parts = path::split(seen.path).ok_or_else(|| answer(refusals::not_found()))?;
        let certificate =
            self.certificate(&seen, connection).ok_or_else(|| answer(refusals::certificate_missing()))?;
        if !self.same_host(&seen, connection) {
            return Err(answer(refusals::server_name_mismatch()));
        }
        if parts.application.is_empty() {
            return Err(answer(refusals::application_missing()));
        }
        let table = self.fresh(view)?;
        let name = path::decode(parts.application);
        let record = table.get(&name).ok_or_else(|| answer(refusals::unknown_application(&name)))?;
        let subject = self.subject(&certificate).map_err(|_| answer(refusals::subject_refused()))?;
        if !may_act(&subject, record) {
            return Err(answer(refusals::subject_refused()));
        }
        let sink = record.sink.as_ref().ok_or_else(|| answer(refusals::unknown_path()))?;
        let mut buffer = Vec::with_capacity(name.len() + seen.path.len() + sink.publish_path.len());
        buffer.extend_from_slice(&name);
        if !path::destination(&mut buffer, &parts, sink) {
            return Err(answer(refusals::unknown_path()));
        }
        Ok(Step::Forward(forward(
            seen.removals,
            sink,
            Exchange::new(buffer, name.len(), None, Used::default()),
        )))
    }

    fn identify<'a>(
        &self,
        headers: &HeaderBlock<'a>,
        seen: &Seen<'a>,
        connection: &dyn Connection,
        view: Option<View<'a>>,
    ) -> Step<'a> {
        let application = match self.verified(seen, connection, view) {
            Ok(application) => application,
            Err(step) => return step,
        };
        let mut ops = internal(headers);
        ops.extend(application.map(|name| Op::Set(APPLICATION.as_bytes(), Cow::Owned(name))));
        Step::Pass(ops)
    }

    /// The application that the client may act as: the one that the path names, or else the one with the name that
    /// the certificate carries.
    fn verified<'a>(
        &self,
        seen: &Seen<'a>,
        connection: &dyn Connection,
        view: Option<View<'a>>,
    ) -> Result<Option<Vec<u8>>, Step<'a>> {
        let Some(certificate) = self.certificate(seen, connection) else { return Ok(None) };
        let Ok(subject) = self.subject(&certificate) else { return Ok(None) };
        if !self.same_host(seen, connection) {
            return Ok(None);
        }
        let table = self.fresh(view)?;
        let in_path = path::split(seen.path).map(|parts| path::decode(parts.application));
        let candidates = [in_path.as_deref(), Some(subject.common_name())];
        let found = candidates
            .into_iter()
            .flatten()
            .find(|name| table.get(name).is_some_and(|record| may_act(&subject, record)));
        Ok(found.map(<[u8]>::to_vec))
    }

    /// The certificate's description, from where the configuration says; none if the client showed none.
    fn certificate<'a>(&self, seen: &Seen<'a>, connection: &dyn Connection) -> Option<Cow<'a, [u8]>> {
        match self.identity {
            IdentitySource::Xfcc => (!seen.xfcc.trim_ascii().is_empty()).then_some(Cow::Borrowed(seen.xfcc)),
            // One with an empty subject is a certificate too.
            IdentitySource::Connection => connection.peer_subject().map(Cow::Owned),
        }
    }

    fn subject<'c>(&self, certificate: &'c [u8]) -> Result<Subject<'c>, IdentityError> {
        match self.identity {
            IdentitySource::Connection => Subject::parse(certificate),
            IdentitySource::Xfcc => gateway_subject(certificate),
        }
    }

    /// Whether the handshake was for the host that the request names, ports ignored (decision 9). The certificate was
    /// verified by the rules of the server name's listener, and holds for no other.
    fn same_host(&self, seen: &Seen<'_>, connection: &dyn Connection) -> bool {
        self.server_name_matched
            || connection.server_name().is_some_and(|name| name.eq_ignore_ascii_case(host_of(seen.authority)))
    }

    /// The table, if there is one that may be believed.
    fn fresh<'a>(&self, view: Option<View<'a>>) -> Result<&'a Table<IngressRecord>, Step<'a>> {
        match view {
            None => Err(Step::Wait(WaitFor::Snapshot)),
            Some(view) if view.age_ms > self.max_staleness_ms => Err(Step::Answer(refusals::stale())),
            Some(view) => Ok(view.table),
        }
    }
}

/// Removals of what only this gateway says.
fn internal<'a>(headers: &HeaderBlock<'a>) -> Vec<Op<'a>> {
    strip::internal(headers, Some(APPLICATION))
}

/// CV §4.2, decision 5.
fn may_act(subject: &Subject<'_>, record: &IngressRecord) -> bool {
    let organization = record.organization.as_ref().map(|o| (o.organization.as_bytes(), o.unit.as_bytes()));
    matches(subject, &record.common_names, organization)
}

/// CV §6.
fn forward<'a>(removals: Vec<Op<'a>>, sink: &'a Sink, exchange: Exchange) -> Forward<'a> {
    let mut ops = removals;
    ops.reserve(3);
    ops.push(Op::Remove(XFCC));
    ops.push(Op::Set(b":authority", Cow::Borrowed(sink.authority.as_bytes())));
    ops.push(Op::Set(PROFILE.as_bytes(), Cow::Borrowed(sink.profile.as_bytes())));
    Forward { ops, exchange, permit: None, keep: None, only_http1: false }
}

#[cfg(test)]
mod tests;
