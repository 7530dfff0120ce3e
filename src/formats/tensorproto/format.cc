// The format `tensorproto`: one dense tensor, the bytes of tf.io.serialize_tensor. docs/formats/tensorproto.md
#include <array>

#include "ferry/format.h"
#include "formats/tensorproto/concatenated.h"
#include "formats/tensorproto/tensorproto.h"

namespace ferry::tensorproto {

extern const Format kFormat;

namespace {

constexpr std::array<std::string_view, 3> kExtensions = {".tensorproto", ".tensor.pb", ".tensorpb"};

class Reader : public TensorReader {
 public:
  Reader(Buffer bytes, TensorProtoView view, Limits limits) : bytes_(std::move(bytes)), view_(std::move(view)), limits_(limits) {
    info_.dtype = view_.dtype();
    info_.shape = view_.shape();
    info_.bytes = view_.num_bytes() + (view_.dtype() == DType::string ? 8 : 0);
    if (view_.has_content()) {
      info_.offset = view_.content_offset();
      const size_t alignment = std::min<size_t>(dtype_size(view_.dtype()), alignof(std::max_align_t));
      info_.zero_copy = alignment > 0 && reinterpret_cast<uintptr_t>(view_.content().data()) % alignment == 0;
    }
  }
  std::span<const TensorInfo> tensors() const override { return {&info_, 1}; }
  Result<Tensor> read(size_t) const override {
    FERRY_ASSIGN_OR_RETURN(DenseTensor tensor, view_.to_tensor(&bytes_, limits_));
    return Tensor(std::move(tensor));
  }

 private:
  Buffer bytes_;
  TensorProtoView view_;
  Limits limits_;
  TensorInfo info_;
};

// dtype and shape come first in all that TensorFlow writes: 08 <1 to 33> 12 <length> (12 …)*.
Sniff sniff(std::span<const std::byte> head) {
  const auto byte = [&](size_t i) { return i < head.size() ? static_cast<int>(head[i]) : -1; };
  if (byte(0) != 0x08 || byte(1) < 1 || !dtype_from_number(byte(1)) || byte(2) != 0x12) return Sniff::no;
  if (byte(3) == 0) return head.size() == 4 || (byte(4) & 7) == 2 ? Sniff::likely : Sniff::maybe;
  if (byte(3) > 0 && byte(3) < 0x80 && byte(4) == 0x12) return Sniff::likely;
  return byte(3) >= 0x80 && byte(5) == 0x12 ? Sniff::likely : Sniff::maybe;
}

Result<std::unique_ptr<TensorReader>> open(std::shared_ptr<const ByteSource> source, const ReadOptions& options) {
  FERRY_ASSIGN_OR_RETURN(Buffer bytes, source->view(0, source->size()));
  FERRY_ASSIGN_OR_RETURN(TensorProtoView view, TensorProtoView::decode(bytes.bytes(), 0, options.limits));
  // Where the merged message happens to fit, all but the last tensor would be lost without a word.
  if (view.pieces() > 1) FERRY_RETURN_IF_ERROR(refuse_concatenated(bytes.bytes()));
  return std::unique_ptr<TensorReader>(std::make_unique<Reader>(std::move(bytes), std::move(view), options.limits));
}

Status write(const TensorMap& tensors, ByteSink& sink, const WriteOptions&) {
  const auto& tensor = std::get<DenseTensor>(tensors[0].tensor);
  std::string head;
  if (tensor.is_string() || tensor.num_bytes() > kMostBytes) {
    FERRY_RETURN_IF_ERROR(encode(head, tensor));
    return sink.write(head);
  }
  append_header(head, tensor.dtype(), tensor.shape().dims(), tensor.num_bytes());
  FERRY_RETURN_IF_ERROR(sink.write(head));
  return sink.write(tensor.buffer().bytes());
}

}  // namespace

const Format kFormat = {
    .id = "tensorproto",
    .summary = "one dense tensor as tf.io.serialize_tensor writes it",
    .readers = "TensorFlow, TF Serving",
    .extensions = kExtensions,
    .capabilities = {.kinds = {.dense = true}, .dtypes = DTypeSet::all(), .names = false, .many = false},
    .options = {},
    .sniff = sniff,
    .open = open,
    .write = write,
};

}  // namespace ferry::tensorproto
