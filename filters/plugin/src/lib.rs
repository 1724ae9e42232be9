//! The Wasm module: performs the engine's effects through the proxy-wasm ABI and decides nothing.
//!
//! The host calls `abi::exports`, which hand events to the `shell`; the shell asks the engine what to do and does it
//! through `abi`, the only place that names the host's functions. There is nothing here for other targets.
#![cfg(target_arch = "wasm32")]

mod abi;
mod metrics;
mod pairs;
mod shell;
