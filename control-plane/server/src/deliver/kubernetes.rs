//! Delivery to gateways of a mesh: Istio objects in their namespaces, and the Secrets that Envoy reads.
//!
//! Each gateway has a `writer`. It knows what should be in the gateway's namespace (`desired`) and what is there (`seen`);
//! on the leader it makes the one into the other by server-side apply, as the one manager `fairlead`. Followers write
//! nothing and wait until they see the profiles that their records need (`profiles`).
//!
//! The service account needs, in the gateways' namespaces: `get`, `list`, `watch`, `create`, `patch` and `delete` on
//! `envoyfilters`, `gateways`, `virtualservices` (`networking.istio.io`) and `wasmplugins` (`extensions.istio.io`), and `list`
//! on `services`; the same verbs on `secrets`, and on `telemetries` (`telemetry.istio.io`) for the egress gateway. In the
//! namespace of each source that the ingress gateway's configuration names: `get`, `list` and
//! `watch` on that one Secret (`resourceNames`).

mod desired;
pub mod never;
mod object;
mod profiles;
mod secrets;
mod seen;
mod writer;

use std::sync::Arc;

use futures_util::{FutureExt, future::BoxFuture};
use tokio::sync::watch;

pub use profiles::MeshProfiles;

use super::Deliver;
use crate::{
    config::Config,
    kubernetes::{Cluster, Signals},
};
use desired::Which;
use secrets::Sources;
use writer::{Inputs, Writer};

/// Annotation of a plugin that was pushed again although nothing else is different: when.
///
/// istiod pushes an object whose specification is as before only if the name of one of its annotations or labels
/// contains `istio.io` (its `pilot/pkg/model/config_compare.go`).
const PUSHED: &str = "fairlead.kyma-project.io/pushed-by-istio.io";

/// The ways to both gateways, and the tasks behind them.
pub struct Delivery {
    /// For the egress view; `None`: there is no such gateway.
    pub egress: Option<Box<dyn Deliver>>,
    /// For the ingress view.
    pub ingress: Option<Box<dyn Deliver>>,
    /// To be run until the process drains.
    pub tasks: Vec<BoxFuture<'static, ()>>,
}

/// Makes everything ready; nothing is asked of the API server before the tasks run. `own` are the addresses that no target
/// may have now ([`never::known`]); `missing` is told which Secret has no pair for the ingress gateway's server.
pub fn begin(
    cluster: &Cluster,
    config: &Config,
    own: never::Known,
    signals: &Signals,
    missing: &watch::Sender<Option<Arc<str>>>,
    draining: &watch::Receiver<bool>,
) -> Delivery {
    let config = Arc::new(config.clone());
    let (told, never) = watch::channel(own.addresses.clone());
    let follow = never::follow(cluster.clone(), Config::clone(&config), own, told, draining.clone());
    let mut tasks = vec![follow.boxed()];
    let mut of = |which: Which| -> Box<dyn Deliver> {
        let sources = match &which {
            Which::Egress(_) => watch::channel(Sources::default()).1,
            Which::Ingress(ingress) => {
                let (sources, task) =
                    secrets::follow(&cluster.client, ingress, missing.clone(), draining.clone());
                tasks.push(task.boxed());
                sources
            }
        };
        let (there, seen) = watch::channel(profiles::There::default());
        let (deliver, needed) = MeshProfiles::new(config.profiles.settle.get(), seen);
        let inputs = Inputs {
            signals: signals.clone(),
            needed,
            never: never.clone(),
            sources,
            draining: draining.clone(),
        };
        tasks.push(Writer::new(which, cluster.clone(), config.clone(), inputs, there).run().boxed());
        Box::new(deliver)
    };
    let egress = cluster.config.egress.clone().map(|egress| of(Which::Egress(egress)));
    let ingress = cluster.config.ingress.clone().map(|ingress| of(Which::Ingress(ingress)));
    Delivery { egress, ingress, tasks }
}
