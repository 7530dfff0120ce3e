// What every format of the table promises, on every golden file that a foreign tool made:
// it reads; what was read writes and reads back equal; every prefix and every bit flip of it ends in a value or an error;
// each damaged file under bad/ gets its sentence.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "ferry/format.h"
#include "support/compare.h"

namespace ferry {
namespace {

namespace fs = std::filesystem;
using testing_support::difference;

const fs::path kGoldens = FERRY_GOLDENS;
const fs::path kRegressions = FERRY_REGRESSIONS;

std::string slurp(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

bool is_note(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.ends_with(".expected") || name.ends_with(".py") || name.ends_with(".md") || name.ends_with(".cc") || name == "versions.txt" ||
         name[0] == '.';
}

std::vector<fs::path> files_of(const fs::path& folder) {
  std::vector<fs::path> out;
  if (!fs::exists(folder)) return out;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_regular_file() && !is_note(entry.path())) out.push_back(entry.path());
  }
  std::ranges::sort(out);
  return out;
}

// Small limits, so that no mutation can make a test slow.
ReadOptions small() {
  ReadOptions options;
  options.limits.max_tensor_bytes = 64 << 20;
  options.limits.max_expanded_bytes = 64 << 20;
  options.limits.free_expanded_bytes = 16 << 20;
  return options;
}

Result<TensorMap> read_bytes(const Format& format, std::string_view bytes, const ReadOptions& options = small()) {
  FERRY_ASSIGN_OR_RETURN(Buffer data, Buffer::copy_of(bytes));
  return read_tensors(memory_source(std::move(data)), &format, options);
}

// Values or a sentence; whatever comes out must be safe to use.
void must_end(const Format& format, std::string_view bytes) {
  auto tensors = read_bytes(format, bytes);
  if (!tensors.ok()) {
    EXPECT_NE(tensors.status().code(), StatusCode::internal) << tensors.status().to_string();
    EXPECT_FALSE(tensors.status().message().empty());
    return;
  }
  for (const auto& entry : *tensors) EXPECT_TRUE(validate(entry.tensor, Validation::bounds).ok()) << entry.name;
}

// HDF5 is decoded in another process, which may not be built.
bool is_remote(const Format& format) { return format.id == "h5" || format.id == "keras"; }
// That takes a hundred times as long; and a zarr store is opened by reading a hundred documents. A sample of flips there.
bool is_sampled(const Format& format) { return is_remote(format) || format.id == "zarr"; }
bool is_built([[maybe_unused]] const Format& format) {
#ifdef FERRY_NO_HDF5
  return !is_remote(format);
#else
  return true;
#endif
}

class Golden : public testing::TestWithParam<const Format*> {
 protected:
  const Format& format() const { return *GetParam(); }
  std::vector<fs::path> goldens() const { return files_of(kGoldens / format().id); }
};

TEST_P(Golden, ThereAreSomeAndTheyAreRecognised) {
  EXPECT_FALSE(goldens().empty());
  for (const auto& path : goldens()) {
    auto source = open_source(path.string());
    ASSERT_TRUE(source.ok()) << path;
    auto detected = detect_format(**source);
    ASSERT_TRUE(detected.ok()) << path << detected.status().to_string();
    EXPECT_EQ((*detected)->id, format().id) << path;
  }
}

TEST_P(Golden, ReadsAndSurvivesItsOwnRoundTrip) {
  if (!is_built(format())) GTEST_SKIP() << "ferry-hdf5 is not built";
  for (const auto& path : goldens()) {
    auto tensors = load(path.string(), &format());
    ASSERT_TRUE(tensors.ok()) << path << ": " << tensors.status().to_string();
    if (!format().writes_bytes() || !check_writable(*tensors, format()).ok()) continue;
    auto bytes = to_bytes(*tensors, format());
    ASSERT_TRUE(bytes.ok()) << path << ": " << bytes.status().to_string();
    EXPECT_EQ(*bytes, *to_bytes(*tensors, format())) << path << ": writing twice gives other bytes";
    auto again = read_bytes(format(), *bytes);
    ASSERT_TRUE(again.ok()) << path << ": " << again.status().to_string();
    EXPECT_EQ(difference(*tensors, *again), "") << path;
  }
}

TEST_P(Golden, InspectAgreesWithReading) {
  if (!is_built(format())) GTEST_SKIP() << "ferry-hdf5 is not built";
  for (const auto& path : goldens()) {
    auto reader = open_tensors(path.string(), &format());
    ASSERT_TRUE(reader.ok()) << path << ": " << reader.status().to_string();
    for (size_t i = 0; i < (*reader)->tensors().size(); ++i) {
      const TensorInfo& info = (*reader)->tensors()[i];
      auto tensor = (*reader)->read(i);
      ASSERT_TRUE(tensor.ok()) << path << ": " << tensor.status().to_string();
      EXPECT_EQ(info.kind, kind_of(*tensor)) << path << " " << info.name;
      EXPECT_EQ(info.dtype, dtype_of(*tensor)) << path << " " << info.name;
      EXPECT_EQ(info.shape, shape_of(*tensor)) << path << " " << info.name;
      if (info.kind != TensorKind::dense) {
        EXPECT_EQ(info.nnz, nnz_of(*tensor)) << path << " " << info.name;
      }
    }
  }
}

TEST_P(Golden, EveryPrefixEnds) {
  for (const auto& path : goldens()) {
    const std::string whole = slurp(path);
    const size_t step = std::max<size_t>(1, whole.size() / 400);
    for (size_t size = 0; size < whole.size(); size += size < 300 ? 1 : step) must_end(format(), std::string_view(whole).substr(0, size));
  }
}

TEST_P(Golden, EveryBitFlipEnds) {
  for (const auto& path : goldens()) {
    std::string bytes = slurp(path);
    // Headers sit at the front, a zip's directory at the end; between them a sample.
    const size_t edge = is_sampled(format()) ? 100 : 256;
    for (size_t at = 0; at < bytes.size(); at += at < edge || at + edge >= bytes.size() ? 1 : std::max<size_t>(1, bytes.size() / 100)) {
      for (int bit = is_sampled(format()) ? static_cast<int>(at % 8) : 0; bit < 8; bit += is_sampled(format()) ? 8 : 1) {
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
        must_end(format(), bytes);
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
      }
    }
  }
}

TEST_P(Golden, EachDamagedFileGetsItsSentence) {
  if (!is_built(format())) GTEST_SKIP() << "ferry-hdf5 is not built";
  for (const auto& path : files_of(kGoldens / format().id / "bad")) {
    std::string expected = slurp(path.string() + ".expected");
    while (!expected.empty() && expected.back() == '\n') expected.pop_back();
    ASSERT_FALSE(expected.empty()) << path << " has no .expected beside it";
    auto tensors = load(path.string(), &format());
    ASSERT_FALSE(tensors.ok()) << path << " was read";
    EXPECT_NE(tensors.status().to_string().find(expected), std::string::npos)
        << path << "\n  said:     " << tensors.status().to_string() << "\n  expected: " << expected;
  }
}

// Inputs that once broke something, found by fuzzing.
TEST_P(Golden, OldFindsEnd) {
  for (const auto& path : files_of(kRegressions / ("fuzz_" + std::string(format().id)))) must_end(format(), slurp(path));
}

INSTANTIATE_TEST_SUITE_P(Formats, Golden, testing::ValuesIn(all_formats().begin(), all_formats().end()),
                         [](const auto& row) { return std::string(row.param->id); });

}  // namespace
}  // namespace ferry
