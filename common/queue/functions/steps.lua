-- What became of a run's steps, and its story that they are a part of.

-- `steps` has a line for each step, as it was worked on last:
--   \n<index> <seq> <at> <seq> <at> <epoch> <status> <attempt> <name> [{JSON}]
-- with what its beginning and its end are called in the run's story, and when that was, in ms since `created`; 0 is one that
-- was not told. What comes behind the status are facts, as the worker says them.
local function find_step(steps, n)
  if steps == '' then return nil end
  local first, from = string.find(steps, '\n' .. n .. ' ', 1, true)
  if first then return first, (string.find(steps, '\n', from, true) or #steps + 1) - 1, from + 1 end
end

-- The events of a line that is about to be replaced go into `trail`: two lines `<seq> <at> <type> <name>`.
local function keep_story(p, r, begun, begun_at, ended, ended_at, told)
  local name = string.match(told, '^%S+ %S+ (%S+)') or ''
  r.trail = r.trail or call('HGET', p .. 'run:' .. r.id, 'trail') or ''
  if begun ~= '0' then r.trail = r.trail .. begun .. ' ' .. begun_at .. ' step.running ' .. name .. '\n' end
  if ended ~= '0' then
    r.trail = r.trail .. ended .. ' ' .. ended_at .. ' step.' .. string.match(told, '^%S+') .. ' ' .. name .. '\n'
  end
  r.trail = latest(r.trail, TRAIL_KEPT)
end

-- Step changes come in sixes: index, phase ('begin' | 'end'), step status, facts, artifacts (a JSON array, or empty), blobs of
-- the artifacts. What took no time has an end only. One that is already recorded is passed over, so a repeated call changes
-- nothing; nor does a beginning that comes late, after the end of the same claim's work on the step. Adds what the hash is to
-- be given to `fields`; answers how many were new.
local function record_steps(p, r, now, a, first, last, worker, fields)
  local new, steps, epoch, feed = 0, r.steps, text(r.epoch), p .. 'events'
  local at, stamp_now = text(now - (tonumber(r.created) or 0)), stamp(now)
  for i = first, last, 6 do
    local n, phase, status, facts = a[i], a[i + 1], a[i + 2], a[i + 3]
    local before, behind = steps, ''
    local from, to, words = find_step(steps, n)
    local begun, begun_at, ended, ended_at, by, told
    if from then
      before, behind = string.sub(steps, 1, from - 1), string.sub(steps, to + 1)
      begun, begun_at, ended, ended_at, by, told = string.match(string.sub(steps, words, to),
        '^(%S+) (%S+) (%S+) (%S+) (%S+) (.*)$')
    end
    local same_claim = by == epoch
    local is_told = told and told == status .. ' ' .. facts
    if not is_told and not (phase == 'begin' and same_claim and ended ~= '0') then
      new = new + 1
      local name = between(' ', ' ', facts) or n
      local goes_on = phase == 'end' and same_claim and ended == '0'
      if told and not goes_on then keep_story(p, r, begun, begun_at, ended, ended_at, told) end
      if not goes_on then begun, begun_at, ended, ended_at = '0', phase == 'end' and same_claim and begun_at or at, '0', '0' end
      r.seq = r.seq + 1
      local seq = text(r.seq)
      announce(feed, r, seq, stamp_now, epoch, 'step.' .. status, name, worker, n)
      if phase == 'begin' then begun = seq else ended, ended_at = seq, at end
      steps = before .. '\n' .. n .. ' ' .. begun .. ' ' .. begun_at .. ' ' .. ended .. ' ' .. ended_at .. ' ' .. epoch .. ' ' ..
        status .. ' ' .. facts .. behind
      if a[i + 4] ~= '' then
        r.made = r.made or call('HGET', p .. 'run:' .. r.id, 'made') or ''
        r.made = r.made == '' and a[i + 5] or r.made .. ' ' .. a[i + 5]
        r.makes = true
        add(fields, 'a.' .. n, a[i + 4], 'made', r.made)
      end
    end
  end
  if new > 0 then put(fields, 'steps', steps) end
  if r.trail then put(fields, 'trail', r.trail) end
  return new
end
