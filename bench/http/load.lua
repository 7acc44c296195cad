-- Requests for wrk: rotates through bearer tokens and paths, and prints what happened as one line of JSON.
--   TOKENS       file, one token a line; none: no Authorization
--   FIRST        how many of the tokens come last, since they were sent before; default 0
--   PATHS        how many different paths below the first; default 1
--   METHOD, BODY_BYTES, TARGET
--   HEADERS      further lines, one a line: "Connection: close"
--   THINK_MS     mean pause of a connection between two requests; default none
local tokens, requests, at = {}, {}, 0
local target = os.getenv("TARGET") or "/orders/42"
local paths = tonumber(os.getenv("PATHS") or "1")
local think = tonumber(os.getenv("THINK_MS") or "0")
local method = os.getenv("METHOD") or "GET"

init = function()
  if os.getenv("TOKENS") then for line in io.lines(os.getenv("TOKENS")) do tokens[#tokens + 1] = line end end
  local bytes = tonumber(os.getenv("BODY_BYTES") or "0")
  local body = bytes > 0 and string.rep("x", bytes) or nil
  local count = math.max(#tokens, paths, 1)
  if body then count = 1 end
  for i = 1, count do
    local headers = {}
    if #tokens > 0 then headers["Authorization"] = "Bearer " .. tokens[(i - 1) % #tokens + 1] end
    for name, value in (os.getenv("HEADERS") or ""):gmatch("([^:\n]+): ([^\n]+)") do headers[name] = value end
    local path = paths > 1 and (target .. "/" .. ((i - 1) % paths)) or target
    requests[i] = wrk.format(method, path, headers, body)
  end
  at = tonumber(os.getenv("FIRST") or "0") % count
  math.randomseed(42)
end

request = function()
  at = at % #requests + 1
  return requests[at]
end

if think > 0 then delay = function() return math.random(0, 2 * think) end end

done = function(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '\nJSON {"requests":%d,"bytes":%d,"durationUs":%d,"statusErrors":%d,"socketErrors":%d,"p50Us":%d,"p99Us":%d}\n',
    summary.requests, summary.bytes, summary.duration, e.status, e.connect + e.read + e.write + e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
