-- What a worker does with a run, from claim to finish. Every call names (run, epoch, token); see `fence`.

-- Runs that this worker took with this very token: the answer to a claim whose first reply was lost.
local function already_claimed(p, worker, token, streams)
  local found = {}
  for _, stream in ipairs(streams) do
    local mine = call('XPENDING', p .. 'queue:' .. stream, GROUP, '-', '+', 5000, worker) -- more than it may hold
    for _, entry in ipairs(mine) do
      local ticket = call('XRANGE', p .. 'queue:' .. stream, entry[1], entry[1])[1]
      local id = ticket and ticket[2][2]
      if id and call('HGET', p .. 'run:' .. id, 'token') == token then found[#found + 1] = id end
    end
  end
  return found
end

local CLAIM_READS = { 'status', 'epoch', 'seq', 'history', 'org', 'project', 'where', 'ticket', 'created', 'fixed', 'hold',
  'claimed', 'keptUntil', 'steps', 'trail' }

-- The run of a ticket: whether the ticket `counts`, and whether the record is too `broken` to be worked on. Reads only.
local function run_of(p, entry)
  local id, epoch = entry[2][2], entry[2][4]
  if not id then return nil end
  local v = call('HMGET', p .. 'run:' .. id, unpack(CLAIM_READS))
  local status, seq, created = v[1], tonumber(v[3]), v[9]
  return { id = id, entry = entry[1], status = status, epoch = tonumber(v[2]), seq = seq, history = v[4] or '', org = v[5],
    project = v[6], ticket = v[8], created = created, fixed = v[10], claimed = v[12], begun = v[14] ~= false or v[15] ~= false,
    counts = status and MAY.claim[status] and v[2] == epoch and v[7] == 'stream', broken = not (seq and v[5] and v[6]),
    till = tonumber(v[13] or (tonumber(created) or 0) + (tonumber(v[11]) or 0)) or 0 }
end

-- A ticket that leads nowhere; counted, unless somebody made it by hand.
local function drop_ghost(p, stream, entry, r)
  call('XACK', p .. 'queue:' .. stream, GROUP, entry)
  if (not (r and r.status) or r.ticket == entry) and tonumber(call('HGET', p .. 'stats', 'ghosts') or 0) > 0 then
    count(p, 'ghosts', -1)
  end
end

-- Everything stood still for longer than its inputs are held, and no sweep has come by yet: it waited too long.
local function expire_late(p, now, stream, r, worker)
  local whole = load(p, r.id)
  call('ZREM', p .. 'queued', r.id)
  count(p, 'queued', -1)
  call('XACK', p .. 'queue:' .. stream, GROUP, r.entry)
  whole.epoch = whole.epoch + 1
  end_run(p, whole, now, 'expired', worker, 'queue TTL', 0, { 'verdict', '', 'error', 'queue_ttl' })
end

-- Makes queued runs running.
local function take(p, now, stream, runs, worker, token, lease)
  local w, till = put_off(), stamp(now + lease)
  for i = 1, #runs do
    local r = runs[i]
    zrem(w, p .. 'queued', r.id)
    zadd(w, p .. 'leases', till, r.id)
    r.epoch = r.epoch + 1
    local fields = { 'where', '', 'stream', stream, 'ticket', r.entry, 'token', token, 'worker', worker,
      'claimed', r.claimed or stamp(now) }
    move(p, r, now, 'running', worker, r.claimed and 'claimed again' or 'first claim', fields, w)
  end
  count(p, 'queued', -#runs, w)
  count(p, 'running', #runs, w)
  count(p, 'claims', #runs, w)
  write_put_off(p, w)
end

-- What the worker needs of a run: everything of one that was begun before, or whose claim is repeated (then nothing is read yet).
local function to_work_on(p, r, now)
  if r.begun or not r.fixed then return { r.id, call('HGETALL', p .. 'run:' .. r.id) } end
  return { r.id, { 'status', r.status, 'epoch', text(r.epoch), 'org', r.org, 'project', r.project,
    'fixed', r.fixed, 'created', r.created or '', 'claimed', r.claimed or stamp(now) } }
end

local MOST_CLAIMED = 256

-- claim: 1 worker  2 token  3 how many  4 lease ms  5 repeat ('1' after a lost reply)  6... streams, first read first
-- Answers {'ok', now, examined, {run, {fields}}, ...}. A call takes at most 256 new runs and examines at most 64 tickets beyond
-- what it takes, so `examined` > 0 with no run means: ask again.
local function claim(keys, a)
  local p, now = keys[1], clock()
  local worker, token, wanted, lease = a[1], a[2], math.min(tonumber(a[3]), MOST_CLAIMED), tonumber(a[4])
  local streams = { unpack(a, 6) }
  local reply = { 'ok', now, 0 }

  if a[5] == '1' then
    for _, id in ipairs(already_claimed(p, worker, token, streams)) do
      call('ZADD', p .. 'leases', 'XX', 'GT', stamp(now + lease), id) -- the caller counts from this call
      add(reply, to_work_on(p, { id = id }, now))
    end
    wanted = wanted - (#reply - 3)
  end

  local examined, most, paused = 0, math.max(wanted, 0) + 64, pauses(p)
  if paused and paused.all then return reply end
  for _, stream in ipairs(streams) do
    while wanted > 0 and examined < most do
      local batch = call('XREADGROUP', 'GROUP', GROUP, worker, 'COUNT', text(math.min(wanted, most - examined)),
        'STREAMS', p .. 'queue:' .. stream, '>')
      if not batch then break end
      -- All are read before one is written: a record that cannot be read leaves none half taken.
      local runs, ghosts, seen = {}, {}, {}
      for _, entry in ipairs(batch[1][2]) do
        local r = run_of(p, entry)
        if r and r.counts and seen[r.id] then r.counts, r.ticket = false, '' end -- somebody made a second ticket by hand
        if r and r.counts and not r.broken then
          seen[r.id] = true
          runs[#runs + 1] = r
        elseif not (r and r.counts) then
          ghosts[#ghosts + 1] = { entry[1], r }
        end -- else it stays pending, for the doctor to tell of
      end
      examined = examined + #batch[1][2]
      for _, ghost in ipairs(ghosts) do drop_ghost(p, stream, ghost[1], ghost[2]) end
      local taken = {}
      for _, r in ipairs(runs) do
        if r.till > 0 and r.till <= now then expire_late(p, now, stream, r, worker)
        elseif not set_aside(p, stream, r, paused) then taken[#taken + 1] = r end
      end
      if #taken > 0 then take(p, now, stream, taken, worker, token, lease) end
      for i = 1, #taken do reply[#reply + 1] = to_work_on(p, taken[i], now) end
      wanted = wanted - #taken
    end
  end
  reply[3] = examined
  return reply
end

-- beat: 1 worker  2 lease ms  3... (run, epoch, token) for each run held.
-- Answers {'ok', now, {run, status, epoch}, ...} with the runs that are no longer the caller's.
local function beat(keys, a)
  local p, now = keys[1], clock()
  local reply, till = { 'ok', now }, stamp(now + tonumber(a[2]))
  for i = 3, #a, 3 do
    local v = call('HMGET', p .. 'run:' .. a[i], 'status', 'epoch', 'token')
    if v[1] == 'running' and v[2] == a[i + 1] and v[3] == a[i + 2] then
      call('ZADD', p .. 'leases', 'XX', 'GT', till, a[i])
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
    local v = call('HMGET', keys[1] .. 'run:' .. a[i], 'status', 'epoch')
    if v[1] ~= 'running' or v[2] ~= a[i + 1] then reply[#reply + 1] = { a[i], v[1] or 'unknown', v[2] or '0' } end
  end
  return reply
end

-- Where a write finds what it has read of its run.
local STATUS, EPOCH, SEQ, ORG, PROJECT, TOKEN, CREATED, STEPS = 1, 2, 3, 4, 5, 6, 7, 8
local HISTORY, STREAM, TICKET, FIXED, HOLD, KEPT, KEPT_UNTIL, MADE = 9, 10, 11, 12, 13, 14, 15, 16
local STEP_READS = { 'status', 'epoch', 'seq', 'org', 'project', 'token', 'created', 'steps' }
local END_READS = { 'status', 'epoch', 'seq', 'org', 'project', 'token', 'created', 'steps', 'history', 'stream', 'ticket',
  'fixed', 'hold', 'kept', 'keptUntil', 'made' }

-- The fence: every write of a worker begins with (run, epoch, token, worker), at a[i]. Answers nil if that claim holds the run
-- now; else what to reply. A call repeated after a lost reply finds what it did the first time (the token is still the
-- caller's, and the run where that call left it: in `status`, `later` epochs on) and is answered ok. Reads only.
local function fence(v, a, i, status, later)
  if v[STATUS] == 'running' and v[EPOCH] == a[i + 1] and v[TOKEN] == a[i + 2] then return nil end
  local found, current = v[STATUS] or 'unknown', v[EPOCH] or '0'
  if v[TOKEN] == a[i + 2] and found == status and tonumber(current) == tonumber(a[i + 1]) + later then return { 'ok' } end
  return { 'stale', found, tonumber(current) }
end

-- A refused write is counted (apart, when a cancel is the reason) and listed.
local function list_stale(p, a, i, what, stale)
  count(p, stale[2] == 'canceled' and 'fenced_canceled' or 'fenced', 1)
  call('XADD', p .. 'fenced', 'MAXLEN', '~', FENCED_KEPT, '*', 'run', a[i], 'worker', a[i + 3], 'what', what,
    'epoch', a[i + 1], 'current', text(stale[3]), 'status', stale[2])
end

-- What a write cannot do without; nil if all of it is there. Makes a number of the sequence.
local function missing_in(v, kind)
  v[SEQ] = tonumber(v[SEQ])
  if not v[SEQ] or not v[ORG] or not v[PROJECT] then return 'seq, org or project' end
  if kind.reads == END_READS and not (v[STREAM] and v[TICKET]) then return 'stream or ticket' end
end

-- The run of a write that ends a worker's claim.
local function claimed_run(v, a, i)
  return { id = a[i], status = v[STATUS], epoch = tonumber(v[EPOCH]), seq = v[SEQ], org = v[ORG],
    project = v[PROJECT], made = v[MADE] or '', steps = v[STEPS] or '', history = v[HISTORY] or '', stream = v[STREAM],
    ticket = v[TICKET], created = v[CREATED], kept = kept_of(v[KEPT], v[FIXED]), hold = v[HOLD], kept_until = v[KEPT_UNTIL] }
end

-- The writes of a worker, of which one call of `advance` makes many. Each begins with run, epoch, token and worker, at a[i];
-- then come its own words (5, 6 ...), and from the word `steps` on, until a[last], step changes. `v` is what was read.
-- `again`, of those that let go of a run, is how a repeated one finds it: the status, and how many epochs on.
local WRITES = {}

-- step: 5 plan (name and digest of each step, kept from the first call that has one; or empty)  6 current step's name  7 hold ms for the artifacts
WRITES.step = { name = 'step', reads = STEP_READS }
function WRITES.step.write(p, now, v, a, i, last)
  local key, fields = p .. 'run:' .. a[i], { 'current', a[i + 5] }
  local r = { id = a[i], epoch = tonumber(v[EPOCH]), seq = v[SEQ], org = v[ORG], project = v[PROJECT],
    created = v[CREATED], steps = v[STEPS] or '' }
  if a[i + 4] ~= '' then call('HSETNX', key, 'plan', a[i + 4]) end
  if record_steps(p, r, now, a, i + 7, last, a[i + 3], fields) == 0 then return end
  call('HSET', key, 'seq', text(r.seq), unpack(fields))
  if r.makes then take_pinned(p, r.org, r.made, now + tonumber(a[i + 6])) end
end

-- finish: 5 status  6 verdict  7 quality (JSON)  8 error code or empty  9 retention ms  10 step that failed, or empty
--         11 its message
WRITES.finish = { name = 'finish', reads = END_READS, again = function(a, i) return a[i + 4], 0 end }
function WRITES.finish.write(p, now, v, a, i, last, w)
  local r, fields = claimed_run(v, a, i), { 'verdict', a[i + 5] }
  if a[i + 6] ~= '' then put(fields, 'quality', a[i + 6]) end
  if a[i + 7] ~= '' then put(fields, 'error', a[i + 7]) end
  record_steps(p, r, now, a, i + 11, last, a[i + 3], fields)
  leave_running(p, r, w)
  if a[i + 4] == 'failed' then bury(p, r, now, a[i + 7], a[i + 9], a[i + 10]) end
  end_run(p, r, now, a[i + 4], a[i + 3], a[i + 7], tonumber(a[i + 8]), fields, w)
end

-- release: 5 delay ms  6 cause. Hands a run back: at once to the stream that is read first, or after a delay.
WRITES.release = { name = 'release', reads = END_READS, again = function() return 'queued', 1 end }
function WRITES.release.write(p, now, v, a, i, last)
  local r, delay, fields, key = claimed_run(v, a, i), tonumber(a[i + 4]), {}, p .. 'run:' .. a[i]
  local recorded = record_steps(p, r, now, a, i + 6, last, a[i + 3], fields)
  leave_running(p, r)
  -- Handed back before anything was begun: the run's deadline does not count yet.
  if recorded == 0 and r.steps == '' and not call('HGET', key, 's.0') then call('HDEL', key, 'claimed') end
  if delay == 0 then return requeue(p, r, now, 'again', a[i + 3], a[i + 5], fields) end
  r.epoch = r.epoch + 1
  call('ZADD', p .. 'delayed', stamp(now + delay), r.id)
  call('ZADD', p .. 'queued', stamp(now), r.id)
  count(p, 'queued', 1)
  move(p, r, now, 'queued', a[i + 3], a[i + 5],
    add(fields, 'where', 'delayed', 'ticket', '', 'worker', '', 'keptUntil', hold_on(p, r, now)))
end

-- block: 5 tool. Parks a run until some worker has the tool.
WRITES.block = { name = 'block', reads = END_READS, again = function() return 'blocked', 1 end }
function WRITES.block.write(p, now, v, a, i, last)
  local r, tool, fields = claimed_run(v, a, i), a[i + 4], {}
  record_steps(p, r, now, a, i + 5, last, a[i + 3], fields)
  leave_running(p, r)
  r.epoch = r.epoch + 1
  call('ZADD', p .. 'blocked:' .. tool, stamp(now), r.id)
  call('ZADD', p .. 'blocked', stamp(now), r.id)
  count(p, 'blocked', 1)
  move(p, r, now, 'blocked', a[i + 3], 'needs ' .. tool, add(fields, 'where', 'parked', 'ticket', '', 'worker', '',
    'tool', tool, 'verdict', 'needs_setup', 'keptUntil', hold_on(p, r, now)))
end

local MOST_WORDS = 100000

-- advance: for each write: its name (see WRITES), how many words follow, and these. At most one write about a run.
-- Answers {'ok', now, and for each, in order, {'ok'}, {'stale', status, epoch} or {'refused', code, detail}}.
local function advance(keys, a)
  local p, now, size = keys[1], clock(), #a
  local reply, writes, i = { 'ok', now }, {}, 1
  if size > MOST_WORDS then return redis.error_reply('ERR too many writes in one call') end
  -- All are looked at before one is written: a record that cannot be read leaves none half made.
  while i < size do
    local kind, first, last = WRITES[a[i]], i + 2, i + 1 + tonumber(a[i + 1])
    if not kind then return redis.error_reply('ERR there is no such write: ' .. a[i]) end
    local answer, v
    if kind == WRITES.finish and not ENDS.finish[a[first + 4]] then
      answer = { 'refused', 'bad_status', a[first + 4] }
    else
      local status, later
      v = call('HMGET', p .. 'run:' .. a[first], unpack(kind.reads))
      if kind.again then status, later = kind.again(a, first) end
      answer = fence(v, a, first, status, later)
      local missing = not answer and missing_in(v, kind)
      if missing then return redis.error_reply('ERR the record of ' .. a[first] .. ' has no ' .. missing) end
    end
    reply[#reply + 1] = answer or false
    writes[#writes + 1] = { kind = kind, first = first, last = last, v = v }
    i = last + 1
  end
  local w, done = put_off(), { 'ok' }
  for n = 1, #writes do
    local write, answer = writes[n], reply[n + 2]
    if not answer then
      write.kind.write(p, now, write.v, a, write.first, write.last, w)
      reply[n + 2] = done
    elseif answer[1] == 'stale' then
      list_stale(p, a, write.first, write.kind.name, answer)
    end
  end
  write_put_off(p, w)
  return reply
end

-- Workers must be able to end and extend what they hold when Redis is out of memory; claiming more must not pass.
register('claim', claim)
register('beat', beat, { 'allow-oom' })
register('held', held, { 'no-writes' })
register('advance', advance, { 'allow-oom' })
