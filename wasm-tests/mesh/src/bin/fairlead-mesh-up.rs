//! The launcher behind `cargo xtask mesh up`: a mesh with Fairlead installed, for a person, until Ctrl-C.
//!
//! The mesh lives in namespaces of this process, so it writes two scripts that lead into it: `shell`, for the cluster's
//! administrator, and `workload`, for a program in a pod of the cluster.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks to its user")]

use std::{
    fs::File,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use fairlead_mesh::MeshBed;
use fairlead_testkit::{
    Error, Result,
    error::Doing as _,
    http::Request,
    mesh::{ENTERED, ENTERED_AS_USER},
    resources::{Application, Entry, secret},
};

/// Between two looks at what Deployments say.
const PAUSE: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mesh up: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result {
    println!("starting etcd, API server, istiod, control plane and gateways …");
    let bed = MeshBed::start(|_| Ok(()))?;
    let target = bed.double.url_by_name("https", "orders.example.test")?;
    let application = Application::new("shop").service("Orders", &[Entry::api(&target).basic("orders")]);
    let credentials = secret("orders", &[("username", "user"), ("password", "password")]);
    bed.apply(&[credentials, application.manifest()])?;
    bed.until(&Request::new("GET", "/shop/orders/get"), |response| response.status == 200)?;
    let (shell, workload) = scripts(&bed)?;
    println!(
        "\nThe mesh is up, with an Application that calls {target}. Try

  {shell} kubectl get applications
  {workload} curl -s http://central-application-gateway.kyma-system:8080/shop/orders/get
  {shell} istioctl analyze --all-namespaces
  {shell}                     a shell with kubectl, istioctl and helm

kubeconfig, for programs inside: {}
Pods and their files: {}
Ctrl-C ends everything.",
        bed.mesh.kubeconfig().display(),
        bed.mesh.directory().join("pods").display(),
    );
    let mut wanted = wanted(&bed)?;
    loop {
        std::thread::sleep(PAUSE);
        for component in [bed.mesh.etcd(), bed.mesh.api_server(), bed.mesh.istiod()] {
            if let Some(status) = component.ended() {
                return Err(Error::new(format!("{} ended with {status}", component.name())));
            }
        }
        // As a cluster would: `kubectl scale` and `helm upgrade` have their effect.
        let now = self::wanted(&bed)?;
        if now != wanted {
            match bed.settle() {
                Ok(()) => println!("what runs is what is wanted"),
                Err(error) => eprintln!("mesh up: {error}"),
            }
            wanted = now;
        }
    }
}

/// Changes when a Deployment does.
fn wanted(bed: &MeshBed) -> Result<String> {
    let path = "jsonpath={range .items[*]}{.metadata.name} {.metadata.generation}\n{end}";
    bed.mesh.kubectl(&["get", "deployments", "--all-namespaces", "--output", path])
}

fn scripts(bed: &MeshBed) -> Result<(String, String)> {
    let directory = bed.mesh.directory().with_file_name("up");
    std::fs::create_dir_all(&directory).doing(directory.display())?;
    let user = if std::env::var(ENTERED).is_ok_and(|how| how == ENTERED_AS_USER) {
        " --user --preserve-credentials"
    } else {
        ""
    };
    let tools = std::env::var("FAIRLEAD_MESH_TOOLS").unwrap_or_default();
    let enter = format!(
        "#!/bin/sh\nexport KUBECONFIG='{}' PATH='{tools}':\"$PATH\"\nexec nsenter --target {}{user} --net --mount --wd=\"$PWD\" --",
        bed.mesh.kubeconfig().display(),
        std::process::id(),
    );
    let shell = script(&directory, "shell", &format!("{enter} \"${{@:-/bin/sh}}\"\n"))?;
    let pod = bed.workload.enter_file();
    let workload = script(&directory, "workload", &format!("{enter} '{}' \"$@\"\n", pod.display()))?;
    Ok((shell.display().to_string(), workload.display().to_string()))
}

fn script(directory: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = directory.join(name);
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o755)
        .open(&path)
        .doing(path.display())?;
    file.write_all(text.as_bytes()).doing(path.display())?;
    Ok(path)
}
