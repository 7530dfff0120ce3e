#include "records/example_build.h"

#include <algorithm>
#include <cstring>

#include "ferry/sparse.h"

namespace ferry::records {
namespace {

// A row of indices in one register.
using Pair = int64_t __attribute__((vector_size(16)));

size_t width_of(DType dtype) { return dtype == DType::float32 ? 4 : 8; }

}  // namespace

Result<BuiltColumn> join_parts(const ExampleColumn& column, size_t index, std::span<ExampleRows* const> parts, int64_t rows,
                               PooledBuffer fixed, BufferPool& pool) {
  BuiltColumn out;
  out.rows = rows;
  if (column.is_fixed() && !column.is_string()) {
    FERRY_ASSIGN_OR_RETURN(out.values, DenseTensor::make(column.dtype, Shape{rows * column.width}, std::move(fixed).freeze()));
    return out;
  }
  size_t count = 0, heap = 0;
  for (ExampleRows* part : parts) {
    count += part->column(index).count;
    heap += part->column(index).heap_size;
  }
  const size_t size = width_of(column.dtype), lead = column.is_string() ? 1 : 0;
  PooledBuffer values, bytes, splits;
  if (parts.size() == 1) {
    ColumnRows& from = parts[0]->column(index);
    values = std::move(from.value_block);
    values.truncate((count + lead) * size);
    bytes = std::move(from.heap_block);
    if (column.is_string()) bytes.truncate(heap);
    splits = std::move(from.split_block);
  } else {
    FERRY_ASSIGN_OR_RETURN(values, pool.allocate((count + lead) * size));
    if (column.is_string()) {
      FERRY_ASSIGN_OR_RETURN(bytes, pool.allocate(heap));
    }
    if (!column.is_fixed()) {
      FERRY_ASSIGN_OR_RETURN(splits, pool.allocate((static_cast<size_t>(rows) + 1) * 8));
    }
    size_t value_at = lead, byte_at = 0, row_at = 0;
    if (lead != 0) values.as<int64_t>()[0] = 0;
    if (!column.is_fixed()) splits.as<int64_t>()[0] = 0;
    for (ExampleRows* part : parts) {
      const ColumnRows& from = part->column(index);
      const auto part_rows = static_cast<size_t>(part->rows());
      if (!column.is_fixed()) {
        const auto base = static_cast<int64_t>(value_at - lead);
        int64_t* const to = splits.as<int64_t>().data() + row_at;
        for (size_t r = 1; r <= part_rows; ++r) to[r] = from.splits[r] + base;
      }
      if (column.is_string()) {
        const auto* const ends = reinterpret_cast<const int64_t*>(from.values);
        int64_t* const to = values.as<int64_t>().data() + value_at;
        for (size_t i = 0; i < from.count; ++i) to[i] = ends[i] + static_cast<int64_t>(byte_at);
        if (from.heap_size > 0) std::memcpy(bytes.data() + byte_at, from.heap, from.heap_size);
        byte_at += from.heap_size;
      } else if (from.count > 0) {
        std::memcpy(values.data() + value_at * size, from.values, from.count * size);
      }
      value_at += from.count;
      row_at += part_rows;
    }
  }
  const Shape shape{static_cast<int64_t>(count)};
  if (column.is_string()) {
    FERRY_ASSIGN_OR_RETURN(out.values, DenseTensor::make_strings(shape, std::move(values).freeze(), std::move(bytes).freeze()));
  } else {
    FERRY_ASSIGN_OR_RETURN(out.values, DenseTensor::make(column.dtype, shape, std::move(values).freeze()));
  }
  if (!column.is_fixed()) out.splits = std::move(splits).freeze();
  return out;
}

Result<Tensor> ExampleBuilder::fixed(const ExampleColumn& column, const BuiltColumn& from) {
  Shape shape;
  if (!single_) shape.append(rows_);
  for (int64_t dim : column.shape) shape.append(dim);
  FERRY_ASSIGN_OR_RETURN(DenseTensor out, from.values.reshaped(std::move(shape)));
  return Tensor(std::move(out));
}

// Rows of different length side by side, filled up with the padding.
Result<Tensor> ExampleBuilder::sequence(const ExampleColumn& column, const BuiltColumn& from) {
  const auto splits = from.row_splits();
  int64_t most = 0;
  for (int64_t row = 0; row < rows_; ++row) most = std::max(most, splits[row + 1] - splits[row]);
  Shape shape;
  if (!single_) shape.append(rows_);
  shape.append(most / column.width);
  for (int64_t dim : column.shape) shape.append(dim);
  if (single_) {
    FERRY_ASSIGN_OR_RETURN(DenseTensor out, from.values.reshaped(std::move(shape)));
    return Tensor(std::move(out));
  }
  int64_t total;
  if (__builtin_mul_overflow(most, rows_, &total) || static_cast<uint64_t>(total) > limits_.max_densified_bytes / 8) {
    return limit_exceeded(concat("padding ", rows_, " rows to the ", most, " values of the longest needs more than the limit of ",
                                 limits_.max_densified_bytes, " bytes (max_densified_bytes); read it as ragged or VarLen"));
  }
  const auto count = static_cast<size_t>(total), row_size = static_cast<size_t>(most);
  if (column.is_string()) {
    const StringsView values = from.values.strings();
    const std::string_view padding = column.default_value.is_string() && column.default_value.num_elements() == 1
                                         ? column.default_value.strings()[0]
                                         : std::string_view();
    size_t padding_bytes;
    if (__builtin_mul_overflow(count - static_cast<size_t>(values.size()), padding.size(), &padding_bytes) ||
        padding_bytes > limits_.max_densified_bytes) {
      return limit_exceeded(
          concat("padding ", rows_, " rows needs ", padding.size(), " bytes for each of ", count, " strings (max_densified_bytes)"));
    }
    FERRY_ASSIGN_OR_RETURN(PooledBuffer ends, pool_.allocate((count + 1) * 8));
    FERRY_ASSIGN_OR_RETURN(PooledBuffer heap, pool_.allocate(static_cast<size_t>(values.total_bytes()) + padding_bytes));
    int64_t* end = ends.as<int64_t>().data();
    int64_t at = 0;
    *end++ = 0;
    for (int64_t row = 0; row < rows_; ++row) {
      const int64_t begin = values.offsets()[splits[row]], bytes = values.offsets()[splits[row + 1]] - begin;
      if (bytes > 0) std::memcpy(heap.data() + at, values.bytes() + begin, static_cast<size_t>(bytes));
      for (int64_t i = splits[row]; i < splits[row + 1]; ++i) *end++ = at + values.offsets()[i + 1] - begin;
      at += bytes;
      for (int64_t i = splits[row + 1] - splits[row]; i < most; ++i) {
        if (!padding.empty()) std::memcpy(heap.data() + at, padding.data(), padding.size());
        at += static_cast<int64_t>(padding.size());
        *end++ = at;
      }
    }
    FERRY_ASSIGN_OR_RETURN(DenseTensor out,
                           DenseTensor::make_strings(std::move(shape), std::move(ends).freeze(), std::move(heap).freeze()));
    return Tensor(std::move(out));
  }
  const auto pad = [&]<class T>(T padding) -> Result<Tensor> {
    FERRY_ASSIGN_OR_RETURN(PooledBuffer block, pool_.allocate(count * sizeof(T)));
    const T* const values = static_cast<const T*>(from.values.raw());
    T* out = block.as<T>().data();
    for (int64_t row = 0; row < rows_; ++row, out += row_size) {
      const auto have = static_cast<size_t>(splits[row + 1] - splits[row]);
      if (have > 0) std::memcpy(out, values + splits[row], have * sizeof(T));
      std::fill(out + have, out + row_size, padding);
    }
    FERRY_ASSIGN_OR_RETURN(DenseTensor dense, DenseTensor::make(column.dtype, std::move(shape), std::move(block).freeze()));
    return Tensor(std::move(dense));
  };
  const bool given = column.default_value.num_elements() == 1;
  if (column.dtype == DType::float32) return pad(given ? column.default_value.values<float>()[0] : 0.0f);
  return pad(given ? column.default_value.values<int64_t>()[0] : int64_t{0});
}

Result<Tensor> ExampleBuilder::var_len(const BuiltColumn& from) {
  const auto splits = from.row_splits();
  const int64_t count = from.values.num_elements();
  int64_t most = 0;
  FERRY_ASSIGN_OR_RETURN(PooledBuffer block, pool_.allocate(static_cast<size_t>(count) * (single_ ? 8 : 16)));
  int64_t* out = block.as<int64_t>().data();
  if (single_) {
    for (int64_t i = 0; i < count; ++i) out[i] = i;
    most = count;
  } else {
    for (int64_t row = 0; row < rows_; ++row) {
      const int64_t have = splits[row + 1] - splits[row];
      most = std::max(most, have);
      Pair at{row, 0};
      for (int64_t i = 0; i < have; ++i, out += 2, at += Pair{0, 1}) std::memcpy(out, &at, sizeof(at));
    }
  }
  FERRY_ASSIGN_OR_RETURN(DenseTensor indices, DenseTensor::make(DType::int64, Shape{count, single_ ? 1 : 2}, std::move(block).freeze()));
  FERRY_ASSIGN_OR_RETURN(SparseTensor sparse,
                         SparseTensor::coo(single_ ? Shape{most} : Shape{rows_, most}, std::move(indices), from.values, {true, true}));
  return Tensor(std::move(sparse));
}

// Coordinates of other features beside the values. As in TensorFlow the row of an entry is that of its value, and only the
// totals must agree; but a coordinate outside the shape is an error here, where TensorFlow hands it on.
Result<Tensor> ExampleBuilder::sparse(const FeatureSpec& feature, const FeaturePlan& plan) {
  const BuiltColumn& values = columns_[plan.values];
  const auto splits = values.row_splits();
  const auto axes = static_cast<int64_t>(feature.shape.rank());
  const int64_t count = values.values.num_elements(), lead = single_ ? 0 : 1, rank = axes + lead;
  const bool side_by_side = plan.indices.size() == 1 && axes > 1;
  for (const uint32_t index : plan.indices) {
    const BuiltColumn& indices = columns_[index];
    const int64_t wanted = side_by_side ? count * axes : count;
    if (indices.values.num_elements() == wanted) continue;
    for (int64_t row = 0; row < rows_; ++row) {
      const int64_t have = indices.row_splits()[row + 1] - indices.row_splits()[row];
      const int64_t need = (splits[row + 1] - splits[row]) * (side_by_side ? axes : 1);
      if (have == need) continue;
      failed_ = row;
      return invalid_argument(concat("record ", row, ": feature ", quoted(feature.name), ": index key ", quoted(plan_.columns[index].key),
                                     " has ", have, " values, expected ", need, " for the values of ",
                                     quoted(plan_.columns[plan.values].key)));
    }
  }
  size_t bytes;
  if (__builtin_mul_overflow(static_cast<size_t>(count), static_cast<size_t>(rank) * 8, &bytes)) return limit_exceeded("sparse indices");
  FERRY_ASSIGN_OR_RETURN(PooledBuffer block, pool_.allocate(bytes));
  int64_t* const out = block.as<int64_t>().data();
  if (!single_) {
    for (int64_t row = 0; row < rows_; ++row) {
      for (int64_t i = splits[row]; i < splits[row + 1]; ++i) out[i * rank] = row;
    }
  }
  for (int64_t axis = 0; axis < axes; ++axis) {
    const BuiltColumn& indices = columns_[plan.indices[side_by_side ? 0 : static_cast<size_t>(axis)]];
    const int64_t* from = indices.values.values<int64_t>().data() + (side_by_side ? axis : 0);
    const int64_t step = side_by_side ? axes : 1;
    const auto size = static_cast<uint64_t>(feature.shape[static_cast<size_t>(axis)]);
    for (int64_t i = 0; i < count; ++i, from += step) {
      if (static_cast<uint64_t>(*from) >= size) [[unlikely]] {
        const int64_t row = std::upper_bound(splits.begin(), splits.end(), i) - splits.begin() - 1;
        failed_ = row;
        return invalid_argument(concat("record ", row, ": feature ", quoted(feature.name), ": index ", *from, " on axis ", axis,
                                       " is outside the size ", size));
      }
      out[i * rank + lead + axis] = *from;
    }
  }
  Shape shape;
  if (!single_) shape.append(rows_);
  for (int64_t dim : feature.shape) shape.append(dim);
  FERRY_ASSIGN_OR_RETURN(DenseTensor indices, DenseTensor::make(DType::int64, Shape{count, rank}, std::move(block).freeze()));
  FERRY_ASSIGN_OR_RETURN(SparseTensor made, SparseTensor::coo(std::move(shape), std::move(indices), values.values));
  if (feature.already_sorted) return Tensor(std::move(made));
  FERRY_ASSIGN_OR_RETURN(SparseTensor sorted, sort(made));
  return Tensor(std::move(sorted));
}

Result<DenseTensor> splits_tensor(const Buffer& splits, DType dtype, BufferPool& pool) {
  const auto from = splits.as<int64_t>();
  const Shape shape{static_cast<int64_t>(from.size())};
  if (dtype == DType::int64) return DenseTensor::make(dtype, shape, splits);
  if (from.back() > INT32_MAX) {
    return limit_exceeded(concat(from.back(), " values are more than int32 row_splits can count; ask for int64"));
  }
  FERRY_ASSIGN_OR_RETURN(PooledBuffer block, pool.allocate(from.size() * 4));
  int32_t* const out = block.as<int32_t>().data();
  for (size_t i = 0; i < from.size(); ++i) out[i] = static_cast<int32_t>(from[i]);
  return DenseTensor::make(dtype, shape, std::move(block).freeze());
}

// `outer`: of a feature list, the steps of each record; the rows here are steps.
Result<Tensor> ExampleBuilder::ragged(const FeatureSpec& feature, const FeaturePlan& plan, std::vector<DenseTensor> spare,
                                      const Buffer* outer) {
  const BuiltColumn& values = columns_[plan.values];
  const bool drop = single_ && outer == nullptr;  // the axis of the batch
  spare.clear();
  if (outer != nullptr && !single_) {
    FERRY_ASSIGN_OR_RETURN(DenseTensor splits, splits_tensor(*outer, feature.row_splits_dtype, pool_));
    spare.push_back(std::move(splits));
  }
  if (plan.partitions.empty()) {
    if (drop) return Tensor(values.values);
    FERRY_ASSIGN_OR_RETURN(DenseTensor splits, splits_tensor(values.splits, feature.row_splits_dtype, pool_));
    spare.push_back(std::move(splits));
    FERRY_ASSIGN_OR_RETURN(RaggedTensor out, RaggedTensor::make(std::move(spare), values.values));
    return Tensor(std::move(out));
  }
  std::vector<const BuiltColumn*> partitions;
  for (const uint32_t column : plan.partitions) partitions.push_back(column == KeyTable::kNone ? nullptr : &columns_[column]);
  auto rows = cut_rows(values, feature.partitions, partitions, limits_, pool_, failed_);
  if (!rows.ok()) {
    if (failed_ < 0) return rows.status();
    std::string step;
    if (outer != nullptr) {
      const auto steps = outer->as<int64_t>();
      const int64_t record = std::upper_bound(steps.begin(), steps.end(), failed_) - steps.begin() - 1;
      step = concat(", step ", failed_ - steps[static_cast<size_t>(record)]);
      failed_ = record;
    }
    return rows.status().with_context(concat("record ", failed_, ": feature ", quoted(feature.name), step));
  }
  Shape shape;
  int64_t per = 1;
  for (int64_t dim : rows->inner) per *= dim;
  shape.append(values.values.num_elements() / per);
  for (int64_t dim : rows->inner) shape.append(dim);
  FERRY_ASSIGN_OR_RETURN(DenseTensor flat, values.values.reshaped(std::move(shape)));
  for (size_t level = drop ? 1 : 0; level < rows->splits.size(); ++level) {
    FERRY_ASSIGN_OR_RETURN(DenseTensor splits, splits_tensor(rows->splits[level], feature.row_splits_dtype, pool_));
    spare.push_back(std::move(splits));
  }
  if (spare.empty()) return Tensor(std::move(flat));
  FERRY_ASSIGN_OR_RETURN(RaggedTensor out, RaggedTensor::make(std::move(spare), std::move(flat)));
  return Tensor(std::move(out));
}

Result<Tensor> ExampleBuilder::build(size_t index, std::vector<DenseTensor> spare) {
  using Kind = FeatureSpec::Kind;
  failed_ = -1;
  const FeatureSpec& feature = plan_.features[index];
  const FeaturePlan& plan = plan_.plans[index];
  const ExampleColumn& column = plan_.columns[plan.values];
  switch (feature.kind) {
    case Kind::fixed_len: return fixed(column, columns_[plan.values]);
    case Kind::fixed_len_sequence: return sequence(column, columns_[plan.values]);
    case Kind::var_len: return var_len(columns_[plan.values]);
    case Kind::sparse: return sparse(feature, plan);
    case Kind::ragged: break;
  }
  return ragged(feature, plan, std::move(spare), nullptr);
}

Result<Tensor> ExampleBuilder::build_list(size_t index, std::span<const Buffer> steps) {
  failed_ = -1;
  const FeatureSpec& feature = plan_.features[index];
  const FeaturePlan& plan = plan_.plans[index];
  const ExampleColumn& column = plan_.columns[plan.values];
  const BuiltColumn& values = columns_[plan.values];
  const Buffer& own = steps[plan.values];
  const auto by_record = own.as<int64_t>();
  if (column.store == ExampleColumn::Store::sequence) {
    // Every step has width values: where the records' values end follows from their steps.
    FERRY_ASSIGN_OR_RETURN(PooledBuffer block, pool_.allocate(own.size()));
    for (size_t i = 0; i < by_record.size(); ++i) block.as<int64_t>()[i] = by_record[i] * column.width;
    BuiltColumn whole;
    whole.values = values.values;
    whole.splits = std::move(block).freeze();
    whole.rows = rows_;
    return sequence(column, whole);
  }
  if (column.store == ExampleColumn::Store::ragged) {
    for (const uint32_t partition : plan.partitions) {
      if (partition == KeyTable::kNone) continue;
      const auto other = steps[partition].as<int64_t>();
      const auto [mine, theirs] = std::ranges::mismatch(by_record, other);
      if (mine == by_record.end()) continue;
      failed_ = mine - by_record.begin() - 1;
      return invalid_argument(concat("record ", failed_, ": feature list ", quoted(feature.name), ": its values and the partition ",
                                     quoted(plan_.columns[partition].key), " have not as many steps"));
    }
    return ragged(feature, plan, {}, &own);
  }
  const auto splits = values.row_splits();
  const int64_t count = values.values.num_elements(), rank = single_ ? 2 : 3;
  int64_t most_steps = 0, most_values = 0;
  FERRY_ASSIGN_OR_RETURN(PooledBuffer block, pool_.allocate(static_cast<size_t>(count * rank) * 8));
  int64_t* out = block.as<int64_t>().data();
  for (int64_t row = 0; row < rows_; ++row) {
    const int64_t first = by_record[static_cast<size_t>(row)], last = by_record[static_cast<size_t>(row) + 1];
    most_steps = std::max(most_steps, last - first);
    for (int64_t step = first; step < last; ++step) {
      const int64_t have = splits[static_cast<size_t>(step) + 1] - splits[static_cast<size_t>(step)];
      most_values = std::max(most_values, have);
      for (int64_t i = 0; i < have; ++i) {
        if (!single_) *out++ = row;
        *out++ = step - first;
        *out++ = i;
      }
    }
  }
  Shape shape;
  if (!single_) shape.append(rows_);
  shape.append(most_steps);
  shape.append(most_values);
  FERRY_ASSIGN_OR_RETURN(DenseTensor indices, DenseTensor::make(DType::int64, Shape{count, rank}, std::move(block).freeze()));
  FERRY_ASSIGN_OR_RETURN(SparseTensor sparse, SparseTensor::coo(std::move(shape), std::move(indices), values.values, {true, true}));
  return Tensor(std::move(sparse));
}

}  // namespace ferry::records
