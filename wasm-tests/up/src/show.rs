//! What the user sees.

use crate::{
    calls::Row,
    ground::{Ground, INGRESS_HOST},
};

/// Prints the table; whether every call got what was expected.
pub(crate) fn table(rows: &[Row]) -> bool {
    let width = |text: fn(&Row) -> &str, least: usize| {
        rows.iter().map(|row| text(row).chars().count()).max().unwrap_or(0).max(least)
    };
    let call = width(|row| &row.call, "call".len());
    let expected = width(|row| &row.expected, "expected".len());
    println!("\n   {:call$}   {:expected$}   got", "call", "expected");
    for row in rows {
        let mark = if row.good() { "ok" } else { "✗ " };
        println!("{mark} {:call$}   {:expected$}   {}", row.call, row.expected, row.got);
    }
    let wrong = rows.iter().filter(|row| !row.good()).count();
    println!("\n{} calls as expected, {wrong} not", rows.len() - wrong);
    wrong == 0
}

/// Prints what to try.
pub(crate) fn what_to_try(ground: &Ground) {
    let ports = &ground.ports;
    let state = ground.state.display();
    let certificates = ground.certificates().display().to_string();
    let program = std::env::var("FAIRLEAD_BIN").unwrap_or_else(|_| "fairlead".to_owned());
    println!(
        "
Call an external system as a workload:
  curl -i http://127.0.0.1:{manual}/erp/open-data/hello
  curl -i http://127.0.0.1:{manual}/erp/orders/basic-auth/erp-user/erp-password
  curl -i http://127.0.0.1:{manual}/erp/invoices/bearer
  curl -i http://127.0.0.1:{ucl}/webshop/commerce/carts/1

Send an event as an external system (its certificate decides for which Application it speaks):
  curl -ik --resolve {INGRESS_HOST}:{ingress}:127.0.0.1 --cert {certificates}/erp.crt --key {certificates}/erp.key \\
    -H 'Content-Type: application/json' -d '{{\"event-type\":\"order.created\"}}' https://{INGRESS_HOST}:{ingress}/erp/v1/events

Edit {resources}/*.yaml and call again. What is in force, what is wrong, how a call would go:
  {program} status --state {state}
  {program} explain --state {state} erp/orders

Logs: {logs}   Metrics: http://127.0.0.1:{metrics}/metrics   Envoy: http://127.0.0.1:{egress_admin} http://127.0.0.1:{ingress_admin}
Ctrl-C ends everything.",
        manual = ports.manual,
        ucl = ports.ucl,
        ingress = ports.ingress,
        metrics = ports.metrics,
        egress_admin = ports.egress_admin,
        ingress_admin = ports.ingress_admin,
        resources = ground.resources().display(),
        logs = ground.logs().display(),
    );
}
