-- A container comes of a call. If one did before, that one is lost: the engine has repeated the call.
-- A call that has ended may be repeated, too, for what it returned: nobody needs that.
-- ARGV: call, a token of the container's own
-- Reply: {'over'} | {'ok', its name}
if redis.call('SISMEMBER', key('ended'), ARGV[1]) == 1 then return {'over'} end
local n, token = came(ARGV[1])
if token ~= ARGV[2] then
  if n > 0 then
    bury(name_of(ARGV[1], n))
    call_client(name_of(ARGV[1], n))
  end
  n = n + 1
  redis.call('HSET', key('came'), ARGV[1], n .. ' ' .. ARGV[2])
  touch('came')
end
return {'ok', name_of(ARGV[1], n)}
