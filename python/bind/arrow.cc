// The Arrow PyCapsule interface: capsules that own the structs of the C data interface, in and out.
#include "formats/arrow/c_data.h"

#include "bind.h"
#include "ferry/tensor_map.h"
#include "text.h"

namespace ferry::py {
namespace {

template <class Struct>
constexpr const char* kCapsule = nullptr;
template <>
constexpr const char* kCapsule<ArrowSchema> = "arrow_schema";
template <>
constexpr const char* kCapsule<ArrowArray> = "arrow_array";
template <>
constexpr const char* kCapsule<ArrowArrayStream> = "arrow_array_stream";

// A struct in a capsule; released with the capsule unless its receiver took it.
template <class Struct>
nb::object capsule(Struct filled) {
  auto* held = new Struct(filled);
  PyObject* out = PyCapsule_New(held, kCapsule<Struct>, [](PyObject* object) {
    auto* owned = static_cast<Struct*>(PyCapsule_GetPointer(object, kCapsule<Struct>));
    if (owned->release != nullptr) owned->release(owned);
    delete owned;
  });
  if (out == nullptr) {
    filled.release(held);
    delete held;
    throw nb::python_error();
  }
  return nb::steal(out);
}

template <class Struct>
Struct* from_capsule(nb::handle object) {
  auto* out = static_cast<Struct*>(PyCapsule_GetPointer(object.ptr(), kCapsule<Struct>));
  if (out == nullptr) throw nb::python_error();
  return out;
}

// → (schema, array) of one tensor
nb::tuple export_one(nb::handle tensor, nb::handle name) {
  const Tensor value = to_tensor(tensor);
  ArrowSchema schema;
  ArrowArray array;
  check(arrow::export_tensor(name_text(name), value, {}, &schema, &array));
  nb::object first = capsule(schema);
  return nb::make_tuple(first, capsule(array));
}

nb::object export_many(nb::handle entries, nb::handle metadata) {
  ArrowArrayStream stream;
  check(arrow::export_stream(map_from(entries, metadata), &stream));
  return capsule(stream);
}

nb::object export_schema(nb::handle entries, nb::handle metadata) {
  ArrowSchema schema;
  ArrowArray array;
  check(arrow::export_map(map_from(entries, metadata), &schema, &array));
  array.release(&array);
  return capsule(schema);
}

// → (metadata, [(name, tensor, metadata)])
nb::tuple entries_of(TensorMap map) {
  nb::list entries;
  for (auto& entry : map) {
    entries.append(nb::make_tuple(name_object(entry.name), tensor_object(std::move(entry.tensor)), metadata_dict(entry.metadata)));
  }
  return nb::make_tuple(metadata_dict(map.metadata), entries);
}

// A table's columns come as the fields of a struct; anything else is one column.
bool is_table(const ArrowSchema& schema) { return schema.format != nullptr && std::string_view(schema.format) == "+s"; }

// The producer's callbacks take the lock themselves where they need it.
nb::tuple import_stream(nb::handle object) {
  auto* stream = from_capsule<ArrowArrayStream>(object);
  bool table = true;
  if (stream->release != nullptr) {
    ArrowSchema schema{};
    if (unlocked([&] { return stream->get_schema(stream, &schema); }) == 0) {
      table = is_table(schema);
      if (schema.release != nullptr) schema.release(&schema);
    }
  }
  return nb::make_tuple(table, entries_of(run([&] { return arrow::import_stream(stream); })));
}

nb::tuple import_array(nb::handle schema, nb::handle array) {
  auto* first = from_capsule<ArrowSchema>(schema);
  auto* second = from_capsule<ArrowArray>(array);
  const bool table = is_table(*first);
  return nb::make_tuple(table, entries_of(run([&] { return arrow::import_array(first, second); })));
}

// Methods of all three kinds of tensor. `requested_schema` is a wish that producers may pass over, and we do.
void add_methods(nb::module_& m, const char* kind) {
  nb::object type = m.attr(kind);
  type.attr("__arrow_c_array__") =
      nb::cpp_function([](nb::handle self, nb::handle) { return export_one(self, nb::str("")); }, nb::scope(type),
                       nb::name("__arrow_c_array__"), nb::is_method(), nb::arg("requested_schema").none() = nb::none(),
                       "Two capsules, schema and array, that share this tensor's memory (Arrow PyCapsule interface).");
  type.attr("__arrow_c_schema__") =
      nb::cpp_function([](nb::handle self) { return nb::object(export_one(self, nb::str(""))[0]); }, nb::scope(type),
                       nb::name("__arrow_c_schema__"), nb::is_method(), "The Arrow type of this tensor as a capsule.");
}

}  // namespace

void add_arrow(nb::module_& m) {
  for (const char* kind : {"DenseTensor", "SparseTensor", "RaggedTensor"}) add_methods(m, kind);
  m.def("_arrow_stream", export_many, nb::arg("entries"), nb::arg("metadata"));
  m.def("_arrow_schema", export_schema, nb::arg("entries"), nb::arg("metadata"));
  m.def("_from_arrow_stream", import_stream, nb::arg("stream"));
  m.def("_from_arrow_array", import_array, nb::arg("schema"), nb::arg("array"));
}

}  // namespace ferry::py
