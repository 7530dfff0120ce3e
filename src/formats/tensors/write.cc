#include "ferry/crc32c.h"
#include "formats/tensorproto/tensorproto.h"
#include "formats/tensors/tensors.h"
#include "records/tfrecord.h"
#include "wire/protobuf.h"
#include "wire/utf8.h"

namespace ferry::tensors {
namespace {

void append_entry(std::string& out, uint32_t field, std::string_view key, std::string_view value) {
  std::string entry;
  proto::append_bytes_field(entry, 1, key);
  proto::append_bytes_field(entry, 2, value);
  proto::append_bytes_field(out, field, entry);
}

Status write_frame(ByteSink& sink, std::string_view head, std::span<const std::byte> content, std::string_view tail, bool tfrecord) {
  const uint64_t size = head.size() + content.size() + tail.size();
  if (size > tensorproto::kMostBytes) {
    return unsupported(concat("a TensorProto holds less than 2 GiB, this one would have ", size, " bytes; use npy, npz or safetensors"));
  }
  std::string frame;
  if (tfrecord) {
    frame.resize(records::kHeaderBytes);
    records::put_header(frame.data(), size);
  } else {
    proto::append_varint(frame, size);
  }
  FERRY_RETURN_IF_ERROR(sink.write(frame));
  FERRY_RETURN_IF_ERROR(sink.write(head));
  FERRY_RETURN_IF_ERROR(sink.write(content));
  FERRY_RETURN_IF_ERROR(sink.write(tail));
  if (!tfrecord) return {};
  uint32_t crc = crc32c(std::as_bytes(std::span(head)));
  crc = mask_crc(crc32c(std::as_bytes(std::span(tail)), crc32c(content, crc)));
  return sink.write(std::string_view(reinterpret_cast<const char*>(&crc), 4));
}

}  // namespace

Status write_stream(const TensorMap& tensors, ByteSink& sink, bool tfrecord) {
  FERRY_ASSIGN_OR_RETURN(const TensorMap plain, ungroup_parts(tensors));
  std::string head, tail;
  for (size_t i = 0; i < plain.size(); ++i) {
    const auto& tensor = std::get<DenseTensor>(plain[i].tensor);
    head.clear();
    tail.clear();
    std::span<const std::byte> content;
    if (tensor.is_string()) {
      FERRY_RETURN_IF_ERROR(tensorproto::encode(head, tensor));
    } else {
      tensorproto::append_header(head, tensor.dtype(), tensor.shape().dims(), tensor.num_bytes());
      content = tensor.buffer().bytes();
    }
    if (plain[i].name != concat(i)) {
      if (!is_utf8(plain[i].name)) return unsupported(concat("the name ", quoted(plain[i].name), " is not UTF-8; rename it with --rename"));
      proto::append_bytes_field(tail, kName, plain[i].name);
    }
    for (const auto& [key, value] : plain[i].metadata) append_entry(tail, kMetadata, key, value);
    if (i == 0) {
      for (const auto& [key, value] : plain.metadata) append_entry(tail, kStreamMetadata, key, value);
    }
    FERRY_RETURN_IF_ERROR(write_frame(sink, head, content, tail, tfrecord));
  }
  return {};
}

}  // namespace ferry::tensors
