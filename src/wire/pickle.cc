// The stack machine. Opcodes and their arguments: Lib/pickletools.py of CPython 3.11.
#include "wire/pickle.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>

#include "wire/pickle_opcodes.h"
#include "wire/pickle_text.h"
#include "wire/utf8.h"

namespace ferry::pickle {
namespace {

constexpr size_t kLongestLine = 1 << 20;
constexpr size_t kMostDigits = 4300;  // as CPython's own limit on decimal integers

}  // namespace

class Machine {
 public:
  Machine(std::span<const std::byte> bytes, const Options& options)
      : begin_(reinterpret_cast<const char*>(bytes.data())), end_(begin_ + bytes.size()), at_(begin_), options_(options) {
    most_values_ = std::max<uint64_t>(1 << 16, options.limits.free_expanded_bytes / sizeof(Document::Value));
    most_values_ = std::min<uint64_t>(most_values_, UINT32_MAX - 1);
  }

  Result<Document> run() {
    for (;;) {
      op_at_ = at_;
      if (at_ == end_) {
        fail("the pickle is cut off: it ends without STOP ('.')");
        return error_;
      }
      ++steps_;
      const auto op = static_cast<uint8_t>(*at_++);
      if (op == kStop) break;
      step(op);
      if (!error_.ok()) return error_;
    }
    const Id root = pop();
    if (!error_.ok()) return error_;
    if (!stack_.empty() || !marks_.empty()) {
      fail("STOP comes with values left on the stack");
      return error_;
    }
    out_.root_ = root;
    out_.consumed_ = static_cast<uint64_t>(at_ - begin_);
    return std::move(out_);
  }

 private:
  uint64_t offset() const { return options_.base + static_cast<uint64_t>(op_at_ - begin_); }
  // The first one stays and ends the run.
  void fail(std::string message, StatusCode code = StatusCode::data_loss) {
    if (error_.ok()) error_ = Status(code, std::move(message), offset());
  }

  // ---- Arguments of opcodes

  template <class T>
  T number(std::string_view what) {
    T value{};
    if (static_cast<size_t>(end_ - at_) < sizeof(T)) {
      fail(concat("the pickle is cut off inside ", what));
      return value;
    }
    std::memcpy(&value, at_, sizeof(T));
    at_ += sizeof(T);
    return value;
  }
  std::string_view chars(uint64_t size, std::string_view what) {
    if (size > static_cast<uint64_t>(end_ - at_)) {
      fail(concat(what, " announces ", size, " bytes, only ", end_ - at_, " remain in the pickle"));
      return {};
    }
    const std::string_view out(at_, static_cast<size_t>(size));
    at_ += size;
    return out;
  }
  std::string_view line(std::string_view what) {
    const size_t most = std::min<size_t>(static_cast<size_t>(end_ - at_), kLongestLine);
    const void* found = most == 0 ? nullptr : std::memchr(at_, '\n', most);
    if (found == nullptr) {
      fail(concat("the line of ", what, " does not end"));
      return {};
    }
    const std::string_view out(at_, static_cast<size_t>(static_cast<const char*>(found) - at_));
    at_ += out.size() + 1;
    if (out.ends_with('\r')) return out.substr(0, out.size() - 1);
    return out;
  }

  // ---- Values and the stack

  Id add(Kind kind) {
    if (out_.values_.size() >= most_values_) {
      fail(concat("the pickle makes more than ", most_values_, " values (a part of free_expanded_bytes)"), StatusCode::limit_exceeded);
      return 0;
    }
    Document::Value value;
    value.kind = kind;
    value.offset = offset();
    out_.values_.push_back(value);
    return static_cast<Id>(out_.values_.size() - 1);
  }
  Document::Value& at(Id id) { return out_.values_[id]; }
  Kind kind(Id id) { return at(id).kind; }

  size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  void push(Id id) { stack_.push_back(id); }
  Id pop() {
    if (stack_.size() <= floor()) {
      fail("the pickle takes a value from an empty stack");
      return none();
    }
    const Id id = stack_.back();
    stack_.pop_back();
    return id;
  }
  Id top() {
    if (stack_.size() <= floor()) {
      fail("the pickle looks at an empty stack");
      return none();
    }
    return stack_.back();
  }
  // A value to go on with after an error; the run ends before anybody sees it.
  Id none() {
    if (out_.values_.empty()) out_.values_.emplace_back();
    return 0;
  }
  std::vector<Id> pop_mark() {
    if (marks_.empty()) {
      fail("the pickle takes values up to a mark, and no mark is set");
      return {};
    }
    std::vector<Id> out(stack_.begin() + static_cast<ptrdiff_t>(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return out;
  }

  void push_kind(Kind kind) {
    const Id id = add(kind);
    if (error_.ok()) push(id);
  }
  void push_integer(int64_t value, Kind kind = Kind::integer) {
    const Id id = add(kind);
    if (!error_.ok()) return;
    at(id).integer = value;
    push(id);
  }
  void push_real(double value) {
    const Id id = add(Kind::real);
    if (!error_.ok()) return;
    at(id).real = value;
    push(id);
  }
  Id add_chars(Kind kind, std::string_view text) {
    const Id id = add(kind);
    if (error_.ok()) at(id).chars = {text.data(), text.size()};
    return id;
  }
  void push_chars(Kind kind, std::string_view text) {
    if (!error_.ok()) return;
    const Id id = add_chars(kind, text);
    if (error_.ok()) push(id);
  }
  std::string_view keep(std::string text) { return out_.texts_.emplace_back(std::move(text)); }
  // Two's complement of any length, least byte first.
  void push_long(std::string_view bytes) {
    if (!error_.ok()) return;
    if (bytes.size() <= 8) {
      uint64_t value = bytes.empty() || static_cast<int8_t>(bytes.back()) >= 0 ? 0 : ~uint64_t{0};
      if (!bytes.empty()) std::memcpy(&value, bytes.data(), bytes.size());
      push_integer(static_cast<int64_t>(value));
    } else {
      push_chars(Kind::big_integer, bytes);
    }
  }
  void push_unicode(std::string_view text) {
    if (!error_.ok()) return;
    if (!is_utf8(text)) {
      fail(concat("the string ", quoted(text), " is not UTF-8"));
      return;
    }
    push_chars(Kind::text, text);
  }
  // Python 2's 8-bit strings: text where they can be.
  void push_string(std::string_view text) { push_chars(is_utf8(text) ? Kind::text : Kind::bytes, text); }
  Id add_list(Kind kind, std::vector<Id> items) {
    const Id id = add(kind);
    if (!error_.ok()) return id;
    at(id).index = static_cast<uint32_t>(out_.lists_.size());
    out_.lists_.push_back(std::move(items));
    return id;
  }
  void push_list(Kind kind, std::vector<Id> items = {}) {
    if (!error_.ok()) return;
    const Id id = add_list(kind, std::move(items));
    if (error_.ok()) push(id);
  }
  std::vector<Id>& items(Id id) { return out_.lists_[at(id).index]; }

  // ---- Memo

  void put(uint64_t index) {
    const Id id = top();
    if (!error_.ok()) return;
    // A pickler counts up, so an index is below the number of opcodes; room is made for no other.
    if (index > steps_) {
      fail(concat("memo entry ", index, " is set after ", steps_, " opcodes; entries are counted from 0"));
      return;
    }
    if (index >= memo_.size()) memo_.resize(std::max<size_t>(static_cast<size_t>(index) + 1, 2 * memo_.size()), kUnset);
    memo_[static_cast<size_t>(index)] = id;
    next_memo_ = std::max(next_memo_, index + 1);
  }
  void get(uint64_t index) {
    if (!error_.ok()) return;
    if (index >= memo_.size() || memo_[static_cast<size_t>(index)] == kUnset) {
      fail(concat("memo entry ", index, " is fetched, and nothing was put there"));
      return;
    }
    push(memo_[static_cast<size_t>(index)]);
  }
  uint64_t memo_index(std::string_view text) {
    uint64_t index = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
    if (error_.ok() && (error != std::errc() || end != text.data() + text.size()))
      fail(concat("memo entry ", quoted(text), " is no number"));
    return index;
  }

  // ---- Globals and objects

  Id add_global(std::string_view op, std::string_view module, std::string_view name) {
    if (!error_.ok()) return none();
    if (!is_utf8(module) || !is_utf8(name)) {
      fail(concat(op, " names ", quoted(module), " ", quoted(name), ", which is not UTF-8"));
      return none();
    }
    // Python 2's names of the two modules that move.
    if (module == "__builtin__") module = "builtins";
    if (module == "copy_reg") module = "copyreg";
    const auto tag = options_.resolve ? options_.resolve(module, name) : Result<int>(unsupported("no global is allowed here"));
    if (!tag.ok()) {
      fail(concat("the pickle names ", quoted(concat(module, ".", name)), " (opcode ", op, "): ", tag.status().message()),
           tag.status().code());
      return none();
    }
    const Id id = add(Kind::global);
    if (!error_.ok()) return id;
    at(id).index = static_cast<uint32_t>(out_.globals_.size());
    out_.globals_.push_back({module, name, *tag});
    return id;
  }
  void push_object(std::string_view op, Id callable, Id args, std::optional<Id> keywords = std::nullopt) {
    if (!error_.ok()) return;
    if (kind(callable) != Kind::global) {
      fail(concat("opcode ", op, " calls ", kind_name(kind(callable)), ", expected one of the known classes and functions"),
           StatusCode::unsupported);
      return;
    }
    if (kind(args) != Kind::tuple) {
      fail(concat("opcode ", op, " gives ", kind_name(kind(args)), " as arguments, expected a tuple"));
      return;
    }
    const Id id = add(Kind::object);
    if (!error_.ok()) return;
    at(id).index = static_cast<uint32_t>(out_.objects_.size());
    Object& object = out_.objects_.emplace_back();
    object.callable = callable;
    object.args = args;
    object.keywords = keywords;
    push(id);
  }
  void inst() {
    const auto module = line("INST"), name = line("INST");
    const Id callable = add_global("INST", module, name);
    if (!error_.ok()) return;
    const Id args = add_list(Kind::tuple, pop_mark());
    push_object("INST", callable, args);
  }
  void obj() {
    auto values = pop_mark();
    if (!error_.ok()) return;
    if (values.empty()) {
      fail("opcode OBJ has no class");
      return;
    }
    const Id callable = values.front();
    values.erase(values.begin());
    const Id args = add_list(Kind::tuple, std::move(values));
    push_object("OBJ", callable, args);
  }
  void stack_global() {
    const Id name = pop(), module = pop();
    if (!error_.ok()) return;
    if (kind(name) != Kind::text || kind(module) != Kind::text) {
      fail(concat("opcode STACK_GLOBAL names a global by ", kind_name(kind(module)), " and ", kind_name(kind(name)), ", expected strings"));
      return;
    }
    const Id id = add_global("STACK_GLOBAL", out_.text(module), out_.text(name));
    if (error_.ok()) push(id);
  }
  void build() {
    const Id state = pop(), object = top();
    if (!error_.ok()) return;
    if (kind(object) != Kind::object) {
      fail(concat("opcode BUILD sets the state of ", kind_name(kind(object)), ", expected an object"), StatusCode::unsupported);
      return;
    }
    out_.objects_[at(object).index].state = state;
  }
  void append(std::string_view op, const std::vector<Id>& values, bool to_set) {
    const Id target = top();
    if (!error_.ok()) return;
    const Kind wanted = to_set ? Kind::set : Kind::list;
    if (kind(target) != wanted && kind(target) != Kind::object) {
      fail(concat("opcode ", op, " appends to ", kind_name(kind(target)), ", expected ", kind_name(wanted)));
      return;
    }
    auto& into = kind(target) == Kind::object ? out_.objects_[at(target).index].appended : items(target);
    into.insert(into.end(), values.begin(), values.end());
  }
  void set_items(std::string_view op, const std::vector<Id>& pairs) {
    const Id target = top();
    if (!error_.ok()) return;
    if (kind(target) != Kind::dict && kind(target) != Kind::object) {
      fail(concat("opcode ", op, " sets items of ", kind_name(kind(target)), ", expected a dict"));
      return;
    }
    if (pairs.size() % 2 != 0) {
      fail(concat("opcode ", op, " has a key without a value"));
      return;
    }
    auto& into = kind(target) == Kind::object ? out_.objects_[at(target).index].pairs : items(target);
    into.insert(into.end(), pairs.begin(), pairs.end());
  }
  void tuple_of(size_t count) {
    std::vector<Id> values(count);
    for (size_t i = count; i-- > 0;) values[i] = pop();
    push_list(Kind::tuple, std::move(values));
  }

  // ---- Text arguments of protocol 0

  void int_line() {
    const auto text = line("INT");
    if (!error_.ok()) return;
    if (text == "00" || text == "01") return push_integer(text == "01", Kind::boolean);
    push_decimal(text);
  }
  void push_decimal(std::string_view text) {
    if (text.ends_with('L')) text.remove_suffix(1);
    int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc() && end == text.data() + text.size()) return push_integer(value);
    if (text.size() > kMostDigits) {
      fail(concat("an integer of ", text.size(), " digits; at most ", kMostDigits, " are read"), StatusCode::limit_exceeded);
      return;
    }
    auto bytes = decimal_to_bytes(text);
    if (!bytes) {
      fail(concat(quoted(text), " is no integer"));
      return;
    }
    push_long(keep(*std::move(bytes)));
  }
  void float_line() {
    const auto text = line("FLOAT");
    if (!error_.ok()) return;
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) {
      fail(concat(quoted(text), " is no float"));
      return;
    }
    push_real(value);
  }
  void string_line() {
    const auto text = line("STRING");
    if (!error_.ok()) return;
    auto value = unescape_string(text);
    if (!value) {
      fail(concat(quoted(text), " is no quoted string"));
      return;
    }
    push_string(keep(*std::move(value)));
  }
  void unicode_line() {
    const auto text = line("UNICODE");
    if (!error_.ok()) return;
    auto value = unescape_unicode(text);
    if (!value) {
      fail(concat(quoted(text), " has a broken escape"));
      return;
    }
    push_unicode(keep(*std::move(value)));
  }
  void persistent(Id id) {
    if (!error_.ok()) return;
    push_list(Kind::persistent, {id});
  }

  void step(uint8_t op) {
    switch (op) {
      case kMark: marks_.push_back(stack_.size()); return;
      case kPop:
        // CPython lets POP take a mark.
        if (!marks_.empty() && stack_.size() == marks_.back()) {
          marks_.pop_back();
        } else {
          pop();
        }
        return;
      case kPopMark: pop_mark(); return;
      case kDup: {
        const Id id = top();
        if (error_.ok()) push(id);
        return;
      }
      case kNone: return push_kind(Kind::none);
      case kNewTrue: return push_integer(1, Kind::boolean);
      case kNewFalse: return push_integer(0, Kind::boolean);
      case kInt: return int_line();
      case kLong: {
        const auto text = line("LONG");
        if (error_.ok()) push_decimal(text);
        return;
      }
      case kBinInt: return push_checked(number<int32_t>("BININT"));
      case kBinInt1: return push_checked(number<uint8_t>("BININT1"));
      case kBinInt2: return push_checked(number<uint16_t>("BININT2"));
      case kLong1: return push_long(chars(number<uint8_t>("LONG1"), "LONG1"));
      case kLong4: {
        const auto size = number<int32_t>("LONG4");
        if (size < 0) fail(concat("LONG4 announces ", size, " bytes"));
        if (error_.ok()) push_long(chars(static_cast<uint64_t>(size), "LONG4"));
        return;
      }
      case kFloat: return float_line();
      case kBinFloat: {
        const auto bits = __builtin_bswap64(number<uint64_t>("BINFLOAT"));
        if (error_.ok()) push_real(std::bit_cast<double>(bits));
        return;
      }
      case kString: return string_line();
      case kBinString: {
        const auto size = number<int32_t>("BINSTRING");
        if (size < 0) fail(concat("BINSTRING announces ", size, " bytes"));
        if (error_.ok()) push_string(chars(static_cast<uint64_t>(size), "BINSTRING"));
        return;
      }
      case kShortBinString: return push_string(chars(number<uint8_t>("SHORT_BINSTRING"), "SHORT_BINSTRING"));
      case kUnicode: return unicode_line();
      case kShortBinUnicode: return push_unicode(chars(number<uint8_t>("SHORT_BINUNICODE"), "SHORT_BINUNICODE"));
      case kBinUnicode: return push_unicode(chars(number<uint32_t>("BINUNICODE"), "BINUNICODE"));
      case kBinUnicode8: return push_unicode(chars(number<uint64_t>("BINUNICODE8"), "BINUNICODE8"));
      case kShortBinBytes: return push_chars(Kind::bytes, chars(number<uint8_t>("SHORT_BINBYTES"), "SHORT_BINBYTES"));
      case kBinBytes: return push_chars(Kind::bytes, chars(number<uint32_t>("BINBYTES"), "BINBYTES"));
      case kBinBytes8: return push_chars(Kind::bytes, chars(number<uint64_t>("BINBYTES8"), "BINBYTES8"));
      case kByteArray8: return push_chars(Kind::bytes, chars(number<uint64_t>("BYTEARRAY8"), "BYTEARRAY8"));
      case kEmptyList: return push_list(Kind::list);
      case kEmptyTuple: return push_list(Kind::tuple);
      case kEmptyDict: return push_list(Kind::dict);
      case kEmptySet: return push_list(Kind::set);
      case kList: return push_list(Kind::list, pop_mark());
      case kTuple: return push_list(Kind::tuple, pop_mark());
      case kFrozenSet: return push_list(Kind::set, pop_mark());
      case kTuple1: return tuple_of(1);
      case kTuple2: return tuple_of(2);
      case kTuple3: return tuple_of(3);
      case kDict: {
        auto pairs = pop_mark();
        if (pairs.size() % 2 != 0) fail("opcode DICT has a key without a value");
        return push_list(Kind::dict, std::move(pairs));
      }
      case kAppend: {
        const Id id = pop();
        return append("APPEND", {id}, false);
      }
      case kAppends: return append("APPENDS", pop_mark(), false);
      case kAddItems: return append("ADDITEMS", pop_mark(), true);
      case kSetItem: {
        const Id value = pop(), key = pop();
        return set_items("SETITEM", {key, value});
      }
      case kSetItems: return set_items("SETITEMS", pop_mark());
      case kPut: return put(memo_index(line("PUT")));
      case kBinPut: return put(number<uint8_t>("BINPUT"));
      case kLongBinPut: return put(number<uint32_t>("LONG_BINPUT"));
      case kMemoize: return put(next_memo_);
      case kGet: return get(memo_index(line("GET")));
      case kBinGet: return get(number<uint8_t>("BINGET"));
      case kLongBinGet: return get(number<uint32_t>("LONG_BINGET"));
      case kGlobal: {
        const auto module = line("GLOBAL"), name = line("GLOBAL");
        const Id id = add_global("GLOBAL", module, name);
        if (error_.ok()) push(id);
        return;
      }
      case kStackGlobal: return stack_global();
      case kInst: return inst();
      case kObj: return obj();
      case kReduce: {
        const Id args = pop(), callable = pop();
        return push_object("REDUCE", callable, args);
      }
      case kNewObj: {
        const Id args = pop(), callable = pop();
        return push_object("NEWOBJ", callable, args);
      }
      case kNewObjEx: {
        const Id keywords = pop(), args = pop(), callable = pop();
        if (error_.ok() && kind(keywords) != Kind::dict) fail("opcode NEWOBJ_EX has keywords that are no dict");
        return push_object("NEWOBJ_EX", callable, args, keywords);
      }
      case kBuild: return build();
      case kPersId: {
        const auto text = line("PERSID");
        if (error_.ok()) persistent(add_chars(Kind::text, text));
        return;
      }
      case kBinPersId: return persistent(pop());
      case kProto: {
        const auto protocol = number<uint8_t>("PROTO");
        if (error_.ok() && protocol > 5) fail(concat("pickle protocol ", protocol, ", known are 0 to 5"), StatusCode::unsupported);
        return;
      }
      case kFrame: {
        const auto size = number<uint64_t>("FRAME");
        if (error_.ok() && size > static_cast<uint64_t>(end_ - at_)) {
          fail(concat("a frame of ", size, " bytes, only ", end_ - at_, " remain in the pickle"));
        }
        return;
      }
      case kExt1:
      case kExt2:
      case kExt4:
        fail("opcode EXT names a global by a number of the writer's own registry (copyreg.add_extension), which is not read",
             StatusCode::unsupported);
        return;
      case kNextBuffer:
      case kReadonlyBuffer:
        fail("the pickle keeps buffers outside itself (protocol 5, buffer_callback); pickle without that", StatusCode::unsupported);
        return;
      default: fail(concat("byte ", int{op}, " is no pickle opcode"));
    }
  }
  void push_checked(int64_t value) {
    if (error_.ok()) push_integer(value);
  }

  static constexpr Id kUnset = UINT32_MAX;
  const char* const begin_;
  const char* const end_;
  const char* at_;
  const char* op_at_ = nullptr;
  const Options& options_;
  Document out_;
  std::vector<Id> stack_;
  std::vector<size_t> marks_;
  std::vector<Id> memo_;
  uint64_t next_memo_ = 0;
  uint64_t steps_ = 0;
  uint64_t most_values_;
  Status error_;
};

Result<Document> read(std::span<const std::byte> bytes, const Options& options) { return Machine(bytes, options).run(); }

}  // namespace ferry::pickle
