#include "formats/listed.h"

namespace ferry {

Result<Tensor> read_as_listed(const TensorReader& tensors, size_t i) {
  const TensorInfo& info = tensors.tensors()[i];
  auto tensor = tensors.read(i);
  if (!tensor.ok()) return tensor.status().with_context(concat("tensor ", quoted(info.name)));
  if (kind_of(*tensor) != info.kind || dtype_of(*tensor) != info.dtype || shape_of(*tensor) != info.shape) {
    return data_loss(concat("tensor ", quoted(info.name), " is ", kind_name(kind_of(*tensor)), " ", dtype_name(dtype_of(*tensor)), " ",
                            shape_of(*tensor).to_string(), ", and was listed as ", kind_name(info.kind), " ", dtype_name(info.dtype), " ",
                            info.shape.to_string(), "; the file has changed"));
  }
  return tensor;
}

}  // namespace ferry
