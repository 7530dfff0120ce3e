// The elements of a dense tensor that are not zero: mark them, count the marks, then write into buffers of just that size.
#include <algorithm>
#include <limits>
#include <vector>

#include "ferry/checked.h"
#include "ferry/sparse.h"
#include "tensor/entries.h"
#include "tensor/nonzero.h"

namespace ferry {
namespace {

constexpr int64_t kBlock = 1 << 16;  // elements a block: their marks and entries stay in the cache between the kernels

// The bits of an element that tell it from zero: not the sign of a float, not the unused half of a small number.
uint64_t relevant_bits(DType dtype) {
  return visit_dtype(dtype, []<class T>(TypeTag<T>) -> uint64_t {
    if constexpr (is_small_float_v<T>) {
      if constexpr (std::is_same_v<T, BFloat16>) {
        return 0x7fff;
      } else if constexpr (T::traits.unsigned_zero) {
        return 0xff;  // the pattern of -0 is a NaN
      } else {
        return (uint64_t{1} << (T::traits.exponent + T::traits.mantissa)) - 1;
      }
    } else if constexpr (is_small_int_v<T>) {
      return sizeof(T) == 1 && (std::is_same_v<T, Int4> || std::is_same_v<T, UInt4>) ? 0x0f : 0x03;
    } else if constexpr (std::is_same_v<T, std::complex<float>>) {
      return 0x7fffffff'7fffffff;
    } else if constexpr (std::is_same_v<T, float>) {
      return 0x7fffffff;
    } else if constexpr (std::is_same_v<T, double> || std::is_same_v<T, std::complex<double>>) {
      return 0x7fffffff'ffffffff;
    } else {
      return ~uint64_t{0};
    }
  });
}

// Every second bit of the pairs (0, 1), (2, 3) … or-ed together.
uint64_t squeeze_pairs(uint64_t word) {
  word = (word | word >> 1) & 0x5555555555555555;
  word = (word | word >> 1) & 0x3333333333333333;
  word = (word | word >> 2) & 0x0f0f0f0f0f0f0f0f;
  word = (word | word >> 4) & 0x00ff00ff00ff00ff;
  word = (word | word >> 8) & 0x0000ffff0000ffff;
  return (word | word >> 16) & 0x00000000ffffffff;
}

int64_t mark_complex128(const std::byte* from, uint64_t relevant, int64_t count, uint64_t* words) {
  int64_t total = 0;
  for (int64_t i = 0; i < count; i += 64) {
    uint64_t halves[2] = {};
    nonzero::mark(from + 16 * i, 8, relevant, 2 * std::min<int64_t>(64, count - i), halves);
    words[i / 64] = squeeze_pairs(halves[0]) | squeeze_pairs(halves[1]) << 32;
    total += __builtin_popcountll(words[i / 64]);
  }
  return total;
}

struct Marks {
  int64_t elements = 0;
  MutableBuffer words;               // one bit an element
  std::vector<int64_t> block_start;  // entries before each block; the total closes the list
  int64_t total() const { return block_start.back(); }
};

// mark_block(first element, elements, words) → marks.
template <class MarkBlock>
Result<Marks> mark_all(int64_t count, ThreadPool* pool, MarkBlock mark_block) {
  const int64_t blocks = count / kBlock + (count % kBlock != 0);
  Marks marks;
  marks.elements = count;
  FERRY_ASSIGN_OR_RETURN(marks.words, MutableBuffer::of<uint64_t>(static_cast<size_t>(count / 64 + (count % 64 != 0))));
  marks.block_start.assign(static_cast<size_t>(blocks) + 1, 0);
  uint64_t* words = reinterpret_cast<uint64_t*>(marks.words.data());
  parallel_for(pool, blocks, 4, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      marks.block_start[static_cast<size_t>(b) + 1] =
          mark_block(b * kBlock, std::min(kBlock, count - b * kBlock), words + b * (kBlock / 64));
    }
  });
  for (size_t b = 0; b < static_cast<size_t>(blocks); ++b) marks.block_start[b + 1] += marks.block_start[b];
  return marks;
}

// Calls write(marked, first entry) for each block.
template <class Write>
void each_block(const Marks& marks, ThreadPool* pool, Write write) {
  const auto* words = reinterpret_cast<const uint64_t*>(marks.words.data());
  const size_t word_count = marks.words.size() / 8, block_words = kBlock / 64;
  parallel_for(pool, static_cast<int64_t>(marks.block_start.size()) - 1, 4, [&](int64_t begin, int64_t end) {
    for (auto b = static_cast<size_t>(begin); b < static_cast<size_t>(end); ++b) {
      const size_t word = b * block_words;
      const int64_t first = static_cast<int64_t>(b) * kBlock;
      write(nonzero::Marked{{words + word, std::min(block_words, word_count - word)},
                            first,
                            std::min(kBlock, marks.elements - first),
                            marks.block_start[b + 1] - marks.block_start[b]},
            marks.block_start[b]);
    }
  });
}

// What the blocks write of the values: fixed-size ones as they go, strings afterwards by position.
struct Values {
  const void* elements = nullptr;
  size_t width = 0;
  MutableBuffer out;
  void write(const nonzero::Marked& marked, int64_t at) {
    if (width != 0 && marked.count != 0) nonzero::pick(marked, elements, width, out.data() + static_cast<size_t>(at) * width);
  }
};

Result<DenseTensor> string_values(const DenseTensor& flat, const Marks& marks) {
  FERRY_ASSIGN_OR_RETURN(MutableBuffer positions, MutableBuffer::of<int64_t>(static_cast<size_t>(marks.total())));
  const int64_t count[] = {flat.num_elements()};
  each_block(marks, nullptr, [&](const nonzero::Marked& marked, int64_t at) {
    nonzero::write_coordinates(marked, count, positions.as<int64_t>().data() + at);
  });
  return gather_values(flat, std::span<const int64_t>(positions.as<int64_t>()));
}

struct Source {
  DType dtype;
  Shape shape;
  const void* elements;     // fixed-size ones
  const DenseTensor* flat;  // strings
  size_t width() const { return dtype_size(dtype); }
};

Result<DenseTensor> finish_values(const Source& source, const Marks& marks, Values values) {
  if (source.flat != nullptr) return string_values(*source.flat, marks);
  return DenseTensor::make(source.dtype, Shape{marks.total()}, std::move(values.out).freeze());
}

Result<SparseTensor> write_coo(const Source& source, const Marks& marks, ThreadPool* pool) {
  const size_t rank = source.shape.rank();
  const auto total = static_cast<size_t>(marks.total());
  Values values{source.elements, source.width(), {}};
  FERRY_ASSIGN_OR_RETURN(values.out, MutableBuffer::allocate(total * source.width()));
  FERRY_ASSIGN_OR_RETURN(const size_t cells, [&]() -> Result<size_t> {
    const auto product = checked_mul<size_t>(total, rank);
    return product ? Result<size_t>(*product) : limit_exceeded("more coordinates than memory can hold");
  }());
  FERRY_ASSIGN_OR_RETURN(MutableBuffer indices, MutableBuffer::of<int64_t>(cells));
  auto* at = reinterpret_cast<int64_t*>(indices.data());
  each_block(marks, pool, [&](const nonzero::Marked& marked, int64_t first) {
    if (marked.count == 0) return;
    nonzero::write_coordinates(marked, source.shape.dims(), at + static_cast<size_t>(first) * rank);
    values.write(marked, first);
  });
  FERRY_ASSIGN_OR_RETURN(DenseTensor coordinates,
                         DenseTensor::make(DType::int64, Shape{marks.total(), static_cast<int64_t>(rank)}, std::move(indices).freeze()));
  FERRY_ASSIGN_OR_RETURN(DenseTensor picked, finish_values(source, marks, std::move(values)));
  return SparseTensor::coo(source.shape, std::move(coordinates), std::move(picked), {true, true});
}

template <class Index>
Result<SparseTensor> write_csr(const Source& source, const Marks& marks, ThreadPool* pool) {
  const int64_t rows = source.shape[0], width = source.shape[1];
  const auto total = static_cast<size_t>(marks.total());
  if (rows == std::numeric_limits<int64_t>::max()) return limit_exceeded("2^63 row pointers do not fit memory; keep COO");
  FERRY_ASSIGN_OR_RETURN(MutableBuffer pointers, MutableBuffer::of<Index>(static_cast<size_t>(rows) + 1));
  FERRY_ASSIGN_OR_RETURN(MutableBuffer columns, MutableBuffer::of<Index>(total));
  Values values{source.elements, source.width(), {}};
  FERRY_ASSIGN_OR_RETURN(values.out, MutableBuffer::allocate(total * source.width()));
  auto* row_ends = reinterpret_cast<Index*>(pointers.data()) + 1;
  auto* minors = reinterpret_cast<Index*>(columns.data());
  row_ends[-1] = 0;
  if (width == 0) std::fill(row_ends, row_ends + rows, Index{0});
  each_block(marks, pool, [&](const nonzero::Marked& marked, int64_t first) {
    nonzero::write_columns(marked, width, first, minors + first, row_ends);
    values.write(marked, first);
  });
  FERRY_ASSIGN_OR_RETURN(DenseTensor indptr, to_vector<Index>(std::move(pointers)));
  FERRY_ASSIGN_OR_RETURN(DenseTensor indices, to_vector<Index>(std::move(columns)));
  FERRY_ASSIGN_OR_RETURN(DenseTensor picked, finish_values(source, marks, std::move(values)));
  return SparseTensor::csr(source.shape, std::move(indptr), std::move(indices), std::move(picked), {true, true});
}

Result<SparseTensor> write(const Source& source, const Marks& marks, Layout layout, ThreadPool* pool) {
  if (layout == Layout::coo) return write_coo(source, marks, pool);
  constexpr int64_t kMax32 = std::numeric_limits<int32_t>::max();
  const bool narrow = marks.total() <= kMax32 && source.shape[0] <= kMax32 && source.shape[1] <= kMax32;
  FERRY_ASSIGN_OR_RETURN(SparseTensor csr, narrow ? write_csr<int32_t>(source, marks, pool) : write_csr<int64_t>(source, marks, pool));
  return to_layout(csr, layout, std::nullopt, pool);
}

Status check_layout(const Shape& shape, Layout layout) {
  if (layout == Layout::coo || shape.rank() == 2) return {};
  return invalid_argument(
      concat(layout_name(layout), " has two axes, shape ", shape.to_string(), " has ", shape.rank(), "; reshape it or make COO"));
}

}  // namespace

Result<SparseTensor> from_dense(DenseView dense, Layout layout, ThreadPool* pool) {
  if (!is_fixed_size(dense.dtype)) return unsupported(concat("a view cannot hold elements of dtype ", dtype_name(dense.dtype)));
  FERRY_ASSIGN_OR_RETURN(Shape shape, Shape::checked(dense.shape));
  FERRY_RETURN_IF_ERROR(check_layout(shape, layout));
  const size_t width = dtype_size(dense.dtype);
  const int64_t count = *shape.num_elements();
  if (!checked_mul<int64_t>(count, static_cast<int64_t>(width))) {
    return limit_exceeded(concat("shape ", shape.to_string(), " of ", dtype_name(dense.dtype), " is larger than the address space"));
  }
  const uint64_t relevant = relevant_bits(dense.dtype);
  const auto* from = static_cast<const std::byte*>(dense.data);
  FERRY_ASSIGN_OR_RETURN(const Marks marks, mark_all(count, pool, [&](int64_t first, int64_t elements, uint64_t* words) {
                           const std::byte* block = from + static_cast<size_t>(first) * width;
                           return width == 16 ? mark_complex128(block, relevant, elements, words)
                                              : nonzero::mark(block, width, relevant, elements, words);
                         }));
  return write({dense.dtype, std::move(shape), dense.data, nullptr}, marks, layout, pool);
}

Result<SparseTensor> from_dense(const DenseTensor& dense, Layout layout, ThreadPool* pool) {
  if (!dense.is_string()) return from_dense(dense.view(), layout, pool);
  FERRY_RETURN_IF_ERROR(check_layout(dense.shape(), layout));
  FERRY_ASSIGN_OR_RETURN(const DenseTensor flat, dense.reshaped(Shape{dense.num_elements()}));
  const int64_t* offsets = flat.strings().offsets();
  FERRY_ASSIGN_OR_RETURN(const Marks marks, mark_all(flat.num_elements(), pool, [&](int64_t first, int64_t elements, uint64_t* words) {
                           int64_t total = 0;
                           for (int64_t i = 0; i < elements; ++i) {
                             if (i % 64 == 0) words[i / 64] = 0;
                             const bool full = offsets[first + i] != offsets[first + i + 1];
                             words[i / 64] |= uint64_t{full} << (i % 64);
                             total += full;
                           }
                           return total;
                         }));
  return write({dense.dtype(), dense.shape(), nullptr, &flat}, marks, layout, pool);
}

}  // namespace ferry
