-- a thousand callers in turn, so that a canary finds some of its own
local ready, at = {}, 0

function init()
  for caller = 1, 1000 do
    wrk.headers["x-caller"] = "caller-" .. caller
    ready[caller] = wrk.format()
  end
end

function request()
  at = at % 1000 + 1
  return ready[at]
end
