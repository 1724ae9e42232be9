//! The directory store on a real file system.

use std::{
    fs,
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use fairlead::{
    config::StoreConfig,
    store::{Batch, Event, Store, directory::DirectoryStore},
};
use fairlead_resources::{Object, ObjectRef};
use tempfile::TempDir;
use tokio::{sync::mpsc, time::timeout};

use crate::support::{LIMIT, application, secret};

struct Watched {
    directory: TempDir,
    _barriers: TempDir,
    batches: mpsc::Receiver<Batch>,
    problems: Vec<String>,
}

impl Watched {
    async fn start(files: &[(&str, &str)]) -> (Self, Vec<String>) {
        let (directory, barriers) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (name, text) in files {
            fs::write(directory.path().join(name), text).unwrap();
        }
        let (path, own) = (directory.path().to_owned(), barriers.path().to_owned());
        let batches = DirectoryStore::new(path, own, StoreConfig::default()).watch().unwrap();
        let mut watched = Self { directory, _barriers: barriers, batches, problems: Vec::new() };
        let first = watched.next().await;
        (watched, first)
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    async fn batch(&mut self) -> Batch {
        let mut next = async || timeout(LIMIT, self.batches.recv()).await.expect("a batch in time").unwrap();
        let mut batch = next().await;
        while batch.more {
            let rest = next().await;
            let events = batch.events.into_iter().chain(rest.events).collect();
            batch = Batch { events, ..rest };
        }
        if let Some(problems) = &batch.problems {
            self.problems = problems.iter().map(ToString::to_string).collect();
        }
        batch
    }

    /// Events of the next batch in words: `+name(value of k)` and `-name`.
    async fn next(&mut self) -> Vec<String> {
        let mut words: Vec<_> = self.batch().await.events.iter().map(word).collect();
        words.sort();
        words
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
    }
}

fn word(event: &Event) -> String {
    match event {
        Event::Apply { object: Object::Application(application), .. } => {
            format!("+{}", application.metadata.name)
        }
        Event::Apply { object: Object::Secret(secret), .. } => {
            let value = String::from_utf8_lossy(secret.get("k").unwrap_or_default()).into_owned();
            format!("+{}({value})", secret.name)
        }
        Event::Apply { object: Object::Other(_), .. } => "+other".to_owned(),
        Event::Delete(ObjectRef::Application(name) | ObjectRef::Secret { name, .. }) => format!("-{name}"),
        Event::Delete(ObjectRef::Other { .. }) => "-other".to_owned(),
        Event::Release(reference) => format!("~{reference}"),
    }
}

fn app(name: &str) -> String {
    application(name, "api", "http://t.example", "")
}

fn sec(name: &str, value: &str) -> String {
    secret(name, &[("k", value)])
}

#[tokio::test]
async fn directory_follows_writes_renames_and_removals() {
    let (mut store, first) = Watched::start(&[("a.yaml", &app("a")), ("note.txt", "not: [ours")]).await;
    assert_eq!(first, ["+a"]);
    store.write("b.yaml", &format!("{}---\n{}", app("b"), sec("s", "1")));
    assert_eq!(store.next().await, ["+b", "+s(1)"]);
    store.write("b.yaml", &format!("{}---\n{}", app("b"), sec("s", "2")));
    assert_eq!(store.next().await, ["+s(2)"], "only what changed");
    fs::write(store.path().join("new.tmp"), app("c")).unwrap();
    fs::rename(store.path().join("new.tmp"), store.path().join("c.yaml")).unwrap();
    assert_eq!(store.next().await, ["+c"]);
    fs::remove_file(store.path().join("a.yaml")).unwrap();
    assert_eq!(store.next().await, ["-a"]);
    fs::rename(store.path().join("c.yaml"), store.path().join("c.off")).unwrap();
    assert_eq!(store.next().await, ["-c"]);
    assert!(store.problems.is_empty(), "{:?}", store.problems);
}

#[tokio::test]
async fn directory_follows_new_and_removed_directories() {
    let (mut store, first) = Watched::start(&[]).await;
    assert!(first.is_empty());
    let below = store.path().join("x/y");
    fs::create_dir_all(&below).unwrap();
    fs::write(below.join("a.yaml"), app("a")).unwrap();
    assert_eq!(store.next().await, ["+a"]);
    fs::write(below.join("b.yaml"), app("b")).unwrap();
    assert_eq!(store.next().await, ["+b"]);
    fs::rename(store.path().join("x"), store.path().join(".x")).unwrap();
    assert_eq!(store.next().await, ["-a", "-b"]);
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("c.yaml"), app("c")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("c.yaml"), store.path().join("c.yaml")).unwrap();
    assert_eq!(store.next().await, ["+c"]);
}

#[tokio::test]
async fn directory_never_uses_a_half_written_file() {
    let (mut store, _) = Watched::start(&[("a.yaml", &format!("{}---\n{}", app("a"), sec("s", "1")))]).await;
    let path = store.path().join("a.yaml");
    let mut file = fs::File::create(&path).unwrap();
    file.write_all(app("a").as_bytes()).unwrap();
    file.flush().unwrap();
    // Something else happens while the file is open.
    store.write("b.yaml", &app("b"));
    assert_eq!(store.next().await, ["+b"], "nothing of the open file");
    file.write_all(format!("---\n{}", sec("s", "2")).as_bytes()).unwrap();
    drop(file);
    assert_eq!(store.next().await, ["+s(2)"], "the whole file once it is closed");
}

#[tokio::test]
async fn directory_survives_a_writer_in_a_hurry() {
    let text = |n: u32| format!("{}---\n{}", app("a"), sec("s", &n.to_string()));
    let (mut store, _) = Watched::start(&[("a.yaml", &text(0))]).await;
    let path = store.path().join("a.yaml");
    let writer = std::thread::spawn(move || {
        for n in 1..=1_000 {
            fs::write(&path, text(n)).unwrap();
        }
    });
    loop {
        for word in store.next().await {
            assert!(word.starts_with("+s("), "the Application never changed: {word}");
            if word == "+s(1000)" {
                writer.join().unwrap();
                return assert!(store.problems.is_empty());
            }
        }
    }
}

#[tokio::test]
async fn directory_keeps_the_last_good_state_and_says_what_is_wrong() {
    let good = format!("{}---\n{}", app("a"), sec("s", "1"));
    let (mut store, _) = Watched::start(&[("a.yaml", &good)]).await;
    store.write("a.yaml", &format!("{}---\n{}", app("a2"), "kind: [\n"));
    assert!(store.next().await.is_empty(), "half a file says nothing");
    assert!(store.problems[0].starts_with("a.yaml, document 2, line "), "{:?}", store.problems);
    store.write("a.yaml", &format!("{}---\n{}", app("a"), sec("s", "1").replace("stringData", "data")));
    assert!(store.next().await.is_empty());
    assert!(
        store.problems[0].starts_with("a.yaml, document 2, data.k: is not base64"),
        "{:?}",
        store.problems
    );
    store.write("a.yaml", &good);
    assert!(store.next().await.is_empty(), "as it was");
    assert!(store.problems.is_empty());
    store.write("a.yaml", "");
    assert_eq!(store.next().await, ["-a", "-s"], "an empty file is meant");
}

#[tokio::test]
async fn directory_reads_the_items_of_lists_as_documents() {
    let list = |value: &str, broken: bool| {
        let item = |manifest: String| format!("- {}", manifest.replace('\n', "\n  ").trim_end());
        let mut second = sec("s", value);
        if broken {
            second = second.replace("stringData", "data");
        }
        format!(
            "apiVersion: v1\nkind: List\nitems:\n{}\n{}\n{}\n",
            item(app("a")),
            item(second),
            item(app("b"))
        )
    };
    let (mut store, first) = Watched::start(&[("l.yaml", &list("1", false))]).await;
    assert_eq!(first, ["+a", "+b", "+s(1)"]);
    store.write("l.yaml", &list("no base64", true));
    store.next().await;
    assert!(store.problems[0].starts_with("l.yaml, document 1, items[1].data.k: "), "{:?}", store.problems);
    store.write("l.yaml", &format!("{}---\n{}", list("no base64", true), app("c")));
    assert!(!store.next().await.contains(&"-s".to_owned()), "its last good state stays");
    store.write("l.yaml", &list("2", false));
    assert_eq!(store.next().await, ["+a", "+b", "+s(2)", "-c"]);
}

#[tokio::test]
async fn directory_takes_the_first_of_two_definitions() {
    let (mut store, first) = Watched::start(&[("b.yaml", &sec("s", "b")), ("c.yaml", &sec("s", "c"))]).await;
    assert_eq!(first, ["+s(b)"]);
    assert_eq!(
        store.problems,
        ["c.yaml, Secret kyma-system/s: is defined in b.yaml already; that one counts"]
    );
    store.write("a.yaml", &sec("s", "a"));
    assert_eq!(store.next().await, ["+s(a)"]);
    assert_eq!(store.problems.len(), 2);
    store.write("b.yaml", &sec("s", "b2"));
    fs::remove_file(store.path().join("a.yaml")).unwrap();
    assert_eq!(store.next().await.last().unwrap(), "+s(b2)");
    fs::remove_file(store.path().join("b.yaml")).unwrap();
    assert_eq!(store.next().await, ["+s(c)"]);
    assert!(store.problems.is_empty());
    fs::rename(store.path().join("c.yaml"), store.path().join("d.yaml")).unwrap();
    let last = store.next().await;
    assert!(last.contains(&"+s(c)".to_owned()), "{last:?}");
}

#[tokio::test]
async fn directory_versions_are_opaque_and_differ_with_the_content() {
    let (mut store, _) = Watched::start(&[]).await;
    let mut versions = Vec::new();
    for value in ["one", "two", "six"] {
        store.write("s.yaml", &sec("s", value));
        let batch = store.batch().await;
        let Event::Apply { object: Object::Secret(secret), .. } = &batch.events[0] else {
            panic!("no Secret")
        };
        assert!(!secret.version.contains(value));
        versions.push(secret.version.clone());
    }
    versions.dedup();
    assert_eq!(versions.len(), 3);
}

#[tokio::test]
async fn directory_bounds_are_kept_and_reported() {
    let (directory, barriers) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(directory.path().join("a.yaml"), app("a")).unwrap();
    fs::write(directory.path().join("b.yaml"), "#".repeat(5_000)).unwrap();
    fs::write(directory.path().join("c.yaml"), b"\xff\xfe").unwrap();
    let limits = StoreConfig { max_file_bytes: 4_000, ..StoreConfig::default() };
    let store = DirectoryStore::new(directory.path().to_owned(), barriers.path().to_owned(), limits);
    let mut batches = store.watch().unwrap();
    let (piece, last) = (batches.recv().await.unwrap(), batches.recv().await.unwrap());
    assert!(piece.more && !last.more);
    assert_eq!(piece.events.iter().map(word).collect::<Vec<_>>(), ["+a"]);
    let problems: Vec<_> = last.problems.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        ["b.yaml: is larger than 4000 bytes (store.maxFileBytes)", "c.yaml: is not UTF-8 text"]
    );
}

#[tokio::test]
async fn directory_that_is_none_is_one_sentence() {
    let nowhere = Path::new("/nonexistent/resources").to_owned();
    let Err(error) = DirectoryStore::new(nowhere.clone(), nowhere, StoreConfig::default()).watch() else {
        panic!("it does not exist")
    };
    assert_eq!(
        error.to_string(),
        "cannot read /nonexistent/resources: it is no directory; make it, or name another in `resources`"
    );
}

#[tokio::test]
async fn directory_tells_a_change_at_once() {
    let (mut store, _) = Watched::start(&[("a.yaml", &sec("s", "0"))]).await;
    let mut times = Vec::new();
    for n in 1..=10 {
        let before = Instant::now();
        store.write("a.yaml", &sec("s", &n.to_string()));
        assert_eq!(store.next().await, [format!("+s({n})")]);
        times.push(before.elapsed());
    }
    times.sort();
    assert!(times[5] < Duration::from_millis(60), "{times:?}");
}
