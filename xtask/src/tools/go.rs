//! Programs of the process mesh and helm, built with Go from the pinned modules in `wasm-tests/mesh/tools`.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use crate::{
    root,
    run::{Error, Result, doing, find, output, run, step},
};

/// Without these the API server's own version does not parse (mesh: Build).
const LINKER_FLAGS: &str = "-s -w -X k8s.io/component-base/version.gitVersion=v1.36.3 \
    -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36";

/// A module of tools, below `wasm-tests/mesh`, and what is built from it: program, package.
struct Module {
    directory: &'static str,
    programs: &'static [(&'static str, &'static str)],
}

const MODULES: &[Module] = &[
    Module {
        directory: "tools",
        programs: &[
            ("etcd", "go.etcd.io/etcd/server/v3"),
            ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
            ("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
            ("pilot-discovery", "istio.io/istio/pilot/cmd/pilot-discovery"),
            ("pilot-agent", "istio.io/istio/pilot/cmd/pilot-agent"),
            ("istioctl", "istio.io/istio/istioctl/cmd/istioctl"),
        ],
    },
    Module { directory: "tools/helm", programs: &[("helm", "helm.sh/helm/v3/cmd/helm")] },
];

/// Files of the Istio module that the mesh needs beside its programs.
const ISTIO_FILES: &[&str] =
    &["manifests/charts/base/files/crd-all.gen.yaml", "tools/packaging/common/envoy_bootstrap.json"];

/// The directory of all programs and of Istio's files, built once for the content of the modules.
pub(crate) fn mesh_tools() -> Result<PathBuf> {
    let go = find("go").ok_or_else(|| {
        Error::new("the process mesh is built with Go, and `go` is not on PATH: install Go 1.26 or newer")
    })?;
    let tools = doing("cannot find target/", std::path::absolute(root::tools().join("mesh")))?;
    doing("cannot make target/tools/mesh", std::fs::create_dir_all(&tools))?;
    for module in MODULES {
        build(&go, module, &tools)?;
    }
    Ok(tools)
}

fn build(go: &Path, module: &Module, tools: &Path) -> Result {
    let directory = root::repository().join("wasm-tests/mesh").join(module.directory);
    let stamp = tools.join(format!("{}.built", module.directory.replace('/', "-")));
    let wanted = content(&directory)?;
    let there = module.programs.iter().all(|(program, _)| tools.join(program).exists());
    if there && std::fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
        return Ok(());
    }
    for (program, package) in module.programs {
        step(&format!("building {program} (with empty Go caches the first take minutes)"));
        let begin = Instant::now();
        run(command(go, &directory)
            .args(["build", "-trimpath", "-ldflags", LINKER_FLAGS, "-o"])
            .arg(tools.join(program))
            .arg(package))?;
        println!("{} s", begin.elapsed().as_secs());
    }
    if module.programs.iter().any(|(_, package)| package.starts_with("istio.io/istio/")) {
        istio_files(go, &directory, tools)?;
    }
    doing("cannot write the stamp of what was built", std::fs::write(&stamp, wanted))
}

/// Go as every build uses it: the committed files are read and never written.
fn command(go: &Path, directory: &Path) -> Command {
    let mut command = Command::new(go);
    command.current_dir(directory).env("GOFLAGS", "-mod=readonly -buildvcs=false").env("GOWORK", "off");
    command
}

/// What the programs are made from: they are built again when it differs.
fn content(directory: &Path) -> Result<String> {
    let file = |name: &str| {
        let path = directory.join(name);
        doing(format!("cannot read {}", path.display()), std::fs::read_to_string(path))
    };
    Ok([&file("go.mod")?, &file("go.sum")?, LINKER_FLAGS].join("\n"))
}

fn istio_files(go: &Path, directory: &Path, tools: &Path) -> Result {
    let list = ["list", "-m", "-f", "{{.Dir}}", "istio.io/istio"];
    let source = PathBuf::from(output(command(go, directory).args(list))?.trim());
    for file in ISTIO_FILES {
        let from = source.join(file);
        let name = from.file_name().ok_or_else(|| Error::new(format!("{file} has no name")))?;
        // Written, not copied: files of the module cache are read-only, and a copy of that mode cannot be replaced.
        let bytes = doing(format!("cannot read {}", from.display()), std::fs::read(&from))?;
        doing(format!("cannot write {file}"), std::fs::write(tools.join(name), bytes))?;
    }
    Ok(())
}
