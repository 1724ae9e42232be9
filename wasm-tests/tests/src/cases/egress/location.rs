//! `Location` rewriting (AG §12.1); rows marked **[D]** have the wanted behaviour.

use fairlead_testkit::Result;

use super::{Application, Case, Entry, Expected, Place, get, manual, ucl, url};
use crate::case::Answer;

/// Row, service, `Location` from the target without host (`t` stands for it), what the caller gets; `=` for unchanged.
const ROWS: &[(&str, &str, &str, &str)] = &[
    ("AG-12.1-r01", "base", "https://t/api/v1/some/p", "/location/base/some/p"),
    ("AG-12.1-r02", "base", "/api/v1/some/p?q=1#f", "/location/base/some/p?q=1#f"),
    ("AG-12.1-r03", "base", "some/p", "/location/base/some/p"),
    ("AG-12.1-r04", "base", "https://t/api/v1", "/location/base"),
    ("AG-12.1-r05", "base", "https://t/api/v1/", "/location/base/"),
    ("AG-12.1-r06", "base", "/other", "="),
    ("AG-12.1-r07", "base", "https://o/api/v1/x", "="),
    ("AG-12.1-r08", "base", "ftp://t/api/v1/x", "="),
    ("AG-12.1-r09", "base", "http://t:8443/api/v1/x", "/location/base/x"),
    ("AG-12.1-r10", "base", "https://t/api/v1beta/x", "="),
    ("AG-12.1-r11", "slash", "https://t/api", "/location/slash"),
    ("AG-12.1-r12", "base", "https://t/api/v1/a%2Fb", "/location/base/a%2Fb"),
    ("AG-12.1-r13", "base", "https://t/api/v1/a%25b", "/location/base/a%25b"),
    ("AG-12.1-r14", "root", "https://t/x/y/", "/location/root/x/y/"),
];

pub(super) fn plant(place: &dyn Place) -> Result {
    let target = url(place, "https")?;
    let entry = |path: &str| [Entry::api(&format!("{target}{path}")).name("api")];
    let app = Application::new("location")
        .service("base", &entry("/api/v1"))
        .service("slash", &entry("/api/"))
        .service("root", &entry(""));
    place.put("location", &[app.manifest()])
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (row, service, from, to) in ROWS {
        let from = from.replace("//t", &format!("//{}", super::HOST));
        let to = if *to == "=" { from.clone() } else { (*to).to_owned() };
        let query = from.replace('%', "%25").replace('#', "%23").replace('?', "%3F").replace('&', "%26");
        for status in [201, 302, 307, 399] {
            let path = format!("/location/{service}/answer?status={status}&header=Location:{query}");
            let answer = Answer::status(status).header("location", &to);
            cases.push(manual(&format!("{status} {from}"), &[row], get(&path), Expected::Answer(answer)));
        }
        let path = format!("/location/{service}/answer?status=200&header=Location:{query}");
        let answer = Answer::status(200).header("location", &from);
        cases.push(manual(&format!("200 {from}"), &[], get(&path), Expected::Answer(answer)));
        let path = format!("/location/{service}/api/answer?status=302&header=Location:{query}");
        let to = to.replace(&format!("/location/{service}"), &format!("/location/{service}/api"));
        let answer = Answer::status(302).header("location", &to);
        cases.push(ucl(&format!("three segments {from}"), &[row], get(&path), Expected::Answer(answer)));
    }
    cases
}
