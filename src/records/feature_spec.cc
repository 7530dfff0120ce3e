#include "ferry/features.h"

namespace ferry {
namespace {

constexpr std::string_view kNames[] = {"FixedLenFeature", "FixedLenSequenceFeature", "VarLenFeature", "SparseFeature", "RaggedFeature"};

FeatureSpec spec_of(std::string name, FeatureSpec::Kind kind, DType dtype) {
  FeatureSpec out;
  out.name = std::move(name);
  out.kind = kind;
  out.dtype = dtype;
  return out;
}

}  // namespace

std::string_view kind_name(FeatureSpec::Kind kind) { return kNames[static_cast<size_t>(kind)]; }

std::optional<FeatureSpec::Kind> feature_kind_from_name(std::string_view name) {
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if (kNames[i] == name) return static_cast<FeatureSpec::Kind>(i);
  }
  return std::nullopt;
}

FeatureSpec FeatureSpec::fixed_len(std::string name, DType dtype, Shape shape, std::optional<DenseTensor> default_value) {
  FeatureSpec out = spec_of(std::move(name), Kind::fixed_len, dtype);
  out.shape = std::move(shape);
  out.default_value = std::move(default_value);
  return out;
}

FeatureSpec FeatureSpec::fixed_len_sequence(std::string name, DType dtype, Shape shape, std::optional<DenseTensor> padding) {
  FeatureSpec out = spec_of(std::move(name), Kind::fixed_len_sequence, dtype);
  out.shape = std::move(shape);
  out.default_value = std::move(padding);
  out.allow_missing = true;
  return out;
}

FeatureSpec FeatureSpec::var_len(std::string name, DType dtype) { return spec_of(std::move(name), Kind::var_len, dtype); }

FeatureSpec FeatureSpec::sparse(std::string name, DType dtype, Shape shape, std::vector<std::string> index_keys, std::string value_key) {
  FeatureSpec out = spec_of(std::move(name), Kind::sparse, dtype);
  out.shape = std::move(shape);
  out.index_keys = std::move(index_keys);
  out.value_key = std::move(value_key);
  return out;
}

FeatureSpec FeatureSpec::ragged(std::string name, DType dtype, std::vector<RaggedPartition> partitions) {
  FeatureSpec out = spec_of(std::move(name), Kind::ragged, dtype);
  out.partitions = std::move(partitions);
  return out;
}

FeatureOutput output_of(const FeatureSpec& feature, bool batch) {
  using Kind = FeatureSpec::Kind;
  FeatureOutput out;
  out.dtype = feature.dtype;
  if (batch) out.shape.append(-1);
  switch (feature.kind) {
    case Kind::fixed_len_sequence: out.shape.append(-1); [[fallthrough]];
    case Kind::fixed_len:
      for (int64_t dim : feature.shape) out.shape.append(dim);
      return out;
    case Kind::var_len:
      out.kind = TensorKind::coo;
      out.shape.append(-1);
      return out;
    case Kind::sparse:
      out.kind = TensorKind::coo;
      for (int64_t dim : feature.shape) out.shape.append(dim);
      return out;
    case Kind::ragged: break;
  }
  // The uniform row lengths at the end are axes of the values, and cut no rows.
  size_t ragged = feature.partitions.size();
  while (ragged > 0 && feature.partitions[ragged - 1].kind == RaggedPartition::Kind::uniform_row_length) --ragged;
  out.ragged_rank = ragged + (batch ? 1 : 0);
  out.kind = out.ragged_rank == 0 ? TensorKind::dense : TensorKind::ragged;
  out.row_splits_dtype = feature.row_splits_dtype;
  // One axis above the first partition, and below each one the length of its rows.
  out.shape.append(-1);
  for (size_t i = 0; i < ragged; ++i) {
    const RaggedPartition& partition = feature.partitions[i];
    out.shape.append(partition.kind == RaggedPartition::Kind::uniform_row_length ? partition.length : -1);
  }
  for (size_t i = ragged; i < feature.partitions.size(); ++i) out.shape.append(feature.partitions[i].length);
  return out;
}

}  // namespace ferry
