-- What every script of the protocol shares. A script file is appended to this one.
--
-- KEYS[1]  ds:{run}:meta; all keys of a run share its hash slot
-- ARGV[1]  the run's epoch; another value, or no run at all, answers {'lost'}
--
-- Keys below ds:{run}:
--   meta      hash    epoch, over (why the run ended), total, done, lease (ms), cap, attempts
--   begun     stream  one entry, when all of the run is here: containers invited early wait for it
--   header    string  what every container of the run needs once (functions, folders, versions)
--   spec      hash    bundle -> '<I4 count><I4 input>*count' .. what the container runs
--   state     hash    bundle -> 'd' (done) or the claim that runs it; absent: waiting or ready
--   edges     string  one bit an edge; each child's bits start at a byte of its own
--   ready     zset    flexible ready bundles (the outbox), lowest id first
--   ready:<s> zset    ready bundles of slot s
--   slotted   zset    slots that have ready bundles
--   slots     hash    slot -> the container that has it
--   working   hash    container -> '<bundle> <slot>'
--   leases    zset    running bundle -> when its claim ends (ms, the store's clock)
--   invites   zset    invocations asked for and not yet answered -> when (ms)
--   finished  hash    container -> the claim of the bundle it finished last
--   tries     hash    bundle -> containers lost with it; <bundle>:story -> the last of them and how
--                     each ended, {{container, why}, …} (cmsgpack)
--   out       hash    task -> its output inline, or where it is
--   uses      hash    task -> bundles done with it, where it has several
--   trash     set     references to delete: of released outputs, and of what goes with the run
--   suspects  set     claims that were lost: what they wrote may not have been announced
--   events    stream  what happened: bundles done ('e'), the failure ('f')
--   end       stream  one entry, when the run is over: the failure, or the last bundle's event

local NAMES = {'meta', 'begun', 'header', 'spec', 'state', 'edges', 'ready', 'slotted', 'slots',
  'working', 'leases', 'invites', 'finished', 'tries', 'out', 'uses', 'trash', 'suspects', 'events',
  'end'}

local prefix = string.sub(KEYS[1], 1, -5)
local function key(name) return prefix .. name end

local meta = redis.call('HMGET', KEYS[1], 'epoch', 'over', 'lease', 'cap', 'attempts', 'total', 'live')
if not meta[1] or meta[1] ~= ARGV[1] then return {'lost'} end
local over, lease, cap, attempts = meta[2], tonumber(meta[3]), tonumber(meta[4]), tonumber(meta[5])

local INVITE_MS = 2000 -- an invocation that nobody answered for so long was lost

local moment
local function now()
  if not moment then
    local time = redis.call('TIME')
    moment = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  return moment
end

-- What containers write, apart from what goes wrong.
local WRITTEN = {'state', 'edges', 'ready', 'slotted', 'slots', 'working', 'leases', 'invites',
  'finished', 'out', 'uses', 'trash', 'events', 'end'}

-- Keys that the client no longer looks after are gone after this time.
local function live(names, seconds)
  for _, name in ipairs(names) do redis.call('EXPIRE', key(name), seconds) end
  for _, slot in ipairs(redis.call('ZRANGE', key('slotted'), 0, -1)) do
    redis.call('EXPIRE', key('ready:' .. slot), seconds)
  end
end

local function queue(slot)
  if slot < 0 then return key('ready') end
  return key('ready:' .. slot)
end

local function make_ready(bundle, slot)
  redis.call('ZADD', queue(slot), bundle, bundle)
  if slot >= 0 then redis.call('ZADD', key('slotted'), slot, slot) end
end

local function slot_of(spec)
  return struct.unpack('<i4', spec)
end

local function give(bundle, slot, container, token)
  local tries = redis.call('HGET', key('tries'), bundle)
  local time = lease * 2 ^ tonumber(tries or 0) -- a bundle that outlived a lease gets a longer one
  redis.call('HSET', key('state'), bundle, token)
  redis.call('HSET', key('working'), container, bundle .. ' ' .. slot)
  redis.call('ZADD', key('leases'), now() + time, bundle)
  return bundle
end

-- The next bundle in a queue that nobody runs or has run (a repeated submission may add those again).
local function pop(slot)
  while true do
    local first = redis.call('ZPOPMIN', queue(slot))
    if slot >= 0 and redis.call('EXISTS', queue(slot)) == 0 then
      redis.call('ZREM', key('slotted'), slot) -- else containers would be invited for nothing
    end
    if not first[1] then return nil end
    if redis.call('HEXISTS', key('state'), first[1]) == 0 then return first[1] end
  end
end

local function work_of(container)
  local work = redis.call('HGET', key('working'), container)
  if not work then return nil end
  local bundle, slot = string.match(work, '^(%d+) (-?%d+)$')
  return bundle, tonumber(slot)
end

-- A slot may change hands while its container is busy with another one, or when this container was
-- invited for it because the former one did not come.
local function may_adopt(slot, owner, invited_for)
  if not owner or invited_for == slot then return true end
  local bundle, serving = work_of(owner)
  return bundle and serving ~= slot
end

local function take_slotted(container, token, own, invited_for)
  for _, name in ipairs(redis.call('ZRANGE', key('slotted'), 0, 63)) do
    local slot = tonumber(name)
    local owner = redis.call('HGET', key('slots'), slot)
    if owner == container or (not own and may_adopt(slot, owner, invited_for)) then
      local bundle = pop(slot)
      if bundle then
        redis.call('HSET', key('slots'), slot, container)
        return give(bundle, slot, container, token)
      end
    end
  end
end

-- Claim the next bundle for a container; the same token asked again gets the same bundle.
local function take(container, token, invited_for)
  local bundle = work_of(container)
  if bundle and redis.call('HGET', key('state'), bundle) == token then return bundle end
  local slots = redis.call('EXISTS', key('slotted')) == 1
  if slots then
    bundle = take_slotted(container, token, true)
    if bundle then return bundle end
  end
  bundle = pop(-1)
  if bundle then return give(bundle, -1, container, token) end
  if slots then return take_slotted(container, token, false, invited_for) end
end

-- What a container needs to run a bundle: {bundle, spec, inputs}; no spec if it has that already.
local function describe(bundle, have)
  local spec = redis.call('HGET', key('spec'), bundle)
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
  if bundle == have then spec = '' end
  return {bundle, spec, inputs}
end

-- The ready bundle that this container would get next, for it to fetch ahead; '' asks for none.
local function upcoming(container, have)
  if have == '' then return {} end
  for _, name in ipairs(redis.call('ZRANGE', key('slotted'), 0, 63)) do
    if redis.call('HGET', key('slots'), name) == container then
      local first = redis.call('ZRANGE', queue(tonumber(name)), 0, 0)
      if first[1] then return describe(first[1], have) end
    end
  end
  local first = redis.call('ZRANGE', queue(-1), 0, 0)
  return first[1] and redis.call('HEXISTS', key('state'), first[1]) == 0
    and describe(first[1], have) or {}
end

-- Whom to invoke for ready bundles that nobody runs: '' for anyone, '<slot> <container>' for one
-- that has a slot. Each is asked for once; what is not answered is asked for again.
local function invitations(token)
  local list = {}
  local ready = redis.call('ZCARD', key('ready'))
  local slots = redis.call('ZRANGE', key('slotted'), 0, 63)
  if ready == 0 and #slots == 0 then return list end
  local room = cap - redis.call('HLEN', key('working'))
  if room <= 0 then return list end
  redis.call('ZREMRANGEBYSCORE', key('invites'), '-inf', now() - INVITE_MS)
  local asked = redis.call('ZCARD', key('invites'))
  local wanted = math.min(room, ready + #slots) - asked
  local who = {}
  for _, name in ipairs(slots) do
    local owner = redis.call('HGET', key('slots'), name)
    if not owner then
      who[#who + 1] = ''
    elseif not redis.call('HGET', key('working'), owner) then
      who[#who + 1] = name .. ' ' .. owner
    end
  end
  for i = 1, wanted do
    if i > #who and i > #who + ready then break end
    list[i] = who[i] or ''
    redis.call('ZADD', key('invites'), now(), token .. ':' .. i)
  end
  return list
end

local STORY = 8 -- lost containers that the client is told of

-- How the containers ended that were lost with a bundle, the last ones.
local function add_to_story(bundle, container, why)
  local told = redis.call('HGET', key('tries'), bundle .. ':story')
  local story = told and cmsgpack.unpack(told) or {}
  story[#story + 1] = {container or '', why}
  if #story > STORY then table.remove(story, 1) end
  redis.call('HSET', key('tries'), bundle .. ':story', cmsgpack.pack(story))
  return story
end

-- Bundles whose container is gone go back to the outbox, or end the run when that happened too often.
local function put_back(bundle, container, why)
  local state = redis.call('HGET', key('state'), bundle)
  redis.call('ZREM', key('leases'), bundle)
  if container then redis.call('HDEL', key('working'), container) end
  if not state or state == 'd' then return end
  redis.call('SADD', key('suspects'), state)
  local tries = redis.call('HINCRBY', key('tries'), bundle, 1)
  local story = add_to_story(bundle, container, why)
  redis.call('HDEL', key('state'), bundle)
  if tries >= attempts then
    local reason = cmsgpack.pack({'lost', tonumber(bundle), tries, story})
    redis.call('HSET', KEYS[1], 'over', 'failed', 'error', reason)
    redis.call('XADD', key('events'), '*', 'f', reason)
    redis.call('XADD', key('end'), '*', 'f', reason)
    over = 'failed'
  else
    make_ready(bundle, slot_of(redis.call('HGET', key('spec'), bundle)))
  end
end
