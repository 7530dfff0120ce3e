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
  coords,  // all of them at once, [rank, nnz] (SciPy n-D)
  format,  // SciPy's layout string
  flag,    // SciPy's _is_array, without meaning here
  row_splits,
  row_lengths,  // ragged, `level` counts from the outermost
  bytes,
  offsets,  // strings: of a dense tensor, or of a composite's values; also SciPy's diagonals
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
  bool layout_known = false;  // csr or csc: metadata says so
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
// A group whose name a further array or an earlier group has stays plain.
Result<Grouping> find_parts(std::span<const ArrayInfo> arrays, const PartsOptions& options, const Metadata* metadata = nullptr);

// What a group turns out to be once the values of its small parts are known: `dense_shape` and SciPy's `format`, null
// where the group has none. Ragged: shape is empty.
struct GroupFacts {
  TensorKind kind;
  Shape shape;
};
Result<GroupFacts> resolve_group(const PartGroup& group, std::span<const ArrayInfo> arrays, const DenseTensor* dense_shape,
                                 const DenseTensor* format);

// Puts one group together; `fetch(i)` reads array i. Structure is checked here, values by the caller's validate().
template <class Fetch>
Result<Tensor> assemble(const PartGroup& group, Fetch&& fetch);
Result<Tensor> assemble_parts(const PartGroup& group, std::vector<std::pair<Part, DenseTensor>> arrays);

// The plain arrays of a tensor under our spelling (`x/indices`, …), dense tensors as themselves, and the metadata that the
// kind needs ("layout" → csr/csc for a group), keyed "NAME/layout". With `split_strings`, string arrays become bytes +
// offsets (and dense_shape, unless they have one axis).
struct SpelledArray {
  std::string name;
  DenseTensor array;
};
Result<std::vector<SpelledArray>> spell_parts(std::string_view name, const Tensor& tensor, Metadata& metadata, bool split_strings = false);
// The indices and indptr of a sparse tensor's parts as int32 where every one of them fits: half the bytes.
Status narrow_indices(std::vector<SpelledArray>& parts, const Tensor& tensor);

// Whole maps at once: what readers and writers of plain-array containers call. A tensor's own metadata stands in the
// map's under "NAME/KEY" while the tensor is in parts.
Result<TensorMap> group_parts(TensorMap arrays, const PartsOptions& options = {});
Result<TensorMap> ungroup_parts(const TensorMap& tensors, bool split_strings = false);

template <class Fetch>
Result<Tensor> assemble(const PartGroup& group, Fetch&& fetch) {
  std::vector<std::pair<Part, DenseTensor>> arrays;
  for (const Part& part : group.parts) {
    FERRY_ASSIGN_OR_RETURN(DenseTensor array, fetch(part.array));
    arrays.emplace_back(part, std::move(array));
  }
  return assemble_parts(group, std::move(arrays));
}

}  // namespace ferry
