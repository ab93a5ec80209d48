#include "tests/integration/interleavings/look.hpp"

#include "common/queue/keys.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <stdexcept>

namespace reprise::interleavings {
namespace {

// Args: organisation, how many idempotency keys, those, how many things that may be paused, those, then each run's id
// and what was seen of it last.
constexpr std::string_view runs_script = R"lua(
local p, org, keys = KEYS[1], ARGV[1], tonumber(ARGV[2])
local pausable = tonumber(ARGV[3 + keys])

-- In an order of its own: that of Redis changes while a hash grows, and with it what DUMP says.
local function whole_of(key)
  local flat, lines = redis.call('HGETALL', key), {}
  for i = 1, #flat, 2 do lines[#lines + 1] = flat[i] .. '=' .. flat[i + 1] end
  table.sort(lines)
  return #lines > 0 and table.concat(lines, '\n')
end

-- A run that is as it was at the last look is not read again.
local function run_of(id, seen)
  local key = p .. 'run:' .. id
  local whole = whole_of(key)
  if not whole then return {} end
  if whole == seen then return { '=' } end
  local v = redis.call('HMGET', key, 'status', 'epoch', 'seq', 'lost', 'ended', 'expires', 'token', 'where', 'stream',
    'ticket', 'tool', '', 'made', 'history', 'verdict', 'error', 'worker', 'claimed', 'project', 'root', 'project', 'heldBy')
  v[12] = string.match(redis.call('HGET', key, 'fixed') or '', '"sha256":"([^"]+)"')
  local function lists(index) return redis.call('ZSCORE', p .. index, id) end
  local listed_as = {}
  for _, status in ipairs({ 'queued', 'running', 'blocked', 'ready', 'complete', 'failed', 'canceled', 'expired' }) do
    if lists('runs:' .. org .. ':' .. status) then listed_as[#listed_as + 1] = status end
  end
  v[19] = lists('runs:' .. org) and lists('runs:' .. org .. ':' .. (v[19] or '')) and
    #listed_as == 1 and listed_as[1] == v[1] and
    (not v[20] or lists('retries:' .. (v[20] or ''))) and 1 or 0
  v[20] = whole
  return v
end

local runs, idem = {}, {}
for i = 3, 2 + keys do idem[#idem + 1] = redis.call('GET', p .. 'idem:' .. ARGV[i]) end
for i = 4 + keys + pausable, #ARGV, 2 do runs[#runs + 1] = run_of(ARGV[i], ARGV[i + 1]) end

local held, looked_at = {}, {}
local function look_at(what)
  local ids = not looked_at[what] and redis.call('ZRANGE', p .. 'held:' .. what, 0, -1) or {}
  looked_at[what] = true
  if #ids > 0 then held[#held + 1] = { what, ids } end
end
for i = 4 + keys, 3 + keys + pausable do look_at(ARGV[i]) end
for _, what in ipairs(redis.call('SMEMBERS', p .. 'holds')) do look_at(what) end
return { runs, idem, held }
)lua";

// Redis' clock cannot be stubbed; but a clock that is moved forward and deadlines that are moved back are the same.
// Deadlines are rounded to seconds: how long the test itself took decides nothing, so that a seed replays.
constexpr std::string_view pass_script = R"lua(
local p, by, watched, keys = KEYS[1], tonumber(ARGV[1]), ARGV[2] == '1', tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function earlier(at) return now + math.floor((at - now) / 1000 + 0.5) * 1000 - by end

for _, name in ipairs({ 'queued', 'leases', 'delayed', 'blocked', 'blocked:a', 'blocked:b', 'ended', 'retained',
  'pinned' }) do
  local z = redis.call('ZRANGE', p .. name, 0, -1, 'WITHSCORES')
  for i = 1, #z, 2 do redis.call('ZADD', p .. name, earlier(tonumber(z[i + 1])), z[i]) end
end
local function move(key, fields)
  for _, field in ipairs(fields) do
    local at = tonumber(redis.call('HGET', key, field) or '')
    if at then redis.call('HSET', key, field, earlier(at)) end
  end
end
for i = 4 + keys, #ARGV do
  -- Until when a run's inputs are held is `created` and `hold`, until it is written as such.
  local v = redis.call('HMGET', p .. 'run:' .. ARGV[i], 'created', 'hold', 'keptUntil')
  if v[2] and not v[3] then redis.call('HSET', p .. 'run:' .. ARGV[i], 'keptUntil', string.format('%d', v[1] + v[2])) end
  move(p .. 'run:' .. ARGV[i], { 'ended', 'claimed', 'expires', 'keptUntil' })
end
if not watched then move(p .. 'swept', { 'last', 'from', 'to' }) end
for i = 4, 3 + keys do
  local left = redis.call('PTTL', p .. 'idem:' .. ARGV[i])
  if left > by then
    redis.call('PEXPIRE', p .. 'idem:' .. ARGV[i], left - by)
  else
    redis.call('DEL', p .. 'idem:' .. ARGV[i])
  end
end
return { 'ok' }
)lua";

constexpr std::array sets{"queued",    "leases", "delayed",  "blocked",   "blocked:a",
                          "blocked:b", "ended",  "retained", "runs:acme", "dead:acme"};

std::string runs_digest, pass_digest; // of the scripts that Redis knows

using redis::reply_view;

// A flat array of names and values.
struct record_view {
    reply_view flat;
    reply_view operator[](std::string_view name) const {
        for (std::size_t i = 0; i + 1 < flat.size(); i += 2)
            if (flat[i].text() == name)
                return flat[i + 1];
        return reply_view(nullptr);
    }
};

std::int64_t number_or(reply_view r, std::int64_t otherwise) {
    return r.is_nil() || r.text().empty() ? otherwise : r.number();
}

run_state run_in(reply_view r) {
    run_state s;
    if (r.size() == 0)
        return s;
    s.exists = true;
    const auto status = status_of(r[0].text());
    if (!status)
        throw std::runtime_error("a run has the unknown status " + std::string(r[0].text()));
    s.status = *status;
    s.epoch = number_or(r[1], -1);
    s.seq = number_or(r[2], -1);
    s.lost = number_or(r[3], 0);
    s.ended = number_or(r[4], 0);
    s.expires = number_or(r[5], 0);
    s.token = r[6].text();
    s.where = r[7].text();
    s.stream = r[8].text();
    s.ticket = r[9].text();
    s.tool = r[10].text();
    s.kept = r[11].text();
    s.made = r[12].text();
    s.history = r[13].text();
    s.verdict = r[14].text();
    s.error = r[15].text();
    s.worker = r[16].text();
    s.claimed = number_or(r[17], 0);
    s.indexed = r[18].number() == 1;
    s.whole = r[19].text();
    s.project = r[20].text();
    s.held_by = r[21].text();
    return s;
}

scores scores_in(reply_view r) {
    scores s;
    s.reserve(r.size() / 2);
    for (std::size_t i = 0; i + 1 < r.size(); i += 2)
        s.emplace_back(r[i].text(), r[i + 1].number());
    return s;
}

std::vector<std::string_view> texts_in(reply_view r) {
    std::vector<std::string_view> all;
    for (std::size_t i = 0; i < r.size(); ++i)
        all.push_back(r[i].text());
    return all;
}

std::pair<std::int64_t, std::int64_t> place_of(std::string_view id) {
    std::pair<std::int64_t, std::int64_t> at;
    const auto dash = std::min(id.find('-'), id.size() - 1);
    std::from_chars(id.data(), id.data() + dash, at.first);
    std::from_chars(id.data() + dash + 1, id.data() + id.size(), at.second);
    return at;
}

stream_state stream_in(reply_view groups, reply_view entries, reply_view pending) {
    stream_state s;
    std::string_view read = "0-0";
    for (std::size_t i = 0; i < groups.size(); ++i) {
        const record_view group{groups[i]};
        if (group["name"].text() != keys::group)
            continue;
        read = group["last-delivered-id"].text();
        if (!group["lag"].is_nil())
            s.lag = group["lag"].number();
    }
    for (std::size_t i = 0; i < pending.size(); ++i)
        s.pending.push_back({pending[i][0].text(), "", 0});
    for (std::size_t i = 0; i < entries.size(); ++i) {
        const record_view fields{entries[i][1]};
        const ticket_state t{entries[i][0].text(), fields["run"].text(), fields["epoch"].number()};
        if (place_of(t.id) > place_of(read))
            s.unread.push_back(t);
        for (auto& taken : s.pending)
            if (taken.id == t.id)
                taken = t;
    }
    return s;
}

event_state event_in(reply_view fields) {
    const record_view f{fields};
    event_state e{f["run"].text(), f["type"].text(), f["seq"].number(), {}};
    e.epoch = f["epoch"].number();
    return e;
}

void add_all(std::vector<std::string>& to, const std::vector<std::string>& names) {
    to.push_back(std::to_string(names.size()));
    to.insert(to.end(), names.begin(), names.end());
}

} // namespace

void look::prepare(wire& w) {
    // Equal hashes must be equal bytes.
    for (const auto* setting : {"hash-max-listpack-entries", "hash-max-listpack-value"})
        must(w.ask(redis::command::of("CONFIG", "SET", setting, "65536")));
    for (const auto* setting : {"rdbcompression", "latency-tracking"}) // for speed
        must(w.ask(redis::command::of("CONFIG", "SET", setting, "no")));
    runs_digest = must(w.ask(redis::command::of("SCRIPT", "LOAD", runs_script))).text();
    pass_digest = must(w.ask(redis::command::of("SCRIPT", "LOAD", pass_script))).text();
}

look::look(wire& w, std::string prefix) : wire_(w), prefix_(std::move(prefix)) {
    const auto add = [&](const auto&... words) { always_ += redis::command::of(words...).bytes(); };
    add("TIME");
    for (const auto* set : sets)
        add("ZRANGE", prefix_ + set, "0", "-1", "WITHSCORES");
    add("HGETALL", prefix_ + "stats");
    for (const auto stream : {keys::again_stream, keys::default_stream}) {
        const auto key = prefix_ + "queue:" + std::string(stream);
        add("XINFO", "GROUPS", key);
        add("XRANGE", key, "-", "+");
        add("XPENDING", key, keys::group, "-", "+", "1000");
    }
    add("HMGET", prefix_ + "org:" + std::string(org), "used", "month", "limit");
    add("XLEN", prefix_ + "fenced");
    add("HGETALL", prefix_ + "paused");
    add("SMEMBERS", prefix_ + "holds");
}

void look::send(const model* known) {
    wire_.send(always_);
    wire_.send(redis::command::of("XRANGE", prefix_ + "events", last_event_, "+").bytes());
    std::vector<std::string> w{"EVALSHA_RO", runs_digest, "1", prefix_, std::string(org)};
    if (known) {
        add_all(w, known->keys());
        add_all(w, known->pausable());
        for (std::size_t i = 0; i < known->runs().size(); ++i) {
            w.push_back(known->runs()[i]);
            w.emplace_back(known->seen().run(i).whole);
        }
    } else {
        add_all(w, {});
        add_all(w, {});
    }
    wire_.send(redis::command(w).bytes());
}

state look::receive(const state* before) {
    state s;
    const auto next = [&]() -> reply_view {
        s.read_from.push_back(std::make_shared<redis::reply>(must(wire_.receive())));
        return s.read_from.back()->view();
    };
    const auto time = next();
    s.now = time[0].number() * 1000 + time[1].number() / 1000;
    for (auto* set : {&s.queued, &s.leases, &s.delayed, &s.blocked, &s.blocked_a, &s.blocked_b, &s.ended, &s.retained,
                      &s.listed, &s.dead})
        *set = scores_in(next());
    s.stats = scores_in(next());
    for (auto* stream : {&s.again, &s.fresh}) {
        const auto groups = next(), entries = next(), pending = next();
        *stream = stream_in(groups, entries, pending);
    }
    const auto organisation = next();
    s.used = number_or(organisation[0], 0);
    s.month = number_or(organisation[1], 0);
    if (!organisation[2].is_nil())
        s.limit = organisation[2].number();
    s.refused_writes = next().number();
    const auto paused = next();
    for (std::size_t i = 0; i + 1 < paused.size(); i += 2)
        s.paused.emplace_back(paused[i].text(), paused[i + 1].text());
    s.holds = texts_in(next());
    const auto events = next();
    for (std::size_t i = 0; i < events.size(); ++i)
        s.events.push_back(event_in(events[i][1]));
    if (events.size() > 0)
        last_event_ = "(" + std::string(events[events.size() - 1][0].text());
    const auto found = next();
    for (std::size_t i = 0; i < found[0].size(); ++i) {
        const bool same = found[0][i].size() == 1;
        s.runs.push_back(same ? before->run(i) : run_in(found[0][i]));
        if (!same)
            s.runs.back().read_from = s.read_from.back();
    }
    s.idem = texts_in(found[1]);
    for (std::size_t i = 0; i < found[2].size(); ++i)
        s.held.push_back({found[2][i][0].text(), texts_in(found[2][i][1])});
    return s;
}

void look::send_time(const model& known, std::int64_t ms, bool watched) {
    std::vector<std::string> w{"EVALSHA", pass_digest, "1", prefix_, std::to_string(ms), watched ? "1" : "0"};
    add_all(w, known.keys());
    w.insert(w.end(), known.runs().begin(), known.runs().end());
    wire_.send(redis::command(w).bytes());
}

} // namespace reprise::interleavings
