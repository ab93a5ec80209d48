#include "worker/backoff.hpp"
#include "worker/lease_book.hpp"
#include "worker/pipeline/pipeline.hpp"
#include "worker/steps/artifacts.hpp"
#include "worker/worker_metrics.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace reprise::worker {
namespace {

std::string with_step(const std::string& step) {
    return R"({"version":1,"tools":{"t":"{toolchain}/t"},"pipelines":{"default":[)" + step + "]}}";
}

TEST(Pipelines, TheBuiltInOnesAreSound) {
    const auto p = pipelines::built_in("/opt/toolchain");
    const auto& steps = p.of_mode("flagship").steps;
    ASSERT_EQ(steps.size(), 6u);
    EXPECT_EQ(steps.front().name, "verify_inputs");
    EXPECT_EQ(steps.back().builtin, "quality_gate");
    EXPECT_EQ(p.tools().at("redocly").find("{toolchain}"), std::string::npos);
}

TEST(Pipelines, PlacesInArgvAreFilled) {
    const auto p = pipelines::parse(
        with_step(R"({"name":"a","tool":"t","argv":["{tool}","{toolchain}/x","{document}"]})"), "/o");
    EXPECT_EQ(p.of_mode("any").steps.at(0).argv, (std::vector<std::string>{"/o/t", "/o/x", "{document}"}));
}

TEST(Pipelines, MistakesAreNamed) {
    for (const auto* text :
         {"", "{}", R"({"version":2,"pipelines":{"default":[]}})", R"({"version":1,"pipelines":{}})"})
        EXPECT_THROW(pipelines::parse(text, ""), std::invalid_argument) << text;
    for (const auto* step :
         {"{}", R"({"name":"a"})", R"({"name":"a/b","builtin":"noop"})", R"({"name":"a","builtin":"x"})",
          R"({"name":"a","argv":[1]})", R"({"name":"a","argv":["x"],"tool":"unknown"})",
          R"({"name":"a","argv":["x"],"typo":1})", R"({"name":"a","argv":["x"],"timeoutSeconds":0})",
          R"({"name":"a","argv":["x"],"artifacts":[{"key":"../k","path":"p"}]})",
          R"({"name":"a","argv":["x"],"artifacts":[{"key":"k","path":"/etc/passwd"}]})",
          R"({"name":"a","builtin":"noop"},{"name":"a","builtin":"noop"})"})
        EXPECT_THROW(pipelines::parse(with_step(step), ""), std::invalid_argument) << step;
}

TEST(Backoff, StaysWithinItsCap) {
    for (int attempt = 1; attempt < 100; ++attempt) {
        EXPECT_GT(backoff(attempt).count(), 0);
        EXPECT_LE(backoff(attempt).count(), 60'000);
    }
    EXPECT_LE(backoff(1).count(), 2'000);
}

TEST(LeaseBook, ARunClaimedAnewIsAnotherEntry) {
    worker_metrics counted({}, 1);
    lease_book book(counted);
    claim_ticket old_claim, new_claim;
    old_claim.run = new_claim.run = "run";
    old_claim.epoch = 1;
    new_claim.epoch = 3;
    book.add(old_claim, 0);
    const auto held = book.add(new_claim, 0);
    book.remove(old_claim);
    EXPECT_EQ(book.size(), 1u);
    book.hand_back_all();
    EXPECT_TRUE(held->hand_back);
}

class Collect : public ::testing::Test {
  protected:
    void SetUp() override {
        std::filesystem::create_directories(directory_ / "out" / "sub");
        std::filesystem::create_directories(scratch_);
    }
    void TearDown() override { std::filesystem::remove_all(root_); }
    void write(const std::string& name, const std::string& text) { std::ofstream(directory_ / name) << text; }

    std::filesystem::path root_ =
        std::filesystem::temp_directory_path() / ("reprise-collect-" + std::to_string(::getpid()));
    std::filesystem::path directory_ = root_ / "step", scratch_ = root_ / "scratch";
};

TEST_F(Collect, TheSameFilesMakeTheSameArchive) {
    write("out/b", "2");
    write("out/sub/a", "1");
    const std::vector<artifact_rule> rules{{"sdk.tar.gz", "out", "application/gzip", true}};
    const auto first = collect(rules, directory_, scratch_);
    ASSERT_TRUE(first);
    std::filesystem::last_write_time(directory_ / "out/b",
                                     std::filesystem::file_time_type::clock::now() + std::chrono::hours(5));
    const auto second = collect(rules, directory_, scratch_);
    EXPECT_EQ(first->at(0).sha256, second->at(0).sha256);
    EXPECT_GT(first->at(0).bytes, 0u);
}

TEST_F(Collect, LongNamesAreArchivedToo) {
    write("out/" + std::string(180, 'n') + ".py", "1");
    const auto files = collect({{"sdk.tar.gz", "out", "application/gzip", true}}, directory_, scratch_);
    ASSERT_TRUE(files) << files.error().message;
}

TEST_F(Collect, LinksAreNeverTaken) {
    std::filesystem::create_symlink("/etc/passwd", directory_ / "report");
    std::filesystem::create_symlink("/etc", directory_ / "linked");
    const auto file = collect({{"k", "report", "text/plain", false}}, directory_, scratch_);
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error().code, errc::step_output_missing);
    EXPECT_FALSE(collect({{"k", "linked", "text/plain", true}}, directory_, scratch_));
    std::filesystem::create_symlink("/etc/passwd", directory_ / "out/link");
    EXPECT_FALSE(collect({{"k", "out", "text/plain", true}}, directory_, scratch_)); // nothing but a link in it
}

TEST_F(Collect, MissingAndEmptyOutputIsSaid) {
    write("empty", "");
    for (const auto* path : {"nothing", "empty"})
        EXPECT_EQ(collect({{"k", path, "x", false}}, directory_, scratch_).error().code, errc::step_output_missing);
}

} // namespace
} // namespace reprise::worker
