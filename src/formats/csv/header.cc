#include "formats/csv/header.h"

#include <algorithm>

#include "formats/text.h"

namespace ferry::csv {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return out;
}

bool is_number(std::string_view text) {
  const char* const end = text.data() + text.size();
  double value;
  const char* const at = text::skip_blanks(text.data(), end);
  const char* const after = parse_number(at, end, value);
  return after != nullptr && text::skip_blanks(after, end) == end;
}

std::optional<int64_t> whole(std::string_view text) {
  int64_t value;
  const char* const end = text.data() + text.size();
  if (text.empty() || !number::is_digit(text[0]) || parse_number(text.data(), end, value) != end) return std::nullopt;
  return value;
}

// "x:float32" → x and float32; the suffix counts only where it is a dtype's name or, with `axis`, a length.
void split_suffix(std::string& name, std::optional<DType>* dtype, int64_t* length) {
  const size_t colon = name.rfind(':');
  if (colon == std::string::npos) return;
  const std::string_view suffix = std::string_view(name).substr(colon + 1);
  if (dtype != nullptr) {
    const auto known = dtype_from_name(suffix);
    if (!known || (!is_fixed_size(*known) && *known != DType::string) || dtype_class(*known) == DTypeClass::kComplex) return;
    *dtype = known;
  } else {
    const auto known = whole(suffix);
    if (!known) return;
    *length = *known;
  }
  name.resize(colon);
}

bool is_axis_name(std::string_view name) {
  for (const std::string_view word : {"row", "col", "column", "rows", "cols", "columns", "i", "j", "k", "index"}) {
    if (name == word) return true;
  }
  for (const std::string_view word : {"dim", "axis", "index", "idx", "coord", "i"}) {
    if (!name.starts_with(word)) continue;
    std::string_view rest = name.substr(word.size());
    if (rest.starts_with('_')) rest.remove_prefix(1);
    if (whole(rest)) return true;
  }
  return false;
}

// row,col,…,value, each behind the same "name/".
bool read_pairs(const std::vector<Field>& fields, Header& header) {
  if (fields.size() < 2) return false;
  Header out = header;
  out.kind = Kind::pairs;
  for (size_t i = 0; i < fields.size(); ++i) {
    const bool last = i + 1 == fields.size();
    std::string name = unescaped(fields[i]);
    int64_t length = -1;
    split_suffix(name, last ? &out.dtypes[i] : nullptr, &length);
    const size_t slash = name.rfind('/');
    const std::string prefix = slash == std::string::npos ? std::string() : name.substr(0, slash);
    if (i == 0) out.name = prefix;
    if (prefix != out.name) return false;
    const std::string word = lower(slash == std::string::npos ? name : name.substr(slash + 1));
    if (last) {
      if (word != "value" && word != "values" && word != "val" && word != "data") return false;
    } else {
      if (!is_axis_name(word)) return false;
      out.dims.push_back(length);
    }
  }
  header = std::move(out);
  return true;
}

// x[0],x[1],…
bool read_matrix(const std::vector<Field>& fields, Header& header) {
  Header out = header;
  out.kind = Kind::matrix;
  for (size_t i = 0; i < fields.size(); ++i) {
    std::string name = unescaped(fields[i]);
    split_suffix(name, &out.dtypes[i], nullptr);
    const std::string ending = concat('[', i, ']');
    if (!name.ends_with(ending)) return false;
    name.resize(name.size() - ending.size());
    if (i == 0) out.name = name;
    if (name != out.name) return false;
  }
  header = std::move(out);
  return true;
}

}  // namespace

Header header_of(const std::vector<Field>& fields, std::optional<Kind> asked, std::optional<bool> present) {
  Header header;
  header.dtypes.resize(fields.size());
  // A first record with something quoted, or that is no number and not missing, is a header.
  header.present = present ? *present : std::ranges::any_of(fields, [](const Field& field) {
    const char* const end = field.text.data() + field.text.size();
    return field.quoted || (!is_number(field.text) && text::skip_blanks(field.text.data(), end) != end);
  });
  if (!header.present) {
    header.kind = asked ? *asked : fields.size() >= 2 ? Kind::pairs : Kind::matrix;
    for (size_t i = 0; i < fields.size(); ++i) header.names.push_back(concat("column", i));
  } else {
    const bool named_pairs = asked != Kind::table && asked != Kind::matrix && read_pairs(fields, header);
    const bool named_matrix = !named_pairs && asked != Kind::table && asked != Kind::pairs && read_matrix(fields, header);
    if (!named_pairs && !named_matrix) header.kind = asked ? *asked : Kind::table;
    for (size_t i = 0; i < fields.size(); ++i) {
      std::string name = unescaped(fields[i]);
      if (header.kind == Kind::table) split_suffix(name, &header.dtypes[i], nullptr);
      header.names.push_back(name == kRoot ? std::string() : std::move(name));
    }
  }
  if (header.kind == Kind::pairs && header.dims.empty() && !fields.empty()) header.dims.assign(fields.size() - 1, -1);
  return header;
}

}  // namespace ferry::csv
