#include "checkpoint/combined_reader.h"

#include <algorithm>
#include <atomic>
#include <complex>
#include <cstring>
#include <mutex>
#include <unordered_map>

#include "ferry/cast.h"

namespace ferry {
namespace {

constexpr int64_t kBlock = int64_t{1} << 15;  // elements that are summed at a time

// Elements [begin, begin + count) of any shape, in the wide type.
template <class Wide>
Result<DenseTensor> wide_block(const DenseTensor& x, int64_t begin, int64_t count) {
  const size_t width = dtype_size(x.dtype());
  FERRY_ASSIGN_OR_RETURN(
      const DenseTensor block,
      DenseTensor::make(x.dtype(), Shape{count}, x.buffer().slice(static_cast<size_t>(begin) * width, static_cast<size_t>(count) * width)));
  return cast(block, dtype_of<Wide>());
}

template <class Wide>
Status average_block(std::span<const DenseTensor> parts, std::span<const double> weights, double total, int64_t begin, int64_t count,
                     std::byte* out) {
  const DType dtype = parts[0].dtype();
  const size_t width = dtype_size(dtype), offset = static_cast<size_t>(begin) * width, size = static_cast<size_t>(count) * width;
  const auto* const first = parts[0].buffer().data() + offset;
  // The mean of equal numbers is that number, which a sum of rounded products need not give.
  if (std::ranges::all_of(parts, [&](const DenseTensor& part) { return std::memcmp(part.buffer().data() + offset, first, size) == 0; })) {
    std::memcpy(out + offset, first, size);
    return {};
  }
  std::vector<Wide> sums(static_cast<size_t>(count), Wide{});
  for (size_t i = 0; i < parts.size(); ++i) {
    FERRY_ASSIGN_OR_RETURN(const DenseTensor block, wide_block<Wide>(parts[i], begin, count));
    const auto values = block.template values<Wide>();
    for (size_t k = 0; k < sums.size(); ++k) sums[k] += weights[i] * values[k];
  }
  for (Wide& sum : sums) sum /= total;
  FERRY_ASSIGN_OR_RETURN(const DenseTensor rounded, cast(DenseTensor::vector<Wide>(std::span<const Wide>(sums)), dtype));
  std::memcpy(out + offset, rounded.raw(), size);
  // Where single elements agree in all of them, they stay as they are too.
  for (int64_t k = 0; k < count; ++k) {
    const size_t at = static_cast<size_t>(k) * width;
    if (std::ranges::all_of(
            parts, [&](const DenseTensor& part) { return std::memcmp(part.buffer().data() + offset + at, first + at, width) == 0; }))
      std::memcpy(out + offset + at, first + at, width);
  }
  return {};
}

}  // namespace

PickedReader::PickedReader(std::vector<Pick> picks) : picks_(std::move(picks)) {
  for (const Pick& pick : picks_) infos_.push_back(pick.reader->tensors()[pick.position]);
}

void PickedReader::add(std::string name, DenseTensor tensor) {
  TensorInfo info;
  info.name = std::move(name);
  info.dtype = tensor.dtype();
  info.shape = tensor.shape();
  info.bytes = tensor.num_bytes();
  infos_.push_back(std::move(info));
  own_.push_back(std::move(tensor));
}

Result<Tensor> PickedReader::read(size_t i) const {
  if (i >= picks_.size()) return Tensor(own_[i - picks_.size()]);
  return picks_[i].reader->read(picks_[i].position);
}

bool AverageReader::is_averaged(DType dtype) {
  const DTypeClass kind = dtype_class(dtype);
  return kind == DTypeClass::kFloat || kind == DTypeClass::kComplex;
}

Result<std::unique_ptr<AverageReader>> AverageReader::open(std::vector<Source> sources, ThreadPool* pool) {
  auto out = std::unique_ptr<AverageReader>(new AverageReader(std::move(sources), pool));
  const Source& first = out->sources_[0];
  const auto wanted = first.reader->tensors();
  for (const Source& source : out->sources_) {
    std::unordered_map<std::string_view, size_t> by_name;
    const auto infos = source.reader->tensors();
    for (size_t i = 0; i < infos.size(); ++i) by_name.emplace(infos[i].name, i);
    std::vector<size_t>& positions = out->positions_.emplace_back();
    for (const TensorInfo& info : wanted) {
      const auto it = by_name.find(info.name);
      if (it == by_name.end())
        return invalid_argument(concat("tensor ", quoted(info.name), " is in ", first.path, " and not in ", source.path));
      const TensorInfo& other = infos[it->second];
      if (other.dtype != info.dtype || other.shape != info.shape) {
        return invalid_argument(concat("tensor ", quoted(info.name), " is ", dtype_name(info.dtype), " ", info.shape.to_string(), " in ",
                                       first.path, " and ", dtype_name(other.dtype), " ", other.shape.to_string(), " in ", source.path));
      }
      positions.push_back(it->second);
      by_name.erase(it);
    }
    if (!by_name.empty()) {
      const auto least = std::ranges::min_element(by_name, {}, [](const auto& entry) { return entry.first; });
      return invalid_argument(concat("tensor ", quoted(least->first), " is in ", source.path, " and not in ", first.path));
    }
  }
  return out;
}

Result<Tensor> AverageReader::read(size_t i) const {
  const DType dtype = tensors()[i].dtype;
  const size_t last = sources_.size() - 1;
  if (!is_averaged(dtype) || last == 0) return sources_[last].reader->read(positions_[last][i]);
  std::vector<DenseTensor> parts;
  std::vector<double> weights;
  double total = 0;
  for (size_t s = 0; s < sources_.size(); ++s) {
    auto tensor = sources_[s].reader->read(positions_[s][i]);
    if (!tensor.ok()) return tensor.status().with_context(sources_[s].path);
    parts.push_back(std::get<DenseTensor>(*std::move(tensor)));
    weights.push_back(sources_[s].weight);
    total += sources_[s].weight;
  }
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::allocate(parts[0].buffer().size()));
  const int64_t count = parts[0].num_elements(), blocks = (count + kBlock - 1) / kBlock;
  std::mutex mutex;
  Status failed;
  parallel_for(pool_, blocks, 8, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      const int64_t at = block * kBlock, size = std::min(kBlock, count - at);
      const Status status = dtype_class(dtype) == DTypeClass::kComplex
                                ? average_block<std::complex<double>>(parts, weights, total, at, size, out.data())
                                : average_block<double>(parts, weights, total, at, size, out.data());
      const size_t width = dtype_size(dtype);
      for (const DenseTensor& part : parts)
        part.buffer().slice(static_cast<size_t>(at) * width, static_cast<size_t>(size) * width).drop_pages();
      if (status.ok()) continue;
      const std::scoped_lock lock(mutex);
      failed = status;
    }
  });
  FERRY_RETURN_IF_ERROR(failed);
  FERRY_ASSIGN_OR_RETURN(DenseTensor mean, DenseTensor::make(dtype, parts[0].shape(), std::move(out).freeze()));
  return Tensor(std::move(mean));
}

}  // namespace ferry
