// Names, metadata and named tensors between Python and the library.
#pragma once

#include <string>
#include <string_view>

#include "bind.h"
#include "ferry/tensor_map.h"

namespace ferry::py {

// Names in files are bytes; those that are no UTF-8 survive the way through Python.
inline nb::object name_object(std::string_view name) {
  nb::object out = nb::steal(PyUnicode_DecodeUTF8(name.data(), static_cast<Py_ssize_t>(name.size()), "surrogateescape"));
  if (!out.is_valid()) throw nb::python_error();
  return out;
}
inline std::string name_text(nb::handle name) {
  if (!PyUnicode_Check(name.ptr())) throw nb::type_error("tensor names and metadata are str");
  nb::object bytes = nb::steal(PyUnicode_AsEncodedString(name.ptr(), "utf-8", "surrogateescape"));
  if (!bytes.is_valid()) throw nb::python_error();
  return {PyBytes_AS_STRING(bytes.ptr()), static_cast<size_t>(PyBytes_GET_SIZE(bytes.ptr()))};
}

// The bytes of a str, without a copy where it is plain UTF-8.
struct NameText {
  explicit NameText(nb::handle name) {
    Py_ssize_t size = 0;
    if (const char* text = PyUnicode_AsUTF8AndSize(name.ptr(), &size)) {
      view = {text, static_cast<size_t>(size)};
    } else {
      PyErr_Clear();
      held = name_text(name);
      view = held;
    }
  }
  std::string held;
  std::string_view view;
};

inline nb::dict metadata_dict(const Metadata& metadata) {
  nb::dict out;
  for (const auto& [key, value] : metadata) out[name_object(key)] = name_object(value);
  return out;
}
inline Metadata metadata_from(nb::handle mapping) {
  Metadata out;
  if (mapping.is_none()) return out;
  for (nb::handle item : nb::object(mapping.attr("items")())) out.set(name_text(item[0]), name_text(item[1]));
  return out;
}

// entries: (name, tensor, metadata or None)
inline TensorMap map_from(nb::handle entries, nb::handle metadata) {
  TensorMap map;
  map.metadata = metadata_from(metadata);
  for (nb::handle entry : nb::iter(entries)) check(map.add(name_text(entry[0]), to_tensor(entry[1]), metadata_from(entry[2])));
  return map;
}

}  // namespace ferry::py
