-- Accepting: the one way into the queue, for a start and for a retry.

-- Year*12+month of a time, by the proleptic Gregorian calendar in integers ("days from civil", inverted).
local function month_of(ms)
  local z = math.floor(ms / 86400000) + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local mp = math.floor((5 * doy + 2) / 153)
  local month = mp < 10 and mp + 3 or mp - 9
  local year = yoe + era * 400 + (month <= 2 and 1 or 0)
  return year * 12 + month - 1
end

local function queue_facts(p)
  local oldest = redis.call('ZRANGE', p .. 'queued', 0, 0, 'WITHSCORES')
  return redis.call('ZCARD', p .. 'queued'), tonumber(oldest[2] or 0)
end

-- The project that the run belongs to: given by id, or found by name, or (unless `new_id` is empty) made.
local function project_of(p, org, id, name, new_id)
  if id == '' then
    id = redis.call('HGET', p .. 'projectnames:' .. org, name)
    if not id then return nil, new_id end
  end
  local v = redis.call('HMGET', p .. 'project:' .. id, 'org', 'status')
  if v[1] ~= org then return nil, nil end
  return v[2], id
end

-- A project's mode has two values for new writes; a sample belongs to a flagship project.
local function create_project(p, now, org, id, name, api_name, run_mode)
  local mode = run_mode == 'stainless_compatible' and run_mode or 'flagship'
  redis.call('HSET', p .. 'project:' .. id, 'id', id, 'org', org, 'name', name, 'apiName', api_name, 'mode', mode,
    'status', 'active', 'created', now, 'updated', now, 'runs', 0)
  redis.call('HSET', p .. 'projectnames:' .. org, name, id)
  redis.call('ZADD', p .. 'projects:' .. org, now, id)
end

-- What the organisation and its plan refuse, in the order of the contract: project, then plan, then quota.
-- Answers a refusal, or nil and the limit, the use so far and the month.
local function refusal_of(p, now, org, status, project)
  if not project then return { 'refused', 'project_not_found', '' } end
  if status == 'archived' then return { 'refused', 'project_archived', project } end
  local o = redis.call('HMGET', p .. 'org:' .. org, 'plan', 'limit', 'month', 'used', 'schema')
  local month = month_of(now)
  local limit, used = o[2] or '', tonumber(o[3] or 0) == month and tonumber(o[4] or 0) or 0
  if o[5] ~= SCHEMA then return { 'refused', 'schema_mismatch', o[5] or 'none' } end
  if o[1] ~= 'active' then return { 'refused', 'plan_inactive', '' } end
  if limit ~= '' and used >= tonumber(limit) then
    return { 'refused', 'quota_exceeded', 'the monthly quota of ' .. limit .. ' runs is used up' }
  end
  return nil, limit, used, month
end

-- What the inputs' retention or the queue's depth refuses; nil if nothing. A start has just put its inputs, and pinned them
-- before; a retry counts on what others have put, so for it a pin is not enough.
local function no_room_or_input(p, now, org, blobs, depth, own)
  for sha in string.gmatch(blobs, '%S+') do
    local till = tonumber(redis.call('ZSCORE', p .. 'retained', org .. '/' .. sha) or 0)
    if own and till <= now then till = tonumber(redis.call('ZSCORE', p .. 'pinned', org .. '/' .. sha) or 0) end
    if till <= now then return { 'refused', 'inputs_not_retained', sha } end
  end
  local queued, oldest = queue_facts(p)
  if queued >= tonumber(depth) then return { 'refused', 'queue_full', queued .. ' runs are queued' } end
  return nil, queued, oldest
end

-- forecast (read only): 1 org  2 project, or empty  3 blobs  4 depth. Answers {'ok'}, or what accept would refuse now.
local function forecast(keys, a)
  local p, now = keys[1], clock()
  local status, id = nil, ''
  if a[2] ~= '' then status, id = project_of(p, a[1], a[2], '', '') end
  local refused = refusal_of(p, now, a[1], status, id)
  if not refused then refused = no_room_or_input(p, now, a[1], a[3], a[4], false) end
  return refused or { 'ok' }
end

-- accept
--   1 run        id, made by the caller, so that the call can be repeated     2 org
--   3 project    id; or empty and                                             4 project_name, found or created
--   5 new_project  id for it, if it has to be created                         6 api_name
--   7 mode   8 class   9 doc (immutable facts, a JSON object)                 10 inputs (input summary, a JSON object)
--  11 blobs      SHA-256 of the inputs, separated by spaces                  12 source run, or empty for a start
--  13 reason of a retry                                                       14 actor
--  15 hold       ms that the inputs must stay (queue TTL + run deadline + 1 h)
--  16 depth      most runs that may be queued                                 17 idem hash or empty
--  18 fingerprint of the request                                              19 ms to keep the idem record
--  20 trace      a traceparent                                               21 request id
-- Answers {'accepted', now, kept_until, queued, oldest, limit, used, month, root, nth, {project}}
--      or {'replayed' | 'repeated', run} or refused: run_not_found project_not_found project_archived plan_inactive
--         quota_exceeded inputs_not_retained queue_full idempotency_key_reused schema_mismatch
local function accept(keys, a)
  local p, now = keys[1], clock()
  local run, org, project, source = a[1], a[2], a[3], a[12]
  local key = p .. 'run:' .. run

  if a[17] ~= '' then
    local seen = redis.call('GET', p .. 'idem:' .. a[17])
    if seen then
      local fingerprint, first = string.match(seen, '^(%S+) (%S+)$')
      if fingerprint ~= a[18] then return { 'refused', 'idempotency_key_reused', '' } end
      return { 'replayed', first }
    end
  end
  if redis.call('EXISTS', key) == 1 then return { 'repeated', run } end -- our own call, whose reply was lost

  local root, nth = '', 0
  if source ~= '' then
    local s = redis.call('HMGET', p .. 'run:' .. source, 'org', 'root', 'project')
    if s[1] ~= org then return { 'refused', 'run_not_found', source } end
    root = (s[2] and s[2] ~= '') and s[2] or source
    project = s[3]
  end

  local status, id = project_of(p, org, project, a[4], a[5])
  local refused, limit, used, month = refusal_of(p, now, org, status, id)
  if refused then return refused end

  local no_room, queued, oldest = no_room_or_input(p, now, org, a[11], a[16], source == '')
  if no_room then return no_room end

  -- Nothing above has written; from here on nothing refuses.
  if not status then create_project(p, now, org, id, a[4], a[6], a[7]) end
  redis.call('HINCRBY', p .. 'project:' .. id, 'runs', 1)
  redis.call('HSET', p .. 'project:' .. id, 'updated', now)
  redis.call('HSET', p .. 'org:' .. org, 'month', month, 'used', used + 1)
  if root ~= '' then
    redis.call('ZREM', p .. 'dead:' .. org, source) -- a dead letter that is retried is one no longer
    redis.call('ZADD', p .. 'retries:' .. root, now, run)
    nth = redis.call('ZCARD', p .. 'retries:' .. root)
  end

  local kept_until = now + tonumber(a[15])
  take_pinned(p, org, a[11], kept_until)
  local r = { id = run, org = org, project = id, created = now, seq = 0, epoch = 0, history = '' }
  local ticket = enqueue(p, r, a[8])
  redis.call('ZADD', p .. 'queued', now, run)
  redis.call('ZADD', p .. 'runs:' .. org, now, run)
  redis.call('ZADD', p .. 'runs:' .. org .. ':' .. id, now, run)
  count(p, 'queued', 1)
  count(p, 'accepted', 1)
  move(p, r, now, 'queued', a[14], source ~= '' and 'retry of ' .. source or 'start', 'v', SCHEMA, 'org', org,
    'project', id, 'mode', a[7], 'class', a[8], 'where', 'stream', 'stream', a[8], 'ticket', ticket, 'created', now,
    'doc', a[9], 'inputs', a[10], 'kept', a[11], 'hold', a[15], 'keptUntil', kept_until, 'source', source,
    'root', root, 'nth', nth, 'reason', a[13], 'trace', a[20] or '', 'request', a[21] or '')
  if a[17] ~= '' then redis.call('SET', p .. 'idem:' .. a[17], a[18] .. ' ' .. run, 'PX', a[19]) end

  return { 'accepted', now, kept_until, queued + 1, oldest == 0 and now or oldest, limit, used + 1, month, root, nth,
    redis.call('HGETALL', p .. 'project:' .. id) }
end

-- cancel: 1 run  2 org  3 token (made by the caller)  4 actor  5 reason  6 retention ms. From queued, running and
-- blocked at once; the epoch moves on, so whoever was working on it is fenced off.
-- Answers {'ok'} or {'refused', 'run_not_found' | 'run_not_cancelable', status}.
local function cancel(keys, a)
  local p, now = keys[1], clock()
  local r = load(p, a[1])
  if not r or r.org ~= a[2] then return { 'refused', 'run_not_found', '' } end
  if not MAY.cancel[r.status] then
    if r.status == 'canceled' and r.token == a[3] then return { 'ok' } end
    return { 'refused', 'run_not_cancelable', r.status }
  end
  if r.status == 'running' then leave_running(p, r) else leave_waiting(p, r) end
  r.epoch = r.epoch + 1
  end_run(p, r, now, 'canceled', a[4], a[5], tonumber(a[6]), 'verdict', 'canceled', 'token', a[3])
  return { 'ok' }
end

register('accept', accept)
register('forecast', forecast, { 'no-writes' })
register('cancel', cancel, { 'allow-oom' })
