//! The proxy-wasm ABI 0.2.1, as much of it as is used, behind functions that cannot be misused.
//!
//! The SDK is left out: it exports every callback, each of which the host then calls, and panics on statuses that it
//! does not expect. Here a status is success or it is not; what that means is the caller's to say.
//!
//! All `unsafe` of the module is in this file and in its exports. Pointers handed to the host are to live slices, their
//! lengths are those of the slices; results come through pointers to local variables.
#![allow(unsafe_code, reason = "the only place that talks to the host")]

mod exports;

use std::{cell::Cell, ops::Deref};

/// Header maps.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Map {
    Request = 0,
    Response = 2,
    CallResponse = 6,
}

/// Buffers.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Buffer {
    RequestBody = 0,
    CallResponse = 4,
    PluginConfiguration = 7,
}

/// Log levels.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Level {
    Debug = 1,
    Info = 2,
    Warn = 3,
    Error = 4,
}

/// Kinds of metrics.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Metric {
    Counter = 0,
    Gauge = 1,
    Histogram = 2,
}

/// The host's word for success.
const OK: u32 = 0;
/// The halves of a stream, for resuming.
const REQUEST: u32 = 0;
const RESPONSE: u32 = 1;
/// WASI's clock that never goes back.
const MONOTONIC: u32 = 1;
/// `grpc-status` of local answers: none.
const NO_GRPC: i32 = -1;

mod host {
    #[link(wasm_import_module = "env")]
    unsafe extern "C" {
        pub(super) fn proxy_log(level: u32, text: *const u8, len: usize) -> u32;
        pub(super) fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
        pub(super) fn proxy_get_buffer_bytes(
            kind: u32,
            start: usize,
            max: usize,
            data: *mut *mut u8,
            len: *mut usize,
        ) -> u32;
        pub(super) fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, len: *mut usize) -> u32;
        pub(super) fn proxy_get_header_map_value(
            map: u32,
            name: *const u8,
            name_len: usize,
            data: *mut *mut u8,
            len: *mut usize,
        ) -> u32;
        pub(super) fn proxy_replace_header_map_value(
            map: u32,
            name: *const u8,
            name_len: usize,
            value: *const u8,
            value_len: usize,
        ) -> u32;
        pub(super) fn proxy_add_header_map_value(
            map: u32,
            name: *const u8,
            name_len: usize,
            value: *const u8,
            value_len: usize,
        ) -> u32;
        pub(super) fn proxy_remove_header_map_value(map: u32, name: *const u8, name_len: usize) -> u32;
        pub(super) fn proxy_set_header_map_pairs(map: u32, pairs: *const u8, len: usize) -> u32;
        pub(super) fn proxy_get_property(
            path: *const u8,
            path_len: usize,
            data: *mut *mut u8,
            len: *mut usize,
        ) -> u32;
        pub(super) fn proxy_set_property(
            path: *const u8,
            path_len: usize,
            value: *const u8,
            value_len: usize,
        ) -> u32;
        pub(super) fn proxy_get_shared_data(
            key: *const u8,
            key_len: usize,
            data: *mut *mut u8,
            len: *mut usize,
            version: *mut u32,
        ) -> u32;
        pub(super) fn proxy_set_shared_data(
            key: *const u8,
            key_len: usize,
            value: *const u8,
            value_len: usize,
            version: u32,
        ) -> u32;
        pub(super) fn proxy_set_effective_context(context: u32) -> u32;
        pub(super) fn proxy_continue_stream(half: u32) -> u32;
        pub(super) fn proxy_send_local_response(
            status: u32,
            details: *const u8,
            details_len: usize,
            body: *const u8,
            body_len: usize,
            headers: *const u8,
            headers_len: usize,
            grpc_status: i32,
        ) -> u32;
        pub(super) fn proxy_http_call(
            cluster: *const u8,
            cluster_len: usize,
            headers: *const u8,
            headers_len: usize,
            body: *const u8,
            body_len: usize,
            trailers: *const u8,
            trailers_len: usize,
            timeout: u32,
            token: *mut u32,
        ) -> u32;
        pub(super) fn proxy_call_foreign_function(
            name: *const u8,
            name_len: usize,
            arguments: *const u8,
            arguments_len: usize,
            data: *mut *mut u8,
            len: *mut usize,
        ) -> u32;
        pub(super) fn proxy_define_metric(kind: u32, name: *const u8, name_len: usize, id: *mut u32) -> u32;
        pub(super) fn proxy_increment_metric(id: u32, by: i64) -> u32;
        pub(super) fn proxy_record_metric(id: u32, value: u64) -> u32;
    }

    // proxy-wasm's own clock is the system's, which is set back and forth.
    #[link(wasm_import_module = "wasi_snapshot_preview1")]
    unsafe extern "C" {
        pub(super) fn clock_time_get(clock: u32, precision: u64, nanoseconds: *mut u64) -> u32;
    }
}

thread_local! {
    /// Memory that the host asked for and is about to fill. It asks once in each call that returns bytes.
    static ASKED: Cell<Option<Vec<u8>>> = const { Cell::new(None) };
    /// Memory that was used and waits to be used again: one request's headers after the other.
    static SPARE: Cell<Option<Vec<u8>>> = const { Cell::new(None) };
}

/// The least that is allocated: the headers of most requests.
const LEAST: usize = 4096;
/// The most that is kept for the next call.
const KEPT: usize = 64 * 1024;

/// Bytes that the host has written.
pub(crate) struct Bytes(Vec<u8>);

impl Bytes {
    /// To keep them: the memory is not used for the next call.
    pub(crate) fn into_vec(mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Bytes {
    fn drop(&mut self) {
        if (1..=KEPT).contains(&self.0.capacity()) {
            SPARE.set(Some(std::mem::take(&mut self.0)));
        }
    }
}

/// The host asks for memory.
fn allocate(size: usize) -> *mut u8 {
    let mut memory = SPARE.take().unwrap_or_default();
    memory.clear();
    if memory.capacity() < size && memory.try_reserve_exact(size.max(LEAST)).is_err() {
        return std::ptr::null_mut();
    }
    let data = memory.as_mut_ptr();
    ASKED.set(Some(memory));
    data
}

/// Calls a host function that returns bytes.
fn bytes(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Option<Bytes> {
    let (mut data, mut len) = (std::ptr::null_mut(), 0);
    if call(&raw mut data, &raw mut len) != OK {
        return None;
    }
    if len == 0 {
        return Some(Bytes(Vec::new()));
    }
    let mut memory = ASKED.take().filter(|memory| memory.as_ptr() == data && len <= memory.capacity())?;
    // SAFETY: the host was given this memory by `allocate` and says that it has written its first `len` bytes, which
    // the line before found within the capacity.
    unsafe { memory.set_len(len) };
    Some(Bytes(memory))
}

/// Writes a line to the host's log. Never a secret.
pub(crate) fn log(level: Level, text: &str) {
    // SAFETY: pointer and length are those of `text`.
    unsafe { host::proxy_log(level as u32, text.as_ptr(), text.len()) };
}

/// Nanoseconds of a clock that never goes back.
pub(crate) fn now_ns() -> u64 {
    let mut nanoseconds = 0;
    // SAFETY: the result goes to a local variable.
    unsafe { host::clock_time_get(MONOTONIC, 0, &raw mut nanoseconds) };
    nanoseconds
}

/// Asks for ticks of the root context in effect.
pub(crate) fn set_tick_period(milliseconds: u32) {
    // SAFETY: no pointers.
    unsafe { host::proxy_set_tick_period_milliseconds(milliseconds) };
}

/// A whole buffer of `size` bytes.
pub(crate) fn buffer(kind: Buffer, size: usize) -> Option<Bytes> {
    // SAFETY: the pointers are to local variables of `bytes`.
    bytes(|data, len| unsafe { host::proxy_get_buffer_bytes(kind as u32, 0, size, data, len) })
}

/// All headers, serialised.
pub(crate) fn headers(map: Map) -> Option<Bytes> {
    // SAFETY: the pointers are to local variables of `bytes`.
    bytes(|data, len| unsafe { host::proxy_get_header_map_pairs(map as u32, data, len) })
}

/// The first header line of this name.
pub(crate) fn header(map: Map, name: &str) -> Option<Bytes> {
    // SAFETY: pointer and length are those of `name`, the others are to local variables of `bytes`.
    bytes(|data, len| unsafe {
        host::proxy_get_header_map_value(map as u32, name.as_ptr(), name.len(), data, len)
    })
}

/// Replaces or adds a header. False if the host refused.
pub(crate) fn set_header(map: Map, name: &[u8], value: &[u8]) -> bool {
    // SAFETY: pointers and lengths are those of `name` and `value`.
    let status = unsafe {
        host::proxy_replace_header_map_value(
            map as u32,
            name.as_ptr(),
            name.len(),
            value.as_ptr(),
            value.len(),
        )
    };
    status == OK
}

/// Adds a header line. False if the host refused.
pub(crate) fn add_header(map: Map, name: &[u8], value: &[u8]) -> bool {
    // SAFETY: pointers and lengths are those of `name` and `value`.
    let status = unsafe {
        host::proxy_add_header_map_value(map as u32, name.as_ptr(), name.len(), value.as_ptr(), value.len())
    };
    status == OK
}

/// Removes all lines of this name. False if the host refused.
pub(crate) fn remove_header(map: Map, name: &[u8]) -> bool {
    // SAFETY: pointer and length are those of `name`.
    unsafe { host::proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len()) == OK }
}

/// Replaces all headers by these, serialised. False if the host refused.
pub(crate) fn replace_headers(map: Map, pairs: &[u8]) -> bool {
    // SAFETY: pointer and length are those of `pairs`.
    unsafe { host::proxy_set_header_map_pairs(map as u32, pairs.as_ptr(), pairs.len()) == OK }
}

/// Calls a function that only some hosts have and that gives nothing back. False where there is none, or it refuses.
pub(crate) fn foreign(name: &str, arguments: &[u8]) -> bool {
    let (mut data, mut len) = (std::ptr::null_mut(), 0);
    // SAFETY: pointers and lengths are those of `name` and `arguments`, the others are to local variables.
    let status = unsafe {
        host::proxy_call_foreign_function(
            name.as_ptr(),
            name.len(),
            arguments.as_ptr(),
            arguments.len(),
            &raw mut data,
            &raw mut len,
        )
    };
    status == OK
}

/// A property of the stream in effect; the parts of `path` are separated by NUL.
pub(crate) fn property(path: &str) -> Option<Bytes> {
    // SAFETY: pointer and length are those of `path`, the others are to local variables of `bytes`.
    bytes(|data, len| unsafe { host::proxy_get_property(path.as_ptr(), path.len(), data, len) })
}

/// Sets a property of the stream in effect, which the host keeps under `wasm.` and this name.
pub(crate) fn set_property(name: &str, value: &[u8]) {
    // SAFETY: pointers and lengths are those of `name` and `value`.
    unsafe { host::proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
}

/// A value of the data that all VMs of this Envoy share, and its version. It may be a secret.
pub(crate) fn shared(key: &str) -> Option<(Bytes, u32)> {
    let mut version = 0;
    // SAFETY: pointer and length are those of `key`, the others are to local variables, here and of `bytes`.
    let value = bytes(|data, len| unsafe {
        host::proxy_get_shared_data(key.as_ptr(), key.len(), data, len, &raw mut version)
    });
    value.map(|value| (value, version))
}

/// Writes a value of the shared data if its version is still this one, or if there is none. False if not.
pub(crate) fn set_shared(key: &str, value: &[u8], version: u32) -> bool {
    // SAFETY: pointers and lengths are those of `key` and `value`.
    let status =
        unsafe { host::proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), version) };
    status == OK
}

/// From now until the callback returns, calls concern this context. False if it is gone.
pub(crate) fn focus(context: u32) -> bool {
    // SAFETY: no pointers.
    unsafe { host::proxy_set_effective_context(context) == OK }
}

/// Lets the paused request in effect go on.
pub(crate) fn resume_request() {
    // SAFETY: no pointers.
    unsafe { host::proxy_continue_stream(REQUEST) };
}

/// Lets the paused response in effect go on.
pub(crate) fn resume_response() {
    // SAFETY: no pointers.
    unsafe { host::proxy_continue_stream(RESPONSE) };
}

/// Answers the request in effect, in the place of a held response too. `details` becomes `response.code_details`, `headers` are serialised.
pub(crate) fn answer(status: u16, details: &str, body: &[u8], headers: &[u8]) {
    // SAFETY: pointers and lengths are those of `details`, `body` and `headers`.
    unsafe {
        host::proxy_send_local_response(
            status.into(),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            NO_GRPC,
        )
    };
}

/// Sends a call from the context in effect; returns its token. `headers` are serialised.
pub(crate) fn http_call(cluster: &str, headers: &[u8], body: &[u8], timeout_ms: u32) -> Option<u32> {
    let mut token = 0;
    let no_trailers = [0; 4];
    // SAFETY: pointers and lengths are those of the arguments and of `no_trailers`; the result goes to a local variable.
    let status = unsafe {
        host::proxy_http_call(
            cluster.as_ptr(),
            cluster.len(),
            headers.as_ptr(),
            headers.len(),
            body.as_ptr(),
            body.len(),
            no_trailers.as_ptr(),
            no_trailers.len(),
            timeout_ms,
            &raw mut token,
        )
    };
    (status == OK).then_some(token)
}

/// The id of a metric, which is made if it is not there.
pub(crate) fn define_metric(kind: Metric, name: &str) -> Option<u32> {
    let mut id = 0;
    // SAFETY: pointer and length are those of `name`; the result goes to a local variable.
    let status = unsafe { host::proxy_define_metric(kind as u32, name.as_ptr(), name.len(), &raw mut id) };
    (status == OK).then_some(id)
}

/// Adds to a counter, or to a gauge, where it may be less than nothing.
pub(crate) fn increment(metric: u32, by: i64) {
    // SAFETY: no pointers.
    unsafe { host::proxy_increment_metric(metric, by) };
}

/// Sets a gauge, or adds a value to a histogram.
pub(crate) fn record(metric: u32, value: u64) {
    // SAFETY: no pointers.
    unsafe { host::proxy_record_metric(metric, value) };
}
