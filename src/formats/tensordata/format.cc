// The format `tensordata`.
#include <array>

#include "ferry/format.h"
#include "formats/tensordata/tensordata.h"
#include "wire/protobuf.h"

namespace ferry::tensordata {

extern const Format kFormat;

namespace {

constexpr std::array<std::string_view, 2> kExtensions = {".tensordata", ".tensor_data"};
constexpr OptionSpec kOptions[] = {
    {"floats", "true|false", "write the rounded floats also where the exact elements stand beside them, for old readers; default true"},
};

class Reader : public TensorReader {
 public:
  Reader(Buffer bytes, TensorDataView view) : bytes_(std::move(bytes)), view_(std::move(view)) {
    info_.name = view_.name();
    info_.dtype = view_.dtype();
    info_.shape = view_.shape();
    info_.bytes = view_.num_bytes();
    info_.metadata = view_.metadata();
    if (!view_.elements().empty() && view_.dtype() == DType::float32) {
      info_.offset = view_.elements_offset();
      info_.zero_copy = view_.elements().size() == view_.num_bytes() && reinterpret_cast<uintptr_t>(view_.elements().data()) % 4 == 0;
    }
  }
  std::span<const TensorInfo> tensors() const override { return {&info_, 1}; }
  Result<Tensor> read(size_t) const override {
    FERRY_ASSIGN_OR_RETURN(DenseTensor tensor, view_.to_tensor(bytes_));
    return Tensor(std::move(tensor));
  }

 private:
  Buffer bytes_;
  TensorDataView view_;
  TensorInfo info_;
};

// No magic, and other messages begin alike; a whole small file whose dtype is one and whose counts agree is one.
Sniff sniff(std::span<const std::byte> head) {
  constexpr size_t kWhole = 4096;  // a head that is shorter is all of the file
  if (head.size() >= kWhole) return !head.empty() && head[0] == std::byte{proto::bytes_tag(kData)} ? Sniff::maybe : Sniff::no;
  bool dtype = false;
  proto::Reader in(head);
  while (in.next()) {
    switch (in.field()) {
      case kData:
      case kShape:
      case kContent:
      case kStrings:
      case kName:
      case kMetadata: in.skip(); break;
      case kDType:
        if (in.wire() != proto::Wire::bytes || !dtype_from_spelling(in.text())) return Sniff::no;
        dtype = true;
        break;
      default: return Sniff::no;
    }
  }
  return in.ok() && dtype && TensorDataView::decode(head).ok() ? Sniff::likely : Sniff::no;
}

Result<std::unique_ptr<TensorReader>> open(std::shared_ptr<const ByteSource> source, const ReadOptions& options) {
  FERRY_ASSIGN_OR_RETURN(Buffer bytes, source->view(0, source->size()));
  FERRY_ASSIGN_OR_RETURN(TensorDataView view, TensorDataView::decode(bytes.bytes(), options.limits));
  return std::unique_ptr<TensorReader>(std::make_unique<Reader>(std::move(bytes), std::move(view)));
}

Status write(const TensorMap& tensors, ByteSink& sink, const WriteOptions& options) {
  FERRY_ASSIGN_OR_RETURN(const bool floats, options.format.get_bool("floats", true));
  std::string out;
  FERRY_RETURN_IF_ERROR(encode(out, std::get<DenseTensor>(tensors[0].tensor), tensors[0].name, tensors[0].metadata, floats));
  return sink.write(out);
}

}  // namespace

const Format kFormat = {
    .id = "tensordata",
    .summary = "one dense tensor as message TensorData {data, shape, dtype}, as people write it for EagerTensors",
    .readers = "protobuf code in any language",
    .extensions = kExtensions,
    .capabilities = {.kinds = {.dense = true}, .dtypes = DTypeSet::all(), .metadata = true, .many = false},
    .options = kOptions,
    .sniff = sniff,
    .open = open,
    .write = write,
};

}  // namespace ferry::tensordata
