-- What all scripts of a pool begin with: its keys, all of them.
--
-- A pool is the containers that one client has on an executor, and the invitations for them.
--
-- KEYS[1]  ds:{pool}:alive; all keys of a pool share its hash slot
--
-- Keys below ds:{pool}:
--   alive      string  for how many seconds the keys outlive the client's last pulse; gone: the client is gone
--   idle       zset    container -> since when it waits for an invitation (ms)
--   own:NAME   list    invitations of one container; '' asks it to leave
--   runs       list    runs whose invitations wait for a container; whose turn it is comes first
--   queue:RUN  list    those invitations
--   serving    hash    container -> the run that it works on
--   came       hash    call -> '<n> <token>': how often a container came of it (engines repeat what they
--                      lost), and the last one's own
--   ended      set     calls that have ended
--   stopping   set     runs that the client has stopped, until nobody works on them
--   calls      list    what the client is to look at: '', or a container that was lost
--   orders     stream  what containers are to do at once: stop a run, make way for others
--
-- A script for a pool that is not alive does nothing, and answers {'over'}.

local live = redis.call('GET', KEYS[1])
if not live then return {'over'} end

local prefix = string.sub(KEYS[1], 1, -6)
local function key(name) return prefix .. name end

-- How often a container came of a call, and the last one's token.
local function came(call)
  local n, token = string.match(redis.call('HGET', key('came'), call) or '', '^(%d+) (.*)$')
  return tonumber(n or 0), token
end

-- How the n-th of them is named.
local function name_of(call, n)
  return n > 1 and call .. '.' .. n or call
end

local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function touch(name)
  redis.call('EXPIRE', key(name), live)
end

-- The client is to look: once is enough, however many things have happened.
local function call_client(word)
  if word ~= '' or redis.call('LLEN', key('calls')) == 0 then redis.call('RPUSH', key('calls'), word) end
  touch('calls')
end

-- How many invitations wait for a container.
local function waiting()
  local count = 0
  for _, run in ipairs(redis.call('LRANGE', key('runs'), 0, -1)) do
    count = count + redis.call('LLEN', key('queue:' .. run))
  end
  return count
end

local function order(what, run)
  redis.call('XADD', key('orders'), 'MAXLEN', 100, '*', what, run)
  touch('orders')
end

local function hand(invitation, run, container)
  redis.call('RPUSH', key('own:' .. container), invitation)
  touch('own:' .. container)
  redis.call('HSET', key('serving'), container, run)
  touch('serving')
end

local function queue(invitation, run)
  if redis.call('RPUSH', key('queue:' .. run), invitation) == 1 then redis.call('RPUSH', key('runs'), run) end
  touch('queue:' .. run)
  touch('runs')
end

-- A container is not there any more: what it was invited for waits for another one.
local function bury(container)
  local run = redis.call('HGET', key('serving'), container)
  redis.call('HDEL', key('serving'), container)
  redis.call('ZREM', key('idle'), container)
  for _, invitation in ipairs(redis.call('LRANGE', key('own:' .. container), 0, -1)) do
    if invitation ~= '' and run then queue(invitation, run) end
  end
  redis.call('DEL', key('own:' .. container))
end
