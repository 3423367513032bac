-- How a container comes by a bundle.

local by_size -- where there are several sizes of containers

local function give(bundle, slot, container, token)
  if slotted then serve(container, slot) end
  redis.call('HSET', key('state'), bundle, token)
  redis.call('HSET', key('working'), container, string.format('%s %d %d', bundle, slot, now()))
  redis.call('ZADD', key('leases'), string.format('%d', now() + lease_of(bundle)), bundle)
  return bundle
end

-- The ready bundle of a slot for a container that takes it over, or has it already.
local function take_slot(slot, container, token)
  local bundle = pop_slot(slot)
  if not bundle then return nil end
  adopt(container, slot)
  return give(bundle, slot, container, token)
end

-- Whether a slot is anyone's, or waits for a container that did not come.
local function may_adopt(slot)
  if redis.call('ZSCORE', key('free'), slot) then return true end
  local owner = redis.call('HGET', key('slots'), slot)
  return owner and redis.call('ZSCORE', key('called'), owner .. ' ' .. hex(slot))
end

-- Claim the next bundle for a container; the same token asked again gets the same bundle. Its own
-- slots come first, then what has none, then the slot that it was invited for, then any free one,
-- and last what is late.
local function take(container, token, invited_for)
  local mine = work_of(container)
  if mine and redis.call('HGET', key('state'), mine) == token then return mine end
  local bundle
  while slotted and not bundle do
    local own = first_word('kept', container)
    if not own then break end
    bundle = take_slot(tonumber(own, 16), container, token)
  end
  if bundle then return bundle end
  if by_size then return by_size.take(container, token, invited_for) end
  bundle = pop_ready(0)
  if bundle then return give(bundle, -1, container, token) end
  if not slotted then return nil end
  if invited_for and may_adopt(invited_for) then
    bundle = take_slot(invited_for, container, token)
  end
  while not bundle do
    local slot = redis.call('ZRANGE', key('free'), '0', '0')[1]
    if not slot or slot == '' then break end
    bundle = take_slot(tonumber(slot), container, token)
  end
  if not bundle and patient then
    bundle = pop_late(container, 0)
    return bundle and give(bundle, -1, container, token)
  end
  return bundle
end

local function inputs_of(spec)
  local count = struct.unpack('<I4', spec, 5)
  local inputs = {}
  for first = 1, count, 1000 do
    local tasks = {}
    for i = first, math.min(first + 999, count) do
      tasks[#tasks + 1] = struct.unpack('<I4', spec, 5 + 4 * i)
    end
    for _, value in ipairs(redis.call('HMGET', key('out'), unpack(tasks))) do
      inputs[#inputs + 1] = value
    end
  end
  return inputs
end

-- What makes inputs again that only a lost container had: bundles with their inputs, back to
-- stored ones.
local function makers_of(inputs)
  local makers, seen = {}, {}
  local todo = {inputs}
  while #todo > 0 do
    for _, value in ipairs(table.remove(todo)) do
      local name = value and string.match(value, '^l(%d+)$')
      local spec = name and not seen[name] and redis.call('HGET', key('spec'), name)
      if spec then
        seen[name] = true
        makers[#makers + 1] = {name, spec, inputs_of(spec)}
        todo[#todo + 1] = makers[#makers][3]
      end
    end
  end
  return makers
end

-- What a container needs to run a bundle; at_hand: it has itself what others have not.
local function describe(bundle, at_hand)
  local spec = redis.call('HGET', key('spec'), bundle)
  if not spec then return nil end
  local inputs = inputs_of(spec)
  return {bundle, spec, inputs, near and not at_hand and makers_of(inputs) or {}}
end

-- How many entries a key has, apart from the one that is always there.
local function entries(name) return redis.call('ZCARD', key(name)) - 1 end

-- Whom to invoke for ready bundles that nobody runs: '<slot> <container>' for one that has a slot,
-- '' for anyone. Each is asked for once; what is not answered is asked for again.
local function invitations(token)
  if by_size then return by_size.invite(token) end
  local list = {}
  local called = slotted and entries('called') or 0
  local waiting = entries('ready') + called + (slotted and entries('free') or 0)
  if patient then waiting = waiting + redis.call('ZCOUNT', key('patience'), '-inf', since_submission()) end
  if waiting <= 0 then return list end
  local room = cap - (redis.call('HLEN', key('working')) - 1)
  if room <= 0 then return list end
  redis.call('ZREMRANGEBYSCORE', key('invites'), '-inf', now() - answer_ms)
  local asked = entries('invites')
  local wanted = math.min(room, waiting) - asked
  if wanted <= 0 then return list end
  if called > 0 then
    for _, word in ipairs(redis.call('ZRANGE', key('called'), '1', wanted + asked)) do
      if #list < wanted and not redis.call('ZSCORE', key('invites'), word) then
        local container, slot = string.match(word, '^(.*) (%x+)$')
        list[#list + 1] = tonumber(slot, 16) .. ' ' .. container
        redis.call('ZADD', key('invites'), now(), word)
      end
    end
  end
  for i = #list + 1, wanted do
    list[i] = ''
    redis.call('ZADD', key('invites'), now(), token .. ':' .. i)
  end
  return list
end
