//! What kubelet and controllers do in a cluster, as far as an installation of Fairlead needs it: pods of its
//! Deployments run, its Services have names and endpoints.
//!
//! Input are the objects at the API server, as the chart put them there: arguments, environment, volumes, probes and
//! ports count, images only as to which program is meant. Nothing happens by itself: [`Kubelet::settle`] makes what runs
//! be what is wanted, and returns when it is ready.

mod gateway;
mod objects;
mod program;
mod services;
mod template;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use fairlead_testkit::{
    Error, Result,
    mesh::{Component, Gateway, Mesh, Pod},
};
use serde_json::Value;

pub use program::Program;
use template::Template;

/// How long a pod may take to end in order.
const GRACE: Duration = Duration::from_secs(30);

/// Objects of the installation.
const OURS: &[&str] = &["--selector", "app.kubernetes.io/part-of=fairlead", "--all-namespaces"];

/// Runs the pods of Deployments.
#[derive(Default)]
pub struct Kubelet {
    running: Mutex<Vec<Arc<Running>>>,
    started: AtomicU32,
    /// Held by whoever makes the difference: two would make it twice.
    settling: Mutex<()>,
}

/// A pod of a Deployment.
pub struct Running {
    deployment: String,
    template: Template,
    what: What,
}

/// What runs in a pod.
enum What {
    Gateway(Arc<Gateway>),
    Program(Arc<Program>),
}

impl Running {
    fn pod(&self) -> &Pod {
        match &self.what {
            What::Gateway(gateway) => gateway.pod(),
            What::Program(program) => program.pod(),
        }
    }

    fn component(&self) -> &Component {
        match &self.what {
            What::Gateway(gateway) => gateway.agent(),
            What::Program(program) => program.component(),
        }
    }
}

impl Kubelet {
    /// Starts what Deployments ask for and does not run, ends what runs and nobody asks for, in the order of a rolling
    /// update (a new pod is ready before an old one goes), and gives Services their names and endpoints.
    ///
    /// # Errors
    /// A pod does not become ready; with the end of its log.
    pub fn settle(&self, mesh: &Mesh) -> Result {
        let _alone = self.settling.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = mesh.kubectl_json(&[&["get", "deployments"], OURS].concat())?;
        let wanted = template::deployments(&wanted)?;
        self.start_missing(mesh, &wanted)?;
        // Names first, so that nobody is sent to a pod that is about to go.
        let surplus = self.take_surplus(&wanted);
        services::publish(mesh, &self.all())?;
        for running in surplus {
            // One that was killed before cannot be asked.
            let _ = running.component().stop(GRACE);
            objects::remove(mesh, running.pod())?;
        }
        objects::report(mesh, &wanted)
    }

    /// Running gateways of a Deployment.
    #[must_use]
    pub fn gateways(&self, deployment: &str) -> Vec<Arc<Gateway>> {
        let of = |running: &Arc<Running>| match &running.what {
            What::Gateway(gateway) if running.deployment == deployment => Some(Arc::clone(gateway)),
            _ => None,
        };
        self.running().iter().filter_map(of).collect()
    }

    /// Running programs of a Deployment.
    #[must_use]
    pub fn programs(&self, deployment: &str) -> Vec<Arc<Program>> {
        let of = |running: &Arc<Running>| match &running.what {
            What::Program(program) if running.deployment == deployment => Some(Arc::clone(program)),
            _ => None,
        };
        self.running().iter().filter_map(of).collect()
    }

    /// Takes a pod away without warning, as a node that died: it runs no more and no Service leads to it. The next
    /// [`settle`](Self::settle) starts another one for it.
    ///
    /// # Errors
    /// There is no such pod.
    pub fn lose(&self, mesh: &Mesh, name: &str) -> Result {
        let mut all = self.running();
        let at = all.iter().position(|running| running.pod().name() == name);
        let lost =
            at.map(|at| all.remove(at)).ok_or_else(|| Error::new(format!("there is no pod {name}")))?;
        drop(all);
        lost.component().kill()?;
        objects::remove(mesh, lost.pod())?;
        services::publish(mesh, &self.all())
    }

    /// Resident memory of every process in every pod: `pod/program` → bytes.
    ///
    /// # Errors
    /// A process ended meanwhile.
    pub fn memory(&self) -> Result<BTreeMap<String, u64>> {
        let mut memory = BTreeMap::new();
        for running in self.all() {
            for (id, program) in running.component().processes()? {
                let usage = fairlead_testkit::process::usage(id)?;
                memory.insert(format!("{}/{program}", running.pod().name()), usage.resident);
            }
        }
        Ok(memory)
    }

    fn start_missing(&self, mesh: &Mesh, wanted: &[Template]) -> Result {
        let mut missing = Vec::new();
        for template in wanted {
            let all = self.running();
            let have = all.iter().filter(|running| running.template.makes_the_same(template)).count();
            missing.extend((have..template.replicas).map(|_| template));
        }
        // All at once: each waits for others more than it works.
        let start = |template: &Template| -> Result {
            let number = self.started.fetch_add(1, Ordering::Relaxed);
            let name = format!("{}-{number}", template.name);
            let running = Arc::new(Running {
                deployment: template.name.clone(),
                template: template.clone(),
                what: start(mesh, template, &name)?,
            });
            objects::create(mesh, running.pod(), template)?;
            self.running().push(running);
            Ok(())
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> =
                missing.into_iter().map(|template| scope.spawn(move || start(template))).collect();
            let mut results = threads.into_iter().map(|thread| thread.join());
            results
                .try_for_each(|result| result.unwrap_or_else(|_| Err(Error::new("starting a pod panicked"))))
        })
    }

    fn take_surplus(&self, wanted: &[Template]) -> Vec<Arc<Running>> {
        let mut left: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        let mut surplus = Vec::new();
        // The newest stay.
        let mut all = self.running();
        let mut stay = Vec::new();
        for running in all.drain(..).rev() {
            let template = wanted.iter().find(|template| running.template.makes_the_same(template));
            let room = template.map(|template| {
                left.entry((&template.namespace, &template.name)).or_insert(template.replicas)
            });
            match room {
                Some(room) if *room > 0 => {
                    *room -= 1;
                    stay.push(running);
                }
                _ => surplus.push(running),
            }
        }
        stay.reverse();
        *all = stay;
        surplus
    }

    fn all(&self) -> Vec<Arc<Running>> {
        self.running().clone()
    }

    fn running(&self) -> MutexGuard<'_, Vec<Arc<Running>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn start(mesh: &Mesh, template: &Template, name: &str) -> Result<What> {
    let is_gateway = template.container("image").and_then(Value::as_str) == Some("auto");
    Ok(if is_gateway {
        What::Gateway(Arc::new(gateway::start(mesh, template, name)?))
    } else {
        What::Program(Arc::new(Program::start(mesh, template, name)?))
    })
}
