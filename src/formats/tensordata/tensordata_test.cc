#include "formats/tensordata/tensordata.h"

#include <gtest/gtest.h>

#include <cmath>

#include "wire/protobuf.h"

namespace ferry::tensordata {
namespace {

std::string bytes_of(const DenseTensor& x, bool floats = true) {
  std::string out;
  EXPECT_TRUE(encode(out, x, "", {}, floats).ok());
  return out;
}

Result<DenseTensor> read(const std::string& bytes) {
  FERRY_ASSIGN_OR_RETURN(Buffer data, Buffer::copy_of(std::string_view(bytes)));
  FERRY_ASSIGN_OR_RETURN(const auto view, TensorDataView::decode(data.bytes()));
  return view.to_tensor(data);
}

bool has_content(const std::string& bytes) {
  proto::Reader in{std::string_view(bytes)};
  bool found = false;
  while (in.next()) {
    found = found || in.field() == kContent;
    in.skip();
  }
  return found;
}

TEST(TensorData, FloatsAloneWhereTheyHoldEveryElement) {
  const DenseTensor few = DenseTensor::of<int64_t>({3}, {0, -5, 1 << 24}), big = DenseTensor::of<int64_t>({2}, {(1 << 24) + 1, INT64_MAX});
  EXPECT_FALSE(has_content(bytes_of(few)));
  EXPECT_TRUE(has_content(bytes_of(big)));
  EXPECT_LT(bytes_of(big, false).size(), bytes_of(big).size());
  for (const auto& x :
       {few, big, DenseTensor::of<bool>({2}, {true, false}), DenseTensor::of<Half>({1}, {Half(1.5f)}), DenseTensor::of<double>({1}, {0.1}),
        DenseTensor::of<std::complex<float>>({1}, {{1, 2}}), DenseTensor::of_strings({2}, {"a", ""}),
        DenseTensor::scalar<uint64_t>(~uint64_t{0}), DenseTensor::of<float>(Shape{0, 3}, std::span<const float>())}) {
    for (bool floats : {true, false}) {
      auto back = read(bytes_of(x, floats));
      ASSERT_TRUE(back.ok()) << dtype_name(x.dtype()) << back.status().to_string();
      EXPECT_TRUE(identical(Tensor(x), Tensor(*back))) << dtype_name(x.dtype());
    }
  }
}

TEST(TensorData, SpellingsOfOneDType) {
  for (const char* text : {"float32", "tf.float32", "<dtype: 'float32'>", "<class 'numpy.float32'>", "torch.float32", "DT_FLOAT", "Float32",
                           "dtype('<f4')", "float"}) {
    EXPECT_EQ(dtype_from_spelling(text), DType::float32) << text;
  }
  EXPECT_EQ(dtype_from_spelling("DT_BOOL"), DType::bool_);
  EXPECT_EQ(dtype_from_spelling("<class 'numpy.bool_'>"), DType::bool_);
  EXPECT_EQ(dtype_from_spelling("DT_HALF"), DType::float16);
  EXPECT_EQ(dtype_from_spelling("tf.string"), DType::string);
  EXPECT_EQ(dtype_from_spelling("<dtype: 'float32"), std::nullopt);
  EXPECT_EQ(dtype_from_spelling("tensor"), std::nullopt);
}

TEST(TensorData, PackedFloatsAreShared) {
  std::string bytes = bytes_of(DenseTensor::of<float>({4}, {1, 2, 3, 4}));
  auto block = MutableBuffer::allocate(bytes.size() + 64);
  std::memcpy(block->data() + 2, bytes.data(), bytes.size());  // tag and length are two bytes: the floats lie at 4
  const Buffer data = (*std::move(block)).freeze().slice(2, bytes.size());
  auto view = TensorDataView::decode(data.bytes());
  ASSERT_TRUE(view.ok());
  auto x = view->to_tensor(data);
  EXPECT_EQ(static_cast<const void*>(x->raw()), static_cast<const void*>(data.data() + 2));
}

}  // namespace
}  // namespace ferry::tensordata
