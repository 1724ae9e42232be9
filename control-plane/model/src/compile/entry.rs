//! One API entry → a route, or the refusal that calls get (AG §2, in that order).

use std::{cell::OnceCell, collections::BTreeSet, sync::Arc};

use fairlead_credential_injector::parameters::{self, ParametersError};
use fairlead_resources::{Secret, duration::Duration};
use fairlead_wire::{
    Reason, Refusal,
    feed::{EgressOutcome, EgressRoute},
};

use super::{
    Context, Needs, Place, Refused, ca,
    secret::problem,
    target::{Target, TargetError},
    text,
};
use crate::{Problem, Profile, Trust};

/// Header lines and query parameters of a Secret (AG §10), in plain text.
#[derive(Default)]
pub(crate) struct Parameters {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) query: Vec<(String, Vec<String>)>,
}

/// Compiles one entry, and collects what is met on the way.
pub(crate) struct Compiler<'a> {
    pub(crate) place: Place<'a>,
    pub(crate) context: Context<'a>,
    /// What is to be told although calls go on.
    pub(crate) problems: Vec<Problem>,
    /// Names of Secrets that matter, existing or not.
    pub(crate) refers_to: BTreeSet<String>,
    /// Secrets that the record holds something of.
    pub(crate) secrets: Vec<(Arc<str>, Arc<str>)>,
    /// The profile of the Application's own CA, made once for all its entries.
    own_ca: &'a OnceCell<Arc<Profile>>,
}

impl<'a> Compiler<'a> {
    pub(crate) fn new(place: Place<'a>, context: Context<'a>, own_ca: &'a OnceCell<Arc<Profile>>) -> Self {
        Self { place, context, problems: Vec::new(), refers_to: BTreeSet::new(), secrets: Vec::new(), own_ca }
    }

    /// The route and what it needs.
    pub(crate) fn compile(&mut self) -> Result<(EgressOutcome, Needs), Box<Refused>> {
        let Place { application, entry, .. } = self.place;
        let credentials = entry.credentials.as_ref().filter(|credentials| !credentials.is_empty());
        let credential_secret = match credentials {
            Some(given) => Some((given, self.secret(&given.secret_name, &self.secret_field())?)),
            None => None,
        };
        let parameters = self.request_parameters()?;
        let target = self.target()?;
        let profile = self.profile(target.tls)?;
        let (credential, grant) = match credential_secret {
            Some((given, secret)) => self.credential(given, secret)?,
            None => Default::default(),
        };
        let route = EgressRoute {
            profile: profile.id.clone(),
            tls: target.tls,
            authority: target.authority(),
            base_path: target.path,
            query: target.query,
            encode_url: application.spec.encode_url,
            credential,
            headers: parameters.headers,
            query_parameters: parameters.query,
            headers_timeout_ms: self.headers_timeout(),
            ..EgressRoute::default()
        };
        let secrets = std::mem::take(&mut self.secrets);
        let needs = Needs { profile, grant: grant.map(Arc::new), secrets: secrets.into(), revoked: false };
        Ok((EgressOutcome::Route(Box::new(route)), needs))
    }

    fn secret_field(&self) -> String {
        self.place.field("credentials.secretName")
    }

    fn request_parameters(&mut self) -> Result<Parameters, Box<Refused>> {
        let name = &self.place.entry.request_parameters_secret_name;
        if name.is_empty() {
            return Ok(Parameters::default());
        }
        let field = self.place.field("requestParametersSecretName");
        let secret = self.secret(name, &field)?;
        self.parameters(secret, &field)
    }

    /// The keys `headers` and `queryParameters` of a Secret; E9, E10.
    pub(crate) fn parameters(&self, secret: &Secret, field: &str) -> Result<Parameters, Box<Refused>> {
        let refuse = |error: ParametersError| {
            let key = match error {
                ParametersError::Headers(_) => "headers",
                ParametersError::QueryParameters(_) => "queryParameters",
            };
            let refusal = Refusal::json(500, Reason::SecretInvalid, &error.message(&self.place.service.name));
            let text = format!("key '{key}': {error}; write {{\"Name\": [\"value\"]}}");
            self.invalid(secret, field, refusal, &text)
        };
        let headers = secret.get("headers").map(parameters::headers).transpose().map_err(refuse)?;
        let query = secret.get("queryParameters").map(parameters::query_parameters);
        let query = query.transpose().map_err(refuse)?;
        Ok(Parameters { headers: headers.unwrap_or_default(), query: query.unwrap_or_default() })
    }

    fn target(&self) -> Result<Target, Box<Refused>> {
        let url = &self.place.entry.target_url;
        let refuse = |refusal: Refusal, why: &str| {
            let problem =
                problem(&self.place.field("targetUrl"), refusal.reason, format!("cannot be called: {why}"));
            Box::new(Refused { refusal, problem })
        };
        match Target::parse(url) {
            Ok(target) if self.context.guard.refuses(&target) => Err(refuse(
                Refusal::empty(502, Reason::TargetRefused),
                "the control plane and the API server are never targets",
            )),
            Ok(target) => Ok(target),
            Err(TargetError::Invalid(why)) => Err(refuse(text::bad_target(url, why), why)),
            Err(TargetError::Unsupported(why)) => {
                Err(refuse(Refusal::empty(502, Reason::TargetUnsupported), why))
            }
        }
    }

    /// Whose certificates are believed: `skipVerify` first (decision 23), then the Application's own CA.
    pub(crate) fn profile(&mut self, tls: bool) -> Result<Arc<Profile>, Box<Refused>> {
        let spec = &self.place.application.spec;
        let ca_secret = spec.fairlead.as_ref().and_then(|fairlead| fairlead.ca_secret_name.as_deref());
        match ca_secret.filter(|name| !name.is_empty()) {
            _ if !tls => Ok(Profile::shared(Trust::Plain)),
            _ if spec.skip_verify => Ok(Profile::shared(Trust::Unverified)),
            None => Ok(Profile::shared(Trust::System)),
            Some(name) => self.private(name),
        }
    }

    fn private(&mut self, ca_secret: &str) -> Result<Arc<Profile>, Box<Refused>> {
        let field = "spec.fairlead.caSecretName";
        let secret = self.secret(ca_secret, field)?;
        if let Some(profile) = self.own_ca.get() {
            return Ok(Arc::clone(profile));
        }
        match ca::certificates(secret) {
            Ok(ca_pem) => {
                let profile = Profile::shared(Trust::Private { ca_pem });
                Ok(Arc::clone(self.own_ca.get_or_init(|| profile)))
            }
            Err(error) => Err(self.unusable(secret, field, error)),
        }
    }

    fn headers_timeout(&self) -> Option<u32> {
        let timeouts = self.place.application.spec.fairlead.as_ref()?.timeouts.as_ref()?;
        timeouts.headers.map(Duration::millis)
    }
}
