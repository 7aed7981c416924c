-- What every script finds before its first line: the rules that keep a call within its time.
-- The arguments: whether the time of the call is up; a text with the stack behind it; printing a
-- text. The result: how many parameters a function has.
local stopped, traceback, write = ...
local pcall, xpcall, error, tostring, select = pcall, xpcall, error, tostring, select
local resume, concat = coroutine.resume, table.concat

-- Compiled code would not look at the time.
jit.off()
jit.on, jit.off, jit.flush, jit.opt = function() end, function() end, function() end, nil
package.loaded["jit.opt"], package.preload["jit.profile"] = nil, nil
local funcinfo = require("jit.util").funcinfo
package.loaded["jit.util"], package.preload["jit.util"] = nil, nil

-- A call that is out of time is over, whatever in it would catch the error.
local function pass(ok, ...)
  if not ok and stopped() then error((...), 0) end
  return ok, ...
end

function _G.pcall(...) return pass(pcall(...)) end

function _G.xpcall(call, handler, ...)
  local function handle(cause)
    if stopped() then return cause end
    return handler(cause)
  end
  return pass(xpcall(call, handle, ...))
end

function coroutine.resume(...) return pass(resume(...)) end

-- Ends the process and with it everything that is held.
function os.exit() error("os.exit would end the whole router and is not available here", 2) end

debug = { traceback = traceback }
package.loaded.debug = debug

-- Nobody waits for whoever reads what is printed.
function _G.print(...)
  local count, texts = select("#", ...), { ... }
  for place = 1, count do texts[place] = tostring(texts[place]) end
  write(concat(texts, "\t", 1, count) .. "\n")
end

-- What is written to standard output by other ways shows at once, also in a pipe.
io.stdout:setvbuf("line")

return function(call) return funcinfo(call).params or 0 end
