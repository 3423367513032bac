-- The bundles that a container has run and whose outputs it still has, lowest id first.
local function held_by(container)
  local found, holders = {}, redis.call('HGETALL', key('held'))
  for i = 1, #holders, 2 do
    if holders[i] ~= '' and holders[i + 1] == container then found[#found + 1] = holders[i] end
  end
  table.sort(found, function(one, other) return tonumber(one) < tonumber(other) end)
  return found
end
