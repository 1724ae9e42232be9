//! One request and what must come of it.

use fairlead_cases::cover;
use fairlead_testkit::{
    Error, Result,
    bed::LIMIT,
    external::record::Recorded,
    http::{Request, Response},
    wait,
};
use fairlead_wire::{
    Reason,
    header::REASON,
    refusal::{JSON_CONTENT_TYPE, error_body},
};

use crate::place::{Place, Way};

/// A request and what must come of it.
pub struct Case {
    /// For messages.
    pub name: String,
    /// Rows of the specification that it asserts.
    pub rows: Vec<&'static str>,
    /// Which way it goes.
    pub way: Way,
    /// What is sent.
    pub request: Request,
    /// What must come of it.
    pub expected: Expected,
}

/// What must come of a request.
pub enum Expected {
    /// It arrives at the target, or the sink, so.
    Arrives(Arrival),
    /// The target's answer comes back so; the target saw the request.
    Answer(Answer),
    /// It is refused so; nobody saw the request.
    Refused(Answer),
}

/// A request at its target.
#[derive(Clone, Debug, Default)]
pub struct Arrival {
    /// Listener of the double.
    pub listener: &'static str,
    /// Request target, byte for byte.
    pub target: String,
    /// Host.
    pub host: String,
    /// All other header lines, names in lower case, in any order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

/// An answer at the caller.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// The body.
    pub body: Text,
    /// Header lines that must be there with exactly these values; no value: the header must not be there.
    pub headers: Vec<(&'static str, Option<String>)>,
}

/// A body.
#[derive(Clone, Debug, Default)]
pub enum Text {
    /// Nothing.
    #[default]
    Empty,
    /// Exactly this.
    Exactly(String),
    /// This and something behind it.
    Begins(String),
    /// Whatever it is.
    Any,
}

impl Answer {
    /// A status, whatever the body.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self { status, body: Text::Any, headers: Vec::new() }
    }

    /// The contract's JSON error, exactly.
    #[must_use]
    pub fn json(status: u16, reason: Reason, error: &str) -> Self {
        Self { body: Text::Exactly(error_body(status, error)), ..Self::json_of(status, reason) }
    }

    /// The contract's JSON error, whose text begins so.
    #[must_use]
    pub fn json_begins(status: u16, reason: Reason, error: &str) -> Self {
        let body = error_body(status, error).trim_end().trim_end_matches("\"}").to_owned();
        Self { body: Text::Begins(body), ..Self::json_of(status, reason) }
    }

    fn json_of(status: u16, reason: Reason) -> Self {
        let headers = vec![
            ("content-type", Some(JSON_CONTENT_TYPE.to_owned())),
            (REASON, Some(reason.to_string())),
            ("target-system-status", None),
        ];
        Self { status, body: Text::Any, headers }
    }

    /// An answer of the gateway without a body (AG §13).
    #[must_use]
    pub fn empty(status: u16, reason: Reason) -> Self {
        let headers =
            vec![("content-type", None), (REASON, Some(reason.to_string())), ("target-system-status", None)];
        Self { status, body: Text::Empty, headers }
    }

    /// The same with a header line that must be there.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, Some(value.to_owned())));
        self
    }

    /// The same with a header that must not be there.
    #[must_use]
    pub fn without(mut self, name: &'static str) -> Self {
        self.headers.push((name, None));
        self
    }

    /// Compares.
    ///
    /// # Errors
    /// What differs.
    pub fn check(&self, response: &Response) -> Result {
        let text = response.text();
        let body = match &self.body {
            Text::Any => true,
            Text::Empty => text.is_empty(),
            Text::Exactly(expected) => text == *expected,
            Text::Begins(expected) => text.starts_with(expected),
        };
        let header = |(name, value): &(&str, Option<String>)| {
            response.header(name) == value.iter().cloned().collect::<Vec<_>>()
        };
        if response.status == self.status && body && self.headers.iter().all(header) {
            return Ok(());
        }
        Err(Error::new(format!(
            "expected {self:?}\n     got {} {:?} {text:?}",
            response.status, response.headers
        )))
    }
}

impl Arrival {
    /// Compares with what the double saw.
    ///
    /// # Errors
    /// What differs.
    pub fn check(&self, seen: &Recorded) -> Result {
        let mut expected = self.headers.clone();
        expected.push(("host".to_owned(), self.host.clone()));
        expected.sort();
        let mut got = seen.sorted_headers();
        got.extend(seen.authority.iter().map(|authority| ("host".to_owned(), authority.text())));
        got.sort();
        let body = seen.body.content.as_ref().map(|body| body.text()).unwrap_or_default();
        if seen.target == self.target
            && expected == got
            && body == self.body
            && seen.listener == self.listener
        {
            return Ok(());
        }
        Err(Error::new(format!(
            "expected {self:?}\n     got {:?} {got:?} {body:?} at {}",
            seen.target, seen.listener
        )))
    }
}

impl Case {
    /// Runs it; its rows count as covered when it passes.
    ///
    /// # Errors
    /// What differs.
    pub fn run(&self, place: &dyn Place) -> Result {
        place.double().clear()?;
        let response = place.call(&self.way, &self.request)?;
        let seen = place.double().recorded(&[])?;
        match &self.expected {
            Expected::Arrives(arrival) => {
                match seen.iter().find(|request| request.listener == arrival.listener) {
                    Some(seen) => arrival.check(seen)?,
                    None => {
                        let body = response.text();
                        return Err(Error::new(format!(
                            "nothing arrived at {}; answered {} {:?} {body}",
                            arrival.listener, response.status, response.headers
                        )));
                    }
                }
            }
            Expected::Answer(answer) => {
                answer.check(&response)?;
                if seen.is_empty() {
                    return Err(Error::new("the target did not see the request"));
                }
            }
            Expected::Refused(answer) => {
                answer.check(&response)?;
                // Token endpoints may have been asked; targets of refused calls lie below /base.
                let reached =
                    |request: &&Recorded| request.listener == "sink" || request.path().starts_with(b"/base");
                if let Some(request) = seen.iter().find(reached) {
                    return Err(Error::new(format!("it arrived nevertheless: {request:?}")));
                }
            }
        }
        self.rows.iter().for_each(|row| cover(row));
        Ok(())
    }
}

/// Runs all of them, so that one failure does not hide another. What was written for them may not be effective yet: as
/// soon as each of them came true once, all of them must at the first attempt.
///
/// # Errors
/// Every case that failed, with what differed.
pub fn run_all(place: &dyn Place, cases: &[Case]) -> Result {
    let all: Vec<&Case> = cases.iter().collect();
    let mut failures = run_once(place, &all);
    if failures.is_empty() {
        return Ok(());
    }
    let settled = wait::attempt("what was written to be effective", LIMIT, || {
        let again: Vec<&Case> = failures.iter().map(|(case, _)| *case).collect();
        failures = run_once(place, &again);
        if failures.is_empty() { Ok(()) } else { Err(Error::new("it is not")) }
    });
    if settled.is_ok() {
        failures = run_once(place, &all);
    }
    if failures.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = failures.iter().map(|(case, error)| format!("{}: {error}", case.name)).collect();
    Err(Error::new(format!("{} of {} cases failed\n{}", lines.len(), cases.len(), lines.join("\n"))))
}

/// The cases that failed.
fn run_once<'a>(place: &dyn Place, cases: &[&'a Case]) -> Vec<(&'a Case, Error)> {
    cases.iter().filter_map(|case| Some((*case, case.run(place).err()?))).collect()
}
