#include "wire/pickle.h"

namespace ferry::pickle {

std::string_view kind_name(Kind kind) {
  switch (kind) {
    case Kind::none: return "None";
    case Kind::boolean: return "a bool";
    case Kind::integer: return "an integer";
    case Kind::big_integer: return "a big integer";
    case Kind::real: return "a float";
    case Kind::text: return "a string";
    case Kind::bytes: return "a byte string";
    case Kind::list: return "a list";
    case Kind::tuple: return "a tuple";
    case Kind::set: return "a set";
    case Kind::dict: return "a dict";
    case Kind::global: return "a global";
    case Kind::object: return "an object";
    case Kind::persistent: return "a persistent object";
  }
  __builtin_unreachable();
}

std::optional<Id> Document::find(Id dict, std::string_view key) const {
  const std::span<const Id> pairs = kind(dict) == Kind::object ? std::span<const Id>(object(dict).pairs)
                                    : kind(dict) == Kind::dict ? items(dict)
                                                               : std::span<const Id>();
  for (size_t i = pairs.size(); i >= 2; i -= 2) {
    if ((kind(pairs[i - 2]) == Kind::text || kind(pairs[i - 2]) == Kind::bytes) && text(pairs[i - 2]) == key) return pairs[i - 1];
  }
  return std::nullopt;
}

}  // namespace ferry::pickle
