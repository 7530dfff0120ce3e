// Row-major order. One look decides whether there is anything to do; then coordinates become numbers of as few bits as
// their largest values need, with the entry's number below them where there is room, and those are sorted.
#include <algorithm>
#include <array>
#include <bit>
#include <tuple>
#include <utility>
#include <vector>

#include "ferry/sparse.h"
#include "tensor/entries.h"
#include "tensor/radix.h"

namespace ferry {
namespace {

// How many bits each axis needs, and where they stand in a key that sorts row-major.
struct KeyLayout {
  static constexpr size_t kAxes = 16;
  std::array<int, kAxes> bits{}, shift{};
  int total = 0;
  bool negative = false;  // indices that should not be
};

KeyLayout find_key_layout(const SparseTensor& x) {
  KeyLayout key;
  const size_t rank = x.rank();
  std::array<uint64_t, KeyLayout::kAxes> any{};
  const int64_t* at = x.coordinates();
  if (rank == 2) {
    uint64_t rows = 0, columns = 0;
    for (int64_t i = 0; i < x.nnz(); ++i) {
      rows |= static_cast<uint64_t>(at[2 * i]);
      columns |= static_cast<uint64_t>(at[2 * i + 1]);
    }
    any[0] = rows;
    any[1] = columns;
  } else {
    for (int64_t i = 0; i < x.nnz(); ++i, at += rank) {
      for (size_t axis = 0; axis < rank; ++axis) any[axis] |= static_cast<uint64_t>(at[axis]);
    }
  }
  for (size_t axis = rank; axis-- > 0;) {
    key.bits[axis] = static_cast<int>(std::bit_width(any[axis]));
    key.negative |= key.bits[axis] == 64;
    key.shift[axis] = key.total;
    key.total += key.bits[axis];
  }
  return key;
}

// Key and entry number in one word each. `words` becomes key << position_bits | position.
void build_words(const SparseTensor& x, const KeyLayout& key, int position_bits, uint64_t* words, ThreadPool* pool) {
  const size_t rank = x.rank();
  const int64_t* coordinates = x.coordinates();
  parallel_for(pool, x.nnz(), kGrain, [&](int64_t begin, int64_t end) {
    if (rank == 2) {
      const int row_shift = std::min(63, key.shift[0] + position_bits);  // 64 only where all rows are 0
      for (int64_t i = begin; i < end; ++i) {
        words[i] = static_cast<uint64_t>(coordinates[2 * i]) << row_shift | static_cast<uint64_t>(coordinates[2 * i + 1]) << position_bits |
                   static_cast<uint64_t>(i);
      }
      return;
    }
    const int64_t* at = coordinates + static_cast<size_t>(begin) * rank;
    for (int64_t i = begin; i < end; ++i, at += rank) {
      uint64_t word = 0;
      for (size_t axis = 0; axis < rank; ++axis) word = word << key.bits[axis] | static_cast<uint64_t>(at[axis]);
      words[i] = word << position_bits | static_cast<uint64_t>(i);
    }
  });
}

// Writes the coordinates of `count` keys, place(i) being the i-th. The words behind them may lie at the end of `out`
// itself: the rows written never catch up with the words not yet read. Returns whether a key repeats its predecessor.
template <class Place>
bool decode_coordinates(Place place, int64_t count, const KeyLayout& key, size_t rank, int64_t* out) {
  bool repeats = false;
  uint64_t previous = ~place(0);
  if (rank == 2) {
    const int row_shift = key.shift[0];
    const uint64_t columns = (uint64_t{1} << row_shift) - 1;
    for (int64_t i = 0; i < count; ++i) {
      const uint64_t at = place(i);
      repeats |= at == previous;
      previous = at;
      out[2 * i] = key.bits[0] == 0 ? 0 : static_cast<int64_t>(at >> row_shift);
      out[2 * i + 1] = static_cast<int64_t>(at & columns);
    }
    return repeats;
  }
  for (int64_t i = 0; i < count; ++i) {
    const uint64_t at = place(i);
    repeats |= at == previous;
    previous = at;
    for (size_t axis = 0; axis < rank; ++axis) {
      const uint64_t mask = (uint64_t{1} << key.bits[axis]) - 1;
      out[static_cast<size_t>(i) * rank + axis] = mask == 0 ? 0 : static_cast<int64_t>((at >> key.shift[axis]) & mask);
    }
  }
  return repeats;
}

// values[word & mask], before the words are overwritten.
Result<DenseTensor> gather_by_words(const DenseTensor& values, const uint64_t* words, int64_t count, uint64_t mask, ThreadPool* pool) {
  if (values.is_string()) {
    std::vector<int64_t> positions(static_cast<size_t>(count));
    for (size_t i = 0; i < positions.size(); ++i) positions[i] = static_cast<int64_t>(words[i] & mask);
    return gather_values(values, std::span<const int64_t>(positions), pool);
  }
  const size_t size = dtype_size(values.dtype());
  FERRY_ASSIGN_OR_RETURN(MutableBuffer out, MutableBuffer::allocate(static_cast<size_t>(count) * size));
  visit_width(size, [&]<class T>(TypeTag<T>) {
    const T* from = static_cast<const T*>(values.raw());
    T* to = reinterpret_cast<T*>(out.data());
    parallel_for(pool, count, kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) to[i] = from[words[i] & mask];
    });
  });
  return DenseTensor::make(values.dtype(), Shape{count}, std::move(out).freeze());
}

Result<SparseTensor> sort_packed(const SparseTensor& x, const KeyLayout& key, int position_bits, ThreadPool* pool) {
  const int64_t count = x.nnz();
  const size_t rank = x.rank(), cells = static_cast<size_t>(count) * rank;
  // The two arrays of words live in the memory of the result where it is large enough (rank 2 and up).
  FERRY_ASSIGN_OR_RETURN(MutableBuffer indices, MutableBuffer::of<int64_t>(std::max(cells, 2 * static_cast<size_t>(count))));
  auto* words = reinterpret_cast<uint64_t*>(indices.data());
  uint64_t* sorted = words + std::max(cells, 2 * static_cast<size_t>(count)) - count;
  if (rank == 1) std::swap(words, sorted);
  build_words(x, key, position_bits, words, pool);
  radix_sort(words, sorted, count, position_bits, key.total, pool);
  const uint64_t mask = (uint64_t{1} << position_bits) - 1;
  FERRY_ASSIGN_OR_RETURN(DenseTensor values, gather_by_words(x.values(), sorted, count, mask, pool));
  const bool repeats = decode_coordinates([=](int64_t i) { return sorted[i] >> position_bits; }, count, key, rank,
                                          reinterpret_cast<int64_t*>(indices.data()));
  indices.truncate(cells * sizeof(int64_t));
  FERRY_ASSIGN_OR_RETURN(DenseTensor coordinates,
                         DenseTensor::make(DType::int64, Shape{count, static_cast<int64_t>(rank)}, std::move(indices).freeze()));
  return SparseTensor::coo(x.shape(), std::move(coordinates), std::move(values), {true, !repeats});
}

// Keys of up to 64 bits beside their entry numbers.
Result<SparseTensor> sort_keyed(const SparseTensor& x, const KeyLayout& key, ThreadPool* pool) {
  const int64_t count = x.nnz();
  const size_t rank = x.rank();
  FERRY_ASSIGN_OR_RETURN(MutableBuffer first, MutableBuffer::of<KeyedPosition>(static_cast<size_t>(count)));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer second, MutableBuffer::of<KeyedPosition>(static_cast<size_t>(count)));
  auto* words = reinterpret_cast<KeyedPosition*>(first.data());
  auto* sorted = reinterpret_cast<KeyedPosition*>(second.data());
  const int64_t* at = x.coordinates();
  for (int64_t i = 0; i < count; ++i, at += rank) {
    uint64_t word = 0;
    for (size_t axis = 0; axis < rank; ++axis) word = word << key.bits[axis] | static_cast<uint64_t>(at[axis]);
    words[i] = {word, i};
  }
  radix_sort(words, sorted, count, 0, key.total, pool);
  auto* positions = reinterpret_cast<int64_t*>(first.data());
  for (int64_t i = 0; i < count; ++i) positions[i] = sorted[i].position;
  FERRY_ASSIGN_OR_RETURN(DenseTensor values,
                         gather_values(x.values(), std::span<const int64_t>(positions, static_cast<size_t>(count)), pool));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer indices, MutableBuffer::of<int64_t>(static_cast<size_t>(count) * rank));
  const bool repeats =
      decode_coordinates([=](int64_t i) { return sorted[i].key; }, count, key, rank, reinterpret_cast<int64_t*>(indices.data()));
  FERRY_ASSIGN_OR_RETURN(DenseTensor coordinates,
                         DenseTensor::make(DType::int64, Shape{count, static_cast<int64_t>(rank)}, std::move(indices).freeze()));
  return SparseTensor::coo(x.shape(), std::move(coordinates), std::move(values), {true, !repeats});
}

// For shapes whose coordinates do not fit a machine word: compare the rows themselves.
Result<MutableBuffer> positions_by_comparing(const SparseTensor& x) {
  FERRY_ASSIGN_OR_RETURN(MutableBuffer buffer, MutableBuffer::of<int64_t>(static_cast<size_t>(x.nnz())));
  const auto order = buffer.as<int64_t>();
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
  const size_t rank = x.rank();
  const int64_t* rows = x.coordinates();
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    const int64_t* p = rows + rank * static_cast<size_t>(a);
    const int64_t* q = rows + rank * static_cast<size_t>(b);
    return std::lexicographical_compare(p, p + rank, q, q + rank);
  });
  return buffer;
}

Result<SparseTensor> sort_coo(const SparseTensor& x, ThreadPool* pool) {
  if (x.rank() <= KeyLayout::kAxes) {
    const KeyLayout key = find_key_layout(x);
    const auto position_bits = static_cast<int>(std::bit_width(static_cast<uint64_t>(x.nnz() - 1)));
    if (!key.negative && key.total + position_bits <= 64) return sort_packed(x, key, position_bits, pool);
    if (!key.negative && key.total <= 64) return sort_keyed(x, key, pool);
  }
  FERRY_ASSIGN_OR_RETURN(MutableBuffer order, positions_by_comparing(x));
  const std::span<const int64_t> positions = order.as<int64_t>();
  FERRY_ASSIGN_OR_RETURN(DenseTensor indices, gather_coordinates(x.coordinates(), x.rank(), positions, pool));
  FERRY_ASSIGN_OR_RETURN(DenseTensor values, gather_values(x.values(), positions, pool));
  return SparseTensor::coo(x.shape(), std::move(indices), std::move(values), {true, x.order().unique});
}

template <class Index>
Result<SparseTensor> sort_compressed(const SparseTensor& x, ThreadPool* pool) {
  const auto indptr = x.indptr().values<Index>();
  const auto from = x.indices().values<Index>();
  FERRY_ASSIGN_OR_RETURN(MutableBuffer position_buffer, MutableBuffer::of<int64_t>(from.size()));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer index_buffer, MutableBuffer::of<Index>(from.size()));
  const auto positions = position_buffer.as<int64_t>();
  const auto to = index_buffer.as<Index>();
  const auto rows = static_cast<int64_t>(indptr.size()) - 1;
  parallel_for(pool, rows, 1024, [&](int64_t begin, int64_t end) {
    std::vector<std::pair<Index, int64_t>> row;  // pairs compare by entry number next, which keeps them stable
    for (auto r = static_cast<size_t>(begin); r < static_cast<size_t>(end); ++r) {
      const auto first = static_cast<size_t>(indptr[r]), last = static_cast<size_t>(indptr[r + 1]);
      row.clear();
      for (size_t i = first; i < last; ++i) row.emplace_back(from[i], static_cast<int64_t>(i));
      if (!std::is_sorted(row.begin(), row.end())) std::sort(row.begin(), row.end());
      for (size_t i = first; i < last; ++i) std::tie(to[i], positions[i]) = row[i - first];
    }
  });
  FERRY_ASSIGN_OR_RETURN(DenseTensor indices, to_vector<Index>(std::move(index_buffer)));
  FERRY_ASSIGN_OR_RETURN(DenseTensor values, gather_values(x.values(), std::span<const int64_t>(positions), pool));
  return SparseTensor::compressed(x.layout(), x.shape(), x.indptr(), std::move(indices), std::move(values), {true, x.order().unique});
}

}  // namespace

Result<SparseTensor> sort(const SparseTensor& x, ThreadPool* pool) {
  const Order order = x.order().sorted ? x.order() : find_order(x, pool);
  if (order.sorted) return x.with_order(order);
  if (x.layout() == Layout::coo) return sort_coo(x, pool);
  return x.index_dtype() == DType::int32 ? sort_compressed<int32_t>(x, pool) : sort_compressed<int64_t>(x, pool);
}

}  // namespace ferry
