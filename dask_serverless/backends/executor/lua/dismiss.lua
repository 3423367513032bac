-- Somebody else of the client's needs the executor: containers that are idle leave.
-- ARGV: how many at most
-- Reply: {'over'} | {'ok'}
for _ = 1, tonumber(ARGV[1]) do
  local container = redis.call('ZPOPMIN', key('idle'))[1]
  if container then
    redis.call('RPUSH', key('own:' .. container), '')
    touch('own:' .. container)
  end
end
return {'ok'}
