//! One credential and target by every way that can do it, in one race.

use std::net::SocketAddr;

use fairlead_testkit::{
    Error, Result,
    envoy::Envoy,
    http::{self, Request},
    load::Load,
    wait,
};
use serde_json::Value;

use super::{APPLICATIONS, BASIC, Case, by_application, direct, lua};
use crate::{
    bed::{Bed, look},
    ladder::{Ladder, Split, calls},
    proc::Thread,
    race::{CONNECTIONS, Laps, Runner},
    row::Row,
    variant,
};

/// A way that a request takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Ours,
    None,
    /// A rung of the ladder; the last is the complete bare filter.
    Rung(usize),
    /// `whole`: the same contract ([`lua`]).
    Lua {
        whole: bool,
    },
    ExtAuthz,
}

pub(super) struct Job {
    case: Case,
    ladder: Ladder,
    ways: Vec<Way>,
}

impl Job {
    /// Basic is also compared with what others would build.
    pub(super) fn new(bed: &Bed, case: Case) -> Result<Self> {
        let writes: Vec<_> =
            case.writes(bed).iter().map(|(name, value)| format!("set {name} {value}")).collect();
        let ladder = Ladder::new(&format!("bare-{}", case.service()), &[], &writes)?;
        let mut ways = vec![Way::Ours, Way::None];
        ways.extend((0..ladder.rungs.len()).map(Way::Rung));
        if case.credential == "basic" {
            ways.extend([Way::Lua { whole: true }, Way::Lua { whole: false }, Way::ExtAuthz]);
        }
        Ok(Self { case, ladder, ways })
    }

    /// Name of the listener of a way.
    fn listener(&self, way: Way) -> String {
        match way {
            Way::Ours => "ours".to_owned(),
            Way::None => "none".to_owned(),
            Way::Rung(rung) => self.ladder.listener(rung),
            Way::Lua { whole } => format!("lua{}-{}", if whole { "" } else { "-less" }, self.case.service()),
            Way::ExtAuthz => "authz".to_owned(),
        }
    }

    /// Listeners that only this job has: those with its values built in.
    pub(super) fn listeners(&self, bed: &Bed, template: &Value) -> Result<Vec<Value>> {
        let mut listeners = self.ladder.listeners(template, bed.directory.path())?;
        for way in &self.ways {
            if let Way::Lua { whole } = way {
                let (service, profile, authority) =
                    (self.case.service(), self.case.profile(bed), self.case.authority(bed));
                let script = lua::script(APPLICATIONS, &service, &profile, &authority, BASIC, *whole);
                listeners.push(variant::instead(template, &self.listener(*way), variant::lua(&script))?);
            }
        }
        Ok(listeners)
    }

    fn requests(&self, bed: &Bed, way: Way) -> Vec<Request> {
        match way {
            Way::ExtAuthz => vec![direct(bed, self.case, false)],
            Way::None => vec![direct(bed, self.case, true)],
            Way::Rung(rung) if self.ladder.rungs.get(rung).is_none_or(|rung| !rung.complete) => {
                vec![direct(bed, self.case, true)]
            }
            Way::Ours | Way::Lua { .. } | Way::Rung(_) => by_application(self.case),
        }
    }

    /// Checks first that the target sees the same by every way, and callers the same by those that keep the contract.
    pub(super) fn runners(&self, bed: &Bed, envoy: &mut Envoy) -> Result<Vec<Runner>> {
        let granted = self.case.writes(bed).into_iter().filter(|(name, _)| !name.starts_with(':'));
        let granted: String = granted.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        if let Ok(mut lines) = bed.targets.granted.lock() {
            *lines = granted;
        }
        let worker = Thread::worker(envoy.process().id())?;
        let (mut by_ours, mut kept) = (None, None);
        let mut runners = Vec::new();
        for way in &self.ways {
            let listener = self.listener(*way);
            let address = envoy.listener(&listener, wait::START)?;
            let requests = self.requests(bed, *way);
            let seen = look(bed, &listener, &requests, |request| http::call(address, request))?;
            same(&listener, by_ours.get_or_insert_with(|| seen.clone()), &seen)?;
            if matches!(way, Way::Ours | Way::Lua { whole: true }) {
                let answers = self.answers(bed, address)?;
                same(&listener, kept.get_or_insert_with(|| answers.clone()), &answers)?;
            }
            runners.push(Runner {
                name: format!("{} {listener}", self.case.service()),
                load: Load::new(address, CONNECTIONS, &requests),
                worker: worker.clone(),
            });
        }
        Ok(runners)
    }

    /// What a caller gets of a target that redirects, and of one that fails.
    fn answers(&self, bed: &Bed, address: SocketAddr) -> Result<Vec<String>> {
        let mut answers = Vec::new();
        for answer in ["moved", "broken"] {
            let path = format!("/app-17/{}/{answer}", self.case.service());
            let request = Request::new("GET", path).header("Host", super::GATEWAY);
            bed.targets.seen(|| {
                let response = http::call(address, &request)?;
                answers.push(response.status.to_string());
                for name in ["location", "target-system-status"] {
                    answers.push(format!("{name}: {}", response.header(name).join(", ")));
                }
                Ok(())
            })?;
        }
        Ok(answers)
    }

    /// Whether the bare filter asks the host for the same as the plugin.
    pub(super) fn compare_calls(&self, envoy: &Envoy) -> Result<Option<String>> {
        let request = by_application(self.case).into_iter().next();
        let request = request.ok_or_else(|| Error::new("no request"))?;
        let of = |listener: &str| {
            let address = envoy.listener(listener, wait::START)?;
            calls::of(envoy, || http::call(address, &request)?.expect(200).map(|_| ()))
        };
        Ok(calls::difference(&of("ours")?, &of(&self.ladder.complete())?))
    }

    /// Rows, and the split that explains them; `laps` are those of [`runners`](Self::runners).
    pub(super) fn judge(&self, laps: &[Laps]) -> Option<(Vec<Row>, Split)> {
        let of = |wanted: Way| self.ways.iter().position(|way| *way == wanted).and_then(|at| laps.get(at));
        let rungs: Vec<_> = (0..self.ladder.rungs.len()).filter_map(|rung| of(Way::Rung(rung))).collect();
        let (ours, none, bare) = (of(Way::Ours)?, of(Way::None)?, *rungs.last()?);
        let title = format!("egress, {}, {} target", self.case.credential, self.case.target());
        let mut rows = vec![
            Row::info(format!("{title}: CPU a request"), ours.shown(), ours.cost().median),
            Row::info(format!("{title}: without plugin"), none.shown(), none.cost().median),
            Row::at_least(format!("{title}: of a bare filter"), ours.against(bare), 0.95),
            Row::at_least(format!("{title}: of no plugin"), ours.against(none), 0.80),
            Row::ratio(format!("{title}: bare filter of no plugin"), bare.against(none)),
        ];
        if let Some(lua) = of(Way::Lua { whole: true }) {
            rows.push(Row::at_least(format!("{title}: of the same job in Lua"), ours.against(lua), 1.0));
            rows.push(Row::ratio(format!("{title}: Lua of no plugin"), lua.against(none)));
        }
        if let Some(lua) = of(Way::Lua { whole: false }) {
            rows.push(Row::ratio(format!("{title}: of Lua without a response phase"), ours.against(lua)));
        }
        if let Some(authz) = of(Way::ExtAuthz) {
            rows.push(Row::at_least(format!("{title}: of HTTP ext_authz"), ours.against(authz), 1.5));
        }
        let split = Split::new(title, &self.ladder, none, &rungs, ours);
        Some((rows, split))
    }
}

fn same(listener: &str, ours: &[String], seen: &[String]) -> Result {
    if ours == seen {
        return Ok(());
    }
    Err(Error::new(format!("{listener}: {seen:?}, by ours {ours:?}")))
}
