// ExampleListWithContext { repeated Example examples = 1; Example context = 2 }: all examples of a batch are parsed as one, and
// the axis of the lists is put before their own.
#include <algorithm>

#include "ferry/features.h"
#include "wire/protobuf.h"

namespace ferry {
namespace {

// The axis of the rows becomes two: record, and place in its list.
Result<Tensor> with_lists(const Tensor& flat, const Buffer& splits, std::optional<int64_t> list_size, int64_t most) {
  const auto ends = splits.as<int64_t>();
  const auto rows = static_cast<int64_t>(ends.size()) - 1;
  const auto outer = [&](DType dtype) -> Result<DenseTensor> {
    const Shape shape{rows + 1};
    if (dtype == DType::int64) return DenseTensor::make(dtype, shape, splits);
    FERRY_ASSIGN_OR_RETURN(MutableBuffer narrow, MutableBuffer::of<int32_t>(ends.size()));
    for (size_t i = 0; i < ends.size(); ++i) narrow.as<int32_t>()[i] = static_cast<int32_t>(ends[i]);  // fewer than the rows below
    return DenseTensor::make(dtype, shape, std::move(narrow).freeze());
  };
  if (const auto* dense = std::get_if<DenseTensor>(&flat)) {
    if (list_size) {
      Shape shape{rows, *list_size};
      for (int64_t dim : dense->shape().drop_front(1)) shape.append(dim);
      FERRY_ASSIGN_OR_RETURN(DenseTensor out, dense->reshaped(std::move(shape)));
      return Tensor(std::move(out));
    }
    FERRY_ASSIGN_OR_RETURN(DenseTensor first, outer(DType::int64));
    FERRY_ASSIGN_OR_RETURN(RaggedTensor out, RaggedTensor::make({std::move(first)}, *dense));
    return Tensor(std::move(out));
  }
  if (const auto* ragged = std::get_if<RaggedTensor>(&flat)) {
    FERRY_ASSIGN_OR_RETURN(DenseTensor first, outer(ragged->splits_dtype()));
    std::vector<DenseTensor> all{std::move(first)};
    for (const DenseTensor& level : ragged->nested_row_splits()) all.push_back(level);
    FERRY_ASSIGN_OR_RETURN(RaggedTensor out, RaggedTensor::make(std::move(all), ragged->flat_values()));
    return Tensor(std::move(out));
  }
  const auto& sparse = std::get<SparseTensor>(flat);
  const auto count = static_cast<size_t>(sparse.nnz()), rank = sparse.rank();
  FERRY_ASSIGN_OR_RETURN(MutableBuffer block, MutableBuffer::of<int64_t>(count * (rank + 1)));
  const int64_t* from = sparse.coordinates();
  int64_t* out = block.as<int64_t>().data();
  for (size_t i = 0; i < count; ++i, from += rank) {
    const int64_t record = std::ranges::upper_bound(ends, from[0]) - ends.begin() - 1;
    *out++ = record;
    *out++ = from[0] - ends[static_cast<size_t>(record)];
    for (size_t axis = 1; axis < rank; ++axis) *out++ = from[axis];
  }
  Shape shape{rows, list_size.value_or(most)};
  for (int64_t dim : sparse.shape().drop_front(1)) shape.append(dim);
  FERRY_ASSIGN_OR_RETURN(DenseTensor indices,
                         DenseTensor::make(DType::int64, Shape{sparse.nnz(), static_cast<int64_t>(rank) + 1}, std::move(block).freeze()));
  FERRY_ASSIGN_OR_RETURN(SparseTensor made, SparseTensor::coo(std::move(shape), std::move(indices), sparse.values(), sparse.order()));
  return Tensor(std::move(made));
}

}  // namespace

Result<ExampleListParser> ExampleListParser::make(std::vector<FeatureSpec> context, std::vector<FeatureSpec> examples,
                                                  std::optional<int64_t> list_size, const Limits& limits) {
  if (context.empty() && examples.empty()) return invalid_argument("no features are asked for");
  if (list_size && *list_size < 0) return invalid_argument(concat("a list_size of ", *list_size));
  ExampleListParser out;
  out.list_size_ = list_size;
  out.limits_ = limits;
  if (!context.empty()) {
    FERRY_ASSIGN_OR_RETURN(out.context_, ExampleParser::make(std::move(context), limits));
  }
  if (!examples.empty()) {
    FERRY_ASSIGN_OR_RETURN(out.examples_, ExampleParser::make(std::move(examples), limits));
  }
  return out;
}

Result<ParsedExampleLists> ExampleListParser::parse(std::span<const RecordBytes> records, const ParseOptions& options) const {
  const auto name = [&](size_t row) {
    return concat("record ", row, options.names.empty() ? std::string() : concat(" (", quoted(options.names[row]), ")"));
  };
  if (!options.names.empty() && options.names.size() != records.size()) {
    return invalid_argument(concat(options.names.size(), " names for ", records.size(), " records"));
  }
  if (options.failed != nullptr) *options.failed = -1;
  std::vector<RecordBytes> contexts(records.size()), examples;
  FERRY_ASSIGN_OR_RETURN(MutableBuffer splits, MutableBuffer::of<int64_t>(records.size() + 1));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer sizes, MutableBuffer::of<int64_t>(records.size()));
  splits.as<int64_t>()[0] = 0;
  int64_t most = 0;
  for (size_t row = 0; row < records.size(); ++row) {
    const size_t first = examples.size();
    proto::Reader in(records[row]);
    while (in.next()) {
      if (in.tag() == proto::bytes_tag(1)) {
        examples.push_back(in.bytes());
      } else if (in.tag() == proto::bytes_tag(2)) {
        contexts[row] = in.bytes();
      } else {
        in.skip();
      }
    }
    if (!in.ok()) {
      if (options.failed != nullptr) *options.failed = static_cast<int64_t>(row);
      return invalid_argument(concat(name(row), ": no ExampleListWithContext: ", in.status().message()));
    }
    const auto size = static_cast<int64_t>(examples.size() - first);
    sizes.as<int64_t>()[row] = size;
    most = std::max(most, size);
    if (list_size_) {
      const auto wanted = static_cast<uint64_t>(*list_size_);
      if (wanted > limits_.max_densified_bytes / 64 / records.size()) {
        return limit_exceeded(concat(records.size(), " lists of ", wanted, " examples need too much memory (max_densified_bytes)"));
      }
      examples.resize(first + static_cast<size_t>(wanted));
    }
    splits.as<int64_t>()[row + 1] = static_cast<int64_t>(examples.size());
  }
  const Buffer ends = std::move(splits).freeze();
  ParsedExampleLists out;
  const auto rows = static_cast<int64_t>(records.size());
  FERRY_ASSIGN_OR_RETURN(out.sizes, DenseTensor::make(DType::int64, Shape{rows}, std::move(sizes).freeze()));
  if (context_) {
    if (const Status status = context_->parse(contexts, out.context, options); !status.ok()) return status.with_context("context");
  }
  if (!examples_) return out;
  ParseOptions inner = options;
  inner.names = {};
  int64_t failed = -1;
  inner.failed = &failed;
  TensorMap flat;
  if (const Status status = examples_->parse(examples, flat, inner); !status.ok()) {
    if (failed < 0) return status;
    const auto all = ends.as<int64_t>();
    const auto record = static_cast<size_t>(std::ranges::upper_bound(all, failed) - all.begin() - 1);
    if (options.failed != nullptr) *options.failed = static_cast<int64_t>(record);
    return status.with_context(concat(name(record), ", its example ", failed - all[record], ", of the batch's examples"));
  }
  for (auto& entry : flat) {
    FERRY_ASSIGN_OR_RETURN(Tensor tensor, with_lists(entry.tensor, ends, list_size_, most));
    FERRY_RETURN_IF_ERROR(out.examples.add(entry.name, std::move(tensor)));
  }
  return out;
}

}  // namespace ferry
