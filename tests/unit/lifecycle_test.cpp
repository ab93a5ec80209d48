#include "common/run/lifecycle.hpp"
#include "common/run/mode.hpp"
#include "common/run/verdict.hpp"

#include <gtest/gtest.h>

namespace reprise {
namespace {

TEST(Lifecycle, StatusesAreTheContractsAndNoOthers) {
    for (const auto* name : {"queued", "running", "blocked", "complete", "ready", "failed", "expired", "canceled"})
        EXPECT_TRUE(status_of(name)) << name;
    EXPECT_EQ(run_status_names.size(), 8u);
    EXPECT_FALSE(status_of("done"));
}

TEST(Lifecycle, NothingButExpiryFollowsAnEnd) {
    for (const auto s : {run_status::complete, run_status::ready, run_status::failed, run_status::canceled})
        for (std::size_t t = 0; t < transition_names.size(); ++t)
            EXPECT_EQ(may(static_cast<transition>(t), s), transition_names[t] == "expire")
                << name_of(s) << " by " << transition_names[t];
}

TEST(Lifecycle, NothingFollowsExpiry) {
    for (std::size_t t = 0; t < transition_names.size(); ++t)
        EXPECT_FALSE(may(static_cast<transition>(t), run_status::expired)) << transition_names[t];
}

TEST(Lifecycle, OnlyARunningRunCanFinish) {
    for (std::size_t s = 0; s < run_status_names.size(); ++s)
        EXPECT_EQ(may(transition::finish, static_cast<run_status>(s)), run_status_names[s] == "running");
}

TEST(Verdict, FollowsFromWhatWasFound) {
    EXPECT_EQ(ending_of({.gate = true}).verdict, "ready");
    EXPECT_EQ(ending_of({.gate = true}).status, run_status::ready);
    EXPECT_EQ(ending_of({.gate = true, .lint_warnings = 2}).verdict, "needs_review");
    EXPECT_EQ(ending_of({.gate = true, .lint_errors = 1, .lint_warnings = 2}).verdict, "not_ready");
    EXPECT_EQ(ending_of({.gate = true, .optional_step_failed = true}).verdict, "not_ready");
    EXPECT_EQ(ending_of({}).verdict, "generated");
    EXPECT_EQ(ending_of({}).status, run_status::complete);
}

TEST(Mode, OlderNamesAreStoredAsTheirSuccessors) {
    EXPECT_EQ(stored_mode("openapi"), "flagship");
    EXPECT_EQ(stored_mode("custom"), "flagship");
    EXPECT_EQ(stored_mode("stainless_migration"), "stainless_compatible");
    EXPECT_EQ(stored_mode("reference-sample"), "reference-sample");
    EXPECT_FALSE(stored_mode("other"));
    EXPECT_TRUE(needs_config("stainless_compatible"));
    EXPECT_FALSE(needs_config("flagship"));
}

} // namespace
} // namespace reprise
