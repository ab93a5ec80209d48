-- The sweep: what time alone must bring about. Idempotent and bounded, so every API and worker process runs it.

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
    bury(p, r, 'poison_run', '')
    end_run(p, r, now, 'failed', actor, 'poison_run', retention, 'verdict', 'failed', 'error', 'poison_run',
      'lost', lost)
  else
    requeue(p, r, now, 'again', actor, 'lease lost', 'lost', lost)
  end
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

-- sweep: 1 actor  2 most runs per kind  3 lost leases that make a poison run  4 retention ms  5 queue TTL ms
--        6 tools that this process has, separated by spaces  7... streams to trim
-- Answers {'ok', recovered, promoted, unblocked, expired}.
local function sweep(keys, a)
  local p, now = keys[1], clock()
  local actor, most = a[1], a[2]
  local done = { 0, 0, 0, 0 }

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
      if r and MAY.unblock[r.status] then
        leave_waiting(p, r)
        requeue(p, r, now, 'again', actor, tool .. ' is here', 'verdict', '')
      end
      done[3] = done[3] + 1
    end
  end

  for _, waiting in ipairs({ 'queued', 'blocked' }) do
    local late = redis.call('ZRANGE', p .. waiting, '-inf', now - tonumber(a[5]), 'BYSCORE', 'LIMIT', 0, most)
    for _, id in ipairs(late) do
      local r = load(p, id)
      if r and r.status == waiting then
        leave_waiting(p, r)
        r.epoch = r.epoch + 1
        end_run(p, r, now, 'expired', actor, 'queue TTL', tonumber(a[4]), 'verdict', '', 'error', 'queue_ttl')
      end
      done[4] = done[4] + 1
    end
  end

  for i = 7, #a do trim(p, a[i]) end
  return { 'ok', unpack(done) }
end

register('sweep', sweep, { 'allow-oom' })
