#include "reading.h"

#include "options.h"
#include "text.h"

namespace ferry::py {

std::string text_of(nb::handle value) {
  Py_ssize_t size = 0;
  const char* text = PyUnicode_AsUTF8AndSize(value.ptr(), &size);
  if (text == nullptr) throw nb::python_error();
  return {text, static_cast<size_t>(size)};
}

std::string path_text(nb::handle path) { return {PyBytes_AS_STRING(path.ptr()), static_cast<size_t>(PyBytes_GET_SIZE(path.ptr()))}; }

const Format* format_named(nb::handle name) {
  if (name.is_none()) return nullptr;
  const std::string id = text_of(name);
  if (const Format* format = find_format(id)) return format;
  std::string known;
  for (const Format* format : all_formats()) known += concat(known.empty() ? "" : ", ", format->id);
  throw StatusError(invalid_argument(concat("there is no format called ", quoted(id), "; the formats are ", known)));
}

FormatOptions options_for(const Format& format, nb::handle mapping) {
  FormatOptions out;
  for (nb::handle item : nb::object(mapping.attr("items")())) {
    const std::string name = text_of(item[0]);
    bool known = false;
    std::string all;
    for (const OptionSpec& spec : format.options) {
      known |= spec.name == name;
      all += concat(all.empty() ? "" : ", ", spec.name);
    }
    if (!known) {
      throw nb::type_error(concat("format ", format.id, " has no option ", quoted(name),
                                  all.empty() ? std::string("; it has none") : concat("; it has ", all))
                               .c_str());
    }
    nb::object value = nb::object(item[1]);
    out.set(name, value.is(nb::bool_(true)) ? "true" : value.is(nb::bool_(false)) ? "false" : text_of(nb::str(value)));
  }
  return out;
}

ReadOptions read_options(nb::handle parts, nb::handle validate, nb::handle limits) {
  ReadOptions options;
  options.validation = validation_level(text_of(validate));
  options.limits = to_limits(limits);
  if (PyBool_Check(parts.ptr())) {
    options.parts.enabled = parts.ptr() == Py_True;
  } else {
    for (nb::handle item : nb::object(parts.attr("items")())) {
      std::vector<std::string> names;
      for (nb::handle name : nb::iter(item[1])) names.push_back(name_text(name));
      options.parts.explicit_groups.emplace_back(name_text(item[0]), std::move(names));
    }
  }
  return options;
}

}  // namespace ferry::py
