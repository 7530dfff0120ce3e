#include "bind.h"

namespace ferry::py {

nb::object python_function(const char* module, const char* name) { return nb::module_::import_(module).attr(name); }

void add_errors(nb::module_&) {
  nb::register_exception_translator([](const std::exception_ptr& thrown, void*) {
    try {
      std::rethrow_exception(thrown);
    } catch (const StatusError& error) {
      const Status& status = error.status();
      const std::string_view code = status_name(status.code()), message = status.message();
      try {
        nb::object offset = status.offset() ? nb::object(nb::int_(*status.offset())) : nb::none();
        nb::object path = error.path().empty() ? nb::none() : nb::object(nb::str(error.path().c_str(), error.path().size()));
        // Bytes that are no UTF-8 may be quoted in a message.
        nb::object text = nb::steal(PyUnicode_DecodeUTF8(message.data(), static_cast<Py_ssize_t>(message.size()), "backslashreplace"));
        nb::object exception = python_function("tensorferry._errors", "make_error")(nb::str(code.data(), code.size()), text, offset, path);
        PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(exception.ptr())), exception.ptr());
      } catch (nb::python_error& inner) {
        inner.restore();
      }
    }
  });
}

}  // namespace ferry::py
