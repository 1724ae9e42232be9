//! What a raw proxy-wasm filter costs that decides nothing: the calls to the host that its configuration lists, in this
//! order, and one read of `:status` in the response phase.
//!
//! A line of the configuration is one call: `read` (all request headers), `set NAME VALUE`, `remove NAME`, `property
//! PATH` with dots between its parts, `clock`, `histogram NAME` (a value for it). `end` before a call makes it at the
//! stream's end instead. No line, no call. The host calls every callback that is exported, whether there
//! is something to do or not: which ones a variant has is up to who loads it, by exports made unknown to the host.
#![cfg(target_arch = "wasm32")]
#![allow(unsafe_code, reason = "it talks to the host, as the plugin's one module does")]

use std::cell::{Cell, RefCell};

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_buffer_bytes(
        kind: u32,
        start: usize,
        max: usize,
        data: *mut *mut u8,
        len: *mut usize,
    ) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, len: *mut usize) -> u32;
    fn proxy_get_header_map_value(
        map: u32,
        name: *const u8,
        name_len: usize,
        data: *mut *mut u8,
        len: *mut usize,
    ) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        name: *const u8,
        name_len: usize,
        value: *const u8,
        value_len: usize,
    ) -> u32;
    fn proxy_remove_header_map_value(map: u32, name: *const u8, name_len: usize) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, name_len: usize, id: *mut u32) -> u32;
    fn proxy_record_metric(id: u32, value: u64) -> u32;
    fn proxy_get_property(path: *const u8, path_len: usize, data: *mut *mut u8, len: *mut usize) -> u32;
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn clock_time_get(clock: u32, precision: u64, nanoseconds: *mut u64) -> u32;
}

const MONOTONIC: u32 = 1;
const HISTOGRAM: u32 = 2;
const REQUEST_HEADERS: u32 = 0;
const RESPONSE_HEADERS: u32 = 2;
const PLUGIN_CONFIGURATION: u32 = 7;
const CONTINUE: u32 = 0;

/// A call to the host.
enum Call {
    Read,
    Set(String, String),
    Remove(String),
    Property(String),
    Clock,
    Histogram(u32),
}

impl Call {
    fn parse(line: &str) -> Option<Self> {
        let (what, rest) = line.split_once(' ').unwrap_or((line, ""));
        match what {
            "read" => Some(Self::Read),
            "set" => rest.split_once(' ').map(|(name, value)| Self::Set(name.to_owned(), value.to_owned())),
            "remove" => Some(Self::Remove(rest.to_owned())),
            "clock" => Some(Self::Clock),
            "histogram" => {
                let mut id = 0;
                // SAFETY: pointer and length are those of a live string; the result goes to a local variable.
                unsafe { proxy_define_metric(HISTOGRAM, rest.as_ptr(), rest.len(), &raw mut id) };
                Some(Self::Histogram(id))
            }
            "property" => Some(Self::Property(rest.replace('.', "\0"))),
            _ => None,
        }
    }

    fn make(&self) {
        let (mut data, mut len) = (std::ptr::null_mut(), 0);
        // SAFETY: pointers and lengths are those of live strings; results go to local variables.
        unsafe {
            match self {
                Self::Read => proxy_get_header_map_pairs(REQUEST_HEADERS, &raw mut data, &raw mut len),
                Self::Set(name, value) => proxy_replace_header_map_value(
                    REQUEST_HEADERS,
                    name.as_ptr(),
                    name.len(),
                    value.as_ptr(),
                    value.len(),
                ),
                Self::Remove(name) => {
                    proxy_remove_header_map_value(REQUEST_HEADERS, name.as_ptr(), name.len())
                }
                Self::Clock => {
                    let mut nanoseconds = 0;
                    clock_time_get(MONOTONIC, 0, &raw mut nanoseconds)
                }
                Self::Histogram(id) => proxy_record_metric(*id, 1),
                Self::Property(path) => {
                    proxy_get_property(path.as_ptr(), path.len(), &raw mut data, &raw mut len)
                }
            }
        };
        SEEN.set(len);
    }
}

thread_local! {
    /// One buffer for whatever the host returns: each result is used before the next is asked for.
    static MEMORY: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static CALLS: RefCell<Vec<Call>> = const { RefCell::new(Vec::new()) };
    static AT_END: RefCell<Vec<Call>> = const { RefCell::new(Vec::new()) };
    static SEEN: Cell<usize> = const { Cell::new(0) };
}

#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    MEMORY.with_borrow_mut(|memory| {
        if memory.len() < size {
            memory.resize(size.max(4096), 0);
        }
        memory.as_mut_ptr()
    })
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_vm_start(_root: u32, _size: usize) -> u32 {
    1
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(_root: u32, size: usize) -> u32 {
    let (mut data, mut len) = (std::ptr::null_mut(), 0);
    // SAFETY: results go to local variables.
    unsafe { proxy_get_buffer_bytes(PLUGIN_CONFIGURATION, 0, size, &raw mut data, &raw mut len) };
    MEMORY.with_borrow(|memory| {
        let text = String::from_utf8_lossy(memory.get(..len).unwrap_or_default());
        let (at_end, calls): (Vec<_>, Vec<_>) = text.lines().partition(|line| line.starts_with("end "));
        CALLS.set(calls.into_iter().filter_map(Call::parse).collect());
        AT_END.set(at_end.into_iter().filter_map(|line| Call::parse(line.strip_prefix("end ")?)).collect());
    });
    1
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(_context: u32, _root: u32) {}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(_context: u32, _headers: u32, _end: u32) -> u32 {
    CALLS.with_borrow(|calls| calls.iter().for_each(Call::make));
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_headers(_context: u32, _headers: u32, _end: u32) -> u32 {
    const STATUS: &str = ":status";
    let (mut data, mut len) = (std::ptr::null_mut(), 0);
    // SAFETY: pointer and length are those of `STATUS`; results go to local variables.
    unsafe {
        proxy_get_header_map_value(
            RESPONSE_HEADERS,
            STATUS.as_ptr(),
            STATUS.len(),
            &raw mut data,
            &raw mut len,
        )
    };
    SEEN.set(len);
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_delete(_context: u32) {
    AT_END.with_borrow(|calls| calls.iter().for_each(Call::make));
}
