-- Bulk retries: a wave through a list of failed runs, at a rate, after a canary. What it is to do and how far it has come is a
-- hash; whichever process takes its turn goes on with it. The retries are ordinary ones, each with a key of its own, so that
-- a turn which was cut short is repeated without doing anything twice.

local BULKS_KEPT = 100   -- of an organisation
local MOST_ACTIVE = 100
local GOES_ON = { canary = true, running = true }

-- bulk_start: 1 bulk  2 org  3 actor  4 reason  5 idem hash or empty  6 fingerprint  7 ms to keep the idem record
--             8... fields and values: what it is to do. Answers {'ok', fields}, of an earlier one if this asked for it again.
local function bulk_start(keys, a)
  local p, now = keys[1], clock()
  local key, list, idem = p .. 'bulk:' .. a[1], p .. 'bulks:' .. a[2], p .. 'idem:' .. a[5]
  if call('EXISTS', key) == 1 then return { 'ok', call('HGETALL', key) } end
  local seen = a[5] ~= '' and call('GET', idem)
  if seen then
    local fingerprint, first = string.match(seen, '^(%S+) (%S+)$')
    if fingerprint ~= a[6] then return { 'refused', 'idempotency_key_reused', '' } end
    local fields = call('HGETALL', p .. 'bulk:' .. first)
    -- So many came after it that it is no longer kept; that it was done must not be forgotten before the key is.
    if #fields == 0 then return { 'refused', 'idempotency_key_reused', 'its bulk retry is no longer listed' } end
    return { 'ok', fields }
  end
  if call('SCARD', p .. 'bulks') >= MOST_ACTIVE then return { 'refused', 'overloaded', 'too many bulk retries at once' } end
  call('HSET', key, 'id', a[1], 'org', a[2], 'by', a[3], 'reason', a[4], 'started', stamp(now), 'state', 'canary',
    unpack(a, 8))
  if a[5] ~= '' then call('SET', idem, a[6] .. ' ' .. a[1], 'PX', a[7]) end
  call('ZADD', list, stamp(now), a[1])
  for _, old in ipairs(call('ZRANGE', list, '0', text(-BULKS_KEPT - 1))) do
    if call('SISMEMBER', p .. 'bulks', old) == 0 then
      call('ZREM', list, old)
      call('DEL', p .. 'bulk:' .. old)
    end
  end
  call('SADD', p .. 'bulks', a[1])
  note_act(p, 'bulk_retry', a[1], a[3], a[4])
  return { 'ok', call('HGETALL', key) }
end

-- bulk_take: 1 bulk  2 token  3 lease ms. A turn for one process. Answers {'ok', fields}, or {'busy'}.
local function bulk_take(keys, a)
  local p, now = keys[1], clock()
  local key = p .. 'bulk:' .. a[1]
  local v = call('HMGET', key, 'state', 'token', 'until')
  if not v[1] or not GOES_ON[v[1]] then
    call('SREM', p .. 'bulks', a[1])
    return { 'busy' }
  end
  if v[2] and v[2] ~= a[2] and tonumber(v[3] or 0) > now then return { 'busy' } end
  call('HSET', key, 'token', a[2], 'until', stamp(now + tonumber(a[3])))
  return { 'ok', call('HGETALL', key) }
end

-- bulk_done: 1 bulk  2 token  3 state  4... fields and values. What a turn came to. One that was stopped meanwhile stays so.
-- Answers {'ok'}, or {'busy'} if the turn is somebody else's now.
local function bulk_done(keys, a)
  local p = keys[1]
  local key = p .. 'bulk:' .. a[1]
  local v = call('HMGET', key, 'state', 'token', 'stoppedBy')
  if v[2] ~= a[2] then return { 'busy' } end
  if a[4] then call('HSET', key, unpack(a, 4)) end
  if GOES_ON[v[1]] then
    call('HSET', key, 'state', a[3])
    if not GOES_ON[a[3]] then call('SREM', p .. 'bulks', a[1]) end
  elseif v[3] then
    call('HDEL', key, 'because') -- that is why it ended, and not what this turn would have ended it for
  end
  return { 'ok' }
end

-- bulk_stop: 1 bulk  2 actor  3 reason. Answers {'ok', fields}; one that has ended stays as it is.
local function bulk_stop(keys, a)
  local p, key = keys[1], keys[1] .. 'bulk:' .. a[1]
  clock()
  if GOES_ON[call('HGET', key, 'state') or ''] then
    call('HSET', key, 'state', 'stopped', 'stoppedBy', a[2])
    call('SREM', p .. 'bulks', a[1])
    note_act(p, 'bulk_stop', a[1], a[2], a[3])
  end
  return { 'ok', call('HGETALL', key) }
end

register('bulk_start', bulk_start)
register('bulk_take', bulk_take)
register('bulk_done', bulk_done)
register('bulk_stop', bulk_stop, { 'allow-oom' })
