-- Set-up, blobs, and what operators change.

-- init: 1 schema  2... streams. Makes the streams and their groups, at 0 and never at `$`: a ticket that is read twice
-- is harmless, one that is not read is lost.  Answers {'ok'} or {'refused', 'schema_mismatch', schema found}.
local function init(keys, a)
  local p = keys[1]
  local found = call('HGET', p .. 'stats', 'schema')
  if found and found ~= a[1] then return { 'refused', 'schema_mismatch', found } end
  call('HSETNX', p .. 'stats', 'schema', a[1])
  call('HSETNX', p .. 'swept', 'last', clock())
  for i = 2, #a do
    for _, group in ipairs({ GROUP, BELL }) do
      local made = redis.pcall('XGROUP', 'CREATE', p .. 'queue:' .. a[i], group, '0', 'MKSTREAM')
      if made.err and not string.find(made.err, 'BUSYGROUP', 1, true) then return redis.error_reply(made.err) end
    end
  end
  return { 'ok' }
end

-- pin: 1 org  2 hold ms  3 blobs. Before a blob is written: from now on nobody may drop it. `keep` is the same for the
-- artifacts of runs in hand, which must get through when Redis is out of memory.
local function pin(keys, a)
  pin_blobs(keys[1], a[1], a[3], clock() + tonumber(a[2]))
  return { 'ok' }
end

-- drop_if_due: 1 org  2 sha. Answers {'drop'} if nothing retains or pins the blob any longer (its entries are gone with
-- this call, so that no accept can count on it), else {'keep', until}.
local function drop_if_due(keys, a)
  local p, member = keys[1], a[1] .. '/' .. a[2]
  local now = clock()
  local pinned = tonumber(call('ZSCORE', p .. 'pinned', member) or 0)
  if pinned <= now then call('ZREM', p .. 'pinned', member) end
  local till = math.max(pinned, tonumber(call('ZSCORE', p .. 'retained', member) or 0))
  if till > now then return { 'keep', till } end
  -- After a long standstill, holds may have ended of runs that a sweep has yet to take up again: they go first.
  if #call('ZRANGE', p .. 'leases', '-inf', now, 'BYSCORE', 'LIMIT', 0, 1) > 0 then return { 'keep', now } end
  call('ZREM', p .. 'retained', member)
  return { 'drop' }
end

-- org_set: 1 org  2 plan or empty  3 runs per month, 'unlimited', or empty  4 actor. Makes the organisation if it is new.
local function org_set(keys, a)
  local key = keys[1] .. 'org:' .. a[1]
  call('HSET', key, 'schema', SCHEMA)
  call('HSETNX', key, 'plan', 'active')
  if a[2] ~= '' then call('HSET', key, 'plan', a[2]) end
  if a[3] == 'unlimited' then
    call('HDEL', key, 'limit')
  elseif a[3] ~= '' then
    call('HSET', key, 'limit', a[3])
  end
  if a[2] .. a[3] ~= '' then note_act(keys[1], 'plan', a[1], a[4] or '', a[2] .. ' ' .. a[3]) end
  return { 'ok', call('HGETALL', key) }
end

-- project_archive: 1 project  2 actor. Answers {'ok'} or {'refused', 'project_not_found'}.
local function project_archive(keys, a)
  local key = keys[1] .. 'project:' .. a[1]
  if call('EXISTS', key) == 0 then return { 'refused', 'project_not_found', '' } end
  call('HSET', key, 'status', 'archived', 'updated', clock())
  note_act(keys[1], 'archive', a[1], a[2] or '', '')
  return { 'ok' }
end

-- ready: a write in one round trip, so that a Redis which only reads (a replica, out of memory, disk full) is not ready.
local function ready(keys)
  local now = clock()
  call('SET', keys[1] .. 'probe', now, 'PX', 60000)
  return { 'ok', now }
end

register('init', init)
register('pin', pin)
register('keep', pin, { 'allow-oom' })
register('drop_if_due', drop_if_due, { 'allow-oom' })
register('org_set', org_set)
register('project_archive', project_archive)
register('ready', ready)
