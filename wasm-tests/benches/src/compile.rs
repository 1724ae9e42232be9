//! The model alone: compiling everything, and one change.

use std::time::{Duration, Instant};

use fairlead_model::{Index, Installation};
use fairlead_resources::Object;
use fairlead_testkit::{Result, error::Doing as _};

use crate::{
    installation,
    options::Options,
    row::{Measured, Row},
    spread,
};

const CHANGES: usize = 200;

pub(crate) fn run(_: &Options) -> Result<Measured> {
    let mut objects = Vec::new();
    for number in 0..installation::APPLICATIONS {
        for manifest in installation::manifests(number, "https://target.bench.test", 0) {
            objects.push(Object::from_json(manifest, "1").doing("a manifest")?);
        }
    }
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let mut index = Index::new(&Installation::default());
    let begin = Instant::now();
    objects.into_iter().for_each(|object| index.apply(object));
    let changes = index.changes();
    let full = begin.elapsed();
    let mut times = Vec::new();
    for number in 0..CHANGES {
        let manifests = installation::manifests(number * 7, "https://target.bench.test", 1);
        let objects: std::result::Result<Vec<_>, _> =
            manifests.into_iter().map(|manifest| Object::from_json(manifest, "2")).collect();
        let objects = objects.doing("a manifest")?;
        let begin = Instant::now();
        objects.into_iter().for_each(|object| index.apply(object));
        index.changes();
        times.push(ms(begin.elapsed()));
    }
    let title = format!("{} applications × 3 services", installation::APPLICATIONS);
    let rows = vec![
        Row::at_most(format!("{title}: full compile"), ms(full), 1_000.0, "ms"),
        Row::at_most(format!("{title}: one change, p99"), spread::at(&times, 0.99), 5.0, "ms"),
        Row::info(format!("{title}: records"), changes.egress.len().to_string(), 0.0),
    ];
    Ok(rows.into())
}
