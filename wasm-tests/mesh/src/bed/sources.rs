//! Where the search for leaked secrets looks.

use fairlead_testkit::{Result, canary::Source, http};

use super::MeshBed;

/// Port of the control plane's metrics, as the chart has it.
const METRICS: u16 = 9090;

/// Logs, configurations, statistics and metrics of all processes; every object that the control plane writes but the
/// Secrets, which hold what must be held.
pub(super) fn all(bed: &MeshBed) -> Result<Vec<Source>> {
    let mut sources = bed.mesh.sources();
    for program in bed.control() {
        let name = program.pod().name();
        sources.push((format!("log of {name}"), program.component().log()));
        if program.component().ended().is_none() {
            sources.push((format!("metrics of {name}"), http::get(program.port(METRICS), "/metrics")?.body));
        }
    }
    for gateway in [bed.egress(), bed.ingress()].concat() {
        sources.extend(gateway.sources()?);
    }
    let kinds = "applications,gateways.networking.istio.io,virtualservices,envoyfilters,wasmplugins,telemetries,configmaps,leases,events";
    let objects = bed.mesh.kubectl(&["get", kinds, "--all-namespaces", "--output", "json"])?;
    sources.push(("objects".to_owned(), objects.into_bytes()));
    Ok(sources)
}
