#include "api/auth/acting.hpp"

#include "common/queue/keys.hpp"
#include "common/run/id.hpp"
#include "common/run/org.hpp"

namespace reprise::api {
namespace asio = boost::asio;

namespace {

constexpr std::int64_t most_orgs = 1000; // that a call for all looks into

struct named {
    id_kind kind;
    std::string id;
};

// What a call is about: in its path, or in its query.
std::optional<named> thing_of(const request& req) {
    std::vector<std::string> ids = req.parameters;
    for (const auto name : {"runId", "projectId", "sourceRunId"})
        ids.emplace_back(query_text(req, name));
    ids.push_back(req.text("projectId"));
    for (auto& id : ids)
        for (const auto kind : {id_kind::run, id_kind::project, id_kind::bulk})
            if (partition_of(kind, id))
                return named{kind, std::move(id)};
    return std::nullopt;
}

errc not_found(id_kind kind) {
    return kind == id_kind::run       ? errc::run_not_found
           : kind == id_kind::project ? errc::project_not_found
                                      : errc::bulk_not_found;
}

} // namespace

asio::awaitable<std::optional<failure>> act_for_owner(request& req, bool covers_all, services& s) {
    auto& who = req.who;
    std::string org(query_text(req, "org"));
    if (org.empty())
        org = req.text("org");
    if (const auto thing = thing_of(req)) {
        const auto partition = partition_of(thing->kind, thing->id).value();
        const auto key = thing->kind == id_kind::run       ? keys::run(partition, thing->id)
                         : thing->kind == id_kind::project ? keys::project(partition, thing->id)
                                                           : keys::bulk(partition, thing->id);
        const auto owner = co_await s.redis.call(redis::command::of("HGET", key, "org"));
        if (owner.is_nil() || (!org.empty() && owner.text() != org))
            co_return failure{not_found(thing->kind), ""};
        who.partition = partition;
        who.org = owner.text();
        co_return std::nullopt;
    }
    if (!org.empty()) {
        const auto partition = co_await s.redis.call(redis::command::of("HGET", keys::orgs, org));
        if (partition.is_nil())
            co_return failure{errc::invalid_parameter, "there is no organisation of this name"};
        who.org = std::move(org);
        who.partition = static_cast<unsigned>(partition.number());
        co_return std::nullopt;
    }
    if (!covers_all)
        co_return failure{errc::invalid_parameter, "an operator says for which organisation: org"};
    co_return std::nullopt;
}

asio::awaitable<result<std::vector<organisation>>> organisations_of(const caller& who, services& s) {
    std::vector<organisation> out;
    if (!who.acts_for_all()) {
        out.push_back({who.org, who.partition});
        co_return out;
    }
    const auto count = co_await s.redis.call(redis::command::of("HLEN", keys::orgs));
    if (count.number() > most_orgs)
        co_return failure{errc::invalid_parameter, "there are more than 1000 organisations: name one, by org"};
    const auto all = co_await s.redis.call(redis::command::of("HGETALL", keys::orgs));
    for (std::size_t i = 0; i + 1 < all.size(); i += 2)
        if (is_org_name(all[i].text()))
            out.push_back({std::string(all[i].text()), static_cast<unsigned>(all[i + 1].number())});
    co_return out;
}

} // namespace reprise::api
