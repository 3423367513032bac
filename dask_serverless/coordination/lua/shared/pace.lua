-- A run that falls behind what its plan held possible goes on in larger containers, where there are
-- any. Whoever calls may notice that, since it takes nothing but the time and a count.
-- Made only for a run that is to keep a pace: to define a function takes time at every call.
-- pace: {how many ms a larger container may take to come, how many ms a start takes, sizes {size, ...},
--       {ms after the submission, how many bundles should be done by then}, ...} (cmsgpack)
local keep_pace
if sizes then
  local function has_come(least)
    for _, size in ipairs(redis.call('HVALS', key('sizes'))) do
      if (tonumber(size) or 0) >= least then return true end
    end
    return false
  end

  -- told: least, pace, lag, awaited, done, submitted, as meta has them
  function keep_pace(told, least, rise)
    local pace, lag, done = cmsgpack.unpack(told[2]), tonumber(told[3] or '0'), tonumber(told[5] or '0')
    local elapsed = math.floor((microseconds() - told[6]) / 1000)
    if told[4] then
      local ends, before = string.match(told[4], '^(%d+) (%d+)$')
      if elapsed <= tonumber(ends) then return end
      redis.call('HDEL', KEYS[1], 'awaited')
      if has_come(least) then return end
      redis.call('HDEL', KEYS[1], 'pace')
      tell_change('r', least, tonumber(before), done, 0, tonumber(ends))
      return rise(tonumber(before))
    end
    local larger
    for _, size in ipairs(pace[3]) do larger = larger or size > least and size end
    if not larger then return end
    local reached = 0
    for i = 4, #pace do
      local due, bundles = unpack(pace[i])
      if elapsed <= due + lag then return end
      if done < bundles then
        -- From here on, once larger containers are there, the same pace is to be kept.
        redis.call('HSET', KEYS[1], 'lag', elapsed + pace[2] - reached, 'awaited', elapsed + pace[1] .. ' ' .. least)
        tell_change('r', least, larger, done, bundles, due + lag)
        return rise(larger)
      end
      reached = due
    end
  end
end
