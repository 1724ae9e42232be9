//! The same listener with another filter in the plugin's place.

use std::path::Path;

use fairlead_testkit::{Error, Result, error::Doing as _};
use fairlead_wire::{
    config::PluginConfig,
    header::{INTERNAL_PREFIX, PROFILE},
};
use serde_json::{Value, json};

use crate::bed::AUTHZ;

const MANAGER: &str = "/filter_chains/0/filters/0/typed_config";
/// The filter in an `ExtensionWithMatcher`.
const WRAPPED: &str = "/typed_config/extension_config";

/// `listener` under another name, on a free port.
pub(crate) fn ours(listener: &Value, name: &str) -> Result<Value> {
    let mut listener = listener.clone();
    for (field, value) in [("/name", json!(name)), ("/address/socket_address/port_value", json!(0))] {
        *at(&mut listener, field)? = value;
    }
    for field in ["stat_prefix", "route_config/name", "route_config/virtual_hosts/0/name"] {
        *at(&mut listener, &format!("{MANAGER}/{field}"))? = json!(name);
    }
    Ok(listener)
}

/// Where the caller sends what the plugin would have set: the rule that strips it must not, another one of the same
/// kind stands for it.
pub(crate) fn open(listener: &Value) -> Result<Value> {
    let mut listener = listener.clone();
    let early = at(&mut listener, &format!("{MANAGER}/early_header_mutation_extensions"))?;
    let text = early.to_string().replace(INTERNAL_PREFIX, "x-nobody-sends-");
    *early = serde_json::from_str(&text).map_err(|error| Error::new(error.to_string()))?;
    Ok(listener)
}

/// Without the plugin.
pub(crate) fn none(listener: &Value, name: &str) -> Result<Value> {
    let mut listener = ours(&open(listener)?, name)?;
    filters(&mut listener)?.remove(0);
    Ok(listener)
}

/// With this filter in place of the plugin.
pub(crate) fn instead(listener: &Value, name: &str, filter: Value) -> Result<Value> {
    let mut listener = ours(listener, name)?;
    if let Some(first) = filters(&mut listener)?.first_mut() {
        *first = filter;
    }
    Ok(listener)
}

/// With another module in the plugin's filter, in a VM of its own; it gets `configuration`. What the renderer wraps about
/// the plugin stays.
pub(crate) fn module(listener: &Value, name: &str, module: &Path, configuration: &str) -> Result<Value> {
    let mut listener = ours(listener, name)?;
    if let Some(filter) = filters(&mut listener)?.first_mut() {
        let around = if filter.pointer(WRAPPED).is_some() { WRAPPED } else { "" };
        for (field, value) in [
            ("name", name),
            ("root_id", name),
            ("vm_config/vm_id", name),
            ("vm_config/code/local/filename", &module.to_string_lossy()),
            ("configuration/value", configuration),
        ] {
            *at(filter, &format!("{around}/typed_config/config/{field}"))? = json!(value);
        }
    }
    Ok(listener)
}

/// The plugin's configuration.
pub(crate) fn configuration(listener: &Value) -> Result<PluginConfig> {
    let mut listener = unwrapped(listener)?;
    let field = format!("{MANAGER}/http_filters/0/typed_config/config/configuration/value");
    let text = at(&mut listener, &field)?.as_str().unwrap_or_default();
    serde_json::from_str(text).doing("the plugin's configuration")
}

/// With the plugin's filter as such, should the renderer wrap something about it.
pub(crate) fn unwrapped(listener: &Value) -> Result<Value> {
    let mut listener = listener.clone();
    if let Some(filter) = filters(&mut listener)?.first_mut()
        && let Some(wrapped) = filter.pointer(WRAPPED).cloned()
    {
        *filter = wrapped;
    }
    Ok(listener)
}

/// A Lua script.
pub(crate) fn lua(script: &str) -> Value {
    json!({
        "name": "envoy.filters.http.lua",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
            "default_source_code": { "inline_string": script },
        },
    })
}

/// Header in which the authorisation service names the target's authority.
pub(crate) const AUTHORITY: &str = "x-authz-authority";
/// Header in which it says the path at the target.
pub(crate) const PATH: &str = "x-authz-path";

/// With a hop to an HTTP authorisation service ([`crate::authz`]) in place of the plugin, and routes that make authority and
/// path of two headers of its answer: a service cannot set these itself.
///
/// This is the most of the job that HTTP ext_authz can do, and less than all of it: there is no response phase, so 5xx and
/// `Location` stay as they are, a path may leave the target's base, and the target sees the two headers. Each of these
/// makes it look cheaper, so a bar against it is met by the whole job all the more. CPU is that of Envoy and of the service.
pub(crate) fn ext_authz(listener: &Value, name: &str) -> Result<Value> {
    let ask = json!({
        "name": "envoy.filters.http.ext_authz",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
            "clear_route_cache": true,
            "http_service": {
                "server_uri": { "uri": "http://authz", "cluster": AUTHZ, "timeout": "2s" },
                "authorization_response": { "allowed_upstream_headers": { "patterns": [
                    { "exact": PROFILE }, { "exact": "authorization" }, { "exact": AUTHORITY }, { "exact": PATH },
                ] } },
            },
        },
    });
    let resolve = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.dynamic_forward_proxy.v3.PerRouteConfig",
        "host_rewrite_header": AUTHORITY,
    });
    let mut listener = instead(listener, name, ask)?;
    let routes = at(&mut listener, &format!("{MANAGER}/route_config/virtual_hosts/0/routes"))?;
    let routes = routes.as_array_mut().ok_or_else(|| Error::new("no routes"))?;
    for route in routes.iter_mut().filter(|route| route.pointer("/route/cluster_header").is_some()) {
        let action = at(route, "/route")?;
        put(action, "host_rewrite_header", json!(AUTHORITY));
        put(action, "path_rewrite", json!(format!("%REQ({PATH})%")));
        let mut said = route.get("typed_per_filter_config").cloned().unwrap_or_else(|| json!({}));
        put(&mut said, "envoy.filters.http.dynamic_forward_proxy", resolve.clone());
        put(route, "typed_per_filter_config", said);
    }
    Ok(listener)
}

fn put(object: &mut Value, field: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(field.to_owned(), value);
    }
}

fn filters(listener: &mut Value) -> Result<&mut Vec<Value>> {
    let filters = at(listener, &format!("{MANAGER}/http_filters"))?;
    filters.as_array_mut().ok_or_else(|| Error::new("no filters"))
}

fn at<'a>(value: &'a mut Value, pointer: &str) -> Result<&'a mut Value> {
    value.pointer_mut(pointer).ok_or_else(|| Error::new(format!("a rendered listener has no {pointer}")))
}
