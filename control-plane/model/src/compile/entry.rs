//! One API entry → a route, or the refusal that calls get (AG §2, in that order).

use std::{cell::OnceCell, collections::BTreeSet, sync::Arc};

use fairlead_credential_injector::parameters::{self, ParametersError};
use fairlead_wire::{
    Reason, Refusal,
    feed::{EgressOutcome, EgressRoute},
};

use super::{
    Context, Needs, Place, Refused, ca,
    credential::Authentication,
    limits::Limits,
    secret::problem,
    target::{Target, TargetError},
    text,
};
use crate::{ClientPair, Problem, Profile, Proxy, Trust, index::Held};

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
    /// What the target and endpoints are reached through.
    pub(crate) proxy: Option<Proxy>,
    /// When something is to be told that is not yet, seconds since 1970: certificates end.
    pub(crate) due: Option<i64>,
    limits: Limits,
    /// The profile of the Application's own CA, made once for all its entries.
    own_ca: &'a OnceCell<Arc<Profile>>,
}

impl<'a> Compiler<'a> {
    pub(crate) fn new(
        place: Place<'a>,
        context: Context<'a>,
        limits: Limits,
        own_ca: &'a OnceCell<Arc<Profile>>,
    ) -> Self {
        let (problems, refers_to, secrets) = Default::default();
        Self { place, context, problems, refers_to, secrets, proxy: None, due: None, limits, own_ca }
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
        self.proxy = self.find_proxy()?;
        let target = self.target()?;
        let found = match credential_secret {
            Some((given, held)) => self.authentication(given, held)?,
            None => Authentication::default(),
        };
        // What has no grant is never replayed (decision 22), and there may be thousands of client certificates.
        let pinned = found.client.is_none() || found.csrf.is_some();
        let profile = self.profile(target.tls, found.client, pinned)?;
        let mut route = EgressRoute {
            profile: profile.id.clone(),
            tls: target.tls,
            authority: target.authority(),
            base_path: target.path,
            query: target.query,
            encode_url: application.spec.encode_url,
            credential: found.credential,
            csrf: found.csrf,
            headers: parameters.headers,
            query_parameters: parameters.query,
            ..EgressRoute::default()
        };
        self.limits.fill(&mut route);
        let secrets = std::mem::take(&mut self.secrets);
        let needs = Needs { profile, grants: found.grants.into(), secrets: secrets.into(), revoked: false };
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
        let held = self.secret(name, &field)?;
        self.parameters(held, &field)
    }

    /// The keys `headers` and `queryParameters` of a Secret; E9, E10.
    pub(crate) fn parameters(&self, held: &Held, field: &str) -> Result<Parameters, Box<Refused>> {
        let refuse = |error: ParametersError| {
            let key = match error {
                ParametersError::Headers(_) => "headers",
                ParametersError::QueryParameters(_) => "queryParameters",
            };
            let refusal = Refusal::json(500, Reason::SecretInvalid, &error.message(&self.place.service.name));
            let text = format!("key '{key}': {error}; write {{\"Name\": [\"value\"]}}");
            self.invalid(held, field, refusal, &text)
        };
        let secret = &held.secret;
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
            Ok(target) => match self.refuses(&target) {
                Some(why) => Err(refuse(Refusal::empty(502, Reason::TargetRefused), why)),
                None => Ok(target),
            },
            Err(TargetError::Invalid(why)) => Err(refuse(text::bad_target(url, why), why)),
            Err(TargetError::Unsupported(why)) => {
                Err(refuse(Refusal::empty(502, Reason::TargetUnsupported), why))
            }
        }
    }

    /// How the target is spoken to. Without TLS nobody asks for a certificate (AG §8.5).
    fn profile(
        &mut self,
        tls: bool,
        client: Option<Arc<ClientPair>>,
        pinned: bool,
    ) -> Result<Arc<Profile>, Box<Refused>> {
        let base = self.trust(tls)?;
        Ok(match (client.filter(|_| tls), self.proxy.clone()) {
            (None, None) => base,
            (None, proxy) => Arc::new(Profile::with(base.trust.clone(), None, proxy, true)),
            (client, proxy) => Arc::new(Profile::with(base.trust.clone(), client, proxy, pinned)),
        })
    }

    /// Whose certificates are believed, as the profile of that alone: `skipVerify` first (decision 23), then the Application's
    /// own CA.
    pub(crate) fn trust(&mut self, tls: bool) -> Result<Arc<Profile>, Box<Refused>> {
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
        let held = self.secret(ca_secret, field)?;
        if let Some(profile) = self.own_ca.get() {
            return Ok(Arc::clone(profile));
        }
        match ca::certificates(&held.secret) {
            Ok(ca_pem) => {
                let profile = Profile::shared(Trust::Private { ca_pem });
                Ok(Arc::clone(self.own_ca.get_or_init(|| profile)))
            }
            Err(error) => Err(self.unusable(held, field, error)),
        }
    }
}
