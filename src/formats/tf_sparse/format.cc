// The format `tf_sparse`: one sparse tensor as the serialized string tensor of tf.io.serialize_sparse or serialize_many_sparse.
#include <array>

#include "ferry/format.h"
#include "formats/tensorproto/tensorproto.h"
#include "formats/tf_sparse/tf_sparse.h"
#include "wire/protobuf.h"

namespace ferry::tf_sparse {

extern const Format kFormat;

namespace {

using tensorproto::TensorProtoView;

constexpr std::array<std::string_view, 2> kExtensions = {".tfsparse", ".tf_sparse"};
constexpr OptionSpec kOptions[] = {
    {"many", "true|false", "write one row of three strings for each index of axis 0 (serialize_many_sparse); default false"},
};

class Reader : public TensorReader {
 public:
  static Result<std::unique_ptr<TensorReader>> open(Buffer bytes, const ReadOptions& options) {
    auto reader = std::make_unique<Reader>();
    reader->bytes_ = std::move(bytes);
    reader->validation_ = options.validation;
    FERRY_ASSIGN_OR_RETURN(const TensorProtoView view, TensorProtoView::decode(reader->bytes_.bytes(), 0, options.limits));
    if (view.dtype() != DType::string) {
      return data_loss(concat("the TensorProto holds ", dtype_name(view.dtype()),
                              ", expected the strings of a serialized sparse tensor; read it as tensorproto"));
    }
    // No string of ours is empty, so this bounds the loop below by the bytes that are there.
    if (static_cast<uint64_t>(view.num_elements()) > reader->bytes_.size()) {
      return data_loss(
          concat("shape ", view.shape().to_string(), " announces more strings than the ", reader->bytes_.size(), " bytes can hold"));
    }
    reader->strings_.reserve(static_cast<size_t>(view.num_elements()));
    FERRY_RETURN_IF_ERROR(view.for_each_string([&](std::string_view text) { reader->strings_.push_back(text); }));
    FERRY_ASSIGN_OR_RETURN(reader->sparse_, SerializedSparse::open(reader->strings_, view.shape().dims(), options.limits));
    reader->info_.kind = TensorKind::coo;
    reader->info_.dtype = reader->sparse_.dtype();
    reader->info_.shape = reader->sparse_.shape();
    reader->info_.nnz = reader->sparse_.nnz();
    reader->info_.bytes = reader->sparse_.num_bytes();
    return std::unique_ptr<TensorReader>(std::move(reader));
  }
  std::span<const TensorInfo> tensors() const override { return {&info_, 1}; }
  Result<Tensor> read(size_t) const override {
    FERRY_ASSIGN_OR_RETURN(SparseTensor tensor, sparse_.to_tensor(validation_));
    return Tensor(std::move(tensor));
  }

 private:
  Buffer bytes_;
  std::vector<std::string_view> strings_;  // into bytes_
  SerializedSparse sparse_;
  Validation validation_ = Validation::bounds;
  TensorInfo info_;
};

// A string tensor of shape [..., 3] whose first string is an int64 TensorProto.
Sniff sniff(std::span<const std::byte> head) {
  proto::Reader in(head);
  if (!in.next() || in.tag() != proto::varint_tag(tensorproto::kDType) || in.varint() != static_cast<uint64_t>(DType::string))
    return Sniff::no;
  if (!in.next() || in.tag() != proto::bytes_tag(tensorproto::kShape)) return Sniff::no;
  int64_t last = 0;
  proto::Reader shape = in.message();
  while (shape.next()) {
    if (shape.tag() != proto::bytes_tag(2)) return Sniff::no;
    proto::Reader dim = shape.message();
    last = dim.next() && dim.tag() == proto::varint_tag(1) ? dim.int64() : 0;
  }
  if (!shape.ok() || last != 3 || !in.next() || in.tag() != proto::bytes_tag(tensorproto::kStringVal)) return Sniff::no;
  in.varint();  // the length; the string may go on behind the head
  const uint64_t at = in.offset();
  return at + 2 <= head.size() && head[at] == std::byte{0x08} && head[at + 1] == std::byte{0x09} ? Sniff::likely : Sniff::no;
}

Result<std::unique_ptr<TensorReader>> open(std::shared_ptr<const ByteSource> source, const ReadOptions& options) {
  FERRY_ASSIGN_OR_RETURN(Buffer bytes, source->view(0, source->size()));
  return Reader::open(std::move(bytes), options);
}

Status write(const TensorMap& tensors, ByteSink& sink, const WriteOptions& options) {
  const auto& tensor = std::get<SparseTensor>(tensors[0].tensor);
  FERRY_ASSIGN_OR_RETURN(const bool many, options.format.get_bool("many", false));
  if (many && tensor.rank() >= 2 && tensor.shape()[0] == 0) {
    return unsupported(concat("shape ", tensor.shape().to_string(), " has no row, and nothing could be read back; write it without many"));
  }
  FERRY_RETURN_IF_ERROR(tensor.validate(Validation::bounds));
  FERRY_ASSIGN_OR_RETURN(const DenseTensor strings, many ? serialize_many(tensor) : serialize(tensor));
  std::string out;
  FERRY_RETURN_IF_ERROR(tensorproto::encode(out, strings));
  return sink.write(out);
}

}  // namespace

const Format kFormat = {
    .id = "tf_sparse",
    .summary = "one sparse tensor as tf.io.serialize_sparse or serialize_many_sparse gives it",
    .readers = "TensorFlow",
    .extensions = kExtensions,
    .capabilities = {.kinds = {.coo = true}, .dtypes = DTypeSet::all(), .names = false, .many = false},
    .options = kOptions,
    .sniff = sniff,
    .open = open,
    .write = write,
};

}  // namespace ferry::tf_sparse
