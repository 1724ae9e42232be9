//! The least that a Wasm filter of this kind can do, against which the bench holds the plugin: the same callbacks on
//! the same raw ABI, one read of all request headers, four writes, one read of `:status`. It looks nothing up and
//! keeps nothing: `:path` and `:authority` stay what they are, so that the same requests reach the same target.
#![cfg(target_arch = "wasm32")]
#![allow(unsafe_code, reason = "this crate is nothing but calls of the host")]

use std::cell::Cell;

const REQUEST: u32 = 0;
const RESPONSE: u32 = 2;

/// Cluster that the requests go to; the bench's bootstrap names it so.
const PROFILE: &[u8] = b"fairlead.t.00000000000000000000000000000000";
const AUTHORIZATION: &[u8] = b"Basic dXNlcjpwYXNzd29yZA==";

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
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

thread_local! {
    /// Memory that the host writes into, the same for every call.
    static MEMORY: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// What the host wrote last.
fn written(data: *const u8, len: usize) -> Vec<u8> {
    let mut memory = MEMORY.take();
    if memory.as_ptr() == data && len <= memory.capacity() {
        // SAFETY: the host was given this memory and says that it has written its first `len` bytes.
        unsafe { memory.set_len(len) };
    }
    memory
}

fn set(name: &[u8], value: &[u8]) {
    // SAFETY: pointers and lengths are those of `name` and `value`.
    unsafe {
        proxy_replace_header_map_value(REQUEST, name.as_ptr(), name.len(), value.as_ptr(), value.len())
    };
}

/// The value of a line of a serialised header map (see `fairlead_engine::headers` for the layout).
fn find<'a>(block: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    let (count, rest) = block.split_first_chunk::<4>()?;
    let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
    let (sizes, mut data) = rest.split_at_checked(count.checked_mul(8)?)?;
    for size in sizes.as_chunks::<8>().0 {
        let [a, b, c, d, e, f, g, h] = *size;
        let name_len = usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()?;
        let value_len = usize::try_from(u32::from_le_bytes([e, f, g, h])).ok()?;
        let (name, rest) = data.split_at_checked(name_len)?;
        let (value, rest) = rest.get(1..)?.split_at_checked(value_len)?;
        if name == wanted {
            return Some(value);
        }
        data = rest.get(1..)?;
    }
    None
}

// SAFETY (all exports): the names are the ABI's and are defined once; the host calls them with the ABI's types.

#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    let mut memory = MEMORY.take();
    memory.clear();
    memory.reserve(size.max(4096));
    let data = memory.as_mut_ptr();
    MEMORY.set(memory);
    data
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_vm_start(_root: u32, _size: usize) -> u32 {
    1
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(_root: u32, _size: usize) -> u32 {
    // SAFETY: no pointers.
    unsafe { proxy_set_tick_period_milliseconds(200) };
    1
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(_context: u32, _root: u32) {}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(_root: u32) {}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(_context: u32, _headers: u32, _end_of_stream: u32) -> u32 {
    let (mut data, mut len) = (std::ptr::null_mut(), 0);
    // SAFETY: the results go to local variables.
    unsafe { proxy_get_header_map_pairs(REQUEST, &raw mut data, &raw mut len) };
    let block = written(data, len);
    set(b":authority", find(&block, b":authority").unwrap_or_default());
    set(b"x-fairlead-profile", PROFILE);
    set(b"authorization", AUTHORIZATION);
    set(b":path", find(&block, b":path").unwrap_or_default());
    MEMORY.set(block);
    0
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_headers(_context: u32, _headers: u32, _end_of_stream: u32) -> u32 {
    let (mut data, mut len) = (std::ptr::null_mut(), 0);
    let name = b":status";
    // SAFETY: pointer and length are those of `name`, the results go to local variables.
    unsafe { proxy_get_header_map_value(RESPONSE, name.as_ptr(), name.len(), &raw mut data, &raw mut len) };
    MEMORY.set(written(data, len));
    0
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_http_call_response(
    _root: u32,
    _token: u32,
    _headers: u32,
    _body: usize,
    _trailers: u32,
) {
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_delete(_context: u32) {}
