// Writing tensors to a path, from a map or one by one from another file.
#pragma once

#include <mutex>
#include <optional>
#include <string_view>

#include "cli/context.h"
#include "cli/progress.h"
#include "ferry/format.h"

namespace ferry::cli {

// A reader that moves a progress bar and remembers what went wrong in it, so that an error is told of the file it is in.
class WatchedReader : public TensorReader {
 public:
  WatchedReader(const TensorReader& inner, Progress& progress) : inner_(inner), progress_(progress) {}
  std::span<const TensorInfo> tensors() const override { return inner_.tensors(); }
  Result<Tensor> read(size_t i) const override;
  const Metadata& metadata() const override { return inner_.metadata(); }
  std::optional<Status> failure() const;

 private:
  const TensorReader& inner_;
  Progress& progress_;
  mutable std::mutex mutex_;
  mutable std::optional<Status> failure_;  // the first
};

// Each writes with a progress bar; nothing is left under `path` where it fails. Gives the exit code.
int write_output(Context& context, const TensorMap& tensors, std::string_view path, const Format& format, const FormatOptions& options);
// `in_path`: of the file that reading errors are about. With `check` what was written is read again, and only then gets its name.
int write_output(Context& context, const TensorReader& tensors, std::string_view in_path, std::string_view path, const Format& format,
                 const FormatOptions& options, bool check = false);

}  // namespace ferry::cli
