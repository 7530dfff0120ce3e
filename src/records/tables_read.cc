// Columns of features as a TensorMap.
#include <algorithm>
#include <cstring>
#include <limits>
#include <unordered_map>
#include <unordered_set>

#include "ferry/cast.h"
#include "ferry/ragged.h"
#include "records/tables.h"

namespace ferry::records {
namespace {

constexpr size_t kNone = SIZE_MAX;
constexpr int64_t kMaxAxes = 250;

struct Field {
  std::string name;
  bool is_list = false, used = false, shaped = false, exact = false;
  Column::Taken taken;
  DenseTensor steps;
  Shape inner;                        // of a row, where a mark or the schema says so
  const FeatureSpec* spec = nullptr;  // where the rows are to become something else than ragged

  FeatureKind kind() const { return taken.kind; }
  int64_t count() const { return taken.values.num_elements(); }
  bool uniform() const { return taken.width >= 0; }
  int64_t split(int64_t row) const { return uniform() ? row * taken.width : taken.splits.values<int64_t>()[static_cast<size_t>(row)]; }
};

struct Group {
  std::string name;
  std::vector<size_t> indices;  // one with all axes of an entry side by side, or one an axis
  size_t values = kNone, shape = kNone;
  bool an_axis = false;  // the indices are one an axis, even where there is but one
  Shape dims;            // of a row
};

class Reader {
 public:
  Reader(int64_t records, const TableOptions& options) : options_(options), records_(records) {}
  Status take(std::vector<NamedColumn> columns);
  Result<TensorMap> read();

 private:
  bool many() const { return options_.rows == Rows::many; }
  size_t find(std::string_view name) const {
    const auto it = names_.find(name);
    return it == names_.end() || fields_[it->second].used ? kNone : it->second;
  }
  bool every_row_is(const Field& field) const;  // like the first
  Status apply_marks();
  void apply_shape(Field& field, Field& mark);
  void apply_dtype(Field& field, Field& mark);
  static bool become(Field& field, DType dtype);
  Status apply_schema();
  static Result<Tensor> as_asked(const FeatureSpec& spec, const Tensor& tensor);
  Status explicit_groups();
  void find_groups();
  bool try_group(Group group, bool wanted);
  bool take_dims(Group& group) const;
  bool rows_agree(const Field& indices, const Field& values, int64_t factor) const;
  bool infer_dims(Group& group) const;
  Result<SparseTensor> assemble(const Group& group) const;
  Result<Tensor> tensor_of(Field& field) const;
  Result<DenseTensor> splits_of(const Field& field, int64_t divisor) const;

  const TableOptions& options_;
  PartsOptions rest_;  // explicit groups that are not ours
  int64_t records_;
  std::vector<Field> fields_;
  std::unordered_map<std::string_view, size_t> names_;  // of features that are no lists
  std::vector<Group> groups_;
  std::unordered_set<std::string> group_names_;
};

Status Reader::take(std::vector<NamedColumn> columns) {
  fields_.reserve(columns.size());
  for (NamedColumn& column : columns) {
    Field field;
    field.name = std::move(column.name);
    field.is_list = column.is_list;
    FERRY_ASSIGN_OR_RETURN(field.taken, std::move(column.values).take());
    if (field.is_list) {
      const auto count = static_cast<int64_t>(column.steps.size());
      FERRY_ASSIGN_OR_RETURN(field.steps, DenseTensor::make(DType::int64, Shape{count}, std::move(column.steps).freeze()));
    }
    fields_.push_back(std::move(field));
  }
  for (size_t i = 0; i < fields_.size(); ++i) {
    if (!fields_[i].is_list) names_.emplace(fields_[i].name, i);
  }
  return {};
}

bool Reader::every_row_is(const Field& field) const {
  if (field.is_list || !field.uniform() || records_ == 0) return false;
  const auto width = static_cast<size_t>(field.taken.width);
  if (field.kind() == FeatureKind::ints) {
    const auto values = field.taken.values.values<int64_t>();
    return values.size() <= width || std::memcmp(values.data(), values.data() + width, (values.size() - width) * 8) == 0;
  }
  if (field.kind() == FeatureKind::bytes && width == 1) {
    const StringsView values = field.taken.values.strings();
    for (int64_t i = 1; i < values.size(); ++i) {
      if (values[i] != values[0]) return false;
    }
    return true;
  }
  return false;
}

void Reader::apply_shape(Field& field, Field& mark) {
  if (mark.kind() != FeatureKind::ints || mark.taken.width > kMaxAxes || !every_row_is(mark)) return;
  const auto dims = mark.taken.values.values<int64_t>().first(static_cast<size_t>(mark.taken.width));
  size_t ragged = 0;
  while (ragged < dims.size() && dims[ragged] == -1) ++ragged;
  if (ragged != (field.is_list ? 2u : ragged) || ragged > 2 || (!field.is_list && ragged == 2) || (!many() && ragged > 0)) return;
  if (!shape_fits(dims, ragged == 0 && !field.uniform() ? -1 : ragged == 0 ? field.taken.width : -1)) return;
  if (ragged > 0) {
    int64_t per = 1;  // fits, and is not 0: see shape_fits()
    for (int64_t dim : dims.subspan(ragged)) per *= dim;
    const int64_t rows = field.taken.rows;
    for (int64_t row = 0; row < rows; ++row) {
      if ((field.split(row + 1) - field.split(row)) % per != 0) return;
      if (field.uniform()) break;
    }
  }
  field.inner = Shape(dims);
  field.shaped = true;
  mark.used = true;
}

// The elements under another dtype that holds them all; false where it does not.
bool Reader::become(Field& field, DType dtype) {
  DenseTensor& values = field.taken.values;
  if (values.dtype() == dtype) return true;
  if (field.count() == 0) {
    auto empty =
        dtype == DType::string ? Result<DenseTensor>(DenseTensor::of_strings(Shape{0}, {})) : DenseTensor::make(dtype, Shape{0}, Buffer());
    if (!empty.ok()) return false;
    values = *std::move(empty);
    return true;
  }
  if (dtype == DType::string || field.kind() == FeatureKind::bytes) return false;
  const bool is_float = dtype_class(dtype) == DTypeClass::kFloat;
  if (is_float != (field.kind() == FeatureKind::floats)) return false;
  CastOptions checked;
  checked.checked = true;
  auto other = cast(values, dtype, checked);
  if (!other.ok()) return false;
  values = *std::move(other);
  return true;
}

void Reader::apply_dtype(Field& field, Field& mark) {
  if (mark.kind() != FeatureKind::bytes || mark.taken.width != 1 || !every_row_is(mark)) return;
  const auto dtype = dtype_from_name(mark.taken.values.strings()[0]);
  if (dtype && kWritableDTypes.has(*dtype) && become(field, *dtype)) mark.used = true;
}

// Shorter names first, so that x has its mark x/shape before that one looks for a mark of its own.
Status Reader::apply_marks() {
  std::vector<size_t> order;
  for (size_t i = 0; i < fields_.size(); ++i) {
    if (!fields_[i].is_list || !names_.contains(fields_[i].name)) order.push_back(i);
  }
  std::ranges::stable_sort(order, {}, [&](size_t i) { return fields_[i].name.size(); });
  std::string name;
  for (const size_t i : order) {
    if (fields_[i].used) continue;
    name.assign(fields_[i].name).append(kShapeMark);
    if (const size_t mark = find(name); mark != kNone && !fields_[mark].shaped) apply_shape(fields_[i], fields_[mark]);
    name.assign(fields_[i].name).append(kDTypeMark);
    if (const size_t mark = find(name); mark != kNone && !fields_[mark].shaped) apply_dtype(fields_[i], fields_[mark]);
  }
  return {};
}

bool Reader::rows_agree(const Field& indices, const Field& values, int64_t factor) const {
  if (indices.taken.rows != values.taken.rows || indices.count() != factor * values.count()) return false;
  if (indices.uniform() != values.uniform()) return false;
  if (indices.uniform()) return indices.taken.width == factor * values.taken.width;
  for (int64_t row = 0; row <= indices.taken.rows; ++row) {
    if (indices.split(row) != factor * values.split(row)) return false;
  }
  return true;
}

// Pairs without a shape: taken for sparse only where the ids of each row rise, as those of a sparse row do.
bool Reader::infer_dims(Group& group) const {
  if (group.indices.size() != 1) return false;
  const Field& indices = fields_[group.indices[0]];
  const auto ids = indices.taken.values.values<int64_t>();
  int64_t most = -1;
  for (int64_t row = 0; row < indices.taken.rows; ++row) {
    int64_t last = -1;
    for (int64_t i = indices.split(row); i < indices.split(row + 1); ++i) {
      const int64_t id = ids[static_cast<size_t>(i)];
      if (id <= last) return false;
      last = id;
    }
    most = std::max(most, last);
  }
  if (most < 0 || most == std::numeric_limits<int64_t>::max()) return false;
  group.dims = Shape{most + 1};
  return true;
}

// The shape of a row from the feature that says it; false where it says something else.
bool Reader::take_dims(Group& group) const {
  if (group.dims.rank() != 0 || group.shape == kNone) return true;
  const Field& shape = fields_[group.shape];
  const bool empty = shape.kind() == FeatureKind::none && shape.taken.width == 0;
  if (!empty && (shape.kind() != FeatureKind::ints || shape.shaped || shape.taken.width > kMaxAxes || !every_row_is(shape))) return false;
  if (shape.taken.values.dtype() != DType::int64 && !empty) return false;
  for (int64_t axis = 0; axis < shape.taken.width; ++axis) {
    const int64_t dim = shape.taken.values.values<int64_t>()[static_cast<size_t>(axis)];
    if (dim < 0) return false;
    group.dims.append(dim);
  }
  return true;
}

bool Reader::try_group(Group group, bool wanted) {
  const Field& values = fields_[group.values];
  if (values.shaped || !take_dims(group)) return false;
  const auto axes = static_cast<int64_t>(group.dims.rank());
  if (group.an_axis && group.shape != kNone) {
    // A tensor of its own may be named as the axis after the last.
    if (static_cast<int64_t>(group.indices.size()) < axes) return false;
    group.indices.resize(static_cast<size_t>(axes));
  }
  for (const size_t i : group.indices) {
    if (fields_[i].kind() != FeatureKind::ints || fields_[i].shaped || fields_[i].taken.values.dtype() != DType::int64) {
      if (fields_[i].count() > 0 || fields_[i].kind() == FeatureKind::bytes) return false;
      if (fields_[i].taken.values.dtype() != DType::int64 && fields_[i].kind() != FeatureKind::none) return false;
    }
  }
  if (group.shape == kNone && axes == 0) {
    if (group.indices.size() != 1 || !rows_agree(fields_[group.indices[0]], values, 1) || (!wanted && values.count() == 0)) return false;
    if (fields_[group.indices[0]].taken.values.dtype() != DType::int64 || !infer_dims(group)) return false;
  } else if (group.indices.size() == 1) {
    if (axes == 0 || !rows_agree(fields_[group.indices[0]], values, axes)) return false;
  } else {
    if (static_cast<int64_t>(group.indices.size()) != axes || (axes == 0 && !many())) return false;
    for (const size_t i : group.indices) {
      if (!rows_agree(fields_[i], values, 1)) return false;
    }
  }
  if (const auto it = names_.find(group.name); it != names_.end() && !fields_[it->second].used) return false;
  if (!group_names_.insert(group.name).second) return false;
  for (const size_t i : group.indices) fields_[i].used = true;
  fields_[group.values].used = true;
  if (group.shape != kNone) fields_[group.shape].used = true;
  groups_.push_back(std::move(group));
  return true;
}

Status Reader::explicit_groups() {
  rest_ = options_.parts;
  rest_.explicit_groups.clear();
  for (const auto& [name, members] : options_.parts.explicit_groups) {
    Group group;
    group.name = name;
    std::vector<size_t> at;
    for (const std::string& member : members) at.push_back(find(member));
    const bool found = std::ranges::find(at, kNone) == at.end();
    if (found && (at.size() == 3 || (many() && at.size() == 2))) {
      group.indices = {at[0]};
      group.values = at[1];
      if (at.size() == 3) group.shape = at[2];
      if (try_group(std::move(group), true)) continue;
    }
    if (many()) {
      return invalid_argument(
          concat("--parts ", name, found ? ": these features make no sparse tensor" : ": one of these features is not there",
                 ", expected indices (int64), values, and optionally dense_shape, with as many of them in each record"));
    }
    rest_.explicit_groups.emplace_back(name, members);
  }
  return {};
}

void Reader::find_groups() {
  constexpr std::string_view kValues = "values";
  for (size_t i = 0; i < fields_.size(); ++i) {
    const Field& field = fields_[i];
    if (field.used || field.is_list || !field.name.ends_with(kValues)) continue;
    const std::string_view prefix = std::string_view(field.name).substr(0, field.name.size() - kValues.size());
    if (!prefix.empty() && (prefix.size() < 2 || std::string_view("/._:").find(prefix.back()) == std::string_view::npos)) continue;
    Group group;
    group.name = prefix.empty() ? "" : prefix.substr(0, prefix.size() - (prefix.size() > 2 && prefix.ends_with("__") ? 2 : 1));
    group.values = i;
    group.shape = find(concat(prefix, "dense_shape"));
    if (group.shape == kNone) group.shape = find(concat(prefix, "shape"));
    if (const size_t indices = find(concat(prefix, "indices")); indices != kNone) {
      group.indices = {indices};
      if (try_group(group, false)) continue;
      group.indices.clear();
    }
    group.an_axis = true;
    for (int64_t axis = 0; axis < kMaxAxes; ++axis) {
      const size_t axis_indices = find(concat(prefix, "indices_", axis));
      if (axis_indices == kNone) break;
      group.indices.push_back(axis_indices);
    }
    if (group.indices.empty() && group.shape == kNone) continue;
    (void)try_group(std::move(group), false);
  }
}

Result<SparseTensor> Reader::assemble(const Group& group) const {
  const Field& values = fields_[group.values];
  const auto axes = group.dims.rank(), lead = size_t{many() ? 1u : 0u}, rank = axes + lead;
  const auto nnz = static_cast<size_t>(values.count());
  FERRY_ASSIGN_OR_RETURN(MutableBuffer block, MutableBuffer::of<int64_t>(nnz * rank));
  int64_t* const out = block.as<int64_t>().data();
  if (many()) {
    for (int64_t row = 0; row < records_; ++row) {
      for (int64_t i = values.split(row); i < values.split(row + 1); ++i) out[static_cast<size_t>(i) * rank] = row;
    }
  }
  if (group.indices.size() == 1 && nnz > 0) {
    const int64_t* from = fields_[group.indices[0]].taken.values.values<int64_t>().data();
    for (size_t i = 0; i < nnz; ++i, from += axes) std::memcpy(out + i * rank + lead, from, axes * 8);
  } else if (nnz > 0) {
    for (size_t axis = 0; axis < axes; ++axis) {
      const int64_t* from = fields_[group.indices[axis]].taken.values.values<int64_t>().data();
      for (size_t i = 0; i < nnz; ++i) out[i * rank + lead + axis] = from[i];
    }
  }
  Shape shape;
  if (many()) shape.append(records_);
  for (int64_t dim : group.dims) shape.append(dim);
  FERRY_ASSIGN_OR_RETURN(DenseTensor indices,
                         DenseTensor::make(DType::int64, Shape{values.count(), static_cast<int64_t>(rank)}, std::move(block).freeze()));
  FERRY_ASSIGN_OR_RETURN(SparseTensor sparse, SparseTensor::coo(std::move(shape), std::move(indices), values.taken.values));
  FERRY_RETURN_IF_ERROR(sparse.validate(std::max(options_.validation, Validation::bounds)));
  return sparse;
}

Result<DenseTensor> Reader::splits_of(const Field& field, int64_t divisor) const {
  if (!field.uniform() && divisor == 1) return field.taken.splits;
  const int64_t rows = field.taken.rows;
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::of<int64_t>(static_cast<size_t>(rows) + 1));
  for (int64_t row = 0; row <= rows; ++row) out.as<int64_t>()[static_cast<size_t>(row)] = field.split(row) / divisor;
  return DenseTensor::make(DType::int64, Shape{rows + 1}, std::move(out).freeze());
}

Result<Tensor> Reader::tensor_of(Field& field) const {
  const auto dims = field.inner.dims();
  size_t ragged = 0;
  while (ragged < dims.size() && dims[ragged] == -1) ++ragged;
  const bool dense = !field.is_list && (field.shaped ? ragged == 0 : field.uniform());
  Shape shape;
  if (dense) {
    if (many()) shape.append(records_);
    if (field.shaped) {
      for (int64_t dim : dims) shape.append(dim);
    } else if (!many() || field.taken.width != 1) {
      shape.append(field.taken.width);
    }
    FERRY_ASSIGN_OR_RETURN(DenseTensor out, field.taken.values.reshaped(std::move(shape)));
    return Tensor(std::move(out));
  }
  int64_t per = 1;
  for (int64_t dim : dims.subspan(ragged)) per *= dim;
  shape.append(field.count() / per);
  for (int64_t dim : dims.subspan(ragged)) shape.append(dim);
  FERRY_ASSIGN_OR_RETURN(DenseTensor values, field.taken.values.reshaped(std::move(shape)));
  std::vector<DenseTensor> splits;
  if (field.is_list && many()) splits.push_back(field.steps);
  FERRY_ASSIGN_OR_RETURN(DenseTensor inner, splits_of(field, per));
  splits.push_back(std::move(inner));
  FERRY_ASSIGN_OR_RETURN(RaggedTensor out, RaggedTensor::make(std::move(splits), std::move(values)));
  return Tensor(std::move(out));
}

Result<TensorMap> Reader::read() {
  if (!options_.schema.empty()) {
    FERRY_RETURN_IF_ERROR(apply_schema());
  } else {
    if (options_.marks) FERRY_RETURN_IF_ERROR(apply_marks());
    FERRY_RETURN_IF_ERROR(explicit_groups());
    if (options_.parts.enabled) find_groups();
  }
  std::unordered_map<size_t, size_t> group_at;  // first of its features → group
  for (size_t g = 0; g < groups_.size(); ++g) {
    size_t first = groups_[g].values;
    for (const size_t i : groups_[g].indices) first = std::min(first, i);
    if (groups_[g].shape != kNone) first = std::min(first, groups_[g].shape);
    group_at.emplace(first, g);
  }
  TensorMap out;
  for (size_t i = 0; i < fields_.size(); ++i) {
    if (const auto it = group_at.find(i); it != group_at.end()) {
      auto sparse = assemble(groups_[it->second]);
      if (!sparse.ok()) return sparse.status().with_context(concat("tensor ", quoted(groups_[it->second].name)));
      FERRY_RETURN_IF_ERROR(out.add(groups_[it->second].name, *std::move(sparse)));
      continue;
    }
    Field& field = fields_[i];
    if (field.used) continue;
    auto tensor = tensor_of(field);
    if (tensor.ok() && field.spec != nullptr) tensor = as_asked(*field.spec, *tensor);
    if (!tensor.ok()) return tensor.status().with_context(concat("feature ", quoted(field.name)));
    // A SequenceExample may have one name in both of its maps.
    const bool both = field.is_list && names_.contains(field.name);
    FERRY_RETURN_IF_ERROR(out.add(both ? concat("feature_lists/", field.name) : field.name, *std::move(tensor)));
  }
  if (many() || !options_.schema.empty()) return out;
  FERRY_ASSIGN_OR_RETURN(TensorMap grouped, group_parts(std::move(out), rest_));
  for (const auto& entry : grouped) {
    if (const Status status = validate(entry.tensor, std::max(options_.validation, Validation::bounds)); !status.ok())
      return status.with_context(concat("tensor ", quoted(entry.name)));
  }
  return grouped;
}

// [pad] and {*}: ragged rows filled up, or at their positions.
Result<Tensor> Reader::as_asked(const FeatureSpec& spec, const Tensor& tensor) {
  const auto* ragged = std::get_if<RaggedTensor>(&tensor);
  if (ragged == nullptr) return tensor;
  if (spec.kind == FeatureSpec::Kind::var_len) {
    FERRY_ASSIGN_OR_RETURN(SparseTensor sparse, to_sparse(*ragged));
    return Tensor(std::move(sparse));
  }
  FERRY_ASSIGN_OR_RETURN(DenseTensor dense, to_dense(*ragged, spec.default_value));
  return Tensor(std::move(dense));
}

Status Reader::apply_schema() {
  std::vector<Field> wanted;
  std::vector<Group> groups;
  const auto take = [&](const FeatureSpec& spec, const std::string& name, DType dtype, bool is_list) -> Result<Field> {
    for (Field& field : fields_) {
      if (field.name != name || field.is_list != is_list) continue;
      Field out = field;
      if (!become(out, dtype)) {
        return data_loss(concat("feature ", quoted(name), " is ", kind_name(field.kind()), " with values that ", dtype_name(dtype),
                                " does not hold; the schema asks for it"));
      }
      return out;
    }
    Field out;
    out.name = name;
    out.is_list = is_list;
    out.taken.rows = records_;
    out.taken.width = 0;
    out.taken.values = DenseTensor::of<float>(Shape{0}, std::span<const float>());
    (void)spec;
    if (!become(out, dtype)) return internal_error("an empty column");
    return out;
  };
  for (const FeatureSpec& spec : options_.schema) {
    if (spec.kind == FeatureSpec::Kind::fixed_len && spec.default_value) {
      return unsupported(concat("feature ", quoted(spec.name), ": a table takes no default for missing values; parse_example does"));
    }
    if (spec.kind == FeatureSpec::Kind::sparse) {
      Group group;
      group.name = spec.name;
      group.dims = spec.shape;
      const size_t axes = spec.shape.rank();
      const std::string together = spec.name.empty() ? std::string("indices") : concat(spec.name, "/indices");  // all axes side by side
      const bool one = axes == 1 || spec.index_keys.size() == 1 || names_.contains(together);
      for (size_t axis = 0; axis < (one ? 1 : axes); ++axis) {
        FERRY_ASSIGN_OR_RETURN(Field indices, take(spec, one && axes > 1 ? together : spec.index_keys[axis], DType::int64, false));
        group.indices.push_back(wanted.size());
        wanted.push_back(std::move(indices));
      }
      FERRY_ASSIGN_OR_RETURN(Field values, take(spec, spec.value_key, spec.dtype, false));
      group.values = wanted.size();
      wanted.push_back(std::move(values));
      const auto factor = static_cast<int64_t>(one ? axes : 1);
      for (const size_t i : group.indices) {
        for (int64_t row = 0; row < records_; ++row) {
          const int64_t have = wanted[i].split(row + 1) - wanted[i].split(row);
          const int64_t need = factor * (wanted[group.values].split(row + 1) - wanted[group.values].split(row));
          if (have != need) {
            return data_loss(concat("record ", row, ": feature ", quoted(wanted[i].name), " has ", have, " values, expected ", need,
                                    " for those of ", quoted(wanted[group.values].name)));
          }
        }
        wanted[i].used = true;
      }
      wanted[group.values].used = true;
      groups.push_back(std::move(group));
      continue;
    }
    const bool fixed = spec.kind == FeatureSpec::Kind::fixed_len;
    const bool is_list = std::ranges::any_of(fields_, [&](const Field& f) { return f.name == spec.name && f.is_list; }) &&
                         !names_.contains(spec.name) && !fixed;
    FERRY_ASSIGN_OR_RETURN(Field field, take(spec, spec.name, spec.dtype, is_list));
    field.shaped = true;
    if (!fixed) {
      if (is_list && many()) field.inner.append(-1);
      field.inner.append(-1);
      Shape steps = spec.kind == FeatureSpec::Kind::fixed_len_sequence ? spec.shape : Shape();
      for (const RaggedPartition& partition : spec.partitions) steps.append(partition.length);  // a text names no other
      int64_t per = 1;
      for (int64_t dim : steps) {
        field.inner.append(dim);
        per *= dim;
      }
      for (int64_t row = 0; row < field.taken.rows; ++row) {
        const int64_t have = field.split(row + 1) - field.split(row);
        if (per > 0 && have % per == 0) continue;
        return data_loss(concat("record ", row, ": feature ", quoted(spec.name), " has ", have,
                                " values, the schema asks for a multiple of ", per, " (shape ", steps.to_string(), ")"));
      }
      if (spec.kind != FeatureSpec::Kind::ragged) field.spec = &spec;
    } else {
      const int64_t width = spec.shape.num_elements().value_or(-1);
      for (int64_t row = 0; row < records_; ++row) {
        const int64_t have = field.split(row + 1) - field.split(row);
        if (have == width) {
          if (field.uniform()) break;
          continue;
        }
        return data_loss(concat("record ", row, ": feature ", quoted(spec.name),
                                have == 0 ? " is missing or empty" : concat(" has ", have, " values"), ", the schema asks for ", width,
                                " (shape ", spec.shape.to_string(), ")"));
      }
      field.taken.width = width;
      field.inner = spec.shape;
    }
    wanted.push_back(std::move(field));
  }
  fields_ = std::move(wanted);
  groups_ = std::move(groups);
  names_.clear();
  return {};
}

}  // namespace

Result<TensorMap> tensors_of(std::vector<NamedColumn> columns, int64_t records, const TableOptions& options) {
  Reader reader(records, options);
  FERRY_RETURN_IF_ERROR(reader.take(std::move(columns)));
  return reader.read();
}

}  // namespace ferry::records
