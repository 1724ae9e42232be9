//! Gateways that lost the plugin get it again.
//!
//! When Istio's agent cannot fetch a module it gives Envoy a filter that refuses everything, and it tries again only when
//! istiod pushes the extension's configuration anew (istio `pkg/wasm/convert.go`). The plugin of such a gateway does not poll, so the
//! leader sees that it fell silent, or that a pod never spoke. It then counts a push, and delivery writes the number into an
//! annotation of the `WasmPlugin` whose name contains `istio.io`: any change of such an object makes istiod push
//! (`pilot/pkg/model/config_compare.go`), and to gateways that have the plugin nothing changes, as the configuration is the same.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use fairlead_wire::feed::View;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::ListParams};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use crate::{
    kubernetes::{Cluster, Leadership, Pushes, call},
    replica::reports::Reports,
    state::drained,
};

/// How often silence is looked for.
const LOOK: Duration = Duration::from_secs(1);
/// A gateway that was silent for this many times `pushAgainAfter` is gone.
const GONE: u32 = 8;
/// Without any gateway, pushes come at most this many times `pushAgainAfter` apart.
const RARELY: u32 = 16;

/// How many pods of a gateway are looked at.
const PODS: u32 = 500;

/// Gateways' pods, and since when each is known.
type Pods = BTreeMap<(View, IpAddr), Instant>;

/// What one view's gateways had of pushes.
#[derive(Default)]
struct Pusher {
    /// How long a silent gateway was silent at its last push.
    silent: BTreeMap<IpAddr, Duration>,
    /// Since when no gateway has polled, and how long that was at the last push.
    nobody: Option<(Instant, Duration)>,
}

impl Pusher {
    /// Whether a push is due. `gateways`: all that are remembered, and how long they have been silent.
    fn due(&mut self, now: Instant, after: Duration, gateways: &[(IpAddr, Duration)]) -> bool {
        self.silent.retain(|gateway, _| {
            gateways.iter().any(|(address, silent)| address == gateway && *silent >= after)
        });
        let mut due = false;
        for (gateway, silent) in gateways {
            let last = self.silent.get(gateway).copied();
            let next = last.map_or(after, |last| last * 2);
            if *silent >= next && *silent < after * GONE {
                self.silent.insert(*gateway, *silent);
                due = true;
            }
        }
        if gateways.iter().any(|(_, silent)| *silent < after * GONE) {
            self.nobody = None;
            return due;
        }
        let (since, last) = self.nobody.get_or_insert((now, Duration::ZERO));
        let time = now.duration_since(*since);
        let next = (*last * 2).clamp(after, *last + after * RARELY);
        if time >= next {
            *last = time;
            return true;
        }
        due
    }
}

/// Counts pushes while this replica leads and a module is published.
pub struct Task {
    /// Where gateways' pods are.
    pub cluster: Cluster,
    /// What gateways told the replicas.
    pub reports: Arc<Reports>,
    /// Who leads.
    pub leadership: watch::Receiver<Leadership>,
    /// What gateways are to load.
    pub module: watch::Receiver<Option<Arc<str>>>,
    /// Told when a push is due.
    pub pushes: watch::Sender<Pushes>,
}

impl Task {
    /// Until the process drains.
    pub async fn run(self, mut draining: watch::Receiver<bool>) {
        let after = self.cluster.config.module.push_again_after.get();
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut egress, mut ingress) = (Pusher::default(), Pusher::default());
        let (mut pods, mut listed): (Pods, Option<Instant>) = (Pods::new(), None);
        loop {
            tokio::select! {
                () = drained(&mut draining) => return,
                _ = looks.tick() => {}
            }
            if !self.leadership.borrow().leading || self.module.borrow().is_none() {
                (egress, ingress, pods) = (Pusher::default(), Pusher::default(), Pods::new());
                continue;
            }
            if listed.is_none_or(|at| at.elapsed() >= after / 4) {
                listed = Some(Instant::now());
                pods = self.pods(&pods).await;
            }
            let (mut gateways, now) = (self.reports.gateways(), Instant::now());
            for (gateway, since) in &pods {
                gateways.entry(*gateway).or_insert_with(|| now.duration_since(*since));
            }
            let of = |wanted: View| -> Vec<(IpAddr, Duration)> {
                let own = gateways.iter().filter(|((view, _), _)| *view == wanted);
                own.map(|((_, address), silent)| (*address, *silent)).collect()
            };
            let due =
                (egress.due(now, after, &of(View::Egress)), ingress.due(now, after, &of(View::Ingress)));
            if due != (false, false) {
                tracing::warn!(
                    egress = due.0,
                    ingress = due.1,
                    "gateways are silent: the plugin is pushed again"
                );
                self.pushes.send_modify(|pushes| {
                    pushes.egress += u64::from(due.0);
                    pushes.ingress += u64::from(due.1);
                });
            }
        }
    }

    /// Gateways' pods, and since when each is known.
    async fn pods(&self, before: &Pods) -> Pods {
        let config = &self.cluster.config;
        let egress = config.egress.as_ref().map(|egress| (View::Egress, &egress.namespace, &egress.selector));
        let ingress =
            config.ingress.as_ref().map(|ingress| (View::Ingress, &ingress.namespace, &ingress.selector));
        let mut pods = Pods::new();
        for (view, namespace, selector) in [egress, ingress].into_iter().flatten() {
            let api: Api<Pod> = Api::namespaced(self.cluster.client.clone(), namespace);
            let selector =
                selector.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",");
            let parameters = ListParams::default().labels(&selector).limit(PODS);
            let list = match call("list", format!("Pods of {namespace}"), api.list(&parameters)).await {
                Ok(list) => list,
                Err(error) => {
                    tracing::debug!(%error, "gateways that never polled cannot be noticed");
                    continue;
                }
            };
            let running = list.items.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
            for address in running.filter_map(|pod| pod.status?.pod_ip?.parse().ok()) {
                let since = before.get(&(view, address)).copied().unwrap_or_else(Instant::now);
                pods.insert((view, address), since);
            }
        }
        pods
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const AFTER: Duration = Duration::from_secs(60);

    fn times(silent: impl Fn(u64) -> Vec<(IpAddr, Duration)>) -> Vec<u64> {
        let (mut pusher, begin) = (Pusher::default(), Instant::now());
        let due = |second: &u64| pusher.due(begin + Duration::from_secs(*second), AFTER, &silent(*second));
        (0..3_000).filter(due).collect()
    }

    #[test]
    fn gateways_that_poll_are_left_alone() {
        let gateway = IpAddr::V4(Ipv4Addr::LOCALHOST);
        assert_eq!(times(|_| vec![(gateway, Duration::ZERO)]), Vec::<u64>::new());
    }

    #[test]
    fn a_silent_gateway_is_pushed_ever_more_rarely_until_it_is_gone() {
        let (one, other) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)));
        let silent = |second| vec![(one, Duration::ZERO), (other, Duration::from_secs(second))];
        assert_eq!(times(silent), [60, 120, 240]);
    }

    #[test]
    fn without_any_gateway_pushes_go_on_rarely() {
        assert_eq!(times(|_| Vec::new()), [60, 120, 240, 480, 960, 1920, 2880]);
    }
}
