-- What containers took and cannot tell: they are gone, or their run has failed.

-- Noted once a stay: it had not told of anything after the last bundle that it finished.
local function untold(container, until_ms, cpu_ms, peak_bytes)
  local stay = redis.call('HGET', key('stays'), container)
  local came, cold, memory = string.match(stay or '', '^(%d+) (%d) (%d+)$')
  if not came then return end
  redis.call('HDEL', key('stays'), container)
  tell('u', cmsgpack.pack({
    container, tonumber(came), until_ms, tonumber(cold), tonumber(memory), cpu_ms, peak_bytes,
  }))
end

local function all_at_work()
  local names = redis.call('HKEYS', key('working'))
  table.sort(names)
  return names
end

local function untold_by_all()
  for _, container in ipairs(all_at_work()) do untold(container, now(), 0, 0) end
end
