#include "formats/libsvm/rows.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <optional>

#include "formats/text.h"

namespace ferry::libsvm {
namespace {

using text::is_blank;

constexpr size_t kPiece = size_t{512} << 10;  // stays in the cache between counting and parsing
constexpr size_t kPiecesAtOnce = 64;          // with threads

// What one piece of the text gave. Entries go straight to their place in the result.
struct Piece {
  std::string_view text;
  size_t first = 0;  // position of its first entry, by the counts of colons before it
  size_t room = 0;   // colons in it: no more entries than that
  size_t lines = 0;
  size_t entries = 0;
  std::vector<int64_t> row_ends;  // entries of this piece up to the end of each row
  std::vector<uint64_t> labels;
  std::vector<uint32_t> label_counts;  // only once a row has other than one label
  std::vector<int64_t> qids;
  int64_t least = std::numeric_limits<int64_t>::max(), most = -1;  // indices as written
  bool sorted = true, unique = true;
  bool too_wide = false;  // an index does not fit 32 bits
  Status status;
};

struct Fault {
  const char* at;
  std::string message;
};

// Why no `index:value` could be read at `at`.
Fault pair_fault(const char* at, const char* end) {
  const std::string word = text::word_at(at, end);
  if (*at == '-') return {at, concat("the index in ", word, " is negative; indices count from 0 or 1")};
  const char* colon = at;
  while (colon != end && number::is_digit(*colon)) ++colon;
  if (colon == at) return {at, concat("found ", word, ", expected index:value")};
  if (colon - at > 18) return {at, concat("the index in ", word, " has more than 18 digits")};
  if (colon == end || *colon != ':') return {at, concat("found ", word, ", expected index:value with a colon between them")};
  return {colon + 1, concat("found ", text::word_at(colon + 1, end), " as the value of index ",
                            std::string_view(at, static_cast<size_t>(colon - at)), ", expected a number of the dtype that is read")};
}

// The labels at the front of a line. Returns the byte after them, null with `fault` set.
const char* take_labels(const char* at, const char* end, const RowOptions& options, Piece& piece, std::optional<Fault>& fault) {
  const size_t before = piece.labels.size();
  for (const char* label = at;;) {
    uint64_t bits = 0;
    const char* after;
    if (options.labels == DType::int64) {
      int64_t value = 0;
      after = parse_number(label, end, value);
      bits = static_cast<uint64_t>(value);
    } else if (options.labels == DType::uint64) {
      after = parse_number(label, end, bits);
    } else {
      double value = 0;
      after = parse_number(label, end, value);
      bits = std::bit_cast<uint64_t>(value);
    }
    if (label == at && ((after != nullptr && after != end && *after == ':') || std::string_view(at, end).starts_with("qid:"))) {
      break;  // the line starts with its first pair: no label
    }
    if (after == nullptr || (after != end && *after != ',' && !is_blank(*after) && *after != '\n' && *after != '#')) {
      fault =
          Fault{label, concat("found ", text::word_at(label, end), " as the label, expected a number or numbers with commas between them",
                              options.labels == DType::float64 ? "" : " (whole ones, for the label_dtype asked for)")};
      return nullptr;
    }
    piece.labels.push_back(bits);
    at = after;
    if (after == end || *after != ',') break;
    label = after + 1;
  }
  const size_t count = piece.labels.size() - before;
  if (count != 1 && piece.label_counts.empty()) piece.label_counts.assign(piece.row_ends.size(), 1);
  if (count != 1 || !piece.label_counts.empty()) piece.label_counts.push_back(static_cast<uint32_t>(count));
  return at;
}

template <class Value, class Index>
void parse_piece(std::string_view whole, const RowOptions& options, Piece& piece, Index* indices, Value* values) {
  const char* at = piece.text.data();
  const char* const end = at + piece.text.size();
  const int64_t shift = options.base < 0 ? 1 : options.base;
  const int64_t highest =
      std::min<int64_t>(std::numeric_limits<Index>::max(), options.columns < 0 ? std::numeric_limits<int64_t>::max() : options.columns) -
      1 + shift;
  piece.row_ends.reserve(piece.lines);
  piece.labels.reserve(piece.lines);
  size_t count = 0;
  std::optional<Fault> fault;
  const auto fail = [&](const char* place, std::string message) { piece.status = text::error_at(whole, place, message); };

  while (at != end) {
    at = text::skip_blanks(at, end);
    if (at == end) break;
    if (*at == '\n') {
      ++at;
      continue;
    }
    if (*at == '#') {
      at = text::line_end(at, end);
      continue;
    }
    at = take_labels(at, end, options, piece, fault);
    if (at == nullptr) return fail(fault->at, fault->message);
    at = text::skip_blanks(at, end);
    if (end - at > 4 && std::memcmp(at, "qid:", 4) == 0) {
      int64_t qid;
      const char* after = parse_number(at + 4, end, qid);
      if (after == nullptr || (after != end && !is_blank(*after) && *after != '\n')) {
        return fail(at, concat("found ", text::word_at(at, end), ", expected qid: and a whole number"));
      }
      if (piece.qids.size() != piece.row_ends.size()) return fail(at, "this row has a qid and the rows before it have none");
      piece.qids.push_back(qid);
      at = text::skip_blanks(after, end);
    } else if (!piece.qids.empty()) {
      return fail(at, "this row has no qid and the rows before it have one");
    }

    // An index below the base is below `previous` too, so one comparison finds both.
    int64_t previous = std::max<int64_t>(options.base, 0) - 1;
    for (;;) {
      if (at == end) break;
      if (*at == '\n') {
        ++at;
        break;
      }
      if (*at == '#') {
        at = text::line_end(at, end);
        continue;
      }
      uint64_t index = 0;
      unsigned digits = 0;
      const char* after = number::take_digits(at, end, index, digits);
      if (digits - 1 >= 18 || after == end || *after != ':') [[unlikely]] {
        const Fault found = pair_fault(at, end);
        return fail(found.at, found.message);
      }
      Value value;
      after = parse_number(after + 1, end, value);
      if (after == nullptr || (after != end && !is_blank(*after) && *after != '\n' && *after != '#')) [[unlikely]] {
        const Fault found = pair_fault(at, end);
        return fail(found.at, found.message);
      }
      const auto place = static_cast<int64_t>(index);
      if (place <= previous) [[unlikely]] {
        if (place < options.base) return fail(at, "index 0 in a file that is read with base=1; read it with base=0 or base=auto");
        if (options.rising) {
          return fail(at, concat("index ", place, place == previous ? " comes twice" : concat(" follows ", previous),
                                 " in this row; indices rise, or read with order=any"));
        }
        (place == previous ? piece.unique : piece.sorted) = false;
      }
      if (place > highest) [[unlikely]] {
        if (options.columns < 0 || place - shift < options.columns) {
          piece.too_wide = true;
          return;
        }
        return fail(at, concat("index ", place, " is past the last of ", options.columns, " columns, ", options.columns - 1 + shift));
      }
      previous = place;
      piece.least = std::min(piece.least, place);
      piece.most = std::max(piece.most, place);
      indices[count] = static_cast<Index>(place - shift);
      values[count] = value;
      ++count;
      at = text::skip_blanks(after, end);
    }
    piece.row_ends.push_back(static_cast<int64_t>(count));
  }
  piece.entries = count;
}

// Indices and values of the result while it grows.
template <class Value, class Index>
class Entries {
 public:
  size_t count = 0;
  Index* indices() { return indices_.template as<Index>().data(); }
  Value* values() { return values_.template as<Value>().data(); }

  // Room for `more` entries. `done` of `total` bytes of text will have been read with them: the rest is likely to be alike.
  Status reserve(size_t more, size_t done, size_t total, const Limits& limits) {
    const size_t needed = count + more;
    if (needed <= capacity_) return {};
    constexpr size_t kBytes = std::max(sizeof(Value), sizeof(Index));
    if (needed > limits.max_tensor_bytes / kBytes) {
      return limit_exceeded(
          concat(needed, " entries and more need over ", limits.max_tensor_bytes, " bytes, the limit on one tensor (max_tensor_bytes)"));
    }
    const size_t rest = total - done;
    const double guess = static_cast<double>(needed) * 1.03 / static_cast<double>(done) * static_cast<double>(rest);
    // An entry takes at least three bytes of text.
    const size_t extra = std::min(static_cast<size_t>(guess) + needed / 64, rest / 3 + 1);
    if (resize(needed + extra).ok()) return {};
    return resize(needed);
  }
  Result<DenseTensor> take_indices() { return finish<Index>(indices_); }
  Result<DenseTensor> take_values() { return finish<Value>(values_); }

 private:
  Status resize(size_t capacity) {
    FERRY_RETURN_IF_ERROR(indices_.resize(capacity * sizeof(Index)));
    FERRY_RETURN_IF_ERROR(values_.resize(capacity * sizeof(Value)));
    capacity_ = capacity;
    return {};
  }
  template <class T>
  Result<DenseTensor> finish(MutableBuffer& buffer) {
    buffer.truncate(count * sizeof(T));
    return DenseTensor::make(dtype_of<T>(), Shape{static_cast<int64_t>(count)}, std::move(buffer).freeze());
  }
  MutableBuffer indices_, values_;
  size_t capacity_ = 0;
};

template <class T>
Result<DenseTensor> adopt(std::vector<T> values) {
  auto owner = std::make_shared<std::vector<T>>(std::move(values));
  Buffer bytes = Buffer::adopt(owner->data(), owner->size() * sizeof(T), owner);
  return DenseTensor::make(dtype_of<T>(), Shape{static_cast<int64_t>(owner->size())}, std::move(bytes));
}

struct Again {
  bool wide = false;  // with int64 indices
  int64_t base = -1;  // with this base
};

template <class Value, class Index>
Result<Rows> read_as(std::string_view text, const RowOptions& options, const Limits& limits, ThreadPool* pool, Again& again) {
  Entries<Value, Index> entries;
  Rows rows;
  std::vector<int64_t> indptr{0};
  std::vector<uint32_t> label_counts;
  int64_t least = std::numeric_limits<int64_t>::max(), most = -1;
  rows.order = {true, true};
  const size_t window_size = pool == nullptr || pool->size() == 1 ? kPiece : kPiece * kPiecesAtOnce;

  for (std::string_view rest = text; !rest.empty();) {
    size_t size = rest.size();
    if (size > window_size) {
      const size_t newline = rest.find('\n', window_size - 1);
      if (newline != std::string_view::npos) size = newline + 1;
    }
    std::vector<Piece> pieces;
    for (const std::string_view piece : text::split_lines(rest.substr(0, size), kPiece)) pieces.emplace_back().text = piece;
    rest.remove_prefix(size);
    const auto count = static_cast<int64_t>(pieces.size());
    parallel_for(pool, count, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        Piece& piece = pieces[static_cast<size_t>(i)];
        const auto [colons, newlines] = text::count_bytes(piece.text, ':', '\n');
        piece.room = colons;
        piece.lines = newlines + 1;
      }
    });
    size_t room = 0;
    for (Piece& piece : pieces) {
      piece.first = entries.count + room;
      room += piece.room;
    }
    FERRY_RETURN_IF_ERROR(entries.reserve(room, text.size() - rest.size(), text.size(), limits));
    parallel_for(pool, count, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        Piece& piece = pieces[static_cast<size_t>(i)];
        parse_piece<Value, Index>(text, options, piece, entries.indices() + piece.first, entries.values() + piece.first);
      }
    });

    for (Piece& piece : pieces) {
      if (piece.too_wide) {
        again.wide = true;
        return rows;
      }
      FERRY_RETURN_IF_ERROR(piece.status);
      // Colons that belonged to no entry (qid, comments) left a gap.
      if (piece.first != entries.count) {
        std::memmove(entries.indices() + entries.count, entries.indices() + piece.first, piece.entries * sizeof(Index));
        std::memmove(entries.values() + entries.count, entries.values() + piece.first, piece.entries * sizeof(Value));
      }
      const size_t rows_before = indptr.size() - 1;
      const bool qids = !piece.qids.empty(), had_qids = !rows.qids.empty();
      if (!piece.row_ends.empty() && rows_before > 0 && qids != had_qids) {
        return text::error_at(text, piece.text.data(),
                              concat("the rows from here on have ", qids ? "a" : "no", " qid and the rows before have ",
                                     qids ? "none" : "one", "; expected one in every row or in none"));
      }
      rows.qids.insert(rows.qids.end(), piece.qids.begin(), piece.qids.end());
      if (!piece.label_counts.empty() && label_counts.empty()) label_counts.assign(rows_before, 1);
      if (!piece.label_counts.empty()) {
        label_counts.insert(label_counts.end(), piece.label_counts.begin(), piece.label_counts.end());
      } else if (!label_counts.empty()) {
        label_counts.insert(label_counts.end(), piece.row_ends.size(), 1);
      }
      rows.labels.insert(rows.labels.end(), piece.labels.begin(), piece.labels.end());
      const auto base = static_cast<int64_t>(entries.count);
      for (const int64_t row_end : piece.row_ends) indptr.push_back(base + row_end);
      entries.count += piece.entries;
      least = std::min(least, piece.least);
      most = std::max(most, piece.most);
      rows.order.sorted &= piece.sorted;
      rows.order.unique &= piece.sorted ? piece.unique : false;
    }
  }

  int64_t base = options.base;
  if (base < 0) base = least == 0 ? 0 : 1;
  if (options.base < 0 && base == 0) {
    if (most > std::numeric_limits<Index>::max() - 1 || options.columns >= 0) {
      again.base = 0;
      return rows;
    }
    Index* const indices = entries.indices();
    parallel_for(pool, static_cast<int64_t>(entries.count), 1 << 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) ++indices[i];
    });
  }
  // So that what counts from 0 here can be written counting from 1.
  if (most - base > kLastColumn)
    return data_loss(concat("index ", most, " is past the last that libsvm text may have, ", kLastColumn + base));
  rows.columns = options.columns >= 0 ? options.columns : most < 0 ? 0 : most - base + 1;
  if (!label_counts.empty()) {
    rows.label_splits.reserve(label_counts.size() + 1);
    rows.label_splits.push_back(0);
    for (const uint32_t labels : label_counts) rows.label_splits.push_back(rows.label_splits.back() + labels);
  }
  FERRY_ASSIGN_OR_RETURN(rows.indices, entries.take_indices());
  FERRY_ASSIGN_OR_RETURN(rows.values, entries.take_values());
  if constexpr (sizeof(Index) == 4) {
    if (entries.count > std::numeric_limits<int32_t>::max()) {
      again.wide = true;
      return rows;
    }
    FERRY_ASSIGN_OR_RETURN(rows.indptr, adopt(std::vector<int32_t>(indptr.begin(), indptr.end())));
  } else {
    FERRY_ASSIGN_OR_RETURN(rows.indptr, adopt(std::move(indptr)));
  }
  return rows;
}

template <class Value>
Result<Rows> read_values(std::string_view text, RowOptions options, const Limits& limits, ThreadPool* pool) {
  // At most one more pass for each of the two things that a first look could not know.
  bool wide = options.columns > std::numeric_limits<int32_t>::max();
  for (;;) {
    Again again;
    auto rows =
        wide ? read_as<Value, int64_t>(text, options, limits, pool, again) : read_as<Value, int32_t>(text, options, limits, pool, again);
    if (!again.wide && again.base < 0) return rows;
    wide |= again.wide;
    if (again.base >= 0) options.base = again.base;
  }
}

}  // namespace

Result<Rows> read_rows(std::string_view text, const RowOptions& options, const Limits& limits, ThreadPool* pool) {
  switch (options.values) {
    case DType::float32: return read_values<float>(text, options, limits, pool);
    case DType::int64: return read_values<int64_t>(text, options, limits, pool);
    case DType::uint64: return read_values<uint64_t>(text, options, limits, pool);
    default: return read_values<double>(text, options, limits, pool);
  }
}

}  // namespace ferry::libsvm
