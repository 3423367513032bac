-- What every call of a run under way shares: its epoch is checked before anything else.
-- A store that does not know the run, or another epoch of it, answers {'lost'}.

local meta = redis.call('HMGET', KEYS[1], 'epoch', 'over', 'lease', 'cap', 'attempts', 'total', 'slotted', 'live', 'near', 'sizes', 'answer')
if not meta[1] or meta[1] ~= ARGV[1] then return {'lost'} end
local over, lease, cap, attempts = meta[2], tonumber(meta[3]), tonumber(meta[4]), tonumber(meta[5])
local slotted, live = meta[7] ~= '0', meta[8]
local patient = meta[7] == '2' -- whether bundles have times to begin by
local near = meta[9] == '1' -- whether outputs have stayed in a container's memory
local sizes = meta[10] -- of containers' memory, where there are several

local answer_ms = tonumber(meta[11]) -- an invocation that nobody answered for so long was lost

local moment
local function microseconds()
  if not moment then
    local time = redis.call('TIME')
    moment = time[1] * 1e6 + time[2]
  end
  return moment
end
local function now() return math.floor(microseconds() / 1000) end

-- For whoever watches.
local function tell(field, told, ...)
  redis.call('XADD', key('events'), '*', field, told, ...)
  redis.call('EXPIRE', key('events'), live)
end

-- The plan is another one from here on; what has changed is told after its version.
local function tell_change(field, ...)
  tell(field, cmsgpack.pack({redis.call('HINCRBY', KEYS[1], 'version', '1'), ...}))
end

-- With the makespan when the last bundle is done.
local function finish(why, field, told, ...)
  redis.call('HSET', KEYS[1], 'over', why)
  redis.call('XADD', key('end'), '*', field, told, ...)
  redis.call('EXPIRE', key('end'), live)
  over = why
end

local function failed(error)
  local took = microseconds() - redis.call('HGET', KEYS[1], 'submitted')
  redis.call('HSET', KEYS[1], 'error', error)
  tell('f', error, 't', took)
  finish('failed', 'f', error)
end

-- Nothing can go on: keys were deleted.
local function damaged()
  failed(cmsgpack.pack({'damaged', tonumber(redis.call('HGET', KEYS[1], 'done') or 0), tonumber(meta[6])}))
  return {'over', over}
end

local function work_of(container)
  local work = redis.call('HGET', key('working'), container)
  if not work then return nil end
  local bundle, slot, since = string.match(work, '^(%d+) (-?%d+) (%d+)$')
  return bundle, tonumber(slot), tonumber(since)
end

-- A bundle that outlived a lease gets a longer one.
local function lease_of(bundle)
  local losses = redis.call('HGET', key('losses'), bundle)
  return losses and lease * 2 ^ cmsgpack.unpack(losses)[1] or lease
end
