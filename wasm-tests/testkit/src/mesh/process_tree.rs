//! Which processes another one has below it, from /proc.

use crate::{Result, error::Doing as _};

/// Ids and names of all processes below `ancestor`, which is not one of them.
pub(super) fn below(ancestor: u32) -> Result<Vec<(u32, String)>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir("/proc").doing("cannot read /proc")?.flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // A process may end meanwhile.
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        all.extend(parse(&stat).map(|(name, parent)| (id, name, parent)));
    }
    let mut found: Vec<(u32, String)> = Vec::new();
    let mut wave = vec![ancestor];
    while !wave.is_empty() {
        let children: Vec<_> = all.iter().filter(|(_, _, parent)| wave.contains(parent)).collect();
        wave = children.iter().map(|(id, _, _)| *id).collect();
        found.extend(children.into_iter().map(|(id, name, _)| (*id, name.clone())));
    }
    Ok(found)
}

/// Name and parent out of proc_pid_stat(5): `id (name) state parent …`; the name may hold anything.
fn parse(stat: &str) -> Option<(String, u32)> {
    let (front, rest) = stat.rsplit_once(')')?;
    let (_, name) = front.split_once('(')?;
    Some((name.to_owned(), rest.split_whitespace().nth(1)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_have_brackets_and_blanks() {
        assert_eq!(parse("7 (a ) b) S 5 6 7"), Some(("a ) b".to_owned(), 5)));
        assert_eq!(parse("7"), None);
    }

    #[test]
    fn children_of_this_process_are_found_by_name() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let found = below(std::process::id()).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found.iter().any(|(id, _)| *id == child.id()), "{found:?}");
    }
}
