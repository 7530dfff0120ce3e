#include "tensor/nonzero.h"

#include <algorithm>
#include <cstring>

#include "ferry/dtype.h"
#include "ferry/shape.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/nonzero.cc"
#include "hwy/foreach_target.h"  // must come before highway.h
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace ferry::nonzero {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Where fewer words than one in kRare have a mark, empty ones are skipped; else the branch is a coin toss that costs
// more than going through four marks that are not there.
constexpr int64_t kRare = 8;
HWY_INLINE bool IsRare(const Marked& marked) { return marked.count * kRare < static_cast<int64_t>(marked.words.size()); }

// From so many marks in a word of 64 on, whole vectors are compressed; below, bits are taken one by one.
constexpr int kDense = HWY_TARGET == HWY_SCALAR ? 65 : 14;

template <class T>
int64_t MarkWords(const T* HWY_RESTRICT from, T relevant, int64_t words, uint64_t* HWY_RESTRICT out) {
  const hn::CappedTag<T, 64> d;
  const size_t lanes = hn::Lanes(d);
  const auto mask = hn::Set(d, relevant);
  const auto zero = hn::Zero(d);
  int64_t total = 0;
  for (int64_t w = 0; w < words; ++w, from += 64) {
    if (lanes >= 8) {
      auto* bytes = reinterpret_cast<uint8_t*>(out + w);
      for (size_t k = 0; k < 64; k += lanes) {
        hn::StoreMaskBits(d, hn::Ne(hn::And(hn::LoadU(d, from + k), mask), zero), bytes + k / 8);
      }
    } else {
      uint64_t word = 0;
      for (size_t k = 0; k < 64; k += lanes) {
        uint8_t bits[8];
        hn::StoreMaskBits(d, hn::Ne(hn::And(hn::LoadU(d, from + k), mask), zero), bits);
        word |= uint64_t{bits[0]} << k;
      }
      out[w] = word;
    }
  }
  for (int64_t w = 0; w < words; ++w) total += __builtin_popcountll(out[w]);
  return total;
}

int64_t Mark(const void* elements, size_t width, uint64_t relevant, int64_t words, uint64_t* out) {
  switch (width) {
    case 1: return MarkWords(static_cast<const uint8_t*>(elements), static_cast<uint8_t>(relevant), words, out);
    case 2: return MarkWords(static_cast<const uint16_t*>(elements), static_cast<uint16_t>(relevant), words, out);
    case 4: return MarkWords(static_cast<const uint32_t*>(elements), static_cast<uint32_t>(relevant), words, out);
    default: return MarkWords(static_cast<const uint64_t*>(elements), relevant, words, out);
  }
}

// Calls store(place, bit) for each bit of a word, place counting from 0, and returns how many there are. Where the
// output has room, in groups of four without asking how many are left: the stray ones give bit 63 and are overwritten
// or lie in the room. room 0 asks for no stray ones.
template <class Store>
HWY_INLINE int64_t EachBit(uint64_t word, int64_t room, Store store) {
  const int64_t marks = __builtin_popcountll(word);
  int64_t at = 0;
  if (room >= marks + 4) {
    do {
      for (int64_t k = 0; k < 4; ++k) {
        store(at + k, static_cast<int64_t>(__builtin_ctzll(word | (uint64_t{1} << 63))));
        word &= word - 1;
      }
      at += 4;
    } while (at < marks);
    return marks;
  }
  for (; word != 0; word &= word - 1) store(at++, static_cast<int64_t>(__builtin_ctzll(word)));
  return marks;
}

// Lanes k .. k + Lanes of a word as a mask.
template <class D>
HWY_INLINE hn::Mask<D> MaskOf(D d, uint64_t word, size_t k) {
  const uint64_t part = word >> k;
  return hn::LoadMaskBits(d, reinterpret_cast<const uint8_t*>(&part));
}

template <class D>
HWY_INLINE int64_t MarksIn(D d, uint64_t word, size_t k) {
  const size_t lanes = hn::Lanes(d);
  const uint64_t part = (word >> k) & (lanes >= 64 ? ~uint64_t{0} : (uint64_t{1} << lanes) - 1);
  return __builtin_popcountll(part);
}

// Compress in the register, by the machine's own instruction: compressing straight to memory is microcode on some, and
// where Highway goes by tables (8-byte and 2-byte lanes here) taking the bits one by one is faster.
#if HWY_TARGET <= HWY_AVX3 && HWY_TARGET >= HWY_AVX3_DL
template <class T>
constexpr bool kCompresses = sizeof(T) == 4 || sizeof(T) == 8;
template <class D, class V>
HWY_INLINE V CompressBits(D d, V v, uint64_t word, size_t k) {
  if constexpr (sizeof(hn::TFromD<D>) == 8) {
    return V{_mm512_maskz_compress_epi64(static_cast<__mmask8>(word >> k), v.raw)};
  } else {
    return hn::Compress(v, MaskOf(d, word, k));
  }
}
#else
template <class T>
constexpr bool kCompresses = sizeof(T) == 4;
template <class D, class V>
HWY_INLINE V CompressBits(D d, V v, uint64_t word, size_t k) {
  return hn::Compress(v, MaskOf(d, word, k));
}
#endif

template <class T>
void PickElements(const Marked& marked, const T* HWY_RESTRICT from, T* HWY_RESTRICT out) {
  T* const end = out + marked.count;
  const bool rare = IsRare(marked);
  from += marked.first;
  int64_t left = marked.size;
  for (const uint64_t word : marked.words) {
    if (!rare || word != 0) {
      if constexpr (kCompresses<T>) {
        if (__builtin_popcountll(word) >= kDense && end - out >= 64) {
          const hn::CappedTag<T, 64> d;
          for (size_t k = 0; k < 64; k += hn::Lanes(d)) {
            hn::StoreU(CompressBits(d, hn::LoadU(d, from + k), word, k), d, out);
            out += MarksIn(d, word, k);
          }
          from += 64;
          left -= 64;
          continue;
        }
      }
      // Stray marks of a full word read its last element; the last word may have none.
      out += EachBit(word, left >= 64 ? end - out : 0, [&](int64_t at, int64_t bit) { out[at] = from[bit]; });
    }
    from += 64;
    left -= 64;
  }
}

void Pick(const Marked& marked, const void* elements, size_t width, void* out) {
  visit_width(width, [&]<class T>(TypeTag<T>) { PickElements(marked, static_cast<const T*>(elements), static_cast<T*>(out)); });
}

// Splits marks into rows: visit(word, first column, row) for each word, or each part of one, that lies in one row.
// `row_done(row)` is called as each row ends.
template <class Visit, class RowDone>
HWY_INLINE void EachRowPart(const Marked& marked, int64_t width, Visit visit, RowDone row_done) {
  int64_t row = marked.first / width, column = marked.first % width, rest = marked.size;
  const bool rare = IsRare(marked);
  for (uint64_t word : marked.words) {
    int64_t left = std::min<int64_t>(64, rest);
    rest -= left;
    while (width - column <= left) {
      const int64_t take = width - column;
      const uint64_t part = take >= 64 ? word : word & ((uint64_t{1} << take) - 1);
      if (part != 0) visit(part, column, row);
      word = take >= 64 ? 0 : word >> take;
      left -= take;
      row_done(row);
      ++row;
      column = 0;
      if (left == 0) break;
    }
    if (left > 0 && (!rare || word != 0)) visit(word, column, row);
    column += left;
  }
}

#if HWY_TARGET == HWY_SCALAR
template <class D32, class D64>
void Places(D32, D64 d64, uint64_t, size_t, int64_t base, hn::Vec<D64>& low, hn::Vec<D64>& high) {  // never called
  low = high = hn::Set(d64, base);
}
#else
// The places of the marks among lanes k .. k + Lanes(d) of a word, plus base, as int64 in two vectors.
template <class D32, class D64>
HWY_INLINE void Places(D32 d32, D64 d64, uint64_t word, size_t k, int64_t base, hn::Vec<D64>& low, hn::Vec<D64>& high) {
  const auto places = hn::Compress(hn::Iota(d32, static_cast<int32_t>(k)), MaskOf(d32, word, k));
  const hn::Half<D32> half;
  const auto start = hn::Set(d64, base);
  low = hn::Add(hn::PromoteTo(d64, hn::LowerHalf(half, places)), start);
  high = hn::Add(hn::PromoteTo(d64, hn::UpperHalf(half, places)), start);
}
#endif

void WriteLine(const Marked& marked, int64_t* HWY_RESTRICT out) {
  int64_t* const end = out + marked.count;
  const hn::ScalableTag<int32_t> d32;
  const hn::ScalableTag<int64_t> d64;
  int64_t first = marked.first;
  for (const uint64_t word : marked.words) {
    if (__builtin_popcountll(word) >= kDense && end - out >= 64) {
      for (size_t k = 0; k < 64; k += hn::Lanes(d32)) {
        hn::Vec<decltype(d64)> low, high;
        Places(d32, d64, word, k, first, low, high);
        hn::StoreU(low, d64, out);
        hn::StoreU(high, d64, out + hn::Lanes(d64));
        out += MarksIn(d32, word, k);
      }
    } else {
      out += EachBit(word, end - out, [&](int64_t at, int64_t bit) { out[at] = first + bit; });
    }
    first += 64;
  }
}

void WritePairs(const Marked& marked, int64_t width, int64_t* HWY_RESTRICT out) {
  int64_t* const end = out + 2 * marked.count;
  const hn::ScalableTag<int32_t> d32;
  const hn::ScalableTag<int64_t> d64;
  int64_t* next = out;
  EachRowPart(
      marked, width,
      [&](uint64_t word, int64_t column, int64_t row) HWY_ATTR {
        int64_t* to = next;  // a local, so that no store is thought to change it
        if (__builtin_popcountll(word) >= kDense && end - to >= 128) {
          const auto rows = hn::Set(d64, row);
          for (size_t k = 0; k < 64; k += hn::Lanes(d32)) {
            hn::Vec<decltype(d64)> low, high;
            Places(d32, d64, word, k, column, low, high);
            hn::StoreInterleaved2(rows, low, d64, to);
            hn::StoreInterleaved2(rows, high, d64, to + 2 * hn::Lanes(d64));
            to += 2 * MarksIn(d32, word, k);
          }
          next = to;
          return;
        }
        next += 2 * EachBit(word, (end - to) / 2, [&](int64_t at, int64_t bit) {
                  to[2 * at] = row;
                  to[2 * at + 1] = column + bit;
                });
      },
      [](int64_t) {});
}

void WriteTuples(const Marked& marked, std::span<const int64_t> shape, int64_t* HWY_RESTRICT out) {
  const size_t rank = shape.size(), outer = rank - 1;
  Shape prefix(shape.first(outer));  // a place for the outer coordinates
  int64_t current = -1;
  EachRowPart(
      marked, shape[outer],
      [&](uint64_t word, int64_t column, int64_t row) {
        if (row != current) {
          int64_t rest = row;
          for (size_t axis = outer; axis-- > 0;) {
            prefix[axis] = rest % shape[axis];
            rest /= shape[axis];
          }
          current = row;
        }
        for (; word != 0; word &= word - 1) {
          for (size_t axis = 0; axis < outer; ++axis) out[axis] = prefix[axis];
          out[outer] = column + __builtin_ctzll(word);
          out += rank;
        }
      },
      [](int64_t) {});
}

void WriteCoordinates(const Marked& marked, std::span<const int64_t> shape, int64_t* out) {
  if (shape.size() == 1) return WriteLine(marked, out);
  if (shape.size() == 2) return WritePairs(marked, shape[1], out);
  if (!shape.empty()) WriteTuples(marked, shape, out);
}

template <class Index>
void WriteColumns(const Marked& marked, int64_t width, int64_t base, Index* HWY_RESTRICT out, Index* HWY_RESTRICT row_ends) {
  Index* const end = out + marked.count;
  Index* next = out;
  const hn::ScalableTag<int32_t> d32;
  const hn::ScalableTag<int64_t> d64;
  EachRowPart(
      marked, width,
      [&](uint64_t word, int64_t column, int64_t) HWY_ATTR {
        Index* to = next;
        if (__builtin_popcountll(word) >= kDense && end - to >= 64) {
          for (size_t k = 0; k < 64; k += hn::Lanes(d32)) {
            if constexpr (sizeof(Index) == 4) {
              const auto columns = hn::Iota(d32, static_cast<int32_t>(column + static_cast<int64_t>(k)));
              hn::StoreU(hn::Compress(columns, MaskOf(d32, word, k)), d32, to);
            } else {
              hn::Vec<decltype(d64)> low, high;
              Places(d32, d64, word, k, column, low, high);
              hn::StoreU(low, d64, to);
              hn::StoreU(high, d64, to + hn::Lanes(d64));
            }
            to += MarksIn(d32, word, k);
          }
          next = to;
          return;
        }
        next += EachBit(word, end - to, [&](int64_t at, int64_t bit) { to[at] = static_cast<Index>(column + bit); });
      },
      [&](int64_t row) { row_ends[row] = static_cast<Index>(base + (next - out)); });
}

void WriteColumns32(const Marked& marked, int64_t width, int64_t base, int32_t* out, int32_t* row_ends) {
  WriteColumns(marked, width, base, out, row_ends);
}
void WriteColumns64(const Marked& marked, int64_t width, int64_t base, int64_t* out, int64_t* row_ends) {
  WriteColumns(marked, width, base, out, row_ends);
}

}  // namespace HWY_NAMESPACE
}  // namespace ferry::nonzero
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ferry::nonzero {

HWY_EXPORT(Mark);
HWY_EXPORT(Pick);
HWY_EXPORT(WriteCoordinates);
HWY_EXPORT(WriteColumns32);
HWY_EXPORT(WriteColumns64);

int64_t mark(const void* elements, size_t width, uint64_t relevant, int64_t count, uint64_t* words) {
  const int64_t whole = count / 64;
  int64_t total = HWY_DYNAMIC_DISPATCH(Mark)(elements, width, relevant, whole, words);
  if (count % 64 != 0) {
    // The tail as a word of its own, so that nothing past the end is read.
    alignas(64) std::byte tail[64 * 8] = {};
    std::memcpy(tail, static_cast<const std::byte*>(elements) + static_cast<size_t>(whole) * 64 * width,
                static_cast<size_t>(count % 64) * width);
    total += HWY_DYNAMIC_DISPATCH(Mark)(tail, width, relevant, 1, words + whole);
  }
  return total;
}

void pick(const Marked& marked, const void* elements, size_t width, void* out) { HWY_DYNAMIC_DISPATCH(Pick)(marked, elements, width, out); }

void write_coordinates(const Marked& marked, std::span<const int64_t> shape, int64_t* out) {
  HWY_DYNAMIC_DISPATCH(WriteCoordinates)(marked, shape, out);
}

void write_columns(const Marked& marked, int64_t width, int64_t base, int32_t* out, int32_t* row_ends) {
  HWY_DYNAMIC_DISPATCH(WriteColumns32)(marked, width, base, out, row_ends);
}

void write_columns(const Marked& marked, int64_t width, int64_t base, int64_t* out, int64_t* row_ends) {
  HWY_DYNAMIC_DISPATCH(WriteColumns64)(marked, width, base, out, row_ends);
}

}  // namespace ferry::nonzero
#endif  // HWY_ONCE
