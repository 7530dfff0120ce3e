#include "dataset/decoder.h"

#include <algorithm>

#include "ferry/cast.h"
#include "ferry/ragged.h"
#include "ferry/sparse.h"

namespace ferry::dataset {
namespace {

int64_t width_of(const BatchOptions& options, std::string_view name) {
  for (const auto& [padded, width] : options.widths) {
    if (padded == name) return width;
  }
  return -1;
}

bool to_csr(const BatchOptions& options, TensorKind kind, size_t rank) {
  return options.sparse == Layout::csr && kind == TensorKind::coo && rank == 2;
}

}  // namespace

Result<int64_t> RowDecoder::length(const Row&, size_t) const { return unsupported("rows of this source have no length to bucket by"); }

Status set_tensor(TensorMap& out, size_t position, const std::string& name, Tensor tensor) {
  if (position < out.size()) {
    out[position].tensor = std::move(tensor);
    return {};
  }
  return out.add(name, std::move(tensor));
}

Status fit_batch(std::span<const ElementSpec> spec, const BatchOptions& options, TensorMap& out) {
  for (size_t i = 0; i < spec.size(); ++i) {
    Tensor& tensor = out[i].tensor;
    if (const auto* sparse = std::get_if<SparseTensor>(&tensor)) {
      if (!to_csr(options, sparse->layout() == Layout::coo ? TensorKind::coo : TensorKind::csr, sparse->rank())) continue;
      FERRY_ASSIGN_OR_RETURN(tensor, to_layout(*sparse, Layout::csr));
    } else if (const auto* ragged = std::get_if<RaggedTensor>(&tensor); ragged != nullptr && options.pad) {
      std::optional<DenseTensor> padding;
      if (ragged->dtype() != DType::string && options.padding != 0) {
        FERRY_ASSIGN_OR_RETURN(padding, cast(DenseTensor::scalar<double>(options.padding), ragged->dtype()));
      }
      int64_t widths[1] = {width_of(options, spec[i].name)};
      std::vector<int64_t> all(ragged->ragged_rank(), -1);
      all[0] = widths[0];
      FERRY_ASSIGN_OR_RETURN(tensor, to_dense(*ragged, padding, all));
    }
  }
  return {};
}

Result<std::vector<ElementSpec>> fit_spec(std::span<const ElementSpec> spec, const BatchOptions& options) {
  std::vector<ElementSpec> out(spec.begin(), spec.end());
  for (const auto& [name, width] : options.widths) {
    const auto found = std::ranges::find(out, name, &ElementSpec::name);
    if (found == out.end()) return invalid_argument(concat("a width is given for ", quoted(name), ", which is no tensor of the batch"));
    if (found->kind != TensorKind::ragged) return invalid_argument(concat("a width is given for ", quoted(name), ", which is not ragged"));
    if (width < 0) return invalid_argument(concat("the width of ", quoted(name), " is ", width));
  }
  for (ElementSpec& one : out) {
    if (to_csr(options, one.kind, one.shape.rank())) one.kind = TensorKind::csr;
    if (one.kind == TensorKind::ragged && options.pad) {
      one.kind = TensorKind::dense;
      one.ragged_rank = 0;
      one.shape[1] = width_of(options, one.name);
    }
  }
  return out;
}

Result<TensorMap> only_row(TensorMap batch) {
  for (auto& entry : batch) {
    if (const auto* dense = std::get_if<DenseTensor>(&entry.tensor)) {
      FERRY_ASSIGN_OR_RETURN(entry.tensor, dense->reshaped(dense->shape().drop_front(1)));
    } else if (const auto* sparse = std::get_if<SparseTensor>(&entry.tensor)) {
      FERRY_ASSIGN_OR_RETURN(SparseTensor x, to_layout(*sparse, Layout::coo));
      FERRY_ASSIGN_OR_RETURN(entry.tensor, reshape(x, x.shape().drop_front(1)));
    } else {
      const auto& ragged = std::get<RaggedTensor>(entry.tensor);
      const auto inner = ragged.nested_row_splits().subspan(1);
      if (inner.empty()) {
        entry.tensor = DenseTensor(ragged.flat_values());
      } else {
        FERRY_ASSIGN_OR_RETURN(entry.tensor,
                               RaggedTensor::make(std::vector<DenseTensor>(inner.begin(), inner.end()), ragged.flat_values()));
      }
    }
  }
  return batch;
}

std::vector<ElementSpec> row_spec(std::span<const ElementSpec> batch) {
  std::vector<ElementSpec> out(batch.begin(), batch.end());
  for (ElementSpec& one : out) {
    one.shape = one.shape.drop_front(1);
    if (one.kind == TensorKind::csr) one.kind = TensorKind::coo;
    if (one.kind == TensorKind::ragged && --one.ragged_rank == 0) one.kind = TensorKind::dense;
  }
  return out;
}

}  // namespace ferry::dataset
