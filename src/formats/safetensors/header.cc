#include "formats/safetensors/header.h"

#include <algorithm>
#include <cstring>
#include <functional>

#include "ferry/checked.h"
#include "wire/json.h"
#include "wire/number.h"

namespace ferry::safetensors {
namespace {

// A whole number without sign, fraction or exponent.
uint64_t read_count(json::Reader& in, std::string_view what) {
  uint64_t value = 0;
  if (in.peek() != json::Token::number || !number::is_digit(*in.at())) {
    in.fail(concat(what, " has an element that is no whole number from 0 up"));
    return 0;
  }
  const char* after = parse_number(in.at(), in.end(), value);
  if (after == nullptr) {
    in.fail(concat(what, " has a number that 64 bits cannot hold"));
    return 0;
  }
  if ((*in.at() == '0' && after - in.at() > 1) || (after != in.end() && (*after == '.' || (*after | 0x20) == 'e'))) {
    in.fail(concat(what, " has an element that is no whole number from 0 up"));
    return 0;
  }
  in.move_to(after);
  return value;
}

// The first of `count` names that an earlier one is equal to, or `count`. Open addressing: a header may hold a million of them.
template <class NameOf>
size_t find_repeated(size_t count, NameOf&& name_of) {
  size_t size = 16;
  while (size < 2 * count) size *= 2;
  std::vector<uint32_t> slots(size, 0);
  for (size_t i = 0; i < count; ++i) {
    const std::string_view name = name_of(i);
    size_t slot = std::hash<std::string_view>()(name) & (size - 1);
    for (; slots[slot] != 0; slot = (slot + 1) & (size - 1)) {
      if (name_of(slots[slot] - 1) == name) return i;
    }
    slots[slot] = static_cast<uint32_t>(i + 1);
  }
  return count;
}

// {"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}, as the library and we write it: most of a header is this.
class UsualItems {
 public:
  // Where it ends; null where the text is anything else: the general way then reads it or says what is wrong.
  const char* read(const char* at, const char* end, const Limits& limits, Item& item) {
    // A size that the compiler knows makes the comparison a few loads.
    const auto take = [&]<size_t kSize>(const char(&word)[kSize]) {
      if (static_cast<size_t>(end - at) < kSize - 1 || std::memcmp(at, word, kSize - 1) != 0) return false;
      at += kSize - 1;
      return true;
    };
    const auto take_count = [&](uint64_t& out) {
      if (at == end || !number::is_digit(*at) || (*at == '0' && end - at > 1 && number::is_digit(at[1]))) return false;
      at = parse_number(at, end, out);
      return at != nullptr;
    };
    if (!take("{\"dtype\":\"")) return nullptr;
    size_t size = 0;
    while (size < 16 && at + size < end && at[size] != '"') ++size;
    if (std::string_view(at, size) != name_) {
      const auto type = type_from_name({at, size});
      if (!type) return nullptr;
      name_ = type_name(*type);
      type_ = *type;
    }
    at += size;
    if (!take("\",\"shape\":[")) return nullptr;
    item.shape = Shape();
    if (!take("]")) {
      do {
        uint64_t dim;
        if (!take_count(dim) || dim > INT64_MAX || item.shape.rank() == limits.max_rank) return nullptr;
        item.shape.append(static_cast<int64_t>(dim));
      } while (take(","));
      if (!take("]")) return nullptr;
    }
    if (!take(",\"data_offsets\":[") || !take_count(item.begin) || !take(",") || !take_count(item.end) || !take("]}")) return nullptr;
    item.type = type_;
    return item.end < item.begin ? nullptr : at;
  }

 private:
  std::string_view name_ = type_name(Type::F32);  // of the item before: the next one's is mostly the same
  Type type_ = Type::F32;
};

class Parser {
 public:
  Parser(std::string_view text, const Limits& limits) : in_(text, limits.max_nesting), limits_(limits) {
    out_.items.reserve(std::min<size_t>(text.size() / 64, 1 << 20));
  }

  Result<Header> parse() {
    if (in_.peek() != json::Token::object) in_.fail("the header does not begin with {, expected a JSON object");
    if (!in_.ok()) return in_.status();
    in_.open();
    std::string name;
    for (bool first = true; in_.next_member(first, name);) {
      if (name == kMetadataName) {
        read_metadata();
        continue;
      }
      if (name.size() > limits_.max_name_bytes) {
        return limit_exceeded(
            concat("a name of ", name.size(), " bytes exceeds the limit of ", limits_.max_name_bytes, " (max_name_bytes)"));
      }
      if (out_.items.size() == limits_.max_tensors) {
        return limit_exceeded(concat("the header lists more than ", limits_.max_tensors, " tensors (max_tensors)"));
      }
      // A copy of the right size: `name` is used again.
      out_.items.push_back({name, Type::U8, Shape(), 0, 0});
      read_item(out_.items.back());
    }
    in_.finish();
    FERRY_RETURN_IF_ERROR(in_.status());
    const auto& items = out_.items;
    const size_t twice = find_repeated(items.size(), [&](size_t i) -> std::string_view { return items[i].name; });
    if (twice < items.size()) return data_loss(concat("two tensors are named ", quoted(items[twice].name)));
    const auto keys = out_.metadata.begin();
    const size_t key =
        find_repeated(out_.metadata.size(), [&](size_t i) -> std::string_view { return keys[static_cast<ptrdiff_t>(i)].first; });
    if (key < out_.metadata.size())
      return data_loss(concat("__metadata__ has ", quoted(keys[static_cast<ptrdiff_t>(key)].first), " twice"));
    return std::move(out_);
  }

 private:
  static constexpr unsigned kDType = 1, kShape = 2, kOffsets = 4;

  void read_metadata() {
    if (in_.peek() != json::Token::object) return in_.fail("__metadata__ is no object of strings");
    if (seen_metadata_) return in_.fail("__metadata__ is there twice");
    seen_metadata_ = true;
    in_.open();
    std::string key, value;
    for (bool first = true; in_.next_member(first, key);) {
      if (in_.peek() != json::Token::string) return in_.fail(concat("__metadata__ ", quoted(key), " is no string"));
      in_.read_string(value);
      out_.metadata.append(key, value);
    }
  }

  bool read_usual_item(Item& item) {
    const char* after = usual_.read(in_.at(), in_.end(), limits_, item);
    if (after != nullptr) in_.move_to(after);
    return after != nullptr;
  }

  void read_item(Item& item) {
    if (read_usual_item(item)) return;
    item = {std::move(item.name), Type::U8, Shape(), 0, 0};
    const auto bad = [&](std::string_view what) { in_.fail(concat("tensor ", quoted(item.name), ": ", what)); };
    if (in_.peek() != json::Token::object) return bad("is no object of dtype, shape and data_offsets");
    const uint64_t place = in_.offset();
    in_.open();
    unsigned seen = 0;
    for (bool first = true; in_.next_member(first, key_);) {
      const unsigned field = key_ == "dtype" ? kDType : key_ == "shape" ? kShape : key_ == "data_offsets" ? kOffsets : 0;
      if (field != 0 && (seen & field) != 0) return bad(concat(key_, " is there twice"));
      seen |= field;
      switch (field) {
        case kDType: {
          if (in_.peek() != json::Token::string) return bad("dtype is no string");
          in_.read_string(value_);
          const auto type = type_from_name(value_);
          if (!type) return bad(concat("dtype ", quoted(value_), " is none of safetensors'"));
          item.type = *type;
          break;
        }
        case kShape: read_shape(item); break;
        case kOffsets: read_offsets(item); break;
        default: in_.skip_value();  // the library skips them too
      }
    }
    if (!in_.ok()) return;
    for (const auto& [field, name] : {std::pair(kDType, "dtype"), std::pair(kShape, "shape"), std::pair(kOffsets, "data_offsets")}) {
      if ((seen & field) == 0) return in_.fail_at(place, concat("tensor ", quoted(item.name), ": has no ", name));
    }
  }

  void read_shape(Item& item) {
    if (in_.peek() != json::Token::array) return in_.fail(concat("tensor ", quoted(item.name), ": shape is no list"));
    in_.open();
    for (bool first = true; in_.next_element(first);) {
      const uint64_t dim = read_count(in_, "shape");
      if (dim > INT64_MAX) return in_.fail(concat("tensor ", quoted(item.name), ": an axis of ", dim, " elements is too long"));
      if (item.shape.rank() == limits_.max_rank) {
        return in_.fail(concat("tensor ", quoted(item.name), ": has more than ", limits_.max_rank, " axes (max_rank)"));
      }
      item.shape.append(static_cast<int64_t>(dim));
    }
  }

  void read_offsets(Item& item) {
    if (in_.peek() != json::Token::array) return in_.fail(concat("tensor ", quoted(item.name), ": data_offsets is no list"));
    in_.open();
    size_t count = 0;
    for (bool first = true; in_.next_element(first) && count < 3; ++count) {
      const uint64_t value = read_count(in_, "data_offsets");
      if (count < 2) (count == 0 ? item.begin : item.end) = value;
    }
    if (in_.ok() && count != 2) in_.fail(concat("tensor ", quoted(item.name), ": data_offsets are not [begin, end]"));
    if (in_.ok() && item.end < item.begin) {
      in_.fail(concat("tensor ", quoted(item.name), ": data_offsets [", item.begin, ", ", item.end, "] end before they begin"));
    }
  }

  json::Reader in_;
  const Limits& limits_;
  Header out_;
  std::string key_, value_;
  UsualItems usual_;
  bool seen_metadata_ = false;
};

// Offsets against shapes, the file's end, and one another.
Status check_layout(const std::vector<Item>& items, uint64_t data_bytes, const Limits& limits) {
  bool rising = true;
  uint64_t last = 0;
  for (const Item& item : items) {
    const auto fail = [&](auto&&... what) { return data_loss(concat("tensor ", quoted(item.name), ": ", what...)); };
    const auto bytes = bytes_of(item.type, item.shape);
    if (!bytes) {
      const auto count = item.shape.num_elements();
      if (count && checked_mul<uint64_t>(static_cast<uint64_t>(*count), type_bits(item.type))) {
        return fail("shape ", item.shape.to_string(), " of ", type_name(item.type), " does not fill whole bytes");
      }
      return fail("shape ", item.shape.to_string(), " of ", type_name(item.type), " needs more than 2^64 bits");
    }
    if (item.end - item.begin != *bytes) {
      return fail("data_offsets [", item.begin, ", ", item.end, "] are ", item.end - item.begin, " bytes, shape ", item.shape.to_string(),
                  " of ", type_name(item.type), " needs ", *bytes);
    }
    if (item.end > data_bytes) {
      return fail("data_offsets [", item.begin, ", ", item.end, "] end past the ", data_bytes, " bytes after the header");
    }
    if (*bytes > limits.max_tensor_bytes) {
      return limit_exceeded(concat("tensor ", quoted(item.name), ": its ", *bytes, " bytes exceed the limit of ", limits.max_tensor_bytes,
                                   " (max_tensor_bytes)"));
    }
    rising = rising && item.begin >= last;
    last = item.end;
  }
  std::vector<uint32_t> order;
  if (!rising) {
    order.resize(items.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<uint32_t>(i);
    std::ranges::stable_sort(order, {}, [&](uint32_t i) { return std::pair(items[i].begin, items[i].end); });
  }
  uint64_t at = 0;
  for (size_t k = 0; k < items.size(); ++k) {
    const Item& item = items[rising ? k : order[k]];
    if (item.begin < at) {
      const Item& before = items[rising ? k - 1 : order[k - 1]];
      return data_loss(concat("tensors ", quoted(before.name), " and ", quoted(item.name), " overlap: the second begins at byte ",
                              item.begin, " of the data, the first ends at ", at));
    }
    if (item.begin > at) {
      return data_loss(concat("tensor ", quoted(item.name), ": begins at byte ", item.begin, " of the data, expected ", at,
                              "; a file without holes is what safetensors allows"));
    }
    at = item.end;
  }
  if (at != data_bytes) return data_loss(concat("the tensors end at byte ", at, " of the data, ", data_bytes - at, " bytes follow"));
  return {};
}

// The JSON of a file.
Result<Buffer> header_text(const ByteSource& source) {
  if (source.size() < 8)
    return data_loss(concat("is ", source.size(), " bytes long, a safetensors file begins with 8 bytes of header length"));
  uint64_t size;
  FERRY_RETURN_IF_ERROR(source.read_at(0, std::as_writable_bytes(std::span(&size, 1))));
  if (size > kLongestHeader) {
    return limit_exceeded(concat("the header length ", size, " exceeds the ", kLongestHeader, " bytes that safetensors allows"));
  }
  if (size > source.size() - 8)
    return data_loss_at(0, concat("the header length ", size, " exceeds the ", source.size() - 8, " bytes that follow"));
  FERRY_ASSIGN_OR_RETURN(Buffer text, source.view(8, size));
  if (!text.text().starts_with('{')) return data_loss_at(8, "the header does not begin with {, expected a JSON object");
  return text;
}

// ASCII that stands for itself in a JSON string: as much of it as there is.
const char* skip_plain(const char* at, const char* end) {
  while (at != end && *at >= ' ' && *at != '"' && *at != '\\') ++at;
  return at;
}

}  // namespace

Result<Header> read_header(const ByteSource& source, const Limits& limits) {
  FERRY_ASSIGN_OR_RETURN(const Buffer text, header_text(source));
  auto header = Parser(text.text(), limits).parse();
  if (!header.ok()) return header.status().shifted(8);
  header->data = 8 + text.size();
  FERRY_RETURN_IF_ERROR(check_layout(header->items, source.size() - header->data, limits));
  return header;
}

Result<std::optional<HeaderIndex>> HeaderIndex::open(const ByteSource& source, const Limits& limits) {
  HeaderIndex out;
  FERRY_ASSIGN_OR_RETURN(out.text_, header_text(source));
  out.data_ = 8 + out.text_.size();
  out.data_bytes_ = source.size() - out.data_;
  out.limits_ = limits;
  if (!out.scan()) return std::optional<HeaderIndex>();
  return std::optional<HeaderIndex>(std::move(out));
}

bool HeaderIndex::scan() {
  const std::string_view text = text_.text();
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  const char* at = begin + 1;
  const std::string start = concat("{\"", kMetadataName, "\":{");
  if (text.starts_with(start)) {
    json::Reader in(text, limits_.max_nesting);
    in.open();
    std::string key, value;
    bool first = true;
    if (!in.next_member(first, key) || in.peek() != json::Token::object) return false;
    in.open();
    for (first = true; in.next_member(first, key);) {
      if (in.peek() != json::Token::string || metadata_.find(key) != nullptr || metadata_.size() == kFewKeys) return false;
      in.read_string(value);
      metadata_.append(key, value);
    }
    at = in.at();
    if (!in.ok() || at == end || *at != ',') return false;
    ++at;
  }
  places_.reserve(std::min<uint64_t>(text.size() / 64, limits_.max_tensors));
  UsualItems usual;
  Item item;
  bool rising = true;  // as the library writes them; else their places are put in order first
  std::vector<std::pair<uint64_t, uint64_t>> spans;
  spans.reserve(places_.capacity());
  for (bool more = true; more; ++at) {
    if (at == end || *at != '"') return false;
    const char* const name = ++at;
    at = skip_plain(at, end);
    const auto size = static_cast<size_t>(at - name);
    if (end - at < 2 || at[0] != '"' || at[1] != ':' || size > limits_.max_name_bytes || places_.size() == limits_.max_tensors)
      return false;
    at = usual.read(at + 2, end, limits_, item);
    if (at == nullptr || at == end || !fits(item) || std::string_view(name, size) == kMetadataName) return false;
    rising = rising && (spans.empty() || item.begin >= spans.back().second);
    spans.emplace_back(item.begin, item.end);
    places_.push_back({static_cast<uint32_t>(name - begin), static_cast<uint32_t>(size)});
    more = *at == ',';
    if (!more && *at != '}') return false;
  }
  for (; at != end; ++at) {
    if (*at != ' ') return false;
  }
  slots_ = NameSlots(places_.size());
  for (size_t i = 0; i < places_.size(); ++i) {
    if (slots_.add(i, name(i), [this](size_t k) { return this->name(k); }) != NameSlots::kNone) return false;
  }
  if (!rising) std::ranges::sort(spans);
  uint64_t covered = 0;
  for (const auto& [from, to] : spans) {
    if (from != covered) return false;
    covered = to;
  }
  return covered == data_bytes_;
}

bool HeaderIndex::fits(const Item& item) const {
  return bytes_of(item.type, item.shape) == item.end - item.begin && item.end <= data_bytes_ &&
         item.end - item.begin <= limits_.max_tensor_bytes;
}

Result<Item> HeaderIndex::item(size_t i) const {
  const std::string_view text = text_.text();
  Item out;
  out.name = name(i);
  const char* const at = text.data() + places_[i].at + places_[i].size + 2;
  // A mapped file that somebody has written to since.
  if (UsualItems().read(at, text.data() + text.size(), limits_, out) == nullptr || !fits(out)) {
    return data_loss(concat("tensor ", quoted(out.name), ": the header changed after it was read"));
  }
  return out;
}

std::string write_header(const std::vector<Item>& items, const Metadata& metadata, size_t alignment) {
  std::string out(8, '\0');
  out += '{';
  const auto comma = [&] {
    if (out.back() != '{') out += ',';
  };
  if (!metadata.empty()) {
    out += "\"__metadata__\":{";
    for (const auto& [key, value] : metadata) {
      comma();
      json::append_string(out, key);
      out += ':';
      json::append_string(out, value);
    }
    out += '}';
  }
  for (const Item& item : items) {
    comma();
    json::append_string(out, item.name);
    out += ":{\"dtype\":\"";
    out += type_name(item.type);
    out += "\",\"shape\":[";
    for (size_t axis = 0; axis < item.shape.rank(); ++axis) {
      if (axis > 0) out += ',';
      json::append_integer(out, item.shape[axis]);
    }
    out += "],\"data_offsets\":[";
    json::append_integer(out, item.begin);
    out += ',';
    json::append_integer(out, item.end);
    out += "]}";
  }
  out += '}';
  out.append((alignment - out.size() % alignment) % alignment, ' ');
  const uint64_t size = out.size() - 8;
  std::memcpy(out.data(), &size, 8);
  return out;
}

}  // namespace ferry::safetensors
