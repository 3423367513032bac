-- A container asks for a bundle.
-- ARGV: epoch, container, claim, slot it was invited for or '', '1' if invited ('2' if it was born
--       for this, too), '1' if it needs the header, its memory (MiB; 0: no limit is known);
--       where there are several sizes, also what it was invited to have at least
-- Reply: {'lost'} | {'over', why}
--        | {'ok', {bundle, spec, inputs, makers} or {}, invitations, header or ''}

-- The first bundle of a container whose neighbours had better be its own, too: each begins somewhere
-- else. Steps of this share of a circle come nowhere near each other for long.
local GOLDEN = 0.6180339887
local function take_anywhere(container, token)
  local count = redis.call('ZCARD', key('ready')) - 1
  if count <= 0 or work_of(container) then return nil end
  local rank = math.floor(GOLDEN * (redis.call('HLEN', key('working')) - 1) % 1 * count)
  local name = redis.call('ZRANGE', key('ready'), rank, rank)[1]
  redis.call('ZREM', key('ready'), name)
  if redis.call('HEXISTS', key('state'), name) == 1 then return nil end
  return give(name, -1, container, token)
end

-- An invitation was answered: the one for this slot, if it was for one, else the oldest of its size.
local function answered(slot, size)
  local owner = slot and redis.call('HGET', key('slots'), slot)
  if owner and redis.call('ZREM', key('invites'), owner .. ' ' .. hex(slot)) == 1 then return end
  local name = of_size('invites', size)
  if entries(name) > 0 then redis.call('ZPOPMIN', key(name)) end
end

if over then return {'over', over} end
local slot = tonumber(ARGV[4])
if by_size and ARGV[7] ~= '0' then by_size.came(ARGV[2], ARGV[7]) end
if ARGV[5] ~= '0' then answered(slot, by_size and ARGV[8] and by_size.size_with(ARGV[8]) or 0) end
if near then -- whoever asks anew has nothing in hand: what it held is put back by the next sweep
  for _, held in ipairs(held_by(ARGV[2])) do
    redis.call('HDEL', key('held'), held)
    redis.call('ZADD', key('leases'), 0, held)
  end
end
local bundle = not slotted and not sizes and redis.call('HGET', KEYS[1], 'spread') == '1' and take_anywhere(ARGV[2], ARGV[3])
  or take(ARGV[2], ARGV[3], slot)
local header = ''
if ARGV[6] == '1' then header = redis.call('GET', key('header')) or '' end
if not bundle then return {'ok', {}, by_size and by_size.invite(ARGV[3]) or {}, header} end
if ARGV[5] ~= '0' then
  redis.call('HSET', key('stays'), ARGV[2], now() .. (ARGV[5] == '2' and ' 1 ' or ' 0 ') .. ARGV[7])
end
local found = describe(bundle)
if not found then return damaged() end
return {'ok', found, invitations(ARGV[3]), header}
