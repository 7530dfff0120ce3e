#include "ops/op_spec.h"

#include <algorithm>

namespace ferry::ops {
namespace {

struct Row {
  std::string_view name, inputs, outputs, attrs;
  bool stateful;
};

constexpr Row kRows[] = {
#define FERRY_OP_SPEC(name, inputs, outputs, attrs, stateful) {name, inputs, outputs, attrs, stateful},
#include "ops/op_specs.def"
#undef FERRY_OP_SPEC
};
static_assert(std::ranges::is_sorted(kRows, {}, &Row::name));

// The text up to a separator that is outside quotes and brackets, which it takes off the front.
std::string_view take(std::string_view& text, char separator) {
  int depth = 0;
  bool quoted = false;
  size_t i = 0;
  for (; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') quoted = !quoted;  // a quote within is written \22
    if (quoted) continue;
    if (c == '[' || c == '{' || c == '(') ++depth;
    if (c == ']' || c == '}' || c == ')') --depth;
    if (c == separator && depth == 0) break;
  }
  const std::string_view out = text.substr(0, i);
  text.remove_prefix(std::min(i + 1, text.size()));
  return out;
}

ArgSpec read_arg(std::string_view text) {
  ArgSpec out;
  out.name = take(text, ':');
  if (text.starts_with('&')) {
    out.is_ref = true;
    text.remove_prefix(1);
  }
  if (text.starts_with('[')) {
    out.list_attr = text.substr(1, text.size() - 2);
    return out;
  }
  if (const size_t star = text.find('*'); star != std::string_view::npos) {
    out.number_attr = text.substr(0, star);
    text.remove_prefix(star + 1);
  }
  // Attributes of TensorFlow's ops never have a dtype's full name ("S" and "U" are attributes here, not NumPy's strings).
  if (const auto dtype = dtype_from_name(text); dtype && dtype_name(*dtype) == text) {
    out.dtype = *dtype;
  } else {
    out.type_attr = text;
  }
  return out;
}

std::vector<ArgSpec> read_args(std::string_view text) {
  std::vector<ArgSpec> out;
  while (!text.empty()) out.push_back(read_arg(take(text, ',')));
  return out;
}

}  // namespace

const AttrSpec* OpSpec::attr(std::string_view wanted) const {
  const auto it = std::ranges::find(attrs, wanted, &AttrSpec::name);
  return it == attrs.end() ? nullptr : &*it;
}

std::optional<OpSpec> find_op_spec(std::string_view name) {
  const auto it = std::ranges::lower_bound(kRows, name, {}, &Row::name);
  if (it == std::end(kRows) || it->name != name) return std::nullopt;
  OpSpec out{.name = it->name, .inputs = read_args(it->inputs), .outputs = read_args(it->outputs), .attrs = {}, .stateful = it->stateful};
  for (std::string_view rest = it->attrs; !rest.empty();) {
    std::string_view text = take(rest, ';');
    AttrSpec attr;
    attr.name = take(text, ':');
    attr.type = take(text, '=');
    if (const size_t brace = attr.type.find('{'); brace != std::string_view::npos) {
      attr.dtypes = attr.type.substr(brace + 1, attr.type.size() - brace - 2);
      attr.type = attr.type.substr(0, brace);
    }
    if (!text.empty()) attr.otherwise = text;
    out.attrs.push_back(attr);
  }
  return out;
}

}  // namespace ferry::ops
