// tensorferry.RaggedTensor.
#include "ferry/ragged.h"

#include <nanobind/stl/string.h>

#include "numpy.h"
#include "options.h"
#include "tensor_class.h"

namespace ferry::py {
namespace {

DenseTensor split_tensor(nb::handle value, bool copy) {
  DenseTensor splits = dense_from(value, std::nullopt, copy);
  if (splits.dtype() == DType::int32 || splits.dtype() == DType::int64) return splits;
  const DTypeClass kind = dtype_class(splits.dtype());
  if (kind != DTypeClass::kSigned && kind != DTypeClass::kUnsigned && splits.num_elements() > 0) {
    throw StatusError(invalid_argument(concat("row splits and lengths are ", dtype_name(splits.dtype()), ", expected whole numbers")));
  }
  return dense_from(array_of(splits), DType::int64);
}

// One array, or a list of them with the outermost first.
std::vector<DenseTensor> nested(nb::handle value, bool copy) {
  std::vector<DenseTensor> out;
  bool many = false;
  if (PyList_Check(value.ptr()) || PyTuple_Check(value.ptr())) {
    nb::object first = nb::len(value) == 0 ? nb::none() : nb::object(value[0]);
    many = !first.is_none() && PyIndex_Check(first.ptr()) == 0;
    // A zero-dimensional array or tensor may look like an index and still be one level of splits: an array has a shape.
    if (!first.is_none() && nb::hasattr(first, "shape") && nb::len(nb::object(first.attr("shape"))) > 0) many = true;
  }
  if (!many) {
    out.push_back(split_tensor(value, copy));
    return out;
  }
  bool wide = false;
  for (nb::handle level : nb::iter(value)) {
    out.push_back(split_tensor(level, copy));
    wide |= out.back().dtype() == DType::int64;
  }
  for (DenseTensor& level : out) {
    if (wide && level.dtype() == DType::int32) level = dense_from(array_of(level), DType::int64);
  }
  return out;
}

DenseTensor flat(nb::handle values, nb::handle dtype, bool copy) {
  std::optional<DType> type;
  if (!dtype.is_none()) type = to_dtype(dtype);
  return dense_from(values, type, copy);
}

RaggedTensor admit(RaggedTensor x) {
  check(unlocked([&] { return x.validate(Validation::bounds); }));
  return x;
}

RaggedTensor from_row_splits(nb::handle values, nb::handle row_splits, nb::handle dtype, bool copy) {
  return admit(unwrap(RaggedTensor::make(nested(row_splits, copy), flat(values, dtype, copy))));
}

std::optional<DenseTensor> scalar_like(nb::handle value, DType dtype) {
  if (value.is_none()) return std::nullopt;
  if (dtype == DType::string) return dense_from(value);
  return dense_from(value, dtype);
}

nb::object row(const RaggedTensor& x, int64_t i) {
  const int64_t rows = x.rows();
  const int64_t at = i < 0 ? i + rows : i;
  if (at < 0 || at >= rows) throw nb::index_error(concat("row ", i, " of ", rows).c_str());
  const RaggedTensor one = run([&] { return slice_rows(x, at, at + 1); });
  if (x.ragged_rank() == 1) return array_of(one.flat_values());
  std::vector<DenseTensor> inner(one.nested_row_splits().begin() + 1, one.nested_row_splits().end());
  return nb::cast(unwrap(RaggedTensor::make(std::move(inner), one.flat_values())));
}

nb::object item(const RaggedTensor& x, nb::handle key) {
  if (PyTuple_Check(key.ptr())) {
    if (nb::len(key) == 0) return nb::cast(x);
    nb::object first = nb::object(key[0]);
    if (!PyIndex_Check(first.ptr())) throw nb::index_error("a ragged tensor is cut on its first axis; take a row before going further in");
    nb::object inner = item(x, first);
    nb::object rest = nb::steal(PyTuple_GetSlice(key.ptr(), 1, PY_SSIZE_T_MAX));
    return nb::len(rest) == 0 ? inner : nb::object(inner[rest]);
  }
  if (PySlice_Check(key.ptr())) {
    Py_ssize_t begin = 0, end = 0, step = 0;
    if (PySlice_Unpack(key.ptr(), &begin, &end, &step) < 0) throw nb::python_error();
    PySlice_AdjustIndices(x.rows(), &begin, &end, step);
    if (step != 1) throw nb::index_error("the rows of a ragged tensor are taken one after another: the step is 1");
    return nb::cast(run([&] { return slice_rows(x, begin, std::max(begin, end)); }));
  }
  const auto index = to_ints(key);
  if (index.size() != 1) throw nb::index_error("expected a row number or a slice");
  return row(x, index[0]);
}

nb::object nested_list(const RaggedTensor& x, size_t level, int64_t begin, int64_t end, const nb::object& values) {
  if (level == x.ragged_rank()) {
    nb::object range = nb::steal(PySlice_New(nb::int_(begin).ptr(), nb::int_(end).ptr(), nullptr));
    return nb::object(nb::object(values[range]).attr("tolist")());
  }
  nb::list out;
  const DenseTensor& splits = x.row_splits(level);
  auto at = [&](int64_t i) {
    return splits.dtype() == DType::int32 ? int64_t{splits.values<int32_t>()[static_cast<size_t>(i)]}
                                          : splits.values<int64_t>()[static_cast<size_t>(i)];
  };
  for (int64_t i = begin; i < end; ++i) out.append(nested_list(x, level + 1, at(i), at(i + 1), values));
  return nb::object(out);
}

nb::tuple parts_of(const RaggedTensor& x) {
  nb::list parts;
  for (const DenseTensor& splits : x.nested_row_splits()) parts.append(nb::cast(splits));
  parts.append(nb::cast(x.flat_values()));
  return nb::make_tuple(parts);
}

RaggedTensor from_parts(nb::list parts) {
  std::vector<DenseTensor> splits;
  for (nb::handle part : parts) splits.push_back(nb::cast<DenseTensor>(part));
  if (splits.size() < 2) throw StatusError(data_loss("a pickled ragged tensor lacks its row splits"));
  DenseTensor values = std::move(splits.back());
  splits.pop_back();
  return admit(unwrap(RaggedTensor::make(std::move(splits), std::move(values))));
}

}  // namespace

void add_ragged(nb::module_& m) {
  nb::class_<RaggedTensor> type(
      m, "RaggedTensor", nb::is_weak_referenceable(),
      "Rows of different lengths, nested: row_splits over flat values, as tf.RaggedTensor. Immutable; memory is shared.");
  add_common(type, {"RaggedTensor", "tuple[int | None, ...]", "ragged", "A tf.RaggedTensor.", "A jagged torch.nested tensor."});
  type.def(
          "__init__",
          [](RaggedTensor* self, nb::handle values, nb::handle row_splits, nb::handle dtype, bool copy) {
            new (self) RaggedTensor(from_row_splits(values, row_splits, dtype, copy));
          },
          nb::arg("values"), nb::arg("row_splits"), nb::kw_only(), nb::arg("dtype") = nb::none(), nb::arg("copy") = false,
          nb::sig(
              "def __init__(self, values: typing.Any, row_splits: typing.Any, *, dtype: typing.Any = None, copy: bool = False) -> None"),
          "From flat values and row_splits: one array, or a list of them with the outermost first.")
      .def_static("from_row_splits", from_row_splits, nb::arg("values"), nb::arg("row_splits"), nb::kw_only(),
                  nb::arg("dtype") = nb::none(), nb::arg("copy") = false,
                  nb::sig("def from_row_splits(values: typing.Any, row_splits: typing.Any, *, dtype: typing.Any = None, copy: bool = "
                          "False) -> RaggedTensor"),
                  "The same as RaggedTensor(values, row_splits).")
      .def_static(
          "from_row_lengths",
          [](nb::handle values, nb::handle row_lengths, nb::handle dtype, bool copy) {
            const auto lengths = nested(row_lengths, copy);
            DenseTensor elements = flat(values, dtype, copy);
            return admit(run([&] { return from_lengths(lengths, std::move(elements)); }));
          },
          nb::arg("values"), nb::arg("row_lengths"), nb::kw_only(), nb::arg("dtype") = nb::none(), nb::arg("copy") = false,
          nb::sig("def from_row_lengths(values: typing.Any, row_lengths: typing.Any, *, dtype: typing.Any = None, copy: bool = False) -> "
                  "RaggedTensor"),
          "From flat values and the length of each row: one array, or a list of them with the outermost first.")
      .def_static(
          "from_lists",
          [](nb::handle rows, nb::handle dtype, nb::handle rank) {
            return python_function("tensorferry._convert", "ragged_from_lists")(rows, dtype, rank);
          },
          nb::arg("rows"), nb::kw_only(), nb::arg("dtype") = nb::none(), nb::arg("ragged_rank") = nb::none(),
          nb::sig("def from_lists(rows: typing.Iterable[typing.Any], *, dtype: typing.Any = None, ragged_rank: int | None = None) -> "
                  "RaggedTensor"),
          "From nested lists: [[1, 2], [], [3]]. Every level of nesting but the last is ragged, unless ragged_rank says how many are.")
      .def_static(
          "from_dense",
          [](nb::handle dense, nb::handle lengths, nb::handle padding) {
            const DenseTensor tensor = dense_from(dense);
            std::optional<DenseTensor> length;
            if (!lengths.is_none()) length = split_tensor(lengths, false);
            const auto pad = scalar_like(padding, tensor.dtype());
            return run([&] { return ragged_from_dense(tensor, length, pad); });
          },
          nb::arg("dense"), nb::kw_only(), nb::arg("lengths") = nb::none(), nb::arg("padding") = nb::none(),
          nb::sig("def from_dense(dense: typing.Any, *, lengths: typing.Any = None, padding: typing.Any = None) -> RaggedTensor"),
          "Axis 1 becomes ragged: rows end where `lengths` says, or at the trailing run of `padding`.")
      .def_static(
          "from_tf", [](nb::handle value, bool copy) { return python_function("tensorferry._tensorflow", "ragged_from_tf")(value, copy); },
          nb::arg("value"), nb::kw_only(), nb::arg("copy") = false,
          nb::sig("def from_tf(value: typing.Any, *, copy: bool = False) -> RaggedTensor"), "From a tf.RaggedTensor.")
      .def_prop_ro("ragged_rank", &RaggedTensor::ragged_rank)
      .def_prop_ro(
          "values", [](const RaggedTensor& x) { return array_of(x.flat_values()); }, nb::sig("def values(self) -> numpy.ndarray"),
          "The flat values, read-only, over the tensor's memory.")
      .def_prop_ro(
          "row_splits", [](const RaggedTensor& x) { return array_of(x.row_splits(0)); }, nb::sig("def row_splits(self) -> numpy.ndarray"),
          "Where each row begins, of the outermost level; read-only.")
      .def_prop_ro(
          "nested_row_splits",
          [](const RaggedTensor& x) {
            nb::list out;
            for (const DenseTensor& splits : x.nested_row_splits()) out.append(array_of(splits));
            return nb::tuple(out);
          },
          nb::sig("def nested_row_splits(self) -> tuple[numpy.ndarray, ...]"), "All levels, the outermost first.")
      .def(
          "row_lengths", [](const RaggedTensor& x) { return array_of(run([&] { return lengths_from_splits(x.row_splits(0)); })); },
          nb::sig("def row_lengths(self) -> numpy.ndarray"), "Of the outermost level.")
      .def(
          "validate",
          [](const RaggedTensor& x, const std::string& level) {
            const Validation wanted = validation_level(level);
            check(unlocked([&] { return x.validate(wanted); }));
          },
          nb::arg("level") = "bounds", "Raises Error where row splits fall, do not begin at 0 or do not end at the number of values.")
      .def(
          "to_dense",
          [](const RaggedTensor& x, nb::handle padding, nb::handle widths, nb::handle limits) {
            const auto pad = scalar_like(padding, x.dtype());
            std::vector<int64_t> wanted;
            if (!widths.is_none()) wanted = to_ints(widths);
            const Limits within = to_limits(limits);
            return run([&] { return to_dense(x, pad, wanted, within); });
          },
          nb::arg("padding") = nb::none(), nb::kw_only(), nb::arg("widths") = nb::none(), nb::arg("limits") = nb::none(),
          nb::sig("def to_dense(self, padding: typing.Any = None, *, widths: typing.Sequence[int] | None = None, "
                  "limits: typing.Mapping[str, int] | None = None) -> DenseTensor"),
          "Rows filled up with `padding` (zero or the empty string) to the longest, or to `widths` for each ragged axis.")
      .def(
          "to_numpy", [](nb::handle self, nb::handle padding) { return nb::object(self.attr("to_dense")(padding).attr("to_numpy")()); },
          nb::arg("padding") = nb::none(), nb::sig("def to_numpy(self, padding: typing.Any = None) -> numpy.ndarray"),
          "to_dense as an array.")
      .def(
          "to_sparse", [](const RaggedTensor& x) { return run([&] { return to_sparse(x); }); },
          "COO: coordinates are positions in the rows, as tf.RaggedTensor.to_sparse.")
      .def(
          "ids_to_csr",
          [](const RaggedTensor& x, int64_t columns, nb::handle dtype) {
            const DType type_of_ones = to_dtype(dtype);
            return run([&] { return ragged_ids_to_csr(x, columns, type_of_ones); });
          },
          nb::arg("columns"), nb::arg("dtype") = "float32",
          nb::sig("def ids_to_csr(self, columns: int, dtype: typing.Any = 'float32') -> SparseTensor"),
          "Lists of column ids as a CSR matrix of ones (the multi-hot reading), over the same ids.")
      .def(
          "tolist", [](const RaggedTensor& x) { return nested_list(x, 0, 0, x.rows(), array_of(x.flat_values())); },
          nb::sig("def tolist(self) -> list[typing.Any]"))
      .def(
          "astype",
          [](const RaggedTensor& x, nb::handle dtype) {
            const DType wanted = to_dtype(dtype);
            if (wanted == x.dtype()) return x;
            return unwrap(RaggedTensor::make({x.nested_row_splits().begin(), x.nested_row_splits().end()},
                                             dense_from(array_of(x.flat_values()), wanted)));
          },
          nb::arg("dtype"), nb::sig("def astype(self, dtype: typing.Any) -> RaggedTensor"),
          "Values cast as NumPy casts them; row splits shared.")
      .def("__len__", &RaggedTensor::rows)
      .def("__getitem__", item, nb::arg("key"), nb::sig("def __getitem__(self, key: typing.Any, /) -> typing.Any"),
           "x[i] is row i (an array, or a RaggedTensor of one level less), x[a:b] the rows between.")
      .def(
          "__eq__",
          [](const RaggedTensor& x, nb::handle other) -> nb::object {
            if (!nb::isinstance<RaggedTensor>(other)) return nb::not_implemented();
            const RaggedTensor& y = nb::cast<const RaggedTensor&>(other);
            if (x.ragged_rank() != y.ragged_rank()) return nb::bool_(false);
            for (size_t level = 0; level < x.ragged_rank(); ++level) {
              if (!nb::cast<bool>(python_function("numpy", "array_equal")(array_of(x.row_splits(level)), array_of(y.row_splits(level)))))
                return nb::bool_(false);
            }
            return nb::bool_(nb::cast(x.flat_values()).equal(nb::cast(y.flat_values())));
          },
          nb::arg("other").none(), nb::sig("def __eq__(self, other: object, /) -> bool"))
      .def(
          "__array__",
          [](const RaggedTensor&, nb::args, nb::kwargs) -> nb::object {
            throw nb::type_error("a ragged tensor is not padded unasked; call to_dense() or to_numpy(), or take its values");
          },
          nb::sig("def __array__(self, dtype: typing.Any = None, copy: bool | None = None) -> typing.NoReturn"))
      .def("_parts", parts_of)
      .def_static("_from_parts", from_parts);
  type.attr("__array_ufunc__") = nb::none();
}

}  // namespace ferry::py
