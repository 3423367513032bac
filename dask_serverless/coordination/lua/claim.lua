-- A container asks for a bundle.
-- ARGV: epoch, container, claim, slot it was invited for or '', '1' if invited,
--       '1' if it needs the header, the bundle it has fetched ahead ('-': none; '': it never does)
-- Reply: {'lost'} | {'over', why}
--        | {'ok', {bundle, spec, inputs} or {}, invitations, upcoming as well, header or ''}
if over then return {'over', over} end
if ARGV[5] == '1' then redis.call('ZPOPMIN', key('invites')) end
local bundle = take(ARGV[2], ARGV[3], tonumber(ARGV[4]))
local header = ''
if ARGV[6] == '1' then header = redis.call('GET', key('header')) or '' end
if not bundle then return {'ok', {}, {}, {}, header} end
return {'ok', describe(bundle, ARGV[7]), invitations(ARGV[3]), upcoming(ARGV[2], ARGV[7]), header}
