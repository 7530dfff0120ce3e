// A tensor as the plain arrays that stand for it, and whole maps both ways.
#include <algorithm>
#include <limits>
#include <unordered_map>

#include "ferry/parts.h"

namespace ferry {
namespace {

std::string part_name(std::string_view name, std::string_view word) { return name.empty() ? std::string(word) : concat(name, "/", word); }

DenseTensor shape_tensor(const Shape& shape) { return DenseTensor::vector<int64_t>(shape.dims()); }

Status spell_dense(std::string name, const DenseTensor& tensor, bool split_strings, std::vector<SpelledArray>& out) {
  if (!tensor.is_string() || !split_strings) {
    out.push_back({std::move(name), tensor});
    return {};
  }
  const StringsView strings = tensor.strings();
  Buffer offsets = tensor.buffer();
  const int64_t base = strings.offsets()[0];
  if (base != 0) {
    // A slice of a larger tensor: count from its own first byte.
    FERRY_ASSIGN_OR_RETURN(MutableBuffer moved, MutableBuffer::of<int64_t>(static_cast<size_t>(strings.size()) + 1));
    for (int64_t i = 0; i <= strings.size(); ++i) moved.as<int64_t>()[static_cast<size_t>(i)] = strings.offsets()[i] - base;
    offsets = std::move(moved).freeze();
  }
  Buffer bytes = tensor.string_bytes().slice(static_cast<size_t>(base), static_cast<size_t>(strings.total_bytes()));
  FERRY_ASSIGN_OR_RETURN(DenseTensor byte_tensor, DenseTensor::make(DType::uint8, Shape{strings.total_bytes()}, std::move(bytes)));
  FERRY_ASSIGN_OR_RETURN(DenseTensor offset_tensor, DenseTensor::make(DType::int64, Shape{strings.size() + 1}, std::move(offsets)));
  out.push_back({part_name(name, "bytes"), std::move(byte_tensor)});
  out.push_back({part_name(name, "offsets"), std::move(offset_tensor)});
  if (tensor.shape().rank() != 1) out.push_back({part_name(name, "dense_shape"), shape_tensor(tensor.shape())});
  return {};
}

bool is_compressed(const PartGroup& group) { return group.kind == TensorKind::csr || group.kind == TensorKind::csc; }

}  // namespace

Result<std::vector<SpelledArray>> spell_parts(std::string_view name, const Tensor& tensor, Metadata& metadata, bool split_strings) {
  std::vector<SpelledArray> out;
  if (const auto* dense = std::get_if<DenseTensor>(&tensor)) {
    FERRY_RETURN_IF_ERROR(spell_dense(std::string(name), *dense, split_strings, out));
    return out;
  }
  if (const auto* ragged = std::get_if<RaggedTensor>(&tensor)) {
    FERRY_RETURN_IF_ERROR(spell_dense(part_name(name, "values"), ragged->flat_values(), split_strings, out));
    for (size_t level = 0; level < ragged->ragged_rank(); ++level) {
      out.push_back({part_name(name, ragged->ragged_rank() == 1 ? std::string("row_splits") : concat("row_splits_", level)),
                     ragged->row_splits(level)});
    }
    return out;
  }
  const auto& sparse = std::get<SparseTensor>(tensor);
  if (sparse.layout() != Layout::coo) {
    out.push_back({part_name(name, "indptr"), sparse.indptr()});
    metadata.append(concat(name, "/layout"), std::string(layout_name(sparse.layout())));
  }
  out.push_back({part_name(name, "indices"), sparse.indices()});
  FERRY_RETURN_IF_ERROR(spell_dense(part_name(name, "values"), sparse.values(), split_strings, out));
  out.push_back({part_name(name, "dense_shape"), shape_tensor(sparse.shape())});
  return out;
}

Status narrow_indices(std::vector<SpelledArray>& parts, const Tensor& tensor) {
  const auto* sparse = std::get_if<SparseTensor>(&tensor);
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  if (sparse == nullptr || sparse->index_dtype() == DType::int32 || sparse->nnz() > kMost) return {};
  for (int64_t length : sparse->shape().dims()) {
    if (length > kMost) return {};
  }
  for (SpelledArray& part : parts) {
    const bool indptr = part.name.ends_with("indptr") && sparse->layout() != Layout::coo;
    if (!indptr && !part.name.ends_with("indices")) continue;
    FERRY_ASSIGN_OR_RETURN(MutableBuffer narrow, MutableBuffer::of<int32_t>(static_cast<size_t>(part.array.num_elements())));
    std::ranges::transform(part.array.values<int64_t>(), narrow.as<int32_t>().begin(),
                           [](int64_t index) { return static_cast<int32_t>(index); });
    FERRY_ASSIGN_OR_RETURN(part.array, DenseTensor::make(DType::int32, part.array.shape(), std::move(narrow).freeze()));
  }
  return {};
}

Result<TensorMap> ungroup_parts(const TensorMap& tensors, bool split_strings) {
  TensorMap out;
  out.metadata = tensors.metadata;
  for (const auto& entry : tensors) {
    FERRY_ASSIGN_OR_RETURN(auto arrays, spell_parts(entry.name, entry.tensor, out.metadata, split_strings));
    const bool itself = arrays.size() == 1 && arrays[0].name == entry.name;
    for (SpelledArray& spelt : arrays) {
      FERRY_RETURN_IF_ERROR(out.add(std::move(spelt.name), std::move(spelt.array), itself ? entry.metadata : Metadata()));
    }
    if (itself) continue;
    const TensorKind kind = kind_of(entry.tensor);
    for (const auto& [key, value] : entry.metadata) {
      // The word that says the layout is ours.
      if (key == "layout" && (kind == TensorKind::csr || kind == TensorKind::csc)) continue;
      out.metadata.append(concat(entry.name, "/", key), value);
    }
  }
  return out;
}

Result<TensorMap> group_parts(TensorMap arrays, const PartsOptions& options) {
  std::vector<ArrayInfo> infos;
  std::vector<size_t> at;  // of each array in the map; composites that are there already stay as they are
  for (size_t i = 0; i < arrays.size(); ++i) {
    if (const auto* dense = std::get_if<DenseTensor>(&arrays[i].tensor)) {
      infos.push_back({arrays[i].name, dense->dtype(), dense->shape()});
      at.push_back(i);
    }
  }
  FERRY_ASSIGN_OR_RETURN(Grouping grouping, find_parts(infos, options, &arrays.metadata));
  if (grouping.groups.empty()) return arrays;
  constexpr size_t kAlone = SIZE_MAX;
  std::vector<size_t> group_of(arrays.size(), kAlone);
  std::unordered_map<std::string_view, size_t> by_name;
  for (size_t g = 0; g < grouping.groups.size(); ++g) {
    by_name.emplace(grouping.groups[g].name, g);
    for (const Part& part : grouping.groups[g].parts) group_of[at[part.array]] = g;
  }
  std::vector<Metadata> group_metadata(grouping.groups.size());
  TensorMap out;
  for (const auto& [key, value] : arrays.metadata) {
    bool taken = false;
    for (size_t slash = key.rfind('/'); slash != std::string::npos && !taken;
         slash = slash == 0 ? std::string::npos : key.rfind('/', slash - 1)) {
      const auto it = by_name.find(std::string_view(key).substr(0, slash));
      if (it == by_name.end()) continue;
      taken = true;
      if (std::string_view word = std::string_view(key).substr(slash + 1);
          word != "layout" || !is_compressed(grouping.groups[it->second])) {
        group_metadata[it->second].append(std::string(word), value);
      }
    }
    if (!taken) out.metadata.append(key, value);
  }
  std::vector<bool> done(grouping.groups.size(), false);
  for (size_t i = 0; i < arrays.size(); ++i) {
    const size_t g = group_of[i];
    if (g == kAlone) {
      FERRY_RETURN_IF_ERROR(out.add(arrays[i].name, std::move(arrays[i].tensor), std::move(arrays[i].metadata)));
      continue;
    }
    if (done[g]) continue;
    done[g] = true;
    const PartGroup& group = grouping.groups[g];
    auto tensor = assemble(group, [&](size_t k) -> Result<DenseTensor> { return std::get<DenseTensor>(arrays[at[k]].tensor); });
    if (!tensor.ok()) return tensor.status().with_context(concat("tensor ", quoted(group.name)));
    FERRY_RETURN_IF_ERROR(out.add(group.name, *std::move(tensor), std::move(group_metadata[g])));
  }
  return out;
}

}  // namespace ferry
