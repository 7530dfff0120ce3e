#include "formats/tensorproto/concatenated.h"

#include <algorithm>
#include <vector>

#include "formats/tensorproto/tensorproto.h"
#include "wire/protobuf.h"

namespace ferry::tensorproto {
namespace {

// Pieces as TensorFlow writes them: each begins with its dtype, has one shape, and is a tensor by itself.
bool each_is_a_tensor(std::span<const std::byte> bytes, const std::vector<size_t>& starts) {
  for (size_t i = 0; i < starts.size(); ++i) {
    const size_t end = i + 1 < starts.size() ? starts[i + 1] : bytes.size();
    if (!TensorProtoView::decode(bytes.subspan(starts[i], end - starts[i])).ok()) return false;
  }
  return starts.front() == 0;
}

std::string listed(const std::vector<size_t>& starts) {
  constexpr size_t kMost = 8;
  std::string out;
  for (size_t i = 0; i < std::min(starts.size(), kMost); ++i) out += concat(i == 0 ? "" : ", ", starts[i]);
  return starts.size() > kMost ? out + ", …" : out;
}

}  // namespace

Status refuse_concatenated(std::span<const std::byte> bytes) {
  std::vector<size_t> starts;
  size_t shapes = 0;
  proto::Reader in(bytes);
  while (in.next()) {
    if (in.tag() == proto::varint_tag(kDType)) starts.push_back(static_cast<size_t>(in.field_offset()));
    shapes += in.tag() == proto::bytes_tag(kShape);
    in.skip();
  }
  const size_t pieces = std::min(starts.size(), shapes);
  if (!in.ok() || pieces < 2) return {};
  const std::string hint = each_is_a_tensor(bytes, starts)
                               ? concat("; here each piece happens to begin with its dtype, at bytes ", listed(starts),
                                        ", so whoever knows that tf.io.serialize_tensor wrote them can cut there and frame them")
                               : std::string();
  return data_loss_at(
      starts[1],
      concat("these look like ", pieces,
             " TensorProtos written one after another without frames, as joined tf.io.serialize_tensor strings are; protobuf reads "
             "them as one message (axes add up, the last dtype and tensor_content win) and lets any field be absent, so in general "
             "nothing says where one ends",
             hint, "; write a framed stream (format tensors: TFRecord or varint-delimited) or a container of named tensors"));
}

}  // namespace ferry::tensorproto
