-- A bundle under way is divided: what of it has not begun becomes bundles of their own, for others.
-- ARGV: epoch, container, bundle, claim; to divide it also the number that its first part is to have,
--       the spec of what stays, specs of the parts (cmsgpack), uses {task, how many more bundles take
--       its output, …} (cmsgpack)
-- Reply: {'lost'} | {'over', why} | {'fenced'}
--        | {'ok', how many more containers there is room for, bundles, '1' if it is divided, invitations}
-- Whoever divides it numbers the parts, since specs may be signed for their numbers: if somebody else
-- was quicker, nothing happens, and the reply says how many bundles there are by now.
if over then return {'over', over} end
local bundle, token, first, kept = ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[6]
if redis.call('HGET', key('state'), bundle) ~= token then return {'fenced'} end
local ends = redis.call('ZSCORE', key('leases'), bundle)
if not ends or tonumber(ends) < now() then return {'fenced'} end
local spec = redis.call('HGET', key('spec'), bundle)
if not spec then return damaged() end
local bundles = tonumber(meta[6])

-- What waits already has the next container.
local function room()
  local waiting = entries('ready')
  for size = 1, by_size and by_size.count - 1 or 0 do waiting = waiting + entries(of_size('ready', size)) end
  if slotted then waiting = waiting + entries('free') + entries('called') end
  return cap - (redis.call('HLEN', key('working')) - 1) - waiting
end

if kept == spec then return {'ok', room(), bundles, '1', {}} end -- the reply was lost
local borrows = near and redis.call('HEXISTS', key('borrowed'), bundle) == 1
if first ~= bundles or borrows then return {'ok', borrows and 0 or room(), bundles, '', {}} end

local uses = cmsgpack.unpack(ARGV[8])
for i = 1, #uses, 2 do redis.call('HINCRBY', key('uses'), uses[i], -uses[i + 1]) end
redis.call('HSET', key('spec'), bundle, kept)
local parts = cmsgpack.unpack(ARGV[7])
for i, part in ipairs(parts) do
  redis.call('HSET', key('spec'), bundles + i - 1, part)
  make_ready(bundles + i - 1, struct.unpack('<i4', part))
end
redis.call('HSET', KEYS[1], 'total', bundles + #parts)
tell_change('s', tonumber(bundle), bundles, #parts, ARGV[2])
return {'ok', room(), bundles + #parts, '1', invitations(token .. '/' .. bundles)}
