//! Ingress on a real Envoy (spec connectivity-validator).

use fairlead_testkit::{
    bed::{Bed, outside},
    certs::{Attribute, Request as Certificate},
    http::{Request, Tls},
};
use fairlead_tests::{
    case::run_all,
    ingress::{self, Authorities},
};

#[test]
fn ingress_cases() {
    let authorities = Authorities::new().unwrap();
    let bed = Bed::start(|seed| ingress::plant(seed, &authorities)).unwrap();
    ingress::cases(&bed.double, &authorities).and_then(|cases| run_all(&bed, &cases)).unwrap();

    // Without a certificate of an accepted authority there is no connection, hence no case.
    let event = Request::new("POST", "/shop/events").header("Host", "gateway.kyma.local").body("{}");
    let expired = Certificate::client(&[Attribute::CommonName("shop")]).expired();
    let refused = [
        Tls::new().server_name("gateway.kyma.local"),
        outside(&authorities.stranger.client("shop").unwrap()),
        outside(&authorities.first.issue(&expired).unwrap()),
    ];
    for tls in refused {
        assert!(bed.from_outside(&tls, &event).is_err());
    }

    // What the sink answers (CV §6).
    let tls = outside(&authorities.first.client("shop").unwrap());
    assert_eq!(bed.from_outside(&tls, &event).unwrap().status, 204);
    for status in [507, 502] {
        bed.double.change(|settings| settings.sink.status = Some(status)).unwrap();
        let answer = bed.from_outside(&tls, &event).unwrap();
        assert_eq!((answer.status, answer.text()), (502, format!("sink says {status}")));
        assert_eq!(answer.header("target-system-status"), [status.to_string()]);
    }
    bed.finish().unwrap();
}
