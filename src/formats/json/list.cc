#include "formats/json/list.h"

#include <algorithm>
#include <cmath>

#include "wire/json_list.h"
#include "wire/number.h"

namespace ferry::json {
namespace {

// The object that stands next is {"b64": "…"} and nothing else: its bytes.
bool read_base64(Reader& in, std::string& out) {
  Reader ahead = in;
  std::string key, text;
  ahead.open();
  bool first = true;
  if (!ahead.next_member(first, key) || key != "b64" || ahead.peek() != Token::string) return false;
  ahead.read_string(text);
  if (!ahead.ok() || ahead.next_member(first, key) || !ahead.ok()) return false;
  out.clear();
  if (!decode_base64(text, out)) {
    in.fail("the b64 string is not base64");
    return true;
  }
  in = ahead;
  return true;
}

template <class T>
Result<DenseTensor> adopt(std::vector<T> values, DType dtype, Shape shape) {
  auto owner = std::make_shared<std::vector<T>>(std::move(values));
  return DenseTensor::make(dtype, std::move(shape), Buffer::adopt(owner->data(), owner->size() * sizeof(T), owner));
}
template <class T>
Result<DenseTensor> adopt(Growing<T> values, DType dtype, Shape shape) {
  return DenseTensor::make(dtype, std::move(shape), std::move(values).freeze());
}

}  // namespace

ListBuilder::ListBuilder(NumberDTypes defaults, std::optional<DType> target) : defaults_(defaults), target_(target) {
  if (!target) return;
  switch (dtype_class(*target)) {
    case DTypeClass::kFloat: mode_ = *target == DType::float32 ? Mode::single : Mode::double_; break;
    case DTypeClass::kComplex: mode_ = *target == DType::complex64 ? Mode::single : Mode::double_; break;
    case DTypeClass::kSigned: mode_ = Mode::signed_; break;
    case DTypeClass::kUnsigned: mode_ = Mode::unsigned_; break;
    case DTypeClass::kQuantized: mode_ = Mode::signed_; break;
    case DTypeClass::kBool: mode_ = Mode::boolean; break;
    case DTypeClass::kString: mode_ = Mode::text; break;
    case DTypeClass::kOpaque: break;
  }
}

size_t ListBuilder::count() const {
  switch (mode_) {
    case Mode::none: return 0;
    case Mode::signed_:
    case Mode::unsigned_: return integers_.size();
    case Mode::single: return singles_.size();
    case Mode::double_: return doubles_.size();
    case Mode::boolean: return bools_.size();
    case Mode::text: return offsets_.size() - 1;
  }
  __builtin_unreachable();
}

DType ListBuilder::dtype() const {
  if (target_) return *target_;
  switch (mode_) {
    case Mode::none: return defaults_.floats;
    case Mode::signed_: return defaults_.integers;
    case Mode::unsigned_: return DType::uint64;
    case Mode::single:
    case Mode::double_: return defaults_.floats;
    case Mode::boolean: return DType::bool_;
    case Mode::text: return DType::string;
  }
  __builtin_unreachable();
}

std::optional<std::string_view> ListBuilder::scalar_string() const {
  if (mode_ != Mode::text || !is_scalar()) return std::nullopt;
  return text_;
}

void ListBuilder::open_list(Reader& in) {
  if (leaf_depth_ >= 0 && depth_ >= leaf_depth_) return in.fail("a list stands where values stand in the lists before it");
  if (levels_.size() <= static_cast<size_t>(depth_)) levels_.emplace_back();
  levels_[static_cast<size_t>(depth_)].current = 0;
  deepest_ = std::max(deepest_, ++depth_);
}

void ListBuilder::close_list() {
  Level& level = levels_[static_cast<size_t>(--depth_)];
  if (level.expected < 0) {
    level.expected = level.current;
  } else if (level.current != level.expected && !level.ragged) {
    level.ragged = true;
    for (int64_t i = 0; i <= level.lists; ++i) level.splits.push_back(i * level.expected);
  }
  ++level.lists;
  if (level.ragged) level.splits.push_back(level.splits.back() + level.current);
  if (depth_ > 0) ++levels_[static_cast<size_t>(depth_ - 1)].current;
}

bool ListBuilder::scalar(Reader& in, int64_t count) {
  if (leaf_depth_ < 0 && deepest_ <= depth_) {
    leaf_depth_ = depth_;
  } else if (leaf_depth_ != depth_) [[unlikely]] {
    in.fail("a value stands where a list stands elsewhere: all values must be nested alike");
    return false;
  }
  if (depth_ > 0) levels_[static_cast<size_t>(depth_ - 1)].current += count;
  return true;
}

bool ListBuilder::set_mode(Reader& in, Mode mode, std::string_view what) {
  if (mode_ == mode) return true;
  if (mode_ == Mode::none) {
    mode_ = mode;
    return true;
  }
  in.fail(concat(what, " among values of ",
                 target_                  ? dtype_name(*target_)
                 : mode_ == Mode::text    ? "string"
                 : mode_ == Mode::boolean ? "bool"
                                          : "numbers",
                 "; all values of a tensor are of one dtype"));
  return false;
}

void ListBuilder::add_string(Reader& in, std::string_view text) {
  if (!set_mode(in, Mode::text, "a string stands") || !scalar(in)) return;
  text_ += text;
  offsets_.push_back(static_cast<int64_t>(text_.size()));
}

Status ListBuilder::floats_from_integers() {
  const bool is_signed = mode_ == Mode::signed_;
  mode_ = defaults_.floats == DType::float32 ? Mode::single : Mode::double_;
  const auto convert = [&]<class T>(Growing<T>& out) -> Status {
    FERRY_RETURN_IF_ERROR(out.reserve(2 * integers_.size()));
    std::transform(integers_.begin(), integers_.end(), out.room(),
                   [&](uint64_t bits) { return is_signed ? static_cast<T>(static_cast<int64_t>(bits)) : static_cast<T>(bits); });
    out.took(integers_.size());
    return {};
  };
  FERRY_RETURN_IF_ERROR(mode_ == Mode::single ? convert(singles_) : convert(doubles_));
  integers_ = {};
  return {};
}

template <class T>
bool ListBuilder::push(Reader& in, Growing<T>& values, T value, const char* after) {
  if (const Status status = values.push(value); !status.ok()) {
    in.fail(status);
    return false;
  }
  in.move_to(after);
  return true;
}

bool ListBuilder::add_float(Reader& in, const char* after) {
  const char* at = in.at();
  const auto overflow = [&](DType dtype) {
    in.fail(concat("the number ", quoted(std::string_view(at, static_cast<size_t>(after - at))), " is too large for ", dtype_name(dtype),
                   dtype == DType::float32 ? "; name the dtype float64, or Infinity if that is meant" : ""));
    return false;
  };
  const bool finite = number::is_digit(after[-1]);
  if (mode_ == Mode::single) {
    float value = 0;
    parse_number(at, after, value);
    if (finite && std::isinf(value)) [[unlikely]]
      return overflow(DType::float32);
    return push(in, singles_, value, after);
  } else {
    double value = 0;
    parse_number(at, after, value);
    if (finite && std::isinf(value)) [[unlikely]]
      return overflow(DType::float64);
    return push(in, doubles_, value, after);
  }
}

bool ListBuilder::add_integer(Reader& in, const char* after) {
  const char* at = in.at();
  if (mode_ == Mode::signed_) {
    int64_t value;
    if (parse_number(at, after, value) != nullptr) [[likely]] {
      return push(in, integers_, static_cast<uint64_t>(value), after);
    }
    bool negative = *at == '-' || target_;
    for (uint64_t bits : integers_) negative |= static_cast<int64_t>(bits) < 0;
    if (!negative) mode_ = Mode::unsigned_;  // too large for int64: uint64, where all values are its
  }
  if (mode_ == Mode::unsigned_) {
    uint64_t value;
    if (parse_number(at, after, value) != nullptr) {
      return push(in, integers_, value, after);
    }
  }
  in.fail(concat("the integer ", quoted(std::string_view(at, static_cast<size_t>(after - at))), " does not fit ",
                 dtype_name(target_                    ? *target_
                            : mode_ == Mode::unsigned_ ? DType::uint64
                                                       : DType::int64),
                 target_ ? "" : "; write it with a fraction or exponent to read it as a float"));
  return false;
}

bool ListBuilder::add_number(Reader& in) {
  bool integer;
  const char* after = Reader::check_number(in.at(), in.end(), integer);
  if (after == nullptr) [[unlikely]] {
    in.fail("this is no number of JSON");
    return false;
  }
  if (mode_ == Mode::single || mode_ == Mode::double_) [[likely]]
    return add_float(in, after);
  if (mode_ == Mode::none) mode_ = integer ? Mode::signed_ : defaults_.floats == DType::float32 ? Mode::single : Mode::double_;
  if (mode_ == Mode::boolean || mode_ == Mode::text) return set_mode(in, Mode::signed_, "a number stands");
  if (integer) {
    return mode_ == Mode::signed_ || mode_ == Mode::unsigned_ ? add_integer(in, after) : add_float(in, after);
  }
  if (target_ && (mode_ == Mode::signed_ || mode_ == Mode::unsigned_)) {
    in.fail(concat("the number ", quoted(std::string_view(in.at(), static_cast<size_t>(after - in.at()))),
                   " is not written as an integer, expected one of ", dtype_name(*target_)));
    return false;
  }
  if (mode_ == Mode::signed_ || mode_ == Mode::unsigned_) {
    if (const Status status = floats_from_integers(); !status.ok()) {
      in.fail(status);
      return false;
    }
  }
  return add_float(in, after);
}

// As many as parse_list() takes, and the lists that they fill. Whether another number follows, which takes more care.
template <class T, class Stored>
bool ListBuilder::read_run(Reader& in, Growing<Stored>& values) {
  static_assert(sizeof(T) == sizeof(Stored));
  Level& list = levels_[static_cast<size_t>(depth_ - 1)];
  NumberRun run{in.begin(), in.at()};
  // The ends of lists are gone over where there is nothing to be noted of them: they are as long as those before.
  if (depth_ > 1 && list.expected > 0 && !list.ragged) run.row = list.expected;
  run.current = list.current;
  run.negative = mode_ != Mode::unsigned_;
  do {
    if (values.room_size() == 0) {
      const double bytes = static_cast<double>(run.at - first_), left = static_cast<double>(in.end() - run.at);
      const double likely = bytes > 0 ? static_cast<double>(values.size()) * (1.02 + left / bytes) : 0;
      if (const Status status = values.grow(static_cast<size_t>(likely)); !status.ok()) {
        in.fail(status);
        return false;
      }
    }
    values.took(parse_list(run, in.end(), reinterpret_cast<T*>(values.room()), values.room_size()));
  } while (run.before && values.room_size() == 0);
  list.current = run.current;
  list.lists += run.rows;
  if (depth_ > 1) levels_[static_cast<size_t>(depth_ - 2)].current += run.rows;
  in.move_to(run.at);
  return run.before;
}

void ListBuilder::read_numbers(Reader& in) {
  if (!scalar(in, 0)) return;
  if (first_ == nullptr) first_ = in.at();
  for (;;) {
    bool more = true;
    switch (mode_) {
      case Mode::single: more = read_run<float>(in, singles_); break;
      case Mode::double_: more = read_run<double>(in, doubles_); break;
      case Mode::signed_:
      case Mode::unsigned_: more = read_run<int64_t>(in, integers_); break;
      case Mode::none:
      case Mode::boolean:
      case Mode::text: break;
    }
    if (!more || !in.ok() || !add_number(in) || !scalar(in)) return;
    const char* at = in.at();
    const char* const end = in.end();
    const auto space = [&] {
      while (at != end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')) ++at;
    };
    space();
    if (at == end || *at != ',') return;
    ++at;
    space();
    // Anything else after the comma is the caller's.
    if (at == end || !(number::is_digit(*at) || *at == '-' || *at == 'N' || *at == 'I')) return;
    in.move_to(at);
  }
}

void ListBuilder::read(Reader& in) {
  std::string text;
  switch (in.peek()) {
    case Token::array:
      open_list(in);
      if (!in.ok()) return;
      in.open();
      for (bool first = true; in.next_element(first);) {
        if (in.peek() == Token::number) {
          read_numbers(in);
        } else {
          read(in);
        }
      }
      if (in.ok()) close_list();
      return;
    case Token::number:
      if (add_number(in)) scalar(in);
      return;
    case Token::string:
      in.read_string(text);
      if (in.ok()) add_string(in, text);
      return;
    case Token::boolean: {
      if (!set_mode(in, Mode::boolean, "true or false stands")) return;
      const bool value = in.read_boolean();
      if (in.ok() && scalar(in)) bools_.push_back(value);
      return;
    }
    case Token::object:
      if (!read_base64(in, text)) return in.fail("an object stands where a value was expected; in a list only {\"b64\": \"…\"} may stand");
      if (!in.ok()) return;
      base64_ = true;
      return add_string(in, text);
    case Token::null: return in.fail("null is no value of a tensor; write NaN for a missing float");
    case Token::end: return in.fail("the JSON text ends here, expected a value");
    case Token::other: return in.fail(concat("found ", quoted(std::string_view(in.at(), 1)), ", expected a value"));
  }
}

namespace {

// Integers read as 64 bits into the width of the dtype.
template <class T, class From>
Status narrow(const Growing<uint64_t>& from, DType dtype, int bits, Growing<T>& out) {
  FERRY_RETURN_IF_ERROR(out.reserve(from.size()));
  T* to = out.room();
  for (uint64_t word : from) {
    const auto value = static_cast<From>(word);
    bool fits;
    if constexpr (std::is_signed_v<T>) {
      const auto wide = static_cast<int64_t>(value);
      fits = wide >= -(int64_t{1} << (bits - 1)) && wide < (int64_t{1} << (bits - 1));
    } else {
      fits = static_cast<int64_t>(value) >= 0 && (word >> bits) == 0;
    }
    if (!fits) return data_loss(concat("the integer ", value, " does not fit ", dtype_name(dtype)));
    *to++ = static_cast<T>(value);
  }
  out.took(from.size());
  return {};
}

// Small floats from doubles, rounded once: odd rounding to float first keeps what the second step needs.
template <class T>
T small_from_double(double value) {
  auto single = static_cast<float>(value);
  if (static_cast<double>(single) != value && std::isfinite(single)) {
    auto bits = std::bit_cast<uint32_t>(single);
    if (std::abs(static_cast<double>(single)) > std::abs(value)) --bits;
    single = std::bit_cast<float>(bits | 1);
  }
  return T(single);
}

}  // namespace

Result<DenseTensor> ListBuilder::flat(DType dtype, Shape shape) {
  if (mode_ == Mode::text) {
    auto offsets = std::make_shared<std::vector<int64_t>>(std::move(offsets_));
    auto text = std::make_shared<std::string>(std::move(text_));
    return DenseTensor::make_strings(std::move(shape), Buffer::adopt(offsets->data(), offsets->size() * 8, offsets),
                                     Buffer::adopt(text->data(), text->size(), text));
  }
  if (empty() && dtype == DType::string) return DenseTensor::of_strings(std::move(shape), std::span<const std::string_view>());
  if (empty()) return DenseTensor::make(dtype, std::move(shape), Buffer());
  if (mode_ == Mode::boolean) return adopt(std::move(bools_), dtype, std::move(shape));
  if (mode_ == Mode::single) return adopt(std::move(singles_), dtype, std::move(shape));
  if (dtype == DType::float64 || dtype == DType::complex128) return adopt(std::move(doubles_), dtype, std::move(shape));
  if (mode_ == Mode::double_) {
    return visit_dtype(dtype, [&]<class Tag>(Tag) -> Result<DenseTensor> {
      using T = typename Tag::type;
      if constexpr (is_small_float_v<T>) {
        Growing<T> out;
        FERRY_RETURN_IF_ERROR(out.reserve(doubles_.size()));
        std::transform(doubles_.begin(), doubles_.end(), out.room(), small_from_double<T>);
        out.took(doubles_.size());
        return adopt(std::move(out), dtype, std::move(shape));
      } else {
        return internal_error("doubles read for a dtype that is none");
      }
    });
  }
  if (dtype_size(dtype) == 8) return adopt(std::move(integers_), dtype, std::move(shape));
  const int bits = dtype == DType::int4 || dtype == DType::uint4   ? 4
                   : dtype == DType::int2 || dtype == DType::uint2 ? 2
                                                                   : static_cast<int>(8 * dtype_size(dtype));
  return visit_dtype(dtype, [&]<class Tag>(Tag) -> Result<DenseTensor> {
    using T = typename Tag::type;
    using Plain =
        std::conditional_t<is_small_int_v<T>, std::conditional_t<std::is_same_v<T, Int4> || std::is_same_v<T, Int2>, int8_t, uint8_t>, T>;
    if constexpr (std::is_integral_v<Plain> && !std::is_same_v<Plain, bool> && sizeof(Plain) < 8) {
      Growing<Plain> out;
      FERRY_RETURN_IF_ERROR(mode_ == Mode::signed_ ? (narrow<Plain, int64_t>(integers_, dtype, bits, out))
                                                   : (narrow<Plain, uint64_t>(integers_, dtype, bits, out)));
      return adopt(std::move(out), dtype, std::move(shape));
    } else {
      return internal_error("integers read for a dtype that is none");
    }
  });
}

Result<Tensor> ListBuilder::finish(std::optional<DType> wanted, std::optional<Shape> shape) && {
  FERRY_ASSERT(depth_ == 0);
  const DType dtype = wanted ? *wanted : this->dtype();
  const bool complex = dtype_class(dtype) == DTypeClass::kComplex;
  if (shape) {
    const auto elements = shape->num_elements();
    const size_t have = complex ? count() / 2 : count();
    if (!elements || static_cast<uint64_t>(*elements) != have || (complex && count() % 2 != 0)) {
      return data_loss(concat(count(), complex ? " numbers (pairs of real and imaginary part)" : " values", " are given for shape ",
                              shape->to_string(), " of ", dtype_name(dtype)));
    }
    FERRY_ASSIGN_OR_RETURN(DenseTensor tensor, flat(dtype, *std::move(shape)));
    return Tensor(std::move(tensor));
  }
  size_t rank = static_cast<size_t>(leaf_depth_ >= 0 ? leaf_depth_ : deepest_);
  size_t last_ragged = 0;  // level 0 has one list and is never ragged
  for (size_t level = 1; level < rank; ++level) {
    if (levels_[level].ragged) last_ragged = level;
  }
  const auto length = [&](size_t level) { return std::max<int64_t>(0, levels_[level].expected); };
  if (complex) {
    if (!empty() && (rank == 0 || last_ragged == rank - 1 || length(rank - 1) != 2)) {
      return data_loss("complex values are lists of two numbers, the real and the imaginary part");
    }
    if (!empty()) --rank;
  }
  std::vector<DenseTensor> splits;
  int64_t total = rank == 0 ? 1 : length(0);
  for (size_t level = 1; level <= last_ragged; ++level) {
    Level& at = levels_[level];
    if (!at.ragged) {
      for (int64_t i = 0; i <= at.lists; ++i) at.splits.push_back(i * length(level));
    }
    total = at.splits.back();
    FERRY_ASSIGN_OR_RETURN(DenseTensor split, adopt(std::move(at.splits), DType::int64, Shape{at.lists + 1}));
    splits.push_back(std::move(split));
  }
  Shape dims;
  if (rank > 0) dims.append(total);
  for (size_t level = last_ragged + 1; level < rank; ++level) dims.append(length(level));
  FERRY_ASSIGN_OR_RETURN(DenseTensor values, flat(dtype, std::move(dims)));
  if (splits.empty()) return Tensor(std::move(values));
  FERRY_ASSIGN_OR_RETURN(RaggedTensor ragged, RaggedTensor::make(std::move(splits), std::move(values)));
  return Tensor(std::move(ragged));
}

}  // namespace ferry::json
