#include "tensor/elements.h"

#include <cstring>

#include "ferry/checked.h"

namespace ferry::elements {
namespace {

constexpr int64_t kGrain = 1 << 15;  // elements a thread should have before it is worth waking

int64_t row_length(const DenseTensor& x) { return x.shape()[0] == 0 ? 0 : x.num_elements() / x.shape()[0]; }

Shape with_rows(const DenseTensor& x, int64_t rows) {
  Shape shape = x.shape();
  shape[0] = rows;
  return shape;
}

// Elements are strings: each run of the arena is one copy.
Result<DenseTensor> take_string_runs(const DenseTensor& x, std::span<const Run> runs, int64_t total) {
  const StringsView strings = x.strings();
  const int64_t row = row_length(x);
  const auto count = checked_mul(total, row);
  if (!count) return limit_exceeded(concat(total, " rows of ", row, " strings are more than 63 bits can count"));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer offsets, MutableBuffer::of<int64_t>(static_cast<size_t>(*count) + 1));
  int64_t* to = offsets.as<int64_t>().data();
  int64_t bytes = 0;
  *to++ = 0;
  for (const Run& run : runs) {
    const int64_t* from = strings.offsets() + run.begin * row;
    const int64_t length = run.count * row;
    for (int64_t i = 0; i < length; ++i) *to++ = bytes + (from[i + 1] - from[0]);
    if (__builtin_add_overflow(bytes, from[length] - from[0], &bytes)) {
      return limit_exceeded("the strings taken have more bytes than 63 bits can count");
    }
  }
  FERRY_ASSIGN_OR_RETURN(MutableBuffer heap, MutableBuffer::allocate(static_cast<size_t>(bytes)));
  std::byte* at = heap.data();
  for (const Run& run : runs) {
    const int64_t* from = strings.offsets() + run.begin * row;
    const auto size = static_cast<size_t>(from[run.count * row] - from[0]);
    if (size > 0) std::memcpy(at, strings.bytes() + from[0], size);
    at += size;
  }
  return DenseTensor::make_strings(with_rows(x, total), std::move(offsets).freeze(), std::move(heap).freeze());
}

Result<DenseTensor> take_strings(const DenseTensor& x, std::span<const int64_t> positions) {
  const StringsView strings = x.strings();
  if (x.shape().rank() != 1) {
    std::vector<Run> runs;
    runs.reserve(positions.size());
    for (int64_t position : positions) runs.push_back({position, 1, static_cast<int64_t>(runs.size())});
    return take_string_runs(x, runs, static_cast<int64_t>(runs.size()));
  }
  FERRY_ASSIGN_OR_RETURN(MutableBuffer offsets, MutableBuffer::of<int64_t>(positions.size() + 1));
  int64_t* to = offsets.as<int64_t>().data();
  int64_t bytes = 0;
  *to++ = 0;
  for (int64_t position : positions) {
    if (__builtin_add_overflow(bytes, static_cast<int64_t>(strings[position].size()), &bytes)) {
      return limit_exceeded("the strings taken have more bytes than 63 bits can count");
    }
    *to++ = bytes;
  }
  FERRY_ASSIGN_OR_RETURN(MutableBuffer heap, MutableBuffer::allocate(static_cast<size_t>(bytes)));
  std::byte* at = heap.data();
  for (int64_t position : positions) {
    const std::string_view text = strings[position];
    if (!text.empty()) std::memcpy(at, text.data(), text.size());
    at += text.size();
  }
  return DenseTensor::make_strings(with_rows(x, static_cast<int64_t>(positions.size())), std::move(offsets).freeze(),
                                   std::move(heap).freeze());
}

// Room for `rows` rows shaped as those of x.
Result<MutableBuffer> room(const DenseTensor& x, int64_t rows) {
  const size_t row_bytes = static_cast<size_t>(row_length(x)) * dtype_size(x.dtype());
  const auto bytes = checked_mul(static_cast<size_t>(rows), row_bytes);
  if (!bytes) return limit_exceeded(concat(rows, " rows of ", row_bytes, " bytes are more than the address space holds"));
  return MutableBuffer::allocate(*bytes);
}

}  // namespace

Result<DenseTensor> take(const DenseTensor& x, std::span<const int64_t> positions, ThreadPool* pool) {
  if (x.is_string()) return take_strings(x, positions);
  const auto rows = static_cast<int64_t>(positions.size());
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, room(x, rows));
  const int64_t row = row_length(x);
  if (row == 1) {
    visit_width(dtype_size(x.dtype()), [&]<class T>(TypeTag<T>) {
      const T* from = static_cast<const T*>(x.raw());
      T* to = reinterpret_cast<T*>(out.data());
      parallel_for(pool, rows, kGrain, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) to[i] = from[positions[static_cast<size_t>(i)]];
      });
    });
  } else if (row > 0) {
    const size_t size = static_cast<size_t>(row) * dtype_size(x.dtype());
    const auto* from = static_cast<const std::byte*>(x.raw());
    parallel_for(pool, rows, 1 + kGrain / row, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        std::memcpy(out.data() + static_cast<size_t>(i) * size, from + static_cast<size_t>(positions[static_cast<size_t>(i)]) * size, size);
      }
    });
  }
  return DenseTensor::make(x.dtype(), with_rows(x, rows), std::move(out).freeze());
}

Result<DenseTensor> take_runs(const DenseTensor& x, std::span<const Run> runs, int64_t total, ThreadPool* pool) {
  if (x.is_string()) return take_string_runs(x, runs, total);
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, room(x, total));
  const size_t size = static_cast<size_t>(row_length(x)) * dtype_size(x.dtype());
  const auto* from = static_cast<const std::byte*>(x.raw());
  const auto count = static_cast<int64_t>(runs.size());
  const int64_t grain = 1 + kGrain * count / (total + 1);
  parallel_for(pool, count, grain, [&](int64_t begin, int64_t end) {
    for (const Run& run : runs.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin))) {
      const size_t bytes = static_cast<size_t>(run.count) * size;
      if (bytes > 0) std::memcpy(out.data() + static_cast<size_t>(run.out) * size, from + static_cast<size_t>(run.begin) * size, bytes);
    }
  });
  return DenseTensor::make(x.dtype(), with_rows(x, total), std::move(out).freeze());
}

Result<DenseTensor> join(std::span<const DenseTensor> parts) {
  FERRY_ASSERT(!parts.empty());
  if (parts.size() == 1) return parts[0];
  int64_t rows = 0, strings = 0;
  size_t bytes = 0;
  for (const DenseTensor& part : parts) {
    const size_t size = part.is_string() ? static_cast<size_t>(part.strings().total_bytes()) : part.buffer().size();
    if (__builtin_add_overflow(rows, part.shape()[0], &rows) || __builtin_add_overflow(bytes, size, &bytes) ||
        __builtin_add_overflow(strings, part.num_elements(), &strings)) {
      return limit_exceeded("the parts together have more elements than 63 bits can count");
    }
  }
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::allocate(bytes));
  std::byte* at = out.data();
  if (!parts[0].is_string()) {
    for (const DenseTensor& part : parts) {
      if (!part.buffer().empty()) std::memcpy(at, part.raw(), part.buffer().size());
      at += part.buffer().size();
    }
    return DenseTensor::make(parts[0].dtype(), with_rows(parts[0], rows), std::move(out).freeze());
  }
  FERRY_ASSIGN_OR_RETURN(MutableBuffer offsets, MutableBuffer::of<int64_t>(static_cast<size_t>(strings) + 1));
  int64_t* to = offsets.as<int64_t>().data();
  *to++ = 0;
  int64_t base = 0;
  for (const DenseTensor& part : parts) {
    const StringsView view = part.strings();
    const int64_t first = view.offsets()[0], size = view.total_bytes();
    for (int64_t i = 1; i <= view.size(); ++i) *to++ = base + (view.offsets()[i] - first);
    if (size > 0) std::memcpy(at, view.bytes() + first, static_cast<size_t>(size));
    at += size;
    base += size;
  }
  return DenseTensor::make_strings(with_rows(parts[0], rows), std::move(offsets).freeze(), std::move(out).freeze());
}

}  // namespace ferry::elements
