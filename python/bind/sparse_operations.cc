// What one does to sparse tensors: ferry/sparse.h, with the interpreter lock released and the package's threads.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "numpy.h"
#include "options.h"

namespace ferry::py {
namespace {

std::optional<DType> index_dtype(nb::handle value) {
  if (value.is_none()) return std::nullopt;
  return to_dtype(value);
}

// One dense product for each call: into a fresh array that the caller owns.
nb::object multiply(const SparseTensor& x, nb::handle right) {
  const DenseTensor dense = dense_from(right);
  const Shape& shape = dense.shape();
  if (x.rank() != 2)
    throw StatusError(unsupported(concat("@ needs a sparse tensor of rank 2, this one has shape ", x.shape().to_string())));
  if (shape.rank() != 1 && shape.rank() != 2) {
    throw StatusError(invalid_argument(concat("@ needs a dense right side of rank 1 or 2, found shape ", shape.to_string())));
  }
  const auto threads = pool();
  if (shape.rank() == 1) return array_of(run([&] { return spmv(x, dense, threads.get()); }));
  if (shape[0] != x.shape()[1] || dense.dtype() != x.dtype()) return array_of(run([&] { return spmm(x, dense, threads.get()); }));
  void* data = nullptr;
  nb::object out = new_array(dense.dtype(), Shape{x.shape()[0], shape[1]}, &data);
  const auto bytes = static_cast<size_t>(x.shape()[0] * shape[1]) * dtype_size(dense.dtype());
  check(unlocked([&] { return spmm_into(x, dense.view(), std::span(static_cast<std::byte*>(data), bytes), threads.get()); }));
  return out;
}

std::vector<SparseTensor> sparse_list(nb::handle values) {
  std::vector<SparseTensor> out;
  for (nb::handle value : nb::iter(values)) {
    Tensor tensor = to_tensor(value);
    SparseTensor* sparse = std::get_if<SparseTensor>(&tensor);
    if (sparse == nullptr)
      throw StatusError(invalid_argument(concat("a ", kind_name(kind_of(tensor)), " tensor is among the sparse ones")));
    out.push_back(std::move(*sparse));
  }
  return out;
}

}  // namespace

void add_sparse_operations(nb::module_& m) {
  auto type = nb::borrow<nb::class_<SparseTensor>>(m.attr("SparseTensor"));
  // ---- Make
  type.def_static(
          "from_pairs",
          [](nb::handle pairs, nb::handle shape, const std::string& duplicates, nb::handle dtype) {
            const Duplicates rule = to_duplicates(duplicates);
            nb::object parts = python_function("tensorferry._convert", "split_pairs")(pairs, shape, dtype);
            std::optional<Shape> extents;
            if (!shape.is_none()) extents = sparse_shape(shape);
            DenseTensor indices = dense_from(parts[0]), values = dense_from(parts[1], dtype.is_none() ? std::nullopt : try_dtype(dtype));
            const auto threads = pool();
            return run([&] { return from_pairs(std::move(indices), std::move(values), std::move(extents), rule, threads.get()); });
          },
          nb::arg("pairs"), nb::arg("shape") = nb::none(), nb::kw_only(), nb::arg("duplicates") = "error", nb::arg("dtype") = nb::none(),
          nb::sig("def from_pairs(pairs: typing.Any, shape: typing.Sequence[int] | None = None, *, duplicates: str = 'error', "
                  "dtype: typing.Any = None) -> SparseTensor"),
          "From {coordinates: value}, from a tuple (indices, values) of arrays, or from an iterable of (coordinates, value), in any "
          "order;\n"
          "the result is sorted. Without a shape: the smallest that holds all entries.\n"
          "duplicates: error, sum, first, last, min or max, for two values at one coordinate.")
      .def_static(
          "from_dense",
          [](nb::handle dense, const std::string& layout, nb::handle dtype) {
            const Layout wanted = to_layout_name(layout);
            const DenseTensor tensor = dense_from(dense, index_dtype(dtype));
            const auto threads = pool();
            return run([&] { return from_dense(tensor, wanted, threads.get()); });
          },
          nb::arg("dense"), nb::arg("layout") = "coo", nb::kw_only(), nb::arg("dtype") = nb::none(),
          nb::sig("def from_dense(dense: typing.Any, layout: str = 'coo', *, dtype: typing.Any = None) -> SparseTensor"),
          "Every element that is not zero (or false, or the empty string). NaN is kept.");

  // ---- Order and layout
  type.def(
          "find_order",
          [](const SparseTensor& x) {
            const auto threads = pool();
            return unlocked([&] { return x.with_order(find_order(x, threads.get())); });
          },
          "The same entries, with `sorted` and `unique` saying what one look at the indices found.")
      .def(
          "sort",
          [](const SparseTensor& x) {
            const auto threads = pool();
            return run([&] { return sort(x, threads.get()); });
          },
          "Entries in row-major order (CSR, CSC: by minor index in each row or column). Stable; duplicates stay.")
      .def(
          "coalesce",
          [](const SparseTensor& x, const std::string& rule) {
            const Duplicates wanted = to_duplicates(rule);
            const auto threads = pool();
            return run([&] { return coalesce(x, wanted, threads.get()); });
          },
          nb::arg("duplicates") = "sum", "Sorted, one entry a coordinate. duplicates: sum, first, last, min, max or error.")
      .def(
          "to_layout",
          [](const SparseTensor& x, const std::string& layout, nb::handle index) {
            const Layout wanted = to_layout_name(layout);
            const auto type_of_index = index_dtype(index);
            const auto threads = pool();
            return run([&] { return to_layout(x, wanted, type_of_index, threads.get()); });
          },
          nb::arg("layout"), nb::kw_only(), nb::arg("index_dtype") = nb::none(),
          nb::sig("def to_layout(self, layout: str, *, index_dtype: typing.Any = None) -> SparseTensor"),
          "The same entries as coo, csr or csc. Indices of CSR and CSC are int32 where all fit, unless index_dtype says otherwise.");
  for (const auto& [name, layout] : {std::pair{"tocoo", Layout::coo}, std::pair{"tocsr", Layout::csr}, std::pair{"tocsc", Layout::csc}}) {
    type.def(
        name,
        [wanted = layout](const SparseTensor& x) {
          const auto threads = pool();
          return run([&] { return to_layout(x, wanted, std::nullopt, threads.get()); });
        },
        "to_layout under SciPy's name.");
  }
  type.def(
          "to_dense",
          [](const SparseTensor& x, const std::string& duplicates, nb::handle limits) {
            const Duplicates rule = to_duplicates(duplicates);
            const Limits within = to_limits(limits);
            const auto threads = pool();
            return run([&] { return to_dense(x, rule, within, threads.get()); });
          },
          nb::arg("duplicates") = "sum", nb::kw_only(), nb::arg("limits") = nb::none(),
          nb::sig("def to_dense(self, duplicates: str = 'sum', *, limits: typing.Mapping[str, int] | None = None) -> DenseTensor"),
          "All elements, zeros included.")
      .def(
          "to_numpy",
          [](const SparseTensor& x, const std::string& duplicates) {
            const Duplicates rule = to_duplicates(duplicates);
            const auto threads = pool();
            const auto count = x.shape().num_elements();
            const auto bytes = count && is_fixed_size(x.dtype()) ? static_cast<uint64_t>(*count) * dtype_size(x.dtype()) : 0;
            if (!is_fixed_size(x.dtype()) || !count || bytes > Limits().max_densified_bytes || *count > INT64_MAX / 16) {
              return array_of(run([&] { return to_dense(x, rule, Limits(), threads.get()); }));
            }
            void* data = nullptr;
            nb::object out = new_array(x.dtype(), x.shape(), &data);
            check(unlocked([&] { return to_dense_into(x, std::span(static_cast<std::byte*>(data), bytes), rule, threads.get()); }));
            return out;
          },
          nb::arg("duplicates") = "sum", nb::sig("def to_numpy(self, duplicates: str = 'sum') -> numpy.ndarray"),
          "All elements, zeros included, as an array of the caller's own.");

  // ---- Shape
  type.def(
          "transpose",
          [](const SparseTensor& x, nb::handle axes) {
            std::vector<int64_t> permutation;
            if (!axes.is_none()) permutation = to_ints(axes);
            for (int64_t& axis : permutation) {
              if (axis < 0) axis += static_cast<int64_t>(x.rank());
            }
            const auto threads = pool();
            return run([&] { return transpose(x, permutation, threads.get()); });
          },
          nb::arg("axes") = nb::none(), nb::sig("def transpose(self, axes: typing.Sequence[int] | None = None) -> SparseTensor"),
          "Axes in the order given, or reversed. CSR becomes CSC over the same memory, and the other way round.")
      .def_prop_ro(
          "T",
          [](const SparseTensor& x) {
            const auto threads = pool();
            return run([&] { return transpose(x, {}, threads.get()); });
          },
          "The axes reversed.")
      .def(
          "reshape",
          [](const SparseTensor& x, nb::handle shape) {
            const Shape wanted = sparse_shape(shape);
            const auto threads = pool();
            return run([&]() -> Result<SparseTensor> {
              if (x.layout() == Layout::coo) return reshape(x, wanted);
              FERRY_ASSIGN_OR_RETURN(const SparseTensor coo, to_layout(x, Layout::coo, std::nullopt, threads.get()));
              return reshape(coo, wanted);
            });
          },
          nb::arg("shape"), nb::sig("def reshape(self, shape: typing.Sequence[int]) -> SparseTensor"), "COO of as many elements.")
      .def(
          "slice",
          [](const SparseTensor& x, nb::handle begin, nb::handle size) {
            const auto from = to_ints(begin), extent = to_ints(size);
            return run([&] { return slice(x, from, extent); });
          },
          nb::arg("begin"), nb::arg("size"),
          nb::sig("def slice(self, begin: typing.Sequence[int], size: typing.Sequence[int]) -> SparseTensor"),
          "[begin, begin + size) on every axis, as tf.sparse.slice.")
      .def(
          "slice_rows", [](const SparseTensor& x, int64_t begin, int64_t end) { return run([&] { return slice_rows(x, begin, end); }); },
          nb::arg("begin"), nb::arg("end"), "Rows [begin, end); CSR shares its memory.")
      .def(
          "gather_rows",
          [](const SparseTensor& x, nb::handle rows) {
            const DenseTensor ids = dense_from(rows, DType::int64);
            const auto threads = pool();
            return run([&] { return gather_rows(x, ids.values<int64_t>(), threads.get()); });
          },
          nb::arg("rows"), nb::sig("def gather_rows(self, rows: typing.Any) -> SparseTensor"),
          "The rows named, in that order; one may be named twice.");
  m.def(
      "concat",
      [](nb::handle tensors, int64_t axis) {
        const auto parts = sparse_list(tensors);
        if (axis < 0 && !parts.empty()) axis += static_cast<int64_t>(parts.front().rank());
        const auto threads = pool();
        return run([&] { return concat(std::span<const SparseTensor>(parts), axis, threads.get()); });
      },
      nb::arg("tensors"), nb::arg("axis") = 0, nb::sig("def concat(tensors: typing.Iterable[typing.Any], axis: int = 0) -> SparseTensor"),
      "Sparse tensors of one dtype and layout, joined along an axis; as tf.sparse.concat.");

  // ---- Arithmetic: the kernels take one dtype; promotion and the operators are in _arithmetic.py.
  m.def("_add", [](const SparseTensor& a, const SparseTensor& b) {
    const auto threads = pool();
    return run([&] { return add(a, b, threads.get()); });
  });
  m.def("_multiply", multiply);
  m.def("_axis_sum", [](const SparseTensor& x, int64_t axis) {
    const auto threads = pool();
    return run([&] { return axis == 0 ? column_sums(x, threads.get()) : row_sums(x, threads.get()); });
  });
  m.def("_same_values", [](const SparseTensor& a, const SparseTensor& b) { return unlocked([&] { return same_values(a, b); }); });

  auto operation = [&](const char* name, const char* function, const char* signature) {
    type.def(
        name, [function](nb::handle self, nb::handle other) { return python_function("tensorferry._arithmetic", function)(self, other); },
        nb::arg("other").none(), nb::sig(signature));
  };
  operation("__add__", "add", "def __add__(self, other: SparseTensor, /) -> SparseTensor");
  operation("__radd__", "add", "def __radd__(self, other: typing.Any, /) -> SparseTensor");
  operation("__sub__", "subtract", "def __sub__(self, other: SparseTensor, /) -> SparseTensor");
  operation("__mul__", "multiply", "def __mul__(self, other: typing.Any, /) -> SparseTensor");
  operation("__rmul__", "multiply", "def __rmul__(self, other: typing.Any, /) -> SparseTensor");
  operation("__truediv__", "divide", "def __truediv__(self, other: typing.Any, /) -> SparseTensor");
  operation("__matmul__", "matmul", "def __matmul__(self, other: typing.Any, /) -> numpy.ndarray");
  operation("__rmatmul__", "rmatmul", "def __rmatmul__(self, other: typing.Any, /) -> numpy.ndarray");
  operation("__eq__", "equal", "def __eq__(self, other: object, /) -> bool");
  type.attr("__hash__") = nb::none();
  type.def(
          "__neg__", [](nb::handle self) { return python_function("tensorferry._arithmetic", "negate")(self); },
          nb::sig("def __neg__(self) -> SparseTensor"))
      .def(
          "__abs__", [](nb::handle self) { return python_function("tensorferry._arithmetic", "absolute")(self); },
          nb::sig("def __abs__(self) -> SparseTensor"))
      .def(
          "sum", [](nb::handle self, nb::handle axis) { return python_function("tensorferry._arithmetic", "total")(self, axis); },
          nb::arg("axis") = nb::none(), nb::sig("def sum(self, axis: int | None = None) -> typing.Any"),
          "The sum of all entries, or over one axis: a dense array of the others.")
      .def(
          "astype", [](nb::handle self, nb::handle dtype) { return python_function("tensorferry._arithmetic", "astype")(self, dtype); },
          nb::arg("dtype"), nb::sig("def astype(self, dtype: typing.Any) -> SparseTensor"),
          "Values cast as NumPy casts them; indices shared.");
}

}  // namespace ferry::py
