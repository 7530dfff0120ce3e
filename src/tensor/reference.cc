#include "tensor/reference.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "tensor/arithmetic.h"

namespace ferry::reference {
namespace {

using Coordinate = std::vector<int64_t>;

// An element as bytes, whatever its dtype.
std::string element(const DenseTensor& values, int64_t i) {
  if (values.is_string()) return std::string(values.strings()[i]);
  const size_t size = dtype_size(values.dtype());
  return std::string(static_cast<const char*>(values.raw()) + static_cast<size_t>(i) * size, size);
}

DenseTensor tensor_of(DType dtype, Shape shape, const std::vector<std::string>& elements) {
  if (dtype == DType::string) {
    const std::vector<std::string_view> views(elements.begin(), elements.end());
    return DenseTensor::of_strings(std::move(shape), views);
  }
  std::string bytes;
  for (const std::string& e : elements) bytes += e;
  return *DenseTensor::make(dtype, std::move(shape), *Buffer::copy_of(bytes));
}

template <class T>
T load(const std::string& bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

template <class T>
std::string store(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof(T));
}

bool zero(DType dtype, const std::string& bytes) {
  if (dtype == DType::string) return bytes.empty();
  return visit_element(dtype, [&]<class T>(TypeTag<T>) { return is_zero(load<T>(bytes)); });
}

struct Entry {
  Coordinate at;
  std::string value;
};

std::vector<Entry> entries_of(const SparseTensor& x) {
  std::vector<Entry> entries(static_cast<size_t>(x.nnz()));
  for (int64_t i = 0; i < x.nnz(); ++i) entries[static_cast<size_t>(i)].value = element(x.values(), i);
  if (x.layout() == Layout::coo) {
    for (size_t i = 0; i < entries.size(); ++i) entries[i].at.assign(x.coordinates() + i * x.rank(), x.coordinates() + (i + 1) * x.rank());
    return entries;
  }
  const auto number = [](const DenseTensor& t, int64_t i) {
    return t.dtype() == DType::int32 ? int64_t{t.values<int32_t>()[static_cast<size_t>(i)]} : t.values<int64_t>()[static_cast<size_t>(i)];
  };
  for (int64_t major = 0; major + 1 < x.indptr().num_elements(); ++major) {
    for (int64_t i = number(x.indptr(), major); i < number(x.indptr(), major + 1); ++i) {
      const int64_t minor = number(x.indices(), i);
      entries[static_cast<size_t>(i)].at = x.layout() == Layout::csr ? Coordinate{major, minor} : Coordinate{minor, major};
    }
  }
  return entries;
}

SparseTensor coo_of(const Shape& shape, DType dtype, const std::vector<Entry>& entries) {
  std::vector<int64_t> indices;
  std::vector<std::string> values;
  for (const Entry& entry : entries) {
    indices.insert(indices.end(), entry.at.begin(), entry.at.end());
    values.push_back(entry.value);
  }
  const auto count = static_cast<int64_t>(entries.size());
  return *SparseTensor::coo(shape, DenseTensor::of<int64_t>(Shape{count, static_cast<int64_t>(shape.rank())}, indices),
                            tensor_of(dtype, Shape{count}, values));
}

std::string combine(DType dtype, const std::vector<std::string>& values, Duplicates rule) {
  if (rule == Duplicates::first || values.size() == 1) return values.front();
  if (rule == Duplicates::last) return values.back();
  return visit_element(dtype, [&]<class T>(TypeTag<T>) {
    T best = load<T>(values[0]);
    auto sum = to_arithmetic(best);
    for (size_t i = 1; i < values.size(); ++i) {
      const T value = load<T>(values[i]);
      sum = add_elements(sum, to_arithmetic(value));
      if constexpr (!is_complex_v<T>) {
        if (rule == Duplicates::max ? beats<true>(value, best) : beats<false>(value, best)) best = value;
      }
    }
    return store(rule == Duplicates::sum ? static_cast<T>(sum) : best);
  });
}

}  // namespace

Result<SparseTensor> from_dense(const DenseTensor& dense) {
  std::vector<Entry> entries;
  Coordinate at(dense.shape().rank(), 0);
  for (int64_t i = 0; i < dense.num_elements(); ++i) {
    const std::string value = element(dense, i);
    if (!zero(dense.dtype(), value)) entries.push_back({at, value});
    for (size_t axis = at.size(); axis-- > 0;) {
      if (++at[axis] < dense.shape()[axis]) break;
      at[axis] = 0;
    }
  }
  return coo_of(dense.shape(), dense.dtype(), entries);
}

Order find_order(const SparseTensor& x) {
  std::vector<Entry> entries = entries_of(x);
  if (x.layout() == Layout::csc) {
    for (Entry& entry : entries) std::swap(entry.at[0], entry.at[1]);
  }
  Order order{true, true};
  for (size_t i = 1; i < entries.size(); ++i) {
    order.sorted &= entries[i - 1].at <= entries[i].at;
    order.unique &= entries[i - 1].at != entries[i].at;
  }
  if (!order.sorted) order.unique = false;  // not looked for
  return order;
}

SparseTensor sort(const SparseTensor& x) {
  std::vector<Entry> entries = entries_of(x);
  std::ranges::stable_sort(entries, {}, &Entry::at);
  return coo_of(x.shape(), x.dtype(), entries);
}

Result<SparseTensor> coalesce(const SparseTensor& x, Duplicates rule) {
  std::map<Coordinate, std::vector<std::string>> places;
  for (const Entry& entry : entries_of(x)) {
    auto& values = places[entry.at];
    if (!values.empty() && rule == Duplicates::error) return invalid_argument("a coordinate is there twice");
    values.push_back(entry.value);
  }
  std::vector<Entry> entries;
  for (const auto& [at, values] : places) entries.push_back({at, combine(x.dtype(), values, rule)});
  return coo_of(x.shape(), x.dtype(), entries);
}

SparseTensor to_coo(const SparseTensor& x) { return coo_of(x.shape(), x.dtype(), entries_of(x)); }

DenseTensor to_dense(const SparseTensor& x) {
  const int64_t count = *x.shape().num_elements();
  std::vector<std::string> elements(static_cast<size_t>(count), std::string(dtype_size(x.dtype()), '\0'));
  for (const Entry& entry : entries_of(x)) {
    int64_t flat = 0;
    for (size_t axis = 0; axis < x.rank(); ++axis) flat = flat * x.shape()[axis] + entry.at[axis];
    elements[static_cast<size_t>(flat)] = entry.value;
  }
  return tensor_of(x.dtype(), x.shape(), elements);
}

}  // namespace ferry::reference
