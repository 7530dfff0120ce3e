// Finding composite tensors among the names, dtypes and shapes of plain arrays. docs/parts.md
#include <algorithm>
#include <array>
#include <bit>
#include <unordered_map>
#include <unordered_set>

#include "ferry/parts.h"
#include "tensor/part_words.h"

namespace ferry {
namespace {

constexpr size_t kNone = SIZE_MAX;
constexpr int64_t kMaxRank = 254;
constexpr size_t kMaxLevels = 100;

enum class Token : uint8_t {
  indices,
  values,
  data,
  dense_shape,
  shape,
  indptr,
  row,
  col,
  coords,
  format,
  is_array,
  row_splits,
  nested_row_splits,
  row_lengths,
  nested_row_lengths,
  flat_values,
  offsets,
  bytes,
};

struct Word {
  std::string_view text;
  Token token;
  bool levels;  // x_0, x_1 … are spelt too
};

constexpr Word kWords[] = {
    {"indices", Token::indices, false},
    {"values", Token::values, false},
    {"data", Token::data, false},
    {"dense_shape", Token::dense_shape, false},
    {"shape", Token::shape, false},
    {"indptr", Token::indptr, false},
    {"row", Token::row, false},
    {"col", Token::col, false},
    {"coords", Token::coords, true},
    {"format", Token::format, false},
    {"_is_array", Token::is_array, false},
    {"row_splits", Token::row_splits, true},
    {"nested_row_splits", Token::nested_row_splits, true},
    {"row_lengths", Token::row_lengths, true},
    {"nested_row_lengths", Token::nested_row_lengths, true},
    {"flat_values", Token::flat_values, false},
    {"offsets", Token::offsets, false},
    {"bytes", Token::bytes, false},
};

// By last letter, a bit for each word that ends in it.
constexpr std::array<uint32_t, 256> kWordsByLastLetter = [] {
  static_assert(std::size(kWords) <= 32);
  std::array<uint32_t, 256> out{};
  for (size_t i = 0; i < std::size(kWords); ++i) out[static_cast<unsigned char>(kWords[i].text.back())] |= 1u << i;
  return out;
}();

// One way to read one array's name: `token` of the group that stands before `prefix`'s separator.
struct Reading {
  std::string_view prefix;
  Token token;
  bool weak;     // a longer word ends the name too: x_dense_shape is first of all x's dense_shape
  size_t level;  // kNone: without a number
};

// The group's own name: the prefix without its separator.
std::string_view group_name(std::string_view prefix) {
  if (prefix.empty()) return prefix;
  return prefix.substr(0, prefix.size() - (prefix.size() > 2 && prefix.ends_with("__") ? 2 : 1));
}

bool is_prefix(std::string_view prefix) {
  if (prefix.empty()) return true;
  const char last = prefix.back();
  return (last == '/' || last == '.' || last == '_' || last == ':') && prefix.size() > 1 && prefix != "__";
}

void read_name(std::string_view name, std::vector<Reading>& out) {
  out.clear();
  std::string_view base = name;
  size_t level = kNone;
  size_t digits = 0;
  while (digits < 3 && digits < name.size() && name[name.size() - 1 - digits] >= '0' && name[name.size() - 1 - digits] <= '9') ++digits;
  if (digits > 0 && digits < name.size() && name[name.size() - 1 - digits] == '_' && (digits == 1 || name[name.size() - digits] != '0')) {
    level = 0;
    for (char c : name.substr(name.size() - digits)) level = level * 10 + static_cast<size_t>(c - '0');
    base = name.substr(0, name.size() - digits - 1);
  }
  size_t longest = 0;
  for (const Word& word : kWords) {
    if (level != kNone && !word.levels) continue;
    if (!base.ends_with(word.text)) continue;
    const std::string_view prefix = base.substr(0, base.size() - word.text.size());
    if (!is_prefix(prefix)) continue;
    out.push_back({prefix, word.token, false, level});
    longest = std::max(longest, word.text.size());
  }
  for (Reading& reading : out) reading.weak = base.size() - reading.prefix.size() < longest;
}

bool is_index(const ArrayInfo& array, size_t rank) {
  return (array.dtype == DType::int32 || array.dtype == DType::int64) && array.shape.rank() == rank;
}

class Finder {
 public:
  Finder(std::span<const ArrayInfo> arrays, const Metadata* metadata) : given_(arrays), claimed_(arrays.size(), false) {
    names_.reserve(arrays.size());
    for (size_t i = 0; i < arrays.size(); ++i) names_.emplace(arrays[i].name, i);
    if (metadata == nullptr) return;
    for (const auto& [key, value] : *metadata) {
      constexpr std::string_view kKey = "/layout";
      if (key.ends_with(kKey)) layouts_.emplace(std::string_view(key).substr(0, key.size() - kKey.size()), value);
    }
  }

  Status explicit_groups(const PartsOptions& options);
  Status automatic_groups();
  Grouping finish() &&;

 private:
  // A bucket holds the arrays whose names begin alike; entries of one bucket stand together.
  struct Entry {
    uint32_t bucket;
    Token token;
    bool weak;
    size_t level;
    size_t array;
  };
  using Entries = std::span<const Entry>;

  const ArrayInfo& info(size_t i) const { return i < given_.size() ? given_[i] : strings_[i - given_.size()]; }
  size_t find(Entries entries, Token token, size_t level = kNone) const {
    const auto wanted = std::pair(token, level);
    auto e = std::ranges::lower_bound(entries, wanted, {}, [](const Entry& entry) { return std::pair(entry.token, entry.level); });
    for (; e != entries.end() && e->token == token && e->level == level; ++e) {
      if ((weak_too_ || !e->weak) && !claimed_[e->array]) return e->array;
    }
    return kNone;
  }
  void add_readings(size_t begin, size_t end);
  void sort_entries();
  void find_strings();
  bool find_composite(std::string_view prefix, Entries entries);
  bool try_compressed(Entries entries, size_t values, size_t shape);
  bool try_coo(Entries entries, size_t values, size_t shape);
  bool try_dia(Entries entries, size_t values, size_t shape);
  bool try_ragged(Entries entries, size_t values);
  bool try_levels(Entries entries, size_t values, PartRole role, Token one, Token many);
  Status check_scipy(Entries entries) const;
  void start(TensorKind kind) {
    draft_ = PartGroup{.name = "", .kind = kind, .parts = {}};
    draft_strings_.clear();
  }
  void part(PartRole role, size_t array, size_t level = 0);
  bool commit(std::string_view name);
  void set_layout(PartGroup& group) const;

  std::span<const ArrayInfo> given_;
  std::vector<ArrayInfo> strings_;  // string tensors found in parts: they may be the values of a composite
  std::vector<PartGroup> string_groups_;
  std::vector<bool> claimed_;
  std::unordered_map<std::string_view, size_t> names_;
  std::unordered_set<std::string> taken_;
  std::unordered_map<std::string_view, std::string_view> layouts_;
  std::unordered_map<std::string_view, uint32_t> buckets_;
  std::vector<std::string_view> prefixes_;
  std::vector<Entry> entries_;
  std::vector<std::pair<size_t, size_t>> ranges_;  // of entries_, by bucket
  std::vector<PartGroup> groups_;
  PartGroup draft_;
  std::vector<size_t> draft_strings_;
  bool weak_too_ = false;
};

void Finder::part(PartRole role, size_t array, size_t level) {
  if (array < given_.size()) {
    draft_.parts.push_back({role, array, level});
    return;
  }
  for (const Part& p : string_groups_[array - given_.size()].parts) draft_.parts.push_back(p);
  draft_strings_.push_back(array);
}

void Finder::set_layout(PartGroup& group) const {
  if (group.kind != TensorKind::csr) return;
  const auto it = layouts_.find(group.name);
  if (it == layouts_.end() || (it->second != "csr" && it->second != "csc")) return;
  group.layout_known = true;
  if (it->second == "csc") group.kind = TensorKind::csc;
}

// Takes the draft as a group, unless its name belongs to something else.
bool Finder::commit(std::string_view name) {
  if (taken_.contains(std::string(name))) return false;
  if (const auto it = names_.find(name); it != names_.end() && !claimed_[it->second] &&
                                         std::ranges::none_of(draft_.parts, [&](const Part& p) { return p.array == it->second; })) {
    return false;
  }
  draft_.name = name;
  set_layout(draft_);
  taken_.insert(draft_.name);
  for (const Part& p : draft_.parts) claimed_[p.array] = true;
  for (const size_t i : draft_strings_) claimed_[i] = true;
  groups_.push_back(std::move(draft_));
  return true;
}

void Finder::add_readings(size_t begin, size_t end) {
  std::vector<Reading> readings;
  for (size_t i = begin; i < end; ++i) {
    if (claimed_[i]) continue;
    read_name(info(i).name, readings);
    for (const Reading& reading : readings) {
      const auto [it, fresh] = buckets_.emplace(reading.prefix, static_cast<uint32_t>(prefixes_.size()));
      if (fresh) prefixes_.push_back(reading.prefix);
      entries_.push_back({it->second, reading.token, reading.weak, reading.level, i});
    }
  }
}

void Finder::sort_entries() {
  // By bucket and, within one, by word: a bucket of any size is looked through in a step per word (see find_composite).
  std::ranges::stable_sort(entries_, {}, [](const Entry& e) { return std::tuple(e.bucket, e.token, e.level); });
  ranges_.assign(prefixes_.size(), {0, 0});
  for (size_t i = 0; i < entries_.size(); ++i) {
    auto& range = ranges_[entries_[i].bucket];
    if (range.second == 0) range.first = i;
    range.second = i + 1;
  }
}

// bytes + offsets (+ dense_shape): found first, because they may be the values of a composite (x/values/bytes).
void Finder::find_strings() {
  for (size_t bucket = 0; bucket < prefixes_.size(); ++bucket) {
    const Entries entries(entries_.data() + ranges_[bucket].first, ranges_[bucket].second - ranges_[bucket].first);
    const size_t bytes = find(entries, Token::bytes), offsets = find(entries, Token::offsets);
    if (bytes == kNone || offsets == kNone) continue;
    if (info(bytes).dtype != DType::uint8 || info(bytes).shape.rank() != 1) continue;
    if (info(offsets).dtype != DType::int64 || info(offsets).shape.rank() != 1 || info(offsets).shape[0] < 1) continue;
    PartGroup group{
        std::string(group_name(prefixes_[bucket])), TensorKind::dense, {{PartRole::bytes, bytes}, {PartRole::offsets, offsets}}};
    ArrayInfo array{group.name, DType::string, Shape{info(offsets).shape[0] - 1}};
    size_t shape = find(entries, Token::dense_shape);
    if (shape == kNone) shape = find(entries, Token::shape);
    // With indices or values beside it, the shape is theirs.
    if (shape != kNone && is_index(info(shape), 1) && info(shape).shape[0] <= kMaxRank && find(entries, Token::indices) == kNone &&
        find(entries, Token::values) == kNone && find(entries, Token::data) == kNone) {
      group.parts.push_back({PartRole::dense_shape, shape});
      array.shape = Shape();
      for (int64_t axis = 0; axis < info(shape).shape[0]; ++axis) array.shape.append(-1);
    }
    if (const auto it = names_.find(group.name); it != names_.end() && it->second != bytes && it->second != offsets) continue;
    for (const Part& p : group.parts) claimed_[p.array] = true;
    strings_.push_back(std::move(array));
    string_groups_.push_back(std::move(group));
  }
}

bool Finder::try_compressed(Entries entries, size_t values, size_t shape) {
  const size_t indptr = find(entries, Token::indptr), indices = find(entries, Token::indices);
  if (indptr == kNone || indices == kNone) return false;
  if (!is_index(info(indptr), 1) || !is_index(info(indices), 1) || info(indptr).shape[0] < 1) return false;
  const size_t format = find(entries, Token::format);
  const bool named = format != kNone && info(format).dtype == DType::string && info(format).shape.rank() == 0;
  const Shape& v = info(values).shape;
  if (v.rank() != 1 && !(named && v.rank() == 3)) return false;  // three axes: SciPy's BSR
  if (v[0] != info(indices).shape[0]) return false;
  const int64_t rank = info(shape).shape[0];
  // SciPy's one-axis csr_array has one row.
  if (rank != 2 && !(rank == 1 && v.rank() == 1 && info(indptr).shape[0] == 2)) return false;
  start(rank == 2 ? TensorKind::csr : TensorKind::coo);
  part(PartRole::indptr, indptr);
  part(PartRole::indices, indices);
  part(PartRole::values, values);
  part(PartRole::dense_shape, shape);
  if (named) part(PartRole::format, format);
  return true;
}

bool Finder::try_coo(Entries entries, size_t values, size_t shape) {
  const Shape& v = info(values).shape;
  if (v.rank() != 1) return false;
  const int64_t nnz = v[0], rank = info(shape).shape[0];
  start(TensorKind::coo);
  const size_t indices = find(entries, Token::indices), coords = find(entries, Token::coords);
  const size_t row = find(entries, Token::row), col = find(entries, Token::col);
  const auto is_axis = [&](size_t i) { return i != kNone && is_index(info(i), 1) && info(i).shape[0] == nnz; };
  if (indices != kNone && is_index(info(indices), 2) && info(indices).shape[0] == nnz && info(indices).shape[1] == rank) {
    part(PartRole::indices, indices);
  } else if (rank == 2 && is_axis(row) && is_axis(col)) {
    part(PartRole::row, row);
    part(PartRole::col, col);
  } else if (coords != kNone && is_index(info(coords), 2) && info(coords).shape[0] == rank && info(coords).shape[1] == nnz) {
    part(PartRole::coords, coords);
  } else {
    if (rank == 0) return false;
    for (int64_t axis = 0; axis < rank; ++axis) {
      const size_t i = find(entries, Token::coords, static_cast<size_t>(axis));
      if (!is_axis(i)) return false;
      part(PartRole::axis, i, static_cast<size_t>(axis));
    }
    if (find(entries, Token::coords, static_cast<size_t>(rank)) != kNone) return false;
  }
  part(PartRole::values, values);
  part(PartRole::dense_shape, shape);
  const size_t format = find(entries, Token::format);
  if (format != kNone && info(format).dtype == DType::string && info(format).shape.rank() == 0) part(PartRole::format, format);
  return true;
}

// SciPy's diagonals, only where its format string stands beside them.
bool Finder::try_dia(Entries entries, size_t values, size_t shape) {
  const size_t offsets = find(entries, Token::offsets), format = find(entries, Token::format);
  if (offsets == kNone || format == kNone || values >= given_.size()) return false;
  if (info(format).dtype != DType::string || info(format).shape.rank() != 0 || !is_fixed_size(info(values).dtype)) return false;
  const Shape& v = info(values).shape;
  if (!is_index(info(offsets), 1) || v.rank() != 2 || v[0] != info(offsets).shape[0] || info(shape).shape[0] != 2) return false;
  start(TensorKind::coo);
  part(PartRole::offsets, offsets);
  part(PartRole::values, values);
  part(PartRole::dense_shape, shape);
  part(PartRole::format, format);
  return true;
}

bool Finder::try_levels(Entries entries, size_t values, PartRole role, Token one, Token many) {
  start(TensorKind::ragged);
  part(PartRole::values, values);
  const int64_t least = role == PartRole::row_splits ? 1 : 0;
  if (const size_t only = find(entries, one); only != kNone) {
    if (!is_index(info(only), 1) || info(only).shape[0] < least) return false;
    part(role, only);
    return true;
  }
  for (size_t level = 0;; ++level) {
    size_t i = find(entries, one, level);
    if (i == kNone) i = find(entries, many, level);
    if (i == kNone) return level > 0;
    if (level == kMaxLevels || !is_index(info(i), 1) || info(i).shape[0] < least) return false;
    if (level > 0 && info(i).dtype != info(draft_.parts.back().array).dtype) return false;
    part(role, i, level);
  }
}

bool Finder::try_ragged(Entries entries, size_t values) {
  if (info(values).shape.rank() == 0) return false;
  return try_levels(entries, values, PartRole::row_splits, Token::row_splits, Token::nested_row_splits) ||
         try_levels(entries, values, PartRole::row_splits, Token::offsets, Token::offsets) ||
         try_levels(entries, values, PartRole::row_lengths, Token::row_lengths, Token::nested_row_lengths);
}

bool Finder::find_composite(std::string_view prefix, Entries entries) {
  for (const Token value_word : {Token::values, Token::data}) {
    const size_t values = find(entries, value_word);
    if (values == kNone) continue;
    for (const Token shape_word : {Token::dense_shape, Token::shape}) {
      const size_t shape = find(entries, shape_word);
      if (shape == kNone || !is_index(info(shape), 1) || info(shape).shape[0] > kMaxRank) continue;
      if (!try_compressed(entries, values, shape) && !try_coo(entries, values, shape) && !try_dia(entries, values, shape)) continue;
      const bool scipy = std::ranges::any_of(draft_.parts, [](const Part& p) { return p.role == PartRole::format; });
      if (const size_t flag = find(entries, Token::is_array); scipy && flag != kNone && info(flag).dtype == DType::bool_) {
        part(PartRole::flag, flag);
      }
      if (commit(group_name(prefix))) return true;
    }
  }
  for (const Token value_word : {Token::values, Token::flat_values}) {
    const size_t values = find(entries, value_word);
    if (values != kNone && try_ragged(entries, values) && commit(group_name(prefix))) return true;
  }
  return false;
}

// Members at top level that say of themselves that they are a SciPy matrix are held to it.
Status Finder::check_scipy(Entries entries) const {
  const size_t format = find(entries, Token::format), data = find(entries, Token::data), shape = find(entries, Token::shape);
  if (format == kNone || data == kNone || shape == kNone || info(format).dtype != DType::string || info(format).shape.rank() != 0)
    return {};
  std::string members;
  bool indexed = false;
  for (const Token token :
       {Token::data, Token::shape, Token::indptr, Token::indices, Token::row, Token::col, Token::coords, Token::offsets}) {
    const size_t i = find(entries, token);
    if (i == kNone) continue;
    indexed = indexed || (token != Token::data && token != Token::shape);
    members += concat(members.empty() ? "" : ", ", info(i).name, " ", dtype_name(info(i).dtype), info(i).shape.to_string());
  }
  if (!indexed) return {};
  return invalid_argument(
      concat("the members of a SciPy sparse matrix do not fit together: ", members, "; read them as they are with --no-parts"));
}

Status Finder::automatic_groups() {
  add_readings(0, given_.size());
  sort_entries();
  find_strings();
  claimed_.resize(given_.size() + strings_.size(), false);
  if (!strings_.empty()) {
    add_readings(given_.size(), given_.size() + strings_.size());
    sort_entries();
  }
  // First as the longest word reads each name, then as any does.
  for (weak_too_ = false;; weak_too_ = true) {
    for (size_t bucket = 0; bucket < prefixes_.size(); ++bucket) {
      const Entries entries(entries_.data() + ranges_[bucket].first, ranges_[bucket].second - ranges_[bucket].first);
      if (entries.size() < 2) continue;
      const bool found = find_composite(prefixes_[bucket], entries);
      if (!found && !weak_too_ && prefixes_[bucket].empty()) FERRY_RETURN_IF_ERROR(check_scipy(entries));
    }
    if (weak_too_) break;
  }
  // Strings that are nobody's values are tensors of their own.
  for (size_t i = 0; i < string_groups_.size(); ++i) {
    if (claimed_[given_.size() + i]) continue;
    start(TensorKind::dense);
    draft_ = std::move(string_groups_[i]);
    for (const Part& p : draft_.parts) claimed_[p.array] = false;
    (void)commit(std::string(draft_.name));
  }
  return {};
}

Status Finder::explicit_groups(const PartsOptions& options) {
  for (const auto& [name, members] : options.explicit_groups) {
    std::vector<size_t> at;
    std::string listed;
    for (const std::string& member : members) {
      const auto it = names_.find(member);
      if (it == names_.end()) return not_found(concat("--parts ", name, ": there is no array ", quoted(member)));
      if (claimed_[it->second] || std::ranges::find(at, it->second) != at.end()) {
        return invalid_argument(concat("--parts ", name, ": array ", quoted(member), " is used twice"));
      }
      at.push_back(it->second);
      const ArrayInfo& array = given_[it->second];
      listed += concat(listed.empty() ? "" : ", ", array.name, " ", dtype_name(array.dtype), array.shape.to_string());
    }
    const auto is_vector = [&](size_t i) { return is_index(given_[at[i]], 1); };
    const auto length = [&](size_t i) { return given_[at[i]].shape[0]; };
    const auto rank = [&](size_t i) { return given_[at[i]].shape.rank(); };
    bool fits = false;
    if (at.size() == 3 && is_index(given_[at[0]], 2) && rank(1) == 1 && is_vector(2)) {
      fits = length(0) == length(1) && given_[at[0]].shape[1] == length(2) && length(2) <= kMaxRank;
      start(TensorKind::coo);
      part(PartRole::indices, at[0]);
      part(PartRole::values, at[1]);
      part(PartRole::dense_shape, at[2]);
    } else if (at.size() == 4 && is_vector(0) && is_vector(1) && rank(2) == 1 && is_vector(3) && length(3) == 2 && length(1) == length(2) &&
               length(0) > 0) {
      fits = true;
      start(TensorKind::csr);
      part(PartRole::indptr, at[0]);
      part(PartRole::indices, at[1]);
      part(PartRole::values, at[2]);
      part(PartRole::dense_shape, at[3]);
    } else if (at.size() >= 2 && at.size() <= kMaxLevels && rank(0) > 0) {
      fits = true;
      start(TensorKind::ragged);
      part(PartRole::values, at[0]);
      for (size_t level = 0; level + 1 < at.size(); ++level) {
        fits = fits && is_vector(level + 1) && length(level + 1) > 0 && given_[at[level + 1]].dtype == given_[at[1]].dtype;
        part(PartRole::row_splits, at[level + 1], level);
      }
    }
    if (!fits) {
      return invalid_argument(concat("--parts ", name, ": ", listed,
                                     " make no tensor, expected indices, values, dense_shape (COO), indptr, indices, values, dense_shape "
                                     "(CSR, CSC) or values, row_splits (ragged)"));
    }
    if (!commit(name)) return invalid_argument(concat("--parts ", name, ": another array or group is named ", quoted(name)));
  }
  return {};
}

Grouping Finder::finish() && {
  Grouping out;
  const auto first = [](const PartGroup& group) {
    size_t least = kNone;
    for (const Part& p : group.parts) least = std::min(least, p.array);
    return least;
  };
  std::ranges::sort(groups_, {}, first);
  out.groups = std::move(groups_);
  for (size_t i = 0; i < given_.size(); ++i) {
    if (!claimed_[i]) out.plain.push_back(i);
  }
  return out;
}

}  // namespace

bool may_be_part(std::string_view name) {
  // x_0, x_12: the level of a nested part.
  for (int digits = 0; digits < 3 && !name.empty() && name.back() >= '0' && name.back() <= '9'; ++digits) name.remove_suffix(1);
  if (name.ends_with('_')) name.remove_suffix(1);
  if (name.empty()) return false;
  for (uint32_t words = kWordsByLastLetter[static_cast<unsigned char>(name.back())]; words != 0; words &= words - 1) {
    const std::string_view text = kWords[std::countr_zero(words)].text;
    if (name.size() >= text.size() && name[name.size() - text.size()] == text[0] && name.ends_with(text)) return true;
  }
  return false;
}

Result<Grouping> find_parts(std::span<const ArrayInfo> arrays, const PartsOptions& options, const Metadata* metadata) {
  Finder finder(arrays, metadata);
  FERRY_RETURN_IF_ERROR(finder.explicit_groups(options));
  if (options.enabled) FERRY_RETURN_IF_ERROR(finder.automatic_groups());
  return std::move(finder).finish();
}

}  // namespace ferry
