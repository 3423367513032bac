-- The client looks after its run: claims that ran out go back to the outbox, the keys live on.
-- ARGV: epoch, containers known to be gone {container, why, processor time in ms and most memory in
--       bytes that it has not told of, …} (cmsgpack; '*': all of them;
--       '': one that was asked for and will not come),
--       seconds the keys may live;
--       containers among these for whose size the run is too large, if any (cmsgpack)
-- Reply: {'lost'} | {'over', why, error or ''} | {'ok', done, invitations, containers at work}

local function slot_of(spec)
  return struct.unpack('<i4', spec)
end

local SILENT = 'no sign of life'
local STORY = 32 -- lost containers that the client is told of

-- Notes that a container was lost with a bundle; how many were so far, and the last of them.
local function lost(bundle, container, why, since)
  local told = redis.call('HGET', key('losses'), bundle)
  local tries, story = unpack(told and cmsgpack.unpack(told) or {0, {}})
  tries = tries + 1
  story[#story + 1] = {container or '', why, now(), since or 0}
  if #story > STORY then table.remove(story, 1) end
  redis.call('HSET', key('losses'), bundle, cmsgpack.pack({tries, story}))
  return tries, story
end

-- A bundle whose container is gone goes back to the outbox, or ends the run when that happened too often.
local function put_back(bundle, container, why, since)
  local state = redis.call('HGET', key('state'), bundle)
  redis.call('ZREM', key('leases'), bundle)
  if near then redis.call('HDEL', key('held'), bundle) end
  if not state or state == 'd' then return end
  keep(KEPT.losses, live)
  redis.call('SADD', key('suspects'), state)
  local tries, story = lost(bundle, container, why, since)
  redis.call('HDEL', key('state'), bundle)
  if tries >= attempts then
    untold_by_all()
    failed(cmsgpack.pack({'lost', tonumber(bundle), tries, story}))
  else
    make_ready(bundle, slot_of(redis.call('HGET', key('spec'), bundle)))
  end
end

-- All that a lost container ran or held; until_ms: when it was last known to live.
local function put_back_all(container, why, until_ms, cpu_ms, peak_bytes)
  local bundle, _, since = work_of(container)
  if bundle then
    untold(container, until_ms, cpu_ms, peak_bytes)
    leave(container)
    put_back(bundle, container, why, since)
  end
  if not near then return end
  for _, held in ipairs(held_by(container)) do put_back(held, container, why) end
end

-- Why nothing is heard of a container; its size may turn out to be too small by that.
local function silence(container)
  local told = redis.call('HGET', key('tight'), container)
  local bundle, memory = string.match(told or '', '^(%d+) (.*)$')
  if not bundle or bundle ~= work_of(container) then return SILENT end
  if by_size then by_size.outgrow(container) end
  return SILENT .. ' since it had ' .. memory
    .. ' of memory in use: most likely its platform has ended it for want of more'
end

local gone = cmsgpack.unpack(ARGV[2])
if not over then
  if by_size and ARGV[4] then
    for _, container in ipairs(cmsgpack.unpack(ARGV[4])) do by_size.outgrow(container) end
  end
  for i = 1, #gone, 4 do
    local all = gone[i] == '*'
    if gone[i] == '' and entries('invites') > 0 then redis.call('ZPOPMIN', key('invites')) end
    local slots = slotted and redis.call('HGETALL', key('slots')) or {}
    for j = 1, #slots, 2 do
      if slots[j] ~= '' and (all or slots[j + 1] == gone[i]) then
        bereave(tonumber(slots[j]), slots[j + 1])
      end
    end
    local doomed = all and all_at_work() or gone[i] ~= '' and {gone[i]} or {}
    for _, container in ipairs(doomed) do
      put_back_all(container, gone[i + 1], now(), gone[i + 2], gone[i + 3])
    end
    if all then redis.call('ZREMRANGEBYSCORE', key('invites'), '-inf', now()) end -- nobody answers
  end
  local late = redis.call('ZRANGEBYSCORE', key('leases'), '-inf', now())
  if #late > 0 then
    local working = redis.call('HGETALL', key('working'))
    for _, bundle in ipairs(late) do
      local container = near and redis.call('HGET', key('held'), bundle)
      for i = 1, #working, 2 do
        if string.match(working[i + 1], '^%d+') == bundle then container = working[i] end
      end
      local ends = redis.call('ZSCORE', key('leases'), bundle)
      local heard_of = ends and tonumber(ends) - lease_of(bundle) or 0 -- or all of it was given back
      if container then put_back_all(container, silence(container), heard_of, 0, 0) end
      if redis.call('ZSCORE', key('leases'), bundle) then put_back(bundle, nil, SILENT) end
    end
  end
end
-- Nothing runs, nothing is ready, and not all is done: keys were deleted, and no one will come.
local function stuck()
  return redis.call('HLEN', key('working')) <= 1 and redis.call('XLEN', key('begun')) > 0
    and entries('ready') <= 0 and entries('queues') <= 0
    and not (by_size and by_size.any_ready())
end
-- Without its lease, say, a bundle whose container is lost would never be put back.
if not over and (not kept_whole(KEPT.always) or slotted and not kept_whole(KEPT.slots)
    or by_size and not kept_whole(group_of_sizes(by_size.count, patient)) or stuck()) then
  damaged()
end
for _, name in ipairs(NAMES) do redis.call('EXPIRE', key(name), ARGV[3]) end
if by_size then
  for name in pairs(group_of_sizes(by_size.count, patient)) do redis.call('EXPIRE', key(name), ARGV[3]) end
end
if over then return {'over', over, redis.call('HGET', KEYS[1], 'error') or ''} end
local done, working = tonumber(redis.call('HGET', KEYS[1], 'done') or 0), redis.call('HLEN', key('working')) - 1
return {'ok', done, invitations('sweep:' .. now()), working}
