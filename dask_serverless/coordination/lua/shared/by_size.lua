-- How a container comes by a bundle that it is large enough for, in a run with several sizes: 0 is
-- the smallest. Made only for such a run: to define a function takes time at every call.
if sizes then
  local mebibytes = {} -- size -> its memory
  local count = 0
  for each in string.gmatch(sizes, '%d+') do mebibytes[count], count = tonumber(each), count + 1 end
  local told = redis.call('HMGET', KEYS[1], 'least', 'pace', 'lag', 'awaited', 'done', 'submitted')
  local least = tonumber(told[1] or '0')

  local function size_of(slot) return slot < 0 and -1 - slot or math.floor(slot / SLOTS) end
  local function size_of_container(container) return tonumber(redis.call('HGET', key('sizes'), container) or '0') end
  local function needed(slot) return math.max(least, size_of(slot)) end

  -- The largest size that so much memory is enough for.
  local function size_with(memory)
    for size = count - 1, 1, -1 do
      if mebibytes[size] <= tonumber(memory) then return size end
    end
    return 0
  end

  local function came(container, memory)
    local size = size_with(memory)
    if size > 0 then redis.call('HSET', key('sizes'), container, size) end
  end

  local function fits(container, slot) return size_of_container(container) >= needed(slot) end

  -- Whether no smaller container would do: larger ones take what smaller ones can when nothing else waits.
  local function is_meant(container, slot) return size_of_container(container) == needed(slot) end

  local function free_slot(size)
    return redis.call('ZRANGEBYSCORE', key('free'), size * SLOTS, '(' .. (size + 1) * SLOTS, 'LIMIT', 0, 1)[1]
  end

  local function take_of(size, container, token, invited_for)
    local bundle = pop_ready(size)
    if bundle then return give(bundle, -1, container, token) end
    if not slotted then return nil end
    if invited_for and size_of(invited_for) == size and may_adopt(invited_for) then
      bundle = take_slot(invited_for, container, token)
    end
    while not bundle do
      local slot = free_slot(size)
      if not slot then return nil end
      bundle = take_slot(tonumber(slot), container, token)
    end
    return bundle
  end

  local function take_late(size, container, token)
    local bundle = pop_late(container, size)
    return bundle and give(bundle, -1, container, token)
  end

  -- Of its own size first, then what a smaller one could do, and last what is late.
  local function take(container, token, invited_for)
    local mine, bundle = size_of_container(container), nil
    if mine < least then return nil end
    for size = mine, 0, -1 do
      bundle = bundle or take_of(size, container, token, invited_for)
    end
    for size = patient and mine or -1, 0, -1 do
      bundle = bundle or take_late(size, container, token)
    end
    return bundle
  end

  local function any_ready()
    for size = 0, count - 1 do
      if entries(of_size('ready', size)) > 0 then return true end
    end
    return false
  end

  -- How many bundles wait for a container of each size that nobody was asked for, and how many
  -- containers were asked for.
  local function unasked()
    local waiting, asked = {}, 0
    for size = 0, count - 1 do waiting[size] = 0 end
    for size = 0, count - 1 do
      local larger, invites = math.max(least, size), of_size('invites', size)
      redis.call('ZREMRANGEBYSCORE', key(invites), '-inf', now() - answer_ms)
      asked = asked + entries(invites)
      waiting[larger] = waiting[larger] + entries(of_size('ready', size)) - entries(invites)
      if slotted then
        local free = redis.call('ZCOUNT', key('free'), size * SLOTS, '(' .. (size + 1) * SLOTS)
        waiting[larger] = waiting[larger] + free
      end
      if patient then
        local late = redis.call('ZCOUNT', key(of_size('patience', size)), '-inf', since_submission())
        waiting[larger] = waiting[larger] + late
      end
    end
    return waiting, asked
  end

  -- As for one size, the largest first: '<slot> <container> <MiB>', without slot and container for anyone.
  local function invite(token)
    local list, room = {}, cap - (redis.call('HLEN', key('working')) - 1)
    if room <= 0 then return list end
    local waiting, asked = unasked()
    local called = slotted and entries('called') or 0
    room, waiting[least] = room - asked, waiting[least] + called
    if called > 0 and room > 0 then
      for _, word in ipairs(redis.call('ZRANGE', key('called'), 1, room + asked)) do
        if #list < room and not redis.call('ZSCORE', key('invites'), word) then
          local container, slot = string.match(word, '^(.*) (%x+)$')
          slot = tonumber(slot, 16)
          list[#list + 1] = slot .. ' ' .. container .. ' ' .. mebibytes[needed(slot)]
          redis.call('ZADD', key('invites'), now(), word)
          waiting[least] = waiting[least] - 1
        end
      end
    end
    for size = count - 1, least, -1 do
      for _ = 1, math.min(waiting[size], room - #list) do
        list[#list + 1] = '  ' .. mebibytes[size]
        redis.call('ZADD', key(of_size('invites', size)), now(), token .. ':' .. #list)
      end
    end
    return list
  end

  -- No container below that size is to have anything of the run again.
  local function rise(larger)
    redis.call('HSET', KEYS[1], 'least', larger)
    for size = 0, larger - 1 do -- whoever comes by these comes in vain
      redis.call('ZREMRANGEBYSCORE', key(of_size('invites', size)), '-inf', '(+inf')
    end
    least = larger
    local slots = slotted and redis.call('HGETALL', key('slots')) or {}
    for i = 1, #slots, 2 do
      local slot = tonumber(slots[i])
      if slot and not fits(slots[i + 1], slot) then bereave(slot, slots[i + 1]) end
    end
  end

  -- A container's size is too small for the run, which goes on with the next one, if any.
  local function outgrow(container)
    local larger = size_of_container(container) + 1
    if larger >= count then return end
    redis.call('HDEL', KEYS[1], 'awaited') -- with less it cannot go on
    if least < larger then rise(larger) end
  end

  by_size = {
    count = count, came = came, size_with = size_with, fits = fits, is_meant = is_meant, take = take,
    any_ready = any_ready, invite = invite, outgrow = outgrow,
  }
  if told[2] and not over then keep_pace(told, least, rise) end
end
