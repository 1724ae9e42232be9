//! `cargo xtask kind up|test|down`: a real cluster in Docker, with Istio, the loaded images and the chart.
//!
//! What is run is data ([`bring_up`]), so that command lines and files are checked where there is no Docker. *Not yet run in
//! kind*: nobody with Docker has.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    generate, images, mesh, root,
    run::{Error, Result, doing, find, run as run_command, step},
    tally::Tally,
    tools,
};

const USAGE: &str = "cargo xtask kind up | test | down";
/// As in the Go module proxy; its default node image is the one in `kind/cluster.yaml`.
const KIND: &str = "sigs.k8s.io/kind@v0.33.0";
/// Release of the images that the pinned istioctl installs; built from source it names none itself.
const ISTIO: &str = "1.31.1";
const CLUSTER: &str = "fairlead";
const CLUSTER_FILE: &str = include_str!("kind/cluster.yaml");
const VALUES: &str = include_str!("kind/values.yaml");

/// Where things are, absolute.
struct Places {
    /// `target/kind`: all that is written here.
    state: PathBuf,
    /// kind itself.
    kind: PathBuf,
    /// istioctl, helm, kubectl.
    tools: PathBuf,
    chart: PathBuf,
    image: PathBuf,
}

/// One command line.
#[derive(Debug, PartialEq, Eq)]
struct Call {
    what: &'static str,
    program: PathBuf,
    arguments: Vec<String>,
}

/// `cargo xtask kind …`.
pub(crate) fn run(arguments: &[String]) -> Result {
    let [command] = arguments else { return Err(Error::new(USAGE)) };
    match command.as_str() {
        "up" => up(),
        "test" => test(),
        "down" => down(),
        _ => Err(Error::new(USAGE)),
    }
}

fn up() -> Result {
    docker()?;
    let places = Places::find(images::run()?.archive)?;
    generate::put(&places.cluster_file(), CLUSTER_FILE)?;
    generate::put(&places.values(), VALUES)?;
    for call in bring_up(&places) {
        step(call.what);
        run_command(Command::new(call.program).args(call.arguments))?;
    }
    println!("{}", said(&places));
    Ok(())
}

/// The tests that take any cluster, in this one.
fn test() -> Result {
    let state = state()?;
    let kubeconfig = state.join("kubeconfig");
    if !kubeconfig.exists() {
        return Err(Error::new("there is no cluster: run `cargo xtask kind up` first"));
    }
    let mut tally = Tally::default();
    mesh::cluster(&mut tally, &kubeconfig, Some(&state.join("values.yaml")))?;
    tally.finish()
}

fn down() -> Result {
    docker()?;
    let state = state()?;
    let call = delete(&kind()?, &state.join("kubeconfig"));
    run_command(Command::new(call.program).args(call.arguments))?;
    if state.exists() {
        doing("cannot clear target/kind", std::fs::remove_dir_all(state))?;
    }
    Ok(())
}

/// One clear sentence where there is no Docker.
fn docker() -> Result {
    let answers = find("docker").is_some_and(|docker| {
        let info = Command::new(docker).arg("info").stdout(Stdio::null()).stderr(Stdio::null()).status();
        info.is_ok_and(|status| status.success())
    });
    if answers {
        return Ok(());
    }
    Err(Error::new(
        "kind runs its nodes in Docker, and no Docker answers here; `cargo xtask mesh` needs none and tests the same objects",
    ))
}

fn state() -> Result<PathBuf> {
    doing("cannot find target/", std::path::absolute(root::target().join("kind")))
}

/// kind, built once from its pinned module.
fn kind() -> Result<PathBuf> {
    let tools = doing("cannot find target/", std::path::absolute(root::tools().join("kind")))?;
    let program = tools.join("kind");
    if !program.exists() {
        let go = find("go").ok_or_else(|| Error::new("kind is built with Go: install Go 1.26 or newer"))?;
        step("building kind");
        run_command(Command::new(go).args(["install", KIND]).env("GOBIN", &tools).env("GOFLAGS", ""))?;
    }
    Ok(program)
}

impl Places {
    fn find(image: PathBuf) -> Result<Self> {
        let image = doing("cannot find the image", std::path::absolute(image))?;
        let chart = root::repository().join("istio/chart");
        Ok(Self { state: state()?, kind: kind()?, tools: tools::mesh_tools()?, chart, image })
    }

    fn kubeconfig(&self) -> PathBuf {
        self.state.join("kubeconfig")
    }

    fn cluster_file(&self) -> PathBuf {
        self.state.join("cluster.yaml")
    }

    fn values(&self) -> PathBuf {
        self.state.join("values.yaml")
    }
}

/// Cluster, image, Istio, Fairlead: in this order.
fn bring_up(places: &Places) -> Vec<Call> {
    let kubeconfig = text(&places.kubeconfig());
    let call = |what, program: &Path, arguments: &[&str]| Call {
        what,
        program: program.to_owned(),
        arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
    };
    let tag = format!("tag={ISTIO}");
    vec![
        call(
            "cluster",
            &places.kind,
            &[
                "create",
                "cluster",
                "--name",
                CLUSTER,
                "--config",
                &text(&places.cluster_file()),
                "--kubeconfig",
                &kubeconfig,
                "--wait",
                "3m",
            ],
        ),
        call("image", &places.kind, &["load", "image-archive", &text(&places.image), "--name", CLUSTER]),
        call(
            "Istio",
            &places.tools.join("istioctl"),
            &[
                "install",
                "--kubeconfig",
                &kubeconfig,
                "--skip-confirmation",
                "--set",
                "profile=minimal",
                "--set",
                "hub=docker.io/istio",
                "--set",
                &tag,
            ],
        ),
        call(
            "Fairlead",
            &places.tools.join("helm"),
            &[
                "install",
                "fairlead",
                &text(&places.chart),
                "--kubeconfig",
                &kubeconfig,
                "--namespace",
                "kyma-system",
                "--create-namespace",
                "--values",
                &text(&places.values()),
                "--wait",
                "--timeout",
                "5m",
            ],
        ),
    ]
}

fn delete(kind: &Path, kubeconfig: &Path) -> Call {
    let arguments = ["delete", "cluster", "--name", CLUSTER, "--kubeconfig", &text(kubeconfig)];
    Call { what: "cluster", program: kind.to_owned(), arguments: arguments.map(str::to_owned).to_vec() }
}

/// What a person does next.
fn said(places: &Places) -> String {
    let kubeconfig = text(&places.kubeconfig());
    format!(
        "export KUBECONFIG={kubeconfig}\n\
         kubectl apply -f istio/samples/erp.yaml -f istio/samples/secrets.yaml && kubectl get applications\n\
         curl --connect-to gateway.kyma.local:443:127.0.0.1:8443 https://gateway.kyma.local/…   # the ingress gateway\n\
         cargo xtask kind test\n\
         cargo xtask kind down"
    )
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places {
        Places {
            state: "/s".into(),
            kind: "/t/kind".into(),
            tools: "/t".into(),
            chart: "/chart".into(),
            image: "/fairlead.tar".into(),
        }
    }

    #[test]
    fn command_lines_are_as_documented() {
        let lines: Vec<String> = bring_up(&places())
            .iter()
            .map(|call| format!("{} {}", call.program.display(), call.arguments.join(" ")))
            .collect();
        assert_eq!(
            lines,
            [
                "/t/kind create cluster --name fairlead --config /s/cluster.yaml --kubeconfig /s/kubeconfig --wait 3m",
                "/t/kind load image-archive /fairlead.tar --name fairlead",
                "/t/istioctl install --kubeconfig /s/kubeconfig --skip-confirmation --set profile=minimal \
                 --set hub=docker.io/istio --set tag=1.31.1",
                "/t/helm install fairlead /chart --kubeconfig /s/kubeconfig --namespace kyma-system \
                 --create-namespace --values /s/values.yaml --wait --timeout 5m",
            ]
        );
        let call = delete(Path::new("/t/kind"), Path::new("/s/kubeconfig"));
        assert_eq!(call.arguments.join(" "), "delete cluster --name fairlead --kubeconfig /s/kubeconfig");
    }

    #[test]
    fn every_node_is_pinned_by_digest() {
        let images: Vec<&str> =
            CLUSTER_FILE.lines().filter_map(|line| line.trim().strip_prefix("image: ")).collect();
        assert_eq!(images.len(), CLUSTER_FILE.matches("- role:").count());
        for image in images {
            let (_, digest) = image.split_once("@sha256:").unwrap();
            assert!(digest.len() == 64 && digest.chars().all(|c| c.is_ascii_hexdigit()), "{image}");
        }
    }

    #[test]
    fn the_gateway_s_port_leads_through() {
        let port = VALUES.lines().find_map(|line| line.trim().strip_prefix("nodePort: ")).unwrap();
        assert!(CLUSTER_FILE.contains(&format!("containerPort: {port},")), "{port}");
    }

    #[test]
    fn without_a_command_the_usage_is_said() {
        assert_eq!(run(&[]).unwrap_err().to_string(), USAGE);
        assert_eq!(run(&["sideways".to_owned()]).unwrap_err().to_string(), USAGE);
    }
}
