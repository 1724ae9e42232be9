//! What a raw proxy-wasm filter costs that does nothing: the plugin's callbacks, one read of all headers, the writes
//! that its configuration lists (a line `name value` each), one read of `:status` in the response phase.
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
}

const REQUEST_HEADERS: u32 = 0;
const RESPONSE_HEADERS: u32 = 2;
const PLUGIN_CONFIGURATION: u32 = 7;
const CONTINUE: u32 = 0;

thread_local! {
    /// One buffer for whatever the host returns: each result is used before the next is asked for.
    static MEMORY: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static WRITES: RefCell<Vec<(String, String)>> = const { RefCell::new(Vec::new()) };
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
        let lines = text.lines().filter_map(|line| line.split_once(' '));
        WRITES.set(lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect());
    });
    1
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(_context: u32, _root: u32) {}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(_context: u32, _headers: u32, _end: u32) -> u32 {
    let (mut data, mut len) = (std::ptr::null_mut(), 0);
    // SAFETY: results go to local variables.
    unsafe { proxy_get_header_map_pairs(REQUEST_HEADERS, &raw mut data, &raw mut len) };
    SEEN.set(len);
    WRITES.with_borrow(|writes| {
        for (name, value) in writes {
            // SAFETY: pointers and lengths are those of `name` and `value`.
            unsafe {
                proxy_replace_header_map_value(
                    REQUEST_HEADERS,
                    name.as_ptr(),
                    name.len(),
                    value.as_ptr(),
                    value.len(),
                )
            };
        }
    });
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
extern "C" fn proxy_on_delete(_context: u32) {}
