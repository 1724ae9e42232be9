//! What the ingress gateway's Envoy reads by SDS: the pair that external systems see and the CAs of client certificates
//! (decision 8). Copied from their sources into the gateway's namespace, and nowhere else.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use fairlead_pki::{Leaf, Pair, Validity, names, self_signed_server};
use fairlead_render::mesh::LABELS;
use futures_util::{StreamExt, stream};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, Client,
    api::DynamicObject,
    runtime::{WatchStreamExt, watcher},
};
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use crate::{
    config::{MeshIngressConfig, SecretName},
    gateways::mesh::CREDENTIAL,
    state::drained,
};

/// Label of a pair that we made because there was none.
const SELF_SIGNED: &str = "fairlead.kyma-project.io/self-signed";
/// Key of the bundle.
const BUNDLE: &str = "ca.crt";

/// Values of one Secret.
type Data = BTreeMap<String, ByteString>;

/// What the sources hold. No value is printed.
#[derive(Clone, Default)]
pub(super) struct Sources {
    /// `None`: there is no such Secret.
    secrets: BTreeMap<(String, String), Option<Data>>,
    wanted: usize,
}

impl Sources {
    /// Every source was looked at.
    pub(super) fn complete(&self) -> bool {
        self.secrets.len() == self.wanted
    }

    fn get(&self, namespace: &str, name: &str) -> Option<&Data> {
        self.secrets.get(&(namespace.to_owned(), name.to_owned()))?.as_ref()
    }

    /// The pair that external systems are to see: certificate and key.
    fn server(&self, SecretName { namespace, name }: &SecretName) -> Option<[&ByteString; 2]> {
        let data = self.get(namespace, name)?;
        let value = |key: &str| data.get(key).filter(|value| !value.0.is_empty());
        Some([value("tls.crt")?, value("tls.key")?])
    }
}

/// Watches the sources, each by its name, until the process drains; tells `missing` which Secret has no pair for the server.
pub(super) fn follow(
    client: &Client,
    ingress: &MeshIngressConfig,
    missing: watch::Sender<Option<Arc<str>>>,
    mut draining: watch::Receiver<bool>,
) -> (watch::Receiver<Sources>, impl Future<Output = ()> + use<>) {
    let authorities = ingress.client_ca_secrets.iter();
    let names: BTreeSet<(String, String)> = authorities
        .map(|key| (key.namespace.clone(), key.name.clone()))
        .chain([(ingress.server_secret.namespace.clone(), ingress.server_secret.name.clone())])
        .collect();
    let (told, sources) = watch::channel(Sources { secrets: BTreeMap::new(), wanted: names.len() });
    let watches = names.into_iter().map(|(namespace, name)| {
        let api: Api<Secret> = Api::namespaced(client.clone(), &namespace);
        let changes = watcher::watch_object(api, &name).default_backoff();
        changes.map(move |change| ((namespace.clone(), name.clone()), change)).boxed()
    });
    let mut watches = stream::select_all(watches.collect::<Vec<_>>());
    let pair = ingress.server_secret.clone();
    let task = async move {
        loop {
            let news = tokio::select! {
                () = drained(&mut draining) => return,
                Some(news) = watches.next() => news,
            };
            match news {
                (source, Ok(secret)) => told.send_modify(|sources| {
                    sources.secrets.insert(source, secret.map(|secret| secret.data.unwrap_or_default()));
                    if sources.complete() {
                        let absent = sources.server(&pair).is_none();
                        let name = absent.then(|| format!("{}/{}", pair.namespace, pair.name).into());
                        missing.send_if_modified(|told| {
                            *told != name && {
                                *told = name;
                                true
                            }
                        });
                    }
                }),
                ((namespace, name), Err(error)) => {
                    tracing::warn!(namespace, name, %error, "a Secret of the ingress gateway cannot be watched");
                }
            }
        }
    };
    (sources, task)
}

/// The Secrets that the gateway needs. `there` is the pair that is in its namespace now, `own` Fairlead's own CA.
///
/// # Errors
/// A pair cannot be made.
pub(super) fn wanted(
    ingress: &MeshIngressConfig,
    host: &str,
    sources: &Sources,
    there: Option<&DynamicObject>,
    own: &str,
) -> Result<Vec<Value>, fairlead_pki::Error> {
    let bundle = json!({ BUNDLE: ByteString(bundle(ingress, sources, own).into_bytes()) });
    let authorities = secret(ingress, &format!("{CREDENTIAL}-cacert"), "Opaque", &bundle, false);
    Ok(vec![server(ingress, host, sources, there)?, authorities])
}

fn server(
    ingress: &MeshIngressConfig,
    host: &str,
    sources: &Sources,
    there: Option<&DynamicObject>,
) -> Result<Value, fairlead_pki::Error> {
    let SecretName { namespace, name } = &ingress.server_secret;
    let pair = |certificate: &Value, key: &Value| json!({ "tls.crt": certificate, "tls.key": key });
    let copied = sources.server(&ingress.server_secret);
    let copied = copied.map(|[certificate, key]| pair(&json!(certificate), &json!(key)));
    let of = |data: &Value, own: bool| secret(ingress, CREDENTIAL, "kubernetes.io/tls", data, own);
    if let Some(data) = copied {
        return Ok(of(&data, false));
    }
    let now = now();
    if let Some(data) =
        there.filter(|there| still_good(there, host, now)).and_then(|there| there.data.get("data"))
    {
        return Ok(of(data, true));
    }
    let Pair { certificate_pem, key_pem } =
        self_signed_server(&Leaf::server("fairlead-ingress", &[host]), now)?;
    tracing::warn!(
        namespace,
        name,
        host,
        "there is no Secret with a pair for the ingress gateway: it shows a self-signed one"
    );
    let value = |pem: String| json!(ByteString(pem.into_bytes()));
    Ok(of(&pair(&value(certificate_pem), &value(key_pem)), true))
}

/// Whether this is a pair that we made, for this host, and not to be renewed yet.
fn still_good(there: &DynamicObject, host: &str, now: i64) -> bool {
    let made = there.metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(SELF_SIGNED));
    let certificate = there.data.pointer("/data/tls.crt").cloned();
    let certificate = certificate.and_then(|value| serde_json::from_value::<ByteString>(value).ok());
    let pem = certificate.and_then(|bytes| String::from_utf8(bytes.0).ok()).unwrap_or_default();
    let named = names(&pem).is_ok_and(|names| names.iter().eq([host]));
    made && named && Validity::of_pem(&pem).is_ok_and(|validity| !validity.due(now))
}

/// All client CAs, each once. Without any nobody can be known: Fairlead's own CA stands there, which issues no client
/// certificates to external systems.
fn bundle(ingress: &MeshIngressConfig, sources: &Sources, own: &str) -> String {
    let mut parts: BTreeSet<String> = ingress.client_ca_pem.iter().map(|pem| pem.trim().to_owned()).collect();
    for key in &ingress.client_ca_secrets {
        let value = sources.get(&key.namespace, &key.name).and_then(|data| data.get(&key.key));
        match value.and_then(|value| std::str::from_utf8(&value.0).ok()) {
            Some(pem) => {
                parts.insert(pem.trim().to_owned());
            }
            None => tracing::warn!(
                namespace = key.namespace,
                name = key.name,
                key = key.key,
                "a CA of client certificates is not there: who has a certificate of it is refused"
            ),
        }
    }
    parts.remove("");
    if parts.is_empty() {
        parts.insert(own.trim().to_owned());
    }
    let mut text = parts.into_iter().collect::<Vec<_>>().join("\n");
    text.push('\n');
    text
}

fn secret(ingress: &MeshIngressConfig, name: &str, kind: &str, data: &Value, self_signed: bool) -> Value {
    let mut labels: Map<String, Value> =
        LABELS.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    if self_signed {
        labels.insert(SELF_SIGNED.to_owned(), json!("true"));
    }
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": name, "namespace": ingress.namespace, "labels": labels },
        "type": kind,
        "data": data,
    })
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
