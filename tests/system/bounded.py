"""Which commands of Redis cost the same however many runs there are. What is not named here is not known to."""
import re

# By their first word: O(1), or the logarithm of what an index holds.
CHEAP = {"ECHO", "PING", "TIME", "GET", "SET", "HGET", "HEXISTS", "HLEN", "EXISTS", "STRLEN", "TTL", "PTTL", "TYPE", "ZCARD", "ZSCORE",
         "ZRANK", "ZREVRANK", "ZCOUNT", "SCARD", "SISMEMBER", "LLEN", "XLEN", "INFO"}
MANY = {"HMGET": 2, "MGET": 1, "ZMSCORE": 2, "SMISMEMBER": 2}  # where their members begin
# Hashes and sets with a bound of their own: of one thing, of a day's kinds of failure, of waves under way.
WHOLE = re.compile(r"reprise:(meta|orgs|key:[a-z0-9]+|worker:[\w.-]+|\{p\d+\}:(run:run_\w+|project:prj_\w+|bulk:[a-z]+_\w+|stats|"
                   r"paused|bulks|failures:[\w.-]+:\d+))")
MOST = 1100      # members in one answer: a week of samples is the longest
FUNCTIONS = {"XINFO STREAM", "XINFO GROUPS", "CONFIG GET", "FUNCTION LIST"}


def number(word):
    try:
        return int(word)
    except ValueError:
        return None


def complaint(words):
    """What is wrong with a command, or None."""
    name, upper = words[0].upper(), [word.upper() for word in words]
    if name in CHEAP or " ".join(upper[:2]) in FUNCTIONS and "FULL" not in upper:
        return None
    if name in MANY:
        return None if len(words) - MANY[name] <= MOST else "asks for too many at once"
    if name in ("HGETALL", "HKEYS", "HVALS", "SMEMBERS"):
        return None if WHOLE.fullmatch(words[1]) else "reads all of a key that is not known to be small"
    if name in ("XRANGE", "XREVRANGE", "XREAD"):
        return bounded_by(upper, "COUNT", 1)
    if name == "ZRANGE":
        return bounded_by(upper, "LIMIT", 2) if "BYSCORE" in upper or "BYLEX" in upper else by_rank(words)
    if name in ("ZRANGEBYSCORE", "ZREVRANGEBYSCORE"):
        return bounded_by(upper, "LIMIT", 2)
    if name in ("ZREVRANGE", "LRANGE"):
        return by_rank(words)
    return "is not known to cost the same however many runs there are"


def bounded_by(upper, word, behind):
    if word not in upper:
        return f"has no {word}"
    most = number(upper[upper.index(word) + behind])
    return None if most is not None and 0 < most <= MOST else f"has no {word} that bounds it"


def by_rank(words):
    first, last = number(words[2]), number(words[3])
    same_end = first is not None and last is not None and (first < 0) == (last < 0)
    return None if same_end and last - first < MOST else "has a range without a bound"
