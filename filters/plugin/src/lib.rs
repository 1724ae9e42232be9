//! The Wasm module: performs the engine's effects through the proxy-wasm ABI and decides nothing
