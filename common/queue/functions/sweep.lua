-- The sweep: what time alone must bring about. Idempotent and bounded, so every API and worker process runs it.

local CONSUMER_IDLE = 3600000 -- ms; far beyond any lease
local MOST_COUNTED = 1000
local MOST_EXCUSED = 10 -- leases that a run may lose to outages of Redis: perhaps it is the run that brings the host down
local BACK_WITHIN = 4000 -- ms after an outage: workers wait up to 2 s between two tries, and connecting takes time

-- Every process sweeps, so a time without any is a time in which Redis was away, and with it every beat. A lease that
-- ended then says nothing about its worker. Answers that span of ends, or nil; it is kept, for a sweep is bounded and
-- the next one must know it too.
local function time_away(p, now, lease)
  local v = call('HMGET', p .. 'swept', 'last', 'from', 'to')
  local last = tonumber(v[1] or now)
  if not v[1] or now - last >= 1000 or now < last then call('HSET', p .. 'swept', 'last', now) end
  if now - last > 1000 + lease / 3 then
    local to = now + BACK_WITHIN
    call('HSET', p .. 'swept', 'from', last, 'to', to)
    return last, to
  end
  return tonumber(v[2] or 0), tonumber(v[3] or -1)
end

-- The step in hand did not have its try.
local function interrupt_step(p, r)
  local key, n = p .. 'run:' .. r.id, 0
  local steps = call('HGET', key, 'steps')
  if steps then
    call('HSET', key, 'steps', (string.gsub(steps, '(\n%d+ %S+ %S+ 0 0 %S+) running ', '%1 interrupted ', 1)))
    return
  end
  -- As an earlier build of this schema wrote it: a field for each step.
  local facts = call('HGET', key, 's.0')
  while facts do
    local changed, found = string.gsub(facts, '"status":"running"', '"status":"interrupted"', 1)
    if found > 0 then
      call('HSET', key, 's.' .. n, changed)
      return
    end
    n = n + 1
    facts = call('HGET', key, 's.' .. n)
  end
end

local function lost_lease(p, now, id, actor, most_lost, retention, excused)
  local r = load(p, id)
  if not r or r.status ~= 'running' then
    call('ZREM', p .. 'leases', id)
    return
  end
  leave_running(p, r)
  local excuses = tonumber(call('HGET', p .. 'run:' .. id, 'excused') or 0)
  if excused and excuses < MOST_EXCUSED then
    interrupt_step(p, r)
    call('HDEL', p .. 'run:' .. id, 'claimed') -- nor does its deadline count that time
    count(p, 'recovered', 1)
    requeue(p, r, now, 'again', actor, 'lease ended while Redis was away', { 'token', '', 'excused', text(excuses + 1) })
    return
  end
  local lost = r.lost + 1
  if lost >= most_lost then
    r.epoch = r.epoch + 1
    local step = call('HGET', p .. 'run:' .. id, 'current') or ''
    bury(p, r, now, 'poison_run', step, 'lost its worker ' .. lost .. ' times')
    end_run(p, r, now, 'failed', actor, 'poison_run', retention,
      { 'verdict', 'failed', 'error', 'poison_run', 'lost', text(lost) })
  else
    count(p, 'recovered', 1)
    -- No token: no release of its worker any more.
    requeue(p, r, now, 'again', actor, 'lease lost', { 'lost', text(lost), 'token', '' })
  end
end

-- Deletes the record of an ended run with every index entry that leads to it.
local function forget(p, id)
  local v = call('HMGET', p .. 'run:' .. id, 'org', 'project', 'root', 'status', 'error')
  call('ZREM', p .. 'runs:' .. v[1], id)
  if v[5] and v[5] ~= '' then call('ZREM', p .. 'errors:' .. v[1] .. ':' .. v[5], id) end
  call('ZREM', p .. 'runs:' .. v[1] .. ':' .. v[4], id)
  call('ZREM', p .. 'runs:' .. v[1] .. ':' .. v[2], id)
  if v[3] and v[3] ~= '' then call('ZREM', p .. 'retries:' .. v[3], id) end
  call('ZREM', p .. 'dead:' .. v[1], id)
  call('DEL', p .. 'run:' .. id)
  call('ZREM', p .. 'ended', id)
  count(p, 'expired', -1)
  count(p, 'forgotten', 1)
end

-- An ended run whose time has come: past its retention it is expired (its blobs go by themselves, see drop_if_due), and
-- past the keeping of records it is forgotten.
local function age(p, now, id, actor)
  local r = load(p, id)
  -- A record that somebody broke is nobody's to delete, and must not keep the others: doctor tells of it.
  local broken = r and not (r.org and r.project and r.seq and r.epoch and tonumber(r.ended) and tonumber(r.created))
  if not r or broken or not TERMINAL[r.status] then
    call('ZREM', p .. 'ended', id)
    return
  end
  local last_day = tonumber(r.ended) + RECORDS_KEPT
  if MAY.expire[r.status] then
    count(p, r.status, -1)
    count(p, 'expired', 1)
    move(p, r, now, 'expired', actor, 'retention', {})
  elseif now >= last_day then
    forget(p, id)
    return
  end
  call('ZADD', p .. 'ended', math.max(now + 1, last_day), id)
end

-- Drops tickets that every reader is done with. Never XDEL: on 7.0 it can turn a group's lag into nil.
local function trim(p, stream)
  local key = p .. 'queue:' .. stream
  local pending = call('XPENDING', key, GROUP)
  local bound = pending[2]
  if not bound then
    local group = group_of(key)
    bound = group and group['last-delivered-id']
  end
  if bound and bound ~= '0-0' then call('XTRIM', key, 'MINID', '~', bound, 'LIMIT', 10000) end
end

-- XINFO's `lag` counts the entries that a group has read, and Redis 7.0 forgets that count when it restarts: its append-only
-- file says how far the group has come, not over how many entries. People scale by lag, so it is set right again: what is
-- unread are the tickets of queued runs that are not held, and ghosts. The last stream may be long, so the others are counted.
local function mend_lag(p, streams)
  local v = call('HMGET', p .. 'stats', 'ghosts', 'held')
  local unread = call('ZCARD', p .. 'queued') - call('ZCARD', p .. 'delayed') + tonumber(v[1] or 0) - tonumber(v[2] or 0)
  local groups, lag = {}, 0
  for i, stream in ipairs(streams) do
    groups[i] = group_of(p .. 'queue:' .. stream)
    if not groups[i] then return end
    lag = lag and groups[i].lag and lag + groups[i].lag
  end
  if lag == unread then return end
  for i, stream in ipairs(streams) do
    local key, group, facts = p .. 'queue:' .. stream, groups[i], {}
    local said = call('XINFO', 'STREAM', key)
    for n = 1, #said, 2 do facts[said[n]] = said[n + 1] end
    local here = math.max(0, unread)
    if group['last-delivered-id'] == facts['last-generated-id'] then
      here = 0
    elseif i < #streams then
      here = #call('XRANGE', key, '(' .. group['last-delivered-id'], '+', 'COUNT', MOST_COUNTED)
      if here == MOST_COUNTED then return end -- another time
    end
    unread = unread - here
    if group.lag ~= here then
      call('XGROUP', 'SETID', key, GROUP, group['last-delivered-id'], 'ENTRIESREAD', facts['entries-added'] - here)
    end
  end
end

-- Removes consumers of workers that are long gone. One with pending entries stays: deleting it would lose them.
local function remove_idle_consumers(p, stream)
  local key = p .. 'queue:' .. stream
  for _, consumer in ipairs(call('XINFO', 'CONSUMERS', key, GROUP)) do
    local c = {}
    for i = 1, #consumer, 2 do c[consumer[i]] = consumer[i + 1] end
    if c.pending == 0 and c.idle > CONSUMER_IDLE then call('XGROUP', 'DELCONSUMER', key, GROUP, c.name) end
  end
end

-- leave: 1 worker  2... streams. A worker that ends takes its consumers with it, unless runs are still pending on them.
local function leave(keys, a)
  for i = 2, #a do
    local key = keys[1] .. 'queue:' .. a[i]
    if #call('XPENDING', key, GROUP, '-', '+', 1, a[1]) == 0 then
      call('XGROUP', 'DELCONSUMER', key, GROUP, a[1])
    end
  end
  return { 'ok' }
end

-- sweep: 1 actor  2 most runs per kind  3 lost leases that make a poison run  4 retention ms  5 queue TTL ms
--        6 lease ms  7 tools that this process has, separated by spaces  8 `live slots busy` of the workers, or empty
--        9... streams to trim
-- Answers {'ok', recovered, promoted, unblocked, given up, aged}.
local function sweep(keys, a)
  local p, now = keys[1], clock()
  local actor, most, streams = a[1], a[2], { unpack(a, 9) }
  local done = { 0, 0, 0, 0, 0 }

  local away_from, away_to = time_away(p, now, tonumber(a[6]))
  local ended = call('ZRANGE', p .. 'leases', '-inf', now, 'BYSCORE', 'LIMIT', 0, most, 'WITHSCORES')
  for i = 1, #ended, 2 do
    local at = tonumber(ended[i + 1])
    lost_lease(p, now, ended[i], actor, tonumber(a[3]), tonumber(a[4]), at >= away_from and at <= away_to)
    done[1] = done[1] + 1
  end

  for _, id in ipairs(call('ZRANGE', p .. 'delayed', '-inf', now, 'BYSCORE', 'LIMIT', 0, most)) do
    call('ZREM', p .. 'delayed', id)
    local r = load(p, id)
    if r and r.status == 'queued' and r.where == 'delayed' then
      local ticket = enqueue(p, r, 'again')
      call('HSET', p .. 'run:' .. id, 'where', 'stream', 'stream', 'again', 'ticket', ticket)
    end
    done[2] = done[2] + 1
  end

  for tool in string.gmatch(a[7], '%S+') do
    for _, id in ipairs(call('ZRANGE', p .. 'blocked:' .. tool, 0, tonumber(most) - 1)) do
      local r = load(p, id)
      if not r or not MAY.unblock[r.status] then
        call('ZREM', p .. 'blocked:' .. tool, id)
      else
        leave_waiting(p, r)
        call('HDEL', p .. 'run:' .. id, 'claimed') -- the run's deadline does not count the time it was blocked
        requeue(p, r, now, 'again', actor, tool .. ' is here', { 'verdict', '' })
      end
      done[3] = done[3] + 1
    end
  end

  release_resumed(p)
  set_aside_unread(p, streams)
  sample(p, now, a[8])

  for _, waiting in ipairs({ 'queued', 'blocked' }) do
    local late = call('ZRANGE', p .. waiting, '-inf', now - tonumber(a[5]), 'BYSCORE', 'LIMIT', 0, most)
    for _, id in ipairs(late) do
      local r = load(p, id)
      if not r or r.status ~= waiting then
        call('ZREM', p .. waiting, id)
      else
        leave_waiting(p, r)
        r.epoch = r.epoch + 1
        end_run(p, r, now, 'expired', actor, 'queue TTL', tonumber(a[4]), { 'verdict', '', 'error', 'queue_ttl' })
      end
      done[4] = done[4] + 1
    end
  end

  for _, id in ipairs(call('ZRANGE', p .. 'ended', '-inf', now, 'BYSCORE', 'LIMIT', 0, most)) do
    age(p, now, id, actor)
    done[5] = done[5] + 1
  end

  for _, stream in ipairs(streams) do trim(p, stream) end
  mend_lag(p, streams)
  if call('SET', p .. 'tidied', now, 'NX', 'PX', 60000) then
    for _, stream in ipairs(streams) do remove_idle_consumers(p, stream) end
  end
  return { 'ok', unpack(done) }
end

register('sweep', sweep, { 'allow-oom' })
register('leave', leave, { 'allow-oom' })
