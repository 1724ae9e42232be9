//! Log lines and their level (AG §17, §18).

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    Registry, filter::Filtered, fmt, layer::SubscriberExt, reload, util::SubscriberInitExt,
};

use crate::config::LogLevel;

const LEVELS: [LogLevel; 5] =
    [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];

type Apply = Arc<dyn Fn(LevelFilter) + Send + Sync>;

/// Reads and changes the log level.
#[derive(Clone)]
pub struct LevelSwitch {
    current: Arc<AtomicU8>,
    /// `PUT` may change it.
    pub changeable: bool,
    apply: Apply,
}

impl LevelSwitch {
    /// A switch that tells `apply` about changes.
    pub fn new(
        level: LogLevel,
        changeable: bool,
        apply: impl Fn(LevelFilter) + Send + Sync + 'static,
    ) -> Self {
        let switch = Self { current: Arc::default(), changeable, apply: Arc::new(apply) };
        switch.set(level);
        switch
    }

    /// The level now.
    #[must_use]
    pub fn get(&self) -> LogLevel {
        LEVELS.get(usize::from(self.current.load(Ordering::Relaxed))).copied().unwrap_or(LogLevel::Info)
    }

    /// Changes the level.
    pub fn set(&self, level: LogLevel) {
        let index = LEVELS.iter().position(|known| *known == level).unwrap_or_default();
        self.current.store(u8::try_from(index).unwrap_or_default(), Ordering::Relaxed);
        (self.apply)(filter(level));
    }
}

/// Starts JSON logging to stderr, once a process.
#[must_use]
pub fn start(level: LogLevel, changeable: bool) -> LevelSwitch {
    let lines = fmt::layer().json().flatten_event(true).with_writer(std::io::stderr);
    let (lines, handle): (_, reload::Handle<Filtered<_, LevelFilter, Registry>, Registry>) =
        reload::Layer::new(Filtered::new(lines, filter(level)));
    // A second start in one process, as in tests, keeps the first one's lines.
    let _ = tracing_subscriber::registry().with(lines).try_init();
    LevelSwitch::new(level, changeable, move |filter| {
        let _ = handle.modify(|layer| *layer.filter_mut() = filter);
    })
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}
