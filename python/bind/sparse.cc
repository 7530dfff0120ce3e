// tensorferry.SparseTensor: the type, its facts and its ways in and out. What one does to it is in sparse_operations.cc.
#include "ferry/sparse.h"

#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>

#include "numpy.h"
#include "options.h"
#include "tensor_class.h"

namespace ferry::py {
namespace {

// From outside: checked before anything relies on it, and looked at once to learn its order.
SparseTensor admit(const SparseTensor& x, Validation level) {
  const auto threads = pool();
  return run([&]() -> Result<SparseTensor> {
    FERRY_RETURN_IF_ERROR(x.validate(level));
    if (level == Validation::trust) return x;
    return x.with_order(find_order(x, threads.get()));
  });
}

DenseTensor index_tensor(nb::handle value, bool copy) {
  DenseTensor indices = dense_from(value, std::nullopt, copy);
  if (indices.dtype() == DType::int64 || indices.dtype() == DType::int32) return indices;
  const DTypeClass kind = dtype_class(indices.dtype());
  // An empty list is float64 to NumPy.
  if (kind != DTypeClass::kSigned && kind != DTypeClass::kUnsigned && indices.num_elements() > 0) {
    throw StatusError(invalid_argument(concat("indices are ", dtype_name(indices.dtype()), ", expected whole numbers")));
  }
  if (indices.dtype() == DType::uint64) {
    for (const uint64_t index : indices.values<uint64_t>()) {
      if (index >> 63 != 0) throw StatusError(invalid_argument(concat("index ", index, " is larger than any axis can be")));
    }
  }
  return dense_from(array_of(indices), DType::int64);
}

DenseTensor coo_indices(nb::handle value, const Shape& shape, bool copy) {
  DenseTensor indices = index_tensor(value, copy);
  if (indices.dtype() == DType::int32) indices = dense_from(array_of(indices), DType::int64);
  const auto rank = static_cast<int64_t>(shape.rank());
  if (indices.shape().rank() == 1 && (rank == 1 || indices.num_elements() == 0)) {
    const int64_t rows = rank == 1 ? indices.num_elements() : 0;
    return unwrap(indices.reshaped(Shape{rows, rank}));
  }
  return indices;
}

DenseTensor values_from(nb::handle value, nb::handle dtype, bool copy) {
  std::optional<DType> type;
  if (!dtype.is_none()) type = to_dtype(dtype);
  return dense_from(value, type, copy);
}

SparseTensor make_coo(nb::handle indices, nb::handle values, nb::handle shape, nb::handle dtype, bool copy, const std::string& level) {
  const Shape extents = sparse_shape(shape);
  return admit(unwrap(SparseTensor::coo(extents, coo_indices(indices, extents, copy), values_from(values, dtype, copy))),
               validation_level(level));
}

SparseTensor make_compressed(Layout layout, nb::handle indptr, nb::handle indices, nb::handle values, nb::handle shape, nb::handle dtype,
                             bool copy, const std::string& level) {
  DenseTensor pointers = index_tensor(indptr, copy), minor = index_tensor(indices, copy);
  if (pointers.dtype() != minor.dtype()) {  // the wider one wins
    if (pointers.dtype() == DType::int32) pointers = dense_from(array_of(pointers), DType::int64);
    if (minor.dtype() == DType::int32) minor = dense_from(array_of(minor), DType::int64);
  }
  return admit(unwrap(SparseTensor::compressed(layout, sparse_shape(shape), std::move(pointers), std::move(minor),
                                               values_from(values, dtype, copy))),
               validation_level(level));
}

nb::tuple parts_of(const SparseTensor& x) {
  nb::list parts;
  parts.append(nb::cast(x.indices()));
  parts.append(nb::cast(x.values()));
  if (x.layout() != Layout::coo) parts.append(nb::cast(x.indptr()));
  return nb::make_tuple(word(layout_name(x.layout())), shape_tuple(x.shape()), nb::make_tuple(x.order().sorted, x.order().unique), parts);
}

SparseTensor from_parts(const std::string& layout, nb::handle shape, std::pair<bool, bool> order, nb::list parts) {
  const Layout kind = to_layout_name(layout);
  if (nb::len(parts) != (kind == Layout::coo ? 2u : 3u))
    throw StatusError(data_loss("a pickled sparse tensor has the wrong number of parts"));
  auto part = [&](size_t i) { return nb::cast<DenseTensor>(parts[i]); };
  const Order facts{order.first, order.second};
  const SparseTensor x = kind == Layout::coo ? unwrap(SparseTensor::coo(to_shape(shape), part(0), part(1), facts))
                                             : unwrap(SparseTensor::compressed(kind, to_shape(shape), part(2), part(0), part(1), facts));
  check(unlocked([&] { return x.validate(Validation::bounds); }));
  return x;
}

nb::object interop(const char* module, const char* name, nb::handle self) { return python_function(module, name)(self); }

}  // namespace

void add_sparse(nb::module_& m) {
  nb::class_<SparseTensor> type(
      m, "SparseTensor", nb::is_weak_referenceable(),
      "Entries of a tensor that is zero elsewhere: COO of any rank, CSR or CSC of rank 2. Immutable; memory is shared.\n\n"
      "SparseTensor(indices, values, shape) takes COO parts as tf.SparseTensor does; from_pairs, from_dense, from_scipy,\n"
      "from_tf, from_torch, from_jax and from_sparse make one from something else. x[i], x[a:b], x[i, j] slice;\n"
      "len(x) is the number of entries and iterating gives (coordinates, value) pairs, so dict(x) works.");
  add_common(type, {"SparseTensor", "tuple[int, ...]", "sparse", "A tf.SparseTensor, its entries in row-major order.",
                    "A torch sparse tensor of the same layout. Values are shared with memory that PyTorch cannot know to be read-only: do "
                    "not write, or say copy=True."});
  type.def(
          "__init__",
          [](SparseTensor* self, nb::handle indices, nb::handle values, nb::handle shape, nb::handle dtype, bool copy,
             const std::string& validate) { new (self) SparseTensor(make_coo(indices, values, shape, dtype, copy, validate)); },
          nb::arg("indices"), nb::arg("values"), nb::arg("shape"), nb::kw_only(), nb::arg("dtype") = nb::none(), nb::arg("copy") = false,
          nb::arg("validate") = "bounds",
          nb::sig("def __init__(self, indices: typing.Any, values: typing.Any, shape: typing.Sequence[int], *, dtype: typing.Any = None, "
                  "copy: bool = False, validate: str = 'bounds') -> None"),
          "COO from indices [nnz, rank] and values [nnz], in any order, duplicates kept. validate: trust, bounds or canonical.")
      .def_static(
          "coo",
          [](nb::handle indices, nb::handle values, nb::handle shape, nb::handle dtype, bool copy, const std::string& validate) {
            return make_coo(indices, values, shape, dtype, copy, validate);
          },
          nb::arg("indices"), nb::arg("values"), nb::arg("shape"), nb::kw_only(), nb::arg("dtype") = nb::none(), nb::arg("copy") = false,
          nb::arg("validate") = "bounds",
          nb::sig("def coo(indices: typing.Any, values: typing.Any, shape: typing.Sequence[int], *, dtype: typing.Any = None, copy: bool = "
                  "False, "
                  "validate: str = 'bounds') -> SparseTensor"),
          "The same as SparseTensor(indices, values, shape).");
  auto compressed = [&](const char* name, Layout layout, const char* signature, const char* doc) {
    type.def_static(
        name,
        [layout](nb::handle indptr, nb::handle indices, nb::handle values, nb::handle shape, nb::handle dtype, bool copy,
                 const std::string& validate) { return make_compressed(layout, indptr, indices, values, shape, dtype, copy, validate); },
        nb::arg("indptr"), nb::arg("indices"), nb::arg("values"), nb::arg("shape"), nb::kw_only(), nb::arg("dtype") = nb::none(),
        nb::arg("copy") = false, nb::arg("validate") = "bounds", nb::sig(signature), doc);
  };
  compressed(
      "csr", Layout::csr,
      "def csr(indptr: typing.Any, indices: typing.Any, values: typing.Any, shape: typing.Sequence[int], *, dtype: typing.Any = None, "
      "copy: bool = False, validate: str = 'bounds') -> SparseTensor",
      "CSR from its three arrays, as SciPy has them.");
  compressed(
      "csc", Layout::csc,
      "def csc(indptr: typing.Any, indices: typing.Any, values: typing.Any, shape: typing.Sequence[int], *, dtype: typing.Any = None, "
      "copy: bool = False, validate: str = 'bounds') -> SparseTensor",
      "CSC from its three arrays, as SciPy has them.");

  type.def_prop_ro(
          "layout", [](const SparseTensor& x) { return word(layout_name(x.layout())); }, "coo, csr or csc.")
      .def_prop_ro("nnz", &SparseTensor::nnz, "How many entries are stored, explicit zeros and duplicates included.")
      .def_prop_ro(
          "sorted", [](const SparseTensor& x) { return x.order().sorted; },
          "Entries are known to be in order: row-major (COO), or by minor index within each row or column (CSR, CSC).")
      .def_prop_ro(
          "unique", [](const SparseTensor& x) { return x.order().unique; }, "No coordinate is known to stand twice.")
      .def_prop_ro(
          "values", [](const SparseTensor& x) { return array_of(x.values()); }, nb::sig("def values(self) -> numpy.ndarray"),
          "[nnz], read-only, over the tensor's memory.")
      .def_prop_ro(
          "indices", [](const SparseTensor& x) { return array_of(x.indices()); }, nb::sig("def indices(self) -> numpy.ndarray"),
          "COO: int64 [nnz, rank]. CSR: column ids, CSC: row ids, int32 or int64 [nnz]. Read-only, over the tensor's memory.")
      .def_prop_ro(
          "indptr",
          [](const SparseTensor& x) {
            if (x.layout() == Layout::coo) throw nb::attribute_error("a COO tensor has no indptr; tocsr() or tocsc() gives one");
            return array_of(x.indptr());
          },
          nb::sig("def indptr(self) -> numpy.ndarray"), "CSR, CSC: where each row or column begins, [rows or columns + 1]. Read-only.")
      .def_prop_ro("_values", [](const SparseTensor& x) { return x.values(); })
      .def(
          "validate",
          [](const SparseTensor& x, const std::string& level) {
            const Validation wanted = validation_level(level);
            check(unlocked([&] { return x.validate(wanted); }));
          },
          nb::arg("level") = "canonical",
          "Raises Error where the tensor breaks a rule. bounds: every index in range; canonical: sorted and without duplicates besides.")
      .def("_with_values", [](const SparseTensor& x, nb::handle values) { return unwrap(x.with_values(dense_from(values))); })
      .def("_parts", parts_of)
      .def_static("_from_parts", from_parts)
      .def("__len__", &SparseTensor::nnz)
      .def("__bool__",
           [](const SparseTensor&) -> bool {
             throw nb::type_error("whether a tensor is true is ambiguous; ask for x.nnz > 0 or x is not None");
           })
      .def(
          "__array__",
          [](const SparseTensor&, nb::args, nb::kwargs) -> nb::object {
            throw nb::type_error("a sparse tensor is not turned into a dense array unasked; call to_dense() or to_numpy()");
          },
          nb::sig("def __array__(self, dtype: typing.Any = None, copy: bool | None = None) -> typing.NoReturn"))
      .def(
          "__iter__", [](nb::handle self) { return interop("tensorferry._index", "entries", self); },
          nb::sig("def __iter__(self) -> typing.Iterator[tuple[tuple[int, ...], typing.Any]]"),
          "(coordinates, value) of each entry, as stored.")
      .def(
          "__getitem__", [](nb::handle self, nb::handle key) { return python_function("tensorferry._index", "sparse_item")(self, key); },
          nb::arg("key"), nb::sig("def __getitem__(self, key: typing.Any, /) -> typing.Any"),
          "As NumPy: an int drops its axis, all ints give the element; slices keep it. One array of row ids or a mask selects rows.")
      // ---- Other libraries, imported when called
      .def(
          "to_scipy", [](nb::handle self, bool copy) { return python_function("tensorferry._scipy", "to_scipy")(self, copy); },
          nb::kw_only(), nb::arg("copy") = false, nb::sig("def to_scipy(self, *, copy: bool = False) -> typing.Any"),
          "A scipy.sparse array of the same layout, over the same memory (read-only) unless copy is asked for.")
      .def(
          "to_jax", [](nb::handle self) { return interop("tensorferry._jax", "to_jax", self); }, nb::sig("def to_jax(self) -> typing.Any"),
          "A jax.experimental.sparse.BCOO.")
      .def(
          "to_sparse", [](nb::handle self) { return interop("tensorferry._pydata", "to_sparse", self); },
          nb::sig("def to_sparse(self) -> typing.Any"), "A COO of the PyData `sparse` package.");
  for (const char* name : {"from_scipy", "from_tf", "from_torch", "from_jax", "from_sparse"}) {
    const std::string signature = concat("def ", name, "(value: typing.Any, *, copy: bool = False) -> SparseTensor");
    type.def_static(
        name, [name](nb::handle value, bool copy) { return python_function("tensorferry._convert", name)(value, copy); }, nb::arg("value"),
        nb::kw_only(), nb::arg("copy") = false, nb::sig(signature.c_str()),
        "Shares the memory where the layouts agree, unless copy is asked for.");
  }
  // NumPy's operators stand back: array @ tensor comes to __rmatmul__.
  type.attr("__array_ufunc__") = nb::none();
}

}  // namespace ferry::py
