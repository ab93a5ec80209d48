-- The doctor: whether what Redis holds agrees with itself. Each check is one atomic look, so that it is true of a system
-- at work too; a repair restores what the run's hash says, which is the truth, and leaves counting to `recount`.

-- A ticket that nobody has read yet.
local function is_unread(p, r)
  return r.stream and r.ticket and is_after(r.ticket, read_up_to(p, r.stream)) and has_ticket(p, r)
end

local function is_json(text)
  local decoded, value = pcall(cjson.decode, text)
  return decoded and type(value) == 'table'
end

-- What makes the record useless; nil if nothing does.
local function broken_part(p, r)
  for _, field in ipairs({ 'org', 'project', 'epoch', 'seq' }) do
    if not r[field] then return field end
  end
  if not tonumber(r.created) then return 'created' end
  if not TERMINAL[r.status] and not MAY.cancel[r.status] then return 'status ' .. r.status end
  if TERMINAL[r.status] and not tonumber(r.ended) then return 'ended' end
  local key = p .. 'run:' .. r.id
  local fixed = '\n' .. (call('HGET', key, 'fixed') or '')
  local function fact(field) return call('HGET', key, field) or string.match(fixed, '\n' .. field .. ' ([^\n]*)') end
  if not is_json(fact('inputs')) then return 'inputs' end
  -- An earlier build of this schema wrote `doc`, which said what `mode` and `user` say.
  local doc = fact('doc')
  if doc and not is_json(doc) or not doc and not fact('mode') then return 'doc' end
  for line in string.gmatch(call('HGET', key, 'steps') or '', '[^\n]+') do
    local more = string.match(line, '^%d+ %d+ %S+ %d+ %S+ %d+ %S+ %d+ %S+(.*)$')
    if not more or more ~= '' and not is_json(more) then return 'steps' end
  end
  local n = 0
  local facts = call('HGET', key, 's.0')
  while facts do
    if not is_json(facts) then return 's.' .. n end
    n = n + 1
    facts = call('HGET', key, 's.' .. n)
  end
end

-- Adds what is wrong with the run's place: the sorted sets, the ticket, the indexes, and the holds of its blobs.
local function check_whole(p, now, r, hold_ms, say)
  local key, ended = p .. 'run:' .. r.id, TERMINAL[r.status]
  local function entry(zset, wanted, score)
    local there = call('ZSCORE', p .. zset, r.id)
    if there and not wanted then
      say('stray_entry', zset, function() call('ZREM', p .. zset, r.id) end)
    elseif wanted and not there then
      say('missing_entry', zset, function() call('ZADD', p .. zset, score, r.id) end)
    end
  end
  local expires = tonumber(call('HGET', key, 'expires') or '') or now
  entry('queued', r.status == 'queued', now)
  entry('delayed', r.status == 'queued' and r.where == 'delayed', now) -- the sweep takes it from there
  local held = r.status == 'queued' and r.where == 'held' and r.held_by and r.held_by ~= ''
  if r.held_by and r.held_by ~= '' then
    entry('held:' .. r.held_by, held, r.created)
    if held and call('SISMEMBER', p .. 'holds', r.held_by) == 0 then -- where the sweep looks
      say('missing_entry', 'holds', function() call('SADD', p .. 'holds', r.held_by) end)
    end
  end
  entry('leases', r.status == 'running', now)
  entry('blocked', r.status == 'blocked', now)
  if r.status == 'blocked' then entry('blocked:' .. (r.tool or ''), true, now) end
  entry('ended', ended, r.status == 'expired' and now + RECORDS_KEPT or expires)

  if r.status == 'queued' and r.where ~= 'delayed' and not held and (r.where ~= 'stream' or not is_unread(p, r)) then
    say('ticket_lost', tostring(r.stream) .. ' ' .. tostring(r.ticket), function()
      r.epoch = r.epoch + 1
      call('ZADD', p .. 'queued', now, r.id)
      move(p, r, now, 'queued', 'doctor', 'its ticket was lost', { 'where', 'stream', 'stream', 'again', 'ticket',
        enqueue(p, r, 'again'), 'worker', '' })
    end)
  end
  if r.status == 'running' then
    local stream = p .. 'queue:' .. (r.stream or '')
    local pending = redis.pcall('XPENDING', stream, GROUP, r.ticket, r.ticket, 1)
    if pending.err or #pending == 0 then
      local detail = tostring(r.stream) .. ' ' .. tostring(r.ticket)
      local there = redis.pcall('XRANGE', stream, r.ticket, r.ticket)
      if there.err or #there == 0 then
        say('ticket_not_pending', detail) -- trimmed meanwhile: only a count is wrong, until the run ends
      else
        say('ticket_not_pending', detail, function()
          call('XCLAIM', stream, GROUP, r.worker, 0, r.ticket, 'FORCE', 'JUSTID')
        end)
      end
    end
  end

  entry('runs:' .. r.org, true, r.created)
  entry('runs:' .. r.org .. ':' .. r.project, true, r.created)
  for _, status in ipairs(STATUSES) do entry('runs:' .. r.org .. ':' .. status, r.status == status, r.created) end
  if r.root ~= '' then entry('retries:' .. r.root, true, r.created) end
  if call('EXISTS', p .. 'project:' .. r.project) == 0 then say('project_missing', r.project) end

  if r.status == 'expired' then return '' end
  local till = ended and expires or now + 1
  local shas = r.kept .. ' ' .. r.made
  for sha in string.gmatch(shas, '%S+') do
    local held = tonumber(call('ZSCORE', p .. 'retained', r.org .. '/' .. sha) or 0)
    if held < till and till > now then
      say('blob_not_held', sha, function() hold(p, r.org, sha, ended and expires or now + hold_ms) end)
    end
  end
  return till > now and shas or ''
end

-- examine: 1 repair ('1' or empty)  2 hold ms for inputs of live runs  3... runs
-- Answers {'ok', {run, status or empty, org, blobs that must be there, {kind, detail, repaired 0|1}...}...}.
local function examine(keys, a)
  local p, now = keys[1], clock()
  local reply = { 'ok' }
  for i = 3, #a do
    local found = { a[i], '', '', '' }
    local function say(kind, detail, mend)
      local mends = a[1] == '1' and mend ~= nil
      if mends then mend() end
      found[#found + 1] = { kind, detail, mends and 1 or 0 }
    end
    local r = load(p, a[i])
    local broken = r and broken_part(p, r)
    if not r and call('EXISTS', p .. 'run:' .. a[i]) == 1 then broken = 'status' end
    if broken then
      say('broken_record', broken)
    elseif not r then
      for _, zset in ipairs({ 'queued', 'delayed', 'leases', 'blocked', 'ended' }) do
        if call('ZSCORE', p .. zset, a[i]) then
          say('entry_without_run', zset, function() call('ZREM', p .. zset, a[i]) end)
        end
      end
    else
      local v = call('HMGET', p .. 'run:' .. r.id, 'root', 'worker')
      r.root, r.worker = v[1] or '', v[2] or ''
      found[2], found[3] = r.status, r.org
      found[4] = check_whole(p, now, r, tonumber(a[2]), say)
    end
    reply[#reply + 1] = found
  end
  return reply
end

-- examine_index: 1 repair  2 index (a zset of run ids, without the prefix)  3... runs in it. Takes out those that are no more.
-- Answers {'ok', run...} with these.
local function examine_index(keys, a)
  local p, reply = keys[1], { 'ok' }
  for i = 3, #a do
    if call('EXISTS', p .. 'run:' .. a[i]) == 0 and call('ZSCORE', p .. a[2], a[i]) then
      if a[1] == '1' then call('ZREM', p .. a[2], a[i]) end
      reply[#reply + 1] = a[i]
    end
  end
  return reply
end

-- examine_pending: 1 repair  2 stream  3... ids of pending tickets. One that is no running run's is acknowledged.
-- Answers {'ok', id...} with these.
local function examine_pending(keys, a)
  local p, reply = keys[1], { 'ok' }
  local key = p .. 'queue:' .. a[2]
  for i = 3, #a do
    if #call('XPENDING', key, GROUP, a[i], a[i], 1) > 0 then
      local ticket = call('XRANGE', key, a[i], a[i])[1]
      local r = ticket and ticket[2][2] and load(p, ticket[2][2])
      if not r or r.status ~= 'running' or r.ticket ~= a[i] or r.stream ~= a[2] then
        if a[1] == '1' then call('XACK', key, GROUP, a[i]) end
        reply[#reply + 1] = a[i]
      end
    end
  end
  return reply
end

local MOST_UNREAD = 20000
local ENDED_COUNTS = { 'complete', 'ready', 'failed', 'expired', 'canceled', 'forgotten', 'accepted' }

-- endings (read only): the counters of ended runs as one text: equal texts, no run has ended, come or gone in between.
local function endings(keys)
  local v = call('HMGET', keys[1] .. 'stats', unpack(ENDED_COUNTS))
  for i = 1, #v do v[i] = v[i] or '0' end
  return table.concat(v, ' ')
end

-- Unread tickets that no longer count, and that a claim will take off the counter; nil if there are too many to be counted.
local function ghosts_in(p, stream)
  local group = group_of(p .. 'queue:' .. stream)
  if not group then return nil end
  local unread = call('XRANGE', p .. 'queue:' .. stream, '(' .. group['last-delivered-id'], '+', 'COUNT', MOST_UNREAD)
  if #unread == MOST_UNREAD then return nil end
  local ghosts = 0
  for _, entry in ipairs(unread) do
    local r = entry[2][2] and load(p, entry[2][2])
    local counts = r and MAY.claim[r.status] and r.epoch == tonumber(entry[2][4]) and r.where == 'stream'
    if not counts and (not r or r.ticket == entry[1]) then ghosts = ghosts + 1 end
  end
  return ghosts
end

-- recount: 1 repair  2 streams, separated by spaces  3 endings before the runs were counted  4... (status, counted)
-- Answers {'ok', 1 if the counts of ended runs could be compared, {counter, says, is}...}.
local function recount(keys, a)
  local p = keys[1]
  local reply = { 'ok', endings(keys) == a[3] and 1 or 0 }
  local function compare(counter, is)
    local says = tonumber(call('HGET', p .. 'stats', counter) or 0)
    if says == is then return end
    if a[1] == '1' then call('HSET', p .. 'stats', counter, is) end
    reply[#reply + 1] = { counter, tostring(says), tostring(is) }
  end
  compare('queued', call('ZCARD', p .. 'queued'))
  compare('running', call('ZCARD', p .. 'leases'))
  compare('blocked', call('ZCARD', p .. 'blocked'))
  local held = 0
  for _, what in ipairs(call('SMEMBERS', p .. 'holds')) do held = held + call('ZCARD', p .. 'held:' .. what) end
  compare('held', held)
  local ghosts = 0
  for stream in string.gmatch(a[2], '%S+') do
    local here = ghosts_in(p, stream)
    ghosts = ghosts and here and ghosts + here
  end
  if ghosts then compare('ghosts', ghosts) end
  if reply[2] == 1 then
    for i = 4, #a, 2 do compare(a[i], tonumber(a[i + 1])) end
  end
  return reply
end

register('examine', examine)
register('examine_index', examine_index)
register('examine_pending', examine_pending)
register('endings', endings, { 'no-writes' })
register('recount', recount)
