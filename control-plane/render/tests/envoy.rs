//! What is rendered, to the byte, and whether the real Envoy takes it.
#![cfg(not(target_arch = "wasm32"))]
// clippy.toml allows this in test functions; here are their helpers too.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use fairlead_render::{Files, Pipeline, sds};
use serde_json::{Value, json};

/// The smallest module that Envoy loads: ABI marker, allocator, memory.
const MODULE: &[u8] = b"\0asm\x01\0\0\0\
    \x01\x09\x02\x60\0\0\x60\x01\x7f\x01\x7f\
    \x03\x03\x02\0\x01\
    \x05\x03\x01\0\x01\
    \x07\x3f\x03\x06memory\x02\0\x17proxy_abi_version_0_2_1\0\0\x18proxy_on_memory_allocate\0\x01\
    \x0a\x09\x02\x02\0\x0b\x04\0\x41\0\x0b";

#[test]
fn render_egress_is_as_reviewed() {
    let files = fairlead_render::egress(&common::egress(Path::new("/gateway")), &common::profiles());
    insta::assert_snapshot!(common::pretty(&json!(files)));
}

#[test]
fn render_ingress_is_as_reviewed() {
    let files = fairlead_render::ingress(&common::ingress(Path::new("/gateway")), &common::profiles());
    insta::assert_snapshot!(common::pretty(&json!(files)));
}

#[test]
fn envoy_takes_the_egress_gateway() {
    in_envoy(|directory| fairlead_render::egress(&common::egress(directory), &common::profiles()));
}

#[test]
fn envoy_takes_the_ingress_gateway_in_both_modes() {
    in_envoy(|directory| fairlead_render::ingress(&common::ingress(directory), &common::profiles()));
    in_envoy(|directory| {
        let mut gateway = common::ingress(directory);
        gateway.pipeline = Pipeline::Identify("127.0.0.2:80".parse().unwrap());
        fairlead_render::ingress(&gateway, [])
    });
}

/// Validates once as it would start, and once with clusters and listeners made static: validation does not read what
/// is discovered from files. Without `FAIRLEAD_ENVOY` there is no Envoy to ask.
fn in_envoy(render: impl Fn(&Path) -> Files) {
    let Some(envoy) = std::env::var_os("FAIRLEAD_ENVOY").map(PathBuf::from) else { return };
    assert!(envoy.is_file(), "FAIRLEAD_ENVOY is not a file: {}", envoy.display());
    let directory = tempfile::tempdir().unwrap();
    let files = render(directory.path());
    std::fs::create_dir_all(directory.path().join("pki")).unwrap();
    std::fs::write(directory.path().join("pki/system-ca.pem"), common::CA).unwrap();
    std::fs::write(directory.path().join("fairlead.wasm"), MODULE).unwrap();
    std::fs::create_dir_all(directory.path().join("log")).unwrap();
    // Envoy refuses a cluster whose secret's file is not there; what is in it, it looks at later.
    let pair = (sds::client_file(common::CLIENT), sds::client(common::CLIENT, common::CA, ""));
    for (name, content) in files.iter().chain([(&pair.0, &pair.1)]) {
        write(&directory.path().join(name), content);
    }
    validate(&envoy, &directory.path().join("bootstrap.json"));

    let mut all = files["bootstrap.json"].clone();
    all.as_object_mut().unwrap().remove("dynamic_resources");
    all["static_resources"]["clusters"].as_array_mut().unwrap().extend(untyped(&files["xds/cds.json"]));
    all["static_resources"]["listeners"] = json!(untyped(&files["xds/lds.json"]));
    let file = directory.path().join("static.json");
    write(&file, &all);
    validate(&envoy, &file);
}

fn untyped(discovered: &Value) -> Vec<Value> {
    let mut resources = discovered["resources"].as_array().unwrap().clone();
    for resource in &mut resources {
        resource.as_object_mut().unwrap().remove("@type");
    }
    resources
}

fn write(file: &Path, content: &Value) {
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, serde_json::to_vec_pretty(content).unwrap()).unwrap();
}

fn validate(envoy: &Path, file: &Path) {
    let output =
        Command::new(envoy).args(["--mode", "validate", "--log-level", "warn", "-c"]).arg(file).output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", file.display());
    // What Envoy only warns about today is refused by a later version.
    for word in ["deprecated", "[critical]", "[error]"] {
        assert!(!said.contains(word), "{}: {said}", file.display());
    }
}
