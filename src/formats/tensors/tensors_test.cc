#include "formats/tensors/tensors.h"

#include <gtest/gtest.h>

#include "formats/tensorproto/tensorproto.h"
#include "records/tfrecord.h"
#include "wire/protobuf.h"

namespace ferry::tensors {
namespace {

Result<TensorMap> read(const std::string& bytes) {
  FERRY_ASSIGN_OR_RETURN(Buffer data, Buffer::copy_of(std::string_view(bytes)));
  return read_tensors(memory_source(std::move(data)), find_format("tensors"));
}

std::string bytes_of(const TensorMap& map, std::string_view framing) {
  WriteOptions options;
  options.format.set("framing", std::string(framing));
  auto bytes = to_bytes(map, *find_format("tensors"), options);
  EXPECT_TRUE(bytes.ok()) << bytes.status().to_string();
  return *bytes;
}

TEST(Tensors, NamesMetadataAndKindsTravelInBothFramings) {
  TensorMap map;
  Metadata note;
  note.set("unit", "m");
  ASSERT_TRUE(map.add("", DenseTensor::scalar<float>(1), note).ok());
  ASSERT_TRUE(map.add("1", DenseTensor::of_strings({2}, {"a", ""})).ok());
  ASSERT_TRUE(map.add("csr",
                      *SparseTensor::csr(Shape{1, 3}, DenseTensor::of<int32_t>({2}, {0, 1}), DenseTensor::of<int32_t>({1}, {2}),
                                         DenseTensor::of<float>({1}, {5}), {true, true}),
                      note)
                  .ok());
  map.metadata.set("device", "CPU:0");
  for (std::string_view framing : {"tfrecord", "varint"}) {
    auto back = read(bytes_of(map, framing));
    ASSERT_TRUE(back.ok()) << back.status().to_string();
    EXPECT_TRUE(identical(map, *back));
    EXPECT_EQ(back->metadata, map.metadata);
    EXPECT_EQ((*back)[0].metadata, note);
    EXPECT_EQ((*back)[2].metadata, note);
  }
}

TEST(Tensors, AnUnnamedRecordIsTheBytesOfSerializeTensor) {
  TensorMap map;
  ASSERT_TRUE(map.add("0", DenseTensor::of<float>({2}, {1, 2})).ok());
  std::string message;
  tensorproto::encode(message, std::get<DenseTensor>(map[0].tensor).view());
  std::string record;
  records::append_record(record, message);
  EXPECT_EQ(bytes_of(map, "tfrecord"), record);
}

TEST(Tensors, OneNameTwiceIsAnError) {
  TensorMap map;
  ASSERT_TRUE(map.add("1", DenseTensor::scalar<float>(1)).ok());
  const std::string named = bytes_of(map, "varint");
  std::string message;
  tensorproto::encode(message, DenseTensor::scalar<float>(2).view());
  std::string second;
  proto::append_varint(second, message.size());
  EXPECT_NE(read(named + second + message).status().message().find("two tensors are named '1'"), std::string_view::npos);
}

TEST(Tensors, ALongRecordIsProvedWhenItIsRead) {
  TensorMap map;
  auto block = MutableBuffer::zeroed(1 << 20);
  ASSERT_TRUE(map.add("x", *DenseTensor::make(DType::uint8, Shape{1 << 20}, (*std::move(block)).freeze())).ok());
  std::string bytes = bytes_of(map, "tfrecord");
  bytes[bytes.size() / 2] ^= 1;
  auto reader = find_format("tensors")->open(memory_source(*Buffer::copy_of(std::string_view(bytes))), {});
  ASSERT_TRUE(reader.ok());
  EXPECT_NE((*reader)->read(0).status().message().find("record 0: "), std::string_view::npos);
  EXPECT_EQ((*reader)->verify().code(), StatusCode::data_loss);
}

}  // namespace
}  // namespace ferry::tensors
