// Sparse tensors in columns: one row of lists (COO, CSR, CSC), or CSR with a row of the column for each row of the matrix.
#include <algorithm>

#include "formats/arrow/extension_json.h"
#include "formats/arrow/path.h"

namespace ferry::arrow {
namespace {

// What the field's descriptor says; all absent where there is none.
struct Descriptor {
  std::optional<TensorKind> kind;
  std::vector<int64_t> shape;
};

Descriptor read_descriptor(const Field& field) {
  Descriptor out;
  const std::string* text = field.metadata.find(kSparseKey);
  if (text == nullptr) return out;
  const auto tree = parse_extension(*text);
  if (!tree.ok()) return out;
  const json::Tree* inner = tree->find("binsparse");
  if (inner == nullptr) return out;
  if (const json::Tree* format = inner->find("format")) {
    if (format->text == "COO" || format->text == "COOR") out.kind = TensorKind::coo;
    if (format->text == "CSR") out.kind = TensorKind::csr;
    if (format->text == "CSC") out.kind = TensorKind::csc;
  }
  if (const json::Tree* shape = inner->find("shape")) out.shape = numbers_of(*shape).value_or(std::vector<int64_t>());
  return out;
}

using Parts = std::vector<std::unique_ptr<ColumnTensor>>;

Result<DenseTensor> read_dense(const ColumnTensor& part) {
  FERRY_ASSIGN_OR_RETURN(Tensor tensor, part.read());
  return std::get<DenseTensor>(std::move(tensor));
}

void add_up(TensorInfo& info, const Parts& parts) {
  info.zero_copy = true;
  for (const auto& part : parts) {
    info.bytes += part->info().bytes;
    if (!info.offset) info.offset = part->info().offset;
    if (part->info().name.ends_with("/values") || part->info().name.ends_with("/value")) {
      info.offset = part->info().offset;
      info.dtype = part->info().dtype;
      info.zero_copy = part->info().zero_copy;
    }
  }
}

Result<Tensor> checked(Result<SparseTensor> tensor, Validation level) {
  if (!tensor.ok()) return tensor.status();
  FERRY_RETURN_IF_ERROR(tensor->validate(std::max(level, Validation::bounds)));
  return Tensor(*std::move(tensor));
}

// One row: struct<[indptr], indices, values, dense_shape>, each a list.
class OneRow : public ColumnTensor {
 public:
  OneRow(Parts parts, std::vector<size_t> order, Validation validation)
      : parts_(std::move(parts)), order_(std::move(order)), validation_(validation) {}

  Status plan(const Field& field, TensorKind kind, Shape shape) {
    info_.name = field.name;
    info_.kind = kind;
    info_.shape = std::move(shape);
    info_.nnz = part(1).info().shape[0];
    info_.metadata = visible_metadata(field);
    add_up(info_, parts_);
    return {};
  }

  Result<Tensor> read() const override {
    auto out = read_unnamed();
    if (!out.ok()) return out.status().with_context(concat("column ", quoted(info_.name)));
    return out;
  }

  // indices, values, dense_shape, indptr
  const ColumnTensor& part(size_t role) const { return *parts_[order_[role]]; }

 private:
  Result<Tensor> read_unnamed() const {
    FERRY_ASSIGN_OR_RETURN(DenseTensor indices, read_dense(part(0)));
    FERRY_ASSIGN_OR_RETURN(DenseTensor values, read_dense(part(1)));
    if (info_.kind == TensorKind::coo) return checked(SparseTensor::coo(info_.shape, std::move(indices), std::move(values)), validation_);
    FERRY_ASSIGN_OR_RETURN(DenseTensor indptr, read_dense(part(3)));
    const Layout layout = info_.kind == TensorKind::csr ? Layout::csr : Layout::csc;
    return checked(SparseTensor::compressed(layout, info_.shape, std::move(indptr), std::move(indices), std::move(values)), validation_);
  }

  Parts parts_;
  std::vector<size_t> order_;
  Validation validation_;
};

bool is_list(const Field& field) { return field.type.id == TypeId::list || field.type.id == TypeId::large_list; }

// The part is one list of elements of that dtype and rank.
bool fits(const ColumnTensor& part, std::optional<DType> dtype, size_t rank) {
  return part.info().kind == TensorKind::dense && part.info().shape.rank() == rank && (!dtype || part.info().dtype == *dtype);
}

Result<std::unique_ptr<ColumnTensor>> one_row(const Field& field, std::span<const ArrayData* const> chunks, const Descriptor& descriptor,
                                              const ReadOptions& options) {
  std::unique_ptr<ColumnTensor> none;
  constexpr std::string_view kNames[] = {"indices", "values", "dense_shape", "indptr"};
  const size_t count = field.children.size();
  if (count != 3 && count != 4) return none;
  std::vector<size_t> order;
  for (size_t role = 0; role < count; ++role) {
    const auto at = std::ranges::find(field.children, kNames[role], &Field::name);
    if (at == field.children.end()) return none;
    if (!is_list(*at) && !(role == 2 && at->type.id == TypeId::fixed_size_list)) return none;
    order.push_back(static_cast<size_t>(at - field.children.begin()));
  }
  Path start;
  start.name = field.name;
  for (const ArrayData* chunk : chunks) start.rows += chunk->length;
  if (start.rows != 1) return none;
  std::vector<Path> paths;
  FERRY_RETURN_IF_ERROR(find_paths(field, whole_pieces(chunks), std::move(start), options.limits, paths));
  if (paths.size() != count) return none;
  Parts parts;
  for (size_t i = 0; i < count; ++i) {
    Note note;
    note.whole = true;
    if (i == order[1]) note.dtype = note_of(field).dtype;
    FERRY_ASSIGN_OR_RETURN(auto part, path_tensor(std::move(paths[i]), std::move(note), {}, options));
    parts.push_back(std::move(part));
  }
  auto out = std::make_unique<OneRow>(std::move(parts), std::move(order), options.validation);
  const bool coo = count == 3;
  if (!fits(out->part(2), DType::int64, 1) || !fits(out->part(1), std::nullopt, 1) || !fits(out->part(0), std::nullopt, coo ? 2 : 1))
    return none;
  FERRY_ASSIGN_OR_RETURN(const DenseTensor dims, read_dense(out->part(2)));
  FERRY_ASSIGN_OR_RETURN(Shape shape, sparse_shape(dims.values<int64_t>(), options.limits));
  const TensorInfo& indices = out->part(0).info();
  TensorKind kind = TensorKind::coo;
  if (coo) {
    if (indices.dtype != DType::int64 || indices.shape[1] != static_cast<int64_t>(shape.rank())) return none;
  } else {
    if (shape.rank() != 2 || !fits(out->part(3), indices.dtype, 1)) return none;
    if (indices.dtype != DType::int32 && indices.dtype != DType::int64) return none;
    const int64_t major = out->part(3).info().shape[0] - 1;
    kind =
        descriptor.kind == TensorKind::csc || (descriptor.kind != TensorKind::csr && major != shape[0]) ? TensorKind::csc : TensorKind::csr;
    if (major != shape[kind == TensorKind::csr ? 0 : 1]) return none;
  }
  if (indices.shape[0] != out->part(1).info().shape[0]) return none;
  FERRY_RETURN_IF_ERROR(out->plan(field, kind, std::move(shape)));
  return std::unique_ptr<ColumnTensor>(std::move(out));
}

// A row of the column for each row of the matrix: list<struct<index, value>>.
class Rows : public ColumnTensor {
 public:
  Rows(Parts parts, Validation validation) : parts_(std::move(parts)), validation_(validation) {}

  void plan(const Field& field, int64_t columns) {
    const TensorInfo& index = parts_[0]->info();
    info_.name = field.name;
    info_.kind = TensorKind::csr;
    info_.shape = Shape{index.shape[0], columns};
    info_.nnz = index.nnz;
    info_.metadata = visible_metadata(field);
    add_up(info_, parts_);
  }

  Result<Tensor> read() const override {
    FERRY_ASSIGN_OR_RETURN(const Tensor first, parts_[0]->read());
    FERRY_ASSIGN_OR_RETURN(const Tensor second, parts_[1]->read());
    const auto& index = std::get<RaggedTensor>(first);
    const auto& value = std::get<RaggedTensor>(second);
    auto out = checked(SparseTensor::csr(info_.shape, index.row_splits(0), index.flat_values(), value.flat_values()), validation_);
    if (!out.ok()) return out.status().with_context(concat("column ", quoted(info_.name)));
    return out;
  }

 private:
  Parts parts_;
  Validation validation_;
};

Result<std::unique_ptr<ColumnTensor>> rows(const Field& field, std::span<const ArrayData* const> chunks, const Descriptor& descriptor,
                                           const ReadOptions& options) {
  std::unique_ptr<ColumnTensor> none;
  if (descriptor.kind != TensorKind::csr || descriptor.shape.size() != 2 || descriptor.shape[1] < 0) return none;
  const Field& entry = field.children[0];
  if (entry.type.id != TypeId::structure || entry.children.size() != 2 || entry.children[0].name != "index" ||
      entry.children[1].name != "value")
    return none;
  Path start;
  start.name = field.name;
  for (const ArrayData* chunk : chunks) start.rows += chunk->length;
  std::vector<Path> paths;
  FERRY_RETURN_IF_ERROR(find_paths(field, whole_pieces(chunks), std::move(start), options.limits, paths));
  if (paths.size() != 2 || paths[0].levels.size() != 1) return none;
  Parts parts;
  for (size_t i = 0; i < 2; ++i) {
    Note note;
    if (i == 1) note.dtype = note_of(field).dtype;
    FERRY_ASSIGN_OR_RETURN(auto part, path_tensor(std::move(paths[i]), std::move(note), {}, options));
    if (part->info().kind != TensorKind::ragged || part->info().shape.rank() != 2) return none;
    parts.push_back(std::move(part));
  }
  // Offsets and indices have one dtype; a foreign tool may have widened only one of them.
  const DType expected = field.type.id == TypeId::list ? DType::int32 : DType::int64;
  if (parts[0]->info().dtype != expected) return none;
  auto out = std::make_unique<Rows>(std::move(parts), options.validation);
  out->plan(field, descriptor.shape[1]);
  return std::unique_ptr<ColumnTensor>(std::move(out));
}

}  // namespace

Result<Shape> sparse_shape(std::span<const int64_t> dims, const Limits& limits) {
  if (dims.size() > limits.max_rank)
    return limit_exceeded(concat("a sparse tensor of rank ", dims.size(), ", more than ", limits.max_rank, " (max_rank)"));
  if (std::ranges::any_of(dims, [](int64_t dim) { return dim < 0; })) {
    return data_loss(concat("a sparse tensor has dense_shape ", Shape(dims).to_string(), ", with a negative axis"));
  }
  return Shape(dims);
}

Result<std::unique_ptr<ColumnTensor>> sparse_tensor(const Field& field, std::span<const ArrayData* const> chunks,
                                                    const ReadOptions& options) {
  const bool one = field.type.id == TypeId::structure;
  if (field.dictionary || (!one && !is_list(field))) return std::unique_ptr<ColumnTensor>();
  if (!one && field.metadata.find(kSparseKey) == nullptr) return std::unique_ptr<ColumnTensor>();
  const Descriptor descriptor = read_descriptor(field);
  return one ? one_row(field, chunks, descriptor, options) : rows(field, chunks, descriptor, options);
}

}  // namespace ferry::arrow
