// A reader of logical tensors over a container of plain arrays, by the Parts rule.
#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "ferry/format.h"
#include "formats/metadata.h"
#include "formats/tensor_names.h"
#include "tensor/part_words.h"

namespace ferry {
namespace {

const DenseTensor* part_of(const PartGroup& group, PartRole role, const std::vector<DenseTensor>& arrays) {
  for (size_t i = 0; i < group.parts.size(); ++i) {
    if (group.parts[i].role == role) return &arrays[i];
  }
  return nullptr;
}

bool is_small(PartRole role) { return role == PartRole::dense_shape || role == PartRole::format; }

class PartsReader : public TensorReader {
 public:
  PartsReader(std::unique_ptr<ArrayReader> arrays, Validation validation) : arrays_(std::move(arrays)), validation_(validation) {}

  Status start(const ReadOptions& options);
  std::span<const TensorInfo> tensors() const override { return plain_ ? arrays_->arrays() : infos_; }
  Result<Tensor> read(size_t i) const override {
    if (plain_) {
      FERRY_ASSIGN_OR_RETURN(DenseTensor array, arrays_->read_array(i));
      return Tensor(std::move(array));
    }
    if (!entries_[i].group) {
      FERRY_ASSIGN_OR_RETURN(DenseTensor array, arrays_->read_array(entries_[i].at));
      return Tensor(std::move(array));
    }
    const PartGroup& group = groups_[entries_[i].at];
    auto tensor = assemble(group, [&](size_t k) { return arrays_->read_array(k); });
    Status status = tensor.status();
    if (status.ok()) status = validate(*tensor, validation_);
    if (!status.ok()) return status.with_context(concat("tensor ", quoted(group.name)));
    return tensor;
  }
  const Metadata& metadata() const override { return plain_ ? arrays_->metadata() : metadata_; }
  Status verify() const override {
    FERRY_RETURN_IF_ERROR(arrays_->verify());
    for (size_t i = 0; i < entries_.size(); ++i) {
      if (entries_[i].group) FERRY_RETURN_IF_ERROR(read(i).status());
    }
    return {};
  }

 private:
  struct Entry {
    bool group;
    size_t at;  // in groups_, or the array
  };
  Result<TensorInfo> describe(const PartGroup& group, std::span<const ArrayInfo> arrays) const;
  void share_metadata();

  std::unique_ptr<ArrayReader> arrays_;
  Validation validation_;
  bool plain_ = false;  // no array is part of anything: they are the tensors, and nothing is listed twice
  std::vector<PartGroup> groups_;
  std::vector<Entry> entries_;
  std::vector<TensorInfo> infos_;
  Metadata metadata_;
};

// From headers, and the values of dense_shape and SciPy's format alone.
Result<TensorInfo> PartsReader::describe(const PartGroup& group, std::span<const ArrayInfo> arrays) const {
  std::vector<DenseTensor> small(group.parts.size());
  for (size_t i = 0; i < group.parts.size(); ++i) {
    if (!is_small(group.parts[i].role)) continue;
    FERRY_ASSIGN_OR_RETURN(small[i], arrays_->read_array(group.parts[i].array));
  }
  FERRY_ASSIGN_OR_RETURN(GroupFacts facts, resolve_group(group, arrays, part_of(group, PartRole::dense_shape, small),
                                                         part_of(group, PartRole::format, small)));
  TensorInfo info;
  info.name = group.name;
  info.kind = facts.kind;
  info.zero_copy = true;
  Shape values{0};
  int64_t string_count = -1, rows = 0;
  bool compressed = false;
  for (const Part& part : group.parts) {
    const TensorInfo& array = arrays_->arrays()[part.array];
    if (!info.offset || (array.offset && *array.offset < *info.offset)) info.offset = array.offset;
    switch (part.role) {
      case PartRole::values:
        info.dtype = array.dtype;
        values = array.shape;
        info.bytes += array.bytes;
        // SciPy's blocks and diagonals are turned into entries.
        if (info.kind != TensorKind::ragged && array.shape.rank() != 1) info.zero_copy = false;
        break;
      case PartRole::bytes:
        info.dtype = DType::string;
        info.bytes += array.bytes;
        break;
      case PartRole::offsets:
        string_count = array.shape[0] - 1;
        info.bytes += array.bytes;
        break;
      case PartRole::indices:
        info.bytes += array.bytes * (facts.kind == TensorKind::coo && array.dtype == DType::int32 ? 2 : 1);
        if (facts.kind == TensorKind::coo && array.dtype == DType::int32) info.zero_copy = false;
        break;
      case PartRole::indptr:
        compressed = true;
        info.bytes += array.bytes;
        break;
      case PartRole::row_splits:
      case PartRole::row_lengths:
        if (part.level == 0) rows = array.shape[0] - (part.role == PartRole::row_splits ? 1 : 0);
        info.bytes += array.bytes;
        if (part.role == PartRole::row_lengths) info.zero_copy = false;
        break;
      case PartRole::row:
      case PartRole::col:
      case PartRole::axis:
        info.bytes += static_cast<uint64_t>(array.shape[0]) * 8;
        info.zero_copy = false;
        break;
      case PartRole::coords:
        info.bytes += static_cast<uint64_t>(array.shape[0]) * static_cast<uint64_t>(array.shape[1]) * 8;
        info.zero_copy = false;
        break;
      case PartRole::dense_shape:
      case PartRole::format:
      case PartRole::flag: continue;
    }
    info.zero_copy = info.zero_copy && array.zero_copy;
  }
  if (info.dtype == DType::string && string_count >= 0) values = Shape{string_count};
  switch (info.kind) {
    case TensorKind::dense:
      info.shape = part_of(group, PartRole::dense_shape, small) != nullptr ? std::move(facts.shape) : std::move(values);
      return info;
    case TensorKind::ragged: {
      info.shape = Shape{rows};
      size_t levels = 0;
      for (const Part& part : group.parts) levels += part.role == PartRole::row_splits || part.role == PartRole::row_lengths;
      for (size_t level = 0; level < levels; ++level) info.shape.append(-1);
      for (size_t axis = 1; axis < values.rank(); ++axis) info.shape.append(values[axis]);
      break;
    }
    case TensorKind::coo:
    case TensorKind::csr:
    case TensorKind::csc: info.shape = std::move(facts.shape); break;
  }
  info.nnz = values.num_elements().value_or(0);
  // SciPy's diagonals: how many of the values are no padding shows only when they are read.
  if (info.kind == TensorKind::coo && !compressed && values.rank() == 2) {
    FERRY_ASSIGN_OR_RETURN(const Tensor tensor, assemble(group, [&](size_t k) { return arrays_->read_array(k); }));
    info.nnz = nnz_of(tensor);
    info.bytes = num_bytes_of(tensor);
  }
  return info;
}

Status PartsReader::start(const ReadOptions& options) {
  const auto listed = arrays_->arrays();
  // Metadata that may belong to one tensor has to be handed out.
  const bool shared = some_tensors_own(arrays_->metadata());
  const auto is_part = [](const TensorInfo& info) { return may_be_part(info.name); };
  plain_ = options.parts.explicit_groups.empty() && !shared && (!options.parts.enabled || std::ranges::none_of(listed, is_part));
  if (plain_) return {};
  std::vector<ArrayInfo> arrays;
  arrays.reserve(listed.size());
  for (const TensorInfo& info : listed) arrays.push_back({info.name, info.dtype, info.shape});
  FERRY_ASSIGN_OR_RETURN(Grouping grouping, find_parts(arrays, options.parts, &arrays_->metadata()));

  std::unordered_set<std::string_view> wanted;
  for (const auto& [name, members] : options.parts.explicit_groups) wanted.insert(name);
  constexpr size_t kPlain = SIZE_MAX;
  std::vector<size_t> group_of(arrays.size(), kPlain);
  std::vector<TensorInfo> group_infos;
  for (PartGroup& group : grouping.groups) {
    auto info = describe(group, arrays);
    if (!info.ok()) {
      // Counts that disagree leave the arrays as they are, unless someone said that they belong together.
      const bool named = std::ranges::any_of(group.parts, [](const Part& part) { return part.role == PartRole::format; });
      const bool doubtful = info.status().code() == StatusCode::invalid_argument;
      if (doubtful && !named && !group.layout_known && !wanted.contains(group.name)) continue;
      return info.status().with_context(concat("tensor ", quoted(group.name)));
    }
    for (const Part& part : group.parts) group_of[part.array] = groups_.size();
    groups_.push_back(std::move(group));
    group_infos.push_back(*std::move(info));
  }
  std::vector<bool> done(groups_.size(), false);
  for (size_t i = 0; i < arrays.size(); ++i) {
    const size_t group = group_of[i];
    if (group == kPlain) {
      entries_.push_back({false, i});
      infos_.push_back(listed[i]);
    } else if (!done[group]) {
      done[group] = true;
      entries_.push_back({true, group});
      infos_.push_back(std::move(group_infos[group]));
    }
  }
  share_metadata();
  return {};
}

// "NAME/KEY" of the container belongs to the tensor NAME; layout is told by the kind.
void PartsReader::share_metadata() {
  const Metadata& all = arrays_->metadata();
  if (all.empty()) return;
  std::unordered_map<std::string_view, size_t> by_name;
  std::vector<bool> lengths;  // of names: a key may have a great many slashes
  for (size_t i = 0; i < infos_.size(); ++i) {
    const std::string& name = infos_[i].name;
    by_name.emplace(name, i);
    if (name.size() >= lengths.size()) lengths.resize(name.size() + 1);
    lengths[name.size()] = true;
  }
  std::vector<MetadataEntries> shared(infos_.size());
  for (const auto& [key, value] : all) {
    bool taken = false;
    for (size_t slash = key.rfind('/'); slash != std::string::npos && !taken;
         slash = slash == 0 ? std::string::npos : key.rfind('/', slash - 1)) {
      if (slash >= lengths.size() || !lengths[slash]) continue;
      const auto it = by_name.find(std::string_view(key).substr(0, slash));
      if (it == by_name.end()) continue;
      taken = true;
      const TensorInfo& info = infos_[it->second];
      const std::string_view word = std::string_view(key).substr(slash + 1);
      if (word == "layout" && (info.kind == TensorKind::csr || info.kind == TensorKind::csc)) continue;
      shared[it->second].emplace_back(word, value);
    }
    if (!taken) metadata_.append(key, value);
  }
  for (size_t i = 0; i < infos_.size(); ++i) set_all(infos_[i].metadata, shared[i]);
}

}  // namespace

const Metadata& ArrayReader::metadata() const {
  static const Metadata none;
  return none;
}

Status ArrayReader::verify() const {
  for (size_t i = 0; i < arrays().size(); ++i) FERRY_RETURN_IF_ERROR(read_array(i).status());
  return {};
}

Result<std::unique_ptr<TensorReader>> reader_with_parts(std::unique_ptr<ArrayReader> arrays, const ReadOptions& options) {
  auto reader = std::make_unique<PartsReader>(std::move(arrays), options.validation);
  FERRY_RETURN_IF_ERROR(reader->start(options));
  return std::unique_ptr<TensorReader>(std::move(reader));
}

}  // namespace ferry
