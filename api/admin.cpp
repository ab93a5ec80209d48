#include "api/admin.hpp"

#include "api/auth/api_key.hpp"
#include "api/auth/caller.hpp"
#include "common/json/writer.hpp"
#include "common/queue/keys.hpp"
#include "common/queue/run_queue.hpp"
#include "common/run/id.hpp"
#include "common/run/org.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/crc.hpp>
#include <fmt/format.h>

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <sstream>

namespace reprise::api {
namespace asio = boost::asio;

namespace {

constexpr std::string_view key_index = "reprise:keys";

struct admin {
    const api_settings& settings;
    const admin_order& order;
    redis::connection& redis;
    functions& library;

    // Who types at this machine; Redis knows nobody else.
    static std::string actor() {
        const auto* me = ::getpwuid(::getuid());
        return fmt::format("cli:{}", me ? me->pw_name : std::to_string(::getuid()));
    }

    asio::awaitable<void> note(std::string act, std::string object, std::string cause) {
        std::vector<std::string> args;
        for (auto* word : {&act, &object})
            args.push_back(std::move(*word));
        args.push_back(actor());
        args.push_back(std::move(cause));
        co_await library.install();
        co_await library.call("act", 0, args);
    }

    // Assigned once, when the organisation gets its first key or plan, and read back ever after.
    asio::awaitable<unsigned> partition_of_org() {
        if (order.org == every_org)
            co_return 0; // of no meaning: their calls are made for the organisation that they are about
        if (!is_org_name(order.org))
            throw std::invalid_argument("--org takes 1 to 64 letters, digits, dots, dashes and underscores");
        boost::crc_32_type crc;
        crc.process_bytes(order.org.data(), order.org.size());
        const auto first_choice = std::to_string(crc.checksum() % settings.common.partitions);
        co_await redis.call(redis::command::of("HSETNX", keys::orgs, order.org, first_choice));
        const auto agreed = co_await redis.call(redis::command::of("HGET", keys::orgs, order.org));
        co_return static_cast<unsigned>(agreed.number());
    }

    asio::awaitable<void> keys_create() {
        std::istringstream in(order.scopes);
        std::string scopes;
        for (std::string scope; std::getline(in, scope, ',');) {
            if (std::ranges::find(known_scopes, scope) == known_scopes.end())
                throw std::invalid_argument("there is no scope " + scope +
                                            "; known: runs:read runs:write ops:read ops:write");
            scopes += (scopes.empty() ? "" : " ") + scope;
        }
        const bool is_operator = order.org == every_org;
        for (const std::string_view scope : {"runs:", "ops:"})
            if (scopes.find(scope) != std::string::npos && is_operator != (scope == "ops:"))
                throw std::invalid_argument("keys of --org '*' have the scopes ops:read and ops:write, all others "
                                            "runs:read and runs:write");
        const auto user = !order.user.empty() ? order.user : is_operator ? std::string("operator") : order.org;
        if (!is_org_name(user))
            throw std::invalid_argument("--user takes 1 to 64 letters, digits, dots, dashes and underscores");
        const auto partition = co_await partition_of_org();
        co_await library.install();
        std::vector<std::string> unchanged(4);
        unchanged[0] = order.org;
        if (!is_operator)
            co_await library.call("org_set", partition, unchanged);

        const auto now = wall_clock();
        const auto expires = order.expires_in_days == 0 ? 0 : now + order.expires_in_days * std::int64_t{86'400'000};
        record fields;
        fields.set("org", order.org);
        fields.set("partition", std::to_string(partition));
        fields.set("user", user);
        fields.set("scopes", scopes);
        const auto id = co_await store_key(fields, expires);
        co_await note("key_create", id, rights_of(fields));
    }

    static std::string rights_of(const record& key) {
        return fmt::format("{} {}", key.text("org"), key.text("scopes"));
    }

    // Stores a new key with the owner and rights of `like`, and prints it: the only time that it can be seen. Answers its id.
    asio::awaitable<std::string> store_key(const record& like, unix_ms expires) {
        const auto key = make_api_key();
        const auto now = wall_clock();
        co_await redis.call(redis::command::of("HSET", keys::api_key(key.id), "org", like.text("org"), "partition",
                                               like.text("partition"), "user", like.text("user"), "scopes",
                                               like.text("scopes"), "digest", key.secret_digest(), "created",
                                               std::to_string(now), "expires", std::to_string(expires)));
        co_await redis.call(redis::command::of("ZADD", key_index, std::to_string(now), key.id));
        std::cout << key.text() << std::endl; // before anything else can fail: it cannot be shown again
        co_return key.id;
    }

    // The new key first: if we end in between, there are two that work, and not none.
    asio::awaitable<void> keys_rotate() {
        const auto answer = co_await redis.call(redis::command::of("HGETALL", keys::api_key(order.id)));
        const record old(answer.view());
        const auto until = wall_clock() + order.grace_hours * std::int64_t{3'600'000};
        const auto ends = old.number("expires");
        if (old.empty() || old.text("revoked") == "1" || (ends != 0 && ends <= wall_clock()))
            throw std::invalid_argument("there is no key " + order.id + " that still works");
        const auto id = co_await store_key(old, ends);
        if (ends == 0 || ends > until)
            co_await redis.call(
                redis::command::of("HSET", keys::api_key(order.id), "expires", std::to_string(until)));
        co_await note("key_rotate", id, fmt::format("instead of {}: {}", order.id, rights_of(old)));
        std::cerr << "reprise-api: " << order.id << " works until " << rfc3339(until) << "\n";
    }

    asio::awaitable<void> keys_list() {
        const auto ids = co_await redis.call(redis::command::of("ZRANGE", key_index, "0", "-1"));
        if (!order.json)
            std::cout << fmt::format("{:<14}{:<20}{:<20}{:<26}{:<26}{}\n", "KEY", "ORG", "USER", "CREATED", "EXPIRES",
                                     "SCOPES");
        for (std::size_t i = 0; i < ids.size(); ++i) {
            const auto fields = co_await redis.call(redis::command::of("HGETALL", keys::api_key(ids[i].text())));
            show_key(ids[i].text(), record(fields.view()));
        }
    }

    void show_key(std::string_view id, const record& k) const {
        const auto expires = k.text("revoked") == "1"   ? std::string("revoked")
                             : k.number("expires") == 0 ? std::string("never")
                                                        : rfc3339(k.number("expires"));
        if (!order.json) {
            std::cout << fmt::format("{:<14}{:<20}{:<20}{:<26}{:<26}{}\n", id, k.text("org"), k.text("user"),
                                     rfc3339(k.number("created")), expires, k.text("scopes"));
            return;
        }
        json::writer w;
        w.begin_object().member("keyId", id).member("org", k.text("org")).member("user", k.text("user"));
        w.member("scopes", k.text("scopes"))
            .member("createdAt", rfc3339(k.number("created")))
            .member("expires", expires);
        std::cout << w.end_object().text() << "\n";
    }

    asio::awaitable<void> keys_revoke() {
        const auto known = co_await redis.call(redis::command::of("EXISTS", keys::api_key(order.id)));
        if (known.number() == 0)
            throw std::invalid_argument("there is no key " + order.id);
        co_await redis.call(redis::command::of("HSET", keys::api_key(order.id), "revoked", "1"));
        co_await note("key_revoke", order.id, "");
        std::cout << "revoked " << order.id << "; every API process refuses it within 2 s\n";
    }

    asio::awaitable<void> orgs_set() {
        if (order.org == every_org)
            throw std::invalid_argument("a plan is one organisation's");
        if (!order.plan.empty() && order.plan != "active" && order.plan != "inactive")
            throw std::invalid_argument("--plan is active or inactive");
        const bool number = !order.runs_per_month.empty() && order.runs_per_month.size() <= 12 &&
                            std::ranges::all_of(order.runs_per_month, [](char c) { return c >= '0' && c <= '9'; });
        if (!order.runs_per_month.empty() && !number && order.runs_per_month != "unlimited")
            throw std::invalid_argument("--runs-per-month is a number or `unlimited`");
        const auto partition = co_await partition_of_org();
        co_await library.install();
        std::vector<std::string> args(4);
        args[0] = order.org;
        args[1] = order.plan;
        args[2] = order.runs_per_month;
        args[3] = actor();
        const auto answer = co_await library.call("org_set", partition, args);
        const record o(answer[1]);
        const auto limit = o.text("limit").empty() ? "unlimited" : o.text("limit");
        std::cout << order.org << ": plan " << o.text("plan") << ", runs per month " << limit << "\n";
    }

    asio::awaitable<void> projects_archive() {
        const auto partition = reprise::partition_of(id_kind::project, order.id);
        if (!partition || *partition >= settings.common.partitions)
            throw std::invalid_argument("that is not the id of a project");
        co_await library.install();
        std::vector<std::string> args(1, order.id);
        args.push_back(actor());
        const auto answer = co_await library.call("project_archive", *partition, args);
        if (answer[0].text() != "ok")
            throw std::invalid_argument("there is no project " + order.id);
        std::cout << "archived " << order.id << "\n";
    }

    asio::awaitable<void> carry_out() {
        switch (order.what) {
        case admin_order::kind::keys_create:
            return keys_create();
        case admin_order::kind::keys_list:
            return keys_list();
        case admin_order::kind::keys_revoke:
            return keys_revoke();
        case admin_order::kind::keys_rotate:
            return keys_rotate();
        case admin_order::kind::orgs_set:
            return orgs_set();
        case admin_order::kind::projects_archive:
            return projects_archive();
        }
        throw std::logic_error("no such order");
    }
};

} // namespace

int administrate(const api_settings& settings, const admin_order& order) {
    asio::io_context io{1};
    redis::connection redis(io.get_executor(), settings.common.redis_options("reprise-admin"));
    functions library(redis, settings.common.partitions);
    admin a{settings, order, redis, library};
    int status = 0;
    asio::co_spawn(io, a.carry_out(), [&](std::exception_ptr failed) {
        io.stop();
        try {
            if (failed)
                std::rethrow_exception(failed);
        } catch (const std::exception& e) {
            std::cerr << "reprise-api: " << e.what() << "\n";
            status = 1;
        }
    });
    io.run();
    return status;
}

} // namespace reprise::api
