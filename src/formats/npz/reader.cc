#include "formats/npz/reader.h"

#include <unordered_set>

#include "formats/npy/npy.h"
#include "formats/npy/options.h"
#include "formats/npz/metadata.h"
#include "formats/tensor_names.h"
#include "io/zip.h"
#include "tensor/part_words.h"

namespace ferry::npz {
namespace {

constexpr std::string_view kSuffix = ".npy";
constexpr uint64_t kUsualHeader = 128;

Status in_member(const Status& status, const ZipMember& member) {
  const std::string context = concat("member ", quoted(member.name));
  if (status.message().starts_with(context)) return status;
  // Bytes of a compressed member have no place of their own in the file.
  return member.method == ZipMethod::stored ? status.shifted(member.data).with_context(context) : status.nested(context);
}

// Thread-safe: nothing changes after open().
class NpzArrays : public ArrayReader {
 public:
  explicit NpzArrays(ZipReader zip) : zip_(std::move(zip)) {}

  Status start(const ReadOptions& options);
  std::span<const TensorInfo> arrays() const override { return infos_; }
  const Metadata& metadata() const override { return metadata_; }
  Result<DenseTensor> read_array(size_t i) const override {
    const Array& array = arrays_[i];
    const ZipMember& member = zip_.members()[array.member];
    FERRY_ASSIGN_OR_RETURN(const Buffer bytes, zip_.read(array.member));
    if (array.raw) return text_of(bytes);
    auto tensor = npy::decode(array.header, bytes.slice(array.header.data, array.header.data_bytes));
    if (!tensor.ok()) return in_member(tensor.status().shifted(array.header.data), member);
    return tensor;
  }
  Status verify() const override {
    for (size_t i = 0; i < zip_.members().size(); ++i) FERRY_RETURN_IF_ERROR(zip_.verify(i));
    return ArrayReader::verify();
  }

 private:
  struct Array {
    size_t member;
    bool raw;  // no npy array but some other file: its bytes as one string, as numpy.load gives them
    npy::Header header;
  };
  static Result<DenseTensor> text_of(const Buffer& bytes) {
    FERRY_ASSIGN_OR_RETURN(MutableBuffer offsets, MutableBuffer::of<int64_t>(2));
    offsets.as<int64_t>()[0] = 0;
    offsets.as<int64_t>()[1] = static_cast<int64_t>(bytes.size());
    return DenseTensor::make_strings(Shape{}, std::move(offsets).freeze(), bytes);
  }
  Status add_array(size_t member, const Limits& limits, DType one_byte_void);
  Status add_raw(size_t member);

  ZipReader zip_;
  std::vector<Array> arrays_;
  std::vector<TensorInfo> infos_;
  Metadata metadata_;
};

Status NpzArrays::add_array(size_t i, const Limits& limits, DType one_byte_void) {
  const ZipMember& member = zip_.members()[i];
  FERRY_ASSIGN_OR_RETURN(Buffer head, zip_.head(i, kUsualHeader));
  const auto size = npy::header_size(head.bytes(), member.size);
  if (!size.ok()) return in_member(size.status(), member);
  if (*size > head.size()) {
    FERRY_ASSIGN_OR_RETURN(head, zip_.head(i, *size));
  }
  auto header = npy::read_header(head.bytes(), member.size, limits, one_byte_void);
  if (!header.ok()) return in_member(header.status(), member);
  TensorInfo info;
  info.name = member.name.substr(0, member.name.size() - kSuffix.size());
  info.dtype = header->dtype;
  info.shape = header->shape;
  info.bytes = npy::bytes_in_memory(*header);
  if (!header->untyped.empty()) info.metadata.set(npy::kUntypedKey, header->untyped);
  if (member.method == ZipMethod::stored) {
    info.offset = member.data + header->data;
    if (zip_.source().in_memory()) {
      FERRY_ASSIGN_OR_RETURN(const Buffer elements, zip_.source().view(*info.offset, header->data_bytes));
      info.zero_copy = npy::is_view(*header, elements.data());
    }
  }
  arrays_.push_back({i, false, *std::move(header)});
  infos_.push_back(std::move(info));
  return {};
}

Status NpzArrays::add_raw(size_t i) {
  const ZipMember& member = zip_.members()[i];
  TensorInfo info;
  info.name = member.name;
  info.dtype = DType::string;
  info.shape = Shape{};
  info.bytes = member.size;
  if (member.method == ZipMethod::stored) info.offset = member.data;
  info.zero_copy = member.method == ZipMethod::stored && zip_.source().in_memory();
  arrays_.push_back({i, true, {}});
  infos_.push_back(std::move(info));
  return {};
}

Status NpzArrays::start(const ReadOptions& options) {
  FERRY_ASSIGN_OR_RETURN(const DType one_byte_void, npy::one_byte_void_option(options.format));
  if (is_our_json(zip_.comment())) {
    FERRY_ASSIGN_OR_RETURN(metadata_, metadata_from_json(zip_.comment()));
  }
  const auto members = zip_.members();
  arrays_.reserve(members.size());
  infos_.reserve(members.size());
  bool any_array = members.empty();
  for (size_t i = 0; i < members.size(); ++i) {
    const std::string& name = members[i].name;
    if (name.ends_with('/')) continue;  // a folder
    if (name == kMetadataMember) {
      FERRY_ASSIGN_OR_RETURN(const Buffer text, zip_.read(i));
      if (is_our_json(text.text())) {
        FERRY_ASSIGN_OR_RETURN(metadata_, metadata_from_json(text.text()));
        any_array = true;
        continue;
      }
    }
    if (name.ends_with(kSuffix)) {
      any_array = true;
      FERRY_RETURN_IF_ERROR(add_array(i, options.limits, one_byte_void));
    } else {
      FERRY_RETURN_IF_ERROR(add_raw(i));
    }
  }
  if (!any_array) return data_loss(concat("is a zip archive of ", members.size(), " members, none of them an .npy array: not an npz file"));
  // x.npy and a raw member x would be one name.
  std::unordered_set<std::string_view> names;
  for (const TensorInfo& info : infos_) {
    if (!names.insert(info.name).second)
      return data_loss(concat("two members give the name ", quoted(info.name), ", once with .npy and once without"));
  }
  return {};
}

// Thread-safe: nothing changes after start().
class NpzNames : public TensorNames {
 public:
  NpzNames(ZipIndex zip, const ReadOptions& options) : zip_(std::move(zip)), options_(options) {}

  // False: the names alone do not tell what the tensors are.
  Result<bool> start() {
    if (is_our_json(zip_.comment())) {
      FERRY_ASSIGN_OR_RETURN(metadata_, metadata_from_json(zip_.comment()));
      if (some_tensors_own(metadata_)) return false;
    }
    for (size_t i = 0; i < zip_.size(); ++i) {
      if (!zip_.name(i).ends_with(kSuffix) || (options_.parts.enabled && may_be_part(name(i)))) return false;
    }
    return true;
  }
  size_t size() const override { return zip_.size(); }
  std::string_view name(size_t i) const override {
    const std::string_view name = zip_.name(i);
    return name.substr(0, name.size() - std::min(name.size(), kSuffix.size()));
  }
  std::optional<size_t> find(std::string_view name) const override {
    const size_t i = zip_.find(concat(name, kSuffix));
    return i == NameSlots::kNone ? std::nullopt : std::optional(i);
  }
  Result<TensorInfo> describe(size_t i) const override {
    FERRY_ASSIGN_OR_RETURN(const auto array, only(i));
    return array->arrays()[0];
  }
  Result<Tensor> read(size_t i) const override {
    FERRY_ASSIGN_OR_RETURN(const auto array, only(i));
    FERRY_ASSIGN_OR_RETURN(DenseTensor tensor, array->read_array(0));
    return Tensor(std::move(tensor));
  }
  const Metadata& metadata() const override { return metadata_; }

 private:
  Result<std::unique_ptr<NpzArrays>> only(size_t i) const {
    FERRY_ASSIGN_OR_RETURN(ZipReader zip, zip_.only(i));
    auto array = std::make_unique<NpzArrays>(std::move(zip));
    FERRY_RETURN_IF_ERROR(array->start(options_));
    if (array->arrays().size() != 1) return data_loss("the archive changed after it was opened");
    return array;
  }
  ZipIndex zip_;
  ReadOptions options_;
  Metadata metadata_;
};

}  // namespace

Result<std::unique_ptr<TensorNames>> open_names(std::shared_ptr<const ByteSource> source, const ReadOptions& options) {
  if (!options.parts.explicit_groups.empty()) return std::unique_ptr<TensorNames>();
  FERRY_RETURN_IF_ERROR(npy::one_byte_void_option(options.format).status());
  FERRY_ASSIGN_OR_RETURN(auto zip, ZipIndex::open(std::move(source), options.limits));
  if (!zip || zip->size() <= kFewTensors) return std::unique_ptr<TensorNames>();
  auto names = std::make_unique<NpzNames>(*std::move(zip), options);
  FERRY_ASSIGN_OR_RETURN(const bool plain, names->start());
  if (!plain) return std::unique_ptr<TensorNames>();
  return std::unique_ptr<TensorNames>(std::move(names));
}

Result<std::unique_ptr<ArrayReader>> open_arrays(std::shared_ptr<const ByteSource> source, const ReadOptions& options) {
  FERRY_ASSIGN_OR_RETURN(ZipReader zip, ZipReader::open(std::move(source), options.limits));
  auto arrays = std::make_unique<NpzArrays>(std::move(zip));
  FERRY_RETURN_IF_ERROR(arrays->start(options));
  return std::unique_ptr<ArrayReader>(std::move(arrays));
}

Result<std::unique_ptr<TensorReader>> open(std::shared_ptr<const ByteSource> source, const ReadOptions& options) {
  FERRY_ASSIGN_OR_RETURN(auto arrays, open_arrays(std::move(source), options));
  return reader_with_parts(std::move(arrays), options);
}

}  // namespace ferry::npz
