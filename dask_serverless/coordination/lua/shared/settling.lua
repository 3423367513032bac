-- What a bundle leaves behind once it is done.
--
-- An output that stayed in a container's memory is made again if that container is lost: by the
-- spec of the bundle that made it, and by its inputs. So these stay until all bundles that took
-- outputs from its memory (to which it lent them) are settled themselves.

-- Uses of outputs that a bundle is done with; what nobody else needs is added to ``released``.
local function release(releases, released)
  releases = cmsgpack.unpack(releases)
  for i = 1, #releases, 2 do
    local task, uses = releases[i], releases[i + 1]
    if uses == 1 or redis.call('HINCRBY', key('uses'), task, '1') >= uses then
      local reference = redis.call('HGET', key('out'), task)
      redis.call('HDEL', key('out'), task)
      if uses > 1 then redis.call('HDEL', key('uses'), task) end
      local place = reference and string.sub(reference, 1, 1) or 'i'
      if place ~= 'i' and place ~= 'l' then
        redis.call('SADD', key('trash'), reference)
        released[#released + 1] = reference
      end
    end
  end
end

-- A bundle is done, and so may be those that lent to it.
local function settle(bundle, releases, released)
  if not near then
    redis.call('HDEL', key('spec'), bundle)
    return release(releases, released)
  end
  redis.call('HDEL', key('held'), bundle)
  local todo = {{bundle, releases}}
  while #todo > 0 do
    local name, mine = unpack(table.remove(todo))
    if redis.call('HEXISTS', key('lent'), name) == 1 then
      redis.call('HSET', key('owed'), name, mine)
    else
      redis.call('HDEL', key('spec'), name)
      release(mine, released)
      for lender in string.gmatch(redis.call('HGET', key('borrowed'), name) or '', '%d+') do
        if redis.call('HINCRBY', key('lent'), lender, '-1') <= 0 then
          redis.call('HDEL', key('lent'), lender)
          local owed = redis.call('HGET', key('owed'), lender)
          redis.call('HDEL', key('owed'), lender)
          if owed then todo[#todo + 1] = {lender, owed} end
        end
      end
      redis.call('HDEL', key('borrowed'), name)
    end
  end
end
