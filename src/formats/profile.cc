// Writes tensors in each format to files, reads them back, and keeps the times.
#include "ferry/profile.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "ferry/compare.h"
#include "ferry/crc32c.h"
#include "ferry/ragged.h"
#include "ferry/sparse.h"

namespace ferry {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kPackings[] = {"none", "gzip", "zstd-1", "zstd-3", "zstd-12"};

struct Packing {
  std::string name;
  Compression compression = Compression::none;
  int level = 0;
  FormatOptions options;
};

std::optional<Packing> packing_of(std::string_view name) {
  Packing out{std::string(name), Compression::none, 0, {}};
  if (name == "none") return out;
  const size_t dash = name.find('-');
  const std::string_view codec = name.substr(0, dash);
  out.compression = codec == "gzip" ? Compression::gzip : codec == "zstd" ? Compression::zstd : Compression::none;
  if (out.compression == Compression::none) return std::nullopt;
  if (dash == std::string_view::npos) return out;
  const std::string_view digits = name.substr(dash + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out.level);
  const int most = out.compression == Compression::gzip ? 9 : 19;
  if (error != std::errc() || end != digits.data() + digits.size() || out.level < 1 || out.level > most) return std::nullopt;
  return out;
}

// The format's own ways to be smaller.
std::vector<Packing> own_packings(const Format& format) {
  std::vector<Packing> out;
  for (const OptionSpec& spec : format.options) {
    if (spec.name != "compress" && spec.name != "compression" && spec.name != "narrow") continue;
    for (size_t start = 0; start <= spec.values.size();) {
      const size_t end = std::min(spec.values.find('|', start), spec.values.size());
      const std::string_view value = spec.values.substr(start, end - start);
      start = end + 1;
      if (value == "none" || value == "false" || value == "auto" || value.empty()) continue;
      Packing packing{concat(spec.name, "=", value), Compression::none, 0, {}};
      packing.options.set(std::string(spec.name), std::string(value));
      out.push_back(std::move(packing));
    }
  }
  return out;
}

// A folder of our own that goes when we go.
class Workspace {
 public:
  static Result<Workspace> make(const std::string& folder) {
    std::error_code error;
    const std::filesystem::path base = folder.empty() ? std::filesystem::temp_directory_path(error) : std::filesystem::path(folder);
    std::string pattern = (base / "ferry-bench-XXXXXX").string();
    if (error || ::mkdtemp(pattern.data()) == nullptr) return io_error(concat("cannot make a folder in ", base.string()));
    return Workspace(std::move(pattern));
  }
  Workspace(Workspace&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  ~Workspace() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  std::string file(const Format& format) const {
    return concat(path_, "/x", format.extensions.empty() ? std::string_view() : format.extensions.front());
  }

 private:
  explicit Workspace(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

// Runs `work` for as long as was asked, at least three times unless one takes that long; the median.
template <class Work>
Result<double> time_of(double seconds, const Work& work) {
  std::vector<double> times;
  double total = 0;
  while (times.empty() || (total < seconds && times.size() < 1000) || (times.size() < 3 && total < 3 * seconds)) {
    const auto start = Clock::now();
    FERRY_RETURN_IF_ERROR(work());
    times.push_back(std::chrono::duration<double>(Clock::now() - start).count());
    total += times.back();
  }
  std::ranges::nth_element(times, times.begin() + static_cast<ptrdiff_t>(times.size() / 2));
  return times[times.size() / 2];
}

// Looks at every byte, so that a view costs what reading it costs.
uint32_t touch(const DenseTensor& x, uint32_t crc) { return crc32c(x.string_bytes().bytes(), crc32c(x.buffer().bytes(), crc)); }
uint32_t touch(const SparseTensor& x, uint32_t crc) { return touch(x.values(), touch(x.indices(), touch(x.indptr(), crc))); }
uint32_t touch(const RaggedTensor& x, uint32_t crc) {
  for (const DenseTensor& splits : x.nested_row_splits()) crc = touch(splits, crc);
  return touch(x.flat_values(), crc);
}
void touch(const Tensor& tensor) {
  volatile uint32_t seen = std::visit([](const auto& x) { return touch(x, 0); }, tensor);
  (void)seen;
}

class Measurement {
 public:
  Measurement(const TensorMap& tensors, std::string path, const Packing& packing, const ProfileOptions& options, FormatProfile& out)
      : tensors_(tensors), path_(std::move(path)), packing_(packing), options_(options), out_(out) {}

  Status run() {
    FERRY_ASSIGN_OR_RETURN(out_.write, time_of(options_.seconds, [&] { return write(); }));
    std::error_code error;
    out_.bytes = std::filesystem::file_size(path_, error);
    FERRY_ASSIGN_OR_RETURN(out_.read_all, time_of(options_.seconds, [&]() -> Status {
                             FERRY_ASSIGN_OR_RETURN(const auto reader, open());
                             for (size_t i = 0; i < reader->tensors().size(); ++i) {
                               FERRY_ASSIGN_OR_RETURN(const Tensor tensor, reader->read(i));
                               touch(tensor);
                             }
                             return {};
                           }));
    FERRY_ASSIGN_OR_RETURN(out_.first, time_of(options_.seconds, [&]() -> Status {
                             FERRY_ASSIGN_OR_RETURN(const auto reader, open());
                             if (reader->tensors().empty()) return {};
                             return reader->read(0).status();
                           }));
    FERRY_RETURN_IF_ERROR(time_rows());
    FERRY_ASSIGN_OR_RETURN(const auto reader, open());
    FERRY_ASSIGN_OR_RETURN(const TensorMap back, read_tensors(*reader));
    out_.lost = what_was_lost(tensors_, back);
    return {};
  }

 private:
  Status write() const {
    WriteOptions options;
    options.format = packing_.options;
    options.pool = options_.pool;
    FERRY_ASSIGN_OR_RETURN(auto sink, open_sink(path_));
    if (packing_.compression != Compression::none) sink = compress_sink(std::move(sink), packing_.compression, packing_.level);
    return write_to(tensors_, *out_.format, *sink, options);
  }

  Result<std::unique_ptr<TensorReader>> open() const {
    ReadOptions options;
    options.limits = options_.limits;
    options.pool = options_.pool;
    return open_tensors(path_, out_.format, options);
  }

  Status time_rows() {
    FERRY_ASSIGN_OR_RETURN(const auto reader, open());
    size_t largest = 0;
    for (size_t i = 1; i < reader->tensors().size(); ++i) {
      if (reader->tensors()[i].bytes > reader->tensors()[largest].bytes) largest = i;
    }
    if (reader->tensors().empty()) return {};
    FERRY_ASSIGN_OR_RETURN(const Tensor whole, reader->read(largest));
    const Shape shape = shape_of(whole);
    if (shape.rank() == 0 || shape[0] == 0) return {};
    uint64_t at = 1;
    FERRY_ASSIGN_OR_RETURN(out_.row, time_of(options_.seconds, [&]() -> Status {
                             at = at * 6364136223846793005 + 1442695040888963407;
                             const auto row = static_cast<int64_t>((at >> 33) % static_cast<uint64_t>(shape[0]));
                             FERRY_ASSIGN_OR_RETURN(const Tensor tensor, reader->read(largest));
                             return std::visit(
                                 [&](const auto& x) -> Status {
                                   Result<std::decay_t<decltype(x)>> rows = [&] {
                                     if constexpr (std::is_same_v<std::decay_t<decltype(x)>, DenseTensor>) {
                                       return x.slice_rows(row, row + 1);
                                     } else {
                                       return slice_rows(x, row, row + 1);
                                     }
                                   }();
                                   return rows.status();
                                 },
                                 tensor);
                           }));
    return {};
  }

  const TensorMap& tensors_;
  std::string path_;
  const Packing& packing_;
  const ProfileOptions& options_;
  FormatProfile& out_;
};

std::string times_text(double ratio) {
  char text[32];
  std::snprintf(text, sizeof(text), ratio < 9.95 ? "%.1fx" : "%.0fx", ratio);
  return text;
}

std::string row_name(const FormatProfile& row) {
  return row.packing == "none" ? std::string(row.format->id) : concat(row.format->id, " ", row.packing);
}

}  // namespace

std::span<const std::string_view> default_packings() { return kPackings; }

bool is_packing(std::string_view name) { return packing_of(name).has_value(); }

std::vector<std::string> what_was_lost(const TensorMap& before, const TensorMap& after) {
  std::vector<std::string> out;
  const auto lose = [&](std::string_view what) {
    if (std::ranges::find(out, what) == out.end()) out.emplace_back(what);
  };
  if (after.size() < before.size()) return {"tensors"};
  if (after.size() > before.size()) lose("tensors added");
  if (!(before.metadata == after.metadata)) lose("metadata");
  for (size_t i = 0; i < before.size(); ++i) {
    const auto& a = before[i];
    const auto* b = after.find(a.name);
    if (b == nullptr) {
      lose("names");
      b = &after[i];
    }
    if (!(a.metadata == b->metadata)) lose("metadata");
    if (dtype_of(a.tensor) != dtype_of(b->tensor)) lose("dtype");
    const auto compared = compare(a.tensor, b->tensor);
    if (!compared.ok() || compared->shape_differs || compared->differing != 0)
      lose(compared.ok() && compared->shape_differs ? "shape" : "values");
    if (kind_of(a.tensor) != kind_of(b->tensor)) {
      lose("kind");
    } else if (compared.ok() && compared->equal() && !identical(a.tensor, b->tensor)) {
      lose("order");
    }
  }
  return out;
}

Result<std::vector<FormatProfile>> profile_formats(const TensorMap& tensors, const ProfileOptions& options) {
  std::vector<Packing> packings;
  const auto add = [&](std::string_view name) -> Status {
    auto packing = packing_of(name);
    if (!packing)
      return invalid_argument(concat("no packing is named ", quoted(name), ", expected none, gzip-1 to gzip-9 or zstd-1 to zstd-19"));
    packings.push_back(*std::move(packing));
    return {};
  };
  for (std::string_view name : kPackings) {
    if (options.packings.empty()) FERRY_RETURN_IF_ERROR(add(name));
  }
  for (const std::string& name : options.packings) FERRY_RETURN_IF_ERROR(add(name));
  FERRY_ASSIGN_OR_RETURN(const Workspace workspace, Workspace::make(options.folder));
  std::vector<FormatProfile> out;
  for (const Format* format : all_formats()) {
    if (!format->writes_bytes() || format->open == nullptr) continue;
    if (!options.formats.empty() && std::ranges::find(options.formats, format) == options.formats.end()) continue;
    TensorMap fitted;
    fitted.metadata = tensors.metadata;
    FormatProfile refused{.format = format, .packing = "none"};
    for (const auto& entry : tensors) {
      auto tensor = fit_layout(entry.tensor, *format, options.pool);
      if (!tensor.ok()) refused.refused = tensor.status();
      if (tensor.ok()) FERRY_RETURN_IF_ERROR(fitted.add(entry.name, *std::move(tensor), entry.metadata));
    }
    if (refused.written()) refused.refused = check_writable(fitted, *format);
    if (!refused.written()) {
      out.push_back(std::move(refused));
      continue;
    }
    std::vector<Packing> all = packings;
    std::ranges::move(own_packings(*format), std::back_inserter(all));
    for (const Packing& packing : all) {
      if (options.progress) options.progress(format->id, packing.name);
      FormatProfile row{.format = format, .packing = packing.name};
      // What writes without complaint and cannot be read back is a fault, and shows as one.
      row.refused = Measurement(fitted, workspace.file(*format), packing, options, row).run();
      if (row.written()) {
        // A tensor that was fitted is another kind than the one given.
        for (size_t i = 0; i < tensors.size(); ++i) {
          if (kind_of(tensors[i].tensor) != kind_of(fitted[i].tensor) && std::ranges::find(row.lost, "kind") == row.lost.end())
            row.lost.emplace_back("kind");
        }
      }
      const bool stop = !row.written();
      out.push_back(std::move(row));
      if (stop) break;  // the other packings would say the same
    }
  }
  return out;
}

std::optional<Recommendation> recommend(std::span<const FormatProfile> rows, ProfileGoal goal) {
  struct Weights {
    double bytes, read, write, first;
  };
  constexpr Weights kWeights[] = {{1, 0.5, 0.25, 0.25}, {1, 0.05, 0.01, 0.01}, {0.1, 1, 0.01, 0.5}, {0.1, 0.05, 1, 0.05}};
  const Weights weigh = kWeights[static_cast<size_t>(goal)];
  const auto best = [&](auto field) {
    const FormatProfile* out = nullptr;
    for (const FormatProfile& row : rows) {
      if (row.lossless() && (out == nullptr || field(row) < field(*out))) out = &row;
    }
    return out;
  };
  const auto bytes = [](const FormatProfile& row) { return static_cast<double>(std::max<uint64_t>(row.bytes, 1)); };
  const auto clamp = [](double seconds) { return std::max(seconds, 1e-9); };
  const auto read = [&](const FormatProfile& row) { return clamp(row.read_all); };
  const auto write = [&](const FormatProfile& row) { return clamp(row.write); };
  const auto first = [&](const FormatProfile& row) { return clamp(row.first); };
  const FormatProfile* smallest = best(bytes);
  if (smallest == nullptr) return std::nullopt;
  const FormatProfile *fastest = best(read), *soonest = best(first), *quickest = best(write);
  // Ratios to the best, weighed by their logarithms: twice as large costs as much as read four times slower.
  const FormatProfile* chosen = best([&](const FormatProfile& row) {
    return weigh.bytes * std::log(bytes(row) / bytes(*smallest)) + weigh.read * std::log(read(row) / read(*fastest)) +
           weigh.write * std::log(write(row) / write(*quickest)) + weigh.first * std::log(first(row) / first(*soonest));
  });
  Recommendation out;
  out.row = static_cast<size_t>(chosen - rows.data());
  const auto against = [&](std::string_view first_of_all, std::string_view slower, const FormatProfile* other, double ratio) {
    return other == chosen || ratio < 1.05 ? std::string(first_of_all)
                                           : concat(times_text(ratio), " ", slower, " (", row_name(*other), ")");
  };
  out.reason = concat("loses nothing; ", against("the smallest file", "the smallest file", smallest, bytes(*chosen) / bytes(*smallest)),
                      "; ", against("reads fastest", "the time of the fastest to read", fastest, read(*chosen) / read(*fastest)), "; ",
                      against("writes fastest", "the time of the fastest to write", quickest, write(*chosen) / write(*quickest)));
  return out;
}

}  // namespace ferry
