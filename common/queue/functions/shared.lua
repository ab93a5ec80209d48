-- What all functions share: the clock, the record, the feed, and the counters.

-- A global is looked up in two tables at each use; these are looked up once, by the first call: while a library is loaded, there
-- are none (see `register`).
local function globals() return redis.call, tonumber, pairs, ipairs, unpack, string, table, math end
local call, tonumber, pairs, ipairs, unpack, string, table, math

local SCHEMA = '1'
local EVENTS_KEPT = '20000'
local FENCED_KEPT = '1000'
local HISTORY_KEPT = 4000 -- bytes
local TRAIL_KEPT = 16000 -- bytes: some 150 steps
local RECORDS_KEPT = 90 * 86400000 -- ms after the end
local GROUP = 'workers'
-- A second group on the same streams, read without acknowledging: its only use is to wake one idle worker per ticket.
-- The tickets themselves are taken by `claim`, in the same step that makes the run running.
local BELL = 'bell'

-- Redis makes text of each number that a command is given, by printf with 17 digits: more than half of what a small command
-- costs altogether. So numbers become text here, once, and those that come again are kept.
local TEXTS = {}
local function text(n)
  local known = TEXTS[n]
  if known then return known end
  known = string.format('%d', n)
  if n > -256 and n < 256 then TEXTS[n] = known end
  return known
end

-- Milliseconds since the epoch by Redis' clock, the only clock that decides anything; `stamp` is a time as text.
local stamped, stamp_text = 0, '0'
local function clock()
  local t = call('TIME')
  stamp_text = t[1] .. string.sub('00000' .. t[2], -6, -4)
  stamped = stamp_text + 0
  return stamped
end

local function stamp(ms)
  if ms == stamped then return stamp_text end
  return string.format('%d', ms)
end

-- Append to a list: what a call is about to write into a run's hash (field, value, field, value ...), for one. `put` is for two,
-- without a table in between.
local function put(list, first, second)
  local n = #list
  list[n + 1], list[n + 2] = first, second
end

local function add(list, ...)
  local n, more = #list, { ... }
  for i = 1, #more do list[n + i] = more[i] end
  return list
end

-- A call about many runs puts off what it writes beside their hashes and the feed, so that each key is written in one command
-- at the end. Without it (`w` is nil) all is written at once. A run is in at most one place of each.
local function put_off() return { zadd = {}, zrem = {}, xack = {}, held = {}, held_longer = {}, counts = {} } end

local function put_into(lists, key, first, second)
  local list = lists[key]
  if list then put(list, first, second) else lists[key] = { first, second } end
end

local function zadd(w, key, score, member)
  if w then put_into(w.zadd, key, score, member) else call('ZADD', key, score, member) end
end

local function zrem(w, key, member)
  if w then put_into(w.zrem, key, member) else call('ZREM', key, member) end
end

local function xack(w, key, ticket)
  if w then put_into(w.xack, key, ticket) else call('XACK', key, GROUP, ticket) end
end

local function count(p, field, by, w)
  if w then
    w.counts[field] = (w.counts[field] or 0) + by
  else
    call('HINCRBY', p .. 'stats', field, text(by))
  end
end

-- The words of a text. By plain searches, for a pattern is tried at each byte; and kept for the next to ask, for many runs have the
-- same inputs: whoever asks for the same text gets the same table, which is not to be changed.
local asked, words_asked = '', {}
local function words_of(list)
  if list == asked then return words_asked end
  local words, n, from, size = {}, 0, 1, #list
  while from <= size do
    local at = string.find(list, ' ', from, true) or size + 1
    if at > from then
      n = n + 1
      words[n] = string.sub(list, from, at - 1)
    end
    from = at + 1
  end
  asked, words_asked = list, words
  return words
end

-- Blobs are named `<org>/<sha256>` in `retained`, scored by the time until which they must be kept; never lowered.
local function retain(p, org, shas, till, later, known)
  if shas == '' then return end -- nor forget the words of the last inputs for it
  local named = words_of(shas)
  for i = 1, #named do
    local blob = org .. '/' .. named[i]
    if later then
      later[blob] = math.max(later[blob] or 0, till)
    elseif known then
      call('ZADD', p .. 'retained', 'XX', 'GT', stamp(till), blob)
    else
      call('ZADD', p .. 'retained', 'GT', stamp(till), blob)
    end
  end
end

local function hold(p, org, shas, till, w) retain(p, org, shas, till, w and w.held) end

-- The same for a run's inputs, which were held before. A run that stood still for longer than that may find them dropped: then
-- they are no longer on disk, and no retry may count on them.
local function hold_longer(p, org, shas, till, w) retain(p, org, shas, till, w and w.held_longer, true) end

local function write_put_off(p, w)
  for key, list in pairs(w.zrem) do call('ZREM', key, unpack(list)) end
  for key, list in pairs(w.zadd) do call('ZADD', key, unpack(list)) end
  for key, list in pairs(w.xack) do call('XACK', key, GROUP, unpack(list)) end
  for blob, till in pairs(w.held) do call('ZADD', p .. 'retained', 'GT', stamp(till), blob) end
  for blob, till in pairs(w.held_longer) do call('ZADD', p .. 'retained', 'XX', 'GT', stamp(till), blob) end
  for field, by in pairs(w.counts) do call('HINCRBY', p .. 'stats', field, text(by)) end
end

-- For how long a run's inputs are held. An earlier build of this schema wrote no `hold`; it is what it kept the inputs for.
local function hold_of(r)
  return tonumber(r.hold or tonumber(r.kept_until or 0) - tonumber(r.created or 0))
end

-- What stands between `mark` and `stop` in `whole`, from `at` on, and where that is; nil if there is no such thing. By plain
-- searches: a pattern that is not anchored is tried at each byte, which costs more than all else that is done with a run.
local function between(mark, stop, whole, at)
  local _, before = string.find(whole, mark, at or 1, true)
  if not before then return nil end
  local behind = string.find(whole, stop, before + 1, true) or #whole + 1
  return string.sub(whole, before + 1, behind - 1), behind
end

-- The digests of a run's inputs. An earlier build of this schema wrote them a second time, as `kept`.
local function kept_of(kept, fixed)
  if kept or not fixed then return kept or '' end
  local sha, at = between('"sha256":"', '"', fixed) -- within texts, quotes are escaped
  local shas = sha or ''
  while sha do
    sha, at = between('"sha256":"', '"', fixed, at)
    if sha then shas = shas .. ' ' .. sha end
  end
  return shas
end

local function load(p, id)
  local v = call('HMGET', p .. 'run:' .. id, 'status', 'epoch', 'token', 'seq', 'org', 'project', 'where',
    'stream', 'ticket', 'history', 'created', 'kept', 'made', 'lost', 'ended', 'tool', 'hold', 'keptUntil', 'heldBy',
    'fixed')
  if not v[1] then return nil end
  return { id = id, status = v[1], epoch = tonumber(v[2]), token = v[3], seq = tonumber(v[4]), org = v[5],
    project = v[6], where = v[7], stream = v[8], ticket = v[9], history = v[10] or '', created = v[11],
    kept = kept_of(v[12], v[20]), made = v[13] or '', lost = tonumber(v[14] or 0), ended = v[15], tool = v[16], held_by = v[19],
    hold = v[17], kept_until = v[18], fixed = v[20] }
end

-- The live feed. `what` is `run.<status>` or `step.<status>` (then `name` is the step's); seq orders the events of one run.
-- What is said here can be rebuilt from the run's hash (`history`, `steps` and `trail`) when the feed has been trimmed.
-- The feed's key, and the numbers as text, are made by the caller: once for several events.
local function announce(feed, r, seq, at, epoch, what, name, actor, cause)
  call('XADD', feed, 'MAXLEN', '~', EVENTS_KEPT, '*', 'run', r.id, 'seq', seq, 'type', what, 'name', name, 'at', at,
    'org', r.org, 'project', r.project, 'by', actor, 'cause', cause, 'epoch', epoch)
end

-- Bounded: a run that is handed on for ever keeps the latest lines of its story.
local function latest(lines, most)
  if #lines <= most then return lines end
  return string.match(string.sub(lines, -most), '\n(.*)')
end

-- Moves a run from the list of its status to another, in which it stands by its accept time.
local function relist(p, r, now, status, w)
  local lists = p .. 'runs:' .. r.org .. ':'
  if r.status then zrem(w, lists .. r.status, r.id) end
  zadd(w, lists .. status, tonumber(r.created) and r.created or stamp(now), r.id)
end

-- Every transition goes through here: status, sequence, epoch and history in the hash, the list of the status, the feed.
-- `fields` is what else is to be written into the hash.
local function move(p, r, now, status, actor, cause, fields, w)
  r.seq = r.seq + 1
  if r.status ~= status then relist(p, r, now, status, w) end
  r.status = status
  local seq, at, epoch = text(r.seq), stamp(now), text(r.epoch)
  r.history = latest(r.history, HISTORY_KEPT) .. seq .. ' ' .. at .. ' ' .. status .. ' ' .. actor .. '\n'
  call('HSET', p .. 'run:' .. r.id, 'status', status, 'seq', seq, 'epoch', epoch, 'history', r.history, unpack(fields))
  announce(p .. 'events', r, seq, at, epoch, 'run.' .. status, '', actor, cause)
end

-- A queued run's ticket. The epoch in it makes it worthless as soon as the run has moved on.
local function enqueue(p, r, stream)
  return call('XADD', p .. 'queue:' .. stream, '*', 'run', r.id, 'epoch', text(r.epoch))
end

-- Blobs that are being written are `pinned` in the same way, and retained when a run takes them: what is only pinned may not
-- be there yet, and nobody else may count on it.
local function pin_blobs(p, org, shas, till)
  local t = stamp(till)
  for _, sha in ipairs(words_of(shas)) do call('ZADD', p .. 'pinned', 'GT', t, org .. '/' .. sha) end
end

local function take_pinned(p, org, shas, till)
  hold(p, org, shas, till)
  for _, sha in ipairs(words_of(shas)) do call('ZREM', p .. 'pinned', org .. '/' .. sha) end
end

-- The same for a live run that begins to wait again: what it needs is held for as long as at its accept, so that neither
-- waiting, being blocked nor being handed on can outlast it. Answers until when, for the hash.
local function hold_on(p, r, now)
  local till = now + hold_of(r)
  hold_longer(p, r.org, r.kept, till)
  hold(p, r.org, r.made, till)
  return stamp(till)
end

local function requeue(p, r, now, stream, actor, cause, fields)
  r.epoch = r.epoch + 1
  local ticket = enqueue(p, r, stream)
  call('ZADD', p .. 'queued', stamp(now), r.id) -- not by accept time: the queue TTL is for runs that nobody takes
  count(p, 'queued', 1)
  move(p, r, now, 'queued', actor, cause, add(fields, 'where', 'stream', 'stream', stream, 'ticket', ticket,
    'worker', '', 'keptUntil', hold_on(p, r, now)))
end

-- What XINFO says of our group on a stream, by field; nil if there is no such group, or no such stream.
local function group_of(stream)
  local groups = redis.pcall('XINFO', 'GROUPS', stream)
  if groups.err then return nil end
  for _, group in ipairs(groups) do
    local g = {}
    for i = 1, #group, 2 do g[group[i]] = group[i + 1] end
    if g.name == GROUP then return g end
  end
end

-- Whether one id of a stream comes after another.
local function is_after(id, other)
  local ms, n = string.match(id, '^(%d+)-(%d+)$')
  local other_ms, other_n = string.match(other, '^(%d+)-(%d+)$')
  if not ms or not other_ms then return false end
  ms, n, other_ms, other_n = tonumber(ms), tonumber(n), tonumber(other_ms), tonumber(other_n)
  return ms > other_ms or (ms == other_ms and n > other_n)
end

-- Up to which ticket a stream has been read; what was read and not taken is never read again. Nothing has this id if there is
-- no such stream.
local function read_up_to(p, stream)
  local group = group_of(p .. 'queue:' .. stream)
  return group and group['last-delivered-id'] or ''
end

-- The ticket of a waiting run is in its stream.
local function has_ticket(p, r)
  return #call('XRANGE', p .. 'queue:' .. r.stream, r.ticket, r.ticket) > 0
end

-- Takes a running run out of everything that says it is running.
local function leave_running(p, r, w)
  xack(w, p .. 'queue:' .. r.stream, r.ticket)
  zrem(w, p .. 'leases', r.id)
  count(p, 'running', -1, w)
end

-- Takes a queued or blocked run out of its place. A ticket already in a stream stays there as a ghost: it no longer
-- counts, and the claim that meets it acknowledges it.
local function leave_waiting(p, r)
  if r.status == 'queued' then
    call('ZREM', p .. 'queued', r.id)
    count(p, 'queued', -1)
    if r.where == 'delayed' then
      call('ZREM', p .. 'delayed', r.id)
    elseif r.where == 'held' then
      call('ZREM', p .. 'held:' .. (r.held_by or ''), r.id)
      count(p, 'held', -1)
    else
      count(p, 'ghosts', 1)
    end
  else
    call('ZREM', p .. 'blocked:' .. r.tool, r.id)
    call('ZREM', p .. 'blocked', r.id)
    count(p, 'blocked', -1)
  end
end

local function register(name, callback, flags)
  local function answer(keys, a)
    if not call then call, tonumber, pairs, ipairs, unpack, string, table, math = globals() end
    return callback(keys, a)
  end
  redis.register_function { function_name = '@PREFIX@' .. name, callback = answer, flags = flags }
end
