#include "options.h"

namespace ferry::py {

Validation validation_level(std::string_view name) {
  if (name == "trust") return Validation::trust;
  if (name == "bounds") return Validation::bounds;
  if (name == "canonical") return Validation::canonical;
  throw StatusError(invalid_argument(concat("validation level ", quoted(name), " is none of trust, bounds, canonical")));
}

Layout to_layout_name(std::string_view name) {
  for (const Layout layout : {Layout::coo, Layout::csr, Layout::csc}) {
    if (layout_name(layout) == name) return layout;
  }
  throw StatusError(invalid_argument(concat("layout ", quoted(name), " is none of coo, csr, csc")));
}

Duplicates to_duplicates(std::string_view name) {
  if (const auto found = duplicates_from_name(name)) return *found;
  throw StatusError(invalid_argument(concat("duplicates rule ", quoted(name), " is none of sum, first, last, min, max, error")));
}

Limits to_limits(nb::handle mapping) {
  Limits limits;
  if (mapping.is_none()) return limits;
  struct Field {
    const char* name;
    uint64_t Limits::*member;
  };
  constexpr Field kFields[] = {
      {"max_tensor_bytes", &Limits::max_tensor_bytes},
      {"max_tensors", &Limits::max_tensors},
      {"max_rank", &Limits::max_rank},
      {"max_name_bytes", &Limits::max_name_bytes},
      {"max_nesting", &Limits::max_nesting},
      {"max_expanded_bytes", &Limits::max_expanded_bytes},
      {"free_expanded_bytes", &Limits::free_expanded_bytes},
      {"max_expansion_ratio", &Limits::max_expansion_ratio},
      {"max_densified_bytes", &Limits::max_densified_bytes},
  };
  for (nb::handle item : nb::object(mapping.attr("items")())) {
    const std::string name = nb::cast<nb::str>(item[0]).c_str();
    const auto value = nb::cast<uint64_t>(item[1]);
    bool found = false;
    for (const Field& field : kFields) {
      if (name != field.name) continue;
      limits.*field.member = value;
      found = true;
    }
    if (!found)
      throw StatusError(
          invalid_argument(concat("there is no limit called ", quoted(name), "; ferry/limits.h and docs/security.md list them")));
  }
  return limits;
}

}  // namespace ferry::py
