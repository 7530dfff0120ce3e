#include <filesystem>

#include "ferry/checkpoint.h"
#include "formats/ckpt/state.h"

namespace ferry {
namespace {

namespace fs = std::filesystem;

bool is_checkpoint(const std::string& prefix) {
  std::error_code error;
  return fs::is_regular_file(prefix, error) || ckpt::locate(prefix, false).has_value();
}

// Where a prefix of a state file leads; empty where nothing is.
std::string resolve(const std::string& folder, const std::string& prefix) {
  if (prefix.empty()) return {};
  const std::string there = (fs::path(folder) / prefix).string();  // a whole path stays one
  if (is_checkpoint(there)) return there;
  const std::string moved = (fs::path(folder) / fs::path(prefix).filename()).string();
  return is_checkpoint(moved) ? moved : std::string();
}

}  // namespace

Result<std::optional<CheckpointState>> read_checkpoint_state(const std::string& folder) {
  const auto files = directory(folder);
  if (!files->has(ckpt::kStateFile)) return std::optional<CheckpointState>();
  FERRY_ASSIGN_OR_RETURN(const auto file, files->open(ckpt::kStateFile));
  FERRY_ASSIGN_OR_RETURN(const ckpt::State said, ckpt::read_state(*file));
  CheckpointState out;
  out.latest = resolve(folder, said.latest);
  for (const std::string& prefix : said.all) {
    if (std::string found = resolve(folder, prefix); !found.empty()) out.all.push_back(std::move(found));
  }
  return std::optional(std::move(out));
}

}  // namespace ferry
