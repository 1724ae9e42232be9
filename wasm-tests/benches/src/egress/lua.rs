//! The plugin's job in Lua, as somebody would write it who knows Envoy and has read the contract.
//!
//! Which script is the same job decides what the bar "ahead of Lua" means. It is the one that keeps the contract:
//! headers, path and authority for the target by a table made at start, a caller's token taken over, a path that must
//! not leave the target's base, and the response phase: a target's 5xx becomes 502 with `Target-System-Status`, and
//! `Location` leads back through the gateway, for which the key of the request has to be remembered until then
//! (dynamic metadata: a script has no other place for what belongs to one stream). A script without the response phase does
//! another job: its callers would be redirected past the gateway, and see a target's 503 as the gateway's own. It
//! stands beside the bar for information.
//!
//! What is still missing makes the script cheaper than the contract: it cannot tell a target's 5xx from Envoy's own
//! answer, knows no records that are refusals, no feed, and joins no query of the target's.

/// `applications` with one service each. Not `whole`: without the response phase and what it needs.
pub(super) fn script(
    applications: usize,
    service: &str,
    profile: &str,
    authority: &str,
    authorization: &str,
    whole: bool,
) -> String {
    let table = format!(
        r#"
local routes = {{}}
for number = 0, {last} do
  routes["app-" .. number .. "/{service}"] = {{
    profile = "{profile}", authority = "{authority}", base = "/api", authorization = "{authorization}",
  }}
end
"#,
        last = applications.saturating_sub(1)
    );
    let (remember, response) = if whole { (REMEMBER, RESPONSE) } else { ("", "") };
    format!("{table}{}{response}", REQUEST.replace("-- remember", remember))
}

/// Escapes are decoded first where there are any: what matters is what a target may read.
const REQUEST: &str = r#"
local function decoded(path)
  return (path:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

local function encoded(path)
  return (decoded(path):gsub("[^%w%-_.~$&+,/:;=@]", function(c) return string.format("%%%02X", c:byte()) end))
end

local function leaves(rest)
  local depth = 0
  for segment in decoded(rest):gmatch("[^/\\]+") do
    if segment:match("^[^;]*") == ".." then depth = depth - 1 elseif segment ~= "." then depth = depth + 1 end
    if depth < 0 then return true end
  end
  return false
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local key, rest, query = headers:get(":path"):match("^/+([^/?]+/[^/?]+)([^?]*)(.*)$")
  local route = key and routes[key]
  if not route then
    handle:respond({ [":status"] = "404" }, "not found")
    return
  end
  if rest:find("[^%w%-_.~$&+,/:;=@]") then
    rest = encoded(rest)
  end
  if rest:find("..", 1, true) and leaves(rest) then
    handle:respond({ [":status"] = "400" }, "the path leaves the base path")
    return
  end
  local token = headers:get("access-token")
  if token then
    headers:remove("access-token")
  end
  headers:replace(":authority", route.authority)
  headers:replace("x-fairlead-profile", route.profile)
  headers:replace("authorization", token or route.authorization)
  headers:replace(":path", route.base .. rest .. query)
  -- remember
end
"#;

const REMEMBER: &str = r#"handle:streamInfo():dynamicMetadata():set("bench", "key", key)"#;

const RESPONSE: &str = r#"
function envoy_on_response(handle)
  local headers = handle:headers()
  local status = headers:get(":status")
  if status >= "500" then
    headers:replace("target-system-status", status)
    headers:replace(":status", "502")
  elseif status == "201" or status:sub(1, 1) == "3" then
    local location = headers:get("location")
    local remembered = location and handle:streamInfo():dynamicMetadata():get("bench")
    local route = remembered and routes[remembered.key]
    if not route then
      return
    end
    local host, path = location:match("^https?://([^/?#]+)(.*)$")
    path = path or location
    if (not host or host == route.authority) and path:sub(1, #route.base) == route.base then
      headers:replace("location", "/" .. remembered.key .. path:sub(#route.base + 1))
    end
  end
end
"#;
