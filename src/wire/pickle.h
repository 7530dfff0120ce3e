// Python pickles as data. A pickle is a program for a stack machine; this machine runs the part of it that builds values and
// never calls, imports or looks anything up: "call f with these arguments" becomes an Object that says so, and whoever reads
// the Document decides what it means. Which globals may be named at all is asked of the caller.
//
// All protocols, 0 to 5. Values that the pickle shares are shared here (one Id), so a Document is at most a small multiple of
// its bytes, whatever the pickle says. Values may hold themselves (Python's lists can): who walks a Document looks out.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/limits.h"
#include "ferry/status.h"

namespace ferry::pickle {

enum class Kind : uint8_t {
  none,
  boolean,
  integer,
  big_integer,  // past 64 bits: text() is its two's complement, little-endian
  real,
  text,   // str, UTF-8; 8-bit strings of Python 2 where they are UTF-8
  bytes,  // bytes, bytearray
  list,
  tuple,
  set,         // frozenset too
  dict,        // items() are key, value, key, value …; where a key comes twice, the last counts
  global,      // a class or function, by name
  object,      // what a call would have made
  persistent,  // an object that the pickle's owner keeps outside; items() is its id
};
std::string_view kind_name(Kind kind);  // with article: "a list"

using Id = uint32_t;

struct Global {
  std::string_view module, name;
  int tag;  // what the caller's resolver said
};

// A call (REDUCE, INST, OBJ) or a new object of a class (NEWOBJ), and what was then done to it.
struct Object {
  Id callable = 0, args = 0;  // args: a tuple
  std::optional<Id> keywords, state;
  std::vector<Id> appended;  // as to a list or set
  std::vector<Id> pairs;     // as to a dict: key, value, …
};

// Good as long as the bytes it was read from. Thread-safe: nothing changes.
class Document {
 public:
  Id root() const { return root_; }
  size_t size() const { return values_.size(); }     // values
  uint64_t bytes_read() const { return consumed_; }  // up to and with STOP; another pickle may follow

  Kind kind(Id id) const { return values_[id].kind; }
  uint64_t offset(Id id) const { return values_[id].offset; }  // of the opcode that made it, in the source
  bool boolean(Id id) const { return values_[id].integer != 0; }
  int64_t integer(Id id) const { return values_[id].integer; }
  double real(Id id) const { return values_[id].real; }
  std::string_view text(Id id) const { return {values_[id].chars.data, values_[id].chars.size}; }
  std::span<const Id> items(Id id) const { return lists_[values_[id].index]; }
  const Global& global(Id id) const { return globals_[values_[id].index]; }
  const Object& object(Id id) const { return objects_[values_[id].index]; }

  // The value of a text key, in a dict or in what was set on an object.
  std::optional<Id> find(Id dict, std::string_view key) const;

 private:
  friend class Machine;
  struct Value {
    Kind kind = Kind::none;
    uint32_t index = 0;
    uint64_t offset = 0;
    union {
      int64_t integer = 0;
      double real;
      struct {
        const char* data;
        size_t size;
      } chars;
    };
  };
  std::vector<Value> values_;
  std::deque<std::vector<Id>> lists_;
  std::deque<Object> objects_;
  std::vector<Global> globals_;
  std::deque<std::string> texts_;
  Id root_ = 0;
  uint64_t consumed_ = 0;
};

struct Options {
  Limits limits;
  uint64_t base = 0;  // where the bytes begin in their source, for offsets
  // Whether a global may be named, and a tag that the caller gives it. Its error's words follow the name and offset.
  std::function<Result<int>(std::string_view module, std::string_view name)> resolve;
};

Result<Document> read(std::span<const std::byte> bytes, const Options& options);

}  // namespace ferry::pickle
