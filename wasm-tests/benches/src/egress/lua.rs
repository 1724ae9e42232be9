//! The plugin's job in Lua, as somebody would write it who knows Envoy: one table made at start, three to five calls a
//! request.

/// `applications` with one service each. `response`: also the response's phase, in which the status is read.
pub(super) fn script(
    applications: usize,
    service: &str,
    profile: &str,
    authority: &str,
    authorization: &str,
    response: bool,
) -> String {
    let mut script = format!(
        r#"
local apps = {{}}
for number = 0, {last} do
  apps["app-" .. number] = {{ ["{service}"] = {{
    profile = "{profile}", authority = "{authority}", base = "/api", authorization = "{authorization}",
  }} }}
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local app, service, rest = string.match(headers:get(":path"), "^/([^/?]+)/([^/?]+)(.*)$")
  local services = app and apps[app]
  local route = services and services[service]
  if not route then
    handle:respond({{ [":status"] = "404" }}, "not found")
    return
  end
  headers:replace(":path", route.base .. rest)
  headers:replace(":authority", route.authority)
  headers:replace("x-fairlead-profile", route.profile)
  headers:replace("authorization", route.authorization)
end
"#,
        last = applications.saturating_sub(1)
    );
    if response {
        script.push_str(
            r#"
function envoy_on_response(handle)
  local headers = handle:headers()
  local status = headers:get(":status")
  if status >= "500" then
    headers:replace("target-system-status", status)
    headers:replace(":status", "502")
  end
end
"#,
        );
    }
    script
}
