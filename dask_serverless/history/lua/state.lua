-- The history of measurements, which all clients of a store share. In front of each of its scripts.
-- KEYS, on one server of a cluster:
--   entries  hash: name -> a packed entry
--   order    sorted set: name -> the number of the change that wrote it last; the first goes first
--   state    hash: version; generation (another one after things were forgotten); changes (how many
--            there were); bytes (of all entries)
-- ARGV begins with: the version that the client knows, a generation in case there is none
-- Reply, instead of a script's own: {'version', the version found}
local entries, order, state = KEYS[1], KEYS[2], KEYS[3]
local entry_bytes = 40 -- beside name and content

local function number(name)
  return tonumber(redis.call('HGET', state, name) or '0')
end

local function other_version()
  local found = redis.call('HGET', state, 'version')
  return found and found ~= ARGV[1] and found
end

local function begin()
  redis.call('HSETNX', state, 'version', ARGV[1])
  redis.call('HSETNX', state, 'generation', ARGV[2])
end

local function remove(name)
  local there = redis.call('HGET', entries, name)
  if there then
    redis.call('HINCRBY', state, 'bytes', -(#name + #there + entry_bytes))
    redis.call('HDEL', entries, name)
  end
  redis.call('ZREM', order, name)
end
