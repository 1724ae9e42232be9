//! The API server as these tests use it, and a store that is listened to.
#![allow(dead_code, reason = "shared by several programs, none of which uses all of it")]

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    sync::{Arc, Mutex, OnceLock},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use fairlead::store::{Batch, Event, Store as _, StoreProblem, kubernetes::KubernetesStore};
use fairlead_resources::Object;
use http::Request;
use kube::{
    Client, Config,
    client::Body,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tower::{Layer, Service};
use tracing_subscriber::fmt::MakeWriter;

/// How long anything may take on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);
pub(crate) const APPLICATIONS: &str = "/apis/applicationconnector.kyma-project.io/v1alpha1/applications";

/// A client's configuration from a kubeconfig.
pub(crate) async fn config(kubeconfig: &Path) -> Config {
    // As the binary does: which of the providers of TLS is meant is said once.
    let file = Kubeconfig::read_from(kubeconfig).unwrap();
    let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
    config.default_retry = false;
    config
}

/// A client of the administrator.
pub(crate) async fn admin(kubeconfig: &Path) -> Client {
    Client::try_from(config(kubeconfig).await).unwrap()
}

/// A call with JSON; `Err` has the status.
pub(crate) async fn call(client: &Client, method: &str, path: &str, body: &Value) -> Result<Value, u16> {
    let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    let bytes = if body.is_null() { Vec::new() } else { serde_json::to_vec(body).unwrap() };
    let request =
        Request::builder().method(method).uri(path).header("content-type", kind).body(bytes).unwrap();
    match client.request::<Value>(request).await {
        Ok(value) => Ok(value),
        Err(kube::Error::Api(status)) => Err(status.code),
        Err(error) => panic!("{method} {path}: {error}"),
    }
}

/// Installs the definition of Applications; a `permissive` one accepts anything as `spec`.
pub(crate) async fn install(client: &Client, permissive: bool) {
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let definition = if permissive { permissive_definition() } else { own_definition() };
    let name = "applications.applicationconnector.kyma-project.io";
    match call(client, "POST", path, &definition).await {
        Ok(_) | Err(409) => {}
        Err(status) => panic!("{name}: {status}"),
    }
    until("the API server serves Applications", async || {
        call(client, "GET", APPLICATIONS, &Value::Null).await.ok()
    })
    .await;
}

fn own_definition() -> Value {
    let definitions = fairlead_resources::crd::all();
    let named = |definition: &Value| definition["spec"]["names"]["kind"] == "Application";
    definitions.into_iter().find(named).unwrap()
}

fn permissive_definition() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "applications.applicationconnector.kyma-project.io"},
        "spec": {
            "group": "applicationconnector.kyma-project.io",
            "scope": "Cluster",
            "names": {"kind": "Application", "listKind": "ApplicationList", "plural": "applications", "singular": "application"},
            "versions": [{
                "name": "v1alpha1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            }],
        },
    })
}

pub(crate) async fn namespace(client: &Client, name: &str) {
    let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    assert!(matches!(call(client, "POST", "/api/v1/namespaces", &body).await, Ok(_) | Err(409)));
}

/// Path of a namespace's Secrets.
pub(crate) fn secrets(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/secrets")
}

pub(crate) fn secret(name: &str, password: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": name, "annotations": {"last-applied": format!("{{password: {password}}}")}},
        "stringData": {"username": "user", "password": password},
    })
}

/// An Application with a service of `secrets.len()` entries, which name them.
pub(crate) fn application(name: &str, secrets: &[&str]) -> Value {
    let entry = |(at, secret): (usize, &&str)| {
        json!({
            "type": "API", "name": format!("entry {at}"), "targetUrl": format!("https://{name}.example.com/api/{at}"),
            "credentials": {"type": "Basic", "secretName": secret},
        })
    };
    let entries: Vec<Value> = secrets.iter().enumerate().map(entry).collect();
    with_spec(
        name,
        &json!({"services": [{
            "id": "id", "name": "service", "displayName": "Service", "providerDisplayName": "p", "description": "d",
            "entries": entries,
        }]}),
    )
}

pub(crate) fn with_spec(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "applicationconnector.kyma-project.io/v1alpha1", "kind": "Application",
        "metadata": {"name": name}, "spec": spec,
    })
}

/// Creates, or replaces what is there.
pub(crate) async fn put(client: &Client, path: &str, object: &Value) {
    let one = format!("{path}/{}", object["metadata"]["name"].as_str().unwrap());
    match call(client, "POST", path, object).await {
        Ok(_) => {}
        Err(409) => {
            let there = call(client, "GET", &one, &Value::Null).await.unwrap();
            let mut object = object.clone();
            object["metadata"]["resourceVersion"] = there["metadata"]["resourceVersion"].clone();
            call(client, "PUT", &one, &object).await.unwrap();
        }
        Err(status) => panic!("{one}: {status}"),
    }
}

pub(crate) async fn delete(client: &Client, path: &str, name: &str) {
    call(client, "DELETE", &format!("{path}/{name}"), &Value::Null).await.unwrap();
}

/// Repeats until there is a value.
pub(crate) async fn until<T>(what: &str, mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + LIMIT;
    loop {
        if let Some(value) = attempt().await {
            return value;
        }
        assert!(Instant::now() < end, "waited for: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A store, and what its batches add up to.
pub(crate) struct Listener {
    batches: mpsc::Receiver<Batch>,
    /// By origin; of a Secret its password, of an Application its first target.
    pub(crate) objects: BTreeMap<String, String>,
    pub(crate) problems: Vec<StoreProblem>,
    /// Everything that was there at the beginning is here.
    pub(crate) begun: bool,
    /// How many batches came since.
    pub(crate) count: usize,
    /// How many objects the store says that there are.
    pub(crate) said: usize,
}

impl Listener {
    pub(crate) fn new(client: Client, namespaces: &[&str]) -> Self {
        let namespaces: Vec<String> = namespaces.iter().map(|name| (*name).to_owned()).collect();
        let store = KubernetesStore::new(client, &namespaces, Duration::from_millis(5));
        let batches = store.watch().unwrap();
        Self { batches, objects: BTreeMap::new(), problems: Vec::new(), begun: false, count: 0, said: 0 }
    }

    /// The next batch within `limit`, already taken in.
    pub(crate) async fn next(&mut self, limit: Duration) -> Option<Batch> {
        let batch = tokio::time::timeout(limit, self.batches.recv()).await.ok()?.expect("the store goes on");
        for event in &batch.events {
            match event {
                Event::Apply { object, origin } => {
                    drop(self.objects.insert(origin.to_string(), content(object)));
                }
                Event::Delete(reference) | Event::Release(reference) => {
                    let origin = reference.to_string().replace(' ', "/");
                    self.objects.remove(&origin);
                }
            }
        }
        if let Some(problems) = &batch.problems {
            self.problems.clone_from(problems);
        }
        self.begun |= !batch.more;
        self.count += usize::from(self.begun);
        self.said = batch.objects;
        Some(batch)
    }

    /// Takes batches until all of the beginning is here.
    pub(crate) async fn begin(&mut self) {
        let end = Instant::now() + LIMIT * 5;
        while !self.begun {
            assert!(Instant::now() < end, "the beginning");
            self.next(Duration::from_secs(1)).await;
        }
    }

    /// Takes batches until `condition` holds.
    pub(crate) async fn wait(&mut self, what: &str, condition: impl Fn(&Self) -> bool) {
        let end = Instant::now() + LIMIT;
        while !condition(self) {
            assert!(
                Instant::now() < end,
                "waited for: {what}; there are {:?}, {:?}",
                self.objects,
                self.problems
            );
            self.next(Duration::from_millis(500)).await;
        }
    }

    pub(crate) fn has(&self, origin: &str) -> bool {
        self.objects.contains_key(origin)
    }
}

fn content(object: &Object) -> String {
    match object {
        Object::Application(application) => {
            let mut entries = application.spec.services.iter().flat_map(|service| &service.entries);
            entries.next().map(|entry| entry.target_url.clone()).unwrap_or_default()
        }
        Object::Secret(secret) => {
            String::from_utf8_lossy(secret.get("password").unwrap_or_default()).into_owned()
        }
        Object::Other(_) => String::new(),
    }
}

/// Requests that a client sent: method and path with query.
#[derive(Clone, Default)]
pub(crate) struct Counter(Arc<Mutex<Vec<String>>>);

impl Counter {
    /// What was sent since the last call.
    pub(crate) fn take(&self) -> Requests {
        let all = std::mem::take(&mut *self.0.lock().unwrap());
        let count = |kind: fn(&str) -> bool| all.iter().filter(|uri| kind(uri)).count();
        Requests {
            watches: count(|uri| uri.contains("watch=true")),
            lists: count(|uri| uri.contains("limit=")),
            gets: count(|uri| !uri.contains("watch=true") && !uri.contains("limit=")),
        }
    }

    /// The control plane's client, counted.
    pub(crate) fn client(&self, config: Config) -> Client {
        fairlead::kubernetes::client::builder(config).unwrap().with_layer(self).build()
    }
}

/// How many requests there were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Requests {
    pub(crate) watches: usize,
    /// Pages of lists.
    pub(crate) lists: usize,
    pub(crate) gets: usize,
}

impl<S> Layer<S> for Counter {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted { inner, counter: self.clone() }
    }
}

#[derive(Clone)]
pub(crate) struct Counted<S> {
    inner: S,
    counter: Counter,
}

impl<S: Service<Request<Body>>> Service<Request<Body>> for Counted<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> S::Future {
        self.counter.0.lock().unwrap().push(request.uri().to_string());
        self.inner.call(request)
    }
}

/// Everything that is logged in this program, at the most talkative level.
pub(crate) fn log() -> Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_max_level(tracing::Level::TRACE);
        subscriber.with_writer(log.clone()).init();
        log
    })
    .clone()
}

#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
