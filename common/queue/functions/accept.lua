-- Accepting: the one way into the queue, for a start and for a retry.

-- Year*12+month of a day, by the proleptic Gregorian calendar in integers ("days from civil", inverted).
local function month_of_day(day)
  local z = day + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local mp = math.floor((5 * doy + 2) / 153)
  local month = mp < 10 and mp + 3 or mp - 9
  local year = yoe + era * 400 + (month <= 2 and 1 or 0)
  return year * 12 + month - 1
end

local known_day, known_month, known_text
local function month_of(ms)
  local day = math.floor(ms / 86400000)
  if day ~= known_day then
    known_day, known_month = day, month_of_day(day)
    known_text = text(known_month)
  end
  return known_month, known_text
end

-- Many runs are accepted in one call, each as if it came after the one before. All are decided before the first is made, so
-- that nothing is left half done by a record that somebody broke. `l` is what the call has looked at so far, each thing once.
-- Every retry goes through here, so tables, strings and commands are few: Lua is most of what a call costs.
local function look(p, now, made)
  return { p = p, now = now, orgs = {}, projects = {}, names = {}, sources = {}, keys = {}, made = made }
end

local function queued_of(l)
  l.queued = l.queued or call('ZCARD', l.p .. 'queued')
  return l.queued
end

-- A project by its id; nil if it is no project of `org`.
local function project_by_id(l, org, id)
  local project = l.projects[id]
  if not project then
    local v = call('HMGET', l.p .. 'project:' .. id, 'org', 'status', 'runs')
    project = { id = id, org = v[1], status = v[2], runs = tonumber(v[3] or 0) or 0, made = v[1] and true }
    l.projects[id] = project
  end
  return project.org == org and project or nil
end

-- The project that the run belongs to: given by id, or found by name, or (unless `new_id` is empty) to be made.
local function project_of(l, org, id, name, new_id)
  if id ~= '' then return project_by_id(l, org, id) end
  local named = org .. ' ' .. name
  id = l.names[named] or call('HGET', l.p .. 'projectnames:' .. org, name)
  if id then return project_by_id(l, org, id) end
  if new_id == '' then return nil end
  l.names[named], l.projects[new_id] = new_id, { id = new_id, org = org, status = 'active', runs = 0 }
  return l.projects[new_id]
end

-- A project's mode has two values for new writes; a sample belongs to a flagship project.
local function create_project(p, now, org, id, name, api_name, run_mode)
  local mode = run_mode == 'stainless_compatible' and run_mode or 'flagship'
  call('HSET', p .. 'project:' .. id, 'id', id, 'org', org, 'name', name, 'apiName', api_name, 'mode', mode,
    'status', 'active', 'created', now, 'updated', now, 'runs', '0')
  call('HSET', p .. 'projectnames:' .. org, name, id)
  call('ZADD', p .. 'projects:' .. org, now, id)
  return true
end

local function org_of(l, org)
  local o = l.orgs[org]
  if o then return o end
  local v = call('HMGET', l.p .. 'org:' .. org, 'plan', 'limit', 'month', 'used', 'schema')
  local month, as_text = month_of(l.now)
  o = { name = org, plan = v[1], limit = v[2] or '', month = month, month_text = as_text, schema = v[5], inputs = {},
    used = v[3] == as_text and tonumber(v[4] or 0) or 0 }
  l.orgs[org] = o
  return o
end

-- What the organisation and its plan refuse, in the order of the contract: project, then plan, then quota.
local function refusal_of(l, org, project)
  if not project then return { 'refused', 'project_not_found', '' } end
  if project.status == 'archived' then return { 'refused', 'project_archived', project.id } end
  local o = org_of(l, org)
  if o.schema ~= SCHEMA then return { 'refused', 'schema_mismatch', o.schema or 'none' } end
  if o.plan ~= 'active' then return { 'refused', 'plan_inactive', '' } end
  if o.limit ~= '' and o.used >= o.limit + 0 then
    return { 'refused', 'quota_exceeded', 'the monthly quota of ' .. o.limit .. ' runs is used up' }
  end
end

-- An organisation's inputs as they are retained: names, digests and times in turn.
local function inputs_of(l, o, shas)
  local inputs = o.inputs[shas]
  if inputs then return inputs end
  inputs = {}
  for i, sha in ipairs(words_of(shas)) do
    local blob = o.name .. '/' .. sha
    inputs[3 * i - 2], inputs[3 * i - 1], inputs[3 * i] = blob, sha, (call('ZSCORE', l.p .. 'retained', blob) or 0) + 0
  end
  o.inputs[shas] = inputs
  return inputs
end

-- What the inputs' retention or the queue's depth refuses; nil if nothing. A start has just put its inputs, and pinned them
-- before; a retry counts on what others have put, so for it a pin is not enough.
local function no_room_or_input(l, org, shas, depth, own)
  local inputs = inputs_of(l, org_of(l, org), shas)
  for i = 1, #inputs, 3 do
    local till = inputs[i + 2]
    if own and till <= l.now then till = tonumber(call('ZSCORE', l.p .. 'pinned', inputs[i]) or 0) end
    if till <= l.now then return { 'refused', 'inputs_not_retained', inputs[i + 1] } end
  end
  local queued = queued_of(l)
  if queued >= depth + 0 then return { 'refused', 'queue_full', queued .. ' runs are queued' } end
end

-- forecast (read only): 1 org  2 project, or empty  3 blobs  4 depth. Answers {'ok'}, or what accept would refuse now.
local function forecast(keys, a)
  local l = look(keys[1], clock())
  local project = a[2] == '' and { id = '' } or project_of(l, a[1], a[2], '', '')
  return refusal_of(l, a[1], project) or no_room_or_input(l, a[1], a[3], a[4], false) or { 'ok' }
end

-- What a retry takes from its source; nil if it is no run of `org`.
local function source_of(l, org, id)
  local s = l.sources[id]
  if not s then
    local v = call('HMGET', l.p .. 'run:' .. id, 'status', 'seq', 'org', 'project', 'root')
    s = { org = v[3], seq = v[2] or '0', status = v[1] or '', root = (v[5] and v[5] ~= '') and v[5] or id, project = v[4] or '',
      dead = v[1] == 'failed' or v[1] == 'expired' }
    l.sources[id] = s
  end
  return s.org == org and s or nil
end

local NO_SOURCE = { seq = '0', status = '', root = '', project = '' }

-- What a call says of each run: the words follow each other from one run's first.
local RUN, ORG, PROJECT, PROJECT_NAME, NEW_PROJECT, API_NAME, MODE, CLASS = 0, 1, 2, 3, 4, 5, 6, 7
local FIXED, BLOBS, SOURCE, ACTOR, IDEM, FINGERPRINT = 8, 9, 10, 11, 12, 13
local PER_RUN, MOST_RUNS = 14, 256

-- Our own call has made this run already, and its reply was lost.
local function is_there(p, run)
  return call('EXISTS', p .. 'run:' .. run) == 1
end

-- Decides on the run whose words begin at `i`. Answers what refuses it or makes it needless; or nil, and what was found. Unless
-- `l.made` is given, what is taken may be there already.
local function decide(l, a, i, depth)
  local org, source, idem = a[i + ORG], a[i + SOURCE], a[i + IDEM]
  if idem ~= '' then
    local seen = l.keys[idem] or call('GET', l.p .. 'idem:' .. idem)
    if seen then
      local fingerprint, first = string.match(seen, '^(%S+) (%S+)$')
      if fingerprint ~= a[i + FINGERPRINT] then return { 'refused', 'idempotency_key_reused', '' } end
      return { 'replayed', first }
    end
  end
  local run, made = a[i + RUN], l.made
  if made and (made[run] or is_there(l.p, run)) then return { 'repeated', run } end
  local from = source == '' and NO_SOURCE or source_of(l, org, source)
  local project = from and
    project_of(l, org, source == '' and a[i + PROJECT] or from.project, a[i + PROJECT_NAME], a[i + NEW_PROJECT])
  local no = not from and { 'refused', 'run_not_found', source } or refusal_of(l, org, project) or
    no_room_or_input(l, org, a[i + BLOBS], depth, source == '')
  if no then return not made and is_there(l.p, run) and { 'repeated', run } or no end

  -- Taken. Whoever comes after it in this call finds the world with it.
  local o = l.orgs[org]
  o.used, l.queued, project.runs = o.used + 1, l.queued + 1, project.runs + 1
  if idem ~= '' then l.keys[idem] = a[i + FINGERPRINT] .. ' ' .. run end
  if made then made[run] = true end
  return nil, { at = i, from = from, project = project, org = o, used = o.used, queued = l.queued, runs = project.runs }
end

local function decide_all(l, a, kept_until)
  local answers, taken = { 'ok', l.now, kept_until }, {}
  for i = 4, #a, PER_RUN do
    local answer, n = decide(l, a, i, a[2])
    answers[#answers + 1] = answer or n
    taken[#taken + 1] = n
  end
  return answers, taken
end

-- One more entry of a sorted set; all have the same score.
local function list(of, score, member)
  if of.entries then put(of.entries, score, member) else of.entries = { score, member } end
end

-- Lists the runs that were taken as their organisations'. Answers whether they are all new there: this list has every run that
-- there is, and a run's id is made for one call, so one that is listed already was made by this very call before.
local function list_new(l, a, taken, today)
  local new = 0
  for i = 1, #taken do list(taken[i].org, today, a[taken[i].at]) end
  for name, o in pairs(l.orgs) do
    if o.entries then new = new + call('ZADD', l.p .. 'runs:' .. name, 'NX', unpack(o.entries)) end
  end
  return new == #taken
end

-- The organisations' counts, the projects, and the other indexes of all runs that were taken.
local function write_around(l, a, taken, today, till)
  local p = l.p
  for k = 1, #taken do
    local n = taken[k]
    local i, project = n.at, n.project
    local run = a[i]
    if not project.made then
      project.made = create_project(p, today, n.org.name, project.id, a[i + PROJECT_NAME], a[i + API_NAME], a[i + MODE])
    end
    list(l, today, run)
    list(project, today, run)
    local inputs = n.org.inputs[a[i + BLOBS]]
    if n.from ~= NO_SOURCE then
      list(n.from, today, run)
    else
      for j = 1, #inputs, 3 do call('ZREM', p .. 'pinned', inputs[j]) end
    end
    if not inputs.held then
      for j = 1, #inputs, 3 do call('ZADD', p .. 'retained', 'GT', till, inputs[j]) end
      inputs.held = true
    end
  end
  local count = text(#taken)
  call('HINCRBY', p .. 'stats', 'queued', count)
  call('HINCRBY', p .. 'stats', 'accepted', count)
  call('ZADD', p .. 'queued', unpack(l.entries))
  for name, o in pairs(l.orgs) do
    if o.entries then
      call('HSET', p .. 'org:' .. name, 'month', o.month_text, 'used', text(o.used))
      call('ZADD', p .. 'runs:' .. name .. ':queued', unpack(o.entries))
    end
  end
  for id, project in pairs(l.projects) do
    if project.entries then
      call('HSET', p .. 'project:' .. id, 'runs', text(project.runs), 'updated', today)
      call('ZADD', p .. 'runs:' .. project.org .. ':' .. id, unpack(project.entries))
    end
  end
  for id, source in pairs(l.sources) do
    if source.entries then
      call('ZADD', p .. 'retries:' .. source.root, unpack(source.entries))
      if source.dead then call('ZREM', p .. 'dead:' .. source.org, id) end -- retried: a dead letter no longer
    end
  end
end

-- Which retry of its line each run is: the last ones, in their order.
local function number_retries(p, taken)
  local numbers = {}
  for i = #taken, 1, -1 do
    local root = taken[i].from.root
    if root ~= '' then
      local n = numbers[root] or call('ZCARD', p .. 'retries:' .. root)
      taken[i].nth, numbers[root] = n, n - 1
    end
  end
end

-- Where a retry stands in its line. Most are retries of the first run of all: then `root` is the source, too.
local NO_LINE = {}
local function line_of(n, source)
  local root = n.from.root
  if source == '' then return NO_LINE end
  if source == root then return { 'root', root, 'nth', text(n.nth) } end
  return { 'root', root, 'nth', text(n.nth), 'source', source }
end

-- The run itself, its ticket, and its first event. The order of the fields is that of the list which a small hash is, and is
-- searched as: what every later write reads comes first.
local function begin(p, a, n, today)
  local i, from, project = n.at, n.from, n.project
  local run, org, actor, source, class = a[i], n.org.name, a[i + ACTOR], a[i + SOURCE], a[i + CLASS]
  local ticket = call('XADD', p .. 'queue:' .. class, '*', 'run', run, 'epoch', '0')
  call('HSET', p .. 'run:' .. run, 'status', 'queued', 'seq', '1', 'epoch', '0',
    'history', '1 ' .. today .. ' queued ' .. actor .. '\n', 'org', org, 'project', project.id, 'where', 'stream',
    'stream', class, 'ticket', ticket, 'created', today, 'hold', a[1], 'fixed', a[i + FIXED], unpack(line_of(n, source)))
  call('XADD', p .. 'events', 'MAXLEN', '~', EVENTS_KEPT, '*', 'run', run, 'seq', '1', 'type', 'run.queued',
    'name', '', 'at', today, 'org', org, 'project', project.id, 'by', actor,
    'cause', source == '' and 'start' or 'retry of ' .. source, 'epoch', '0',
    'trace', between('\ntrace ', '\n', a[i + FIXED]) or '') -- the caller's: whoever joins traces begins here
  if a[i + IDEM] ~= '' then call('SET', p .. 'idem:' .. a[i + IDEM], a[i + FINGERPRINT] .. ' ' .. run, 'PX', a[3]) end
end

-- accept: 1 hold: ms that the inputs must stay (queue TTL + run deadline + 1 h)  2 depth: most runs that may be queued
--         3 ms to keep an idem record; then for each run:
--   run        id, made by the caller, so that the call can be repeated         org
--   project    id; or empty and                                                 project_name, found or created
--   new_project  id for it, if it has to be created                             api_name
--   mode   class                                                                fixed: what never changes (records.hpp)
--   blobs      SHA-256 of the inputs, separated by spaces                       source run, or empty for a start
--   actor      idem hash or empty                                               fingerprint of the request
-- Answers {'ok', now, kept_until, and for each run, in order, one of}
--   {'accepted', project, runs of the project, queued, limit, used, month, root, nth,
--    seq and status of the source}   {'replayed' | 'repeated', run}   or refused: run_not_found project_not_found project_archived
--   plan_inactive quota_exceeded inputs_not_retained queue_full idempotency_key_reused schema_mismatch
-- A run that is named twice is made once; the second may be refused, if the first has taken the last room.
local function accept(keys, a)
  if #a > 3 + MOST_RUNS * PER_RUN then return redis.error_reply('ERR too many runs in one call') end
  local p, now = keys[1], clock()
  local kept_until = now + a[1]
  local today, till = stamp(now), stamp(kept_until)

  -- Hardly ever is a call repeated, so whether it is need not be asked of each run beforehand: the first write tells.
  local l = look(p, now, nil)
  local answers, taken = decide_all(l, a, kept_until)
  if #taken == 0 then return answers end
  if not list_new(l, a, taken, today) then
    l = look(p, now, {}) -- some are there: without them nobody finds less room, so all others are taken again
    answers, taken = decide_all(l, a, kept_until)
    if #taken == 0 then return answers end
    list_new(l, a, taken, today)
  end

  write_around(l, a, taken, today, till)
  number_retries(p, taken)
  for i = 1, #taken do begin(p, a, taken[i], today) end
  for i = 4, #answers do
    local n = answers[i]
    if n.at then
      answers[i] = { 'accepted', n.project.id, n.runs, n.queued, n.org.limit, n.used, n.org.month, n.from.root,
        n.nth or 0, n.from.seq, n.from.status }
    end
  end
  return answers
end

register('accept', accept)
register('forecast', forecast, { 'no-writes' })
