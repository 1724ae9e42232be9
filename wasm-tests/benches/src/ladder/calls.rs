//! Which host functions a request makes a module call, by the host's own trace.

use std::{collections::BTreeMap, time::Duration};

use fairlead_testkit::{Result, envoy::Envoy, wait};

/// Calls of each host function.
type Calls = BTreeMap<String, usize>;

/// The calls while `request` is done.
pub(crate) fn of(envoy: &Envoy, request: impl FnOnce() -> Result) -> Result<Calls> {
    envoy.post("/logging?wasm=trace")?;
    let before = envoy.log().len();
    let done = request();
    // The caller has its answer before the stream's end is told to the module. Should the trace say it in another way,
    // calls at the end are missing, which is then said.
    let ended = || memchr::memmem::find(envoy.log().get(before..)?, b"proxy_on_delete return").map(|_| ());
    let _ = wait::until("the end of a stream", Duration::from_secs(2), ended);
    envoy.post("/logging?wasm=warning")?;
    done?;
    let log = envoy.log();
    Ok(calls(&String::from_utf8_lossy(log.get(before..).unwrap_or_default())))
}

/// Calls that ticks make, for whatever requests there were.
const OF_TICKS: [&str; 2] = ["increment_metric", "define_metric"];

/// Lines such as `[vm->host] env.proxy_get_property(1, 2, 3, 4)`. Calls for time, which ticks make too, are not counted.
fn calls(trace: &str) -> Calls {
    let mut calls = Calls::new();
    for line in trace.lines() {
        let called = line.split_once("[vm->host] env.").and_then(|(_, call)| call.split_once('('));
        if let Some((name, _)) = called {
            let name = name.trim_start_matches("proxy_");
            if !OF_TICKS.contains(&name) {
                *calls.entry(name.to_owned()).or_default() += 1;
            }
        }
    }
    calls
}

/// A sentence, if they differ or nothing is known.
pub(crate) fn difference(ours: &Calls, bare: &Calls) -> Option<String> {
    let shown = |calls: &Calls| {
        let parts: Vec<_> = calls.iter().map(|(name, count)| format!("{name} {count}")).collect();
        parts.join(", ")
    };
    if ours.is_empty() {
        return Some("Which host functions the plugin calls is not known: the trace shows none.".to_owned());
    }
    (ours != bare).then(|| {
        format!(
            "The bare filter's calls to the host are not the plugin's, so that the last two steps mix: {} against {} by the plugin.",
            shown(bare),
            shown(ours)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_calls_are_counted_by_name() {
        let trace = "[1][trace][wasm] [vm->host] env.proxy_get_property(1, 2)\n[host->vm] proxy_on_tick(1)\n\
                     x [vm->host] env.proxy_get_property(1, 2)\n[vm<-host] env.proxy_get_property return: 0";
        let calls = calls(trace);
        assert_eq!(calls, Calls::from([("get_property".to_owned(), 2)]));
        assert!(difference(&calls, &calls).is_none());
        assert!(difference(&calls, &Calls::new()).unwrap().contains("get_property 2"));
    }
}
