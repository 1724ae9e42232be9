//! What the host calls. Only what is needed: each further callback costs every request (facts of the platform).

use super::allocate;
use crate::shell;

/// What the host does with a request or response after a callback.
const CONTINUE: u32 = 0;
const PAUSE: u32 = 1;

// SAFETY (all): the names are the ABI's and are defined once; the host calls them with the ABI's types.

#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    allocate(size)
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_vm_start(_root: u32, _configuration_size: usize) -> u32 {
    shell::on_vm_start();
    1
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(root: u32, configuration_size: usize) -> u32 {
    shell::on_configure(root, configuration_size).into()
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(context: u32, root: u32) {
    if root != 0 {
        shell::on_stream(context, root);
    }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(root: u32) {
    shell::on_tick(root);
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(context: u32, _headers: u32, end_of_stream: u32) -> u32 {
    if shell::on_request_headers(context, end_of_stream != 0) { CONTINUE } else { PAUSE }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_body(context: u32, size: usize, end_of_stream: u32) -> u32 {
    shell::on_request_body(context, size, end_of_stream != 0);
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_headers(context: u32, _headers: u32, end_of_stream: u32) -> u32 {
    if shell::on_response_headers(context, end_of_stream != 0) { CONTINUE } else { PAUSE }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_http_call_response(
    context: u32,
    token: u32,
    headers: u32,
    body_size: usize,
    _trailers: u32,
) {
    shell::on_call_response(context, token, headers, body_size);
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_delete(context: u32) {
    shell::on_delete(context);
}
