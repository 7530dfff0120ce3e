// Examples to tensors and back: the compiled half of tensorferry._examples.
#include <nanobind/stl/string.h>

#include "ferry/features.h"
#include "numpy.h"
#include "records/rows.h"
#include "records/tables.h"
#include "text.h"

namespace ferry::py {
namespace {

// ---- Records from Python: bytes in a list, a tuple or an array, or a tensor of strings; held while the lock is released.

struct Records {
  std::vector<nb::object> held;
  std::vector<RecordBytes> views;
  std::optional<DenseTensor> tensor;

  void add(PyObject* element) {
    if (element == nullptr || !PyBytes_Check(element)) {
      const char* name = element == nullptr ? "nothing" : Py_TYPE(element)->tp_name;
      throw nb::type_error(concat("a record is bytes, not ", name).c_str());
    }
    views.emplace_back(reinterpret_cast<const std::byte*>(PyBytes_AS_STRING(element)), static_cast<size_t>(PyBytes_GET_SIZE(element)));
    held.push_back(nb::borrow(element));
  }
};

Records records_from(nb::handle value) {
  Records out;
  Shape shape;
  if (PyList_Check(value.ptr()) || PyTuple_Check(value.ptr())) {
    const Py_ssize_t size = PySequence_Fast_GET_SIZE(value.ptr());
    out.views.reserve(static_cast<size_t>(size));
    out.held.reserve(static_cast<size_t>(size));
    for (Py_ssize_t i = 0; i < size; ++i) out.add(PySequence_Fast_GET_ITEM(value.ptr(), i));
    return out;
  }
  if (const auto elements = object_elements(value, shape)) {
    if (shape.rank() != 1) throw StatusError(invalid_argument(concat("records have shape ", shape.to_string(), ", expected [rows]")));
    out.views.reserve(elements->size());
    for (PyObject* element : *elements) out.add(element);
    return out;
  }
  Tensor tensor = to_tensor(value);
  auto* dense = std::get_if<DenseTensor>(&tensor);
  if (dense == nullptr || !dense->is_string() || dense->shape().rank() != 1) {
    throw StatusError(invalid_argument("records are bytes in a list, or strings of shape [rows]"));
  }
  out.tensor = std::move(*dense);
  const StringsView strings = out.tensor->strings();
  out.views.reserve(static_cast<size_t>(strings.size()));
  for (int64_t i = 0; i < strings.size(); ++i) out.views.push_back(std::as_bytes(std::span(strings[i])));
  return out;
}

struct Names {
  std::vector<std::string> texts;
  std::vector<std::string_view> views;
};
Names names_from(nb::handle value) {
  Names out;
  if (value.is_none()) return out;
  for (nb::handle name : nb::iter(value)) {
    if (PyBytes_Check(name.ptr())) {
      out.texts.emplace_back(PyBytes_AS_STRING(name.ptr()), static_cast<size_t>(PyBytes_GET_SIZE(name.ptr())));
    } else {
      out.texts.push_back(name_text(name));
    }
  }
  for (const std::string& text : out.texts) out.views.push_back(text);
  return out;
}

// ---- Features: (name, kind, dtype, shape, default, allow_missing, index_keys, value_key, already_sorted, partitions, splits)

constexpr std::string_view kPartitions[] = {"RowSplits", "RowLengths", "RowStarts", "RowLimits", "ValueRowIds", "UniformRowLength"};

FeatureSpec feature_from(nb::handle one) {
  FeatureSpec out;
  out.name = name_text(one[0]);
  const std::string kind = nb::cast<std::string>(one[1]);
  const auto found = feature_kind_from_name(kind);
  if (!found) throw StatusError(invalid_argument(concat("feature ", quoted(out.name), ": ", quoted(kind), " is no kind of feature")));
  out.kind = *found;
  out.dtype = to_dtype(one[2]);
  out.shape = to_shape(one[3]);
  if (!nb::object(one[4]).is_none()) {
    const Tensor value = to_tensor(one[4]);
    const auto* dense = std::get_if<DenseTensor>(&value);
    if (dense == nullptr) throw StatusError(invalid_argument(concat("feature ", quoted(out.name), ": a default is dense")));
    out.default_value = *dense;
  }
  out.allow_missing = nb::cast<bool>(one[5]);
  for (nb::handle key : nb::iter(one[6])) out.index_keys.push_back(name_text(key));
  out.value_key = name_text(one[7]);
  out.already_sorted = nb::cast<bool>(one[8]);
  for (nb::handle partition : nb::iter(one[9])) {
    const std::string word = nb::cast<std::string>(partition[0]);
    const auto* at = std::ranges::find(kPartitions, word);
    if (at == std::end(kPartitions)) throw StatusError(invalid_argument(concat(quoted(word), " is no partition of a RaggedFeature")));
    out.partitions.push_back(
        {static_cast<RaggedPartition::Kind>(at - kPartitions), name_text(partition[1]), nb::cast<int64_t>(partition[2])});
  }
  out.row_splits_dtype = to_dtype(one[10]);
  return out;
}

nb::tuple feature_tuple(const FeatureSpec& feature) {
  nb::list keys, partitions;
  for (const std::string& key : feature.index_keys) keys.append(name_object(key));
  for (const RaggedPartition& partition : feature.partitions) {
    const std::string_view word = kPartitions[static_cast<size_t>(partition.kind)];
    partitions.append(nb::make_tuple(nb::str(word.data(), word.size()), name_object(partition.key), partition.length));
  }
  const std::string_view kind = kind_name(feature.kind);
  return nb::make_tuple(name_object(feature.name), nb::str(kind.data(), kind.size()), dtype_object(feature.dtype),
                        shape_tuple(feature.shape), feature.default_value ? tensor_object(*feature.default_value) : nb::none(),
                        feature.allow_missing, keys, name_object(feature.value_key), feature.already_sorted, partitions,
                        dtype_object(feature.row_splits_dtype));
}
nb::list feature_tuples(std::span<const FeatureSpec> features) {
  nb::list out;
  for (const FeatureSpec& feature : features) out.append(feature_tuple(feature));
  return out;
}

nb::list entries_of(TensorMap& map) {
  nb::list out;
  for (auto& entry : map) out.append(nb::make_tuple(name_object(entry.name), tensor_object(std::move(entry.tensor))));
  return out;
}

// ---- Parsers

class PyExampleParser {
 public:
  explicit PyExampleParser(nb::handle features) : parser_(unwrap(ExampleParser::make(features_from(features)))) {}

  nb::list parse(nb::handle serialized, nb::handle names) const {
    const Records records = records_from(serialized);
    const Names given = names_from(names);
    const auto threads = pool();
    ParseOptions options;
    options.threads = threads.get();
    options.names = given.views;
    TensorMap out;
    check(unlocked([&] { return parser_.parse(records.views, out, options); }));
    return entries_of(out);
  }
  nb::list parse_single(nb::bytes record, nb::handle name) const {
    const RecordBytes bytes(static_cast<const std::byte*>(record.data()), record.size());
    Names given;
    if (!name.is_none()) given = names_from(nb::make_tuple(name));
    ParseOptions options;
    options.names = given.views;
    TensorMap out;
    check(unlocked([&] { return parser_.parse_single(bytes, out, options); }));
    return entries_of(out);
  }
  nb::list features() const { return feature_tuples(parser_.features()); }

 private:
  ExampleParser parser_;
};

class PySequenceParser {
 public:
  PySequenceParser(nb::handle context, nb::handle lists)
      : parser_(unwrap(SequenceExampleParser::make(features_from(context), features_from(lists)))) {}

  nb::tuple parse(nb::handle serialized, nb::handle names, bool single) const {
    const Records records = single ? records_from(nb::make_tuple(serialized)) : records_from(serialized);
    const Names given = names_from(names);
    ParseOptions options;
    options.names = given.views;
    ParsedSequences out =
        run([&] { return single ? parser_.parse_single(records.views[0], options) : parser_.parse(records.views, options); });
    return nb::make_tuple(entries_of(out.context), entries_of(out.lists), entries_of(out.lengths));
  }

 private:
  SequenceExampleParser parser_;
};

class PyListParser {
 public:
  PyListParser(nb::handle context, nb::handle examples, int64_t list_size)
      : parser_(unwrap(ExampleListParser::make(features_from(context), features_from(examples),
                                               list_size < 0 ? std::nullopt : std::optional<int64_t>(list_size)))) {}

  nb::tuple parse(nb::handle serialized, nb::handle names) const {
    const Records records = records_from(serialized);
    const Names given = names_from(names);
    const auto threads = pool();
    ParseOptions options;
    options.threads = threads.get();
    options.names = given.views;
    ParsedExampleLists out = run([&] { return parser_.parse(records.views, options); });
    return nb::make_tuple(entries_of(out.context), entries_of(out.examples), tensor_object(std::move(out.sizes)));
  }

 private:
  ExampleListParser parser_;
};

// ---- What records hold

nb::list inferred_list(std::span<const InferredFeature> features) {
  nb::list out;
  for (const InferredFeature& one : features) {
    out.append(nb::make_tuple(feature_tuple(one.spec), one.is_list, one.records, one.min_values, one.max_values, one.values, one.max_steps,
                              one.conflict));
  }
  return out;
}

nb::tuple infer(nb::handle serialized) {
  const Records records = records_from(serialized);
  const InferredFeatures found = run([&] { return infer_features(records.views); });
  const std::string_view content = content_name(found.content);
  return nb::make_tuple(nb::str(content.data(), content.size()), found.records, inferred_list(found.features),
                        inferred_list(found.examples));
}

// ---- The way back

// A record for each row of the tensors; or one for the whole map.
nb::object serialize(nb::handle entries, bool single, bool marks) {
  const TensorMap map = map_from(entries, nb::none());
  records::TableOptions options;
  options.rows = single ? records::Rows::one : records::Rows::many;
  options.marks = marks;
  records::Table table = run([&] { return records::table_of(map, options); });
  const int64_t rows = single ? 1 : table.rows;
  records::RowEncoder encoder(std::move(table.columns));
  std::string bytes;
  std::vector<size_t> ends;
  unlocked([&] {
    for (int64_t row = 0; row < rows; ++row) {
      encoder.append(bytes, row);
      ends.push_back(bytes.size());
    }
    return 0;
  });
  if (single) return nb::bytes(bytes.data(), bytes.size());
  nb::list out;
  size_t begin = 0;
  for (const size_t end : ends) {
    out.append(nb::bytes(bytes.data() + begin, end - begin));
    begin = end;
  }
  return out;
}

}  // namespace

std::vector<FeatureSpec> features_from(nb::handle list) {
  std::vector<FeatureSpec> out;
  for (nb::handle one : nb::iter(list)) out.push_back(feature_from(one));
  return out;
}

void add_examples(nb::module_& m) {
  nb::class_<PyExampleParser>(m, "_ExampleParser")
      .def(nb::init<nb::handle>())
      .def("parse", &PyExampleParser::parse, nb::arg("serialized"), nb::arg("names").none())
      .def("parse_single", &PyExampleParser::parse_single, nb::arg("record"), nb::arg("name").none())
      .def("features", &PyExampleParser::features);
  nb::class_<PySequenceParser>(m, "_SequenceParser")
      .def(nb::init<nb::handle, nb::handle>())
      .def("parse", &PySequenceParser::parse, nb::arg("serialized"), nb::arg("names").none(), nb::arg("single"));
  nb::class_<PyListParser>(m, "_ExampleListParser")
      .def(nb::init<nb::handle, nb::handle, int64_t>())
      .def("parse", &PyListParser::parse, nb::arg("serialized"), nb::arg("names").none());
  m.def("_infer_features", &infer);
  m.def("_serialize_examples", &serialize);
  m.def("_schema_from_text", [](const std::string& text) { return feature_tuples(unwrap(schema_from_text(text))); });
  m.def("_schema_text", [](nb::handle features) { return name_object(unwrap(schema_text(features_from(features)))); });
}

}  // namespace ferry::py
