// A sparse tensor as a person would write it down: a list of coordinates with a number each. Property tests make random
// ones, do to the list what the library does to the tensor, and compare.
#pragma once

#include <rapidcheck/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "ferry/sparse.h"

namespace ferry::model {

struct Entry {
  std::vector<int64_t> at;
  int tag;  // stands for the value: see value_of()
  friend bool operator==(const Entry&, const Entry&) = default;
  friend auto operator<=>(const Entry&, const Entry&) = default;
};

struct Sparse {
  std::vector<int64_t> shape;
  std::vector<Entry> entries;

  void sort() { std::ranges::stable_sort(entries, {}, &Entry::at); }
  bool is_sorted() const { return std::ranges::is_sorted(entries, {}, &Entry::at); }
  bool is_unique() const {
    Sparse sorted = *this;
    sorted.sort();
    return std::ranges::adjacent_find(sorted.entries, {}, &Entry::at) == sorted.entries.end();
  }
};

// Up to five axes of up to six, some of them empty; duplicates and disorder unless they are not wanted.
inline Sparse arbitrary(size_t least_rank = 1, size_t most_rank = 5) {
  Sparse out;
  const auto rank = *rc::gen::inRange<size_t>(least_rank, most_rank + 1);
  int64_t count = 1;
  for (size_t axis = 0; axis < rank; ++axis) {
    out.shape.push_back(*rc::gen::weightedOneOf<int64_t>({{12, rc::gen::inRange<int64_t>(1, 7)}, {1, rc::gen::just<int64_t>(0)}}));
    count *= out.shape.back();
  }
  if (count == 0) return out;
  const int nnz = *rc::gen::inRange(0, 30);
  for (int i = 0; i < nnz; ++i) {
    Entry entry{{}, i};
    for (int64_t dim : out.shape) entry.at.push_back(*rc::gen::inRange<int64_t>(0, dim));
    out.entries.push_back(std::move(entry));
  }
  const int kind = *rc::gen::inRange(0, 3);
  if (kind > 0) out.sort();
  if (kind > 1) {
    const auto again = std::ranges::unique(out.entries, {}, &Entry::at);
    out.entries.erase(again.begin(), again.end());
  }
  return out;
}

// Value number `tag` of a dtype, as a tensor of one element; tags go round after as many values as the dtype has.
inline DenseTensor value_of(DType dtype, int tag) {
  if (dtype == DType::string)
    return DenseTensor::of_strings(Shape{1}, {std::string(static_cast<size_t>(tag % 4), 'x') + std::to_string(tag)});
  return visit_dtype(dtype, [&]<class T>(TypeTag<T>) {
    T value{};
    if constexpr (is_complex_v<T>) {
      value = T(static_cast<typename T::value_type>(tag), static_cast<typename T::value_type>(-tag));
    } else if constexpr (is_small_float_v<T>) {
      value = T(static_cast<float>(tag % 4));
    } else if constexpr (is_small_int_v<T>) {
      value = T(tag % 2);
    } else {
      value = static_cast<T>(tag);
    }
    auto data = Buffer::copy_of(std::as_bytes(std::span(&value, 1)));
    return *DenseTensor::make(dtype, Shape{1}, *data);
  });
}

inline DenseTensor values_of(const Sparse& x, DType dtype) {
  if (dtype == DType::string) {
    StringsBuilder builder;
    for (const Entry& entry : x.entries) {
      const Status status = builder.append(value_of(dtype, entry.tag).strings()[0]);
      FERRY_ASSERT(status.ok());
    }
    return *std::move(builder).finish(Shape{static_cast<int64_t>(x.entries.size())});
  }
  std::string bytes;
  for (const Entry& entry : x.entries) bytes += value_of(dtype, entry.tag).buffer().text();
  return *DenseTensor::make(dtype, Shape{static_cast<int64_t>(x.entries.size())}, *Buffer::copy_of(bytes));
}

// As COO in the order of the list, or as CSR or CSC; with the facts that are true, or some of them.
inline SparseTensor tensor_of(const Sparse& x, DType dtype, Layout layout = Layout::coo, DType index = DType::int64) {
  const auto nnz = static_cast<int64_t>(x.entries.size());
  const bool tell = *rc::gen::arbitrary<bool>();
  if (layout == Layout::coo) {
    std::vector<int64_t> at;
    for (const Entry& entry : x.entries) at.insert(at.end(), entry.at.begin(), entry.at.end());
    DenseTensor indices = DenseTensor::of<int64_t>(Shape{nnz, static_cast<int64_t>(x.shape.size())}, std::span<const int64_t>(at));
    const Order order = tell ? Order{x.is_sorted(), x.is_unique()} : Order{};
    return *SparseTensor::coo(Shape(std::span<const int64_t>(x.shape)), std::move(indices), values_of(x, dtype), order);
  }
  const size_t major = layout == Layout::csr ? 0 : 1;
  Sparse rows = x;
  std::ranges::stable_sort(rows.entries, {}, [&](const Entry& entry) { return entry.at[major]; });
  std::vector<int64_t> indptr(static_cast<size_t>(x.shape[major]) + 1), indices;
  for (const Entry& entry : rows.entries) {
    ++indptr[static_cast<size_t>(entry.at[major]) + 1];
    indices.push_back(entry.at[1 - major]);
  }
  for (size_t i = 1; i < indptr.size(); ++i) indptr[i] += indptr[i - 1];
  const bool sorted = std::ranges::is_sorted(rows.entries, {}, [&](const Entry& e) { return std::pair(e.at[major], e.at[1 - major]); });
  const auto vector = [&](const std::vector<int64_t>& numbers) {
    if (index == DType::int64) return DenseTensor::vector<int64_t>(std::span<const int64_t>(numbers));
    const std::vector<int32_t> narrow(numbers.begin(), numbers.end());
    return DenseTensor::vector<int32_t>(std::span<const int32_t>(narrow));
  };
  return *SparseTensor::compressed(layout, Shape(std::span<const int64_t>(x.shape)), vector(indptr), vector(indices),
                                   values_of(rows, dtype), tell ? Order{sorted, x.is_unique()} : Order{});
}

// What a tensor holds, in its own order: coordinates and the bytes of the value.
using Contents = std::vector<std::pair<std::vector<int64_t>, std::string>>;

inline Contents contents_of(const SparseTensor& x) {
  Contents out;
  const auto value = [&](int64_t i) {
    if (x.dtype() == DType::string) return std::string(x.values().strings()[i]);
    const size_t size = dtype_size(x.dtype());
    return std::string(x.values().buffer().text().substr(static_cast<size_t>(i) * size, size));
  };
  if (x.layout() == Layout::coo) {
    const auto rank = static_cast<int64_t>(x.rank());
    for (int64_t i = 0; i < x.nnz(); ++i)
      out.emplace_back(std::vector(x.coordinates() + i * rank, x.coordinates() + (i + 1) * rank), value(i));
    return out;
  }
  const auto number = [&](const DenseTensor& t, int64_t i) {
    return t.dtype() == DType::int32 ? t.values<int32_t>()[static_cast<size_t>(i)] : t.values<int64_t>()[static_cast<size_t>(i)];
  };
  for (int64_t major = 0; major + 1 < x.indptr().num_elements(); ++major) {
    for (int64_t i = number(x.indptr(), major); i < number(x.indptr(), major + 1); ++i) {
      const int64_t minor = number(x.indices(), i);
      out.emplace_back(x.layout() == Layout::csr ? std::vector{major, minor} : std::vector{minor, major}, value(i));
    }
  }
  return out;
}

inline Contents contents_of(const Sparse& x, DType dtype) {
  Contents out;
  for (const Entry& entry : x.entries) {
    const DenseTensor value = value_of(dtype, entry.tag);
    out.emplace_back(entry.at, dtype == DType::string ? std::string(value.strings()[0]) : std::string(value.buffer().text()));
  }
  return out;
}

// Same shape and the same entries, in whatever order; bounds hold; the facts that the tensor claims are true.
inline void expect_holds(const SparseTensor& found, const Sparse& expected, DType dtype) {
  RC_ASSERT(found.shape().to_string() == Shape(std::span<const int64_t>(expected.shape)).to_string());
  RC_ASSERT(found.dtype() == dtype);
  RC_ASSERT(found.validate(Validation::bounds).ok());
  const Order facts = find_order(found.with_order({}));
  RC_ASSERT(!found.order().sorted || facts.sorted);
  RC_ASSERT(!found.order().unique || expected.is_unique());
  Contents a = contents_of(found), b = contents_of(expected, dtype);
  std::ranges::sort(a);
  std::ranges::sort(b);
  RC_ASSERT(a == b);
}

inline DType any_dtype() {
  static const std::vector<DType> all = [] {
    std::vector<DType> out;
    for (DType dtype : kAllDTypes) {
      if (DTypeSet::all().has(dtype)) out.push_back(dtype);
    }
    return out;
  }();
  return *rc::gen::elementOf(all);
}

inline Layout any_layout(const Sparse& x) {
  if (x.shape.size() != 2) return Layout::coo;
  return *rc::gen::element(Layout::coo, Layout::csr, Layout::csc);
}

inline DType any_index() { return *rc::gen::element(DType::int32, DType::int64); }

}  // namespace ferry::model
