-- A bundle is done: its outputs and edges become known, and the caller gets what to go on with.
-- ARGV: epoch, container, bundle, claim, the claim for the next bundle or '',
--       outputs {task, reference, …}, children {{child, slot, first byte, edges, bit, …}, …},
--       releases {task, uses, …} (cmsgpack each), the event, references that were deleted,
--       store keys of blobs sent just before this call (cmsgpack, or '');
--       where outputs stay in memory, also (cmsgpack) {{patient, near, beside, after}, {bundle, claim, outputs,
--       children, releases, event, patient, near}, …}: of this bundle, and all of those held back
--       before. near: children {{child, slot, first byte, edges, {task, …}, bit, …}, …} whose edges
--       count only if this call hands one to the caller; patient: '1' if the others may wait; beside:
--       bundles that the caller had rather go on with meanwhile, or else the next one after that
-- Reply: {'lost'} | {'over', why} | {'fenced'} | {'unstored', key}
--        | {'ok', {bundle, spec, inputs, makers} or {}, invitations, references released, bundles held}
local container, bundle, token, following = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local memory = ARGV[12] and near_functions()
local state = redis.call('HGET', key('state'), bundle)
if state == 'd' and redis.call('HGET', key('finished'), container) == token
    or memory and state == token and memory.given(container, following) then
  -- The reply was lost. This comes before the look at 'over': what was announced must stay.
  local held = memory and memory.still_held(ARGV[12], {bundle, token}) or {}
  local mine = not over and memory and memory.given(container, following)
  if not mine and not over and #held == 0 and following ~= '' then mine = take(container, following) end
  return {'ok', mine and describe(mine) or {}, {}, {}, held}
end
if over then return {'over', over} end
if state ~= token then return {'fenced'} end
if ARGV[11] ~= '' then
  -- The blobs came in the same pipeline: a full store may have refused one of them.
  for _, name in ipairs(cmsgpack.unpack(ARGV[11])) do
    if redis.call('EXISTS', name) == 0 then return {'unstored', name} end
  end
end
if ARGV[10] ~= '' then
  for _, reference in ipairs(cmsgpack.unpack(ARGV[10])) do
    redis.call('SREM', key('trash'), reference)
  end
end

local ready = {} -- children that become so by what this call announces
local function announce(outputs, children)
  outputs = cmsgpack.unpack(outputs)
  for i = 1, #outputs, 2 do
    redis.call('HSET', key('out'), outputs[i], outputs[i + 1])
  end
  for _, child in ipairs(cmsgpack.unpack(children)) do
    local new, first, edges = 0, child[3], child[4]
    for i = 5, #child do new = new + 1 - redis.call('SETBIT', key('edges'), child[i], '1') end
    -- A bundle that was held back by a lost container runs again, and its children may be done.
    if new > 0 and redis.call('BITCOUNT', key('edges'), first, first + math.floor((edges - 1) / 8)) == edges then
      ready[#ready + 1] = child
    end
  end
end

local released, done, makespan, last_event = {}, 0, nil, nil
local function complete(name, releases, event)
  redis.call('HSET', key('state'), name, 'd')
  redis.call('ZREM', key('leases'), name)
  settle(name, releases, released)
  done = redis.call('HINCRBY', KEYS[1], 'done', '1')
  if done == tonumber(meta[6]) then
    last_event, makespan = event, microseconds() - redis.call('HGET', KEYS[1], 'submitted')
    redis.call('XADD', key('events'), '*', 'e', event, 't', makespan)
  else
    redis.call('XADD', key('events'), '*', 'e', event)
  end
  if done == 1 then -- the first to write these
    redis.call('EXPIRE', key('events'), live)
    redis.call('EXPIRE', key('finished'), live)
  end
end

announce(ARGV[6], ARGV[7])
local chosen, at_hand
local held, patient = {}, true
local beside, after
if not memory then
  redis.call('HSET', key('finished'), container, token)
  complete(bundle, ARGV[8], ARGV[9])
else
  local reports = memory.reports_of(ARGV[12], {bundle, token, '', '', ARGV[8], ARGV[9]})
  beside, after = reports[1][9], reports[1][10]
  for i = 2, #reports do announce(reports[i][3], reports[i][4]) end
  chosen = following ~= '' and memory.nearest(reports, container) or nil
  if chosen then chosen = memory.lend(reports, chosen, container, following) end
  at_hand = chosen ~= nil
  for i, report in ipairs(reports) do
    if memory.all_set(report[8]) then
      if i == 1 then redis.call('HSET', key('finished'), container, token) end
      complete(report[1], report[5], report[6])
    else
      memory.hold(report[1], container)
      held[#held + 1] = report[1]
      patient = patient and report[7] == '1'
    end
  end
end

for _, child in ipairs(ready) do
  local mine = child[2] < 0 and following ~= '' and not chosen and patient
  if mine and (not by_size or by_size.is_meant(container, child[2])) then
    chosen = give(tostring(child[1]), child[2], container, following)
  else
    make_ready(child[1], child[2])
  end
end
if makespan then
  redis.call('HDEL', key('working'), container)
  finish('done', 'e', last_event, 't', makespan)
  return {'ok', {}, {}, released, held}
end
if not chosen and following ~= '' and patient then
  chosen = #held > 0 and memory.take_beside(container, following, beside, after) or take(container, following)
end
if not chosen then
  local mine = work_of(container)
  if #held > 0 then
    memory.stay(container, held[1])
  elseif not mine or redis.call('HGET', key('state'), mine) == 'd' then
    leave(container) -- else this was held back, and is given while another bundle runs
  end
end
local found = {}
if chosen then found = describe(chosen, at_hand) end
if not found then return damaged() end
return {'ok', found, invitations(token), released, held}
