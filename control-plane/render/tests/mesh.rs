//! What is rendered for a mesh, to the byte.
#![cfg(not(target_arch = "wasm32"))]
// clippy.toml allows this in test functions; here are their helpers too.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::{collections::BTreeMap, path::PathBuf};

use fairlead_render::{
    Resolver,
    mesh::{self, MeshControl, MeshEgress, MeshGateway, MeshIngress, Module, Profiles},
};
use serde_json::{Value, json};

fn gateway(name: &str, host: &str) -> MeshGateway {
    let control = MeshControl {
        host: "fairlead-control.kyma-system.svc.cluster.local".to_owned(),
        port: 8443,
        health_port: 8081,
        server_name: "fairlead-control".to_owned(),
        ca_pem: common::CA.to_owned(),
    };
    let mut gateway =
        MeshGateway::new(name, BTreeMap::from([("istio".to_owned(), name.to_owned())]), control);
    gateway.settings.plugin.hosts = vec![host.to_owned()];
    gateway.settings.never = vec!["10.96.0.1:443".parse().unwrap()];
    gateway
}

fn egress() -> MeshEgress {
    let mut gateway = gateway("fairlead-egress", "*");
    gateway.settings.access_log = Some(PathBuf::from("/dev/stdout"));
    MeshEgress::new(gateway)
}

fn module() -> Module {
    Module { url: "http://control:8080/module/00.wasm".to_owned(), sha256: "0".repeat(64) }
}

fn pretty(objects: &[Value]) -> String {
    common::pretty(&json!(objects))
}

#[test]
fn mesh_egress_is_as_reviewed() {
    let egress = egress();
    let mut objects = mesh::egress(&egress);
    objects.push(egress.plugin(&module()));
    insta::assert_snapshot!(pretty(&objects));
}

#[test]
fn mesh_ingress_is_as_reviewed() {
    let gateway = gateway("fairlead-ingress", "gateway.kyma.local");
    let ingress = MeshIngress { gateway, port: 8443, credential: "kyma-gateway-certs".to_owned() };
    let mut objects = mesh::ingress(&ingress);
    objects.push(ingress.plugin(&module()));
    insta::assert_snapshot!(pretty(&objects));
}

#[test]
fn mesh_profiles_are_as_reviewed() {
    let egress = egress();
    let all = Profiles::egress(&egress.gateway);
    let objects: Vec<Value> = common::profiles().iter().map(|profile| all.object(profile)).collect();
    insta::assert_snapshot!(pretty(&objects));
}

#[test]
fn mesh_gateway_and_profiles_name_one_cache_and_another_one_after_its_configuration_changed() {
    let named = |object: &Value, at: &str| object.pointer(at).unwrap().clone();
    let of_filter = |objects: &[Value]| {
        let patch =
            |patch: &&Value| named(patch, "/patch/value/name") == "envoy.filters.http.dynamic_forward_proxy";
        let patches = named(&objects[1], "/spec/configPatches");
        let filter =
            patches.as_array().unwrap().iter().filter(|patch| patch.pointer("/patch/value").is_some());
        let filter = filter.clone().find(patch).unwrap();
        named(filter, "/patch/value/typed_config/dns_cache_config")
    };
    let of_cluster = |gateway: &MeshGateway| {
        let object = Profiles::egress(gateway).object(&common::profiles()[0]);
        named(&object, "/spec/configPatches/0/patch/value/cluster_type/typed_config/dns_cache_config")
    };
    let mut egress = egress();
    let before = of_cluster(&egress.gateway);
    assert_eq!(before, of_filter(&mesh::egress(&egress)));
    egress.gateway.settings.resolver = Resolver::Servers(vec!["10.96.0.10:53".parse().unwrap()]);
    let after = of_cluster(&egress.gateway);
    assert_eq!(after, of_filter(&mesh::egress(&egress)));
    assert_ne!(before["name"], after["name"]);
}

#[test]
fn mesh_pods_have_the_runtime_of_embedded_gateways() {
    let manifest = include_str!("../../../istio/manifests/fairlead.yaml");
    for (name, value) in fairlead_render::bootstrap::runtime().as_object().unwrap() {
        assert_eq!(manifest.matches(&format!("{name}: \"{value}\"")).count(), 2, "{name}: both gateways");
    }
}
