#include "formats/safetensors/reader.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "formats/elements.h"
#include "formats/safetensors/header.h"
#include "formats/safetensors/types.h"
#include "formats/tensor_names.h"
#include "tensor/part_words.h"

namespace ferry::safetensors {
namespace {

// "x/tensorferry_dtype" → "x".
std::string_view declared_array(std::string_view key) {
  if (!key.ends_with(kDTypeKey)) return {};
  key.remove_suffix(kDTypeKey.size());
  return key.ends_with('/') ? key : std::string_view();
}

// "binsparse" or "x/binsparse", of a text that looks like one.
bool is_descriptor(std::string_view key, std::string_view value) {
  if (!key.ends_with(binsparse::kKey)) return false;
  key.remove_suffix(binsparse::kKey.size());
  return (key.empty() || key.ends_with('/')) && binsparse::looks_like_descriptor(value);
}

// Thread-safe: nothing changes after open().
class SafetensorsArrays : public ArrayReader {
 public:
  explicit SafetensorsArrays(std::shared_ptr<const ByteSource> source) : source_(std::move(source)) {}

  Status start(Header header, const Limits& limits, std::vector<binsparse::Described>& described);
  std::span<const TensorInfo> arrays() const override { return infos_; }
  const Metadata& metadata() const override { return metadata_; }
  Result<DenseTensor> read_array(size_t i) const override {
    const Place& place = places_[i];
    FERRY_ASSIGN_OR_RETURN(Buffer bytes, source_->view(*infos_[i].offset, place.size));
    auto tensor = decode({infos_[i].dtype, infos_[i].shape, place.coding, false}, std::move(bytes));
    if (!tensor.ok()) return tensor.status().shifted(*infos_[i].offset).with_context(concat("tensor ", quoted(infos_[i].name)));
    return tensor;
  }

 private:
  struct Place {
    uint64_t size;
    Coding coding;
  };
  std::shared_ptr<const ByteSource> source_;
  std::vector<TensorInfo> infos_;
  std::vector<Place> places_;
  Metadata metadata_;
};

Status SafetensorsArrays::start(Header header, const Limits& limits, std::vector<binsparse::Described>& described) {
  std::unordered_map<std::string_view, const std::string*> declared;
  for (const auto& [key, value] : header.metadata) {
    if (const std::string_view array = declared_array(key); !array.empty()) declared.emplace(array.substr(0, array.size() - 1), &value);
  }
  uintptr_t base = 0;  // of the data in memory
  if (source_->in_memory()) {
    FERRY_ASSIGN_OR_RETURN(const Buffer data, source_->view(header.data, 0));
    base = reinterpret_cast<uintptr_t>(data.data());
  }
  infos_.reserve(header.items.size());
  places_.reserve(header.items.size());
  std::vector<std::string_view> used;
  for (Item& item : header.items) {
    const std::string* type = nullptr;
    if (!declared.empty()) {
      if (const auto it = declared.find(item.name); it != declared.end()) type = it->second;
    }
    Loaded loaded = loaded_as(item.type, item.shape, type);
    if (loaded.used_declaration) declared[item.name] = nullptr;
    TensorInfo& info = infos_.emplace_back();
    info.dtype = loaded.dtype;
    info.bytes = item.end - item.begin;
    if (loaded.coding == Coding::nibbles) info.bytes *= 2;
    info.offset = header.data + item.begin;
    info.zero_copy = base != 0 && loaded.coding != Coding::nibbles && (base + item.begin) % element_alignment(loaded.dtype) == 0;
    if (loaded.dtype == DType::uint8 && item.type != Type::U8 && !loaded.used_declaration) {
      info.metadata.set(kUntypedKey, type_name(item.type));
      if (loaded.shape != item.shape) {
        std::string dims;
        for (const int64_t dim : item.shape) dims += concat(dims.empty() ? "" : ",", dim);
        info.metadata.set(kUntypedShapeKey, dims);
      }
    }
    info.shape = std::move(loaded.shape);
    info.name = std::move(item.name);
    places_.push_back({item.end - item.begin, loaded.coding});
  }
  for (const auto& [key, value] : header.metadata) {
    const std::string_view array = declared_array(key);
    if (!array.empty()) {
      const auto it = declared.find(array.substr(0, array.size() - 1));
      if (it != declared.end() && it->second == nullptr) continue;
    }
    if (is_descriptor(key, value)) {
      auto descriptor = binsparse::parse_descriptor(value, limits);
      if (descriptor.ok()) {
        // With places of its own it is ours, for others to read: the Parts rule finds the same tensor.
        if (descriptor->attributes.find(binsparse::kArraysKey) == nullptr) {
          const std::string_view prefix = std::string_view(key).substr(0, key.size() - binsparse::kKey.size());
          const std::string_view name = prefix.substr(0, prefix.empty() ? 0 : prefix.size() - 1);
          described.push_back({std::string(name), std::string(prefix), *std::move(descriptor), {}});
        }
        continue;
      }
    }
    metadata_.append(key, value);
  }
  return {};
}

// Thread-safe: nothing changes after it is made.
class SafetensorsNames : public TensorNames {
 public:
  SafetensorsNames(std::shared_ptr<const ByteSource> source, HeaderIndex index, const Limits& limits)
      : source_(std::move(source)), index_(std::move(index)), limits_(limits) {}
  size_t size() const override { return index_.size(); }
  std::string_view name(size_t i) const override { return index_.name(i); }
  std::optional<size_t> find(std::string_view name) const override {
    const size_t i = index_.find(name);
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
  const Metadata& metadata() const override { return index_.metadata(); }

 private:
  Result<std::unique_ptr<SafetensorsArrays>> only(size_t i) const {
    Header header;
    FERRY_ASSIGN_OR_RETURN(Item item, index_.item(i));
    header.items.push_back(std::move(item));
    header.data = index_.data();
    auto array = std::make_unique<SafetensorsArrays>(source_);
    std::vector<binsparse::Described> described;
    FERRY_RETURN_IF_ERROR(array->start(std::move(header), limits_, described));
    return array;
  }
  std::shared_ptr<const ByteSource> source_;
  HeaderIndex index_;
  Limits limits_;
};

}  // namespace

Result<Opened> open_file(std::shared_ptr<const ByteSource> source, const Limits& limits) {
  Opened out;
  FERRY_ASSIGN_OR_RETURN(Header header, read_header(*source, limits));
  auto arrays = std::make_unique<SafetensorsArrays>(std::move(source));
  FERRY_RETURN_IF_ERROR(arrays->start(std::move(header), limits, out.described));
  out.arrays = std::move(arrays);
  return out;
}

Result<std::unique_ptr<TensorNames>> open_names(std::shared_ptr<const ByteSource> source, const ReadOptions& options) {
  char first = 0;
  if (!options.parts.explicit_groups.empty() || source->size() < 9) return std::unique_ptr<TensorNames>();
  FERRY_RETURN_IF_ERROR(source->read_at(8, std::as_writable_bytes(std::span(&first, 1))));
  if (first != '{') return std::unique_ptr<TensorNames>();  // the index of a sharded set, or damaged
  auto index = HeaderIndex::open(*source, options.limits);
  // What is wrong is for open() to say.
  if (!index.ok() || !index->has_value() || (*index)->size() <= kFewTensors) return std::unique_ptr<TensorNames>();
  const Metadata& metadata = (*index)->metadata();
  const auto descriptor = [](const auto& entry) { return is_descriptor(entry.first, entry.second); };
  if (some_tensors_own(metadata) || std::ranges::any_of(metadata, descriptor)) return std::unique_ptr<TensorNames>();
  for (size_t i = 0; options.parts.enabled && i < (*index)->size(); ++i) {
    if (may_be_part((*index)->name(i))) return std::unique_ptr<TensorNames>();
  }
  return std::unique_ptr<TensorNames>(std::make_unique<SafetensorsNames>(std::move(source), **std::move(index), options.limits));
}

Result<std::unique_ptr<TensorReader>> open(std::shared_ptr<const ByteSource> source, const ReadOptions& options) {
  // A file begins with its header's length, whose high bytes are zero; an index is text that begins with {.
  std::array<char, 8> head{};
  const auto first = std::span(head).first(std::min<uint64_t>(head.size(), source->size()));
  FERRY_RETURN_IF_ERROR(source->read_at(0, std::as_writable_bytes(first)));
  const auto at = std::ranges::find_if_not(first, [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; });
  const bool text = at != first.end() && *at == '{' && std::ranges::find(first, '\0') == first.end();
  FERRY_ASSIGN_OR_RETURN(Opened opened,
                         text ? open_shards(std::move(source), options.limits) : open_file(std::move(source), options.limits));
  return binsparse::reader_with_descriptors(std::move(opened.arrays), std::move(opened.described), options);
}

}  // namespace ferry::safetensors
