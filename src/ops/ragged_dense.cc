// RaggedTensorToTensor, RaggedTensorToSparse.
#include <algorithm>
#include <cstring>

#include "ops/broadcast.h"
#include "ops/coo.h"
#include "ops/ragged_parts.h"
#include "tensor/elements.h"

namespace ferry::ops {
namespace {

enum class Partition : uint8_t { first_dim_size, value_rowids, row_splits };

// Inputs: shape, values, default, then one tensor for each partition, outermost first.
class ToTensorKernel final : public Kernel {
 public:
  explicit ToTensorKernel(std::vector<Partition> partitions) : partitions_(std::move(partitions)) {}

  Status run(Call& call) const override {
    const DenseTensor &values = call.in(1), &otherwise = call.in(2);
    const bool sized = partitions_.front() == Partition::first_dim_size;
    const size_t first = sized ? 1 : 0, levels = partitions_.size() - first;
    const DenseTensor& outermost = call.in(3);
    if (outermost.num_elements() == 0) return invalid_argument("Invalid first partition input. Tensor requires at least one element.");
    int64_t rows = outermost.num_elements() - 1;
    if (sized) {
      FERRY_ASSIGN_OR_RETURN(rows, call.integer(3));
      if (rows < 0) return invalid_argument(concat("the first dimension is ", rows));
    } else if (partitions_.front() != Partition::row_splits) {
      return invalid_argument("Cannot handle VALUE_ROWIDS in first dimension.");
    }
    if (values.shape().rank() == 0) return invalid_argument("values must have rank >= 1");
    // As int64, and sound.
    std::vector<std::vector<int64_t>> cuts;
    for (size_t level = 0; level < levels; ++level) {
      if (partitions_[first + level] == Partition::row_splits) {
        FERRY_ASSIGN_OR_RETURN(std::vector<int64_t> one, splits_of(call.in(3 + first + level), "row_splits"));
        cuts.push_back(std::move(one));
      } else {
        FERRY_ASSIGN_OR_RETURN(std::vector<int64_t> one, call.integers(3 + first + level));
        cuts.push_back(std::move(one));
      }
    }
    FERRY_RETURN_IF_ERROR(check_default(otherwise.shape(), values.shape()));
    FERRY_ASSIGN_OR_RETURN(Shape shape, wanted_shape(call, levels));
    if (shape[0] < 0) shape[0] = rows;
    for (size_t level = 0; level < levels; ++level) {
      if (shape[level + 1] < 0) shape[level + 1] = widest(cuts[level], partitions_[first + level]);
    }
    FERRY_ASSIGN_OR_RETURN(shape, Shape::checked(shape.dims(), call.run().limits));
    // Where each row, in the end each value, begins in the result, in values; -1: left out.
    std::vector<int64_t> steps(levels + 1, 1);
    for (size_t level = levels; level-- > 0;) {
      if (__builtin_mul_overflow(steps[level + 1], shape[level + 1], &steps[level]))
        return limit_exceeded(concat("a result of shape ", shape.to_string()));
    }
    if (static_cast<uint64_t>(rows) > call.run().limits.max_tensor_bytes / sizeof(int64_t)) return limit_exceeded(concat(rows, " rows"));
    FERRY_ASSIGN_OR_RETURN(MutableBuffer block, MutableBuffer::of<int64_t>(static_cast<size_t>(rows)));
    std::span<const int64_t> places = block.as<int64_t>();
    for (int64_t row = 0; row < rows; ++row) block.as<int64_t>()[static_cast<size_t>(row)] = row < shape[0] ? row * steps[0] : -1;
    for (size_t level = 0; level < levels; ++level) {
      FERRY_RETURN_IF_ERROR(call.run().check());
      // How many values there are is known of the last level; above it splits may promise any number.
      const bool is_splits = partitions_[first + level] == Partition::row_splits;
      const auto most =
          level + 1 == levels ? values.shape()[0] : static_cast<int64_t>(call.run().limits.max_tensor_bytes / sizeof(int64_t));
      if (is_splits && cuts[level].back() > most) return invalid_argument("Invalid row split size.");
      FERRY_ASSIGN_OR_RETURN(MutableBuffer next,
                             place(cuts[level], partitions_[first + level], places, steps[level + 1], shape[level + 1]));
      block = std::move(next);
      places = block.as<int64_t>();
    }
    if (static_cast<int64_t>(places.size()) > values.shape()[0]) {
      return invalid_argument(concat("the partitions cut ", places.size(), " values, there are ", values.shape()[0]));
    }
    return put(call, values, otherwise, places, shape, levels);
  }

 private:
  static Status check_default(const Shape& otherwise, const Shape& values) {
    if (otherwise.rank() >= values.rank()) {
      return invalid_argument(concat("default_value.shape=", otherwise.to_string(), " and rt_input.flat_values.shape=", values.to_string(),
                                     " are incompatible: default_value.rank = ", otherwise.rank(),
                                     "  must be less than rt_input.flat_values.rank = ", values.rank()));
    }
    for (size_t axis = 0; axis < otherwise.rank(); ++axis) {
      if (otherwise[axis] != 1 && otherwise[axis] != values[axis + 1]) {
        return invalid_argument(concat("default_value.shape=", otherwise.to_string(),
                                       " and rt_input.flat_values.shape=", values.to_string(), " are incompatible"));
      }
    }
    return {};
  }

  // What the shape input asks for, with the inner axes of the values; -1 where nobody says.
  static Result<Shape> wanted_shape(Call& call, size_t levels) {
    const DenseTensor& given = call.in(0);
    const Shape& values = call.shape(1);
    const size_t rank = levels + values.rank();
    FERRY_ASSIGN_OR_RETURN(const std::vector<int64_t> dims, call.integers(0));
    Shape out;
    if (is_scalar(given.shape())) {
      if (dims[0] != -1) return invalid_argument("The only valid scalar shape tensor is the fully unknown shape specified as -1.");
      for (size_t axis = 0; axis < rank; ++axis) out.append(-1);
    } else {
      if (!is_vector(given.shape())) return invalid_argument("tensor must be 0-D or 1-D: shape");
      for (int64_t dim : dims) {
        if (dim < -1) return invalid_argument(concat("Dimension size must be >= -1, it is ", dim));
        out.append(dim);
      }
    }
    if (out.rank() != rank) {
      return invalid_argument(concat("rt_input.shape and shape=", out.to_string(), " are incompatible: rt_input.rank = ", rank,
                                     " but shape.rank = ", out.rank()));
    }
    for (size_t axis = 1; axis < values.rank(); ++axis) {
      int64_t& dim = out[levels + axis];
      if (dim >= 0 && dim != values[axis]) {
        return invalid_argument(
            concat("rt_input.flat_values.shape=", values.to_string(), " and shape=", out.to_string(), " are incompatible"));
      }
      dim = values[axis];
    }
    return out;
  }

  static int64_t widest(const std::vector<int64_t>& cut, Partition kind) {
    int64_t out = 0;
    if (kind == Partition::row_splits) {
      for (size_t i = 1; i < cut.size(); ++i) out = std::max(out, cut[i] - cut[i - 1]);
      return out;
    }
    for (size_t i = 0, begin = 0; i < cut.size(); ++i) {
      if (cut[i] != cut[begin]) begin = i;
      out = std::max(out, static_cast<int64_t>(i - begin) + 1);
    }
    return out;
  }

  static Result<MutableBuffer> place(const std::vector<int64_t>& cut, Partition kind, std::span<const int64_t> parents, int64_t step,
                                     int64_t width) {
    if (kind == Partition::row_splits) {
      if (cut.size() - 1 > parents.size()) {
        return invalid_argument(concat("Row partition size is greater than output size: ", cut.size() - 1, " > ", parents.size()));
      }
      FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::of<int64_t>(static_cast<size_t>(cut.back())));
      int64_t* to = out.as<int64_t>().data();
      for (size_t row = 0; row + 1 < cut.size(); ++row) {
        const int64_t length = cut[row + 1] - cut[row], kept = parents[row] < 0 ? 0 : std::min(length, width);
        for (int64_t i = 0; i < length; ++i) *to++ = i < kept ? parents[row] + i * step : -1;
      }
      return out;
    }
    FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::of<int64_t>(cut.size()));
    int64_t* to = out.as<int64_t>().data();
    int64_t column = 0;
    for (size_t i = 0; i < cut.size(); ++i) {
      if (cut[i] < 0 || static_cast<size_t>(cut[i]) >= parents.size()) {
        return invalid_argument(concat("Got current_value_rowid=", cut[i], " which is not less than ", parents.size()));
      }
      column = i > 0 && cut[i] == cut[i - 1] ? column + 1 : 0;
      const int64_t parent = parents[static_cast<size_t>(cut[i])];
      *to++ = parent < 0 || column >= width ? -1 : parent + column * step;
    }
    return out;
  }

  static Status put(Call& call, const DenseTensor& values, const DenseTensor& otherwise, std::span<const int64_t> places,
                    const Shape& shape, size_t levels) {
    const Shape inner = values.shape().drop_front(1);
    int64_t rows = 1;
    for (size_t axis = 0; axis <= levels; ++axis) rows *= shape[axis];
    if (static_cast<uint64_t>(rows) > call.run().limits.max_tensor_bytes / sizeof(int64_t))
      return limit_exceeded(concat("a result of shape ", shape.to_string()));
    // One row of defaults.
    FERRY_ASSIGN_OR_RETURN(const Broadcast plan, Broadcast::of(inner, otherwise.shape()));
    if (plan.out != inner) return invalid_argument("default_value does not broadcast to a row of values");
    std::vector<int64_t> from;
    plan.for_each_row([&](int64_t, int64_t b, int64_t) {
      for (int64_t i = 0; i < plan.run(); ++i) from.push_back(b + i * plan.run_step_b());
    });
    FERRY_ASSIGN_OR_RETURN(const DenseTensor flat, otherwise.reshaped(Shape{otherwise.num_elements()}));
    FERRY_ASSIGN_OR_RETURN(const DenseTensor row, elements::take(flat, from));
    if (values.is_string()) {
      Shape one{1};
      for (int64_t dim : inner) one.append(dim);
      FERRY_ASSIGN_OR_RETURN(const DenseTensor last, row.reshaped(one));
      const DenseTensor both[] = {values, last};
      FERRY_ASSIGN_OR_RETURN(const DenseTensor joined, elements::join(both));
      FERRY_ASSIGN_OR_RETURN(MutableBuffer sources, MutableBuffer::of<int64_t>(static_cast<size_t>(rows)));
      std::ranges::fill(sources.as<int64_t>(), values.shape()[0]);
      for (size_t i = 0; i < places.size(); ++i) {
        if (places[i] >= 0) sources.as<int64_t>()[static_cast<size_t>(places[i])] = static_cast<int64_t>(i);
      }
      FERRY_ASSIGN_OR_RETURN(const DenseTensor taken, elements::take(joined, sources.as<int64_t>()));
      FERRY_ASSIGN_OR_RETURN(DenseTensor out, taken.reshaped(shape));
      call.set(0, std::move(out));
      return {};
    }
    FERRY_ASSIGN_OR_RETURN(std::byte* const data, call.make(0, values.dtype(), shape));
    const size_t width = from.size() * dtype_size(values.dtype());
    if (width == 0 || rows == 0) return {};
    if (from.size() == 1) {
      visit_width(width, [&]<class T>(TypeTag<T>) {
        std::fill_n(reinterpret_cast<T*>(data), rows, *static_cast<const T*>(row.raw()));
        const T* const in = static_cast<const T*>(values.raw());
        for (size_t i = 0; i < places.size(); ++i) {
          if (places[i] >= 0) reinterpret_cast<T*>(data)[places[i]] = in[i];
        }
      });
      return {};
    }
    for (int64_t i = 0; i < rows; ++i) std::memcpy(data + static_cast<size_t>(i) * width, row.raw(), width);
    for (size_t i = 0; i < places.size(); ++i) {
      if (places[i] >= 0)
        std::memcpy(data + static_cast<size_t>(places[i]) * width, static_cast<const std::byte*>(values.raw()) + i * width, width);
    }
    return {};
  }

  std::vector<Partition> partitions_;
};

Result<KernelRef> make_to_tensor(const NodeInfo& node) {
  std::vector<Partition> partitions;
  for (const std::string& text : node.texts("row_partition_types")) {
    if (text == "FIRST_DIM_SIZE" && partitions.empty()) {
      partitions.push_back(Partition::first_dim_size);
    } else if (text == "VALUE_ROWIDS") {
      partitions.push_back(Partition::value_rowids);
    } else if (text == "ROW_SPLITS") {
      partitions.push_back(Partition::row_splits);
    } else {
      return invalid_argument(concat("Unsupported partition type: ", quoted(text)));
    }
  }
  if (partitions.empty()) return invalid_argument("No row_partition_types given.");
  if (node.input("row_partition_tensors").count != partitions.size())
    return invalid_argument("there are not as many row_partition_types as row_partition_tensors");
  return KernelRef(std::make_unique<ToTensorKernel>(std::move(partitions)));
}

// ---- RaggedTensorToSparse: splits from the outermost in, values

Status to_sparse(Call& call) {
  const size_t levels = call.num_inputs() - 1;
  const DenseTensor& values = call.in(levels);
  if (levels == 0) return invalid_argument("Expected RAGGED_RANK > 0");
  if (values.shape().rank() == 0) return invalid_argument("rt_dense_values must be at least rank 1");
  std::vector<std::vector<int64_t>> cuts;
  for (size_t level = 0; level < levels; ++level) {
    const int64_t rows = level + 1 == levels ? values.shape()[0] : call.in(level + 1).num_elements() - 1;
    FERRY_ASSIGN_OR_RETURN(std::vector<int64_t> one, splits_of(call.in(level), rows));
    cuts.push_back(std::move(one));
  }
  Shape shape{static_cast<int64_t>(cuts[0].size()) - 1};
  for (const auto& cut : cuts) {
    int64_t longest = 0;
    for (size_t i = 1; i < cut.size(); ++i) longest = std::max(longest, cut[i] - cut[i - 1]);
    shape.append(longest);
  }
  const Shape inner = values.shape().drop_front(1);
  for (int64_t dim : inner) shape.append(dim);
  const int64_t count = values.num_elements(), each = values.shape()[0] == 0 ? 0 : count / values.shape()[0];
  const size_t rank = shape.rank();
  FERRY_ASSIGN_OR_RETURN(const auto out, call.make<int64_t>(0, DType::int64, Shape{count, static_cast<int64_t>(rank)}));
  // A counter for each axis: the row of each level that holds the value now, and the axes of the values below.
  std::vector<size_t> row(levels, 0);
  std::vector<int64_t> at(inner.rank(), 0);
  int64_t* to = out.data();
  for (int64_t value = 0; value < values.shape()[0] && each > 0; ++value) {
    int64_t position = value;
    std::vector<int64_t>& last = at;
    for (size_t level = levels; level-- > 0;) {
      while (cuts[level][row[level] + 1] <= position) ++row[level];
      position = static_cast<int64_t>(row[level]);
    }
    for (int64_t k = 0; k < each; ++k) {
      *to++ = static_cast<int64_t>(row[0]);
      for (size_t level = 0; level < levels; ++level) {
        const int64_t here = level + 1 < levels ? static_cast<int64_t>(row[level + 1]) : value;
        *to++ = here - cuts[level][row[level]];
      }
      to = std::copy(last.begin(), last.end(), to);
      for (size_t axis = inner.rank(); axis-- > 0;) {
        if (++last[axis] < inner[axis]) break;
        last[axis] = 0;
      }
    }
  }
  FERRY_RETURN_IF_ERROR(call.pass(1, levels, Shape{count}));
  call.set(2, shape_tensor(shape));
  return {};
}

}  // namespace

extern const Op RaggedTensorToTensor_op, RaggedTensorToSparse_op;
const Op RaggedTensorToTensor_op{"RaggedTensorToTensor", make_to_tensor};
const Op RaggedTensorToSparse_op{"RaggedTensorToSparse", make_free<to_sparse>};

}  // namespace ferry::ops
