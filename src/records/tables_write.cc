// A TensorMap as columns of features.
#include <cstring>
#include <unordered_map>

#include "ferry/cast.h"
#include "ferry/sparse.h"
#include "records/tables.h"

namespace ferry::records {
namespace {

std::string part_name(std::string_view name, std::string_view word) { return name.empty() ? std::string(word) : concat(name, "/", word); }

Result<DenseTensor> int64_splits(const DenseTensor& splits, int64_t factor = 1) {
  if (splits.dtype() == DType::int64 && factor == 1) return splits;
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::of<int64_t>(static_cast<size_t>(splits.num_elements())));
  int64_t* to = out.as<int64_t>().data();
  if (splits.dtype() == DType::int64) {
    for (int64_t value : splits.values<int64_t>()) *to++ = value * factor;
  } else {
    for (int32_t value : splits.values<int32_t>()) *to++ = value * factor;
  }
  return DenseTensor::make(DType::int64, Shape{splits.num_elements()}, std::move(out).freeze());
}

bool is_uniform(std::span<const int64_t> splits) {
  for (size_t i = 2; i < splits.size(); ++i) {
    if (splits[i] - splits[i - 1] != splits[1] - splits[0]) return false;
  }
  return true;
}

class Writer {
 public:
  Writer(const TableOptions& options) : options_(options) {}
  Result<Table> write(const TensorMap& tensors);

 private:
  bool many() const { return options_.rows == Rows::many; }
  Status set_rows(std::string_view name, int64_t rows);
  Status add(const TensorMap::Entry& entry, const DenseTensor& x);
  Status add(const TensorMap::Entry& entry, const SparseTensor& x);
  Status add(const TensorMap::Entry& entry, const RaggedTensor& x);
  Status add_plain(const std::string& name, const DenseTensor& x);  // of one row
  Status add_column(FeatureColumn column, DType dtype, bool mark_dtype);
  Status add_shape_mark(const std::string& name, std::vector<int64_t> shape);
  Status check_names() const;

  const TableOptions& options_;
  Table table_;
  std::string first_;  // the tensor that set the number of rows
  std::vector<bool> is_mark_;
};

Status Writer::set_rows(std::string_view name, int64_t rows) {
  if (table_.columns.empty() && first_.empty()) {
    first_ = concat(quoted(name), " has ", rows);
    table_.rows = rows;
    return {};
  }
  if (rows == table_.rows) return {};
  return unsupported(concat("one Example a row needs one number of rows, and ", first_, ", ", quoted(name), " ", rows,
                            "; choose with --select, or use tensors, a stream of tensors of any size"));
}

Status Writer::add_column(FeatureColumn column, DType dtype, bool mark_dtype) {
  FERRY_ASSIGN_OR_RETURN(column.values, to_native(column.name, column.values));
  const std::string name = column.name;
  mark_dtype = (mark_dtype || column.values.dtype() != dtype) && options_.marks;
  table_.columns.push_back(std::move(column));
  is_mark_.push_back(false);
  if (!mark_dtype) return {};
  FeatureColumn mark;
  mark.name = concat(name, kDTypeMark);
  mark.values = DenseTensor::of_strings(Shape{1}, {dtype_name(dtype)});
  mark.width = 1;
  mark.same = true;
  table_.columns.push_back(std::move(mark));
  is_mark_.push_back(true);
  return {};
}

Status Writer::add_shape_mark(const std::string& name, std::vector<int64_t> shape) {
  if (!options_.marks) return {};
  FeatureColumn mark;
  mark.name = concat(name, kShapeMark);
  mark.values = DenseTensor::vector<int64_t>(shape);
  mark.width = static_cast<int64_t>(shape.size());
  mark.same = true;
  table_.columns.push_back(std::move(mark));
  is_mark_.push_back(true);
  return {};
}

Status Writer::add_plain(const std::string& name, const DenseTensor& x) {
  FeatureColumn column;
  column.name = name;
  column.values = x;
  column.width = x.num_elements();
  FERRY_RETURN_IF_ERROR(add_column(std::move(column), x.dtype(), false));
  const auto dims = x.shape().dims();
  return dims.size() == 1 ? Status() : add_shape_mark(name, {dims.begin(), dims.end()});
}

Status Writer::add(const TensorMap::Entry& entry, const DenseTensor& x) {
  if (!many()) return add_plain(entry.name, x);
  if (x.shape().rank() == 0) {
    return unsupported(concat(quoted(entry.name),
                              " is a scalar and has no rows to be records; use example (one record for all tensors) or "
                              "tensors, or leave it out with --select"));
  }
  FERRY_RETURN_IF_ERROR(set_rows(entry.name, x.shape()[0]));
  FeatureColumn column;
  column.name = entry.name;
  column.values = x;
  column.width = x.shape()[0] == 0 ? 0 : x.num_elements() / x.shape()[0];
  const bool natural = x.shape().rank() == 1 || (x.shape().rank() == 2 && x.shape()[1] != 1);
  FERRY_RETURN_IF_ERROR(add_column(std::move(column), x.dtype(), false));
  const auto dims = x.shape().dims();
  return natural ? Status() : add_shape_mark(entry.name, {dims.begin() + 1, dims.end()});
}

Status Writer::add(const TensorMap::Entry& entry, const SparseTensor& given) {
  FERRY_RETURN_IF_ERROR(given.validate(Validation::bounds));
  FERRY_ASSIGN_OR_RETURN(SparseTensor x, to_layout(given, Layout::coo));
  const auto rank = static_cast<int64_t>(x.rank());
  if (rank == 0) return unsupported(concat("an Example cannot hold ", quoted(entry.name), ", a sparse tensor without axes; use --densify"));
  const int64_t row_axes = many() ? 1 : 0;
  DenseTensor splits;
  if (many()) {
    const int64_t rows = x.shape()[0];
    FERRY_RETURN_IF_ERROR(set_rows(entry.name, rows));
    if (rows > (int64_t{1} << 27) && rows / 1024 > x.nnz()) {
      return unsupported(concat(quoted(entry.name), " has ", rows, " rows and ", x.nnz(),
                                " entries; one Example a row would be next to nothing but empty records; use tensors"));
    }
    if (!x.order().sorted) {
      FERRY_ASSIGN_OR_RETURN(x, sort(x));
    }
    FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::zeroed((static_cast<size_t>(rows) + 1) * 8));
    int64_t* const counts = out.as<int64_t>().data();
    for (int64_t i = 0; i < x.nnz(); ++i) ++counts[x.coordinates()[i * rank] + 1];
    for (int64_t row = 0; row < rows; ++row) counts[row + 1] += counts[row];
    FERRY_ASSIGN_OR_RETURN(splits, DenseTensor::make(DType::int64, Shape{rows + 1}, std::move(out).freeze()));
  }
  const auto cut = [&](FeatureColumn& column) {
    if (many()) {
      column.splits = splits;
    } else {
      column.width = x.nnz();
    }
  };
  const int64_t axes = rank - row_axes;
  for (int64_t axis = 0; axis < axes; ++axis) {
    FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::of<int64_t>(static_cast<size_t>(x.nnz())));
    const int64_t* const from = x.coordinates();  // null where there are none
    int64_t at = row_axes + axis;
    for (int64_t& to : out.as<int64_t>()) {
      to = from[at];
      at += rank;
    }
    FeatureColumn column;
    column.name = part_name(entry.name, axes == 1 ? std::string("indices") : concat("indices_", axis));
    FERRY_ASSIGN_OR_RETURN(column.values, DenseTensor::make(DType::int64, Shape{x.nnz()}, std::move(out).freeze()));
    cut(column);
    FERRY_RETURN_IF_ERROR(add_column(std::move(column), DType::int64, false));
  }
  FeatureColumn values;
  values.name = part_name(entry.name, "values");
  values.values = x.values();
  cut(values);
  FERRY_RETURN_IF_ERROR(add_column(std::move(values), x.dtype(), false));
  FeatureColumn shape;
  shape.name = part_name(entry.name, "dense_shape");
  shape.values = DenseTensor::vector<int64_t>(x.shape().dims().subspan(static_cast<size_t>(row_axes)));
  shape.width = axes;
  shape.same = true;
  return add_column(std::move(shape), DType::int64, false);
}

Status Writer::add(const TensorMap::Entry& entry, const RaggedTensor& x) {
  FERRY_RETURN_IF_ERROR(x.validate(Validation::bounds));
  const auto inner = x.flat_values().shape().dims().subspan(1);
  const size_t levels = x.ragged_rank();
  const int64_t factor = Shape(inner).num_elements().value_or(0);
  FeatureColumn column;
  column.name = entry.name;
  column.values = x.flat_values();
  if (!many()) {
    if (levels > 1 || !inner.empty() || x.splits_dtype() != DType::int64) {
      FERRY_RETURN_IF_ERROR(add_plain(part_name(entry.name, "values"), x.flat_values()));
      for (size_t level = 0; level < levels; ++level) {
        FERRY_RETURN_IF_ERROR(
            add_plain(part_name(entry.name, levels == 1 ? std::string("row_splits") : concat("row_splits_", level)), x.row_splits(level)));
      }
      return {};
    }
    column.is_list = true;
    const int64_t steps[] = {0, x.rows()};
    column.steps = DenseTensor::vector<int64_t>(steps);
    column.splits = x.row_splits(0);
    // Without a step there is no list whose kind would say the dtype.
    return add_column(std::move(column), x.dtype(), x.rows() == 0 && x.dtype() != DType::float32);
  }
  if (factor == 0 || levels > 2) {
    return unsupported(concat("an Example a row cannot hold ", quoted(entry.name), ", a ragged tensor of shape ", x.shape().to_string(),
                              "; formats that hold it: tensors, arrow, npz"));
  }
  FERRY_RETURN_IF_ERROR(set_rows(entry.name, x.rows()));
  std::vector<int64_t> mark(levels, -1);
  mark.insert(mark.end(), inner.begin(), inner.end());
  FERRY_ASSIGN_OR_RETURN(column.splits, int64_splits(x.row_splits(levels - 1), factor));
  bool natural = inner.empty();
  bool mark_dtype = false;
  if (levels == 2) {
    column.is_list = true;
    FERRY_ASSIGN_OR_RETURN(column.steps, int64_splits(x.row_splits(0)));
    mark_dtype = x.row_splits(1).num_elements() == 1 && x.dtype() != DType::float32;
  } else {
    natural = natural && !is_uniform(column.splits.values<int64_t>());
  }
  FERRY_RETURN_IF_ERROR(add_column(std::move(column), x.dtype(), mark_dtype));
  return natural ? Status() : add_shape_mark(entry.name, std::move(mark));
}

// A name twice, and a tensor that would be taken for another's mark.
Status Writer::check_names() const {
  std::unordered_map<std::string_view, size_t> names;
  for (size_t i = 0; i < table_.columns.size(); ++i) {
    const auto [it, fresh] = names.emplace(table_.columns[i].name, i);
    if (!fresh) {
      return unsupported(
          concat("two features would be named ", quoted(table_.columns[i].name),
                 is_mark_[i] || is_mark_[it->second] ? " (one says what another tensor is; marks=false leaves those out)" : "",
                 "; rename one with --rename"));
    }
  }
  if (!options_.marks) return {};
  for (size_t i = 0; i < table_.columns.size(); ++i) {
    const FeatureColumn& mark = table_.columns[i];
    if (is_mark_[i]) continue;
    for (const std::string_view suffix : {kShapeMark, kDTypeMark}) {
      if (!mark.name.ends_with(suffix) || mark.width < 0 || mark.is_list) continue;
      const auto it = names.find(std::string_view(mark.name).substr(0, mark.name.size() - suffix.size()));
      if (it == names.end() || is_mark_[it->second]) continue;
      const FeatureColumn& of = table_.columns[it->second];
      const bool taken =
          suffix == kShapeMark
              ? mark.kind() == FeatureKind::ints && mark.width <= 254 &&
                    (table_.rows == 0 || shape_fits(mark.values.values<int64_t>().first(static_cast<size_t>(mark.width)), of.width))
              : mark.kind() == FeatureKind::bytes && mark.width == 1 && table_.rows > 0 &&
                    dtype_from_name(mark.values.strings()[0]).has_value();
      if (taken) {
        return unsupported(concat(quoted(mark.name), " would be read as what ", quoted(of.name),
                                  " is; rename one with --rename, or write and read with marks=false"));
      }
    }
  }
  return {};
}

Result<Table> Writer::write(const TensorMap& tensors) {
  if (!many()) table_.rows = 1;
  for (const auto& entry : tensors) {
    FERRY_RETURN_IF_ERROR(std::visit([&](const auto& x) { return add(entry, x); }, entry.tensor));
  }
  FERRY_RETURN_IF_ERROR(check_names());
  constexpr std::string_view kLists = "feature_lists/";  // see tensors_of()
  for (FeatureColumn& column : table_.columns) {
    if (!column.is_list || !column.name.starts_with(kLists)) continue;
    const std::string inner = column.name.substr(kLists.size());
    for (const FeatureColumn& other : table_.columns) {
      if (!other.is_list && other.name == inner) {
        column.name = inner;
        break;
      }
    }
  }
  return std::move(table_);
}

}  // namespace

Result<DenseTensor> to_native(std::string_view name, const DenseTensor& x) {
  if (x.is_string() || x.dtype() == DType::float32 || x.dtype() == DType::int64) return x;
  if (!kWritableDTypes.has(x.dtype())) {
    return unsupported(concat("an Example holds int64, float32 and strings, and ", quoted(name), " is ", dtype_name(x.dtype())));
  }
  const bool is_float = dtype_class(x.dtype()) == DTypeClass::kFloat;
  CastOptions checked;
  checked.checked = true;
  auto native = cast(x, is_float ? DType::float32 : DType::int64, checked);
  if (!native.ok()) {
    return unsupported(concat("an Example holds int64, float32 and strings, and ", quoted(name),
                              " does not fit: ", native.status().message(), "; change it with --cast"));
  }
  if (x.dtype() == DType::float64) {
    const auto wide = x.values<double>();
    const auto narrow = native->values<float>();
    for (size_t i = 0; i < wide.size(); ++i) {
      if (static_cast<double>(narrow[i]) == wide[i] || wide[i] != wide[i]) continue;
      return unsupported(concat("an Example holds floats of 32 bits, and element ", i, " of ", quoted(name), " is ", wide[i],
                                ", which needs more; round it with --cast float32, or use tensors"));
    }
  }
  return native;
}

bool shape_fits(std::span<const int64_t> mark, int64_t values) {
  size_t ragged = 0;
  while (ragged < mark.size() && mark[ragged] == -1) ++ragged;
  int64_t count = 1;
  bool overflow = false, zero = false;
  for (int64_t dim : mark.subspan(ragged)) {
    if (dim < 0) return false;
    zero |= dim == 0;
    overflow |= __builtin_mul_overflow(count, dim, &count);
  }
  if (zero) count = 0;
  if (overflow && !zero) return false;
  if (ragged == 0) return values == count;
  return count > 0 && (values < 0 || values % count == 0);
}

Result<Table> table_of(const TensorMap& tensors, const TableOptions& options) { return Writer(options).write(tensors); }

}  // namespace ferry::records
