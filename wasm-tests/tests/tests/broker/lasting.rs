//! What outlives what.

use fairlead_testkit::{
    bed::{Bed, LIMIT},
    http, wait,
};

use crate::{calls, get, plain, second::Second, token_requests};

#[test]
fn grants_survive_a_restart_of_the_control_plane_only_in_the_plugins() {
    let mut bed = Bed::start(|seed| {
        seed.double.change(|settings| settings.token.prefix = "canary-token-".repeat(3))?;
        plain(seed, &["svc"], "/protected/bearer")
    })
    .unwrap();
    bed.until(&get("/app/svc/x"), |answer| answer.status == 200).unwrap();
    bed.canary.add("token", format!("{}1", "canary-token-".repeat(3))).unwrap();
    bed.control.stop().unwrap();
    assert_eq!(calls(&bed, "/app/svc/x", 20, 200).wrong, 0, "while it is away");
    bed.control.start_again().unwrap();
    wait::until("the gateway's poll", LIMIT, || {
        let metrics = bed.control.metrics().ok()?.text();
        metrics
            .lines()
            .any(|line| line.starts_with("fairlead_control_polls_total{view=\"egress\"}"))
            .then_some(())
    })
    .unwrap();
    assert_eq!(calls(&bed, "/app/svc/x", 20, 200).wrong, 0, "when it is back");
    assert_eq!(token_requests(&bed), 1, "the plugins have theirs still");
    // A gateway that has none makes the control plane fetch another: it kept nothing.
    let second = Second::start(&bed, "second");
    wait::attempt("the second gateway", LIMIT, || http::call(second.manual, &get("/app/svc/x"))?.expect(200))
        .unwrap();
    assert_eq!(token_requests(&bed), 2);
    bed.finish().unwrap();
}
