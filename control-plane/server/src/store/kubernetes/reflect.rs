//! Lists one collection page by page, then watches it, and goes on for ever: what it sees goes to the follower.
//!
//! After a loss the watch goes on from the last known version; only when the server has forgotten that one (410) is
//! everything listed again. A failed try is repeated after a growing wait, whatever it was.

use std::{
    marker::PhantomData,
    sync::Arc,
    time::{Duration, Instant},
};

use kube::Client;
use tokio::{sync::mpsc, time::sleep};

use super::{
    api::{self, Collection, Lines},
    backoff::Backoff,
    catalog::Source,
    decode::{Found, Item, Line, Page},
    failure::Failure,
};
use crate::store::StoreProblem;

/// Largest page, bytes; of larger ones fewer objects are asked for.
const MAX_PAGE: usize = 32 * 1024 * 1024;
/// A watch that the server refuses this often in a row, without saying why it is too old, is begun with a list.
const REFUSALS: u32 = 3;
/// A watch that ends sooner, without an event, counts as a failure.
const SHORT: Duration = Duration::from_secs(1);

/// What a reflector sees.
pub(super) struct Notice {
    /// Whose it is.
    pub(super) source: Source,
    /// When it was seen.
    pub(super) at: Instant,
    /// What it is.
    pub(super) what: What,
}

pub(super) enum What {
    /// A list begins: what is not found until its end is gone.
    Listing,
    /// Objects of a page or changes of a watch, in order.
    Changes(Vec<Change>),
    /// The list has ended.
    Listed,
    /// It does not work; `None`: it works again.
    Trouble(Option<StoreProblem>),
}

pub(super) enum Change {
    Is(Found),
    Gone(Arc<str>),
}

/// Follows one collection of `T`.
pub(super) struct Reflector<T> {
    client: Client,
    collection: Collection,
    /// Largest number of objects in a page.
    page: u32,
    source: Source,
    notices: mpsc::Sender<Notice>,
    backoff: Backoff,
    troubled: Option<String>,
    items: PhantomData<fn() -> T>,
}

/// Nobody listens any longer.
struct Over;

/// How a list or watch ended.
enum End {
    Over,
    Failed(&'static str, Failure),
}

impl From<Over> for End {
    fn from(Over: Over) -> Self {
        Self::Over
    }
}

impl<T: Item> Reflector<T> {
    /// Follows `collection`, in pages of `page` objects.
    pub(super) fn new(
        client: &Client,
        collection: Collection,
        page: u32,
        source: Source,
        notices: &mpsc::Sender<Notice>,
    ) -> Self {
        Self {
            client: client.clone(),
            collection,
            page,
            source,
            notices: notices.clone(),
            backoff: Backoff::default(),
            troubled: None,
            items: PhantomData,
        }
    }

    /// Goes on until nobody listens.
    pub(super) async fn run(mut self) {
        let mut version = None;
        while let Err(End::Failed(verb, failure)) = self.step(&mut version).await {
            if self.failed(verb, failure, &mut version).await.is_err() {
                return;
            }
        }
    }

    /// Lists or watches until that fails; it has no other end than that.
    async fn step(&mut self, version: &mut Option<String>) -> Result<(), End> {
        loop {
            let from = match version.take() {
                Some(known) => known,
                None => self.list().await?,
            };
            let known = version.insert(from);
            let begun = Instant::now();
            if !self.watch(known).await? && begun.elapsed() < SHORT {
                return Err(End::Failed("watch", Failure::Away("watches end at once".to_owned())));
            }
        }
    }

    /// All objects there are; gives the version that a watch goes on from.
    async fn list(&mut self) -> Result<String, End> {
        self.tell(What::Listing).await?;
        let mut next = String::new();
        loop {
            let request = self.collection.page(self.page, &next);
            let page: Page<T> = api::ask(&self.client, request, MAX_PAGE)
                .await
                .map_err(|failure| End::Failed("list", failure))?;
            self.works().await?;
            let found = page.items.into_iter().flatten().map(|item| Change::Is(item.found())).collect();
            self.tell(What::Changes(found)).await?;
            if page.metadata.next.is_empty() {
                self.tell(What::Listed).await?;
                return Ok(page.metadata.resource_version);
            }
            next = page.metadata.next;
        }
    }

    /// Watches from `version` on and moves it; says whether anything came before the server ended it.
    async fn watch(&mut self, version: &mut String) -> Result<bool, End> {
        let failed = |failure| End::Failed("watch", failure);
        let request = self.collection.watch(version);
        let mut lines = Lines::open(&self.client, request).await.map_err(failed)?;
        self.works().await?;
        let mut any = false;
        while let Some(text) = lines.next().await.map_err(failed)? {
            let mut changes = Vec::new();
            for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let found = match serde_json::from_slice(line) {
                    Ok(Line::<T>::Added(item) | Line::Modified(item)) => Change::Is(item.found()),
                    Ok(Line::Deleted(item)) => {
                        let Found { name, version: last, .. } = item.found();
                        version.replace_range(.., &last);
                        changes.push(Change::Gone(name));
                        continue;
                    }
                    Ok(Line::Bookmark(mark)) => {
                        *version = mark.metadata.resource_version;
                        continue;
                    }
                    Ok(Line::Error(status)) => {
                        self.tell(What::Changes(changes)).await?;
                        return Err(failed(Failure::from_status(status)));
                    }
                    Err(_) => {
                        self.tell(What::Changes(changes)).await?;
                        return Err(failed(Failure::Unreadable));
                    }
                };
                if let Change::Is(found) = &found {
                    version.replace_range(.., &found.version);
                }
                changes.push(found);
            }
            self.tell(What::Changes(changes)).await?;
            self.backoff.reset();
            any = true;
        }
        Ok(any)
    }

    /// Tells what is wrong and waits; decides where to go on from.
    async fn failed(
        &mut self,
        verb: &str,
        failure: Failure,
        version: &mut Option<String>,
    ) -> Result<(), Over> {
        let wait = self.backoff.next();
        let failures = self.backoff.failures();
        match &failure {
            Failure::Gone => *version = None,
            Failure::TooLarge => self.page = (self.page / 4).max(1),
            Failure::Refused(..) | Failure::Unreadable if failures.is_multiple_of(REFUSALS) => {
                *version = None;
            }
            _ => {}
        }
        // One lost connection is nothing to talk about.
        let passing = matches!(failure, Failure::Away(_) | Failure::Gone) && failures < 2;
        if !passing {
            let text = failure.sentence(verb, &self.collection.what, &self.collection.remedy);
            if self.troubled.as_ref() != Some(&text) {
                self.troubled = Some(text.clone());
                let (file, field) = (self.collection.what.clone(), String::new());
                let problem = StoreProblem { file, document: None, field, reason: text };
                self.tell(What::Trouble(Some(problem))).await?;
            }
        }
        sleep(wait).await;
        if self.notices.is_closed() { Err(Over) } else { Ok(()) }
    }

    async fn works(&mut self) -> Result<(), Over> {
        if self.troubled.take().is_some() { self.tell(What::Trouble(None)).await } else { Ok(()) }
    }

    async fn tell(&mut self, what: What) -> Result<(), Over> {
        if matches!(&what, What::Changes(changes) if changes.is_empty()) {
            return Ok(());
        }
        let notice = Notice { source: self.source, at: Instant::now(), what };
        self.notices.send(notice).await.map_err(|_| Over)
    }
}
