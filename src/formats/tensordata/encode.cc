#include "ferry/cast.h"
#include "formats/tensordata/tensordata.h"
#include "wire/protobuf.h"
#include "wire/utf8.h"

namespace ferry::tensordata {
namespace {

constexpr uint64_t kMostBytes = 0x7fffffff;  // of a protobuf message

void append_packed_floats(std::string& out, const DenseTensor& floats) {
  if (floats.num_elements() == 0) return;
  proto::append_bytes_field(out, kData, floats.buffer().text());
}

}  // namespace

Status encode(std::string& out, const DenseTensor& tensor, std::string_view name, const Metadata& metadata, bool with_floats) {
  if (!is_utf8(name)) return unsupported(concat("the name ", quoted(name), " is not UTF-8; rename it with --rename"));
  const bool exact_dtype = tensor.dtype() == DType::float32;
  if (tensor.num_bytes() + 4 * static_cast<uint64_t>(tensor.num_elements()) > kMostBytes) {
    return unsupported(concat("a TensorData message holds less than 2 GiB, the tensor has ", tensor.num_bytes(), " bytes; use npy or npz"));
  }
  bool content = false;
  if (exact_dtype) {
    append_packed_floats(out, tensor);
  } else if (!tensor.is_string()) {
    FERRY_ASSIGN_OR_RETURN(const DenseTensor floats, cast(tensor, DType::float32));
    FERRY_ASSIGN_OR_RETURN(const DenseTensor back, cast(floats, tensor.dtype()));
    content = !identical(Tensor(tensor), Tensor(back));
    if (!content || with_floats) append_packed_floats(out, floats);
  }
  std::string shape;
  for (int64_t dim : tensor.shape()) proto::append_varint(shape, static_cast<uint64_t>(dim));
  if (!shape.empty()) proto::append_bytes_field(out, kShape, shape);
  proto::append_bytes_field(out, kDType, dtype_name(tensor.dtype()));
  if (content) proto::append_bytes_field(out, kContent, tensor.buffer().text());
  if (tensor.is_string()) {
    const StringsView strings = tensor.strings();
    for (int64_t i = 0; i < strings.size(); ++i) proto::append_bytes_field(out, kStrings, strings[i]);
  }
  if (!name.empty()) proto::append_bytes_field(out, kName, name);
  for (const auto& [key, value] : metadata) {
    std::string entry;
    proto::append_bytes_field(entry, 1, key);
    proto::append_bytes_field(entry, 2, value);
    proto::append_bytes_field(out, kMetadata, entry);
  }
  return {};
}

}  // namespace ferry::tensordata
