#include "worker/steps/artifacts.hpp"

#include "common/blob/blob_store.hpp"
#include "common/crypto/digest.hpp"
#include "common/json/utf8.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <memory>

namespace reprise::worker {
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t largest_file = 64u << 20;
constexpr std::uint64_t largest_directory = 256u << 20;
constexpr std::size_t most_files = 20'000;
constexpr std::size_t piece = 1 << 20;

class too_much : public std::runtime_error {
    using runtime_error::runtime_error;
};

open_blob open_file(const fs::path& file) {
    const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        throw std::runtime_error("cannot open " + file.filename().string());
    return open_blob(fd, fs::file_size(file));
}

bool is_regular(const fs::path& p) {
    std::error_code ec;
    return fs::is_regular_file(fs::symlink_status(p, ec));
}

// Sorted, so that the same files make the same archive, and so the same blob.
std::vector<fs::path> regular_files(const fs::path& root) {
    std::vector<fs::path> out;
    std::uint64_t bytes = 0;
    for (auto it = fs::recursive_directory_iterator(root); it != fs::recursive_directory_iterator(); ++it) {
        if (!is_regular(it->path()))
            continue;
        bytes += fs::file_size(it->path());
        out.push_back(it->path());
        if (out.size() > most_files || bytes > largest_directory)
            throw too_much("more than 20000 files or 256 MiB below " + root.filename().string());
    }
    std::ranges::sort(out);
    return out;
}

void check(archive* a, int status) {
    if (status < ARCHIVE_WARN)
        throw outage(errc::storage_unavailable, std::string("cannot write an archive: ") + archive_error_string(a));
}

void write_archive(const fs::path& root, const fs::path& target) {
    const std::unique_ptr<archive, int (*)(archive*)> a(archive_write_new(), archive_write_free);
    check(a.get(), archive_write_add_filter_gzip(a.get()));
    // Level 6 and no time stamp: the bytes depend on the files alone.
    check(a.get(), archive_write_set_options(a.get(), "gzip:compression-level=6,gzip:!timestamp"));
    check(a.get(),
          archive_write_set_format_pax_restricted(a.get())); // plain ustar unless a name is too long for it
    check(a.get(), archive_write_open_filename(a.get(), target.c_str()));
    for (const auto& file : regular_files(root)) {
        const auto from = open_file(file);
        const std::unique_ptr<archive_entry, void (*)(archive_entry*)> e(archive_entry_new(), archive_entry_free);
        const auto name = (root.filename() / fs::relative(file, root)).generic_string();
        archive_entry_set_pathname(e.get(), name.c_str());
        archive_entry_set_size(e.get(), static_cast<la_int64_t>(from.size()));
        archive_entry_set_filetype(e.get(), AE_IFREG);
        archive_entry_set_perm(e.get(), 0644);
        archive_entry_set_mtime(e.get(), 0, 0);
        check(a.get(), archive_write_header(a.get(), e.get()));
        for (std::uint64_t at = 0; at < from.size(); at += piece) {
            const auto bytes = from.read(at, piece);
            if (archive_write_data(a.get(), bytes.data(), bytes.size()) < 0)
                check(a.get(), ARCHIVE_FATAL);
        }
    }
    check(a.get(), archive_write_close(a.get()));
}

} // namespace

void write_file(const fs::path& to, std::string_view bytes) {
    std::ofstream out(to, std::ios::binary);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    out.close();
    if (!out)
        throw outage(errc::storage_unavailable,
                     "cannot write " + to.filename().string() + " in the worker's directory");
}

produced_file digested(std::string key, std::string content_type, fs::path file) {
    produced_file p{std::move(key), std::move(content_type), std::move(file), {}, 0};
    const auto from = open_file(p.file);
    sha256 d;
    for (std::uint64_t at = 0; at < from.size(); at += piece)
        d.update(from.read(at, piece));
    p.sha256 = d.hex();
    p.bytes = from.size();
    return p;
}

produced_file log_file(const fs::path& directory, const std::string& step, std::string_view text) {
    auto file = directory / (step + ".log.txt");
    write_file(file, as_utf8(text));
    return digested("logs/" + step + ".txt", "text/plain; charset=utf-8", std::move(file));
}

result<std::vector<produced_file>> collect(const std::vector<artifact_rule>& rules, const fs::path& directory,
                                           const fs::path& scratch) {
    std::vector<produced_file> out;
    try {
        for (const auto& rule : rules) {
            auto from = directory / rule.path;
            std::error_code ec;
            if (rule.archive) {
                if (!fs::is_directory(fs::symlink_status(from, ec)) || regular_files(from).empty())
                    return failure{errc::step_output_missing, "the command left no files in " + rule.path};
                const auto target = scratch / (sha256_hex(rule.key) + ".tar.gz");
                write_archive(from, target);
                from = target;
            }
            if (!is_regular(from) || fs::file_size(from) == 0)
                return failure{errc::step_output_missing, "the command left no file " + rule.path};
            if (fs::file_size(from) > largest_file)
                return failure{errc::step_output_limit, rule.path + " is over 64 MiB"};
            out.push_back(digested(rule.key, rule.content_type, from));
        }
    } catch (const too_much& e) {
        return failure{errc::step_output_limit, e.what()};
    } catch (const outage&) {
        throw;
    } catch (const std::exception& e) { // a directory that we may not read, a file that vanished
        return failure{errc::step_output_missing, std::string("cannot read what the command left: ") + e.what()};
    }
    return out;
}

} // namespace reprise::worker
