-- Bundles that wait too long for the containers of their slots.
-- Made only where the plan says how long that is: to define a function takes time at every call.
local since_submission, pop_late
if patient then
  -- How many ms the run has taken so far.
  function since_submission()
    return math.floor((microseconds() - redis.call('HGET', KEYS[1], 'submitted')) / 1000)
  end

  -- A bundle leaves its slot for a container that has time for it.
  local function tell_move(bundle, slot, due, container)
    local owner = redis.call('HGET', key('slots'), slot)
    local busy = owner and work_of(owner)
    tell_change('m', tonumber(bundle), slot, due, container, owner or '', tonumber(busy or -1))
  end

  -- The bundle that was due first, of those for a container of that size, if its time is over. It
  -- leaves its slot, and nothing else does: what else waits there has times of its own.
  function pop_late(container, size)
    local waiting, late = key(of_size('patience', size)), since_submission()
    while true do
      local word, due = unpack(
        redis.call('ZRANGEBYSCORE', waiting, '-inf', late, 'WITHSCORES', 'LIMIT', '0', '1'))
      if not word then return nil end
      local head, name = string.match(word, '^(%x+) (%x+)$')
      local slot, bundle = tonumber(head, 16), tostring(tonumber(name, 16))
      redis.call('ZREM', waiting, word)
      redis.call('ZREM', key('queues'), word)
      settle_slot(slot, head)
      if redis.call('HEXISTS', key('state'), bundle) == 0 then
        tell_move(bundle, slot, tonumber(due), container)
        return bundle
      end
    end
  end
end
