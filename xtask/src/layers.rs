//! Dependencies point one way (design: Layout): `wire ← stages ← engine ← plugin`,
//! and `wire, stages ← resources, model ← render ← server`; what is pure has no I/O library.

use std::{collections::BTreeMap, process::Command};

use crate::run::{Error, Result, cargo, output};

/// What each of our crates may use of ours.
const ALLOWED: &[(&str, &[&str])] = &[
    ("fairlead-wire", &[]),
    ("fairlead-client-identity", &["fairlead-wire"]),
    ("fairlead-app-router", &["fairlead-wire"]),
    ("fairlead-credential-injector", &["fairlead-wire"]),
    (
        "fairlead-engine",
        &["fairlead-wire", "fairlead-client-identity", "fairlead-app-router", "fairlead-credential-injector"],
    ),
    ("fairlead-plugin", &["fairlead-wire", "fairlead-engine"]),
    ("fairlead-resources", &["fairlead-wire"]),
    (
        "fairlead-model",
        &[
            "fairlead-wire",
            "fairlead-resources",
            "fairlead-client-identity",
            "fairlead-app-router",
            "fairlead-credential-injector",
        ],
    ),
    ("fairlead-render", &["fairlead-wire", "fairlead-model"]),
    ("fairlead-pki", &[]),
    (
        "fairlead",
        &[
            "fairlead-wire",
            "fairlead-credential-injector",
            "fairlead-resources",
            "fairlead-model",
            "fairlead-render",
            "fairlead-pki",
        ],
    ),
];

/// Crates that do no I/O, and what none of them may use.
const PURE: &[&str] = &[
    "fairlead-wire",
    "fairlead-client-identity",
    "fairlead-app-router",
    "fairlead-credential-injector",
    "fairlead-engine",
    "fairlead-resources",
    "fairlead-model",
    "fairlead-render",
];
const IO: &[&str] =
    &["tokio", "hyper", "axum", "reqwest", "kube", "rustls", "notify", "proxy-wasm", "rand", "getrandom"];

/// Checks the workspace's manifests.
pub(crate) fn check() -> Result {
    let direct = direct_dependencies(&mut cargo())?;
    let mut faults = Vec::new();
    for (package, dependencies) in &direct {
        if let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| name == package) {
            let ours = dependencies.iter().filter(|name| direct.contains_key(*name));
            let wrong = ours.filter(|name| !allowed.contains(&name.as_str()));
            faults.extend(wrong.map(|name| format!("{package} may not use {name}")));
        }
        if PURE.contains(&package.as_str()) {
            let wrong = dependencies.iter().filter(|name| IO.contains(&name.as_str()));
            faults.extend(wrong.map(|name| format!("{package} is pure and may not use {name}")));
        }
        if package != "fairlead-plugin" && dependencies.iter().any(|name| name == "proxy-wasm") {
            faults.push(format!("{package} may not name proxy-wasm"));
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Error::new(faults.join("; "))) }
}

/// Package → names of its normal dependencies, for the workspace's members.
fn direct_dependencies(cargo: &mut Command) -> Result<BTreeMap<String, Vec<String>>> {
    let json = output(cargo.args(["metadata", "--format-version", "1", "--no-deps"]))?;
    let metadata: serde_json::Value =
        serde_json::from_str(&json).map_err(|error| Error::new(format!("cargo metadata: {error}")))?;
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: Option<&serde_json::Value>| {
        value.and_then(serde_json::Value::as_array).cloned().unwrap_or_default()
    };
    Ok(list(metadata.get("packages"))
        .iter()
        .filter_map(|package| {
            let normal = list(package.get("dependencies"));
            let normal = normal
                .iter()
                .filter(|dependency| dependency.get("kind").is_some_and(serde_json::Value::is_null));
            Some((text(package.get("name")?), normal.filter_map(|one| one.get("name").map(text)).collect()))
        })
        .collect())
}
