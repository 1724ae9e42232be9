//! Changing the installation's configuration while it runs, as an operator would: by an upgrade of the chart.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use fairlead_testkit::{Error, Result, fairlead::merge, wait};
use serde_json::{Value, json};

use super::{LIMIT, MeshBed, install};

/// Without a change for this long, what gateways were told has arrived.
const SETTLED: Duration = Duration::from_secs(1);

/// Values of the chart.
pub(super) struct Values {
    /// Those that it was installed with.
    first: Value,
    /// Those that it has.
    now: Mutex<Value>,
}

impl Values {
    pub(super) fn new(values: Value) -> Self {
        Self { now: Mutex::new(values.clone()), first: values }
    }
}

impl MeshBed {
    /// Lets the configuration be what the bed was started with and these fields of `fairlead.yaml` over it; nothing
    /// happens if it is so already. Pods of the control plane are replaced for it.
    ///
    /// # Errors
    /// The chart refuses it, or the gateways are not told within [`LIMIT`].
    pub fn configure(&self, config: &Value) -> Result {
        let mut values = self.values.first.clone();
        merge(&mut values, &json!({ "config": config }));
        let mut now = self.values.now.lock().unwrap_or_else(PoisonError::into_inner);
        if values == *now {
            return Ok(());
        }
        let before = self.told()?;
        install::upgrade(&self.mesh, &values)?;
        self.settle()?;
        self.wait_serving()?;
        // What else is in the file, gateways are not told.
        if values.pointer("/config/gateways") != now.pointer("/config/gateways") {
            wait::attempt("gateways to be told", LIMIT, || {
                let told = self.told()?;
                std::thread::sleep(SETTLED);
                if told != before && told == self.told()? { Ok(()) } else { Err(Error::new("they were not")) }
            })?;
        }
        *now = values;
        Ok(())
    }

    /// What gateways were told: listeners, routes, clusters.
    fn told(&self) -> Result<Vec<Value>> {
        [self.egress(), self.ingress()]
            .concat()
            .iter()
            .map(|gateway| {
                let mut dump = gateway.config_dump()?;
                forget_times(&mut dump);
                Ok(dump)
            })
            .collect()
    }
}

/// When something was told does not matter, and endpoints (of the control plane) come and go.
fn forget_times(dump: &mut Value) {
    match dump {
        Value::Object(fields) => {
            fields.retain(|name, _| {
                !matches!(name.as_str(), "last_updated" | "version_info" | "dynamic_endpoint_configs")
            });
            fields.values_mut().for_each(forget_times);
        }
        Value::Array(list) => list.iter_mut().for_each(forget_times),
        _ => {}
    }
}
