-- The pool is over: who waits is woken, and leaves. The keys that wake go a moment later.
-- Reply: {'over'} | {'ok', calls that containers came of}
local came = redis.call('HKEYS', key('came'))
for _, container in ipairs(redis.call('ZRANGE', key('idle'), 0, -1)) do
  redis.call('RPUSH', key('own:' .. container), '')
  redis.call('EXPIRE', key('own:' .. container), 1)
end
redis.call('RPUSH', key('calls'), '')
redis.call('EXPIRE', key('calls'), 1)
order('stop', '')
redis.call('EXPIRE', key('orders'), 1)
for _, run in ipairs(redis.call('LRANGE', key('runs'), 0, -1)) do redis.call('DEL', key('queue:' .. run)) end
redis.call('DEL', KEYS[1], key('idle'), key('runs'), key('serving'), key('came'), key('ended'), key('stopping'))
return {'ok', came}
