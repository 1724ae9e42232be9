//! First calls of Applications that were never called: what the plugin adds to resolution and connection.
//!
//! Beside each call by the plugin stands one to another new host without it; they take turns in being first. The
//! difference of such neighbours is the plugin's own time, and the median of those differences does not depend on what
//! resolution and connection cost, nor on what else the machine does. Percentiles of the calls themselves do: with 64
//! strangers they show how long a call waits for a core. Whether it waits for the plugin is shown by the same calls beside
//! as many strangers whom Envoy refuses without a plugin.

use std::time::{Duration, Instant};

use fairlead_testkit::{
    Result,
    http::{Connection, Request},
    load::Load,
    wait,
};
use fairlead_wire::header::PROFILE;

use crate::{
    bed::{Bed, DOMAIN, look},
    options::Options,
    proc::Thread,
    row::{Measured, Row},
    spread::{self, Spread},
    target, variant,
};

/// Callers of unknown names, and how many requests a second they make together.
const STRANGERS: usize = 64;
const RATE: u32 = 2_000;

/// How long each call took, milliseconds, and what it cost Envoy.
#[derive(Default)]
struct Series {
    times: Vec<f64>,
    /// Milliseconds of CPU of each thread that is watched.
    cpu: [Vec<f64>; 2],
}

/// By the plugin, and without.
type Pair = (Series, Series);

struct Measurement {
    bed: Bed,
    ours: Connection,
    none: Connection,
    /// Main thread and worker, while nobody else calls.
    watched: Vec<Thread>,
}

pub(crate) fn run(options: &Options) -> Result<Measured> {
    let calls = if options.quick { 150 } else { 1_000 };
    let bed = Bed::new()?;
    bed.targets.feed.set((0..3 * calls + 1).map(|number| target::record(&bed, &name(number), number)))?;
    let files = bed.egress()?;
    let template = Bed::template(&files)?;
    let listeners = [variant::ours(&template, "ours")?, variant::none(&template, "none")?];
    let mut envoy = bed.envoy(files, &listeners, 1)?;
    let (ours, none) = (envoy.listener("ours", wait::START)?, envoy.listener("none", wait::START)?);
    look(&bed, "the view", &[by_name(3 * calls)], |request| Connection::open(ours)?.send(request))?;
    let process = envoy.process().id();
    let mut measurement = Measurement {
        bed,
        ours: Connection::open(ours)?,
        none: Connection::open(none)?,
        watched: vec![Thread::main(process)?, Thread::worker(process)?],
    };
    let alone = measurement.series(0..calls)?;
    measurement.watched.clear();
    let unknown = Request::new("GET", "/nobody/knows/this").header("Host", "gateway");
    let mut beside = |listener, numbers| {
        let strangers =
            Load::new(listener, STRANGERS, std::slice::from_ref(&unknown)).rate(RATE).background()?;
        let series = measurement.series(numbers);
        strangers.stop()?;
        series
    };
    let known = beside(ours, calls..2 * calls)?;
    let refused = beside(none, 2 * calls..3 * calls)?;
    let mut rows = rows(calls, "in a row", &alone);
    rows.push(cpu(&alone));
    rows.extend(self::rows(calls, "while 64 callers ask for unknown names", &known));
    rows.extend(self::rows(calls, "while Envoy itself refuses 64 callers", &refused).pop());
    Ok(rows.into())
}

impl Measurement {
    /// Calls each Application of `numbers` once by the plugin, and as often another host without it.
    fn series(&mut self, numbers: std::ops::Range<usize>) -> Result<Pair> {
        let mut pair = Pair::default();
        for number in numbers {
            let direct = Request::new("GET", "/api/orders")
                .header("Host", format!("direct-{number}.{DOMAIN}:{}", self.bed.targets.plain))
                .header(PROFILE, &self.bed.plain.id)
                .header("Authorization", "Basic 0");
            let (with, without) = (&mut pair.0, &mut pair.1);
            if number % 2 == 0 {
                with.call(&self.watched, &mut self.ours, &by_name(number))?;
                without.call(&self.watched, &mut self.none, &direct)?;
            } else {
                without.call(&self.watched, &mut self.none, &direct)?;
                with.call(&self.watched, &mut self.ours, &by_name(number))?;
            }
        }
        Ok(pair)
    }
}

impl Series {
    fn call(&mut self, watched: &[Thread], connection: &mut Connection, request: &Request) -> Result {
        let before: Vec<_> = watched.iter().map(Thread::cpu).collect();
        let begin = Instant::now();
        connection.send(request)?.expect(200)?;
        self.times.push(ms(begin.elapsed()));
        for ((thread, before), values) in watched.iter().zip(before).zip(&mut self.cpu) {
            values.push(ms(thread.cpu().saturating_sub(before)));
        }
        Ok(())
    }
}

fn rows(calls: usize, when: &str, (ours, none): &Pair) -> Vec<Row> {
    let title = format!("first call of {calls} applications {when}");
    let own = Spread::of(ours.times.iter().zip(&none.times).map(|(ours, none)| ours - none));
    let at = |series: &Series, part| spread::at(&series.times, part);
    let detail = format!(
        "p50 {:.2} ms, p99 {:.2} ms; without plugin {:.2} and {:.2} ms",
        at(ours, 0.5),
        at(ours, 0.99),
        at(none, 0.5),
        at(none, 0.99)
    );
    vec![
        Row::spread_at_most(format!("{title}: own overhead, p50"), own, 1.0, "ms"),
        Row::info(title, detail, at(ours, 0.99)),
    ]
}

/// What a first call costs Envoy: no other load of the machine is in it.
fn cpu((ours, none): &Pair) -> Row {
    let median = |series: &Series| series.cpu.each_ref().map(|values| Spread::of(values.iter().copied()));
    let ([main, worker], [none_main, none_worker]) = (median(ours), median(none));
    Row::info(
        "CPU of Envoy for a first call",
        format!(
            "worker {worker:.2} ms, main thread {main:.2} ms; without plugin {none_worker:.2} and {none_main:.2} ms"
        ),
        worker.median,
    )
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn name(number: usize) -> String {
    format!("first-{number}")
}

fn by_name(number: usize) -> Request {
    Request::new("GET", format!("/{}/svc/orders", name(number))).header("Host", "gateway")
}
