// The directory in which a worker makes those of its runs. Locked while the worker lives, so that the next
// worker on this host can tell, and remove, what a killed one has left.
#pragma once
#include <filesystem>
#include <string>

namespace reprise::worker {

class scratch {
  public:
    // Throws std::invalid_argument if nothing can be made below `parent`.
    scratch(const std::filesystem::path& parent, const std::string& worker);
    ~scratch();
    scratch(const scratch&) = delete;
    scratch& operator=(const scratch&) = delete;

    const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path path_;
    int lock_ = -1;
};

} // namespace reprise::worker
