-- How a run's keys come and go.
--
-- What containers empty again has an entry '' that stays, and all keys have an expiry as soon as
-- they are made: a key that was emptied would be gone, and come back without its expiry, for ever
-- if client and containers die together.

local HASH, SCORES, WORDS, SET = {'HSETNX', '', ''}, {'ZADD', '+inf', ''}, {'ZADD', '0', ''}, {'SADD', ''}
local KEPT = { -- by when they are needed
  always = {spec = HASH, state = HASH, working = HASH, stays = HASH, out = HASH, ready = SCORES, leases = SCORES, invites = SCORES},
  shared = { -- by several bundles, or with blobs that go with the run
    uses = HASH, trash = SET, held = HASH, lent = HASH, borrowed = HASH, owed = HASH,
  },
  slots = {slots = HASH, free = SCORES, queues = WORDS, kept = WORDS, called = WORDS},
  patience = {patience = SCORES},
  losses = {losses = HASH, suspects = SET},
}
local NAMES = {'meta', 'begun', 'header', 'edges', 'finished', 'tight', 'events', 'end', 'said', 'parts', 'due'}
for _, group in pairs(KEPT) do
  for name in pairs(group) do NAMES[#NAMES + 1] = name end
end

-- Those of a run with so many sizes, whose bundles may have times to begin by.
local function group_of_sizes(count, timed)
  local group = {sizes = HASH}
  for size = 1, count - 1 do
    group['ready' .. size], group['invites' .. size] = SCORES, SCORES
    if timed then group['patience' .. size] = SCORES end
  end
  return group
end

local function keep(group, seconds)
  for name, entry in pairs(group) do
    redis.call(entry[1], key(name), unpack(entry, 2))
    redis.call('EXPIRE', key(name), seconds)
  end
end

-- Whether each key of a group has its entry '' still: without it, the key was deleted.
local function kept_whole(group)
  for name, entry in pairs(group) do
    local found = redis.call(entry[1] == 'ZADD' and 'ZSCORE' or 'HEXISTS', key(name), '')
    if not found or found == 0 then return false end
  end
  return true
end
