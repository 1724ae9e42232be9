//! `cargo xtask images`: the control plane's container image and the module's, as OCI layouts, without a daemon.
//!
//! `control-plane/Containerfile` makes the same image where there is one. The module's is for those who would rather pull
//! the plugin from a registry: the "compatible" form of the Wasm image specification, one layer with `plugin.wasm`, which
//! Istio's agent reads.

mod layout;

use std::path::{Path, PathBuf};

use serde_json::json;

use self::layout::{File, Image};
use crate::{
    build, root,
    run::{Error, Result, cargo, doing, output, run as run_command, step},
};

/// Name and version of the image, as the chart has them by default.
const NAME: &str = concat!("fairlead:", env!("CARGO_PKG_VERSION"));
const MODULE_NAME: &str = concat!("fairlead-module:", env!("CARGO_PKG_VERSION"));
/// Where distributions keep the bundle of trusted CAs; `FAIRLEAD_CA_BUNDLE` names another.
const BUNDLES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
];

/// What was written.
pub(crate) struct Written {
    /// The control plane's layout as one archive.
    pub(crate) archive: PathBuf,
}

/// `cargo xtask images`.
pub(crate) fn run() -> Result<Written> {
    let directory = root::target().join("images");
    let module = read(&build::module(&[])?)?;
    let program = read(&program()?)?;
    step("images");
    let control = directory.join("fairlead");
    say(&control, &control_plane(program, module.clone(), bundle()?)?.write(&control)?);
    let (plugin, digest) = module_layout(module)?;
    say(&plugin, &digest);
    Ok(Written { archive: control.with_extension("tar") })
}

/// Writes the module's image; its layout, and the manifest's digest.
fn module_layout(module: Vec<u8>) -> Result<(PathBuf, String)> {
    let directory = root::target().join("images/fairlead-module");
    let digest = module_image(module).write(&directory)?;
    Ok((directory, digest))
}

/// The layout of an image with this module.
pub(crate) fn of_module(module: &Path) -> Result<PathBuf> {
    Ok(module_layout(read(module)?)?.0)
}

fn say(directory: &Path, digest: &str) {
    println!("{} {digest}", directory.display());
}

/// The server, linked statically: it resolves names by `/etc/resolv.conf` and `/etc/hosts` alone, so nothing else is
/// needed in the image.
fn program() -> Result<PathBuf> {
    step("control plane, linked statically");
    let flags = ["-C", "target-feature=+crt-static", "-C", "strip=symbols"];
    run_command(
        cargo().args(["rustc", "--release", "--package", "fairlead", "--bin", "fairlead", "--"]).args(flags),
    )?;
    let program = root::target().join("release/fairlead");
    let headers = output(std::process::Command::new("readelf").arg("--program-headers").arg(&program));
    match headers {
        Ok(headers) if headers.contains("INTERP") => {
            Err(Error::new("the control plane is not linked statically: install the C library's static part"))
        }
        // Without readelf the linker is believed.
        _ => Ok(program),
    }
}

fn bundle() -> Result<Vec<u8>> {
    let named = std::env::var_os("FAIRLEAD_CA_BUNDLE").map(PathBuf::from);
    let usual = || BUNDLES.iter().map(PathBuf::from).find(|file| file.exists());
    let file = named.or_else(usual).ok_or_else(|| {
        Error::new("there is no bundle of trusted CAs for the image: install ca-certificates, or name one by FAIRLEAD_CA_BUNDLE")
    })?;
    read(&file)
}

fn read(file: &Path) -> Result<Vec<u8>> {
    doing(format!("cannot read {}", file.display()), std::fs::read(file))
}

fn control_plane(program: Vec<u8>, module: Vec<u8>, bundle: Vec<u8>) -> Result<Image> {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => return Err(Error::new(format!("there are no nodes of architecture {other}"))),
    };
    let file = |path, mode, content| File { path, mode, content };
    Ok(Image {
        name: format!("docker.io/library/{NAME}"),
        architecture,
        os: "linux",
        run: json!({ "User": "65532:65532", "Entrypoint": ["/fairlead"], "WorkingDir": "/" }),
        labels: labels("Fairlead's control plane"),
        // What seldom changes is below.
        layers: vec![
            vec![file("etc/ssl/certs/ca-certificates.crt", 0o644, bundle)],
            vec![file("fairlead", 0o755, program), file("fairlead.wasm", 0o644, module)],
        ],
    })
}

fn module_image(module: Vec<u8>) -> Image {
    Image {
        name: format!("docker.io/library/{MODULE_NAME}"),
        architecture: "wasm",
        os: "wasip1",
        run: json!({}),
        labels: labels("Fairlead's plugin for Envoy"),
        layers: vec![vec![File { path: "plugin.wasm", mode: 0o644, content: module }]],
    }
}

fn labels(title: &str) -> serde_json::Value {
    json!({
        "org.opencontainers.image.title": title,
        "org.opencontainers.image.version": env!("CARGO_PKG_VERSION"),
        "org.opencontainers.image.licenses": "Apache-2.0",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_make_the_same_image() {
        let file = read(&root::repository().join("control-plane/Containerfile")).unwrap();
        let file = String::from_utf8(file).unwrap();
        let (_, last) = file.split_once("FROM scratch").unwrap();
        let image = control_plane(Vec::new(), Vec::new(), Vec::new()).unwrap();
        assert!(last.contains(&format!("USER {}\n", image.run["User"].as_str().unwrap())));
        assert!(last.contains(&format!("ENTRYPOINT {}\n", image.run["Entrypoint"])));
        let copied = last.lines().filter(|line| line.starts_with("COPY")).count();
        let files: Vec<_> = image.layers.iter().flatten().collect();
        assert_eq!(copied, files.len());
        for file in files {
            let (directory, name) = file.path.rsplit_once('/').unwrap_or(("", file.path));
            let target =
                if directory.is_empty() { format!(" /{name}\n") } else { format!("/{name} /{directory}/\n") };
            assert!(last.contains(&target), "{target:?}");
        }
    }

    #[test]
    fn chart_and_image_have_the_same_name() {
        let values = read(&root::repository().join("istio/chart/values.yaml")).unwrap();
        let chart = read(&root::repository().join("istio/chart/Chart.yaml")).unwrap();
        let (repository, tag) = NAME.split_once(':').unwrap();
        assert!(String::from_utf8(values).unwrap().contains(&format!("  repository: {repository}\n")));
        assert!(String::from_utf8(chart).unwrap().contains(&format!("appVersion: {tag}\n")));
    }
}
