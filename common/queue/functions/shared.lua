-- What all functions share: the clock, the record, the feed, the counters, and the fence.

local SCHEMA = '1'
local EVENTS_KEPT = 20000
local FENCED_KEPT = 1000
local HISTORY_KEPT = 4000 -- bytes
local TRAIL_KEPT = 16000 -- bytes: some 150 steps
local DEAD_KEPT = 10000
local RECORDS_KEPT = 90 * 86400000 -- ms after the end
local GROUP = 'workers'
-- A second group on the same streams, read without acknowledging: its only use is to wake one idle worker per ticket.
-- The tickets themselves are taken by `claim`, in the same step that makes the run running.
local BELL = 'bell'

-- Milliseconds since the epoch by Redis' clock: the only clock that decides anything.
local function clock()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

local function count(p, field, by)
  redis.call('HINCRBY', p .. 'stats', field, by)
end

local function load(p, id)
  local v = redis.call('HMGET', p .. 'run:' .. id, 'status', 'epoch', 'token', 'seq', 'org', 'project', 'where',
    'stream', 'ticket', 'history', 'created', 'kept', 'made', 'lost', 'class', 'ended', 'tool', 'hold', 'keptUntil')
  if not v[1] then return nil end
  return { id = id, status = v[1], epoch = tonumber(v[2]), token = v[3], seq = tonumber(v[4]), org = v[5],
    project = v[6], where = v[7], stream = v[8], ticket = v[9], history = v[10] or '', created = v[11],
    kept = v[12] or '', made = v[13] or '', lost = tonumber(v[14] or 0), class = v[15], ended = v[16], tool = v[17],
    -- An earlier build of this schema wrote no `hold`; it is what it kept the inputs for.
    hold = tonumber(v[18] or tonumber(v[19] or 0) - tonumber(v[11] or 0)), kept_until = tonumber(v[19] or 0) }
end

-- The live feed. `what` is `run.<status>` or `step.<status>` (then `name` is the step's); seq orders the events of one run.
-- What is said here can be rebuilt from the run's hash (`history` and `trail`) when the feed has been trimmed.
local function announce(p, r, now, what, name, actor, cause)
  redis.call('XADD', p .. 'events', 'MAXLEN', '~', EVENTS_KEPT, '*', 'run', r.id, 'seq', r.seq, 'type', what,
    'name', name, 'at', now, 'org', r.org, 'project', r.project, 'by', actor, 'cause', cause, 'epoch', r.epoch)
end

-- Bounded: a run that is handed on for ever keeps the latest lines of its story.
local function latest(lines, most)
  if #lines <= most then return lines end
  return string.match(string.sub(lines, -most), '\n(.*)')
end

-- Every transition goes through here: status, sequence, epoch and history in the hash, the list of the status, the feed.
-- The remaining arguments are further fields of the hash.
local function move(p, r, now, status, actor, cause, ...)
  r.seq = r.seq + 1
  if r.status ~= status then
    local lists = p .. 'runs:' .. r.org .. ':'
    if r.status then redis.call('ZREM', lists .. r.status, r.id) end
    redis.call('ZADD', lists .. status, tonumber(r.created) or now, r.id)
  end
  r.status = status
  r.history = latest(r.history, HISTORY_KEPT) .. r.seq .. ' ' .. now .. ' ' .. status .. ' ' .. actor .. '\n'
  redis.call('HSET', p .. 'run:' .. r.id, 'status', status, 'seq', r.seq, 'epoch', r.epoch, 'history', r.history, ...)
  announce(p, r, now, 'run.' .. status, '', actor, cause)
end

-- A queued run's ticket. The epoch in it makes it worthless as soon as the run has moved on.
local function enqueue(p, r, stream)
  return redis.call('XADD', p .. 'queue:' .. stream, '*', 'run', r.id, 'epoch', r.epoch)
end

-- Blobs are named `<org>/<sha256>` in `retained`, scored by the time until which they must be kept; never lowered.
local function hold(p, org, shas, till)
  for sha in string.gmatch(shas, '%S+') do
    redis.call('ZADD', p .. 'retained', 'GT', till, org .. '/' .. sha)
  end
end

-- Blobs that are being written are `pinned` in the same way, and retained when a run takes them: what is only pinned may not
-- be there yet, and nobody else may count on it.
local function pin_blobs(p, org, shas, till)
  for sha in string.gmatch(shas, '%S+') do
    redis.call('ZADD', p .. 'pinned', 'GT', till, org .. '/' .. sha)
  end
end

local function take_pinned(p, org, shas, till)
  hold(p, org, shas, till)
  for sha in string.gmatch(shas, '%S+') do redis.call('ZREM', p .. 'pinned', org .. '/' .. sha) end
end

-- The same for a live run that begins to wait again: what it needs is held for as long as at its accept, so that neither
-- waiting, being blocked nor being handed on can outlast it. Answers until when, for the hash.
local function hold_on(p, r, now)
  hold(p, r.org, r.kept .. ' ' .. r.made, now + r.hold)
  return now + r.hold
end

local function requeue(p, r, now, stream, actor, cause, ...)
  r.epoch = r.epoch + 1
  local ticket = enqueue(p, r, stream)
  redis.call('ZADD', p .. 'queued', now, r.id) -- not by accept time: the queue TTL is for runs that nobody takes
  count(p, 'queued', 1)
  move(p, r, now, 'queued', actor, cause, 'where', 'stream', 'stream', stream, 'ticket', ticket, 'worker', '',
    'keptUntil', hold_on(p, r, now), ...)
end

-- What XINFO says of our group on a stream, by field; nil if there is no such group.
local function group_of(stream)
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    local g = {}
    for i = 1, #group, 2 do g[group[i]] = group[i + 1] end
    if g.name == GROUP then return g end
  end
end

-- Takes a running run out of everything that says it is running.
local function leave_running(p, r)
  redis.call('XACK', p .. 'queue:' .. r.stream, GROUP, r.ticket)
  redis.call('ZREM', p .. 'leases', r.id)
  count(p, 'running', -1)
end

-- Takes a queued or blocked run out of its place. A ticket already in a stream stays there as a ghost: it no longer
-- counts, and the claim that meets it acknowledges it.
local function leave_waiting(p, r)
  if r.status == 'queued' then
    redis.call('ZREM', p .. 'queued', r.id)
    count(p, 'queued', -1)
    if r.where == 'delayed' then
      redis.call('ZREM', p .. 'delayed', r.id)
    else
      count(p, 'ghosts', 1)
    end
  else
    redis.call('ZREM', p .. 'blocked:' .. r.tool, r.id)
    redis.call('ZREM', p .. 'blocked', r.id)
    count(p, 'blocked', -1)
  end
end

-- What an ended run leaves behind: its blobs are kept for `retention`, and `ended` says when the sweep is to look at it
-- again: to expire it, and later to forget it.
local function end_run(p, r, now, status, actor, cause, retention, ...)
  redis.call('ZADD', p .. 'ended', now + retention, r.id)
  hold(p, r.org, r.kept, now + retention)
  hold(p, r.org, r.made, now + retention)
  count(p, status, 1)
  move(p, r, now, status, actor, cause, 'where', '', 'ended', now, 'expires', now + retention, 'current', '', ...)
end

-- Lists a run that was given up on, with the reason, the step, and the last that was heard of it: in a log of all, and
-- in the organisation's dead letters, which it leaves when it is retried.
local function bury(p, r, now, code, step, message)
  local letters = p .. 'dead:' .. r.org
  redis.call('HSET', p .. 'run:' .. r.id, 'deadStep', step, 'deadMessage', message)
  redis.call('ZADD', letters, now, r.id)
  redis.call('ZREMRANGEBYRANK', letters, 0, -(DEAD_KEPT + 1))
  redis.call('XADD', p .. 'dead', 'MAXLEN', '~', DEAD_KEPT, '*', 'run', r.id, 'org', r.org, 'project', r.project,
    'code', code, 'step', step, 'message', message, 'epoch', r.epoch)
end

-- The fence. Answers the record if (epoch, token) hold the run now; otherwise nil and what to reply. A refused write
-- is counted (apart, when a cancel is the reason) and listed.
local function fence(p, now, id, epoch, token, worker, what)
  local r = load(p, id)
  if r and r.status == 'running' and r.epoch == tonumber(epoch) and r.token == token then return r end
  local status = r and r.status or 'unknown'
  local current = r and r.epoch or 0
  count(p, status == 'canceled' and 'fenced_canceled' or 'fenced', 1)
  redis.call('XADD', p .. 'fenced', 'MAXLEN', '~', FENCED_KEPT, '*', 'run', id, 'worker', worker, 'what', what,
    'epoch', epoch, 'current', current, 'status', status)
  return nil, { 'stale', status, current }
end

-- A call repeated after a lost reply finds what it did the first time: the token is still the caller's and the run is
-- where that call left it.
local function repeated(p, id, epoch, token, status)
  local v = redis.call('HMGET', p .. 'run:' .. id, 'status', 'epoch', 'token')
  return v[1] == status and tonumber(v[2]) == epoch and v[3] == token
end

local function register(name, callback, flags)
  redis.register_function { function_name = '@PREFIX@' .. name, callback = callback, flags = flags }
end
