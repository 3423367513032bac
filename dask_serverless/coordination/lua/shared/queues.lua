-- Ready bundles, and who may take them.
--
-- Slots. One with ready bundles is free (anyone may take it), called (its idle container is to be
-- invited), or neither: its container is at work on this very slot and comes for the next bundle.

local function hex(number) return string.format('%08x', number) end

-- What there is of a key for each size of containers.
local function of_size(name, size) return size > 0 and name .. size or name end

local function words(name, head, ...)
  return redis.call('ZRANGEBYLEX', key(name), '[' .. head .. ' ', '(' .. head .. '!', ...)
end

local function first_word(name, head)
  local word = words(name, head, 'LIMIT', '0', '1')[1]
  return word and string.sub(word, #head + 2)
end

-- Where a slot with ready bundles stands, given who has it and what that container does.
local function place(slot)
  local owner = redis.call('HGET', key('slots'), slot)
  local bundle, serving
  if owner then
    redis.call('ZADD', key('kept'), '0', owner .. ' ' .. hex(slot))
    bundle, serving = work_of(owner)
  end
  if not owner or (bundle and serving ~= slot) then
    redis.call('ZADD', key('free'), slot, slot)
  elseif not bundle and not redis.call('ZSCORE', key('free'), slot) then
    redis.call('ZADD', key('called'), '0', owner .. ' ' .. hex(slot))
  end
end

-- A bundle waits for its slot's container until it is late by its plan; then for any of its size.
local NEVER, SLOTS = 2 ^ 32 - 1, 2 ^ 24 -- of each size
local patience_of = patient and function(slot) return key(of_size('patience', math.floor(slot / SLOTS))) end
local wait_for_slot = patient and function(slot, word, bundle)
  local due = redis.call('GETRANGE', key('due'), 4 * bundle, 4 * bundle + 3)
  due = #due == 4 and struct.unpack('<I4', due) or NEVER
  if due < NEVER then redis.call('ZADD', patience_of(slot), due, word) end
end

local function make_ready(bundle, slot)
  if slot < 0 then
    redis.call('ZADD', key(of_size('ready', -1 - slot)), bundle, bundle)
  else
    local word = hex(slot) .. ' ' .. hex(bundle)
    redis.call('ZADD', key('queues'), '0', word)
    if patient then wait_for_slot(slot, word, bundle) end
    place(slot)
  end
end

-- A slot without ready bundles waits for nobody.
local function settle_slot(slot, head)
  if first_word('queues', head) then return end
  redis.call('ZREM', key('free'), slot)
  local owner = redis.call('HGET', key('slots'), slot)
  if owner then
    redis.call('ZREM', key('called'), owner .. ' ' .. head)
    redis.call('ZREM', key('kept'), owner .. ' ' .. head)
  end
end

-- The next bundle of a slot that nobody runs or has run (a repeated submission may add those again).
local function pop_slot(slot)
  local head, found = hex(slot), nil
  while not found do
    local word = first_word('queues', head)
    if not word then break end
    redis.call('ZREM', key('queues'), head .. ' ' .. word)
    if patient then redis.call('ZREM', patience_of(slot), head .. ' ' .. word) end
    local bundle = tostring(tonumber(word, 16))
    if redis.call('HEXISTS', key('state'), bundle) == 0 then found = bundle end
  end
  settle_slot(slot, head)
  return found
end

local function pop_ready(size)
  local name = key(of_size('ready', size))
  while true do
    local first = redis.call('ZRANGE', name, '0', '0')[1]
    if not first or first == '' then return nil end
    redis.call('ZREM', name, first)
    if redis.call('HEXISTS', key('state'), first) == 0 then return first end
  end
end

-- A container begins to serve a slot (-1: none): this one is left to it, and others may take what
-- else waits for it.
local function serve(container, slot)
  local bundle, before = work_of(container)
  if before == slot then return end
  if not bundle then
    for _, word in ipairs(words('called', container)) do
      redis.call('ZREM', key('called'), word)
      local other = tonumber(string.sub(word, #container + 2), 16)
      redis.call('ZADD', key('free'), other, other)
    end
  elseif before >= 0 and first_word('queues', hex(before)) then
    redis.call('ZADD', key('free'), before, before)
  end
  if slot >= 0 then redis.call('ZREM', key('free'), slot) end
end

-- A container leaves: what is ready in the slot that it served waits for it to be invited.
local function leave(container)
  local bundle, slot = work_of(container)
  redis.call('HDEL', key('working'), container)
  if bundle and slot >= 0 and first_word('queues', hex(slot)) then place(slot) end
end

local function adopt(container, slot)
  local owner = redis.call('HGET', key('slots'), slot)
  if owner == container then return end
  redis.call('HSET', key('slots'), slot, container)
  if owner then
    redis.call('ZREM', key('called'), owner .. ' ' .. hex(slot))
    redis.call('ZREM', key('kept'), owner .. ' ' .. hex(slot))
  end
  if first_word('queues', hex(slot)) then
    redis.call('ZADD', key('kept'), '0', container .. ' ' .. hex(slot))
  end
end

-- A slot of a container that will not come for it is anyone's.
local function bereave(slot, container)
  redis.call('HDEL', key('slots'), slot)
  redis.call('ZREM', key('kept'), container .. ' ' .. hex(slot))
  redis.call('ZREM', key('called'), container .. ' ' .. hex(slot))
  if first_word('queues', hex(slot)) then place(slot) end
end
