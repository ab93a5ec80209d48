-- The sweep: what time alone must bring about. Idempotent and bounded, so every API and worker process runs it.

local CONSUMER_IDLE = 3600000 -- ms; far beyond any lease

local function lost_lease(p, now, id, actor, most_lost, retention)
  local r = load(p, id)
  if not r or r.status ~= 'running' then
    redis.call('ZREM', p .. 'leases', id)
    return
  end
  leave_running(p, r)
  local lost = r.lost + 1
  if lost >= most_lost then
    r.epoch = r.epoch + 1
    bury(p, r, 'poison_run', '', 'lost its worker ' .. lost .. ' times')
    end_run(p, r, now, 'failed', actor, 'poison_run', retention, 'verdict', 'failed', 'error', 'poison_run',
      'lost', lost)
  else
    requeue(p, r, now, 'again', actor, 'lease lost', 'lost', lost)
  end
end

-- Deletes the record of an ended run with every index entry that leads to it.
local function forget(p, id)
  local v = redis.call('HMGET', p .. 'run:' .. id, 'org', 'project', 'root')
  redis.call('ZREM', p .. 'runs:' .. v[1], id)
  redis.call('ZREM', p .. 'runs:' .. v[1] .. ':' .. v[2], id)
  if v[3] ~= '' then redis.call('ZREM', p .. 'retries:' .. v[3], id) end
  redis.call('DEL', p .. 'run:' .. id)
  redis.call('ZREM', p .. 'ended', id)
  count(p, 'expired', -1)
  count(p, 'forgotten', 1)
end

-- An ended run whose time has come: past its retention it is expired (its blobs go by themselves, see drop_if_due), and
-- past the keeping of records it is forgotten.
local function age(p, now, id, actor)
  local r = load(p, id)
  if not r or not TERMINAL[r.status] then
    redis.call('ZREM', p .. 'ended', id)
    return
  end
  local last_day = tonumber(r.ended) + RECORDS_KEPT
  if MAY.expire[r.status] then
    count(p, r.status, -1)
    count(p, 'expired', 1)
    move(p, r, now, 'expired', actor, 'retention')
  elseif now >= last_day then
    forget(p, id)
    return
  end
  redis.call('ZADD', p .. 'ended', math.max(now + 1, last_day), id)
end

-- Drops tickets that every reader is done with. Never XDEL: on 7.0 it can turn a group's lag into nil.
local function trim(p, stream)
  local key = p .. 'queue:' .. stream
  local pending = redis.call('XPENDING', key, GROUP)
  local bound = pending[2]
  if not bound then
    for _, group in ipairs(redis.call('XINFO', 'GROUPS', key)) do
      local g = {}
      for i = 1, #group, 2 do g[group[i]] = group[i + 1] end
      if g.name == GROUP then bound = g['last-delivered-id'] end
    end
  end
  if bound and bound ~= '0-0' then redis.call('XTRIM', key, 'MINID', '~', bound, 'LIMIT', 10000) end
end

-- Removes consumers of workers that are long gone. One with pending entries stays: deleting it would lose them.
local function remove_idle_consumers(p, stream)
  local key = p .. 'queue:' .. stream
  for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', key, GROUP)) do
    local c = {}
    for i = 1, #consumer, 2 do c[consumer[i]] = consumer[i + 1] end
    if c.pending == 0 and c.idle > CONSUMER_IDLE then redis.call('XGROUP', 'DELCONSUMER', key, GROUP, c.name) end
  end
end

-- leave: 1 worker  2... streams. A worker that ends takes its consumers with it, unless runs are still pending on them.
local function leave(keys, a)
  for i = 2, #a do
    local key = keys[1] .. 'queue:' .. a[i]
    if #redis.call('XPENDING', key, GROUP, '-', '+', 1, a[1]) == 0 then
      redis.call('XGROUP', 'DELCONSUMER', key, GROUP, a[1])
    end
  end
  return { 'ok' }
end

-- sweep: 1 actor  2 most runs per kind  3 lost leases that make a poison run  4 retention ms  5 queue TTL ms
--        6 tools that this process has, separated by spaces  7... streams to trim
-- Answers {'ok', recovered, promoted, unblocked, given up, aged}.
local function sweep(keys, a)
  local p, now = keys[1], clock()
  local actor, most = a[1], a[2]
  local done = { 0, 0, 0, 0, 0 }

  for _, id in ipairs(redis.call('ZRANGE', p .. 'leases', '-inf', now, 'BYSCORE', 'LIMIT', 0, most)) do
    lost_lease(p, now, id, actor, tonumber(a[3]), tonumber(a[4]))
    done[1] = done[1] + 1
  end

  for _, id in ipairs(redis.call('ZRANGE', p .. 'delayed', '-inf', now, 'BYSCORE', 'LIMIT', 0, most)) do
    redis.call('ZREM', p .. 'delayed', id)
    local r = load(p, id)
    if r and r.status == 'queued' and r.where == 'delayed' then
      local ticket = enqueue(p, r, 'again')
      redis.call('HSET', p .. 'run:' .. id, 'where', 'stream', 'stream', 'again', 'ticket', ticket)
    end
    done[2] = done[2] + 1
  end

  for tool in string.gmatch(a[6], '%S+') do
    for _, id in ipairs(redis.call('ZRANGE', p .. 'blocked:' .. tool, 0, tonumber(most) - 1)) do
      local r = load(p, id)
      if not r or not MAY.unblock[r.status] then
        redis.call('ZREM', p .. 'blocked:' .. tool, id)
      else
        leave_waiting(p, r)
        redis.call('HDEL', p .. 'run:' .. id, 'claimed') -- the run's deadline does not count the time it was blocked
        requeue(p, r, now, 'again', actor, tool .. ' is here', 'verdict', '')
      end
      done[3] = done[3] + 1
    end
  end

  for _, waiting in ipairs({ 'queued', 'blocked' }) do
    local late = redis.call('ZRANGE', p .. waiting, '-inf', now - tonumber(a[5]), 'BYSCORE', 'LIMIT', 0, most)
    for _, id in ipairs(late) do
      local r = load(p, id)
      if not r or r.status ~= waiting then
        redis.call('ZREM', p .. waiting, id)
      else
        leave_waiting(p, r)
        r.epoch = r.epoch + 1
        end_run(p, r, now, 'expired', actor, 'queue TTL', tonumber(a[4]), 'verdict', '', 'error', 'queue_ttl')
      end
      done[4] = done[4] + 1
    end
  end

  for _, id in ipairs(redis.call('ZRANGE', p .. 'ended', '-inf', now, 'BYSCORE', 'LIMIT', 0, most)) do
    age(p, now, id, actor)
    done[5] = done[5] + 1
  end

  for i = 7, #a do trim(p, a[i]) end
  if redis.call('SET', p .. 'tidied', now, 'NX', 'PX', 60000) then
    for i = 7, #a do remove_idle_consumers(p, a[i]) end
  end
  return { 'ok', unpack(done) }
end

register('sweep', sweep, { 'allow-oom' })
register('leave', leave, { 'allow-oom' })
