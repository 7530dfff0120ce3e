// profile: how each format does on tensors that you have: size, speed, and what is lost on the way.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/format.h"

namespace ferry {

// One format with one way of packing: "none", the whole file as "gzip" or "zstd-LEVEL", or an option of the format's own
// ("compress=true").
struct FormatProfile {
  const Format* format = nullptr;
  std::string packing;
  Status refused = {};  // why these tensors cannot be written so; then nothing below is set
  uint64_t bytes = 0;
  // Seconds, medians, files in the page cache.
  double write = 0;
  double read_all = 0;                 // opened, and every byte of every tensor looked at
  double first = 0;                    // opened, and the first tensor there
  std::optional<double> row = {};      // opened before: one row of the largest tensor; unset where it has no rows
  std::vector<std::string> lost = {};  // of: tensors, tensors added, names, metadata, kind, dtype, shape, values, order
  bool written() const { return refused.ok(); }
  bool lossless() const { return written() && lost.empty(); }
};

struct ProfileOptions {
  std::vector<const Format*> formats;  // empty: all that write
  std::vector<std::string> packings;   // empty: default_packings(); a format's own options come besides
  std::string folder;                  // for the files, which are removed; empty: the system's folder for temporary files
  double seconds = 0.03;               // for each measurement; a slow one is made once
  Limits limits;
  ThreadPool* pool = nullptr;
  std::function<void(std::string_view format, std::string_view packing)> progress;  // before each
};

std::span<const std::string_view> default_packings();
// "none", "gzip", "gzip-9", "zstd-3" …
bool is_packing(std::string_view name);

// In the order of the table of formats; each format once for each packing, or once where it refuses.
Result<std::vector<FormatProfile>> profile_formats(const TensorMap& tensors, const ProfileOptions& options = {});

// What a reader of the numbers is after.
enum class ProfileGoal : uint8_t { balanced, size, read, write };
struct Recommendation {
  size_t row = 0;
  std::string reason;
};
// Of the rows that lose nothing; none where every one does.
std::optional<Recommendation> recommend(std::span<const FormatProfile> rows, ProfileGoal goal = ProfileGoal::balanced);

// What of `before` is missing in `after`, as in FormatProfile::lost.
std::vector<std::string> what_was_lost(const TensorMap& before, const TensorMap& after);

}  // namespace ferry
