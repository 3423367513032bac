-- Outputs that stay in a container's memory for the next bundle of that same container.
-- Made only where a call speaks of any: to define a function takes time at every call.
local function near_functions()
  -- What the call says of each bundle, but of those that somebody else has by now.
  local function reports_of(packed, first)
    local reports = {}
    for i, report in ipairs(cmsgpack.unpack(packed)) do
      if i == 1 then
        first[7], first[8], first[9], first[10] = unpack(report)
        report = first
      end
      if i == 1 or redis.call('HGET', key('state'), report[1]) == report[2] then
        report[8] = report[8] ~= '' and cmsgpack.unpack(report[8]) or {}
        reports[#reports + 1] = report
      end
    end
    return reports
  end

  -- How many of a child's edges are still to be set, of those in a row.
  local function missing(child)
    local count = 0
    for i = 6, #child do count = count + 1 - redis.call('GETBIT', key('edges'), child[i]) end
    return count
  end

  local function all_set(children)
    for _, child in ipairs(children) do
      if missing(child) > 0 then return false end
    end
    return true
  end

  local function may_take(container, slot)
    if by_size and not by_size.fits(container, slot) then return false end
    if slot < 0 then return true end
    local owner = redis.call('HGET', key('slots'), slot)
    return not owner or owner == container or redis.call('ZSCORE', key('free'), slot)
  end

  -- The first child that lacks nothing but what is in this container's memory.
  local function nearest(reports, container)
    local brought, children = {}, {}
    for _, report in ipairs(reports) do
      for _, child in ipairs(report[8]) do
        if not brought[child[1]] then children[#children + 1] = child end
        brought[child[1]] = (brought[child[1]] or 0) + missing(child)
      end
    end
    for _, child in ipairs(children) do
      local name, slot, first, edges = child[1], child[2], child[3], child[4]
      local set = redis.call('BITCOUNT', key('edges'), first, first + math.floor((edges - 1) / 8))
      if brought[name] > 0 and set + brought[name] == edges and may_take(container, slot) then
        return child
      end
    end
  end

  local function from_now_on()
    if near then return end
    redis.call('HSET', KEYS[1], 'near', '1')
    near = true
  end

  -- Give that child to the container, with outputs that nobody else has.
  local function lend(reports, chosen, container, token)
    from_now_on()
    local name, slot = tostring(chosen[1]), chosen[2]
    local lenders = {}
    for _, report in ipairs(reports) do
      for _, child in ipairs(report[8]) do
        if child[1] == chosen[1] then
          for i = 6, #child do redis.call('SETBIT', key('edges'), child[i], 1) end
          for _, task in ipairs(child[5]) do
            redis.call('HSETNX', key('out'), task, 'l' .. report[1])
          end
          redis.call('HINCRBY', key('lent'), report[1], 1)
          lenders[#lenders + 1] = report[1]
        end
      end
    end
    redis.call('HSET', key('borrowed'), name, table.concat(lenders, ' '))
    if slot >= 0 then adopt(container, slot) end
    give(name, slot, container, token)
    return name
  end

  -- A bundle is not done yet: the container still has what it has to give.
  local function hold(bundle, container)
    from_now_on()
    redis.call('HSET', key('held'), bundle, container)
    redis.call('ZADD', key('leases'), now() + lease_of(bundle), bundle)
  end

  -- The container has nothing else to do than to give what it holds.
  local function stay(container, bundle)
    local _, slot, since = work_of(container)
    local work = string.format('%s %d %d', bundle, slot or -1, since or now())
    redis.call('HSET', key('working'), container, work)
  end

  -- A ready bundle whose output meets what is in this container's memory: one of these, or at least
  -- a neighbour.
  local function take_beside(container, token, beside, after)
    if slotted or by_size and not by_size.fits(container, -1) then return nil end
    for _, name in ipairs(beside) do
      local ready = redis.call('ZREM', key('ready'), name) == 1
      if ready and redis.call('HEXISTS', key('state'), name) == 0 then
        return give(tostring(name), -1, container, token)
      end
    end
    local name = redis.call('ZRANGEBYSCORE', key('ready'), '(' .. after, '(+inf', 'LIMIT', 0, 1)[1]
    if not name then return nil end
    redis.call('ZREM', key('ready'), name)
    if redis.call('HEXISTS', key('state'), name) == 1 then return nil end
    return give(name, -1, container, token)
  end

  -- Bundles of a call that are still held: the answer to it was lost.
  local function still_held(packed, first)
    local held = {}
    for i, report in ipairs(cmsgpack.unpack(packed)) do
      if i == 1 then report = first end
      if redis.call('HGET', key('state'), report[1]) == report[2] then held[#held + 1] = report[1] end
    end
    return held
  end

  -- The bundle that a call gave to the container before.
  local function given(container, following)
    local mine = following ~= '' and work_of(container)
    return mine and redis.call('HGET', key('state'), mine) == following and mine or nil
  end

  return {
    reports_of = reports_of, nearest = nearest, lend = lend, hold = hold,
    all_set = all_set, stay = stay, take_beside = take_beside, still_held = still_held, given = given,
  }
end
