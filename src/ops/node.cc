#include "ops/node.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

namespace ferry::ops {
namespace {

// The pieces of "[a,b,c]"; commas within quotes and inner brackets belong to a piece.
std::vector<std::string_view> pieces(std::string_view text) {
  std::vector<std::string_view> out;
  if (text.size() < 2) return out;
  text = text.substr(1, text.size() - 2);
  int depth = 0;
  bool quoted = false;
  size_t begin = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i == text.size() || (text[i] == ',' && depth == 0 && !quoted)) {
      if (i > begin) out.push_back(text.substr(begin, i - begin));
      begin = i + 1;
      continue;
    }
    if (text[i] == '"') quoted = !quoted;
    if (!quoted && text[i] == '[') ++depth;
    if (!quoted && text[i] == ']') --depth;
  }
  return out;
}

int64_t number_of(std::string_view text) {
  int64_t out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}
double real_of(std::string_view text) { return std::strtod(std::string(text).c_str(), nullptr); }

// "a\22b" without its quotes, escapes undone.
std::string text_of(std::string_view text) {
  std::string out;
  for (size_t i = 1; i + 1 < text.size(); ++i) {
    if (text[i] == '\\' && i + 2 < text.size()) {
      unsigned code = 0;
      std::from_chars(text.data() + i + 1, text.data() + i + 3, code, 16);
      out += static_cast<char>(code);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

PartialShape shape_of(std::string_view text) {
  if (text == "?") return {};
  Shape dims;
  for (std::string_view piece : pieces(text)) dims.append(number_of(piece));
  return PartialShape(std::move(dims));
}

DType type_of(std::string_view text) { return dtype_from_name(text).value_or(DType::float32); }

}  // namespace

Result<NodeInfo> NodeInfo::make(std::string name, OpSpec spec, std::vector<Attr> attrs, ModelState* state, const Limits& limits) {
  NodeInfo out;
  out.name_ = std::move(name);
  out.spec_ = std::move(spec);
  out.attrs_ = std::move(attrs);
  out.state_ = state;
  out.limits_ = limits;
  FERRY_RETURN_IF_ERROR(out.lay_out(out.spec_.inputs, out.input_dtypes_, out.input_refs_, out.input_ranges_));
  FERRY_RETURN_IF_ERROR(out.lay_out(out.spec_.outputs, out.output_dtypes_, out.output_refs_, out.output_ranges_));
  FERRY_RETURN_IF_ERROR(out.check_dtypes());
  return out;
}

Status NodeInfo::lay_out(std::span<const ArgSpec> args, std::vector<DType>& dtypes, std::vector<bool>& refs,
                         std::vector<ArgRange>& ranges) const {
  constexpr int64_t kMost = 1 << 20;
  for (const ArgSpec& arg : args) {
    const size_t begin = dtypes.size();
    if (!arg.list_attr.empty()) {
      const std::vector<DType> list = types(arg.list_attr);
      dtypes.insert(dtypes.end(), list.begin(), list.end());
    } else {
      const int64_t count = arg.number_attr.empty() ? 1 : number(arg.number_attr);
      if (status_.ok() && (count < 0 || count > kMost)) {
        return invalid_argument(concat("attribute ", arg.number_attr, " says ", count, " tensors for ", arg.name));
      }
      const DType dtype = arg.type_attr.empty() ? arg.dtype : type(arg.type_attr);
      if (status_.ok()) dtypes.insert(dtypes.end(), static_cast<size_t>(count), dtype);
    }
    FERRY_RETURN_IF_ERROR(status_);
    refs.resize(dtypes.size(), arg.is_ref);
    ranges.push_back({begin, dtypes.size() - begin});
  }
  return {};
}

Status NodeInfo::check_dtypes() const {
  for (const AttrSpec& attr : spec_.attrs) {
    if (attr.dtypes.empty() || attr.type != "type") continue;
    const DType dtype = type(attr.name);
    FERRY_RETURN_IF_ERROR(status_);
    const std::string_view name = dtype_name(dtype);
    bool found = false;
    for (std::string_view rest = attr.dtypes; !rest.empty() && !found;) {
      const size_t cut = std::min(rest.find(','), rest.size());
      found = rest.substr(0, cut) == name;
      rest.remove_prefix(std::min(cut + 1, rest.size()));
    }
    if (!found) {
      return unsupported(concat(op(), " with ", attr.name, " = ", name, ": TensorFlow has CPU kernels for ", attr.dtypes, " only"));
    }
  }
  return {};
}

const AttrValue* NodeInfo::own(std::string_view attr) const {
  const auto it = std::ranges::find(attrs_, attr, &Attr::name);
  return it == attrs_.end() ? nullptr : &it->value;
}

std::optional<std::string_view> NodeInfo::otherwise(std::string_view attr) const {
  const AttrSpec* const known = spec_.attr(attr);
  if (known != nullptr && known->otherwise) return known->otherwise;
  fail(invalid_argument(concat("the attribute ", attr, " is missing")));
  return std::nullopt;
}

template <class T>
T NodeInfo::keep(std::string_view attr, Result<T> result) const {
  if (result.ok()) return *std::move(result);
  fail(result.status().with_context(concat("attribute ", attr)));
  return T{};
}

DType NodeInfo::type(std::string_view attr) const {
  if (const AttrValue* value = own(attr)) return keep(attr, value->type());
  const auto text = otherwise(attr);
  return text ? type_of(*text) : DType::float32;
}
int64_t NodeInfo::number(std::string_view attr) const {
  if (const AttrValue* value = own(attr)) return keep(attr, value->integer());
  const auto text = otherwise(attr);
  return text ? number_of(*text) : 0;
}
double NodeInfo::real(std::string_view attr) const {
  if (const AttrValue* value = own(attr)) return static_cast<double>(keep(attr, value->number()));
  const auto text = otherwise(attr);
  return text ? static_cast<double>(static_cast<float>(real_of(*text))) : 0;
}
bool NodeInfo::flag(std::string_view attr) const {
  if (const AttrValue* value = own(attr)) return keep(attr, value->boolean());
  return otherwise(attr) == "true";
}
std::string NodeInfo::text(std::string_view attr) const {
  if (const AttrValue* value = own(attr)) return std::string(keep(attr, value->text()));
  const auto text = otherwise(attr);
  return text ? text_of(*text) : std::string();
}
PartialShape NodeInfo::shape(std::string_view attr) const {
  if (const AttrValue* value = own(attr)) return keep(attr, value->shape(limits_));
  const auto text = otherwise(attr);
  return text ? shape_of(*text) : PartialShape();
}

std::vector<DType> NodeInfo::types(std::string_view attr) const {
  if (const AttrValue* value = own(attr)) return keep(attr, value->types());
  std::vector<DType> out;
  if (const auto text = otherwise(attr)) {
    for (std::string_view piece : pieces(*text)) out.push_back(type_of(piece));
  }
  return out;
}
std::vector<int64_t> NodeInfo::numbers(std::string_view attr) const {
  if (const AttrValue* value = own(attr)) return keep(attr, value->integers());
  std::vector<int64_t> out;
  if (const auto text = otherwise(attr)) {
    for (std::string_view piece : pieces(*text)) out.push_back(number_of(piece));
  }
  return out;
}
std::vector<double> NodeInfo::reals(std::string_view attr) const {
  std::vector<double> out;
  if (const AttrValue* value = own(attr)) {
    for (float x : keep(attr, value->numbers())) out.push_back(static_cast<double>(x));
  } else if (const auto text = otherwise(attr)) {
    for (std::string_view piece : pieces(*text)) out.push_back(real_of(piece));
  }
  return out;
}
std::vector<std::string> NodeInfo::texts(std::string_view attr) const {
  std::vector<std::string> out;
  if (const AttrValue* value = own(attr)) {
    for (std::string_view x : keep(attr, value->texts())) out.emplace_back(x);
  } else if (const auto text = otherwise(attr)) {
    for (std::string_view piece : pieces(*text)) out.push_back(text_of(piece));
  }
  return out;
}
std::vector<PartialShape> NodeInfo::shapes(std::string_view attr) const {
  if (const AttrValue* value = own(attr)) return keep(attr, value->shapes(limits_));
  std::vector<PartialShape> out;
  if (const auto text = otherwise(attr)) {
    for (std::string_view piece : pieces(*text)) out.push_back(shape_of(piece));
  }
  return out;
}
DenseTensor NodeInfo::tensor(std::string_view attr) const {
  if (const AttrValue* value = own(attr)) return keep(attr, value->constant(nullptr, limits_));
  fail(invalid_argument(concat("the attribute ", attr, " is missing")));
  return {};
}

ArgRange NodeInfo::input(std::string_view arg) const {
  const auto it = std::ranges::find(spec_.inputs, arg, &ArgSpec::name);
  FERRY_ASSERT(it != spec_.inputs.end());
  return input_ranges_[static_cast<size_t>(it - spec_.inputs.begin())];
}
ArgRange NodeInfo::output(std::string_view arg) const {
  const auto it = std::ranges::find(spec_.outputs, arg, &ArgSpec::name);
  FERRY_ASSERT(it != spec_.outputs.end());
  return output_ranges_[static_cast<size_t>(it - spec_.outputs.begin())];
}

}  // namespace ferry::ops
