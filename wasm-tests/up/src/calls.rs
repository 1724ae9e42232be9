//! Every sample call: made over sockets, its answer compared with what is expected.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use fairlead_testkit::{
    Error, Result,
    certs::Identity,
    external::record::Recorded,
    http::{self, Request, Response, Tls},
    wait,
};

use crate::{
    ground::{Ground, INGRESS_HOST},
    ports::LOCAL,
};

/// One line of the table.
pub(crate) struct Row {
    pub(crate) call: String,
    pub(crate) expected: String,
    pub(crate) got: String,
}

impl Row {
    pub(crate) fn good(&self) -> bool {
        self.expected == self.got
    }
}

/// Until a change that was written must be in force.
const PROPAGATION: Duration = Duration::from_millis(100);

/// Makes all calls.
pub(crate) fn all(ground: &Ground) -> Vec<Row> {
    let mut rows = Vec::new();
    workloads(ground, &mut rows);
    outsiders(ground, &mut rows);
    rows.extend(live(ground));
    rows
}

fn row(rows: &mut Vec<Row>, call: &str, expected: &str, got: Result<String>) {
    let got = got.unwrap_or_else(|error| format!("error: {error}"));
    rows.push(Row { call: call.to_owned(), expected: expected.to_owned(), got });
}

/// Calls from workloads, by both ports.
fn workloads(ground: &Ground, rows: &mut Vec<Row>) {
    let manual = SocketAddr::from((LOCAL, ground.ports.manual));
    let ucl = SocketAddr::from((LOCAL, ground.ports.ucl));
    let mut get = |port: SocketAddr, path: &str, expected: &str, shown: fn(&Response) -> Result<String>| {
        let got = http::get(port, path)
            .and_then(|response| Ok(format!("{} {}", response.status, shown(&response)?)));
        row(rows, &format!("GET :{}{path}", port.port()), expected, got);
    };
    get(manual, "/erp/open-data/hello?x=1", "200 target saw /open/hello?x=1", target);
    get(manual, "/erp/orders/basic-auth/erp-user/erp-password", "200 authenticated: true", authenticated);
    get(manual, "/erp/invoices/bearer", "200 authenticated: true", authenticated);
    get(
        manual,
        "/erp/product-catalogue/items",
        "200 target saw /catalogue/items?sap-client=100&version=2 X-Tenant: blue X-Multi: one|two",
        parameters,
    );
    get(manual, "/bank/payments/1", "200 target saw /payments/1 and a client certificate", certified);
    get(manual, "/insurance/claims/bearer", "200 authenticated: true", authenticated);
    get(manual, "/crm/contacts/1", "200 target saw /csrf/guarded/1", target);
    get(manual, "/weather/forecast/delay/5000", "504 x-fairlead-reason: target_timeout", reason);
    get(ucl, "/webshop/commerce/carts/1", "200 target saw /carts/1", target);
    get(ucl, "/webshop/commerce/price-lists/", "200 target saw /price-lists", target);
    get(manual, "/erp/open-data/status/503", "502 target-system-status: 503", |response| {
        header(response, "target-system-status")
    });
    get(manual, "/erp", "400 x-fairlead-reason: path_too_short", reason);
    get(manual, "/erp/nothing", "404 x-fairlead-reason: unknown_service", reason);
    get(manual, "/broken/no-secret", "500 x-fairlead-reason: secret_missing", reason);
    get(manual, "/broken/twin", "400 x-fairlead-reason: ambiguous", reason);
    let health = SocketAddr::from((LOCAL, ground.ports.health));
    get(health, "/v1/health", "200 empty", |response| {
        Ok(if response.body.is_empty() { "empty".to_owned() } else { response.text() })
    });
}

/// Calls from external systems.
fn outsiders(ground: &Ground, rows: &mut Vec<Row>) {
    let mut post = |who: &str, identity: Option<&Identity>, path: &str, expected: &str| {
        let got = outside(ground, identity, path);
        row(
            rows,
            &format!("POST https://{INGRESS_HOST}:{}{path} as {who}", ground.ports.ingress),
            expected,
            got,
        );
    };
    post("erp", Some(&ground.erp), "/erp/v1/events", "200 event-id");
    post("webshop-client-1", Some(&ground.webshop), "/webshop/v2/events", "204");
    post("erp", Some(&ground.erp), "/webshop/v1/events", "403 subject_refused");
    post("erp", Some(&ground.erp), "/erp/v3/events", "404 unknown_path");
    post("erp", Some(&ground.erp), "/nobody/v1/events", "404 unknown_application");
    post("nobody", None, "/erp/v1/events", "refused by TLS");
}

fn outside(ground: &Ground, identity: Option<&Identity>, path: &str) -> Result<String> {
    let tls = Tls::new().server_name(INGRESS_HOST);
    let tls = identity.iter().fold(tls, |tls, identity| tls.identity(identity));
    let request = Request::new("POST", path)
        .header("Host", format!("{INGRESS_HOST}:{}", ground.ports.ingress))
        .header("Content-Type", "application/json")
        .body(r#"{"event-type":"order.created","event-type-version":"v1","event-time":"2026-01-01T00:00:00Z","data":{}}"#);
    let answer = http::call_tls(SocketAddr::from((LOCAL, ground.ports.ingress)), &tls, &request);
    match answer {
        // Without a certificate there must be no answer at all; with one, an error is an error.
        Err(_) if identity.is_none() => Ok("refused by TLS".to_owned()),
        Err(error) => Err(error),
        Ok(response) => Ok(match response.header("x-fairlead-reason").first() {
            Some(reason) => format!("{} {reason}", response.status),
            None if response.text().contains("event-id") => format!("{} event-id", response.status),
            None => response.status.to_string(),
        }),
    }
}

/// A password changed and put back while everything runs.
fn live(ground: &Ground) -> Vec<Row> {
    let mut rows = Vec::new();
    let change = |from: &str, to: &str, status: u16| -> Result<String> {
        let secrets = ground.resource("secrets.yaml")?;
        ground.replace("secrets.yaml", &secrets.replace(from, to))?;
        let begin = Instant::now();
        let manual = SocketAddr::from((LOCAL, ground.ports.manual));
        wait::attempt("the change", Duration::from_secs(5), || {
            http::get(manual, "/erp/orders/basic-auth/erp-user/erp-password")?.expect(status)
        })?;
        let taken = begin.elapsed();
        if taken <= PROPAGATION {
            return Ok(format!("{status} within {} ms", PROPAGATION.as_millis()));
        }
        Err(Error::new(format!("{status} only after {} ms", taken.as_millis())))
    };
    row(
        &mut rows,
        "change a password while it runs",
        "401 within 100 ms",
        change("erp-password", "wrong", 401),
    );
    row(
        &mut rows,
        "change it back",
        "200 within 100 ms",
        change("password: wrong", "password: erp-password", 200),
    );
    rows
}

fn echo(response: &Response) -> Result<Recorded> {
    response.json()
}

fn target(response: &Response) -> Result<String> {
    Ok(format!("target saw {}", echo(response)?.target.text()))
}

fn certified(response: &Response) -> Result<String> {
    let seen = echo(response)?;
    let shown = seen.tls.as_ref().is_some_and(|tls| tls.peer.is_some());
    let what = if shown { "a client certificate" } else { "no client certificate" };
    Ok(format!("target saw {} and {what}", seen.target.text()))
}

fn parameters(response: &Response) -> Result<String> {
    let seen = echo(response)?;
    let lines = |name| seen.header(name).join("|");
    Ok(format!(
        "target saw {} X-Tenant: {} X-Multi: {}",
        seen.target.text(),
        lines("x-tenant"),
        lines("x-multi")
    ))
}

fn authenticated(response: &Response) -> Result<String> {
    let body: serde_json::Value = response.json()?;
    Ok(format!("authenticated: {}", body.get("authenticated").unwrap_or(&serde_json::Value::Null)))
}

fn reason(response: &Response) -> Result<String> {
    header(response, "x-fairlead-reason")
}

fn header(response: &Response, name: &str) -> Result<String> {
    Ok(format!("{name}: {}", response.header(name).join(", ")))
}
