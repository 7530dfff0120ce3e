#include "formats/npy/npy.h"

#include <gtest/gtest.h>

#include "ferry/format.h"

namespace ferry::npy {
namespace {

// A version 1 file around a header text, as a hand would write it.
std::string file(std::string_view header, std::string_view elements, int version = 1) {
  std::string out(kMagic);
  out += static_cast<char>(version);
  out += '\0';
  const uint64_t length = header.size() + 1;
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i) out += static_cast<char>((length >> (8 * i)) & 0xff);
  return concat(out, header, "\n", elements);
}

std::string header_text(std::string_view descr, std::string_view shape, bool fortran = false) {
  return concat("{'descr': ", descr, ", 'fortran_order': ", fortran ? "True" : "False", ", 'shape': ", shape, ", }");
}

Result<Tensor> load(const std::string& bytes, const ReadOptions& options = {}) {
  auto copy = Buffer::copy_of(std::string_view(bytes));
  FERRY_ASSIGN_OR_RETURN(const auto reader, find_format("npy")->open(memory_source(*std::move(copy)), options));
  return reader->read(0);
}

std::string save(const DenseTensor& tensor) {
  TensorMap map;
  EXPECT_TRUE(map.add("", tensor).ok());
  auto bytes = to_bytes(map, *find_format("npy"));
  EXPECT_TRUE(bytes.ok()) << bytes.status().to_string();
  return bytes.ok() ? *bytes : "";
}

template <class T>
std::string raw(std::initializer_list<T> values) {
  return std::string(reinterpret_cast<const char*>(values.begin()), values.size() * sizeof(T));
}

TEST(Npy, HeaderIsWhatNumpySaves) {
  EXPECT_EQ(write_header(DType::int64, Shape{2, 3}), std::string("\x93NUMPY\x01\x00\x76\x00", 10) +
                                                         "{'descr': '<i8', 'fortran_order': False, 'shape': (2, 3), }" +
                                                         std::string(58, ' ') + "\n");
  EXPECT_EQ(write_header(DType::float32, Shape{}).size(), 128u);
  EXPECT_NE(write_header(DType::bool_, Shape{5}).find("'|b1', 'fortran_order': False, 'shape': (5,), }"), std::string::npos);
  EXPECT_NE(write_header(DType::qint32, Shape{}).find("[('qint32', '<i4')]"), std::string::npos);
}

TEST(Npy, EveryDtypeComesBackAsItWas) {
  for (const DType dtype : kAllDTypes) {
    if (!is_fixed_size(dtype)) continue;
    for (const Shape& shape : {Shape{}, Shape{0}, Shape{3}, Shape{2, 0, 4}, Shape{2, 3, 4}, Shape{1, 1, 1, 1, 1, 1, 1, 2}}) {
      auto data = MutableBuffer::zeroed(static_cast<size_t>(*shape.num_elements()) * dtype_size(dtype));
      ASSERT_TRUE(data.ok());
      for (size_t i = 0; i < data->size(); ++i) data->data()[i] = static_cast<std::byte>(dtype == DType::bool_ ? i % 2 : i * 37);
      auto tensor = DenseTensor::make(dtype, shape, (*std::move(data)).freeze());
      ASSERT_TRUE(tensor.ok());
      auto back = load(save(*tensor));
      ASSERT_TRUE(back.ok()) << back.status().to_string();
      EXPECT_TRUE(identical(*back, Tensor(*tensor))) << dtype_name(dtype) << shape.to_string();
    }
  }
}

TEST(Npy, StringsComeBackUnlessTheyEndInNul) {
  const auto tensor = DenseTensor::of_strings(Shape{2, 2}, {"a", "", std::string_view("b\0c", 3), "längst"});
  auto back = load(save(tensor));
  ASSERT_TRUE(back.ok());
  EXPECT_TRUE(identical(*back, Tensor(tensor)));
  TensorMap map;
  ASSERT_TRUE(map.add("", DenseTensor::of_strings(Shape{1}, {std::string_view("a\0", 2)})).ok());
  const Status status = to_bytes(map, *find_format("npy")).status();
  EXPECT_EQ(status.code(), StatusCode::unsupported);
  EXPECT_EQ(status.message(), "npy pads strings with NUL bytes, and element 0 ends in one; use npz");
}

TEST(Npy, BigEndianIsSwapped) {
  auto back = load(file(header_text("'>i4'", "(2,)"), std::string("\0\0\0\1\0\0\1\0", 8)));
  ASSERT_TRUE(back.ok()) << back.status().to_string();
  EXPECT_TRUE(identical(*back, Tensor(DenseTensor::of<int32_t>(Shape{2}, {1, 256}))));
  back = load(file(header_text("'>c8'", "()"), std::string("\x3f\x80\0\0\x40\0\0\0", 8)));
  ASSERT_TRUE(back.ok());
  EXPECT_TRUE(identical(*back, Tensor(DenseTensor::scalar(std::complex<float>(1, 2)))));
}

TEST(Npy, FortranOrderIsTurnedForEveryRank) {
  for (const Shape& shape :
       {Shape{2, 3}, Shape{70, 41}, Shape{3, 4, 5}, Shape{2, 1, 3, 4, 2}, Shape{5, 1}, Shape{1}, Shape{}, Shape{0, 3}}) {
    const int64_t count = *shape.num_elements();
    std::vector<int32_t> c_order(static_cast<size_t>(count)), f_order(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i) {
      int64_t rest = i, to = 0;
      std::vector<int64_t> at(shape.rank());
      for (size_t axis = shape.rank(); axis-- > 0; rest /= shape[axis]) at[axis] = rest % shape[axis];
      for (size_t axis = shape.rank(); axis-- > 0;) to = to * shape[axis] + at[axis];
      c_order[static_cast<size_t>(i)] = static_cast<int32_t>(i);
      f_order[static_cast<size_t>(to)] = static_cast<int32_t>(i);
    }
    std::string dims = "(";
    for (int64_t dim : shape) dims += concat(dim, ", ");
    auto back = load(
        file(header_text("'<i4'", dims + ")", true), std::string_view(reinterpret_cast<const char*>(f_order.data()), f_order.size() * 4)));
    ASSERT_TRUE(back.ok()) << back.status().to_string();
    EXPECT_TRUE(identical(*back, Tensor(DenseTensor::of<int32_t>(shape, std::span<const int32_t>(c_order))))) << shape.to_string();
  }
}

TEST(Npy, UnicodeBecomesUtf8) {
  auto back = load(file(header_text("'<U3'", "(2,)"), raw<uint32_t>({'a', 0xe4, 0x1f600, 'b', 0, 0})));
  ASSERT_TRUE(back.ok()) << back.status().to_string();
  EXPECT_TRUE(identical(*back, Tensor(DenseTensor::of_strings(Shape{2}, {"aä😀", "b"}))));
  EXPECT_EQ(load(file(header_text("'<U1'", "()"), raw<uint32_t>({0xd800}))).status().code(), StatusCode::data_loss);
  EXPECT_EQ(load(file(header_text("'<U1'", "()"), raw<uint32_t>({0x110000}))).status().code(), StatusCode::data_loss);
}

TEST(Npy, OneByteVoidIsBytesUnlessNamed) {
  const std::string bytes = file(header_text("'<V1'", "(2,)"), "ab");
  EXPECT_EQ(dtype_of(*load(bytes)), DType::uint8);
  ReadOptions options;
  options.format.set("void", "float8_e4m3fn");
  EXPECT_EQ(dtype_of(*load(bytes, options)), DType::float8_e4m3fn);
  EXPECT_EQ(dtype_of(*load(file(header_text("'<V1'", "(2,)") + "  # int4 ", "ab"))), DType::int4);
}

TEST(Npy, Versions2And3AreRead) {
  for (const int version : {2, 3}) EXPECT_TRUE(load(file(header_text("'<f4'", "(1,)"), "abcd", version)).ok()) << version;
  EXPECT_EQ(load(file(header_text("'<f4'", "(1,)"), "abcd", 4)).status().message(), "is npy version 4.0; 1.0, 2.0 and 3.0 are read");
}

TEST(Npy, Python2HeadersAreRead) { EXPECT_TRUE(load(file("{'shape': (1L,), u'descr': '<f4', 'fortran_order': False}", "abcd")).ok()); }

TEST(Npy, ViewsShareTheSourcesBytes) {
  const std::string bytes = save(DenseTensor::of<double>(Shape{4}, {1, 2, 3, 4}));
  auto copy = Buffer::copy_of(std::string_view(bytes));
  const Buffer buffer = *copy;
  auto reader = find_format("npy")->open(memory_source(buffer), {});
  ASSERT_TRUE(reader.ok());
  EXPECT_TRUE((*reader)->tensors()[0].zero_copy);
  EXPECT_EQ((*reader)->tensors()[0].offset, 128u);
  auto tensor = (*reader)->read(0);
  ASSERT_TRUE(tensor.ok());
  EXPECT_EQ(std::get<DenseTensor>(*tensor).raw(), buffer.data() + 128);
}

TEST(Npy, RefusalsSayWhatAndWhatToDo) {
  const auto message = [](std::string_view descr, std::string_view shape = "(1,)") {
    return std::string(load(file(header_text(descr, shape), std::string(16, '\0'))).status().message());
  };
  EXPECT_EQ(message("'|O'"),
            "holds Python objects (dtype object), whose bytes are a pickle; pickles are never executed: save it with a plain dtype");
  EXPECT_EQ(message("'<M8[ns]'"), "elements are dates ('<M8[ns]'), for which there is no tensor dtype; save x.astype('int64') instead");
  EXPECT_NE(message("[('a', '<f4'), ('b', '<i4')]").find("save each field as an array of its own"), std::string::npos);
  EXPECT_NE(message("'<f16'").find("long doubles"), std::string::npos);
  EXPECT_EQ(message("'<f8'", "(-1,)"), "axis 0 has the negative length -1");
  EXPECT_EQ(message("'<f8'", "(1.5,)"), "header has '.5,), }\\x0a', expected a comma or a closing bracket");
  EXPECT_EQ(message("'<f8'", "(1,)"), "the array of shape [1] ends here, 8 bytes follow; files of several arrays are not read: use npz");
  EXPECT_EQ(message("'<f8'", "(9223372036854775807,)"),
            "shape [9223372036854775807] needs more than 2^64 bytes of elements, only 16 remain");
  EXPECT_EQ(message("'<f8'", "(1000000000000,)"), "shape [1000000000000] needs 8000000000000 bytes of elements, only 16 remain");
  EXPECT_EQ(message("'|b1'", "(16,)"), "");
  EXPECT_NE(load(file(header_text("'|b1'", "(2,)"), "\1\2")).status().message().find("bool element 1 is 2"), std::string::npos);
  EXPECT_EQ(load(file(header_text("'|S0'", "(100000000,)"), "")).status().code(), StatusCode::limit_exceeded);
  EXPECT_NE(load("\x80\x04\x95garbage").status().message().find("pickle"), std::string::npos);
}

TEST(Npy, NestedLiteralsDieEarly) {
  EXPECT_FALSE(load(file(std::string(60000, '('), "")).ok());
  EXPECT_FALSE(load(file(std::string(60000, '{'), "")).ok());
}

TEST(Npy, EveryPrefixIsAnError) {
  const std::string whole = save(DenseTensor::of<float>(Shape{2, 2}, {1, 2, 3, 4}));
  for (size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(load(whole.substr(0, size)).ok()) << size;
}

TEST(Npy, EveryBitFlipOfTheHeaderEndsInAValueOrAnError) {
  for (const std::string& whole :
       {save(DenseTensor::of<float>(Shape{2, 2}, {1, 2, 3, 4})), save(DenseTensor::of_strings(Shape{2}, {"ab", "c"}))}) {
    for (size_t bit = 0; bit < 128 * 8; ++bit) {
      std::string flipped = whole;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
      (void)load(flipped).ok();
    }
  }
}

}  // namespace
}  // namespace ferry::npy
