//! What the renderer makes for a mesh, given to a real istiod: taken without a complaint, closed without a plugin.

use std::{collections::BTreeMap, net::Ipv4Addr, time::Duration};

use fairlead_mesh::mesh;
use fairlead_render::{
    Profile, Trust,
    mesh::{self as render, MeshControl, MeshEgress, MeshGateway, Profiles},
};
use fairlead_testkit::{
    Error,
    certs::Authority,
    http::{self, Request},
    mesh::{Gateway, Mesh},
    wait,
};
use fairlead_wire::{header::PROFILE, profile::PLAIN};

const LIMIT: Duration = Duration::from_secs(30);

fn described(name: &str) -> MeshGateway {
    let control = MeshControl {
        host: Ipv4Addr::new(10, 255, 255, 1).to_string(),
        port: 8443,
        health_port: 8081,
        server_name: "fairlead-control".to_owned(),
        ca_pem: Authority::new("control").unwrap().pem().to_owned(),
    };
    let selector = BTreeMap::from([("istio".to_owned(), name.to_owned())]);
    let mut gateway = MeshGateway::new(name, selector, control);
    gateway.settings.plugin.hosts = vec!["*".to_owned()];
    gateway
}

fn gateway(mesh: &Mesh, name: &str) -> Gateway {
    mesh.namespace(name).unwrap();
    mesh.service_account(name, name).unwrap();
    mesh.gateway(name, name, name, &[("istio", name)]).unwrap()
}

/// Updates that Envoy refused, over all kinds of resources.
fn refused(gateway: &Gateway) -> u64 {
    gateway.stat(|name| name.ends_with("update_rejected") || name.ends_with("update_failure")).unwrap()
}

#[test]
fn what_is_rendered_is_taken_and_is_closed_without_the_plugin() {
    let mesh = mesh().unwrap();
    let name = "rendered-egress";
    // An empty bundle of public CAs would be refused.
    mesh.trust(Authority::new("public").unwrap().pem());
    let gateway = gateway(mesh, name);
    let before = refused(&gateway);
    let egress = MeshEgress::new(described(name));
    let profiles = [
        Profile::new(&format!("fairlead.t.{}", "b".repeat(32)), Trust::System),
        Profile::new(&format!("fairlead.t.{}", "d".repeat(32)), Trust::Unverified),
        Profile::new(
            &format!("fairlead.t.{}", "c".repeat(32)),
            Trust::Private { ca_pem: Authority::new("private").unwrap().pem().to_owned() },
        ),
    ];
    mesh.apply(&render::egress(&egress)).unwrap();
    let all = Profiles::egress(&egress.gateway);
    let objects: Vec<_> = profiles.iter().map(|profile| all.object(profile)).collect();
    mesh.apply(&objects).unwrap();
    let address = gateway.wait_listener(8080, LIMIT).unwrap();
    let closed = |request: &Request| {
        let response = http::call(address, request)?.expect(403)?;
        assert_eq!(response.header("x-fairlead-reason"), ["not_routed"]);
        Ok(())
    };
    wait::attempt("a refusal", LIMIT, || closed(&Request::new("GET", "/app/service"))).unwrap();
    // Naming a profile opens nothing: there is no plugin, and callers are not believed.
    let ids = profiles.iter().map(|profile| profile.id.as_str());
    for profile in ids.clone().chain([PLAIN, "fairlead.control"]) {
        closed(&Request::new("GET", "/").header(PROFILE, profile).header("host", "kubernetes.default"))
            .unwrap();
    }
    let health = gateway.wait_listener(8081, LIMIT).unwrap();
    wait::attempt("health", LIMIT, || http::get(health, "/v1/health")?.expect(200)).unwrap();
    http::get(health, "/v1/nothing").unwrap().expect(404).unwrap();

    wait::attempt("all clusters", LIMIT, || {
        let dump = gateway.config_dump()?.to_string();
        let all = ids.clone().chain([PLAIN, "fairlead.control", "fairlead.health"]);
        match all.into_iter().find(|name| !dump.contains(&format!("\"name\":\"{name}\""))) {
            None => Ok(()),
            Some(lacking) => Err(Error::new(format!("it lacks {lacking}"))),
        }
    })
    .unwrap();
    assert_eq!(refused(&gateway), before);
}
