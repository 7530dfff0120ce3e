// The npy format: one dense array a file, without a name.
#include "ferry/format.h"
#include "formats/npy/npy.h"
#include "formats/npy/options.h"

namespace ferry::npy {
namespace {

class NpyReader : public TensorReader {
 public:
  NpyReader(std::shared_ptr<const ByteSource> source, Header header) : source_(std::move(source)), header_(std::move(header)) {
    info_.dtype = header_.dtype;
    info_.shape = header_.shape;
    info_.bytes = bytes_in_memory(header_);
    info_.offset = header_.data;
    if (!header_.untyped.empty()) info_.metadata.set(kUntypedKey, header_.untyped);
    if (source_->in_memory()) {
      const auto view = source_->view(header_.data, header_.data_bytes);
      info_.zero_copy = view.ok() && is_view(header_, view->data());
    }
  }
  std::span<const TensorInfo> tensors() const override { return {&info_, 1}; }
  Result<Tensor> read(size_t) const override {
    FERRY_ASSIGN_OR_RETURN(const Buffer elements, source_->view(header_.data, header_.data_bytes));
    auto tensor = decode(header_, elements);
    if (!tensor.ok()) return tensor.status().shifted(header_.data);
    return Tensor(*std::move(tensor));
  }

 private:
  std::shared_ptr<const ByteSource> source_;
  Header header_;
  TensorInfo info_;
};

Sniff sniff(std::span<const std::byte> head) {
  const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  return text.starts_with(kMagic) ? Sniff::certain : Sniff::no;
}

Result<std::unique_ptr<TensorReader>> open(std::shared_ptr<const ByteSource> source, const ReadOptions& options) {
  FERRY_ASSIGN_OR_RETURN(const DType one_byte_void, one_byte_void_option(options.format));
  const uint64_t total = source->size();
  FERRY_ASSIGN_OR_RETURN(Buffer head, source->view(0, std::min<uint64_t>(total, 12)));
  FERRY_ASSIGN_OR_RETURN(const uint64_t size, header_size(head.bytes(), total));
  FERRY_ASSIGN_OR_RETURN(head, source->view(0, size));
  FERRY_ASSIGN_OR_RETURN(Header header, read_header(head.bytes(), total, options.limits, one_byte_void));
  return std::unique_ptr<TensorReader>(std::make_unique<NpyReader>(std::move(source), std::move(header)));
}

Status write(const TensorMap& tensors, ByteSink& sink, const WriteOptions&) {
  FERRY_ASSERT(tensors.size() == 1);
  const auto* tensor = std::get_if<DenseTensor>(&tensors[0].tensor);
  FERRY_ASSERT(tensor != nullptr);
  FERRY_ASSIGN_OR_RETURN(const Encoded encoded, encode(*tensor));
  FERRY_RETURN_IF_ERROR(sink.write(encoded.header));
  return sink.write(encoded.elements.bytes());
}

constexpr std::string_view kExtensions[] = {".npy"};
constexpr OptionSpec kOptions[] = {kVoidOption};

}  // namespace

extern const Format kFormat;
const Format kFormat = {
    .id = "npy",
    .summary = "NumPy's own file of one array",
    .readers = "NumPy",
    .extensions = kExtensions,
    .capabilities =
        {.kinds = {.dense = true}, .dtypes = DTypeSet::all(), .names = false, .metadata = false, .many = false, .streams = false},
    .options = kOptions,
    .sniff = sniff,
    .open = open,
    .write = write,
};

}  // namespace ferry::npy
