#include "common/queue/redis_users.hpp"

namespace reprise {

// Every connection's greeting (AUTH needs no right), and what loads the functions. In parentheses: the commands that a user may
// give on these keys alone. `{p*}` stands for all partitions.
#define GREETING " resetchannels -@all +ping +client|setname +select"
#define FUNCTIONS " +fcall +fcall_ro +function|load +time"

const std::array<redis_user, 4> redis_users{{
    // Accepts, cancels, sweeps, reads for its callers, and deletes functions that nobody uses any more.
    {"reprise-api", GREETING FUNCTIONS
     " +function|list +function|delete +info +config|get ~reprise:{p*}:*"
     " +get +set +del +exists +expire +hget +hset +hsetnx +hdel +hmget +hgetall +hincrby +hlen +hexists +hkeys"
     " +smembers +sismember +scard +sadd +srem +zadd +zrem +zcard +zcount +zscore +zmscore +zrange "
     "+zremrangebyrank"
     " +xadd +xack +xtrim +xrange +xrevrange +xread +xpending"
     " +xinfo|groups +xinfo|stream +xinfo|consumers +xgroup|create +xgroup|setid +xgroup|delconsumer"
     " (~reprise:meta +hget +hsetnx) (~reprise:orgs +hget +hgetall +hlen) (~reprise:key:* +hgetall)"
     " (~reprise:workers +zrange) (~reprise:worker:* +hgetall +exists +get +set)"
     " (~reprise:libraries +zadd +zscore +zrem)"},
    // Claims, beats, advances, sweeps; `reprise-worker --health` reads the registry.
    {"reprise-worker", GREETING FUNCTIONS
     " +info +config|get ~reprise:{p*}:*"
     " +set +del +expire +hget +hset +hsetnx +hdel +hmget +hgetall +hincrby +hlen +hexists +hkeys"
     " +smembers +sadd +srem +zadd +zrem +zcard +zrange +zremrangebyrank"
     " +xadd +xack +xtrim +xrange +xreadgroup +xpending"
     " +xinfo|groups +xinfo|stream +xinfo|consumers +xgroup|create +xgroup|setid +xgroup|delconsumer"
     " (~reprise:meta +hget) (~reprise:libraries +zadd)"
     " (~reprise:workers +zadd +zrange +zrem +zremrangebyscore)"
     " (~reprise:worker:* +exists +hget +hset +pexpire +del +getdel)"},
    // `reprise-api keys`, `orgs`, `projects` and `doctor`.
    {"reprise-admin",
     GREETING FUNCTIONS " +scan ~reprise:{p*}:*"
                        " +exists +hget +hset +hsetnx +hdel +hmget +hgetall"
                        " +smembers +sismember +sadd +zadd +zrem +zcard +zscore +zscan"
                        " +xadd +xack +xrange +xpending +xclaim +xinfo|groups +xgroup|create"
                        " (~reprise:meta +hgetall) (~reprise:orgs +hget +hsetnx) (~reprise:keys +zadd +zrange)"
                        " (~reprise:key:* +exists +hgetall +hset)"},
    // Reads the keys of scripts/deploy/monitoring/redis.md and no others: no API keys, no records of replays. Nothing that writes,
    // calls a function, blocks, or looks at all keys.
    {"reprise-monitor", GREETING
     " +hello +time +info +slowlog|len +latency|latest +type +exists +ttl +pttl"
     " +hget +hmget +hgetall +hlen +zcard +zcount +zscore +zrank +zrange +zrevrange +zrangebyscore"
     " +xlen +xrange +xrevrange +xpending +xinfo|groups +xinfo|stream +xinfo|consumers"
     " %R~reprise:meta %R~reprise:orgs %R~reprise:libraries %R~reprise:workers %R~reprise:worker:*"
     " %R~reprise:{p*}:stats %R~reprise:{p*}:swept %R~reprise:{p*}:queue:* %R~reprise:{p*}:run:*"
     " %R~reprise:{p*}:queued %R~reprise:{p*}:leases %R~reprise:{p*}:delayed %R~reprise:{p*}:blocked"
     " %R~reprise:{p*}:blocked:* %R~reprise:{p*}:ended %R~reprise:{p*}:retained %R~reprise:{p*}:events"
     " %R~reprise:{p*}:dead %R~reprise:{p*}:dead:* %R~reprise:{p*}:fenced %R~reprise:{p*}:org:*"
     " %R~reprise:{p*}:project:* %R~reprise:{p*}:projects:* %R~reprise:{p*}:projectnames:* %R~reprise:{p*}:runs:*"
     " %R~reprise:{p*}:retries:*"
     " %R~reprise:{p*}:paused %R~reprise:{p*}:held:* %R~reprise:{p*}:errors:* %R~reprise:{p*}:failures:*"
     " %R~reprise:{p*}:samples %R~reprise:{p*}:samples:week %R~reprise:{p*}:audit %R~reprise:{p*}:audit:cancels "
     "%R~reprise:{p*}:bulk:* "
     "%R~reprise:{p*}:bulks:*"},
}};

} // namespace reprise
