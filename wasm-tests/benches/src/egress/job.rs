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
    authz::Service,
    bed::{Bed, look},
    ladder::{Ladder, Split, calls},
    proc::Thread,
    race::{CONNECTIONS, Laps, Runner},
    row::Row,
    variant::{self, AUTHORITY, PATH},
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
    /// Basic is also compared with what others would build. `quick`: of the other ladders only the last rung.
    pub(super) fn new(bed: &Bed, case: Case, quick: bool) -> Result<Self> {
        let writes: Vec<_> =
            case.writes(bed).iter().map(|(name, value)| format!("set {name} {value}")).collect();
        let ladder = Ladder::new(&format!("bare-{}", case.service()), &[], &writes)?;
        let mut ways = vec![Way::Ours, Way::None];
        let skipped = if quick && case.credential != "basic" { ladder.rungs.len() - 1 } else { 0 };
        ways.extend((0..ladder.rungs.len()).map(Way::Rung).skip(skipped));
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
            Way::None => vec![direct(bed, self.case)],
            Way::Rung(rung) if self.ladder.rungs.get(rung).is_none_or(|rung| !rung.complete) => {
                vec![direct(bed, self.case)]
            }
            Way::Ours | Way::Lua { .. } | Way::ExtAuthz | Way::Rung(_) => by_application(self.case),
        }
    }

    /// Checks first that the target sees the same by every way, and callers the same by those that keep the contract.
    pub(super) fn runners(&self, bed: &Bed, envoy: &mut Envoy) -> Result<Vec<Runner>> {
        let service = Service {
            authority: self.case.authority(bed),
            profile: self.case.profile(bed),
            base: "/api".to_owned(),
            authorization: self.case.authorization().unwrap_or_default(),
        };
        let known = (0..APPLICATIONS).map(|number| format!("app-{number}/{}", self.case.service()));
        bed.targets.service.set(known.map(|key| (key, service.clone())));
        let worker = Thread::worker(envoy.process().id())?;
        let (mut by_ours, mut kept) = (None, None);
        let mut runners = Vec::new();
        for way in &self.ways {
            let listener = self.listener(*way);
            let address = envoy.listener(&listener, wait::START)?;
            let requests = self.requests(bed, *way);
            let seen = look(bed, &listener, &requests, |request| http::call(address, request))?;
            // What the service's answer added for the routes stays.
            let own = |line: &String| line.starts_with(AUTHORITY) || line.starts_with(PATH);
            let seen: Vec<_> = seen.into_iter().filter(|line| !own(line)).collect();
            same(&listener, by_ours.get_or_insert_with(|| seen.clone()), &seen)?;
            if matches!(way, Way::Ours | Way::Lua { whole: true }) {
                let answers = self.answers(bed, address)?;
                same(&listener, kept.get_or_insert_with(|| answers.clone()), &answers)?;
            }
            let mut threads = vec![worker.clone()];
            if *way == Way::ExtAuthz {
                threads.push(bed.targets.service_thread.clone());
            }
            runners.push(Runner {
                name: format!("{} {listener}", self.case.service()),
                load: Load::new(address, CONNECTIONS, &requests),
                different: requests.len() as u64,
                threads,
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

    /// What a way's turns gave; `laps` are those of [`runners`](Self::runners).
    fn of<'a>(&self, laps: &'a [Laps], wanted: Way) -> Option<&'a Laps> {
        self.ways.iter().position(|way| *way == wanted).and_then(|at| laps.get(at))
    }

    fn title(&self) -> String {
        format!("egress, {}, {} target", self.case.credential, self.case.target())
    }

    /// The bars are for what most requests need. A CSRF token is two writes more, and a client certificate is all Envoy's.
    pub(super) fn rows(&self, laps: &[Laps]) -> Vec<Row> {
        let of = |wanted| self.of(laps, wanted);
        let last = self.ladder.rungs.len().saturating_sub(1);
        let (Some(ours), Some(none), Some(bare)) = (of(Way::Ours), of(Way::None), of(Way::Rung(last))) else {
            return Vec::new();
        };
        let title = self.title();
        let judged = |name: String, ratio, bar| match self.case.credential {
            "csrf" | "certificate" => Row::ratio(name, ratio),
            _ => Row::at_least(name, ratio, bar),
        };
        let mut rows = vec![
            Row::info(format!("{title}: CPU a request"), ours.shown(), ours.cost().median),
            Row::info(format!("{title}: without plugin"), none.shown(), none.cost().median),
            judged(format!("{title}: of a bare filter"), ours.against(bare), 0.95),
            judged(format!("{title}: of no plugin"), ours.against(none), 0.80),
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
            let name = format!("{title}: of HTTP ext_authz, CPU of Envoy and of the service that it asks");
            rows.push(Row::at_least(name, ours.against(authz), 1.5));
            let name = format!("{title}: HTTP ext_authz of no plugin, CPU of both");
            rows.push(Row::ratio(name, authz.against(none)));
        }
        rows
    }

    /// What explains them, if all rungs were there.
    pub(super) fn split(&self, laps: &[Laps]) -> Option<Split> {
        let rungs = (0..self.ladder.rungs.len()).map(|rung| self.of(laps, Way::Rung(rung)));
        let rungs = rungs.collect::<Option<Vec<_>>>()?;
        let (ours, none) = (self.of(laps, Way::Ours)?, self.of(laps, Way::None)?);
        Some(Split::new(self.title(), &self.ladder, none, &rungs, ours))
    }
}

fn same(listener: &str, ours: &[String], seen: &[String]) -> Result {
    if ours == seen {
        return Ok(());
    }
    Err(Error::new(format!("{listener}: {seen:?}, by ours {ours:?}")))
}
