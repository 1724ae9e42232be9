//! File events → what they mean for us; and a barrier to know that all earlier events have arrived.
//!
//! The kernel queues all events of one watcher in order. So once a file of our own, made in a watched directory of our
//! own, is announced ([`Notice::Barrier`]), everything that happened before has been announced too.

use std::{
    path::{Path, PathBuf},
    sync::mpsc,
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode, CreateKind, ModifyKind, RenameMode},
};

use crate::store::StoreError;

/// What happened.
#[derive(Debug)]
pub(super) enum Notice {
    /// Somebody writes to the file or truncated it, and has not closed it yet.
    Writing(PathBuf),
    /// The file is complete: closed after writing, or moved here.
    Written(PathBuf),
    /// File or directory is not there any longer.
    Gone(PathBuf),
    /// A directory or link is new: look what is below.
    Look(PathBuf),
    /// Events were lost: look everywhere.
    Lost,
    /// [`Watch::barrier`] of this number.
    Barrier(u64),
}

/// A running watcher.
pub(super) struct Watch {
    _watcher: RecommendedWatcher,
    barriers: PathBuf,
    number: u64,
}

impl Watch {
    /// Watches `directory` and what is below; `barriers` is a directory of our own, outside of it.
    pub(super) fn start(
        directory: &Path,
        barriers: &Path,
        notices: mpsc::Sender<Notice>,
    ) -> Result<Self, StoreError> {
        let failed = |path: &Path, reason: String| StoreError {
            what: format!("cannot watch {}", path.display()),
            reason,
        };
        std::fs::create_dir_all(barriers).map_err(|e| failed(barriers, e.to_string()))?;
        let own = barriers.to_owned();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let notice = match event {
                Ok(event) => notice(&own, event),
                Err(_) => Some(Notice::Lost),
            };
            if let Some(notice) = notice {
                // The store has ended when nobody listens.
                let _ = notices.send(notice);
            }
        })
        .map_err(|e| failed(directory, e.to_string()))?;
        for (path, mode) in [(directory, RecursiveMode::Recursive), (barriers, RecursiveMode::NonRecursive)] {
            watcher.watch(path, mode).map_err(|e| failed(path, e.to_string()))?;
        }
        Ok(Self { _watcher: watcher, barriers: barriers.to_owned(), number: 0 })
    }

    /// Asks for [`Notice::Barrier`] with the number that is returned.
    pub(super) fn barrier(&mut self) -> std::io::Result<u64> {
        self.number += 1;
        let path = self.barriers.join(self.number.to_string());
        std::fs::write(&path, b"")?;
        std::fs::remove_file(&path)?;
        Ok(self.number)
    }
}

fn notice(barriers: &Path, event: Event) -> Option<Notice> {
    if event.need_rescan() {
        return Some(Notice::Lost);
    }
    let path = event.paths.into_iter().next()?;
    if path.parent() == Some(barriers) {
        let removed = matches!(event.kind, EventKind::Remove(_));
        return path.file_name()?.to_str()?.parse().ok().filter(|_| removed).map(Notice::Barrier);
    }
    match event.kind {
        EventKind::Modify(ModifyKind::Data(_)) => Some(Notice::Writing(path)),
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Some(Notice::Written(path)),
        EventKind::Modify(ModifyKind::Name(RenameMode::To)) if path.is_dir() => Some(Notice::Look(path)),
        EventKind::Modify(ModifyKind::Name(RenameMode::To)) => Some(Notice::Written(path)),
        EventKind::Modify(ModifyKind::Name(RenameMode::From)) | EventKind::Remove(_) => {
            Some(Notice::Gone(path))
        }
        EventKind::Create(CreateKind::Folder) => Some(Notice::Look(path)),
        // A new file is announced again when it is closed. Links have nothing to close.
        EventKind::Create(_) if is_link(&path) => Some(Notice::Look(path)),
        _ => None,
    }
}

fn is_link(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink() || found.nlink() > 1)
}
