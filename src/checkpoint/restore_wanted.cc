// A list of wanted variables, as people and scripts write one.
#include <algorithm>

#include "ferry/restore.h"
#include "formats/csv/records.h"
#include "wire/json_tree.h"

namespace ferry {
namespace {

constexpr std::string_view kWhite = " \t\r\n";

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(kWhite);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kWhite) + 1 - begin);
}

// Also as safetensors ("F32") and PyTorch ("torch.float32") write them.
std::optional<DType> dtype_of_text(std::string_view text) {
  for (const std::string_view prefix : {"torch.", "tf.", "np.", "numpy.", "jnp."}) {
    if (text.starts_with(prefix)) text.remove_prefix(prefix.size());
  }
  if (const auto dtype = dtype_from_name(text)) return dtype;
  std::string small(text);
  for (char& c : small) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  if (small.starts_with("dt_")) small.erase(0, 3);
  if (small == "float") small = "float32";
  if (small == "double") small = "float64";
  return dtype_from_name(small);
}

Result<Role> role_of_text(std::string_view text) {
  for (const Role role : {Role::weight, Role::slot, Role::counter, Role::state, Role::other}) {
    if (role_name(role) == text) return role;
  }
  return invalid_argument(concat("role ", quoted(text), ", expected weight, slot, counter or state"));
}

Status check_dims(std::span<const int64_t> dims, std::string_view name, const Limits& limits) {
  if (dims.size() > limits.max_rank) return limit_exceeded(concat("variable ", quoted(name), " has ", dims.size(), " axes"));
  for (const int64_t dim : dims) {
    if (dim < -1) return invalid_argument(concat("variable ", quoted(name), " has an axis of ", dim, ", expected 0 or more, or -1"));
  }
  return {};
}

// "[3, ?, 4]", "(3, -1)", "3x4", "3 4", "scalar"; nothing for "", "any" and "?": any shape.
Result<std::optional<Shape>> shape_of_text(std::string_view text, std::string_view name, const Limits& limits) {
  text = trimmed(text);
  if (text.empty() || text == "any" || text == "unknown") return std::optional<Shape>();
  if (text == "scalar") return std::optional(Shape());
  std::vector<int64_t> dims;
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of("xX*,; \t"), text.size());
    std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    while (!word.empty() && (word.front() == '[' || word.front() == '(')) word.remove_prefix(1);
    while (!word.empty() && (word.back() == ']' || word.back() == ')')) word.remove_suffix(1);
    if (word.empty()) continue;
    if (word == "?" || word == "None" || word == "-1") {
      dims.push_back(-1);
      continue;
    }
    int64_t dim = 0;
    for (const char c : word) {
      if (c < '0' || c > '9' || __builtin_mul_overflow(dim, 10, &dim) || __builtin_add_overflow(dim, c - '0', &dim))
        return invalid_argument(concat("variable ", quoted(name), " has the length ", quoted(word), " in its shape"));
    }
    dims.push_back(dim);
  }
  FERRY_RETURN_IF_ERROR(check_dims(dims, name, limits));
  return std::optional(Shape(dims));
}

// ---- JSON

Result<Wanted> wanted_of_json(const json::Tree& item, std::string_view name, const Limits& limits) {
  Wanted out;
  out.name = name;
  const auto text = [&](std::string_view key, std::string& to) {
    const json::Tree* value = item.find(key);
    if (value != nullptr && value->is(json::Token::string)) to = value->text;
  };
  text("name", out.name);
  text("path", out.path);
  text("key", out.key);
  text("slot_of", out.slot_of);
  text("slot_name", out.slot_name);
  std::string dtype, role;
  text("dtype", dtype);
  text("role", role);
  if (!dtype.empty()) {
    out.dtype = dtype_of_text(dtype);
    if (!out.dtype)
      return invalid_argument(concat("variable ", quoted(out.name), " has the dtype ", quoted(dtype), ", which there is none of"));
  }
  if (!role.empty()) {
    FERRY_ASSIGN_OR_RETURN(out.role, role_of_text(role));
  }
  if (const json::Tree* optional = item.find("optional")) out.optional = optional->text == "true";
  const json::Tree* shape = item.find("shape");
  if (shape == nullptr || shape->is(json::Token::null)) return out;
  if (shape->is(json::Token::string)) {
    FERRY_ASSIGN_OR_RETURN(out.shape, shape_of_text(shape->text, out.name, limits));
    return out;
  }
  if (!shape->is(json::Token::array)) return invalid_argument(concat("variable ", quoted(out.name), " has a shape that is no list"));
  std::vector<int64_t> dims;
  for (const json::Tree& dim : shape->items) {
    if (dim.is(json::Token::null)) {
      dims.push_back(-1);
      continue;
    }
    const auto length = dim.integer();
    if (!length) return invalid_argument(concat("variable ", quoted(out.name), " has ", quoted(dim.text), " in its shape"));
    dims.push_back(*length);
  }
  FERRY_RETURN_IF_ERROR(check_dims(dims, out.name, limits));
  out.shape = Shape(dims);
  return out;
}

bool describes(const json::Tree& item) {
  return item.is(json::Token::object) && (item.find("dtype") != nullptr || item.find("shape") != nullptr) && item.find("values") == nullptr;
}

Result<std::optional<std::vector<Wanted>>> read_json(std::string_view text, const Limits& limits) {
  auto tree = json::parse_tree(text, limits.max_tensor_bytes);
  if (!tree.ok()) return tree.status();
  const json::Tree* list = &*tree;
  if (tree->is(json::Token::object)) {
    for (const std::string_view key : {"variables", "tensors", "weights"}) {
      const json::Tree* inner = tree->find(key);
      if (inner != nullptr && inner->is(json::Token::array)) list = inner;
      if (list != &*tree) break;
    }
  }
  std::vector<Wanted> out;
  if (list->is(json::Token::array)) {
    const bool named = std::all_of(list->items.begin(), list->items.end(),
                                   [](const json::Tree& item) { return describes(item) && item.find("name") != nullptr; });
    if (!named) return std::optional<std::vector<Wanted>>();
    for (const json::Tree& item : list->items) {
      FERRY_ASSIGN_OR_RETURN(Wanted wanted, wanted_of_json(item, "", limits));
      out.push_back(std::move(wanted));
    }
    return std::optional(std::move(out));
  }
  if (!list->is(json::Token::object)) return std::optional<std::vector<Wanted>>();
  for (size_t i = 0; i < list->items.size(); ++i) {
    if (list->keys[i] == "__metadata__") continue;
    if (!describes(list->items[i])) return std::optional<std::vector<Wanted>>();
    FERRY_ASSIGN_OR_RETURN(Wanted wanted, wanted_of_json(list->items[i], list->keys[i], limits));
    out.push_back(std::move(wanted));
  }
  return std::optional(std::move(out));
}

// ---- CSV

Result<std::optional<std::vector<Wanted>>> read_csv(std::string_view text, const Limits& limits) {
  const char delimiter = text.substr(0, text.find('\n')).find('\t') != std::string_view::npos ? '\t' : ',';
  csv::RecordReader records(text, 0, delimiter);
  std::vector<csv::Field> fields;
  std::vector<std::string> columns = {"name", "dtype", "shape"};
  std::vector<Wanted> out;
  for (bool first = true;; first = false) {
    FERRY_ASSIGN_OR_RETURN(const bool more, records.next(fields));
    if (!more) break;
    std::vector<std::string> cells;
    for (const csv::Field& field : fields) cells.emplace_back(trimmed(csv::unescaped(field)));
    if (first) {
      const bool header = cells[0] == "name" || cells[0] == "key" || cells[0] == "path";
      if (!header && (cells.size() < 2 || !dtype_of_text(cells[1]))) return std::optional<std::vector<Wanted>>();
      if (header) {
        columns = cells;
        continue;
      }
    }
    // A shape that nobody quoted goes on in the fields behind the last column.
    if (cells.size() > columns.size() && columns.back() == "shape") {
      for (size_t i = columns.size(); i < cells.size(); ++i) cells[columns.size() - 1] += concat(",", cells[i]);
    }
    Wanted wanted;
    for (size_t i = 0; i < std::min(cells.size(), columns.size()); ++i) {
      const std::string& cell = cells[i];
      if (columns[i] == "name") wanted.name = cell;
      if (columns[i] == "path") wanted.path = cell;
      if (columns[i] == "key") wanted.key = cell;
      if (columns[i] == "slot_of") wanted.slot_of = cell;
      if (columns[i] == "slot_name") wanted.slot_name = cell;
      if (columns[i] == "optional") wanted.optional = cell == "true" || cell == "1";
      if (columns[i] == "role" && !cell.empty()) {
        FERRY_ASSIGN_OR_RETURN(wanted.role, role_of_text(cell));
      }
      if (columns[i] == "dtype" && !cell.empty()) {
        wanted.dtype = dtype_of_text(cell);
        if (!wanted.dtype)
          return invalid_argument(concat("variable ", quoted(cells[0]), " has the dtype ", quoted(cell), ", which there is none of"));
      }
      if (columns[i] == "shape") {
        FERRY_ASSIGN_OR_RETURN(wanted.shape, shape_of_text(cell, cells[0], limits));
      }
    }
    out.push_back(std::move(wanted));
  }
  return std::optional(std::move(out));
}

}  // namespace

Result<std::optional<std::vector<Wanted>>> read_wanted(std::string_view text, const Limits& limits) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  const std::string_view start = trimmed(text.substr(0, 4096));
  if (start.empty()) return std::optional<std::vector<Wanted>>();
  if (start.front() == '[' || start.front() == '{') return read_json(text, limits);
  return read_csv(text, limits);
}

}  // namespace ferry
