// Writing from a lazy reader: the same bytes as from a map, a tensor at a time, and held against the listing.
#include "formats/listed.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace ferry {
namespace {

// Lists `tensors`, counts what is read, and may give another tensor than it listed.
class CountingReader : public TensorReader {
 public:
  explicit CountingReader(TensorMap tensors) : inner_(reader_of(std::move(tensors))), reads(inner_->tensors().size()) {}
  std::span<const TensorInfo> tensors() const override { return inner_->tensors(); }
  Result<Tensor> read(size_t i) const override {
    ++reads[i];
    if (i == changed) return Tensor(DenseTensor::scalar<int8_t>(1));
    return inner_->read(i);
  }
  const Metadata& metadata() const override { return inner_->metadata(); }

 private:
  std::unique_ptr<TensorReader> inner_;

 public:
  mutable std::vector<int> reads;
  size_t changed = SIZE_MAX;
};

TensorMap some() {
  TensorMap out;
  EXPECT_TRUE(out.add("w", DenseTensor::of<float>(Shape{2, 2}, {1, 2, 3, 4})).ok());
  EXPECT_TRUE(out.add("names", DenseTensor::of_strings(Shape{2}, {"a", "bc"})).ok());
  auto sparse = SparseTensor::coo(Shape{3, 4}, DenseTensor::of<int64_t>(Shape{1, 2}, {1, 2}), DenseTensor::vector<float>(std::vector{5.f}));
  EXPECT_TRUE(sparse.ok());
  EXPECT_TRUE(out.add("s", *sparse).ok());
  EXPECT_TRUE(out.add("empty", DenseTensor::of<double>(Shape{0, 3}, {})).ok());
  out.metadata.set("made", "here");
  return out;
}

TEST(WriteFrom, GivesTheBytesThatAMapGives) {
  for (const Format* format : all_formats()) {
    if (!format->writes_bytes()) continue;
    const bool map_fits = check_writable(some(), *format).ok();
    const CountingReader reader(some());
    EXPECT_EQ(check_writable(reader.tensors(), *format).ok(), map_fits) << format->id;
    if (!map_fits) continue;
    std::string bytes;
    const Status status = write_to(reader, *format, *memory_sink(bytes));
    const auto expected = to_bytes(some(), *format);
    ASSERT_EQ(status.to_string(), expected.status().to_string()) << format->id;
    if (expected.ok()) {
      EXPECT_EQ(bytes, *expected) << format->id;
    }
  }
}

TEST(WriteFrom, RefusesByTheListingAlone) {
  const CountingReader reader(some());
  std::string bytes;
  EXPECT_EQ(write_to(reader, *find_format("mtx"), *memory_sink(bytes)).code(), StatusCode::unsupported);
  EXPECT_EQ(std::ranges::count(reader.reads, 0), 4);
}

TEST(WriteFrom, ReadsADenseTensorOnce) {
  for (const std::string_view id : {"safetensors", "npz"}) {
    const CountingReader reader(some());
    std::string bytes;
    ASSERT_TRUE(write_to(reader, *find_format(id), *memory_sink(bytes)).ok());
    EXPECT_EQ(reader.reads[0], 1) << id;
    EXPECT_EQ(reader.reads[3], 1) << id;
  }
}

TEST(WriteFrom, AFileThatChangedMeanwhileIsRefused) {
  for (const std::string_view id : {"safetensors", "npz"}) {
    CountingReader reader(some());
    reader.changed = 0;
    std::string bytes;
    const Status status = write_to(reader, *find_format(id), *memory_sink(bytes));
    EXPECT_EQ(status.code(), StatusCode::data_loss) << id;
    EXPECT_NE(status.message().find("'w'"), std::string_view::npos) << status.message();
  }
}

}  // namespace
}  // namespace ferry
