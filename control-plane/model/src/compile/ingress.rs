//! Who may call as an Application, and where its events go (CV §4, §5; decisions 5, 12).

use std::sync::Arc;

use fairlead_resources::{Application, Sink as SinkSpec};
use fairlead_wire::{
    Reason,
    feed::{IngressRecord, Organization, Sink},
};

use super::{
    Context, Guard,
    target::{Target, TargetError},
};
use crate::{Effect, Installation, Problem, Profile, Trust};

/// Where CloudEvents go at Kyma's publisher (CV §5).
const PUBLISH_PATH: &str = "/publish";

/// The installation's sink, compiled once.
#[derive(Debug, Default)]
pub(crate) struct Installed(Option<Result<Ready, String>>);

type Ready = (Sink, Arc<Profile>);

impl Installed {
    pub(crate) fn new(installation: &Installation) -> Self {
        Self(installation.sink.as_ref().map(|sink| publisher(sink, None)))
    }
}

pub(crate) fn compile(
    application: &Application,
    context: Context<'_>,
    problems: &mut Vec<Problem>,
) -> (IngressRecord, Option<Arc<Profile>>) {
    let own = application.spec.fairlead.as_ref().and_then(|fairlead| fairlead.sink.as_ref());
    let (field, sink) = match own {
        Some(sink) => ("spec.fairlead.sink", Some(publisher(sink, Some(context.guard)))),
        None => ("installation.sink", context.installed.0.clone()),
    };
    let ready = match sink.transpose() {
        Ok(ready) => ready,
        Err(message) => {
            problems.push(problem(field, format!("{message}; events are answered with 404")));
            None
        }
    };
    let (sink, profile) = ready.unzip();
    let record = IngressRecord {
        common_names: common_names(application, problems),
        organization: organization(application, problems),
        sink,
    };
    (record, profile)
}

fn common_names(application: &Application, problems: &mut Vec<Problem>) -> Vec<String> {
    let metadata = application.spec.compass_metadata.as_ref();
    let ids = metadata.map(|metadata| metadata.authentication.client_ids.as_slice()).unwrap_or_default();
    if ids.is_empty() {
        return vec![application.metadata.name.clone()];
    }
    // An empty name would match a certificate without one.
    let names: Vec<String> = ids.iter().filter(|id| !id.is_empty()).cloned().collect();
    if names.len() < ids.len() {
        let message = if names.is_empty() {
            "has only empty ids, so nobody may call: name the clients, or remove compassMetadata"
        } else {
            "has an empty id, which never counts: remove it"
        };
        problems.push(problem("spec.compassMetadata.authentication.clientIds", message.to_owned()));
    }
    names
}

fn organization(application: &Application, problems: &mut Vec<Problem>) -> Option<Organization> {
    let given = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
    match (given(&application.spec.tenant), given(&application.spec.group)) {
        (Some(organization), Some(unit)) => Some(Organization { organization, unit }),
        (None, None) => None,
        (tenant, _) => {
            let field = if tenant.is_some() { "spec.group" } else { "spec.tenant" };
            let message = "is missing: tenant and group are demanded of certificates only if both are set";
            problems.push(problem(field, message.to_owned()));
            None
        }
    }
}

/// A sink of kind `publisher`. An installation's own (`guard` absent) may be anywhere.
fn publisher(sink: &SinkSpec, guard: Option<&Guard>) -> Result<Ready, String> {
    let url = match sink {
        SinkSpec::Publisher(url) => url,
        // Both are made by the `events` role, behind a publisher-like URL of its own.
        SinkSpec::Cloudevents(_) | SinkSpec::Nats(_) => {
            return Err("only sinks of kind 'publisher' are supported yet".to_owned());
        }
    };
    let target = Target::parse(url).map_err(|error| {
        let (TargetError::Invalid(why) | TargetError::Unsupported(why)) = error;
        format!("publisher is not the URL of a sink: {why}")
    })?;
    if guard.is_some_and(|guard| guard.refuses(&target)) {
        return Err("the control plane and the API server are never sinks".to_owned());
    }
    let trust = if target.tls { Trust::System } else { Trust::Plain };
    let profile = Profile::shared(trust);
    let publish_path =
        if matches!(target.path.as_str(), "" | "/") { PUBLISH_PATH.to_owned() } else { target.path.clone() };
    Ok((Sink { profile: profile.id.clone(), authority: target.authority(), publish_path }, profile))
}

fn problem(field: &str, message: String) -> Problem {
    Problem { field: field.to_owned(), reason: Reason::FieldInvalid, message, effect: Effect::Warning }
}
