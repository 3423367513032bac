-- A bundle is done: its outputs and edges become known, and the caller gets what to go on with.
-- ARGV: epoch, container, bundle, claim, the claim for the next bundle or '',
--       outputs {task, reference, …}, children {{child, slot, first byte, edges, bit, …}, …},
--       releases {task, uses, …} (cmsgpack each), the event, references that were deleted,
--       store keys of blobs sent just before this call (cmsgpack, or '')
-- Reply: {'lost'} | {'over', why} | {'fenced'} | {'unstored', key}
--        | {'ok', {bundle, spec, inputs} or {}, invitations, references released}
local container, bundle, token, following = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local state = redis.call('HGET', key('state'), bundle)
if state == 'd' and redis.call('HGET', key('finished'), container) == token then
  -- The reply was lost. This comes before the look at 'over': what was announced must stay.
  local mine = not over and following ~= '' and take(container, following)
  return {'ok', mine and describe(mine) or {}, {}, {}}
end
if over then return {'over', over} end
if state ~= token then return {'fenced'} end
if ARGV[11] ~= '' then
  -- The blobs came in the same pipeline: a full store may have refused one of them.
  for _, name in ipairs(cmsgpack.unpack(ARGV[11])) do
    if redis.call('EXISTS', name) == 0 then return {'unstored', name} end
  end
end

local outputs = cmsgpack.unpack(ARGV[6])
for i = 1, #outputs, 2 do
  redis.call('HSET', key('out'), outputs[i], outputs[i + 1])
end
redis.call('HSET', key('state'), bundle, 'd')
if ARGV[10] ~= '' then
  for _, reference in ipairs(cmsgpack.unpack(ARGV[10])) do
    redis.call('SREM', key('trash'), reference)
  end
end
redis.call('HSET', key('finished'), container, token)
redis.call('ZREM', key('leases'), bundle)
redis.call('HDEL', key('spec'), bundle)

local released = {}
local releases = cmsgpack.unpack(ARGV[8])
for i = 1, #releases, 2 do
  local task, uses = releases[i], releases[i + 1]
  if uses == 1 or redis.call('HINCRBY', key('uses'), task, 1) >= uses then
    local reference = redis.call('HGET', key('out'), task)
    redis.call('HDEL', key('out'), task)
    if uses > 1 then redis.call('HDEL', key('uses'), task) end
    if reference and string.sub(reference, 1, 1) ~= 'i' then
      redis.call('SADD', key('trash'), reference)
      released[#released + 1] = reference
    end
  end
end

local chosen
for _, child in ipairs(cmsgpack.unpack(ARGV[7])) do
  local name, slot, first, edges = child[1], child[2], child[3], child[4]
  for i = 5, #child do redis.call('SETBIT', key('edges'), child[i], 1) end
  if redis.call('BITCOUNT', key('edges'), first, first + math.floor((edges - 1) / 8)) == edges then
    if slot < 0 and following ~= '' and not chosen then
      chosen = give(tostring(name), slot, container, following)
    else
      make_ready(name, slot)
    end
  end
end

local done = redis.call('HINCRBY', KEYS[1], 'done', 1)
local last = done == tonumber(meta[6])
local makespan
if last then
  makespan = microseconds() - redis.call('HGET', KEYS[1], 'submitted')
  redis.call('XADD', key('events'), '*', 'e', ARGV[9], 't', makespan)
else
  redis.call('XADD', key('events'), '*', 'e', ARGV[9])
end
if done == 1 then -- the first to write these
  redis.call('EXPIRE', key('events'), live)
  redis.call('EXPIRE', key('finished'), live)
end
if last then
  redis.call('HDEL', key('working'), container)
  finish('done', 'e', ARGV[9], 't', makespan)
  return {'ok', {}, {}, released}
end
if not chosen and following ~= '' then chosen = take(container, following) end
if not chosen then leave(container) end
local found = {}
if chosen then found = describe(chosen) end
if not found then return damaged() end
return {'ok', found, invitations(token), released}
