// Writing TensorProtos, byte for byte as TensorFlow does: fields by number, defaults (0, empty) left out.
#include <cstring>

#include "formats/tensorproto/tensorproto.h"
#include "wire/protobuf.h"

namespace ferry::tensorproto {
namespace {

using proto::put_varint;
using proto::varint_size;

constexpr char kTagDType = 0x08, kTagShape = 0x12, kTagContent = 0x22, kTagString = 0x42, kTagDim = 0x12, kTagSize = 0x08;

size_t dim_size(int64_t dim) { return dim == 0 ? 0 : 1 + varint_size(static_cast<uint64_t>(dim)); }

size_t shape_size(std::span<const int64_t> shape) {
  size_t size = 0;
  for (int64_t dim : shape) size += 2 + dim_size(dim);  // a Dim is at most 11 bytes: its length is one byte
  return size;
}

char* put_shape(char* at, DType dtype, std::span<const int64_t> shape, size_t size) {
  *at++ = kTagDType;
  *at++ = static_cast<char>(dtype);
  *at++ = kTagShape;
  at = put_varint(at, size);
  for (int64_t dim : shape) {
    *at++ = kTagDim;
    *at++ = static_cast<char>(dim_size(dim));
    if (dim != 0) {
      *at++ = kTagSize;
      at = put_varint(at, static_cast<uint64_t>(dim));
    }
  }
  return at;
}

}  // namespace

char* put_header(char* at, DType dtype, std::span<const int64_t> shape, uint64_t content_bytes) {
  at = put_shape(at, dtype, shape, shape_size(shape));
  if (content_bytes != 0) {
    *at++ = kTagContent;
    at = put_varint(at, content_bytes);
  }
  return at;
}

char* put_strings_as_content(char* at, std::span<const int64_t> shape, const StringsView& strings, int64_t begin, int64_t end) {
  const int64_t* offsets = strings.offsets();
  const auto text = static_cast<size_t>(offsets[end] - offsets[begin]);
  uint64_t bytes = text;
  for (int64_t i = begin; i < end; ++i) bytes += varint_size(static_cast<uint64_t>(offsets[i + 1] - offsets[i]));
  at = put_header(at, DType::string, shape, bytes);
  for (int64_t i = begin; i < end; ++i) at = put_varint(at, static_cast<uint64_t>(offsets[i + 1] - offsets[i]));
  if (text > 0) std::memcpy(at, strings.bytes() + offsets[begin], text);
  return at + text;
}

void append_header(std::string& out, DType dtype, std::span<const int64_t> shape, uint64_t content_bytes) {
  const size_t before = out.size();
  out.resize(before + header_bound(shape.size()));
  out.resize(static_cast<size_t>(put_header(out.data() + before, dtype, shape, content_bytes) - out.data()));
}

void encode(std::string& out, DenseView tensor) {
  uint64_t bytes = dtype_size(tensor.dtype);
  for (int64_t dim : tensor.shape) bytes *= static_cast<uint64_t>(dim);
  append_header(out, tensor.dtype, tensor.shape, bytes);
  if (bytes > 0) out.append(static_cast<const char*>(tensor.data), bytes);
}

Status encode(std::string& out, const DenseTensor& tensor) {
  if (tensor.num_bytes() > kMostBytes) {
    return unsupported(concat("a TensorProto holds less than 2 GiB, the tensor has ", tensor.num_bytes(), " bytes; use npy or npz"));
  }
  if (!tensor.is_string()) {
    encode(out, tensor.view());
    return {};
  }
  append_header(out, DType::string, tensor.shape().dims(), 0);
  const StringsView strings = tensor.strings();
  for (int64_t i = 0; i < strings.size(); ++i) {
    out += kTagString;
    proto::append_varint(out, strings[i].size());
    out += strings[i];
  }
  return {};
}

Status encode_as_content(std::string& out, const DenseTensor& tensor) {
  if (!tensor.is_string()) return encode(out, tensor);
  const StringsView strings = tensor.strings();
  const size_t before = out.size();
  const auto text = static_cast<size_t>(strings.total_bytes());
  out.resize(before + header_bound(tensor.shape().rank()) + text + 5 * static_cast<size_t>(strings.size()));
  const char* end = put_strings_as_content(out.data() + before, tensor.shape().dims(), strings, 0, strings.size());
  out.resize(static_cast<size_t>(end - out.data()));
  return {};
}

}  // namespace ferry::tensorproto
