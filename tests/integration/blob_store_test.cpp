// Blobs on a real disk.
#include "common/blob/blob_store.hpp"
#include "common/crypto/digest.hpp"
#include "tests/support/run_async.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

namespace reprise {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;
using test::run_async;

asio::awaitable<bool> answer(bool b) {
    co_return b;
}

class BlobStore : public ::testing::Test {
  protected:
    void SetUp() override { run_async(io_, store_.identify("first", true)); }
    void TearDown() override { fs::remove_all(root_); }
    fs::path path(const blob_id& b) const { return root_ / b.org / b.sha256.substr(0, 2) / b.sha256; }

    asio::io_context io_;
    asio::thread_pool pool_{2};
    fs::path root_ = fs::temp_directory_path() / ("reprise-blobs-" + std::to_string(::getpid()));
    blob_store store_{root_, pool_};
    const blob_id blob_{"acme", sha256_hex("hello")};
};

TEST_F(BlobStore, WhatIsPutIsFoundAndRead) {
    EXPECT_FALSE(run_async(io_, store_.find(blob_)));
    run_async(io_, store_.put(blob_, "hello"));
    EXPECT_EQ(run_async(io_, store_.find(blob_)), 5u);
    const auto open = run_async(io_, store_.open(blob_));
    EXPECT_EQ(open->read(1, 100), "ello");
}

TEST_F(BlobStore, TheSameBytesAreStoredOnceAndNothingElseIsLeft) {
    for (int i = 0; i < 20; ++i)
        run_async(io_, store_.put(blob_, "hello"));
    int files = 0;
    for (const auto& e : fs::recursive_directory_iterator(root_))
        files += e.is_regular_file();
    EXPECT_EQ(files, 2); // the marker is the other one
}

TEST_F(BlobStore, ATruncatedBlobIsWrittenAnew) {
    run_async(io_, store_.put(blob_, "hello"));
    fs::resize_file(path(blob_), 2);
    run_async(io_, store_.put(blob_, "hello"));
    EXPECT_EQ(run_async(io_, store_.find(blob_)), 5u);
}

TEST_F(BlobStore, OnlyARegularFileIsABlob) {
    fs::create_directories(path(blob_).parent_path());
    fs::create_symlink("/etc/passwd", path(blob_));
    EXPECT_FALSE(run_async(io_, store_.find(blob_)));
    EXPECT_FALSE(run_async(io_, store_.open(blob_)));
    fs::remove(path(blob_));
    ASSERT_EQ(::mkfifo(path(blob_).c_str(), 0600), 0);
    EXPECT_FALSE(run_async(io_, store_.find(blob_)));
    EXPECT_FALSE(run_async(io_, store_.open(blob_))); // and does not hang
}

TEST_F(BlobStore, ADropHappensOnlyWhenItIsDue) {
    run_async(io_, store_.put(blob_, "hello"));
    EXPECT_FALSE(run_async(io_, store_.drop(blob_, [] { return answer(false); })));
    EXPECT_TRUE(run_async(io_, store_.find(blob_)));
    EXPECT_TRUE(run_async(io_, store_.drop(blob_, [] { return answer(true); })));
    EXPECT_FALSE(run_async(io_, store_.find(blob_)));
}

TEST_F(BlobStore, AnOpenBlobOutlivesItsDrop) {
    run_async(io_, store_.put(blob_, "hello"));
    const auto open = run_async(io_, store_.open(blob_));
    run_async(io_, store_.drop(blob_, [] { return answer(true); }));
    EXPECT_EQ(open->read(0, 5), "hello");
}

TEST_F(BlobStore, AStoreWithoutItsMarkerIsAnOutageNotAnEmptyStore) {
    EXPECT_EQ(run_async(io_, store_.identify("second", true)), "first");
    run_async(io_, store_.check("first"));
    EXPECT_THROW(run_async(io_, store_.check("another")), outage);
    fs::remove_all(root_);
    EXPECT_THROW(run_async(io_, store_.check("first")), outage);
    EXPECT_THROW(run_async(io_, store_.find(blob_)), outage);
    EXPECT_THROW(run_async(io_, store_.put(blob_, "hello")), outage);
    EXPECT_FALSE(fs::exists(root_));
    EXPECT_THROW(run_async(io_, store_.open(blob_)), outage);
}

TEST_F(BlobStore, ADirectoryThatCannotBeMadeIsAnOutage) {
    std::ofstream(root_ / "acme") << "a file in the way";
    EXPECT_THROW(run_async(io_, store_.put(blob_, "hello")), outage);
}

} // namespace
} // namespace reprise
