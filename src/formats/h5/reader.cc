// The datasets of an HDF5 file as plain arrays; composite tensors by the Parts rule and by AnnData's attributes.
#include <unistd.h>

#include <algorithm>
#include <unordered_set>

#include "ferry/checked.h"
#include "formats/elements.h"
#include "formats/h5/h5.h"
#include "formats/h5/helper.h"
#include "formats/h5/listing.h"
#include "formats/h5/sparse_group.h"
#include "formats/metadata.h"

namespace ferry::h5 {
namespace {

std::string below(const std::string& path, std::string_view name) { return path.empty() ? std::string(name) : concat(path, "/", name); }

enum class Piece : uint8_t { all, row_splits, row_values, given };

struct Array {
  size_t object;  // of the listing
  Piece piece = Piece::all;
  DenseTensor given;  // made from attributes
};

// Thread-safe: nothing changes after start().
class Hdf5Arrays : public ArrayReader {
 public:
  Hdf5Arrays(std::unique_ptr<RemoteFile> file, std::vector<Object> objects, const ReadOptions& options, Metadata metadata)
      : file_(std::move(file)), objects_(std::move(objects)), limits_(options.limits), metadata_(std::move(metadata)) {}

  Status start();
  std::span<const TensorInfo> arrays() const override { return infos_; }
  const Metadata& metadata() const override { return metadata_; }
  Result<DenseTensor> read_array(size_t i) const override {
    const Array& array = arrays_[i];
    if (array.piece == Piece::given) return array.given;
    const Object& object = objects_[array.object];
    auto out = object.reason.empty() ? read_dataset(array, infos_[i]) : Result<DenseTensor>(unsupported(object.reason));
    if (!out.ok()) return out.status().with_context(concat("dataset ", quoted(object.path)));
    return out;
  }

 private:
  Status add_group(const Object& object, size_t at);
  Status add_dataset(Object& object, size_t at);
  Status add(std::string name, DType dtype, Shape shape, Array array);
  void add_metadata(const std::string& path, const Object& object, std::span<const std::string_view> but);
  Result<DenseTensor> read_dataset(const Array& array, const TensorInfo& info) const;
  Status check_size(uint64_t bytes) const;

  std::unique_ptr<RemoteFile> file_;
  std::vector<Object> objects_;
  Limits limits_;
  std::vector<Array> arrays_;
  std::vector<TensorInfo> infos_;
  std::unordered_set<std::string> names_, datasets_;
  Metadata metadata_;
};

Status Hdf5Arrays::add(std::string name, DType dtype, Shape shape, Array array) {
  if (!names_.insert(name).second) return data_loss(concat("two datasets give the name ", quoted(name)));
  TensorInfo info;
  info.name = std::move(name);
  info.dtype = dtype;
  const auto count = shape.num_elements();
  const auto bytes = count ? checked_mul<uint64_t>(static_cast<uint64_t>(*count), std::max<size_t>(dtype_size(dtype), 1)) : std::nullopt;
  if (!bytes) return limit_exceeded(concat("dataset ", quoted(info.name), " has shape ", shape.to_string(), ", more than memory can hold"));
  info.bytes = dtype == DType::string ? (static_cast<uint64_t>(*count) + 1) * sizeof(int64_t) : *bytes;
  info.shape = std::move(shape);
  arrays_.push_back(std::move(array));
  infos_.push_back(std::move(info));
  return {};
}

void Hdf5Arrays::add_metadata(const std::string& path, const Object& object, std::span<const std::string_view> but) {
  for (const Attribute& attribute : object.attributes) {
    if (attribute.kind == AttributeKind::unreadable || std::ranges::find(but, attribute.name) != but.end()) continue;
    metadata_.append(below(path, attribute.name), attribute.as_text());
  }
}

// The shape of AnnData's sparse groups is an attribute; Parts look for an array.
Status Hdf5Arrays::add_group(const Object& object, size_t at) {
  static constexpr std::string_view kSparse[] = {kEncodingType, kEncodingVersion, "shape", "h5sparse_format", "h5sparse_shape"};
  const std::string* encoding = object.text(kEncodingType);
  if (encoding == nullptr) encoding = object.text("h5sparse_format");
  const auto layout = encoding == nullptr ? std::nullopt : sparse_encoding(*encoding);
  const Attribute* shape = object.find("shape");
  if (shape == nullptr) shape = object.find("h5sparse_shape");
  const bool has_members = datasets_.contains(below(object.path, "data")) && datasets_.contains(below(object.path, "indices")) &&
                           datasets_.contains(below(object.path, "indptr"));
  if (!layout || !has_members || shape == nullptr || shape->words.size() != 2 || datasets_.contains(below(object.path, "shape"))) {
    add_metadata(object.path, object, {});
    return {};
  }
  add_metadata(object.path, object, kSparse);
  metadata_.append(concat(object.path, "/layout"), std::string(layout_name(*layout)));
  const int64_t dims[] = {static_cast<int64_t>(shape->words[0]), static_cast<int64_t>(shape->words[1])};
  return add(below(object.path, "shape"), DType::int64, Shape{2}, {at, Piece::given, DenseTensor::vector<int64_t>(dims)});
}

// Opaque bytes: what an attribute `dtype` says they are (Keras, and ours); else bfloat16 where there are two of them, which is
// how h5py keeps NumPy's extension types. An integer may carry one of TensorFlow's quantized names.
void settle_dtype(Object& object) {
  const std::string* name = object.text("dtype");
  const auto named = name == nullptr ? std::nullopt : dtype_from_name(*name);
  if (object.element == ElementKind::opaque) {
    const size_t axes = object.shape.rank() - 1;
    const int64_t width = object.shape[axes];
    const bool fits = named && is_fixed_size(*named) && static_cast<int64_t>(dtype_size(*named)) == width;
    if (!fits && width > 2) return;
    object.dtype = fits ? *named : width == 2 ? DType::bfloat16 : DType::uint8;
    object.shape = Shape(object.shape.dims().first(axes));
    if (!fits) return;
  } else if (object.element == ElementKind::fixed && named && dtype_class(*named) == DTypeClass::kQuantized &&
             dtype_size(*named) == dtype_size(object.dtype)) {
    object.dtype = *named;
  } else {
    return;
  }
  std::erase_if(object.attributes, [](const Attribute& attribute) { return attribute.name == "dtype"; });
}

Status Hdf5Arrays::add_dataset(Object& object, size_t at) {
  settle_dtype(object);
  if (object.element == ElementKind::rows) {
    add_metadata(object.path, object, {});
    if (object.shape.rank() != 1) {
      metadata_.append(below(object.path, kSkippedKey), "variable-length rows of more than one axis");
      return {};
    }
    if (object.values > static_cast<uint64_t>(INT64_MAX) || object.shape[0] == INT64_MAX)
      return data_loss(concat("dataset ", quoted(object.path), " has rows without end"));
    FERRY_RETURN_IF_ERROR(
        add(below(object.path, "values"), object.dtype, Shape{static_cast<int64_t>(object.values)}, {at, Piece::row_values, {}}));
    return add(below(object.path, "row_splits"), DType::int64, Shape{object.shape[0] + 1}, {at, Piece::row_splits, {}});
  }
  FERRY_RETURN_IF_ERROR(add(object.path == kRootName ? "" : object.path, object.dtype, object.shape, {at, Piece::all, {}}));
  TensorInfo& info = infos_.back();
  std::vector<std::string> texts;
  texts.reserve(object.attributes.size());
  MetadataEntries entries;
  for (const Attribute& attribute : object.attributes) {
    if (attribute.kind != AttributeKind::unreadable) entries.emplace_back(attribute.name, texts.emplace_back(attribute.as_text()));
  }
  set_all(info.metadata, entries);
  if (object.offset == kNowhere) return {};
  if (object.offset > file_->source().size() || info.bytes > file_->source().size() - object.offset) {
    return data_loss_at(file_->source().size(), concat("dataset ", quoted(object.path), " lies at byte ", object.offset, " and has ",
                                                       info.bytes, " bytes, past the end of the file"));
  }
  info.offset = object.offset;
  if (file_->source().in_memory()) {
    FERRY_ASSIGN_OR_RETURN(const Buffer bytes, file_->source().view(object.offset, info.bytes));
    info.zero_copy = bytes.is_aligned(std::min<size_t>(dtype_size(object.dtype), 8));
  }
  return {};
}

Status Hdf5Arrays::start() {
  for (const Object& object : objects_) {
    if (object.kind == ObjectKind::dataset) datasets_.insert(object.path);
  }
  std::string skipped;
  for (size_t at = 0; at < objects_.size(); ++at) {
    Object& object = objects_[at];
    switch (object.kind) {
      case ObjectKind::group: FERRY_RETURN_IF_ERROR(add_group(object, at)); break;
      case ObjectKind::dataset: FERRY_RETURN_IF_ERROR(add_dataset(object, at)); break;
      case ObjectKind::skipped:
        if (!skipped.empty()) skipped += "; ";
        skipped += concat(object.path, " (", object.reason, ")");
        break;
    }
  }
  if (!skipped.empty()) {
    if (infos_.empty()) return unsupported(concat("nothing in the file can be read as a tensor: ", skipped));
    metadata_.append(std::string(kSkippedKey), std::move(skipped));
  }
  return {};
}

// What is not a view is made from chunks, fill values or a heap: memory that the file does not vouch for.
Status Hdf5Arrays::check_size(uint64_t bytes) const {
  if (bytes > limits_.max_tensor_bytes) {
    return limit_exceeded(concat("it has ", bytes, " bytes, more than ", limits_.max_tensor_bytes, " (max_tensor_bytes)"));
  }
  if (bytes > static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(::sysconf(_SC_PAGE_SIZE))) {
    return limit_exceeded(concat("it has ", bytes, " bytes, more than the memory of this machine"));
  }
  if (bytes > limits_.max_expanded_bytes) {
    return limit_exceeded(concat("it expands to ", bytes, " bytes, more than ", limits_.max_expanded_bytes, " (max_expanded_bytes)"));
  }
  if (bytes > limits_.free_expanded_bytes && bytes / limits_.max_expansion_ratio > file_->source().size()) {
    return limit_exceeded(
        concat("its ", bytes, " bytes are more than ", limits_.max_expansion_ratio, " times those of the file (max_expansion_ratio)"));
  }
  return {};
}

Result<DenseTensor> Hdf5Arrays::read_dataset(const Array& array, const TensorInfo& info) const {
  const Object& object = objects_[array.object];
  if (object.offset != kNowhere) {
    FERRY_ASSIGN_OR_RETURN(Buffer bytes, file_->source().view(object.offset, info.bytes));
    if (info.dtype == DType::bool_) FERRY_RETURN_IF_ERROR(check_bools(bytes.bytes()));
    return DenseTensor::make(info.dtype, info.shape, std::move(bytes));
  }
  if (object.element == ElementKind::fixed || object.element == ElementKind::opaque) {
    FERRY_RETURN_IF_ERROR(check_size(info.bytes));
    FERRY_ASSIGN_OR_RETURN(Buffer bytes, file_->read(array.object, info.bytes));
    if (bytes.size() != info.bytes) return data_loss(concat("ferry-hdf5 gives ", bytes.size(), " bytes, expected ", info.bytes));
    if (info.dtype == DType::bool_) FERRY_RETURN_IF_ERROR(check_bools(bytes.bytes()));
    return DenseTensor::make(info.dtype, info.shape, std::move(bytes));
  }
  // Offsets, then what they point into.
  const uint64_t count = static_cast<uint64_t>(*object.shape.num_elements());
  if (count > limits_.max_tensor_bytes / 8 - 1) return check_size(UINT64_MAX);
  const uint64_t offsets = (count + 1) * sizeof(int64_t);
  FERRY_RETURN_IF_ERROR(check_size(offsets));
  const uint64_t size = dtype_size(object.dtype);
  uint64_t most;
  if (object.element == ElementKind::strings) {
    // A heap can be pointed into twice, so that the file's size does not bound the text: the limits do.
    const auto grown = checked_mul(std::max<uint64_t>(file_->source().size(), 1), limits_.max_expansion_ratio).value_or(UINT64_MAX);
    most = std::min({std::max(limits_.free_expanded_bytes, grown), limits_.max_expanded_bytes, limits_.max_tensor_bytes});
  } else {
    const auto bytes = checked_mul(object.values, size);
    FERRY_RETURN_IF_ERROR(check_size(bytes.value_or(UINT64_MAX)));
    most = offsets + *bytes;
  }
  FERRY_ASSIGN_OR_RETURN(Buffer bytes, file_->read(array.object, most));
  if (bytes.size() < offsets) return data_loss(concat("ferry-hdf5 gives ", bytes.size(), " bytes, expected at least ", offsets));
  const Buffer head = bytes.slice(0, offsets), tail = bytes.slice(offsets, bytes.size() - offsets);
  if (object.element == ElementKind::strings) return DenseTensor::make_strings(info.shape, head, tail);
  if (tail.size() != object.values * size)
    return data_loss(concat("its rows have ", tail.size(), " bytes, expected ", object.values * size));
  if (array.piece == Piece::row_values) {
    if (info.dtype == DType::bool_) FERRY_RETURN_IF_ERROR(check_bools(tail.bytes()));
    return DenseTensor::make(info.dtype, info.shape, tail);
  }
  // They count bytes.
  FERRY_ASSIGN_OR_RETURN(MutableBuffer splits, MutableBuffer::of<int64_t>(count + 1));
  std::ranges::transform(head.as<int64_t>(), splits.as<int64_t>().begin(), [&](int64_t at) { return at / static_cast<int64_t>(size); });
  return DenseTensor::make(DType::int64, info.shape, std::move(splits).freeze());
}

}  // namespace

bool has_signature(std::span<const std::byte> head) {
  const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  constexpr std::string_view kSignature("\x89HDF\r\n\x1a\n", 8);
  if (text.starts_with(kSignature)) return true;
  for (size_t at = 512; at + kSignature.size() <= text.size(); at *= 2) {
    if (text.substr(at).starts_with(kSignature)) return true;
  }
  return false;
}

Result<std::unique_ptr<TensorReader>> open(std::shared_ptr<const ByteSource> source, const ReadOptions& options) {
  return open_with(std::move(source), options, {});
}

Result<std::unique_ptr<TensorReader>> open_with(std::shared_ptr<const ByteSource> source, const ReadOptions& options, Metadata metadata) {
  FERRY_ASSIGN_OR_RETURN(const Buffer head, source->view(0, std::min<uint64_t>(source->size(), uint64_t{64} << 10)));
  if (!has_signature(head.bytes())) {
    return data_loss_at(0, "no HDF5 signature (89 48 44 46 0d 0a 1a 0a) at the front, nor after a user block: not an HDF5 file");
  }
  FERRY_ASSIGN_OR_RETURN(auto file, RemoteFile::open(std::move(source), options.limits));
  FERRY_ASSIGN_OR_RETURN(auto objects, parse_listing(file->listing().bytes(), options.limits));
  auto arrays = std::make_unique<Hdf5Arrays>(std::move(file), std::move(objects), options, std::move(metadata));
  FERRY_RETURN_IF_ERROR(arrays->start());
  return reader_with_parts(std::move(arrays), options);
}

}  // namespace ferry::h5
