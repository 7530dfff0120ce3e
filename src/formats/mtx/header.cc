#include "formats/mtx/header.h"

#include <algorithm>
#include <array>

#include "ferry/checked.h"
#include "formats/text.h"

namespace ferry::mtx {
namespace {

constexpr std::string_view kBanner = "%%MatrixMarket";

bool same_word(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return lower(x) == lower(y);
  });
}

// The next word of a line, empty at its end.
std::string_view take_word(const char*& at, const char* end) {
  at = text::skip_blanks(at, end);
  const char* const start = at;
  while (at != end && !text::is_blank(*at) && *at != '\n') ++at;
  return {start, static_cast<size_t>(at - start)};
}

template <class Choice, size_t n>
bool choose(std::string_view word, const std::array<std::pair<std::string_view, Choice>, n>& choices, Choice& out) {
  for (const auto& [name, choice] : choices) {
    if (same_word(word, name)) {
      out = choice;
      return true;
    }
  }
  return false;
}

constexpr std::array<std::pair<std::string_view, bool>, 2> kObjects = {{{"matrix", false}, {"vector", true}}};
constexpr std::array<std::pair<std::string_view, bool>, 2> kFormats = {{{"coordinate", false}, {"array", true}}};
constexpr std::array<std::pair<std::string_view, Field>, 6> kFields = {{{"real", Field::real},
                                                                        {"double", Field::real},
                                                                        {"integer", Field::integer},
                                                                        {"unsigned-integer", Field::unsigned_integer},
                                                                        {"complex", Field::complex},
                                                                        {"pattern", Field::pattern}}};
constexpr std::array<std::pair<std::string_view, Symmetry>, 4> kSymmetries = {{{"general", Symmetry::general},
                                                                               {"symmetric", Symmetry::symmetric},
                                                                               {"skew-symmetric", Symmetry::skew_symmetric},
                                                                               {"hermitian", Symmetry::hermitian}}};

// Elements that an array file stores.
std::optional<int64_t> stored_elements(const Header& header) {
  if (header.symmetry == Symmetry::general) return checked_mul(header.rows, header.columns);
  const int64_t other = header.symmetry == Symmetry::skew_symmetric ? header.rows - 1 : header.rows + 1;
  // One of the two is even.
  return header.rows % 2 == 0 ? checked_mul(header.rows / 2, other) : checked_mul(header.rows, other / 2);
}

}  // namespace

std::string_view field_name(Field field) {
  switch (field) {
    case Field::real: return "real";
    case Field::integer: return "integer";
    case Field::unsigned_integer: return "unsigned-integer";
    case Field::complex: return "complex";
    case Field::pattern: return "pattern";
  }
  __builtin_unreachable();
}

std::string_view symmetry_name(Symmetry symmetry) { return kSymmetries[static_cast<size_t>(symmetry)].first; }

DType default_dtype(Field field) {
  switch (field) {
    case Field::integer: return DType::int64;
    case Field::unsigned_integer: return DType::uint64;
    case Field::complex: return DType::complex128;
    case Field::real:
    case Field::pattern: return DType::float64;
  }
  __builtin_unreachable();
}

Result<Header> parse_header(std::string_view text) {
  Header header;
  const char* at = text.data();
  const char* const end = at + text.size();
  if (text.size() < kBanner.size() || !same_word(text.substr(0, kBanner.size()), kBanner)) {
    return data_loss_at(0, concat("found ", text::word_at(at, end), ", expected %%MatrixMarket and what the matrix is"));
  }
  at += kBanner.size();
  const auto wrong = [&](std::string_view word, std::string_view expected) {
    return text::error_at(text, at - word.size(),
                          concat("found ", word.empty() ? "the end of the line" : quoted(word), ", expected ", expected));
  };
  std::string_view word = take_word(at, end);
  if (!choose(word, kObjects, header.vector)) return wrong(word, "matrix or vector");
  word = take_word(at, end);
  if (!choose(word, kFormats, header.array)) return wrong(word, "coordinate or array");
  word = take_word(at, end);
  if (!choose(word, kFields, header.field)) return wrong(word, "real, double, integer, unsigned-integer, complex or pattern");
  if (header.array && header.field == Field::pattern) return wrong(word, "a field with values, since the format is array");
  word = take_word(at, end);
  // A vector file may leave the symmetry out.
  if (!(word.empty() && header.vector) && !choose(word, kSymmetries, header.symmetry)) {
    return wrong(word, "general, symmetric, skew-symmetric or hermitian");
  }
  if (header.vector && header.symmetry != Symmetry::general) return wrong(word, "general, since the object is a vector");
  if (header.symmetry == Symmetry::hermitian && header.field != Field::complex) return wrong(word, "hermitian with a complex field only");
  if (header.symmetry == Symmetry::skew_symmetric && header.field == Field::pattern)
    return wrong(word, "a field with signs for skew-symmetric");
  word = take_word(at, end);
  if (!word.empty()) return wrong(word, "the end of the banner");

  // Comments and blank lines, then the size line.
  for (;; at = text::line_end(at, end)) {
    while (at != end && (text::is_blank(*at) || *at == '\n')) ++at;
    if (at == end) return data_loss_at(text.size(), "the file ends before the line of sizes");
    if (*at != '%') break;
    const char* const after = text::line_end(at, end);
    for (const auto& [key, value] : text::parse_note({at + 1, static_cast<size_t>(after - at - 1)})) header.note.set(key, value);
  }
  std::array<int64_t, 3> sizes{};
  const size_t wanted = (header.vector ? 1u : 2u) + (header.array ? 0u : 1u);
  for (size_t i = 0; i < wanted; ++i) {
    at = text::skip_blanks(at, end);
    const char* const after = parse_number(at, end, sizes[i]);
    if (after == nullptr || sizes[i] < 0 || (after != end && !text::is_blank(*after) && *after != '\n')) {
      return text::error_at(text, at,
                            concat("found ", text::word_at(at, end), " on the line of sizes, expected ", wanted, " whole numbers"));
    }
    at = after;
  }
  word = take_word(at, end);
  if (!word.empty()) return wrong(word, concat("the end of the line of sizes after ", wanted, " numbers"));
  header.rows = sizes[0];
  if (!header.vector) header.columns = sizes[1];
  if (header.symmetry != Symmetry::general && header.rows != header.columns) {
    return text::error_at(
        text, at,
        concat("a ", symmetry_name(header.symmetry), " matrix of ", header.rows, " rows and ", header.columns, " columns is not square"));
  }
  if (header.array) {
    const auto count = stored_elements(header);
    if (!count) return text::error_at(text, at, "the array has more elements than 63 bits can count");
    header.count = *count;
  } else {
    header.count = sizes[wanted - 1];
  }
  header.body = static_cast<size_t>(at - text.data());
  // Each line holds a coordinate for each axis and a number (two where complex), each at least one byte and a separator;
  // the last line may lack its end.
  const uint64_t numbers = (header.array    ? 0u
                            : header.vector ? 1u
                                            : 2u) +
                           (header.field == Field::pattern   ? 0u
                            : header.field == Field::complex ? 2u
                                                             : 1u);
  const uint64_t most = (text.size() - header.body) / (2 * numbers) + 1;
  if (static_cast<uint64_t>(header.count) > most) {
    return data_loss_at(header.body, concat(header.count, header.array ? " elements" : " entries", " are announced, the ",
                                            text.size() - header.body, " bytes that remain hold at most ", most));
  }
  return header;
}

}  // namespace ferry::mtx
