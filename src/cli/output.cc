#include "cli/output.h"

#include "cli/staging.h"
#include "cli/text.h"

namespace ferry::cli {
namespace {

constexpr uint64_t kWorthThreads = uint64_t{1} << 20;

WriteOptions write_options(Context& context, const FormatOptions& options, uint64_t bytes) {
  WriteOptions out;
  out.format = options;
  if (bytes >= kWorthThreads) out.pool = context.pool();
  return out;
}

uint64_t bytes_of(const TensorReader& tensors) {
  uint64_t out = 0;
  for (const TensorInfo& info : tensors.tensors()) out += info.bytes;
  return out;
}

}  // namespace

Result<Tensor> WatchedReader::read(size_t i) const {
  auto tensor = inner_.read(i);
  if (tensor.ok()) {
    progress_.advance(inner_.tensors()[i].bytes);
  } else {
    const std::scoped_lock lock(mutex_);
    if (!failure_) failure_ = tensor.status();
  }
  return tensor;
}

std::optional<Status> WatchedReader::failure() const {
  const std::scoped_lock lock(mutex_);
  return failure_;
}

int write_output(Context& context, const TensorMap& tensors, std::string_view path, const Format& format, const FormatOptions& options) {
  return write_output(context, *reader_of(tensors), path, path, format, options);
}

int write_output(Context& context, const TensorReader& tensors, std::string_view in_path, std::string_view path, const Format& format,
                 const FormatOptions& options, bool check) {
  const uint64_t bytes = bytes_of(tensors);
  const WriteOptions write = write_options(context, options, bytes);
  if (const Status status = check_writable(tensors.tensors(), format); !status.ok()) return context.fail(path, status);
  const auto written = [&](const std::string& to) -> int {
    Progress progress(context, "writing", bytes);
    const WatchedReader watched(tensors, progress);
    const Status status = save(watched, to, &format, write);
    if (status.ok()) return 0;
    const auto failure = watched.failure();
    return failure ? context.fail(in_path, *failure) : context.fail(path, status);
  };
  if (!check) return written(std::string(path));
  auto staging = Staging::beside(std::string(path));
  if (!staging.ok()) return context.fail(path, staging.status());
  if (const int code = written(staging->path()); code != 0) return code;
  {
    Progress progress(context, "checking", bytes);
    const WatchedReader watched(tensors, progress);
    const Status status = same_tensors(watched, staging->path(), format, context.limits, write.pool);
    if (const auto failure = watched.failure()) return context.fail(in_path, *failure);
    if (!status.ok()) return context.fail(path, status);
  }
  const Status status = staging->publish();
  return status.ok() ? 0 : context.fail(path, status);
}

}  // namespace ferry::cli
