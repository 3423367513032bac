-- The client looks after its run: claims that ran out go back to the outbox, the keys live on.
-- ARGV: epoch, containers known to be gone {container, why, …} (cmsgpack; '*': all of them),
--       seconds the keys may live
-- Reply: {'lost'} | {'over', why, error or ''} | {'ok', done, invitations}
local gone = cmsgpack.unpack(ARGV[2])
if not over then
  for i = 1, #gone, 2 do
    local all = gone[i] == '*'
    local lost = all and redis.call('HKEYS', key('working')) or {gone[i]}
    for _, container in ipairs(lost) do
      local bundle = work_of(container)
      if bundle then put_back(bundle, container, gone[i + 1]) end
    end
    local slots = redis.call('HGETALL', key('slots'))
    for j = 1, #slots, 2 do
      if all or slots[j + 1] == gone[i] then redis.call('HDEL', key('slots'), slots[j]) end
    end
    if all then redis.call('DEL', key('invites')) end -- nobody is left to answer them
  end
  local late = redis.call('ZRANGEBYSCORE', key('leases'), '-inf', now())
  if #late > 0 then
    local working = redis.call('HGETALL', key('working'))
    for _, bundle in ipairs(late) do
      local container
      for i = 1, #working, 2 do
        if string.match(working[i + 1], '^%d+') == bundle then container = working[i] end
      end
      put_back(bundle, container, 'no sign of life')
    end
  end
end
live(NAMES, ARGV[3])
if over then return {'over', over, redis.call('HGET', KEYS[1], 'error') or ''} end
return {'ok', tonumber(redis.call('HGET', KEYS[1], 'done') or 0), invitations('sweep:' .. now())}
