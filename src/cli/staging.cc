#include "cli/staging.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <filesystem>

#include "cli/text.h"
#include "ferry/compare.h"

namespace ferry::cli {
namespace {

namespace fs = std::filesystem;

// Piece by piece, each let go behind it: both may be larger than memory.
bool same_bytes(const Buffer& a, const Buffer& b, ThreadPool* pool) {
  if (a.size() != b.size()) return false;
  constexpr int64_t kPiece = int64_t{4} << 20;
  const auto pieces = (static_cast<int64_t>(a.size()) + kPiece - 1) / kPiece;
  std::atomic<bool> same = true;
  parallel_for(pool, pieces, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end && same.load(std::memory_order_relaxed); ++i) {
      const auto at = static_cast<size_t>(i * kPiece), size = std::min(static_cast<size_t>(kPiece), a.size() - at);
      if (std::memcmp(a.data() + at, b.data() + at, size) != 0) same = false;
      if (size < kPiece / 4) continue;
      a.slice(at, size).drop_pages();
      b.slice(at, size).drop_pages();
    }
  });
  return same;
}

Result<bool> same_values(const Tensor& a, const Tensor& b, ThreadPool* pool) {
  const auto* x = std::get_if<DenseTensor>(&a);
  const auto* y = std::get_if<DenseTensor>(&b);
  if (x != nullptr && y != nullptr && !x->is_string()) {
    return x->dtype() == y->dtype() && x->shape() == y->shape() && same_bytes(x->buffer(), y->buffer(), pool);
  }
  if (identical(a, b)) return true;
  const auto* s = std::get_if<SparseTensor>(&a);
  const auto* t = std::get_if<SparseTensor>(&b);
  if (s == nullptr || t == nullptr) return false;
  FERRY_ASSIGN_OR_RETURN(const SparseTensor p, canonical_coo(*s, pool));
  FERRY_ASSIGN_OR_RETURN(const SparseTensor q, canonical_coo(*t, pool));
  return identical(Tensor(p), Tensor(q));
}

std::string described(const Tensor& x) { return concat(kind_name(kind_of(x)), " ", dtype_name(dtype_of(x)), " ", shape_text(shape_of(x))); }

}  // namespace

Result<Staging> Staging::beside(const std::string& path) {
  if (path == "-") return unsupported("what goes to a pipe cannot be read again; --check needs a file");
  const fs::path target(path);
  const std::string name = target.filename().string();
  if (name.empty()) return invalid_argument("the path ends in a folder, expected a file's name");
  std::string folder = (target.parent_path() / concat(".", name, ".XXXXXX")).string();
  if (::mkdtemp(folder.data()) == nullptr) return io_error(concat("cannot make a folder beside it: ", std::strerror(errno)));
  std::string inside = (fs::path(folder) / name).string();
  return Staging(std::move(folder), std::move(inside), path);
}

Staging::~Staging() {
  std::error_code ignored;
  if (!folder_.empty()) fs::remove_all(folder_, ignored);
}

Status Staging::publish() {
  std::error_code error;
  std::vector<fs::path> files;
  for (fs::directory_iterator it(folder_, error), end; !error && it != end; it.increment(error)) files.push_back(it->path());
  if (error) return io_error(concat("cannot list what was written: ", error.message()));
  const auto is_index = [](const fs::path& path) {
    return path.filename().string().find(".index") != std::string::npos || path.extension() == ".json";
  };
  std::ranges::sort(files, {}, [&](const fs::path& path) { return std::pair(is_index(path), path); });
  for (const fs::path& file : files) {
    fs::path target = fs::path(target_).parent_path() / file.filename();
    // As any other output: a link is followed, permissions stay.
    if (struct stat info; ::stat(target.c_str(), &info) == 0) {
      if (const fs::path real = fs::canonical(target, error); !error) target = real;
      (void)::chmod(file.c_str(), info.st_mode & 07777);
    }
    fs::rename(file, target, error);
    if (error) return io_error(concat("cannot rename into place: ", error.message()));
  }
  return {};
}

Status same_tensors(const TensorReader& tensors, const std::string& path, const Format& format, const Limits& limits, ThreadPool* pool) {
  ReadOptions options;
  options.limits = limits;
  options.pool = pool;
  options.streaming = true;
  auto opened = open_tensors(path, &format, options);
  const auto broken = [](const Status& status) { return data_loss(concat("check: what was written cannot be read: ", status.message())); };
  if (!opened.ok()) return broken(opened.status());
  const TensorReader& back = **opened;
  const auto wanted = tensors.tensors(), there = back.tensors();
  if (wanted.size() != there.size()) {
    return data_loss(concat("check: ", counted(wanted.size(), "tensor"), " went in and ", there.size(), " came back"));
  }
  std::vector<std::pair<std::string_view, size_t>> by_name;
  for (size_t i = 0; i < there.size(); ++i) by_name.emplace_back(there[i].name, i);
  std::ranges::sort(by_name);
  for (size_t i = 0; i < wanted.size(); ++i) {
    size_t at = 0;
    if (format.capabilities.names) {
      const auto it = std::ranges::lower_bound(by_name, std::pair(std::string_view(wanted[i].name), size_t{0}));
      if (it == by_name.end() || it->first != wanted[i].name)
        return data_loss(concat("check: tensor ", display_name(wanted[i].name), " did not come back"));
      at = it->second;
    }
    FERRY_ASSIGN_OR_RETURN(const Tensor before, tensors.read(i));
    const auto after = back.read(at);
    if (!after.ok()) return broken(after.status());
    FERRY_ASSIGN_OR_RETURN(const bool same, same_values(before, *after, pool));
    if (same) continue;
    const std::string a = described(before), b = described(*after);
    return data_loss(concat("check: tensor ", display_name(wanted[i].name),
                            a == b ? std::string(" came back with other values") : concat(" went in as ", a, " and came back as ", b)));
  }
  return {};
}

}  // namespace ferry::cli
