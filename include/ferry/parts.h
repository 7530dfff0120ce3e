// Parts: the one rule by which a composite tensor is spelt as plain named arrays and found again. docs/parts.md
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ferry/status.h"
#include "ferry/tensor.h"
#include "ferry/tensor_map.h"

namespace ferry {

// A plain array as a header describes it.
struct ArrayInfo {
  std::string name;
  DType dtype;
  Shape shape;
};

enum class PartRole : uint8_t {
  indices,
  values,
  dense_shape,
  indptr,  // sparse
  row,
  col,     // per-axis COO coordinates (SciPy)
  axis,    // per-axis COO coordinates (coords_0 …), `level` says which
  format,  // SciPy's layout string
  row_splits,
  row_lengths,  // ragged, `level` counts from the outermost
  bytes,
  offsets,  // strings
};

struct Part {
  PartRole role;
  size_t array;  // position in the list that was given
  size_t level = 0;
};

// One composite tensor found among plain arrays.
struct PartGroup {
  std::string name;  // "" is the group whose parts stand at top level
  TensorKind kind;   // dense: a string tensor spelt as bytes and offsets
  std::vector<Part> parts;
};

struct PartsOptions {
  bool enabled = true;  // --no-parts
  // --parts x=a,b,c: the arrays that make up x, in the order indices, values, dense_shape (COO), indptr, indices,
  // values, dense_shape (CSR/CSC by `layout` metadata), or values, row_splits… (ragged).
  std::vector<std::pair<std::string, std::vector<std::string>>> explicit_groups;
};

struct Grouping {
  std::vector<PartGroup> groups;
  std::vector<size_t> plain;  // arrays that belong to no group, in order
};

// Groups only where names, dtypes, ranks and counts all agree. `layout_of` looks up metadata that names a group's layout
// ("csr" or "csc"); without one a compressed group is CSR if indptr fits the rows, else CSC if it fits the columns
// (that needs dense_shape's values, so the kind may change when the group is assembled).
Result<Grouping> find_parts(std::span<const ArrayInfo> arrays, const PartsOptions& options, const Metadata* metadata = nullptr);

// Puts one group together; `fetch(i)` reads array i. Structure is checked here, values by the caller's validate().
template <class Fetch>
Result<Tensor> assemble(const PartGroup& group, std::span<const ArrayInfo> arrays, const Metadata* metadata, Fetch&& fetch);
Result<Tensor> assemble_parts(const PartGroup& group, std::vector<std::pair<Part, DenseTensor>> arrays, const Metadata* metadata);

// The plain arrays of a tensor under our spelling (`x/indices`, …), dense tensors as themselves, and the metadata that the
// kind needs ("layout" → csr/csc for a group), keyed "NAME/layout". With `strings`, string arrays become bytes + offsets.
struct SpelledArray {
  std::string name;
  DenseTensor array;
};
Result<std::vector<SpelledArray>> spell_parts(std::string_view name, const Tensor& tensor, Metadata& metadata, bool split_strings = false);

// Whole maps at once: what readers and writers of plain-array containers call.
Result<TensorMap> group_parts(TensorMap arrays, const PartsOptions& options = {});
Result<TensorMap> ungroup_parts(const TensorMap& tensors, bool split_strings = false);

template <class Fetch>
Result<Tensor> assemble(const PartGroup& group, std::span<const ArrayInfo>, const Metadata* metadata, Fetch&& fetch) {
  std::vector<std::pair<Part, DenseTensor>> arrays;
  for (const Part& part : group.parts) {
    FERRY_ASSIGN_OR_RETURN(DenseTensor array, fetch(part.array));
    arrays.emplace_back(part, std::move(array));
  }
  return assemble_parts(group, std::move(arrays), metadata);
}

}  // namespace ferry
