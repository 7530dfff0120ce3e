// Tensors as a plan says they become.
#include "ferry/cast.h"
#include "ferry/rearrange.h"
#include "ferry/restore.h"
#include "ferry/sparse.h"

namespace ferry {
namespace {

std::string_view key_of(const Wanted& wanted) {
  return !wanted.key.empty() ? wanted.key : !wanted.name.empty() ? wanted.name : wanted.path;
}

Result<DenseTensor> fit_dense(DenseTensor x, const Fix& fix, const Tensor* base, ThreadPool* pool) {
  if (!fix.permutation.empty()) {
    const std::vector<int64_t> permutation(fix.permutation.begin(), fix.permutation.end());
    FERRY_ASSIGN_OR_RETURN(x, transpose(x, permutation, pool));
  }
  if (fix.reshaped) {
    FERRY_ASSIGN_OR_RETURN(x, x.reshaped(*fix.reshaped));
  }
  if (fix.cast) {
    FERRY_ASSIGN_OR_RETURN(x, cast(x, *fix.cast, {.checked = false, .pool = pool}));
  }
  if (!fix.resized) return x;
  const auto& [axis, from, to] = *fix.resized;
  if (to <= from && axis == 0) return x.slice_rows(0, to);
  if (to > from && base == nullptr) {
    return unsupported(concat("it needs ", to - from, " further ", axis == 0 ? "rows" : "elements",
                              ", and the target has no values to take them from; write them first, or leave the variable out"));
  }
  if (base == nullptr) {  // along an inner axis, of which nothing but the shape is needed
    Shape shape = x.shape();
    shape[axis] = to;
    const auto count = shape.num_elements();
    if (!count) return limit_exceeded("more elements than there can be");
    if (x.is_string()) return unsupported("strings are cut off along the first axis only");
    FERRY_ASSIGN_OR_RETURN(MutableBuffer room, MutableBuffer::zeroed(static_cast<size_t>(*count) * dtype_size(x.dtype())));
    FERRY_ASSIGN_OR_RETURN(const DenseTensor empty, DenseTensor::make(x.dtype(), std::move(shape), std::move(room).freeze()));
    return overlay(empty, x, axis);
  }
  const auto* const dense = std::get_if<DenseTensor>(base);
  if (dense == nullptr) return unsupported("the variable is not dense: it cannot be resized");
  return overlay(*dense, x, axis);
}

Result<SparseTensor> fit_sparse(SparseTensor x, const Fix& fix, ThreadPool* pool) {
  if (fix.resized) return unsupported("sparse tensors are not resized; --densify in ferry convert makes them dense");
  if (!fix.permutation.empty()) {
    const std::vector<int64_t> permutation(fix.permutation.begin(), fix.permutation.end());
    FERRY_ASSIGN_OR_RETURN(x, transpose(x, permutation, pool));
  }
  if (fix.reshaped) {
    FERRY_ASSIGN_OR_RETURN(x, reshape(x, *fix.reshaped));
  }
  return fix.cast ? cast(x, *fix.cast, {.checked = false, .pool = pool}) : Result<SparseTensor>(std::move(x));
}

class RestoredReader : public TensorReader {
 public:
  explicit RestoredReader(const RestoredFrom& from) : from_(from) {}

  Status list() {
    std::vector<const PlanRow*> row_of;  // of the target's tensors
    if (from_.target != nullptr) {
      const auto tensors = from_.target->tensors();
      row_of.resize(tensors.size());
      for (const PlanRow& row : from_.plan.rows) {
        if (row.restored) row_of[from_.target_tensors[row.wanted]] = &row;
      }
      for (size_t i = 0; i < tensors.size(); ++i) {
        if (row_of[i] != nullptr) {
          add(*row_of[i], i);
        } else {
          infos_.push_back(tensors[i]);
          infos_.back().offset.reset();
          sources_.push_back({nullptr, i});
        }
      }
      return {};
    }
    for (const PlanRow& row : from_.plan.rows) {
      if (row.restored) add(row, 0);
    }
    return {};
  }

  std::span<const TensorInfo> tensors() const override { return infos_; }
  const Metadata& metadata() const override { return from_.target != nullptr ? from_.target->metadata() : TensorReader::metadata(); }

  Result<Tensor> read(size_t i) const override {
    const Source& source = sources_[i];
    if (source.row == nullptr) return from_.target->read(source.target);
    const PlanRow& row = *source.row;
    auto tensor = from_.checkpoint.read(*row.have);
    if (!tensor.ok()) return tensor.status().with_context(quoted(from_.have[*row.have].key));
    std::optional<Tensor> base;
    if (row.fix.resized && from_.target != nullptr) {
      FERRY_ASSIGN_OR_RETURN(base, from_.target->read(source.target));
    }
    auto out = fitted(*tensor, row.fix, base ? &*base : nullptr, from_.pool);
    return out.ok() ? std::move(out) : Result<Tensor>(out.status().with_context(quoted(infos_[i].name)));
  }

 private:
  struct Source {
    const PlanRow* row;
    size_t target;
  };

  void add(const PlanRow& row, size_t target) {
    const TensorInfo& from = from_.checkpoint.tensors()[*row.have];
    const Wanted& wanted = from_.wanted[row.wanted];
    TensorInfo info;
    info.name = key_of(wanted);
    info.kind = from.kind;
    info.dtype = row.fix.cast ? *row.fix.cast : from.dtype;
    info.shape = from.shape;
    if (!row.fix.permutation.empty()) {
      info.shape = Shape();
      for (const size_t axis : row.fix.permutation) info.shape.append(from.shape[axis]);
    }
    if (row.fix.reshaped) info.shape = *row.fix.reshaped;
    if (row.fix.resized) info.shape[row.fix.resized->axis] = row.fix.resized->to;
    info.nnz = from.nnz;
    const auto count = info.shape.num_elements();
    info.bytes = info.kind == TensorKind::dense && is_fixed_size(info.dtype) && count
                     ? static_cast<uint64_t>(*count) * dtype_size(info.dtype)
                     : from.bytes;
    if (from_.target != nullptr) info.metadata = from_.target->tensors()[target].metadata;
    infos_.push_back(std::move(info));
    sources_.push_back({&row, target});
  }

  RestoredFrom from_;
  std::vector<TensorInfo> infos_;
  std::vector<Source> sources_;
};

}  // namespace

Result<Tensor> fitted(const Tensor& x, const Fix& fix, const Tensor* base, ThreadPool* pool) {
  if (fix.empty()) return x;
  if (const auto* dense = std::get_if<DenseTensor>(&x)) {
    FERRY_ASSIGN_OR_RETURN(DenseTensor out, fit_dense(*dense, fix, base, pool));
    return Tensor(std::move(out));
  }
  if (const auto* sparse = std::get_if<SparseTensor>(&x)) {
    FERRY_ASSIGN_OR_RETURN(SparseTensor out, fit_sparse(*sparse, fix, pool));
    return Tensor(std::move(out));
  }
  if (fix.cast && fix.permutation.empty() && !fix.reshaped && !fix.resized) return cast(x, *fix.cast, {.checked = false, .pool = pool});
  return unsupported("a ragged tensor takes another dtype, and no other shape");
}

Result<std::unique_ptr<TensorReader>> restored_tensors(const RestoredFrom& from) {
  auto out = std::make_unique<RestoredReader>(from);
  FERRY_RETURN_IF_ERROR(out->list());
  return std::unique_ptr<TensorReader>(std::move(out));
}

}  // namespace ferry
