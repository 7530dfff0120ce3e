#include "formats/tensorproto/tensorproto.h"

#include <gtest/gtest.h>

#include "ferry/format.h"
#include "wire/protobuf.h"

namespace ferry::tensorproto {
namespace {

std::string from_hex(std::string_view hex) {
  std::string out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) out += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  return out;
}
std::string to_hex(std::string_view bytes) {
  std::string out;
  for (char c : bytes) {
    out += "0123456789abcdef"[static_cast<uint8_t>(c) >> 4];
    out += "0123456789abcdef"[c & 15];
  }
  return out;
}

Result<DenseTensor> parse(std::string_view bytes, const Limits& limits = {}) {
  FERRY_ASSIGN_OR_RETURN(const auto view, TensorProtoView::decode(bytes, 0, limits));
  return view.to_tensor(nullptr, limits);
}
std::string error_of(std::string_view hex, const Limits& limits = {}) {
  const auto tensor = parse(from_hex(hex), limits);
  return tensor.ok() ? "ok" : tensor.status().to_string();
}
bool holds(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

// What tf.io.serialize_tensor of TensorFlow 2.21 writes for [1, 0, 1] of each dtype.
struct Case {
  DType dtype;
  std::string_view hex;
};
constexpr Case kWritten[] = {
    {DType::float32, "0801120412020803220c0000803f000000000000803f"},
    {DType::float64, "08021204120208032218000000000000f03f0000000000000000000000000000f03f"},
    {DType::int32, "0803120412020803220c010000000000000001000000"},
    {DType::uint8, "08041204120208032203010001"},
    {DType::int16, "08051204120208032206010000000100"},
    {DType::int8, "08061204120208032203010001"},
    {DType::complex64, "080812041202080322180000803f0000000000000000000000000000803f00000000"},
    {DType::int64, "08091204120208032218010000000000000000000000000000000100000000000000"},
    {DType::bool_, "080a1204120208032203010001"},
    {DType::bfloat16, "080e1204120208032206803f0000803f"},
    {DType::uint16, "08111204120208032206010000000100"},
    {DType::float16, "08131204120208032206003c0000003c"},
    {DType::uint32, "0816120412020803220c010000000000000001000000"},
    {DType::uint64, "08171204120208032218010000000000000000000000000000000100000000000000"},
};

TEST(TensorProto, WritesTheBytesOfSerializeTensorForEveryDtype) {
  for (const Case& c : kWritten) {
    const auto tensor = parse(from_hex(c.hex));
    ASSERT_TRUE(tensor.ok()) << dtype_name(c.dtype) << tensor.status().to_string();
    EXPECT_EQ(tensor->dtype(), c.dtype);
    EXPECT_EQ(tensor->shape(), Shape{3});
    std::string out;
    ASSERT_TRUE(encode(out, *tensor).ok());
    EXPECT_EQ(to_hex(out), c.hex) << dtype_name(c.dtype);
  }
  std::string out;
  ASSERT_TRUE(encode(out, DenseTensor::of_strings(Shape{3}, {"a", "", "bcd"})).ok());
  EXPECT_EQ(to_hex(out), "080712041202080342016142004203626364");
  out.clear();
  ASSERT_TRUE(encode(out, DenseTensor::of<float>(Shape{0, 3}, std::span<const float>())).ok());
  EXPECT_EQ(to_hex(out), "08011206120012020803");
}

// [1, 258] in the field that TensorFlow uses, unpacked, for shape [3]: what parse_tensor gives, in hex.
struct FieldCase {
  DType dtype;
  uint32_t field;
  std::string_view result;
};
constexpr FieldCase kFields[] = {
    {DType::int32, kIntVal, "010000000201000002010000"},
    {DType::uint8, kIntVal, "010202"},
    {DType::int16, kIntVal, "010002010201"},
    {DType::int8, kIntVal, "010202"},
    {DType::int64, kInt64Val, "010000000000000002010000000000000201000000000000"},
    {DType::bool_, kBoolVal, "010101"},
    {DType::qint8, kIntVal, "010202"},
    {DType::quint8, kIntVal, "010202"},
    {DType::qint32, kIntVal, "010000000201000002010000"},
    {DType::bfloat16, kHalfVal, "010002010201"},
    {DType::qint16, kIntVal, "010002010201"},
    {DType::quint16, kIntVal, "010002010201"},
    {DType::uint16, kIntVal, "010002010201"},
    {DType::float16, kHalfVal, "010002010201"},
    {DType::uint32, kUInt32Val, "010000000201000002010000"},
    {DType::uint64, kUInt64Val, "010000000000000002010000000000000201000000000000"},
    {DType::int4, kIntVal, "010202"},
    {DType::uint4, kIntVal, "010202"},
    {DType::int2, kIntVal, "010202"},
    {DType::uint2, kIntVal, "010202"},
};

std::string header(DType dtype, std::initializer_list<int64_t> shape) {
  std::string out;
  append_header(out, dtype, std::vector<int64_t>(shape), 0);
  return out;
}

TEST(TensorProto, ReadsValueFieldsPackedAndUnpackedAndRepeatsTheLast) {
  for (const FieldCase& c : kFields) {
    std::string unpacked = header(c.dtype, {3}), packed = unpacked, values;
    for (uint64_t value : {1, 258}) {
      proto::append_varint_field(unpacked, c.field, value);
      proto::append_varint(values, value);
    }
    proto::append_bytes_field(packed, c.field, values);
    for (const std::string& bytes : {unpacked, packed}) {
      const auto tensor = parse(bytes);
      ASSERT_TRUE(tensor.ok()) << dtype_name(c.dtype) << tensor.status().to_string();
      EXPECT_EQ(to_hex(tensor->buffer().text()), c.result) << dtype_name(c.dtype);
    }
  }
}

TEST(TensorProto, ReadsFloatFields) {
  const std::string one = from_hex("0000803f"), two = from_hex("00000040");
  for (const auto& bytes : {header(DType::float32, {3}) + from_hex("2a08") + one + two,
                            header(DType::float32, {3}) + from_hex("2d") + one + from_hex("2d") + two,
                            header(DType::float32, {3}) + from_hex("2a04") + one + from_hex("2a04") + two}) {
    const auto tensor = parse(bytes);
    ASSERT_TRUE(tensor.ok());
    EXPECT_EQ(tensor->values<float>()[0], 1);
    EXPECT_EQ(tensor->values<float>()[1], 2);
    EXPECT_EQ(tensor->values<float>()[2], 2);
  }
  std::string doubles = header(DType::float64, {2});
  proto::append_fixed_field(doubles, kDoubleVal, 2.5);
  EXPECT_EQ(parse(doubles)->values<double>()[1], 2.5);
  // An odd number at the end of complex values does not count.
  const auto complex = parse(header(DType::complex64, {2}) + from_hex("4a0c") + one + two + one);
  EXPECT_EQ(complex->values<std::complex<float>>()[1], std::complex<float>(1, 2));
  EXPECT_EQ(parse(header(DType::complex64, {}) + from_hex("4a04") + one)->values<std::complex<float>>()[0], std::complex<float>(0, 0));
  std::string dcomplex = header(DType::complex128, {});
  proto::append_fixed_field(dcomplex, kDComplexVal, 1.0);
  proto::append_fixed_field(dcomplex, kDComplexVal, -1.0);
  EXPECT_EQ(parse(dcomplex)->values<std::complex<double>>()[0], std::complex<double>(1, -1));
}

TEST(TensorProto, ReadsFloat8FromItsBytes) {
  for (DType dtype : {DType::float8_e5m2, DType::float8_e4m3fn, DType::float8_e4m3fnuz, DType::float8_e4m3b11fnuz, DType::float8_e5m2fnuz,
                      DType::float4_e2m1fn}) {
    std::string bytes = header(dtype, {3});
    proto::append_bytes_field(bytes, kFloat8Val, "\x38\x3c");
    EXPECT_EQ(to_hex(parse(bytes)->buffer().text()), "383c3c") << dtype_name(dtype);
  }
}

// parse_tensor does so: a tensor's own shape is the axes it lists.
TEST(TensorProto, UnknownRankIsIgnored) {
  const auto scalar =
      parse(from_hex("0801"
                     "12021801"
                     "22040000803f"));
  ASSERT_TRUE(scalar.ok()) << scalar.status().to_string();
  EXPECT_EQ(scalar->shape(), Shape{});
  EXPECT_EQ(scalar->values<float>()[0], 1.0f);
}

TEST(TensorProto, ReadsStringsFromBothPlaces) {
  const auto fields = parse(from_hex("0807120412020803420161420162"));
  ASSERT_TRUE(fields.ok());
  EXPECT_EQ(fields->strings()[2], "b");
  for (std::string_view content : {"0807120412020802220401016162",
                                   "08071204120208022205810001"
                                   "6162"}) {
    const auto strings = parse(from_hex(content));
    ASSERT_TRUE(strings.ok()) << strings.status().to_string();
    EXPECT_EQ(strings->strings()[0], "a");
    EXPECT_EQ(strings->strings()[1], "b");
  }
  EXPECT_EQ(parse(from_hex("0807120412020802"))->strings()[1], "");
  EXPECT_TRUE(holds(error_of("08071204120208022203010161"), "need 2 bytes by their lengths, 1 are there"));
  EXPECT_TRUE(holds(error_of("080712041202080222018f"), "too few for the lengths of 2 strings"));
}

TEST(TensorProto, ReadsWhatProtobufReads) {
  EXPECT_EQ(error_of("0801"
                     "220400000040"),
            "ok");  // no shape: a scalar
  EXPECT_EQ(error_of("0801"
                     "1204"
                     "12020802"
                     "2a0c0000803f0000803f00000040"),
            "ok");  // more values than elements
  EXPECT_EQ(error_of("0801"
                     "1202"
                     "1200"
                     "220400000040"),
            "ok");  // content of an empty tensor
  EXPECT_EQ(error_of("0801"
                     "1200"
                     "a306a406"
                     "220400000040"),
            "ok");  // an unknown group
  EXPECT_EQ(error_of("0801"
                     "1200"
                     "2005"
                     "220400000040"),
            "ok");  // content of another wire type
  EXPECT_EQ(error_of("8880808000"
                     "01"
                     "1200"
                     "220400000040"),
            "ok");  // long varints
  EXPECT_EQ(error_of("0803"
                     "0801"
                     "1200"
                     "220400000040"),
            "ok");  // the last dtype wins
  EXPECT_EQ(parse(from_hex("0801"
                           "1204"
                           "12020801"
                           "2a040000803f"
                           "220400000040"))
                ->values<float>()[0],
            2);  // content before values
  EXPECT_EQ(parse(from_hex("0806"
                           "1200"
                           "3a02ff01"))
                ->values<int8_t>()[0],
            -1);
}

TEST(TensorProto, BadMessagesAreNamed) {
  EXPECT_TRUE(holds(error_of(""), "DT_INVALID"));
  EXPECT_TRUE(holds(error_of("0865"
                             "1200"
                             "220400000040"),
                    "is a reference to float32"));
  EXPECT_TRUE(holds(error_of("0863"
                             "1200"),
                    "dtype is 99"));
  EXPECT_TRUE(holds(error_of("0815"
                             "1200"),
                    "variant, a handle"));
  EXPECT_TRUE(holds(error_of("0814"
                             "1200"),
                    "resource, a handle"));
  EXPECT_TRUE(holds(error_of("0801"
                             "120d"
                             "120b08ffffffffffffffffff01"
                             "220400000040"),
                    "negative length -1"));
  EXPECT_TRUE(holds(error_of("0801"
                             "1204"
                             "12020802"
                             "220400000040"),
                    "holds 4 bytes, shape [2] of float32 needs 8"));
  EXPECT_TRUE(holds(error_of("080a"
                             "1204"
                             "12020803"
                             "2203000205"),
                    "at byte 11: a bool is stored as 2"));
  EXPECT_TRUE(holds(error_of("0801"
                             "1207"
                             "120508011201ff"
                             "220400000040"),
                    "not UTF-8"));
  EXPECT_TRUE(holds(error_of("0801"
                             "1200"
                             "220400000040"
                             "0c"),
                    "closes no group"));
  EXPECT_TRUE(holds(error_of("0801"
                             "1200"
                             "220400000040"
                             "00"),
                    "field number 0"));
  EXPECT_TRUE(holds(error_of("0801"
                             "1200"
                             "2a050000803f00"),
                    "end inside a value"));
  EXPECT_TRUE(holds(error_of("0801"
                             "1200"
                             "22080000"),
                    "announces 8 bytes, only 2 remain"));
}

TEST(TensorProto, ConcatenatedMessagesAreExplained) {
  std::string one;
  encode(one, DenseTensor::of<float>(Shape{2}, {1, 2}).view());
  const auto tensor = parse(one + one);
  ASSERT_FALSE(tensor.ok());
  EXPECT_TRUE(holds(tensor.status().message(), "look like 2 TensorProtos written one after another")) << tensor.status().to_string();
}

TEST(TensorProto, SmallMessagesCannotAskForHugeTensors) {
  std::string bytes = header(DType::float32, {int64_t{1} << 40});
  proto::append_fixed_field(bytes, kFloatVal, 1.0f);
  EXPECT_EQ(parse(bytes).status().code(), StatusCode::limit_exceeded);
  EXPECT_EQ(parse(header(DType::float32, {int64_t{1} << 33})).status().code(), StatusCode::limit_exceeded);
  EXPECT_EQ(parse(header(DType::string, {int64_t{1} << 33})).status().code(), StatusCode::limit_exceeded);
  EXPECT_EQ(parse(header(DType::complex128, {int64_t{1} << 62})).status().code(), StatusCode::limit_exceeded);
  EXPECT_EQ(parse(header(DType::float32, {int64_t{1} << 40, int64_t{1} << 40, 0})).status().code(), StatusCode::ok);
}

TEST(TensorProto, EveryPrefixIsAValueOrAnError) {
  std::string bytes;
  ASSERT_TRUE(encode(bytes, DenseTensor::of_strings(Shape{2, 2}, {"a", "bb", "", "dddd"})).ok());
  for (size_t cut = 0; cut < bytes.size(); ++cut) (void)parse(std::string_view(bytes).substr(0, cut)).ok();
}

TEST(TensorProto, FormatSharesAlignedContent) {
  const DenseTensor tensor = DenseTensor::of<int64_t>(Shape{2, 2}, {1, 2, 3, -4});
  TensorMap map;
  ASSERT_TRUE(map.add("", tensor).ok());
  auto bytes = to_bytes(map, *find_format("tensorproto"));
  ASSERT_TRUE(bytes.ok());
  const auto back = read_tensors(memory_source(*Buffer::copy_of(*bytes)), nullptr);
  ASSERT_TRUE(back.ok()) << back.status().to_string();
  EXPECT_TRUE(identical((*back)[0].tensor, Tensor(tensor)));
}

}  // namespace
}  // namespace ferry::tensorproto
