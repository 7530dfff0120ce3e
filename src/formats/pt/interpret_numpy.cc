// Arrays and scalars that NumPy pickled.
#include "formats/pt/interpret.h"

namespace ferry::pt {

using pickle::Id;
using pickle::Kind;

// dtype("f4", False, True) with the state (version, byte order, …): "<f4".
Result<std::string> Interpreter::numpy_descr(Id id) const {
  if (called(id) != What::numpy_dtype)
    return bad(id, concat("a NumPy dtype is ", kind_name(document_.kind(id)), ", expected numpy.dtype(…)"));
  const auto& object = document_.object(id);
  const auto args = document_.items(object.args);
  if (args.empty()) return bad(id, "a NumPy dtype has no name");
  FERRY_ASSIGN_OR_RETURN(std::string descr, text_of(args[0]));
  if (object.state) {
    const auto state = sequence(*object.state);
    if (state && state->size() >= 2 && document_.kind((*state)[1]) != Kind::none) {
      FERRY_ASSIGN_OR_RETURN(const std::string order, text_of((*state)[1]));
      if (order == "<" || order == ">" || order == "|") descr = order + descr;
    }
    if (state && state->size() >= 5 && (document_.kind((*state)[3]) != Kind::none || document_.kind((*state)[2]) != Kind::none)) {
      return std::string("O");  // records: as objects
    }
  }
  return descr;
}

Result<DescriptionPtr> Interpreter::inline_array(Id id, std::string_view descr, const Shape& shape, bool fortran, Id elements) const {
  auto header = npy::header_of(descr, shape, fortran, limits_);
  // Dates, long doubles: no tensor dtype, but no reason to refuse the rest of the file.
  if (header.status().code() == StatusCode::unsupported) return DescriptionPtr();
  if (!header.ok()) {
    return Status(header.status().code(), concat("a NumPy array: ", header.status().message()), document_.offset(id));
  }
  Inline out;
  out.header = *std::move(header);
  if (called(elements) == What::encode || called(elements) == What::bytes) {
    const auto args = document_.items(document_.object(elements).args);
    if (args.empty()) {
      out.elements = {};
    } else {
      if (document_.kind(args[0]) != Kind::text && document_.kind(args[0]) != Kind::bytes)
        return bad(elements, "the elements of a NumPy array are no bytes");
      out.elements = document_.text(args[0]);
      out.latin1 = document_.kind(args[0]) == Kind::text;
    }
  } else if (document_.kind(elements) == Kind::bytes || document_.kind(elements) == Kind::text) {
    out.elements = document_.text(elements);  // text: Python 2's strings that happen to be UTF-8 are the bytes
  } else {
    return bad(elements, concat("the elements of a NumPy array are ", kind_name(document_.kind(elements)), ", expected bytes"));
  }
  // Latin-1 text takes one or two bytes a byte.
  const uint64_t size = out.elements.size(), wanted = out.header.data_bytes;
  if (out.latin1 ? (wanted > size || wanted < size / 2) : wanted != size) {
    return bad(id,
               concat("a NumPy array of shape ", shape.to_string(), " of ", quoted(descr), " needs ", wanted, " bytes, there are ", size));
  }
  return share({std::move(out), {}, {}});
}

// _reconstruct(ndarray, (0,), b"b") with the state (version, shape, dtype, fortran, elements).
Result<DescriptionPtr> Interpreter::numpy_array(Id id, const pickle::Object& object) const {
  const auto state = object.state ? sequence(*object.state) : std::nullopt;
  if (!state || state->size() < 5) return bad(id, "a NumPy array has no state (version, shape, dtype, order, elements)");
  FERRY_ASSIGN_OR_RETURN(const Shape dims, shape((*state)[1], "the shape of a NumPy array"));
  FERRY_ASSIGN_OR_RETURN(const std::string descr, numpy_descr((*state)[2]));
  // Objects are pickles of their own; what they hold is walked like any list, and is no tensor.
  if (descr.find('O') != std::string::npos) return DescriptionPtr();
  const bool fortran = document_.kind((*state)[3]) == Kind::boolean
                           ? document_.boolean((*state)[3])
                           : document_.kind((*state)[3]) == Kind::integer && document_.integer((*state)[3]) != 0;
  return inline_array(id, descr, dims, fortran, (*state)[4]);
}

Result<DescriptionPtr> Interpreter::numpy_scalar(Id id, std::span<const Id> args) const {
  FERRY_ASSIGN_OR_RETURN(const std::string descr, numpy_descr(args[0]));
  if (descr.find('O') != std::string::npos) return DescriptionPtr();
  return inline_array(id, descr, Shape{}, false, args[1]);
}

// (bytes, dtype, shape, order), of protocol 5
Result<DescriptionPtr> Interpreter::numpy_frombuffer(Id id, std::span<const Id> args) const {
  FERRY_ASSIGN_OR_RETURN(const std::string descr, numpy_descr(args[1]));
  FERRY_ASSIGN_OR_RETURN(const Shape dims, shape(args[2], "the shape of a NumPy array"));
  FERRY_ASSIGN_OR_RETURN(const std::string order, text_of(args[3]));
  return inline_array(id, descr, dims, order == "F", args[0]);
}

}  // namespace ferry::pt
