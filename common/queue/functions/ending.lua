-- What a run's end leaves behind, and what is kept of those that failed.

local DEAD_KEPT = 10000
local MOST_FAILURE_FIELDS = 400
local OF_TICKET = { 'stream', 'ticket' }

-- What an ended run leaves behind: its blobs are kept for `retention`, and `ended` says when the sweep is to look at it
-- again: to expire it, and later to forget it.
local function end_run(p, r, now, status, actor, cause, retention, fields, w)
  local till = stamp(now + retention)
  zadd(w, p .. 'ended', till, r.id)
  hold_longer(p, r.org, r.kept, now + retention, w)
  hold(p, r.org, r.made, now + retention, w)
  count(p, status, 1, w)
  count(p, 'ended', 1, w) -- for ever, while the counts of statuses go down as runs expire
  if status == 'failed' then count(p, 'ended_failed', 1, w) end
  local was = r.status
  put(fields, 'where', '')
  put(fields, 'ended', stamp(now))
  put(fields, 'expires', till)
  move(p, r, now, status, actor, cause, fields, w)
  -- Ended runs are many, and need less. The ticket of one that was queued may be a ghost, which is known by it.
  call('HDEL', p .. 'run:' .. r.id, 'current', 'claimed', 'hold', 'keptUntil', unpack(was == 'running' and OF_TICKET or {}))
end

-- How often which step failed with which code, per organisation and day, and which run was the last.
local function count_failure(p, r, now, code, step)
  local key = p .. 'failures:' .. r.org .. ':' .. text(math.floor(now / 86400000))
  local group = step .. ' ' .. code
  if call('HLEN', key) >= MOST_FAILURE_FIELDS and call('HEXISTS', key, 'n ' .. group) == 0 then group = ' other' end
  call('HINCRBY', key, 'n ' .. group, '1')
  call('HSET', key, 'l ' .. group, stamp(now) .. ' ' .. r.id)
  call('EXPIRE', key, 8 * 86400)
end

-- Lists a run that was given up on, with the reason, the step, and the last that was heard of it: in a log of all, and
-- in the organisation's dead letters, which it leaves when it is retried.
local function bury(p, r, now, code, step, message)
  local letters = p .. 'dead:' .. r.org
  count_failure(p, r, now, code, step)
  local created = tonumber(r.created) and r.created or stamp(now)
  call('ZADD', p .. 'errors:' .. r.org .. ':' .. code, created, r.id) -- until the record is forgotten
  count(p, 'buried', 1)
  call('HSET', p .. 'run:' .. r.id, 'deadStep', step, 'deadMessage', message)
  call('ZADD', letters, stamp(now), r.id)
  call('ZREMRANGEBYRANK', letters, '0', -(DEAD_KEPT + 1))
  call('XADD', p .. 'dead', 'MAXLEN', '~', DEAD_KEPT, '*', 'run', r.id, 'org', r.org, 'project', r.project,
    'code', code, 'step', step, 'message', message, 'epoch', r.epoch)
end
