-- A client forgets: the entries that it names, or if it names none all, of whatever version.
-- ARGV: version, the generation from now on, name, ...
-- Reply: {'ok'}
if #ARGV == 2 then
  redis.call('DEL', entries, order)
  redis.call('HSET', state, 'version', ARGV[1], 'bytes', 0)
else
  local other = other_version()
  if other then return {'version', other} end
  for i = 3, #ARGV do remove(ARGV[i]) end
end
redis.call('HSET', state, 'generation', ARGV[2])
return {'ok'}
