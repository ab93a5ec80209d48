// reprise-api: the HTTP front end, and administration. Reads the command line; serve.cpp, admin.cpp,
// acl.cpp and doctor.cpp do the rest.
#include "api/acl.hpp"
#include "api/admin.hpp"
#include "api/doctor.hpp"
#include "api/serve.hpp"
#include "common/log.hpp"

#include <CLI/CLI.hpp>

#include <iostream>

namespace {

using reprise::api::admin_order;

// Flags of each command set the same order; the command that was given says what it is.
struct commands {
    CLI::App& app;
    admin_order& order;

    void add(CLI::App* under, const std::string& name, const std::string& help, admin_order::kind what,
             const std::function<void(CLI::App&)>& options) {
        auto* c = under->add_subcommand(name, help);
        c->callback([this, what] { order.what = what; });
        options(*c);
    }

    CLI::App* group(const std::string& name, const std::string& help) {
        auto* g = app.add_subcommand(name, help);
        g->require_subcommand(1);
        return g;
    }
};

} // namespace

int main(int argc, char** argv) {
    CLI::App app("Reprise retries runs from their retained inputs. Every setting is also read from the environment.");
    app.set_version_flag("--version", REPRISE_VERSION);
    app.require_subcommand(1);
    app.fallthrough(); // settings may stand before or after the command
    reprise::api::api_settings settings;
    settings.add_to(app);
    admin_order order;
    commands c{app, order};

    auto* serve = app.add_subcommand("serve", "serve the REST API");
    auto* keys = c.group("keys", "API keys");
    c.add(keys, "create", "make a key and print it; it is shown this once", admin_order::kind::keys_create,
          [&](CLI::App& s) {
              s.add_option("--org", order.org, "organisation; * for operators")->required();
              s.add_option("--scopes", order.scopes, "comma-separated: runs:read,runs:write,ops:read,ops:write")
                  ->required();
              s.add_option("--user", order.user, "user (default: the organisation's name)");
              s.add_option("--expires-in-days", order.expires_in_days, "days until it expires (default: never)");
          });
    c.add(keys, "list", "list keys, never their secrets", admin_order::kind::keys_list,
          [&](CLI::App& s) { s.add_flag("--json", order.json, "one JSON object a line"); });
    c.add(keys, "revoke", "make a key useless", admin_order::kind::keys_revoke,
          [&](CLI::App& s) { s.add_option("key-id", order.id, "the 12 characters after rp_")->required(); });
    c.add(keys, "rotate", "make a key like another, which then expires", admin_order::kind::keys_rotate,
          [&](CLI::App& s) {
              s.add_option("key-id", order.id, "the 12 characters after rp_")->required();
              s.add_option("--grace-hours", order.grace_hours, "hours that the old one still works")
                  ->check(CLI::Range(0, 24 * 365))
                  ->capture_default_str();
          });
    auto* orgs = c.group("orgs", "organisations");
    c.add(orgs, "set", "set plan and quota", admin_order::kind::orgs_set, [&](CLI::App& s) {
        s.add_option("org", order.org, "organisation")->required();
        s.add_option("--runs-per-month", order.runs_per_month, "a number, or unlimited");
        s.add_option("--plan", order.plan, "active or inactive");
    });
    auto* projects = c.group("projects", "projects");
    c.add(projects, "archive", "refuse new runs of a project", admin_order::kind::projects_archive,
          [&](CLI::App& s) { s.add_option("project-id", order.id, "project")->required(); });

    reprise::api::doctor_order checkup;
    auto* doctor = app.add_subcommand("doctor", "compare what Redis and the blob store hold with each other");
    doctor->add_flag("--repair", checkup.repair, "put right what follows from the runs' own records");
    doctor->add_flag("--digests", checkup.digests, "also read every blob and compare its SHA-256");
    doctor->add_flag("--json", checkup.json, "print one JSON object");

    reprise::api::acl_order users;
    auto* acl = app.add_subcommand("acl", "print the users of Redis, each with what it needs, as Redis' aclfile");
    acl->add_option("--passwords", users.passwords,
                    "directory with a file for each user, named like it, that holds its password")
        ->required();
    acl->add_flag("--make", users.make, "make the files that are missing, with random passwords");

    if (const auto status = reprise::read_command_line(app, argc, argv))
        return *status;
    try {
        if (acl->parsed()) {
            reprise::api::print_acl(users);
            return 0;
        }
        settings.validate();
        reprise::log::configure(settings.common.log_level, "api");
    } catch (const std::invalid_argument& e) {
        std::cerr << "reprise-api: " << e.what() << "\n";
        return reprise::configuration_error;
    }
    if (serve->parsed())
        return reprise::api::serve(settings);
    if (doctor->parsed())
        return reprise::api::examine(settings, checkup);
    return reprise::api::administrate(settings, order);
}
