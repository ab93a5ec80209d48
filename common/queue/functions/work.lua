-- What a worker does with a run, from claim to finish. Every call names (run, epoch, token); see `fence`.

-- Runs that this worker took with this very token: the answer to a claim whose first reply was lost.
local function already_claimed(p, worker, token, streams)
  local found = {}
  for _, stream in ipairs(streams) do
    local mine = redis.call('XPENDING', p .. 'queue:' .. stream, GROUP, '-', '+', 5000, worker) -- more than it may hold
    for _, entry in ipairs(mine) do
      local ticket = redis.call('XRANGE', p .. 'queue:' .. stream, entry[1], entry[1])[1]
      local id = ticket and ticket[2][2]
      if id and redis.call('HGET', p .. 'run:' .. id, 'token') == token then found[#found + 1] = id end
    end
  end
  return found
end

-- Takes the run of one ticket, or answers nil if the ticket no longer counts.
local function take(p, now, stream, entry, worker, token, lease)
  local id, epoch = entry[2][2], tonumber(entry[2][4])
  local r = id and load(p, id)
  if not r or not MAY.claim[r.status] or r.epoch ~= epoch or r.where ~= 'stream' then
    redis.call('XACK', p .. 'queue:' .. stream, GROUP, entry[1])
    -- Not for tickets that somebody made by hand.
    if (not r or r.ticket == entry[1]) and tonumber(redis.call('HGET', p .. 'stats', 'ghosts') or 0) > 0 then
      count(p, 'ghosts', -1)
    end
    return nil
  end
  r.epoch = r.epoch + 1
  redis.call('ZREM', p .. 'queued', id)
  count(p, 'queued', -1)
  if r.kept_until > 0 and r.kept_until <= now then
    -- Everything stood still for longer than its inputs are held, and no sweep has come by yet: it waited too long.
    redis.call('XACK', p .. 'queue:' .. stream, GROUP, entry[1])
    end_run(p, r, now, 'expired', worker, 'queue TTL', 0, 'verdict', '', 'error', 'queue_ttl')
    return nil
  end
  redis.call('ZADD', p .. 'leases', now + lease, id)
  count(p, 'running', 1)
  count(p, 'claims', 1)
  local first = redis.call('HSETNX', p .. 'run:' .. id, 'claimed', now)
  move(p, r, now, 'running', worker, first == 1 and 'first claim' or 'claimed again', 'where', '', 'stream', stream,
    'ticket', entry[1], 'token', token, 'worker', worker)
  return id
end

-- claim: 1 worker  2 token  3 how many  4 lease ms  5 repeat ('1' after a lost reply)  6... streams, first read first
-- Answers {'ok', now, examined, {run, {fields}}, ...}. A call examines at most 64 tickets beyond what it takes, so
-- `examined` > 0 with no run means: ask again.
local function claim(keys, a)
  local p, now = keys[1], clock()
  local worker, token, wanted, lease = a[1], a[2], tonumber(a[3]), tonumber(a[4])
  local streams = { unpack(a, 6) }
  local reply = { 'ok', now, 0 }
  local function add(id) reply[#reply + 1] = { id, redis.call('HGETALL', p .. 'run:' .. id) } end

  if a[5] == '1' then
    for _, id in ipairs(already_claimed(p, worker, token, streams)) do
      redis.call('ZADD', p .. 'leases', 'XX', 'GT', now + lease, id) -- the caller counts from this call
      add(id)
    end
    wanted = wanted - (#reply - 3)
  end

  local examined, most = 0, math.max(wanted, 0) + 64
  for _, stream in ipairs(streams) do
    while wanted > 0 and examined < most do
      local batch = redis.call('XREADGROUP', 'GROUP', GROUP, worker, 'COUNT', math.min(wanted, most - examined),
        'STREAMS', p .. 'queue:' .. stream, '>')
      if not batch then break end
      for _, entry in ipairs(batch[1][2]) do
        examined = examined + 1
        local id = take(p, now, stream, entry, worker, token, lease)
        if id then
          wanted = wanted - 1
          add(id)
        end
      end
    end
  end
  reply[3] = examined
  return reply
end

-- beat: 1 worker  2 lease ms  3... (run, epoch, token) for each run held.
-- Answers {'ok', now, {run, status, epoch}, ...} with the runs that are no longer the caller's.
local function beat(keys, a)
  local p, now = keys[1], clock()
  local reply = { 'ok', now }
  for i = 3, #a, 3 do
    local v = redis.call('HMGET', p .. 'run:' .. a[i], 'status', 'epoch', 'token')
    if v[1] == 'running' and v[2] == a[i + 1] and v[3] == a[i + 2] then
      redis.call('ZADD', p .. 'leases', 'XX', 'GT', now + tonumber(a[2]), a[i])
    else
      reply[#reply + 1] = { a[i], v[1] or 'unknown', v[2] or '0' }
    end
  end
  return reply
end

-- held (read only): 1... (run, epoch). Answers {'ok', now, {run, status, epoch}, ...} like beat, extending nothing.
local function held(keys, a)
  local reply = { 'ok', clock() }
  for i = 1, #a, 2 do
    local v = redis.call('HMGET', keys[1] .. 'run:' .. a[i], 'status', 'epoch')
    if v[1] ~= 'running' or v[2] ~= a[i + 1] then reply[#reply + 1] = { a[i], v[1] or 'unknown', v[2] or '0' } end
  end
  return reply
end

-- Step changes come in sixes: index, phase ('begin' | 'end'), step status, facts (a JSON object), artifacts (a
-- JSON array, or empty), blobs of the artifacts. One that is already recorded is passed over, so a repeated call
-- changes nothing; nor does a beginning that comes late, after the end of the same claim's work on the step (d.<n> is the
-- epoch of that end). Answers how many were new.
local function record_steps(p, r, now, worker, a, first)
  local key, new = p .. 'run:' .. r.id, 0
  for i = first, #a, 6 do
    local n, phase, facts = a[i], a[i + 1], a[i + 3]
    local seen = redis.call('HMGET', key, 's.' .. n, 't.' .. n, 'trail', 'd.' .. n)
    local late = phase == 'begin' and tonumber(seen[4] or -1) == r.epoch
    if seen[1] ~= facts and not late then
      new = new + 1
      r.seq = r.seq + 1
      local times = now .. ''
      if phase == 'end' then
        times = (string.match(seen[2] or '', '^%d+') or now) .. ' ' .. now
        redis.call('HSET', key, 'd.' .. n, r.epoch)
      end
      local name, what = string.match(facts, '"name":"([^" ]+)"') or n, 'step.' .. a[i + 2]
      redis.call('HSET', key, 'seq', r.seq, 's.' .. n, facts, 't.' .. n, times, 'trail',
        latest(seen[3] or '', TRAIL_KEPT) .. r.seq .. ' ' .. now .. ' ' .. what .. ' ' .. name .. '\n')
      if a[i + 4] ~= '' then
        r.made = r.made == '' and a[i + 5] or r.made .. ' ' .. a[i + 5]
        redis.call('HSET', key, 'a.' .. n, a[i + 4], 'made', r.made)
      end
      announce(p, r, now, what, name, worker, n)
    end
  end
  return new
end

-- step: 1 run  2 epoch  3 token  4 worker  5 plan (JSON, kept from the first call)  6 current step's name
--       7 hold ms for the artifacts  8... step changes.  Answers {'ok', now} or stale.
local function step(keys, a)
  local p, now = keys[1], clock()
  local r, stale = fence(p, now, a[1], a[2], a[3], a[4], 'step')
  if not r then return stale end
  local made = r.made
  if a[5] ~= '' then redis.call('HSETNX', p .. 'run:' .. r.id, 'plan', a[5]) end
  if record_steps(p, r, now, a[4], a, 8) > 0 then
    redis.call('HSET', p .. 'run:' .. r.id, 'current', a[6])
    if r.made ~= made then take_pinned(p, r.org, r.made, now + tonumber(a[7])) end
  end
  return { 'ok', now }
end

-- finish: 1 run  2 epoch  3 token  4 worker  5 status  6 verdict  7 quality (JSON)  8 error code or empty
--         9 retention ms  10 step that failed, or empty  11 its message  12... step changes.  Answers {'ok', now} or stale.
local function finish(keys, a)
  local p, now = keys[1], clock()
  local status = a[5]
  if not ENDS.finish[status] then return { 'refused', 'bad_status', status } end
  if repeated(p, a[1], tonumber(a[2]), a[3], status) then return { 'ok', now } end
  local r, stale = fence(p, now, a[1], a[2], a[3], a[4], 'finish')
  if not r then return stale end
  record_steps(p, r, now, a[4], a, 12)
  leave_running(p, r)
  if status == 'failed' then bury(p, r, now, a[8], a[10], a[11]) end
  end_run(p, r, now, status, a[4], a[8], tonumber(a[9]), 'verdict', a[6], 'quality', a[7], 'error', a[8])
  return { 'ok', now }
end

-- release: 1 run  2 epoch  3 token  4 worker  5 delay ms  6 cause  7... step changes. Hands a run back: at once to the
-- stream that is read first, or after a delay.  Answers {'ok', now} or stale.
local function release(keys, a)
  local p, now, delay = keys[1], clock(), tonumber(a[5])
  if repeated(p, a[1], tonumber(a[2]) + 1, a[3], 'queued') then return { 'ok', now } end
  local r, stale = fence(p, now, a[1], a[2], a[3], a[4], 'release')
  if not r then return stale end
  record_steps(p, r, now, a[4], a, 7)
  leave_running(p, r)
  -- Handed back before anything was begun: the run's deadline does not count yet.
  if not redis.call('HGET', p .. 'run:' .. r.id, 's.0') then redis.call('HDEL', p .. 'run:' .. r.id, 'claimed') end
  if delay == 0 then
    requeue(p, r, now, 'again', a[4], a[6])
  else
    r.epoch = r.epoch + 1
    redis.call('ZADD', p .. 'delayed', now + delay, r.id)
    redis.call('ZADD', p .. 'queued', now, r.id)
    count(p, 'queued', 1)
    move(p, r, now, 'queued', a[4], a[6], 'where', 'delayed', 'ticket', '', 'worker', '', 'keptUntil',
      hold_on(p, r, now))
  end
  return { 'ok', now }
end

-- block: 1 run  2 epoch  3 token  4 worker  5 tool  6... step changes. Parks a run until some worker has the tool.
local function block(keys, a)
  local p, now = keys[1], clock()
  if repeated(p, a[1], tonumber(a[2]) + 1, a[3], 'blocked') then return { 'ok', now } end
  local r, stale = fence(p, now, a[1], a[2], a[3], a[4], 'block')
  if not r then return stale end
  record_steps(p, r, now, a[4], a, 6)
  leave_running(p, r)
  r.epoch = r.epoch + 1
  redis.call('ZADD', p .. 'blocked:' .. a[5], now, r.id)
  redis.call('ZADD', p .. 'blocked', now, r.id)
  count(p, 'blocked', 1)
  move(p, r, now, 'blocked', a[4], 'needs ' .. a[5], 'where', 'parked', 'ticket', '', 'worker', '', 'tool', a[5],
    'verdict', 'needs_setup', 'keptUntil', hold_on(p, r, now))
  return { 'ok', now }
end

-- Workers must be able to end and extend what they hold when Redis is out of memory; claiming more must not pass.
register('claim', claim)
register('beat', beat, { 'allow-oom' })
register('held', held, { 'no-writes' })
register('step', step, { 'allow-oom' })
register('finish', finish, { 'allow-oom' })
register('release', release, { 'allow-oom' })
register('block', block, { 'allow-oom' })
