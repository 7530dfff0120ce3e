// The format `onnx`: TensorProto, SparseTensorProto and the initializers of models. docs/formats/onnx.md
#include <mutex>
#include <unordered_map>

#include "ferry/cast.h"
#include "ferry/checked.h"
#include "ferry/sparse.h"
#include "formats/elements.h"
#include "formats/onnx/model.h"
#include "formats/onnx/write.h"

namespace ferry::onnx {
namespace {

constexpr std::string_view kExtensions[] = {".onnx", ".onnx.pb"};
constexpr OptionSpec kOptions[] = {
    {"as", "auto|model|tensor",
     "write a model of initializers, or one TensorProto or SparseTensorProto (auto: the latter for one tensor without a name)"},
};

// The files that hold external data. Thread-safe.
class Neighbours {
 public:
  Neighbours(std::shared_ptr<const Folder> folder, std::string_view name) : folder_(std::move(folder)), name_(name) {}

  Result<Buffer> read(const External& place, uint64_t size) const {
    FERRY_ASSIGN_OR_RETURN(const auto source, open(place.location));
    auto bytes = source->view(place.offset, size);
    if (!bytes.ok()) return bytes.status().nested(concat("external data ", quoted(place.location)));
    return bytes;
  }

 private:
  Result<std::shared_ptr<const ByteSource>> open(const std::string& location) const {
    if (folder_ == nullptr) {
      return unsupported(concat("the elements lie in the file ", quoted(location),
                                " beside this one, which was not read from a folder; give the path of the model"));
    }
    const std::lock_guard lock(mutex_);
    if (const auto found = open_.find(location); found != open_.end()) return found->second;
    auto source = folder_->open(location);
    if (!source.ok()) return source.status().with_context(concat("external data ", quoted(location)));
    open_.emplace(location, *source);
    return source;
  }

  std::shared_ptr<const Folder> folder_;
  std::string name_;
  mutable std::mutex mutex_;
  mutable std::unordered_map<std::string, std::shared_ptr<const ByteSource>> open_;
};

class File {
 public:
  File(Buffer bytes, Contents contents, std::shared_ptr<const Folder> folder, std::string_view name)
      : bytes_(std::move(bytes)), contents_(std::move(contents)), neighbours_(std::move(folder), name) {}

  const Contents& contents() const { return contents_; }
  Result<DenseTensor> read(const TensorMessage& tensor) const {
    auto out = [&]() -> Result<DenseTensor> {
      if (tensor.external) {
        FERRY_ASSIGN_OR_RETURN(const Buffer raw, neighbours_.read(*tensor.external, tensor.raw_bytes));
        return from_raw(tensor, raw);
      }
      if (!tensor.raw) return from_values(tensor);
      return from_raw(tensor, bytes_.slice(static_cast<size_t>(tensor.raw_offset), tensor.raw->size()));
    }();
    if (!out.ok() && !tensor.name.empty()) return out.status().with_context(concat("tensor ", quoted(tensor.name)));
    return out;
  }
  TensorInfo inspect(const TensorMessage& tensor) const {
    TensorInfo info;
    info.name = tensor.name;
    info.dtype = tensor.dtype;
    info.shape = tensor.shape;
    info.bytes = tensor.dtype == DType::string ? 8 * (tensor.elements + 1)
                                               : static_cast<uint64_t>(*tensor.shape.num_elements()) * dtype_size(tensor.dtype);
    info.metadata = tensor.metadata;
    if (tensor.raw) {
      info.offset = tensor.raw_offset;
      info.zero_copy = tensor.is_view() && reinterpret_cast<uintptr_t>(tensor.raw->data()) % element_alignment(tensor.dtype) == 0;
    } else if (tensor.external) {
      info.metadata.set("onnx_location", tensor.external->location);
      info.zero_copy = tensor.is_view() && tensor.external->offset % element_alignment(tensor.dtype) == 0;  // files are mapped at a page
    }
    return info;
  }

 private:
  Buffer bytes_;
  Contents contents_;
  Neighbours neighbours_;
};

class Arrays : public ArrayReader {
 public:
  explicit Arrays(std::shared_ptr<const File> file) : file_(std::move(file)) {
    for (const TensorMessage& tensor : file_->contents().dense) infos_.push_back(file_->inspect(tensor));
  }
  std::span<const TensorInfo> arrays() const override { return infos_; }
  Result<DenseTensor> read_array(size_t i) const override { return file_->read(file_->contents().dense[i]); }
  const Metadata& metadata() const override { return file_->contents().metadata; }

 private:
  std::shared_ptr<const File> file_;
  std::vector<TensorInfo> infos_;
};

// Dense tensors and what parts make of them, then sparse ones.
class Reader : public TensorReader {
 public:
  Reader(std::shared_ptr<const File> file, std::unique_ptr<TensorReader> dense, Validation validation)
      : file_(std::move(file)), dense_(std::move(dense)), validation_(std::max(validation, Validation::bounds)) {
    infos_.assign(dense_->tensors().begin(), dense_->tensors().end());
    for (const SparseMessage& sparse : file_->contents().sparse) {
      TensorInfo info = file_->inspect(sparse.values);
      info.kind = TensorKind::coo;
      info.shape = sparse.shape;
      info.nnz = static_cast<int64_t>(sparse.values.elements);
      info.bytes += sparse.values.elements * 8 * sparse.shape.rank();
      info.zero_copy = info.zero_copy && sparse.indices.shape.rank() == 2 && file_->inspect(sparse.indices).zero_copy;
      infos_.push_back(std::move(info));
    }
  }
  std::span<const TensorInfo> tensors() const override { return infos_; }
  const Metadata& metadata() const override { return dense_->metadata(); }
  Result<Tensor> read(size_t i) const override {
    const size_t dense = dense_->tensors().size();
    if (i < dense) return dense_->read(i);
    auto tensor = sparse(file_->contents().sparse[i - dense]);
    if (!tensor.ok()) return tensor.status().with_context(concat("tensor ", quoted(infos_[i].name)));
    return tensor;
  }

 private:
  Result<Tensor> sparse(const SparseMessage& message) const {
    FERRY_ASSIGN_OR_RETURN(DenseTensor values, file_->read(message.values));
    FERRY_ASSIGN_OR_RETURN(DenseTensor indices, file_->read(message.indices));
    if (indices.shape().rank() == 1) {
      FERRY_ASSIGN_OR_RETURN(indices, coordinates(indices, message.shape));
    }
    FERRY_ASSIGN_OR_RETURN(SparseTensor x, SparseTensor::coo(message.shape, std::move(indices), std::move(values)));
    FERRY_RETURN_IF_ERROR(x.validate(validation_));
    return Tensor(x.with_order(find_order(x)));
  }

  // Positions in rows-first order as coordinates.
  static Result<DenseTensor> coordinates(const DenseTensor& positions, const Shape& shape) {
    const int64_t count = *shape.num_elements();
    const auto from = positions.values<int64_t>();
    FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::of<int64_t>(from.size() * shape.rank()));
    int64_t* to = out.as<int64_t>().data();
    for (size_t i = 0; i < from.size(); ++i, to += shape.rank()) {
      int64_t rest = from[i];
      if (rest < 0 || rest >= count) return data_loss(concat("entry ", i, " is at position ", rest, ", outside shape ", shape.to_string()));
      for (size_t axis = shape.rank(); axis-- > 0;) {
        to[axis] = rest % shape[axis];
        rest /= shape[axis];
      }
    }
    return DenseTensor::make(DType::int64, Shape{static_cast<int64_t>(from.size()), static_cast<int64_t>(shape.rank())},
                             std::move(out).freeze());
  }

  std::shared_ptr<const File> file_;
  std::unique_ptr<TensorReader> dense_;
  Validation validation_;
  std::vector<TensorInfo> infos_;
};

// What reading makes beyond the file: unpacked and rewritten elements, coordinates of positions.
Status check_expansion(const Contents& contents, uint64_t file_bytes, const Limits& limits) {
  uint64_t total = 0;
  const auto add = [&](uint64_t bytes) { total = checked_add(total, bytes).value_or(UINT64_MAX); };
  for (const TensorMessage& tensor : contents.dense) add(made(tensor));
  for (const SparseMessage& sparse : contents.sparse) {
    add(made(sparse.values));
    add(made(sparse.indices));
    add(checked_mul<uint64_t>(sparse.values.elements, 8 * sparse.shape.rank()).value_or(UINT64_MAX));
  }
  if (total <= limits.free_expanded_bytes || total / limits.max_expansion_ratio <= file_bytes) return {};
  return limit_exceeded(concat("a file of ", file_bytes, " bytes stands for tensors of ", total, "; past ", limits.free_expanded_bytes,
                               " bytes, more than ", limits.max_expansion_ratio, " times the file is refused (max_expansion_ratio)"));
}

Sniff sniff(std::span<const std::byte> head) {
  // Shorter than what is looked at: all there is.
  return kind_of(head, head.size() < 4096) == Kind::none ? Sniff::no : Sniff::likely;
}

Result<std::unique_ptr<TensorReader>> open(std::shared_ptr<const ByteSource> source, const ReadOptions& options) {
  FERRY_ASSIGN_OR_RETURN(Buffer bytes, source->view(0, source->size()));
  const Kind kind = kind_of(bytes.bytes().first(std::min<size_t>(bytes.size(), 4096)), bytes.size() <= 4096);
  FERRY_ASSIGN_OR_RETURN(Contents contents, read_contents(bytes.bytes(), kind, options.limits));
  FERRY_RETURN_IF_ERROR(check_expansion(contents, bytes.size(), options.limits));
  const auto file = std::make_shared<const File>(std::move(bytes), std::move(contents), source->folder(), source->name());
  FERRY_ASSIGN_OR_RETURN(auto dense, reader_with_parts(std::make_unique<Arrays>(file), options));
  return std::unique_ptr<TensorReader>(std::make_unique<Reader>(file, std::move(dense), options.validation));
}

}  // namespace

extern const Format kFormat;
const Format kFormat = {
    .id = "onnx",
    .summary = "ONNX tensors (TensorProto, SparseTensorProto) and the initializers and constants of models",
    .readers = "onnx, ONNX Runtime",
    .extensions = kExtensions,
    .capabilities = {.kinds = KindSet::all(), .dtypes = DTypeSet::all(), .names = true, .metadata = true, .many = true, .streams = false},
    .options = kOptions,
    .sniff = sniff,
    .open = open,
    .write = write,
};

}  // namespace ferry::onnx
