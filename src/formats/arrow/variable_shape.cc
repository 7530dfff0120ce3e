// arrow.variable_shape_tensor: each row a tensor of its own shape, struct<data: list<T>, shape: fixed_size_list<int32>[rank]>.
// It becomes a ragged tensor whose ragged axes end with the last one that differs between rows; those after it are uniform.
#include <algorithm>

#include "ferry/checked.h"
#include "formats/arrow/extension_json.h"
#include "formats/arrow/path.h"
#include "formats/arrow/strided.h"

namespace ferry::arrow {
namespace {

class VariableShape : public ColumnTensor {
 public:
  VariableShape(std::unique_ptr<ColumnTensor> data, DenseTensor shapes, const ReadOptions& options)
      : data_(std::move(data)), physical_(std::move(shapes)), limits_(options.limits) {}

  Status plan(const Field& field, std::vector<int64_t> permutation, std::vector<int64_t> uniform) {
    rows_ = physical_.shape()[0];
    rank_ = static_cast<size_t>(physical_.shape()[1]);
    permutation_ = std::move(permutation);
    FERRY_RETURN_IF_ERROR(check_shapes());
    size_t ragged = 1;
    std::vector<int64_t> inner(rank_, 0);
    for (size_t axis = 0; axis < rank_; ++axis) {
      for (int64_t row = 0; row < rows_; ++row) {
        if (dim(row, axis) != dim(0, axis)) ragged = std::max(ragged, axis + 1);
      }
      const size_t lies = permutation_.empty() ? axis : static_cast<size_t>(permutation_[axis]);
      if (rows_ > 0) inner[axis] = dim(0, axis);
      if (rows_ == 0) {  // only the type can say
        if (uniform.empty() || uniform[lies] < 0) ragged = std::max(ragged, axis + 1);
        if (!uniform.empty()) inner[axis] = uniform[lies];
      }
      if (!uniform.empty() && uniform[lies] >= 0 && rows_ > 0 && dim(0, axis) != uniform[lies]) {
        return data_loss(concat("axis ", axis, " is said to be ", uniform[lies], " in each row, the first row has ", dim(0, axis)));
      }
    }
    ragged_ = ragged;
    inner.erase(inner.begin(), inner.begin() + static_cast<ptrdiff_t>(ragged_));
    FERRY_RETURN_IF_ERROR(count_splits());
    std::vector<int64_t> dims{entries_.back()};
    dims.insert(dims.end(), inner.begin(), inner.end());
    FERRY_ASSIGN_OR_RETURN(flat_shape_, Shape::checked(dims, limits_));
    if (flat_shape_.num_elements() != data_->info().nnz) {
      return data_loss(
          concat("the rows' shapes call for ", flat_shape_.num_elements().value_or(-1), " elements, the column holds ", data_->info().nnz));
    }
    info_ = data_->info();
    info_.name = field.name;
    info_.metadata = visible_metadata(field);
    info_.shape = Shape{rows_};
    for (size_t i = 0; i < ragged_; ++i) info_.shape.append(-1);
    for (const int64_t d : inner) info_.shape.append(d);
    info_.zero_copy = info_.zero_copy && permutation_.empty();
    return {};
  }

  Result<Tensor> read() const override {
    auto out = read_unnamed();
    if (!out.ok()) return out.status().with_context(concat("column ", quoted(info_.name)));
    return out;
  }

 private:
  // Of a row, in the order in which the axes are meant.
  int64_t dim(int64_t row, size_t axis) const {
    const size_t lies = permutation_.empty() ? axis : static_cast<size_t>(permutation_[axis]);
    return physical_.values<int32_t>()[static_cast<size_t>(row) * rank_ + lies];
  }

  Status check_shapes() {
    for (int64_t row = 0; row < rows_; ++row) {
      int64_t count = 1;
      for (size_t axis = 0; axis < rank_; ++axis) {
        const auto product = checked_mul<int64_t>(count, dim(row, axis));
        if (dim(row, axis) < 0 || !product) return data_loss(concat("row ", row, " has axis ", axis, " of length ", dim(row, axis)));
        count = *product;
      }
      counts_.push_back(count);
    }
    return {};
  }

  // How many rows each level of splits has, and the flat values after the last.
  Status count_splits() {
    entries_.assign(ragged_ + 1, 0);
    entries_[0] = rows_;
    for (int64_t row = 0; row < rows_; ++row) {
      int64_t count = 1;
      for (size_t level = 0; level < ragged_; ++level) {
        const auto product = checked_mul<int64_t>(count, dim(row, level));
        const auto sum = product ? checked_add<int64_t>(entries_[level + 1], *product) : std::nullopt;
        if (!sum) return limit_exceeded("the rows' shapes call for more rows than 63 bits can count");
        count = *product;
        entries_[level + 1] = *sum;
      }
    }
    for (const int64_t entries : entries_) {
      const auto bytes = checked_mul<uint64_t>(static_cast<uint64_t>(entries), 8);
      if (!bytes) return limit_exceeded("the rows' shapes call for more rows than 63 bits can count");
      // The last count is of the data, which is there; the others are made up from the shapes.
      FERRY_RETURN_IF_ERROR(check_expansion(data_->info().bytes + physical_.num_bytes(), *bytes, limits_));
    }
    return {};
  }

  Result<Tensor> read_unnamed() const {
    FERRY_ASSIGN_OR_RETURN(const Tensor tensor, data_->read());
    const auto& data = std::get<RaggedTensor>(tensor);
    int64_t end = 0;
    for (int64_t row = 0; row < rows_; ++row) {
      end += counts_[static_cast<size_t>(row)];
      const auto at = static_cast<size_t>(row) + 1;
      const int64_t found =
          data.splits_dtype() == DType::int32 ? data.row_splits(0).values<int32_t>()[at] : data.row_splits(0).values<int64_t>()[at];
      if (found != end) return data_loss(concat("the data of row ", row, " ends at element ", found, ", its shape calls for ", end));
    }
    std::vector<DenseTensor> splits;
    for (size_t level = 0; level < ragged_; ++level) {
      FERRY_ASSIGN_OR_RETURN(DenseTensor made, make_splits(level));
      splits.push_back(std::move(made));
    }
    DenseTensor flat = data.flat_values();
    if (!permutation_.empty()) {
      FERRY_ASSIGN_OR_RETURN(flat, permute(flat));
    }
    FERRY_ASSIGN_OR_RETURN(flat, flat.reshaped(flat_shape_));
    FERRY_ASSIGN_OR_RETURN(RaggedTensor out, RaggedTensor::make(std::move(splits), std::move(flat)));
    FERRY_RETURN_IF_ERROR(out.validate(Validation::bounds));
    return Tensor(std::move(out));
  }

  Result<DenseTensor> make_splits(size_t level) const {
    FERRY_ASSIGN_OR_RETURN(MutableBuffer splits, MutableBuffer::of<int64_t>(static_cast<size_t>(entries_[level]) + 1));
    int64_t* out = splits.as<int64_t>().data();
    *out++ = 0;
    for (int64_t row = 0; row < rows_; ++row) {
      int64_t count = 1;
      for (size_t axis = 0; axis < level; ++axis) count *= dim(row, axis);
      for (int64_t i = 0; i < count; ++i, ++out) *out = out[-1] + dim(row, level);
    }
    return DenseTensor::make(DType::int64, Shape{entries_[level] + 1}, std::move(splits).freeze());
  }

  // Row by row, since each has strides of its own.
  Result<DenseTensor> permute(const DenseTensor& flat) const {
    std::vector<DenseTensor> out;
    int64_t at = 0;
    for (int64_t row = 0; row < rows_; ++row) {
      const int64_t count = counts_[static_cast<size_t>(row)];
      FERRY_ASSIGN_OR_RETURN(DenseTensor part, flat.slice_rows(at, at + count));
      at += count;
      std::vector<int64_t> dims;
      for (size_t axis = 0; axis < rank_; ++axis) dims.push_back(physical_.values<int32_t>()[static_cast<size_t>(row) * rank_ + axis]);
      if (count > 0) {
        FERRY_ASSIGN_OR_RETURN(part, permute_middle(part, 1, dims, permutation_, 1, limits_));
      }
      out.push_back(std::move(part));
    }
    if (out.empty()) return flat;
    return concat_vectors(out);
  }

  std::unique_ptr<ColumnTensor> data_;
  DenseTensor physical_;  // int32 [rows, rank], as the axes lie
  Limits limits_;
  int64_t rows_ = 0;
  size_t rank_ = 0, ragged_ = 1;
  std::vector<int64_t> permutation_;
  std::vector<int64_t> counts_;   // elements of each row
  std::vector<int64_t> entries_;  // rows of each level, then flat values
  Shape flat_shape_;
};

Status read_axes(const Field& field, size_t rank, std::vector<int64_t>& permutation, std::vector<int64_t>& uniform) {
  if (field.extension_metadata().empty()) return {};
  FERRY_ASSIGN_OR_RETURN(const json::Tree tree, parse_extension(field.extension_metadata()));
  if (const json::Tree* found = tree.find("permutation"); found != nullptr && !found->is(json::Token::null)) {
    permutation = numbers_of(*found).value_or(std::vector<int64_t>());
    if (permutation.size() != rank || !is_permutation(permutation)) {
      return data_loss(concat("an arrow.variable_shape_tensor of rank ", rank, " has a permutation that is none"));
    }
    if (is_identity(permutation)) permutation.clear();
  }
  if (const json::Tree* found = tree.find("uniform_shape"); found != nullptr && !found->is(json::Token::null)) {
    uniform = numbers_of(*found).value_or(std::vector<int64_t>());
    if (uniform.size() != rank) return data_loss(concat("an arrow.variable_shape_tensor of rank ", rank, " has another uniform_shape"));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<ColumnTensor>> variable_shape_tensor(const Field& field, std::span<const ArrayData* const> chunks,
                                                            const ReadOptions& options) {
  std::unique_ptr<ColumnTensor> none;
  if (field.extension() != "arrow.variable_shape_tensor" || field.type.id != TypeId::structure || field.children.size() != 2) return none;
  const size_t data_at = field.children[0].name == "data" ? 0 : 1, shape_at = 1 - data_at;
  const Field& shape_field = field.children[shape_at];
  if (field.children[data_at].name != "data" || shape_field.name != "shape" || shape_field.type.id != TypeId::fixed_size_list ||
      shape_field.type.size == 0 || shape_field.children[0].type.id != TypeId::int32)
    return none;
  if (static_cast<uint64_t>(shape_field.type.size) >= options.limits.max_rank) {
    return limit_exceeded(concat("rows of rank ", shape_field.type.size, " are too many axes (max_rank is ", options.limits.max_rank, ")"));
  }
  Path start;
  start.name = field.name;
  for (const ArrayData* chunk : chunks) start.rows += chunk->length;
  std::vector<Path> paths;
  FERRY_RETURN_IF_ERROR(find_paths(field, whole_pieces(chunks), std::move(start), options.limits, paths));
  if (paths.size() != 2) return none;
  Note note;
  note.dtype = note_of(field).dtype;
  FERRY_ASSIGN_OR_RETURN(auto data, path_tensor(std::move(paths[data_at]), std::move(note), {}, options));
  FERRY_ASSIGN_OR_RETURN(const auto shapes, path_tensor(std::move(paths[shape_at]), {}, {}, options));
  if (data->info().kind != TensorKind::ragged || data->info().shape.rank() != 2 || shapes->info().shape.rank() != 2 ||
      shapes->info().dtype != DType::int32)
    return none;
  std::vector<int64_t> permutation, uniform;
  const std::string context = concat("column ", quoted(field.name));
  if (Status status = read_axes(field, static_cast<size_t>(shape_field.type.size), permutation, uniform); !status.ok()) {
    return status.with_context(context);
  }
  FERRY_ASSIGN_OR_RETURN(Tensor dims, shapes->read());
  auto out = std::make_unique<VariableShape>(std::move(data), std::get<DenseTensor>(std::move(dims)), options);
  if (Status status = out->plan(field, std::move(permutation), std::move(uniform)); !status.ok()) return status.with_context(context);
  return std::unique_ptr<ColumnTensor>(std::move(out));
}

}  // namespace ferry::arrow
