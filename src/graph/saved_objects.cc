#include "ferry/saved_objects.h"

#include <algorithm>
#include <string>

#include "graph/parse.h"

namespace ferry {
namespace {

using namespace graph;

constexpr size_t kMostValues = 1 << 20;  // within one StructuredValue: each takes some 200 bytes in memory, and two in the file

class ValueParser {
 public:
  explicit ValueParser(const Limits& limits) : limits_(limits) {}

  Result<StructuredValue> value(Piece message, uint64_t depth) {
    FERRY_RETURN_IF_ERROR(enter(depth));
    StructuredValue out;
    using Kind = StructuredValue::Kind;
    proto::Reader in = message.reader();
    while (in.next()) {
      switch (in.tag()) {
        case bytes_tag(1):
          in.skip();
          out = {};
          break;
        case fixed64_tag(11):
          out = {};
          out.kind = Kind::number;
          out.number = in.float64();
          break;
        case varint_tag(12):
          out = {};
          out.kind = Kind::integer;
          out.integer = in.sint64();
          break;
        case bytes_tag(13):
          out = {};
          out.kind = Kind::text;
          out.text = in.text();
          break;
        case varint_tag(14):
          out = {};
          out.kind = Kind::boolean;
          out.integer = in.boolean();
          break;
        case bytes_tag(31): {
          const Piece shape = piece(in);
          out = {};
          out.kind = Kind::shape;
          FERRY_ASSIGN_OR_RETURN(out.shape, parse_shape(shape.bytes, shape.base, limits_));
          break;
        }
        case varint_tag(32):
          out = {};
          out.kind = Kind::dtype;
          out.type_number = in.int32();
          break;
        case bytes_tag(33):
        case bytes_tag(35): {
          const Kind kind = in.field() == 33 ? Kind::tensor_spec : Kind::bounded_tensor_spec;
          FERRY_ASSIGN_OR_RETURN(out, tensor_spec(piece(in)));
          out.kind = kind;
          break;
        }
        case bytes_tag(34): {
          FERRY_ASSIGN_OR_RETURN(out, type_spec(piece(in), depth + 1));
          break;
        }
        case bytes_tag(51):
        case bytes_tag(52): {
          const Kind kind = in.field() == 51 ? Kind::list : Kind::tuple;
          FERRY_ASSIGN_OR_RETURN(out, items(piece(in), kind, depth + 1));
          break;
        }
        case bytes_tag(53): {
          FERRY_ASSIGN_OR_RETURN(out, pairs(piece(in), Kind::dict, 1, depth + 1));
          sort(out);
          break;
        }
        case bytes_tag(54): {
          FERRY_ASSIGN_OR_RETURN(out, pairs(piece(in), Kind::named_tuple, 2, depth + 1));
          break;
        }
        case bytes_tag(55):
        case bytes_tag(56):
          out = {};
          out.kind = Kind::tensor;
          out.tensor = in.bytes();
          break;
        default: in.skip();
      }
    }
    FERRY_RETURN_IF_ERROR(in.status());
    return out;
  }

  // TypeSpecProto { TypeSpecClass type_spec_class = 1; StructuredValue type_state = 2; string type_spec_class_name = 3;
  //                 int32 num_flat_components = 4 }
  Result<StructuredValue> type_spec(Piece message, uint64_t depth) {
    FERRY_RETURN_IF_ERROR(enter(depth));
    StructuredValue out;
    out.kind = StructuredValue::Kind::type_spec;
    proto::Reader in = message.reader();
    while (in.next()) {
      switch (in.tag()) {
        case varint_tag(1): out.type_number = in.int32(); break;
        case bytes_tag(2): {
          FERRY_ASSIGN_OR_RETURN(StructuredValue state, value(piece(in), depth + 1));
          out.items.clear();
          out.items.push_back(std::move(state));
          break;
        }
        case bytes_tag(3): out.text = in.text(); break;
        case varint_tag(4): out.integer = in.int32(); break;
        default: in.skip();
      }
    }
    FERRY_RETURN_IF_ERROR(in.status());
    return out;
  }

 private:
  Status enter(uint64_t depth) {
    FERRY_RETURN_IF_ERROR(check_depth(depth, limits_));
    if (++count_ > kMostValues) return limit_exceeded(concat("a structured value of more than ", kMostValues, " pieces"));
    return {};
  }

  // TensorSpecProto and BoundedTensorSpecProto { string name = 1; TensorShapeProto shape = 2; DataType dtype = 3 }
  Result<StructuredValue> tensor_spec(Piece message) {
    StructuredValue out;
    out.shape = Shape{};  // of a scalar, where none is written
    proto::Reader in = message.reader();
    while (in.next()) {
      switch (in.tag()) {
        case bytes_tag(1): out.text = in.text(); break;
        case bytes_tag(2): {
          const Piece shape = piece(in);
          FERRY_ASSIGN_OR_RETURN(out.shape, parse_shape(shape.bytes, shape.base, limits_));
          break;
        }
        case varint_tag(3): out.type_number = in.int32(); break;
        default: in.skip();
      }
    }
    FERRY_RETURN_IF_ERROR(in.status());
    return out;
  }

  Result<StructuredValue> items(Piece message, StructuredValue::Kind kind, uint64_t depth) {
    FERRY_RETURN_IF_ERROR(enter(depth));
    StructuredValue out;
    out.kind = kind;
    proto::Reader in = message.reader();
    while (in.next()) {
      if (in.tag() != bytes_tag(1)) {
        in.skip();
        continue;
      }
      FERRY_ASSIGN_OR_RETURN(StructuredValue item, value(piece(in), depth + 1));
      out.items.push_back(std::move(item));
    }
    FERRY_RETURN_IF_ERROR(in.status());
    return out;
  }

  // DictValue { map<string, StructuredValue> fields = 1 }, NamedTupleValue { string name = 1; repeated PairValue values = 2 }
  Result<StructuredValue> pairs(Piece message, StructuredValue::Kind kind, uint32_t field, uint64_t depth) {
    FERRY_RETURN_IF_ERROR(enter(depth));
    StructuredValue out;
    out.kind = kind;
    proto::Reader in = message.reader();
    while (in.next()) {
      if (in.tag() == bytes_tag(field)) {
        FERRY_ASSIGN_OR_RETURN(const MapEntry entry, parse_entry(piece(in)));
        FERRY_ASSIGN_OR_RETURN(StructuredValue item, value(entry.value, depth + 1));
        out.keys.push_back(entry.key);
        out.items.push_back(std::move(item));
      } else if (in.tag() == bytes_tag(1)) {
        out.text = in.text();
      } else {
        in.skip();
      }
    }
    FERRY_RETURN_IF_ERROR(in.status());
    return out;
  }

  // By key, and of equal keys the last.
  static void sort(StructuredValue& dict) {
    std::vector<size_t> order(dict.keys.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::ranges::stable_sort(order, [&](size_t a, size_t b) { return dict.keys[a] < dict.keys[b]; });
    std::vector<std::string_view> keys;
    std::vector<StructuredValue> items;
    for (size_t k = 0; k < order.size(); ++k) {
      if (k + 1 < order.size() && dict.keys[order[k]] == dict.keys[order[k + 1]]) continue;
      keys.push_back(dict.keys[order[k]]);
      items.push_back(std::move(dict.items[order[k]]));
    }
    dict.keys = std::move(keys);
    dict.items = std::move(items);
  }

  const Limits& limits_;
  size_t count_ = 0;
};

LazyValue lazy(Piece message) { return {message.bytes, message.base}; }

// FunctionSpec { StructuredValue fullargspec = 1; bool is_method = 2; StructuredValue input_signature = 5 }
Result<FunctionSpec> parse_function_spec(Piece message) {
  FunctionSpec out;
  proto::Reader in = message.reader();
  while (in.next()) {
    switch (in.tag()) {
      case bytes_tag(1): out.fullargspec = lazy(piece(in)); break;
      case varint_tag(2): out.is_method = in.boolean(); break;
      case bytes_tag(5): out.input_signature = lazy(piece(in)); break;
      default: in.skip();
    }
  }
  FERRY_RETURN_IF_ERROR(in.status());
  return out;
}

Result<SavedObject::Child> parse_child(Piece message) {
  SavedObject::Child out{0, {}};
  proto::Reader in = message.reader();
  while (in.next()) {
    if (in.tag() == varint_tag(1)) {
      out.id = in.int32();
    } else if (in.tag() == bytes_tag(2)) {
      out.name = in.text();
    } else {
      in.skip();
    }
  }
  FERRY_RETURN_IF_ERROR(in.status());
  return out;
}

Result<SavedObject::Slot> parse_slot(Piece message) {
  SavedObject::Slot out{0, 0, {}};
  proto::Reader in = message.reader();
  while (in.next()) {
    switch (in.tag()) {
      case varint_tag(1): out.variable = in.int32(); break;
      case bytes_tag(2): out.name = in.text(); break;
      case varint_tag(3): out.slot_variable = in.int32(); break;
      default: in.skip();
    }
  }
  FERRY_RETURN_IF_ERROR(in.status());
  return out;
}

Result<SavedObject::Saveable> parse_saveable(Piece message) {
  FERRY_ASSIGN_OR_RETURN(const MapEntry entry, parse_entry(message));
  SavedObject::Saveable out{entry.key, 0, 0};
  proto::Reader in = entry.value.reader();
  while (in.next()) {
    switch (in.tag()) {
      case varint_tag(2): out.save_function = in.int32(); break;
      case varint_tag(3): out.restore_function = in.int32(); break;
      default: in.skip();
    }
  }
  FERRY_RETURN_IF_ERROR(in.status());
  return out;
}

// The message of one kind, into the object.
Status parse_kind(SavedObject& out, uint32_t field, Piece message, const Limits& limits) {
  using Kind = SavedObject::Kind;
  proto::Reader in = message.reader();
  const auto each = [&](auto&& take) -> Status {
    while (in.next()) {
      FERRY_ASSIGN_OR_RETURN(const bool taken, take(in.tag()));
      if (!taken) in.skip();
    }
    return in.status();
  };
  switch (field) {
    case 4:
      out.kind = Kind::user_object;
      return each([&](uint32_t tag) -> Result<bool> {
        if (tag == bytes_tag(1)) {
          out.identifier = in.text();
        } else if (tag == bytes_tag(2)) {
          proto::Reader version = in.message();
          while (version.next()) version.tag() == varint_tag(1) ? void(out.version = version.int32()) : version.skip();
          FERRY_RETURN_IF_ERROR(version.status());
        } else if (tag == bytes_tag(3)) {
          out.metadata = in.text();
        } else {
          return false;
        }
        return true;
      });
    case 5:
      out.kind = Kind::asset;
      out.asset = 0;
      return each([&](uint32_t tag) -> Result<bool> {
        if (tag != varint_tag(1)) return false;
        out.asset = in.int32();
        return true;
      });
    case 6:
      out.kind = Kind::function;
      return each([&](uint32_t tag) -> Result<bool> {
        if (tag == bytes_tag(1)) {
          out.concrete_functions.push_back(in.text());
        } else if (tag == bytes_tag(2)) {
          FERRY_ASSIGN_OR_RETURN(out.function_spec, parse_function_spec(piece(in)));
        } else {
          return false;
        }
        return true;
      });
    case 7:
      out.kind = Kind::variable;
      out.shape = Shape{};
      return each([&](uint32_t tag) -> Result<bool> {
        switch (tag) {
          case varint_tag(1): out.type_number = in.int32(); return true;
          case bytes_tag(2): {
            const Piece shape = piece(in);
            FERRY_ASSIGN_OR_RETURN(out.shape, parse_shape(shape.bytes, shape.base, limits));
            return true;
          }
          case varint_tag(3): out.trainable = in.boolean(); return true;
          case bytes_tag(6): out.name = in.text(); return true;
          case bytes_tag(7): out.device = in.text(); return true;
          default: return false;
        }
      });
    case 8:
      out.kind = Kind::bare_concrete_function;
      return each([&](uint32_t tag) -> Result<bool> {
        switch (tag) {
          case bytes_tag(1): out.concrete_functions = {in.text()}; return true;
          case bytes_tag(2): out.argument_keywords.push_back(in.text()); return true;
          case varint_tag(3): out.positional_arguments = in.int64(); return true;
          case bytes_tag(4): {
            FERRY_ASSIGN_OR_RETURN(out.function_spec, parse_function_spec(piece(in)));
            return true;
          }
          default: return false;
        }
      });
    case 9:
      out.kind = Kind::constant;
      return each([&](uint32_t tag) -> Result<bool> {
        if (tag != bytes_tag(1)) return false;
        out.name = in.text();
        return true;
      });
    case 10:
      out.kind = Kind::resource;
      return each([&](uint32_t tag) -> Result<bool> {
        if (tag != bytes_tag(1)) return false;
        out.device = in.text();
        return true;
      });
    case 12:
      out.kind = Kind::captured_tensor;
      return each([&](uint32_t tag) -> Result<bool> {
        if (tag == bytes_tag(1)) {
          out.name = in.text();
        } else if (tag == bytes_tag(2)) {
          out.concrete_functions = {in.text()};
        } else {
          return false;
        }
        return true;
      });
    default: return {};
  }
}

Result<SavedObject> parse_object(Piece message, const Limits& limits) {
  SavedObject out;
  proto::Reader in = message.reader();
  while (in.next()) {
    switch (in.tag()) {
      case bytes_tag(1):
      case bytes_tag(15): {
        const bool child = in.field() == 1;
        FERRY_ASSIGN_OR_RETURN(const auto found, parse_child(piece(in)));
        (child ? out.children : out.dependencies).push_back(found);
        break;
      }
      case bytes_tag(3): {
        FERRY_ASSIGN_OR_RETURN(const auto slot, parse_slot(piece(in)));
        out.slots.push_back(slot);
        break;
      }
      case bytes_tag(11): {
        FERRY_ASSIGN_OR_RETURN(const auto saveable, parse_saveable(piece(in)));
        out.saveables.push_back(saveable);
        break;
      }
      case bytes_tag(13): out.registered_name = in.text(); break;
      case bytes_tag(16): out.registered_saver = in.text(); break;
      case bytes_tag(4):
      case bytes_tag(5):
      case bytes_tag(6):
      case bytes_tag(7):
      case bytes_tag(8):
      case bytes_tag(9):
      case bytes_tag(10):
      case bytes_tag(12): {
        const uint32_t field = in.field();
        FERRY_RETURN_IF_ERROR(parse_kind(out, field, piece(in), limits));
        break;
      }
      default: in.skip();
    }
  }
  FERRY_RETURN_IF_ERROR(in.status());
  return out;
}

// SavedConcreteFunction { repeated int32 bound_inputs = 2; StructuredValue canonicalized_input_signature = 3; output_signature = 4 }
Result<ConcreteFunction> parse_concrete(Piece message) {
  FERRY_ASSIGN_OR_RETURN(const MapEntry entry, parse_entry(message));
  ConcreteFunction out;
  out.name = entry.key;
  proto::Reader in = entry.value.reader();
  while (in.next()) {
    switch (in.tag()) {
      case varint_tag(2): out.bound_inputs.push_back(in.int32()); break;
      case bytes_tag(2):
        if (!proto::for_each_varint(in.bytes(), [&](uint64_t v) { out.bound_inputs.push_back(static_cast<int32_t>(v)); }))
          return data_loss_at(in.field_offset(), "bound_inputs are cut off");
        break;
      case bytes_tag(3): out.input_signature = lazy(piece(in)); break;
      case bytes_tag(4): out.output_signature = lazy(piece(in)); break;
      default: in.skip();
    }
  }
  FERRY_RETURN_IF_ERROR(in.status());
  return out;
}

}  // namespace

const StructuredValue* StructuredValue::find(std::string_view key) const {
  for (size_t i = 0; i < keys.size(); ++i) {
    if (keys[i] == key) return &items[i];
  }
  return nullptr;
}

Result<StructuredValue> StructuredValue::parse(std::span<const std::byte> message, uint64_t base, const Limits& limits) {
  return ValueParser(limits).value({message, base}, 0);
}

namespace graph {
Result<StructuredValue> parse_type_spec(Piece message, const Limits& limits) { return ValueParser(limits).type_spec(message, 0); }
}  // namespace graph

std::string_view saved_object_kind_name(SavedObject::Kind kind) {
  using Kind = SavedObject::Kind;
  switch (kind) {
    case Kind::none: return "none";
    case Kind::user_object: return "user_object";
    case Kind::asset: return "asset";
    case Kind::function: return "function";
    case Kind::variable: return "variable";
    case Kind::bare_concrete_function: return "bare_concrete_function";
    case Kind::constant: return "constant";
    case Kind::resource: return "resource";
    case Kind::captured_tensor: return "captured_tensor";
  }
  __builtin_unreachable();
}

Result<SavedObjects> SavedObjects::parse(Buffer bytes, uint64_t base, const Limits& limits) {
  SavedObjects out;
  out.bytes_ = std::move(bytes);
  proto::Reader in(out.bytes_.bytes(), base);
  while (in.next()) {
    if (in.tag() == bytes_tag(1)) {
      if (out.nodes_.size() >= limits.max_tensors) return limit_exceeded(concat("more than ", limits.max_tensors, " objects"));
      auto object = parse_object(piece(in), limits);
      if (!object.ok()) return object.status().with_context(concat("object ", out.nodes_.size()));
      out.nodes_.push_back(*std::move(object));
    } else if (in.tag() == bytes_tag(2)) {
      FERRY_ASSIGN_OR_RETURN(auto function, parse_concrete(piece(in)));
      out.functions_.push_back(std::move(function));
    } else {
      in.skip();
    }
  }
  FERRY_RETURN_IF_ERROR(in.status());
  std::ranges::stable_sort(out.functions_, {}, &ConcreteFunction::name);
  const auto count = static_cast<int64_t>(out.nodes_.size());
  const auto check = [&](int64_t id, size_t node, std::string_view what) -> Status {
    if (id >= 0 && id < count) return {};
    return data_loss(concat("object ", node, " of the object graph has the ", what, " ", id, ", expected one of its ", count, " objects"));
  };
  for (size_t i = 0; i < out.nodes_.size(); ++i) {
    for (const auto& child : out.nodes_[i].children) FERRY_RETURN_IF_ERROR(check(child.id, i, "child"));
    for (const auto& child : out.nodes_[i].dependencies) FERRY_RETURN_IF_ERROR(check(child.id, i, "dependency"));
    for (const auto& slot : out.nodes_[i].slots) {
      FERRY_RETURN_IF_ERROR(check(slot.variable, i, "slot's variable"));
      FERRY_RETURN_IF_ERROR(check(slot.slot_variable, i, "slot variable"));
    }
  }
  for (const ConcreteFunction& function : out.functions_) {
    for (const int32_t id : function.bound_inputs) {
      if (id < 0 || id >= count)
        return data_loss(
            concat("the function ", quoted(function.name), " captures the object ", id, ", expected one of ", count, " objects"));
    }
  }
  return out;
}

const ConcreteFunction* SavedObjects::find_function(std::string_view name) const {
  const auto it = std::ranges::lower_bound(functions_, name, {}, &ConcreteFunction::name);
  return it != functions_.end() && it->name == name ? &*it : nullptr;
}

std::optional<size_t> SavedObjects::child(size_t of, std::string_view name) const {
  for (const auto& child : nodes_[of].children) {
    if (child.name == name) return static_cast<size_t>(child.id);
  }
  return std::nullopt;
}

std::vector<std::string> SavedObjects::paths() const {
  std::vector<std::string> out(nodes_.size());
  if (nodes_.empty()) return out;
  std::vector<bool> seen(nodes_.size());
  std::vector<size_t> queue{0};
  seen[0] = true;
  uint64_t total = 0;
  for (size_t k = 0; k < queue.size(); ++k) {
    const size_t at = queue[k];
    for (const auto& child : nodes_[at].children) {
      const auto id = static_cast<size_t>(child.id);
      if (seen[id]) continue;
      seen[id] = true;
      // A chain of long names would grow with its square.
      if (total += out[at].size() + child.name.size() + 1; total > (uint64_t{1} << 28)) return out;
      out[id] = at == 0 ? std::string(child.name) : concat(out[at], "/", child.name);
      queue.push_back(id);
    }
  }
  return out;
}

}  // namespace ferry
