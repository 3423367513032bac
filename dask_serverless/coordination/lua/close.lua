-- The run ends here, whatever its state: containers that still call are told that it is lost.
-- ARGV: epoch
-- Reply: {'lost'} | {'ok', references whose blobs are to be deleted, lost claims}; '' among them means nothing
local references = redis.call('SMEMBERS', key('trash'))
local suspects = redis.call('SMEMBERS', key('suspects'))
for _, state in ipairs(redis.call('HVALS', key('state'))) do
  if state ~= 'd' and state ~= '' then suspects[#suspects + 1] = state end
end
for _, reference in ipairs(redis.call('HVALS', key('out'))) do
  if reference ~= '' and not string.find(reference, '^[il]') then references[#references + 1] = reference end
end
local keys = {}
for i, name in ipairs(NAMES) do keys[i] = key(name) end
if sizes then
  local _, count = string.gsub(sizes, '%d+', '')
  for name in pairs(group_of_sizes(count, patient)) do keys[#keys + 1] = key(name) end
end
redis.call('UNLINK', unpack(keys))
return {'ok', references, suspects}
