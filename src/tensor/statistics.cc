#include "ferry/statistics.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace ferry {
namespace {

constexpr int64_t kPiece = int64_t{1} << 16;  // sums are made in pieces of this size and added in order: threads change nothing

template <class T>
T element(const DenseTensor& values, int64_t i) {
  if constexpr (std::is_same_v<T, bool>) {
    return values.values<uint8_t>()[static_cast<size_t>(i)] != 0;
  } else {
    return values.values<T>()[static_cast<size_t>(i)];
  }
}

template <class T>
struct ValueOf {
  using type = Arithmetic<T>;
};
template <class T>
requires is_complex_v<T>
struct ValueOf<T> {
  using type = char;  // complex numbers have no order
};

template <class T>
struct Part {
  int64_t zeros = 0, nans = 0, infinities = 0, smallest = -1, largest = -1;
  double sum = 0;
  typename ValueOf<T>::type low{}, high{};  // what stands there: its page may be gone by now
};

template <class T>
Part<T> look_at(const DenseTensor& values, int64_t begin, int64_t end) {
  Part<T> out;
  if constexpr (is_complex_v<T>) {
    for (int64_t i = begin; i < end; ++i) {
      const T value = element<T>(values, i);
      out.zeros += value == T();
      out.nans += std::isnan(value.real()) || std::isnan(value.imag());
      out.infinities += std::isinf(value.real()) || std::isinf(value.imag());
    }
  } else {
    using A = Arithmetic<T>;
    __extension__ typedef __int128 Wide;  // a sum of 2^63 integers of 64 bits fits
    std::conditional_t<std::is_floating_point_v<A>, double, Wide> sum = 0;
    for (int64_t i = begin; i < end; ++i) {
      const A value = to_arithmetic(element<T>(values, i));
      out.zeros += value == A{};
      if constexpr (std::is_floating_point_v<A>) {
        if (std::isnan(value)) {
          ++out.nans;
          continue;
        }
        out.infinities += std::isinf(value);
      }
      sum += value;
      if (out.smallest < 0 || value < out.low) {
        out.low = value;
        out.smallest = i;
      }
      if (out.largest < 0 || value > out.high) {
        out.high = value;
        out.largest = i;
      }
    }
    out.sum = static_cast<double>(sum);
  }
  return out;
}

template <class T>
void combine(Statistics& out, std::span<const Part<T>> parts) {
  double sum = 0;
  typename ValueOf<T>::type low{}, high{};
  for (const Part<T>& part : parts) {
    out.zeros += part.zeros;
    out.nans += part.nans;
    out.infinities += part.infinities;
    sum += part.sum;
    if constexpr (!is_complex_v<T>) {
      if (part.smallest >= 0 && (out.smallest < 0 || part.low < low)) {
        out.smallest = part.smallest;
        low = part.low;
      }
      if (part.largest >= 0 && (out.largest < 0 || part.high > high)) {
        out.largest = part.largest;
        high = part.high;
      }
    }
  }
  if (!is_complex_v<T> && out.stored > out.nans) out.mean = sum / static_cast<double>(out.stored - out.nans);
}

void look_at_strings(Statistics& out, const StringsView& strings) {
  for (int64_t i = 0; i < strings.size(); ++i) {
    const auto length = static_cast<int64_t>(strings[i].size());
    out.zeros += length == 0;
    out.shortest = i == 0 ? length : std::min(out.shortest, length);
    out.longest = std::max(out.longest, length);
    out.total_length += length;
  }
}

}  // namespace

const DenseTensor& stored_values(const Tensor& x) {
  if (const auto* sparse = std::get_if<SparseTensor>(&x)) return sparse->values();
  if (const auto* ragged = std::get_if<RaggedTensor>(&x)) return ragged->flat_values();
  return std::get<DenseTensor>(x);
}

Statistics statistics(const Tensor& x, ThreadPool* pool, bool behind) {
  Statistics out;
  const DenseTensor& values = stored_values(x);
  out.stored = values.num_elements();
  if (values.is_string()) {
    look_at_strings(out, values.strings());
  } else if (is_fixed_size(values.dtype())) {
    visit_dtype(values.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      std::vector<Part<T>> parts(static_cast<size_t>((out.stored + kPiece - 1) / kPiece));
      parallel_for(pool, static_cast<int64_t>(parts.size()), 1, [&](int64_t begin, int64_t end) {
        for (int64_t p = begin; p < end; ++p) {
          const int64_t first = p * kPiece, last = std::min(out.stored, first + kPiece);
          parts[static_cast<size_t>(p)] = look_at<T>(values, first, last);
          if (behind)
            values.buffer().slice(static_cast<size_t>(first) * sizeof(T), static_cast<size_t>(last - first) * sizeof(T)).drop_pages();
        }
      });
      combine<T>(out, parts);
    });
  }
  if (kind_of(x) != TensorKind::ragged) {
    double elements = 1;  // of a sparse shape they may not fit 63 bits
    for (int64_t dim : shape_of(x)) elements *= static_cast<double>(dim);
    if (elements > 0) out.density = static_cast<double>(out.stored - out.zeros) / elements;
  }
  return out;
}

}  // namespace ferry
