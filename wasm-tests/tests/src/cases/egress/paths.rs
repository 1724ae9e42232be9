//! Path grammar, look-up and URL building (AG §3–5).

use fairlead_testkit::{Result, resources::Application as App};

use super::{Application, Case, Entry, Expected, Place, arrival, get, manual, ucl, url};

/// Row of AG §5.1, what follows `/app/svc`, what arrives with `encodeUrl: true` and `false` below `/base`. Rows that
/// decision 40 and the marks **[D]** change have the wanted behaviour. Envoy's normalisation also writes `|` as `%7C`
/// before the plugin sees it, so that row 11 keeps its `%2F` with `encodeUrl: false`: the contract's loss of it is a
/// quirk of one stray character.
const ROWS: &[(&str, &str, &str, &str)] = &[
    ("AG-5.1-r01", "", "", ""),
    ("AG-5.1-r02", "/orders", "/orders", "/orders"),
    ("AG-5.1-r02", "//orders", "/orders", "/orders"),
    ("AG-5.1-r03", "/a//b", "/a//b", "/a//b"),
    ("AG-5.1-r04", "/a%2Fb", "/a/b", "/a%2Fb"),
    ("AG-5.1-r05", "/a%252Fb", "/a%252Fb", "/a%252Fb"),
    ("AG-5.1-r06", "/a%20b", "/a%20b", "/a%20b"),
    ("AG-5.1-r07", "/a+b", "/a+b", "/a+b"),
    ("AG-5.1-r08", "/X('1')", "/X%28%271%27%29", "/X('1')"),
    ("AG-5.1-r09", "/X(%271%27)", "/X%28%271%27%29", "/X(%271%27)"),
    ("AG-5.1-r10", "/X('a%7Cb')", "/X%28%27a%7Cb%27%29", "/X('a%7Cb')"),
    ("AG-5.1-r11", "/a|b%2Fc", "/a%7Cb/c", "/a%7Cb%2Fc"),
    ("AG-5.1-r12", "/caf%c3%a9", "/caf%C3%A9", "/caf%c3%a9"),
    ("AG-5.1-r13", "/%61bc", "/abc", "/abc"),
    ("AG-5.1-r14", "/x;y=1,z", "/x;y=1,z", "/x;y=1,z"),
    ("AG-5.1-r15", "/[x]", "/%5Bx%5D", "/[x]"),
    ("AG-5.1-r16", "/a%3Fb", "/a%3Fb", "/a%3Fb"),
    ("AG-5.1-r18", "/z/a:b", "/z/a:b", "/z/a:b"),
    ("AG-5.1-r19", "/a:b", "/a:b", "/a:b"),
];

/// Display name or entry name, and the segment that it is reached by (AG §4).
const NAMES: &[(&str, &str)] = &[
    ("My API (v2)", "my-api-v2"),
    ("display_!@#$%^&*()name", "display-name"),
    ("-----dashed", "dashed"),
    ("Ünïcode", "n-code"),
];

pub(super) fn plant(place: &dyn Place) -> Result {
    let target = url(place, "http")?;
    let base = format!("{target}/base");
    let services = |app: App| {
        app.service("svc", &[Entry::api(&base).name("api")])
            .service("slash", &[Entry::api(&format!("{base}/"))])
            .service("root", &[Entry::api(&target)])
            .service("query", &[Entry::api(&format!("{base}?tenant=1&x"))])
            .service("brackets", &[Entry::api(&format!("{target}/O('1')"))])
            .service("escaped", &[Entry::api(&format!("{target}/a%20b"))])
            .service("x", &[Entry::api(&format!("{target}/dots"))])
    };
    let mut names = Application::new("names");
    for (name, _) in NAMES {
        names = names.service(name, &[Entry::api(&base).name(name), Entry::events().name(name)]);
    }
    let long = "l".repeat(71);
    let names = names.service(&long, &[Entry::api(&base)]);
    place.put(
        "paths",
        &[
            services(Application::new("encode")).manifest(),
            services(Application::new("verbatim").spec("encodeUrl", false)).manifest(),
            names.manifest(),
            // AG §19, 1: names that are the same when they are written without a border between them.
            Application::new("ab").service("c", &[Entry::api(&format!("{target}/ab-c"))]).manifest(),
            Application::new("a").service("bc", &[Entry::api(&format!("{target}/a-bc"))]).manifest(),
        ],
    )
}

pub(super) fn cases(place: &dyn Place) -> Result<Vec<Case>> {
    let arrives =
        |target: &str| Ok::<_, fairlead_testkit::Error>(Expected::Arrives(arrival(place, "http", target)?));
    let mut cases = Vec::new();
    for (row, rest, encoded, verbatim) in ROWS {
        for (app, expected) in [("encode", encoded), ("verbatim", verbatim)] {
            let path = format!("/{app}/svc{rest}");
            cases.push(manual(&path, &[row], get(&path), arrives(&format!("/base{expected}"))?));
            let path = format!("/{app}/svc/api{rest}");
            cases.push(ucl(&path, &[row], get(&path), arrives(&format!("/base{expected}"))?));
        }
    }
    // The rest of rows 1 and 2, row 17 as decision 40 has it, and what AG §3, §5.1 and §5.2 say beside the table.
    for (rows, path, target) in [
        (&["AG-5.1-r01"][..], "/encode/svc/", "/base"),
        (&["AG-5.1-r02"], "//encode/svc/orders/", "/base/orders"),
        (&["AG-5.1-r17"], "/encode/svc/../x", "/dots"),
        (&[], "/ab/c/x", "/ab-c/x"),
        (&[], "/a/bc/x", "/a-bc/x"),
        (&[], "/encode/slash", "/base/"),
        (&[], "/encode/slash/x", "/base/x"),
        (&[], "/encode/root", "/"),
        (&[], "/encode/root/x", "/x"),
        (&[], "/encode/brackets", "/O('1')"),
        (&[], "/verbatim/brackets", "/O('1')"),
        (&[], "/verbatim/escaped/b", "/a%20b/b"),
        (&[], "/encode/svc/x?a=%7c&b=c|d", "/base/x?a=%7c&b=c|d"),
        (&[], "/encode/query/x?y=2&&z", "/base/x?tenant=1&x&y=2&&z"),
        (&[], "/encode/query", "/base?tenant=1&x"),
    ] {
        cases.push(manual(path, rows, get(path), arrives(target)?));
    }
    for (name, segment) in NAMES {
        let path = format!("/names/{segment}/x");
        cases.push(manual(&format!("{name} by {path}"), &["AG-4-r01"], get(&path), arrives("/base/x")?));
        let path = format!("/names/{segment}/{segment}/x");
        cases.push(ucl(&format!("{name} by {path}"), &["AG-4-r01"], get(&path), arrives("/base/x")?));
    }
    let long = format!("/names/{}", "l".repeat(57));
    cases.push(manual("a long name is cut", &[], get(&long), arrives("/base")?));
    let absolute = get("http://any.host/encode/svc/x");
    cases.push(manual("absolute form", &[], absolute, arrives("/base/x")?));
    Ok(cases)
}
