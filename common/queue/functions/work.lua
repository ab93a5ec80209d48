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

local CLAIM_READS = { 'status', 'epoch', 'seq', 'history', 'org', 'project', 'where', 'ticket', 'created', 'kept',
  'keptUntil', 'mode', 'trace', 'inputs', 'claimed', 'made', 'plan' }

-- The run of a ticket, or nil if the ticket no longer counts. Reads only.
local function run_of(p, entry)
  local id, epoch = entry[2][2], tonumber(entry[2][4])
  if not id then return nil end
  local r = { id = id }
  for i, value in ipairs(redis.call('HMGET', p .. 'run:' .. id, unpack(CLAIM_READS))) do r[CLAIM_READS[i]] = value end
  r.counts = r.status and MAY.claim[r.status] and tonumber(r.epoch) == epoch and r.where == 'stream'
  r.epoch, r.seq, r.entry = tonumber(r.epoch), tonumber(r.seq), entry[1]
  r.history, r.kept, r.made = r.history or '', r.kept or '', r.made or ''
  return r
end

-- A ticket that leads nowhere; counted, unless somebody made it by hand.
local function drop_ghost(p, stream, entry, r)
  redis.call('XACK', p .. 'queue:' .. stream, GROUP, entry)
  if (not (r and r.status) or r.ticket == entry) and tonumber(redis.call('HGET', p .. 'stats', 'ghosts') or 0) > 0 then
    count(p, 'ghosts', -1)
  end
end

-- Everything stood still for longer than its inputs are held, and no sweep has come by yet: it waited too long.
local function expire_late(p, now, stream, r, worker)
  redis.call('ZREM', p .. 'queued', r.id)
  count(p, 'queued', -1)
  redis.call('XACK', p .. 'queue:' .. stream, GROUP, r.entry)
  r.epoch = r.epoch + 1
  end_run(p, r, now, 'expired', worker, 'queue TTL', 0, { 'verdict', '', 'error', 'queue_ttl' })
end

-- Makes queued runs running.
local function take(p, now, stream, runs, worker, token, lease)
  local w, till = put_off(), stamp(now + lease)
  for _, r in ipairs(runs) do
    zrem(w, p .. 'queued', r.id)
    zadd(w, p .. 'leases', till, r.id)
    r.epoch = r.epoch + 1
    local fields = { 'where', '', 'stream', stream, 'ticket', r.entry, 'token', token, 'worker', worker }
    if not r.claimed then add(fields, 'claimed', stamp(now)) end
    move(p, r, now, 'running', worker, r.claimed and 'claimed again' or 'first claim', fields, w)
  end
  count(p, 'queued', -#runs, w)
  count(p, 'running', #runs, w)
  count(p, 'claims', #runs, w)
  write_put_off(p, w)
end

-- What the worker needs of a run: everything of one that was begun before, or whose claim is repeated (then nothing is read yet).
local function to_work_on(p, r, now)
  if r.plan ~= false then return { r.id, redis.call('HGETALL', p .. 'run:' .. r.id) } end
  return { r.id, { 'status', r.status, 'epoch', text(r.epoch), 'org', r.org, 'project', r.project, 'mode', r.mode,
    'trace', r.trace or '', 'inputs', r.inputs, 'claimed', r.claimed or stamp(now) } }
end

local MOST_CLAIMED = 256

-- claim: 1 worker  2 token  3 how many  4 lease ms  5 repeat ('1' after a lost reply)  6... streams, first read first
-- Answers {'ok', now, examined, {run, {fields}}, ...}. A call takes at most 256 runs and examines at most 64 tickets beyond
-- what it takes, so `examined` > 0 with no run means: ask again.
local function claim(keys, a)
  local p, now = keys[1], clock()
  local worker, token, wanted, lease = a[1], a[2], math.min(tonumber(a[3]), MOST_CLAIMED), tonumber(a[4])
  local streams = { unpack(a, 6) }
  local reply = { 'ok', now, 0 }

  if a[5] == '1' then
    for _, id in ipairs(already_claimed(p, worker, token, streams)) do
      redis.call('ZADD', p .. 'leases', 'XX', 'GT', stamp(now + lease), id) -- the caller counts from this call
      add(reply, to_work_on(p, { id = id }, now))
    end
    wanted = wanted - (#reply - 3)
  end

  local examined, most = 0, math.max(wanted, 0) + 64
  for _, stream in ipairs(streams) do
    while wanted > 0 and examined < most do
      local batch = redis.call('XREADGROUP', 'GROUP', GROUP, worker, 'COUNT', text(math.min(wanted, most - examined)),
        'STREAMS', p .. 'queue:' .. stream, '>')
      if not batch then break end
      -- All are read before one is written: a record that cannot be read leaves none half taken.
      local runs, ghosts, seen = {}, {}, {}
      for _, entry in ipairs(batch[1][2]) do
        local r = run_of(p, entry)
        local again = r and seen[r.id] -- somebody made a second ticket by hand
        if again then r.counts, r.ticket = false, '' end
        if r then seen[r.id] = true end
        if r and r.counts then add(runs, r) else add(ghosts, { entry[1], r }) end
      end
      examined = examined + #runs + #ghosts
      for _, ghost in ipairs(ghosts) do drop_ghost(p, stream, ghost[1], ghost[2]) end
      local taken = {}
      for _, r in ipairs(runs) do
        local till = tonumber(r.keptUntil or 0)
        if till > 0 and till <= now then expire_late(p, now, stream, r, worker) else add(taken, r) end
      end
      if #taken > 0 then take(p, now, stream, taken, worker, token, lease) end
      for _, r in ipairs(taken) do add(reply, to_work_on(p, r, now)) end
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
    local v = redis.call('HMGET', p .. 'run:' .. a[i], 'status', 'epoch', 'token')
    if v[1] == 'running' and v[2] == a[i + 1] and v[3] == a[i + 2] then
      redis.call('ZADD', p .. 'leases', 'XX', 'GT', till, a[i])
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

local STEP_READS = { 'status', 'epoch', 'seq', 'org', 'project', 'token', 'made', 'trail' }
local END_READS = { 'status', 'epoch', 'seq', 'history', 'org', 'project', 'stream', 'ticket', 'created', 'kept', 'hold',
  'keptUntil', 'token', 'made', 'trail' }

-- `names`, and what the hash says of the steps that change.
local function with_steps(names, a, first)
  if #a < first then return names end
  local all = { unpack(names) }
  for i = first, #a, 6 do add(all, 's.' .. a[i], 't.' .. a[i]) end
  return all
end

-- Step changes come in sixes: index, phase ('begin' | 'end'), step status, facts (a JSON object), artifacts (a
-- JSON array, or empty), blobs of the artifacts. One that is already recorded is passed over, so a repeated call
-- changes nothing; nor does a beginning that comes late, after the end of the same claim's work on the step (t.<n> is
-- `started`, or `started ended epoch`). Adds what the hash is to be given to `fields`; answers how many were new.
local function record_steps(p, r, now, worker, a, first, fields)
  local new = 0
  for i = first, #a, 6 do
    local n, phase, facts = a[i], a[i + 1], a[i + 3]
    local times = r['t.' .. n] or ''
    local late = phase == 'begin' and tonumber(string.match(times, ' (%d+)$') or -1) == r.epoch
    if r['s.' .. n] ~= facts and not late then
      new = new + 1
      r.seq = r.seq + 1
      local at, name, what = stamp(now), string.match(facts, '"name":"([^" ]+)"') or n, 'step.' .. a[i + 2]
      if phase == 'end' then at = (string.match(times, '^%d+') or at) .. ' ' .. at .. ' ' .. text(r.epoch) end
      r['s.' .. n], r['t.' .. n] = facts, at
      r.trail = latest(r.trail or '', TRAIL_KEPT) .. text(r.seq) .. ' ' .. stamp(now) .. ' ' .. what .. ' ' .. name .. '\n'
      add(fields, 's.' .. n, facts, 't.' .. n, at)
      if a[i + 4] ~= '' then
        r.made = r.made == '' and a[i + 5] or r.made .. ' ' .. a[i + 5]
        add(fields, 'a.' .. n, a[i + 4], 'made', r.made)
      end
      announce(p, r, now, what, name, worker, n)
    end
  end
  if new > 0 then add(fields, 'trail', r.trail) end
  return new
end

-- The writes of a worker, of which one call of `advance` makes many. Each begins with 1 run  2 epoch  3 token  4 worker,
-- reads `reads` at the fence, and ends with step changes from `steps` on. `again`, of those that a worker lets go of a run by,
-- is how a repeated one finds the run: its status, and how many epochs on.
local WRITES = {}

-- step: 5 plan (JSON, kept from the first call that has one; or empty)  6 current step's name  7 hold ms for the artifacts
WRITES.step = { reads = STEP_READS, steps = 8 }
function WRITES.step.write(p, now, r, a)
  local made, key, fields = r.made, p .. 'run:' .. r.id, { 'current', a[6] }
  if a[5] ~= '' then redis.call('HSETNX', key, 'plan', a[5]) end
  if record_steps(p, r, now, a[4], a, 8, fields) == 0 then return end
  redis.call('HSET', key, 'seq', text(r.seq), unpack(fields))
  if r.made ~= made then take_pinned(p, r.org, r.made, now + tonumber(a[7])) end
end

-- finish: 5 status  6 verdict  7 quality (JSON)  8 error code or empty  9 retention ms  10 step that failed, or empty
--         11 its message
WRITES.finish = { reads = END_READS, steps = 12, again = function(a) return a[5], 0 end }
function WRITES.finish.write(p, now, r, a, w)
  local fields = {}
  record_steps(p, r, now, a[4], a, 12, fields)
  leave_running(p, r, w)
  if a[5] == 'failed' then bury(p, r, now, a[8], a[10], a[11]) end
  end_run(p, r, now, a[5], a[4], a[8], tonumber(a[9]), add(fields, 'verdict', a[6], 'quality', a[7], 'error', a[8]), w)
end

-- release: 5 delay ms  6 cause. Hands a run back: at once to the stream that is read first, or after a delay.
WRITES.release = { reads = END_READS, steps = 7, again = function() return 'queued', 1 end }
function WRITES.release.write(p, now, r, a)
  local delay, fields, key = tonumber(a[5]), {}, p .. 'run:' .. r.id
  record_steps(p, r, now, a[4], a, 7, fields)
  leave_running(p, r)
  -- Handed back before anything was begun: the run's deadline does not count yet.
  if not r['s.0'] and not redis.call('HGET', key, 's.0') then redis.call('HDEL', key, 'claimed') end
  if delay == 0 then return requeue(p, r, now, 'again', a[4], a[6], fields) end
  r.epoch = r.epoch + 1
  redis.call('ZADD', p .. 'delayed', stamp(now + delay), r.id)
  redis.call('ZADD', p .. 'queued', stamp(now), r.id)
  count(p, 'queued', 1)
  move(p, r, now, 'queued', a[4], a[6],
    add(fields, 'where', 'delayed', 'ticket', '', 'worker', '', 'keptUntil', hold_on(p, r, now)))
end

-- block: 5 tool. Parks a run until some worker has the tool.
WRITES.block = { reads = END_READS, steps = 6, again = function() return 'blocked', 1 end }
function WRITES.block.write(p, now, r, a)
  local fields = {}
  record_steps(p, r, now, a[4], a, 6, fields)
  leave_running(p, r)
  r.epoch = r.epoch + 1
  redis.call('ZADD', p .. 'blocked:' .. a[5], stamp(now), r.id)
  redis.call('ZADD', p .. 'blocked', stamp(now), r.id)
  count(p, 'blocked', 1)
  move(p, r, now, 'blocked', a[4], 'needs ' .. a[5], add(fields, 'where', 'parked', 'ticket', '', 'worker', '',
    'tool', a[5], 'verdict', 'needs_setup', 'keptUntil', hold_on(p, r, now)))
end

local MOST_WRITES = 256

-- advance: for each write: its name (see WRITES), how many words follow, and these. At most one write about a run.
-- Answers {'ok', now, and for each, in order, {'ok'}, {'stale', status, epoch} or {'refused', code, detail}}.
local function advance(keys, a)
  local p, now, writes, reply, i = keys[1], clock(), {}, { 'ok' }, 1
  reply[2] = now
  -- All are looked at before one is written: a record that cannot be read leaves none half made.
  while i < #a do
    local size = tonumber(a[i + 1])
    local words, kind = { unpack(a, i + 2, i + 1 + size) }, WRITES[a[i]]
    if not kind or #writes == MOST_WRITES then return redis.error_reply('ERR no such write, or too many') end
    local write = { words = words, kind = kind }
    if a[i] == 'finish' and not ENDS.finish[words[5]] then
      write.reply = { 'refused', 'bad_status', words[5] }
    else
      local status, later
      if kind.again then status, later = kind.again(words) end
      write.run, write.reply = fence(p, now, words, a[i], with_steps(kind.reads, words, kind.steps), status, later)
    end
    add(writes, write)
    i = i + 2 + size
  end
  local w = put_off()
  for _, write in ipairs(writes) do
    if write.run then write.kind.write(p, now, write.run, write.words, w) end
    add(reply, write.reply or { 'ok' })
  end
  write_put_off(p, w)
  return reply
end

-- Workers must be able to end and extend what they hold when Redis is out of memory; claiming more must not pass.
register('claim', claim)
register('beat', beat, { 'allow-oom' })
register('held', held, { 'no-writes' })
register('advance', advance, { 'allow-oom' })
