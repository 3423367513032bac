-- A container comes of a call. If one did before, that one is lost: the engine has repeated the call.
-- ARGV: call, a token of the container's own
-- Reply: {'over'} | {'ok', its name}
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
