#include "ferry/model_rename.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <numeric>
#include <optional>
#include <set>

#include <unistd.h>

#include "ferry/signature.h"
#include "graph/parse.h"
#include "graph/structure.h"
#include "wire/splice.h"

namespace ferry {
namespace {

using namespace graph;
using proto::RawField;
using Names = std::map<std::string, std::string, std::less<>>;

std::string_view renamed(const Names& names, std::string_view name) {
  const auto it = names.find(name);
  return it == names.end() ? name : std::string_view(it->second);
}

// A name as TensorFlow's loader turns it into that of a Python argument (of letters beyond ASCII, all are taken for such).
std::string sanitized(std::string_view name) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80; };
  std::string out;
  for (const char c : name) out += is_letter(c) || (c >= '0' && c <= '9') ? c : '_';
  return !out.empty() && is_letter(out[0]) ? out : concat("arg_", out);
}

// What becomes of one signature.
struct Edit {
  std::string key, new_key;
  Names inputs, outputs;
  // Where the object graph has it.
  std::optional<size_t> object, map_object;  // its function, and the map that holds it
  std::string wrapper;
  std::vector<size_t> input_order, output_order;  // at each new place the old one; empty: as before
};

bool is_moved(const std::vector<size_t>& order) {
  for (size_t i = 0; i < order.size(); ++i) {
    if (order[i] != i) return true;
  }
  return false;
}

// ---- Which edits

Status add_rename(Names& names, std::string_view from, std::string to) {
  const auto [it, is_new] = names.emplace(std::string(from), to);
  if (!is_new && it->second != to)
    return invalid_argument(concat(quoted(from), " is renamed twice, to ", ferry::quoted(it->second), " and ", ferry::quoted(to)));
  return {};
}

// A flat key, or a logical tensor and so its parts.
Result<bool> rename_port(const std::vector<Port>& ports, const PortRename& rename, Names& names) {
  if (rename.to.empty()) return invalid_argument(concat("the new name of ", ferry::quoted(rename.from), " is empty"));
  const Port* whole = nullptr;
  for (const Port& port : ports) {
    if (port.name == rename.from) whole = &port;
  }
  if (whole != nullptr) {
    // A tensor that the signature knows as one keeps to be one; so does a plain one.
    if (whole->parts.size() == 1 || whole->parts[0].key.empty()) {
      const std::string& key = whole->parts[0].key.empty() ? whole->name : whole->parts[0].key;
      FERRY_RETURN_IF_ERROR(add_rename(names, key, rename.to));
      return true;
    }
    const size_t splits = whole->parts.size() - 1;
    for (const PortPart& part : whole->parts) {
      std::string_view word = "values";
      if (part.role == PartRole::indices) word = "indices";
      if (part.role == PartRole::dense_shape) word = "dense_shape";
      std::string name = concat(rename.to, "/", word);
      if (part.role == PartRole::row_splits)
        name = splits == 1 ? concat(rename.to, "/row_splits") : concat(rename.to, "/row_splits_", part.level);
      FERRY_RETURN_IF_ERROR(add_rename(names, part.key, std::move(name)));
    }
    return true;
  }
  for (const Port& port : ports) {
    for (const PortPart& part : port.parts) {
      if (part.key != rename.from || part.key.empty()) continue;
      FERRY_RETURN_IF_ERROR(add_rename(names, part.key, rename.to));
      return true;
    }
  }
  return false;
}

// No two alike, neither as they are nor as Python names.
Status check_unique(std::string_view signature, std::string_view what, const std::vector<std::string>& names, bool python) {
  std::set<std::string> seen, seen_sanitized;
  for (const std::string& name : names) {
    if (!seen.insert(name).second)
      return invalid_argument(concat("signature ", quoted(signature), " would have two ", what, " named ", ferry::quoted(name)));
    if (python && !seen_sanitized.insert(sanitized(name)).second) {
      return invalid_argument(
          concat("signature ", quoted(signature), " would have two ", what, " that Python calls ", ferry::quoted(sanitized(name))));
    }
  }
  return {};
}

// New places of old ones by the order of names.
std::vector<size_t> order_of(const std::vector<std::string>& names) {
  std::vector<size_t> out(names.size());
  std::iota(out.begin(), out.end(), size_t{0});
  std::ranges::stable_sort(out, {}, [&](size_t i) -> const std::string& { return names[i]; });
  return out;
}

Status plan_functions(const MetaGraph& meta, const SavedObjects& objects, Edit& edit) {
  if (objects.empty()) return {};
  const auto map = objects.child(0, "signatures");
  if (!map) return {};
  const auto id = objects.child(*map, edit.key);
  if (!id) return {};
  edit.map_object = *map;
  const SavedObject& object = objects[*id];
  if (object.kind != SavedObject::Kind::bare_concrete_function || object.concrete_functions.empty()) return {};
  const ConcreteFunction* concrete = objects.find_function(object.concrete_functions[0]);
  if (concrete == nullptr) return {};
  const auto function = meta.graph().functions().read(concrete->name);
  if (!function.ok()) return function.status();
  edit.object = *id;
  edit.wrapper = std::string(concrete->name);
  std::vector<std::string> inputs;
  for (const std::string_view keyword : object.argument_keywords) inputs.push_back(sanitized(renamed(edit.inputs, keyword)));
  if (inputs.size() > function->signature().inputs.size())
    return data_loss(concat("the function ", quoted(concrete->name), " has fewer arguments than its signature"));
  edit.input_order = order_of(inputs);
  // Outputs go by the order of their keys, each with all its tensors.
  FERRY_ASSIGN_OR_RETURN(const StructuredValue outputs, concrete->output_signature.read());
  if (outputs.kind != StructuredValue::Kind::dict) return {};
  std::vector<std::string> keys;
  std::vector<size_t> first, count;
  size_t total = 0;
  for (size_t i = 0; i < outputs.keys.size(); ++i) {
    keys.emplace_back(renamed(edit.outputs, outputs.keys[i]));
    first.push_back(total);
    size_t tensors = 0;
    for (const Leaf& leaf : flatten_value(outputs.items[i], "").leaves) tensors += leaf.parts;
    count.push_back(tensors);
    total += tensors;
  }
  if (total != function->signature().outputs.size()) return {};
  for (const size_t i : order_of(keys)) {
    for (size_t k = 0; k < count[i]; ++k) edit.output_order.push_back(first[i] + k);
  }
  return {};
}

Result<std::vector<Edit>> plan_edits(const MetaGraph& meta, const std::vector<Signature>& signatures, const ModelRenames& renames,
                                     std::vector<bool>& used) {
  std::vector<Edit> all;
  SavedObjects objects;
  if (meta.has_objects()) {
    FERRY_ASSIGN_OR_RETURN(objects, meta.objects());
  }
  std::vector<std::string> keys;
  for (const Signature& signature : signatures) {
    Edit edit;
    edit.key = edit.new_key = signature.key;
    size_t number = 0;
    for (const bool input : {true, false}) {
      for (const PortRename& rename : input ? renames.inputs : renames.outputs) {
        const size_t mine = number++;
        if (!rename.signature.empty() && rename.signature != signature.key) continue;
        FERRY_ASSIGN_OR_RETURN(const bool found,
                               rename_port(input ? signature.inputs : signature.outputs, rename, input ? edit.inputs : edit.outputs));
        if (found) used[mine] = true;
      }
    }
    for (const auto& [from, to] : renames.signatures) {
      const size_t mine = number++;
      if (from != signature.key) continue;
      if (to.empty()) return invalid_argument(concat("the new name of the signature ", ferry::quoted(from), " is empty"));
      edit.new_key = to;
      used[mine] = true;
    }
    keys.push_back(edit.new_key);
    const SignatureDef* def = meta.find_signature(signature.key);
    std::vector<std::string> inputs, outputs;
    for (const auto& [key, place] : def->inputs) inputs.emplace_back(renamed(edit.inputs, key));
    for (const auto& [key, place] : def->outputs) outputs.emplace_back(renamed(edit.outputs, key));
    FERRY_RETURN_IF_ERROR(check_unique(edit.new_key, "inputs", inputs, true));
    FERRY_RETURN_IF_ERROR(check_unique(edit.new_key, "outputs", outputs, false));
    FERRY_RETURN_IF_ERROR(plan_functions(meta, objects, edit));
    all.push_back(std::move(edit));
  }
  // Two signatures may be one function, which has one set of names.
  for (const Edit& a : all) {
    for (const Edit& b : all) {
      if (&a == &b || a.wrapper.empty() || a.wrapper != b.wrapper || (a.inputs == b.inputs && a.outputs == b.outputs)) continue;
      return invalid_argument(concat("the signatures ", ferry::quoted(a.key), " and ", ferry::quoted(b.key),
                                     " are the same function: what is renamed in one must be in the other too"));
    }
  }
  std::vector<Edit> out;
  for (Edit& edit : all) {
    if (!edit.inputs.empty() || !edit.outputs.empty() || edit.new_key != edit.key) out.push_back(std::move(edit));
  }
  FERRY_RETURN_IF_ERROR(check_unique("", "signatures", keys, false));
  return out;
}

// ---- Edits of messages

using Bytes = std::span<const std::byte>;

void put(std::string& out, uint32_t field, std::string_view value) { proto::append_bytes_field(out, field, value); }

// The values of one repeated field in a new order (those behind the order's end stay), everything else as it was.
Result<std::string> reorder(Bytes message, uint32_t number, const std::vector<size_t>& order) {
  std::vector<std::string_view> values;
  proto::Reader in(message);
  while (in.next()) in.tag() == bytes_tag(number) ? values.push_back(in.text()) : in.skip();
  FERRY_RETURN_IF_ERROR(in.status());
  if (values.size() < order.size()) return data_loss("a function has fewer arguments than its signature says");
  size_t at = 0;
  return proto::splice(message, [&](const RawField& field, std::string& out) -> Result<bool> {
    if (field.number != number || field.wire != proto::Wire::bytes) return false;
    put(out, number, values[at < order.size() ? order[at] : at]);
    ++at;
    return true;
  });
}

// An AttrValue with a list of types or shapes, of which the first ones go to other places.
Result<std::string> reorder_list(const AttrValue& value, const std::vector<size_t>& order) {
  const std::string_view as_it_was = text_of(value.message());
  std::string list;
  if (value.list_kind() == AttrKind::type) {
    FERRY_ASSIGN_OR_RETURN(const auto types, value.type_numbers());
    if (types.size() < order.size()) return std::string(as_it_was);
    std::string packed;
    for (size_t i = 0; i < types.size(); ++i) proto::append_varint(packed, static_cast<uint64_t>(types[i < order.size() ? order[i] : i]));
    put(list, 6, packed);
  } else if (value.list_kind() == AttrKind::shape) {
    return proto::splice(value.message(), [&](const RawField& field, std::string& out) -> Result<bool> {
      if (field.number != 1 || field.wire != proto::Wire::bytes) return false;
      if (value.list_size() < order.size()) return false;
      FERRY_ASSIGN_OR_RETURN(const std::string inner, reorder(field.value, 7, order));
      put(out, 1, inner);
      return true;
    });
  } else {
    return std::string(as_it_was);
  }
  std::string out;
  put(out, 1, list);
  return out;
}

// The value of a map's entry anew.
template <class Make>
Result<std::string> edit_entry(Bytes entry, Make&& make) {
  return proto::splice(entry, [&](const RawField& field, std::string& out) -> Result<bool> {
    if (field.number != 2 || field.wire != proto::Wire::bytes) return false;
    FERRY_ASSIGN_OR_RETURN(const std::string value, make(field.value));
    put(out, 2, value);
    return true;
  });
}

// An entry { key = 1; value = 2 } under another key.
Result<std::string> rekey(Bytes entry, const Names& names) {
  return proto::splice(entry, [&](const RawField& field, std::string& out) -> Result<bool> {
    if (field.number != 1 || field.wire != proto::Wire::bytes) return false;
    put(out, 1, renamed(names, field.text()));
    return true;
  });
}

class MetaEditor {
 public:
  MetaEditor(const MetaGraph& meta, std::vector<Edit> edits) : meta_(meta), edits_(std::move(edits)) {
    for (const Node& node : meta.graph().nodes()) {
      if (node.op != "PartitionedCall" && node.op != "StatefulPartitionedCall") continue;
      const auto function = node.func("f");
      if (!function.ok()) continue;
      for (const Edit& edit : edits_) {
        if (!edit.wrapper.empty() && edit.wrapper == function->name) calls_.emplace(node.name, &edit);
      }
    }
  }

  Result<std::string> run(Bytes message) {
    const bool functions_change = std::ranges::any_of(edits_, [](const Edit& edit) { return edit.object.has_value(); });
    return proto::splice(message, [&](const RawField& field, std::string& out) -> Result<bool> {
      if (field.wire != proto::Wire::bytes) return false;
      std::string value;
      switch (field.number) {
        case 2: {
          if (!functions_change) return false;
          FERRY_ASSIGN_OR_RETURN(value, graph(field.value));
          break;
        }
        case 5: {
          FERRY_ASSIGN_OR_RETURN(value, signature(field.value));
          break;
        }
        case 7: {
          FERRY_ASSIGN_OR_RETURN(value, objects(field.value));
          break;
        }
        default: return false;
      }
      put(out, field.number, value);
      return true;
    });
  }

 private:
  // ---- Signatures

  Result<std::string> signature(Bytes entry) {
    FERRY_ASSIGN_OR_RETURN(const MapEntry found, parse_entry({entry, 0}));
    const auto it = std::ranges::find(edits_, found.key, [](const Edit& edit) { return std::string_view(edit.key); });
    const Edit* edit = it == edits_.end() ? nullptr : &*it;
    return proto::splice(entry, [&](const RawField& field, std::string& out) -> Result<bool> {
      if (field.wire != proto::Wire::bytes) return false;
      if (field.number == 1 && edit != nullptr) {
        put(out, 1, edit->new_key);
        return true;
      }
      if (field.number != 2) return false;
      FERRY_ASSIGN_OR_RETURN(const std::string def, signature_def(field.value, edit));
      put(out, 2, def);
      return true;
    });
  }
  Result<std::string> signature_def(Bytes message, const Edit* edit) {
    return proto::splice(message, [&](const RawField& field, std::string& out) -> Result<bool> {
      if (field.wire != proto::Wire::bytes || (field.number != 1 && field.number != 2 && field.number != 4)) return false;
      std::string entry(field.text());
      if (edit != nullptr) {
        FERRY_ASSIGN_OR_RETURN(entry, rekey(field.value, field.number == 2 ? edit->outputs : edit->inputs));
      }
      if (field.number != 4) {
        FERRY_ASSIGN_OR_RETURN(entry, edit_entry(std::as_bytes(std::span(entry)), [&](Bytes place) { return tensor_info(place, 0); }));
      }
      put(out, field.number, entry);
      return true;
    });
  }
  // The outputs of a call whose function gives them in another order.
  std::string moved(std::string_view tensor) const {
    const auto ref = parse_input(tensor);
    if (!ref.ok() || ref->control || !ref->output.empty()) return std::string(tensor);
    const auto call = calls_.find(ref->node);
    if (call == calls_.end() || !is_moved(call->second->output_order)) return std::string(tensor);
    const auto& order = call->second->output_order;
    const auto at = std::ranges::find(order, static_cast<size_t>(ref->index));
    if (at == order.end()) return std::string(tensor);
    const auto index = at - order.begin();
    if (index == 0 && tensor.find(':') == tensor.npos) return std::string(tensor);
    return concat(ref->node, ":", index);
  }
  Result<std::string> tensor_info(Bytes message, int depth) {
    if (depth > 20) return limit_exceeded("composite tensors are nested too deep");
    return proto::splice(message, [&](const RawField& field, std::string& out) -> Result<bool> {
      if (field.wire != proto::Wire::bytes) return false;
      std::string value;
      if (field.number == 1) {
        value = moved(field.text());
      } else if (field.number == 4) {
        FERRY_ASSIGN_OR_RETURN(value, proto::splice(field.value, [&](const RawField& part, std::string& inner) -> Result<bool> {
                                 if (part.wire != proto::Wire::bytes || part.number > 3) return false;
                                 put(inner, part.number, moved(part.text()));
                                 return true;
                               }));
      } else if (field.number == 5) {
        FERRY_ASSIGN_OR_RETURN(value, proto::splice(field.value, [&](const RawField& part, std::string& inner) -> Result<bool> {
                                 if (part.wire != proto::Wire::bytes || part.number != 2) return false;
                                 FERRY_ASSIGN_OR_RETURN(const std::string component, tensor_info(part.value, depth + 1));
                                 put(inner, 2, component);
                                 return true;
                               }));
      } else {
        return false;
      }
      put(out, field.number, value);
      return true;
    });
  }

  // ---- The graph

  Result<std::string> graph(Bytes message) {
    return proto::splice(message, [&](const RawField& field, std::string& out) -> Result<bool> {
      if (field.wire != proto::Wire::bytes) return false;
      if (field.number == 1) return node(field.value, out);
      if (field.number != 2) return false;
      FERRY_ASSIGN_OR_RETURN(const std::string library,
                             proto::splice(field.value, [&](const RawField& inner, std::string& to) -> Result<bool> {
                               if (inner.wire != proto::Wire::bytes || inner.number != 1) return false;
                               return function(inner.value, to);
                             }));
      put(out, 2, library);
      return true;
    });
  }

  Result<bool> node(Bytes message, std::string& out) {
    std::string_view name;
    bool takes_moved = false;
    proto::Reader in(message);
    while (in.next()) {
      if (in.tag() == bytes_tag(1)) {
        name = in.text();
      } else if (in.tag() == bytes_tag(3)) {
        const std::string_view input = in.text();
        takes_moved |= moved(input) != input;
      } else {
        in.skip();
      }
    }
    FERRY_RETURN_IF_ERROR(in.status());
    const auto call = calls_.find(name);
    const Edit* edit = call == calls_.end() ? nullptr : call->second;
    const bool moves = edit != nullptr && (is_moved(edit->input_order) || is_moved(edit->output_order));
    if (!moves && !takes_moved) return false;
    std::string edited(text_of(message));
    if (edit != nullptr && is_moved(edit->input_order)) {
      FERRY_ASSIGN_OR_RETURN(edited, reorder(std::as_bytes(std::span(edited)), 3, edit->input_order));
    }
    FERRY_ASSIGN_OR_RETURN(
        edited, proto::splice(std::as_bytes(std::span(edited)), [&](const RawField& field, std::string& to) -> Result<bool> {
          if (field.wire != proto::Wire::bytes) return false;
          if (field.number == 3) {
            put(to, 3, moved(field.text()));
            return true;
          }
          if (field.number != 5 || edit == nullptr) return false;
          return attribute(field, {{"Tin", &edit->input_order}, {"Tout", &edit->output_order}, {"_output_shapes", &edit->output_order}},
                           to);
        }));
    put(out, 1, edited);
    return true;
  }

  // An attribute whose list goes by the order of arguments.
  static Result<bool> attribute(const RawField& field, std::initializer_list<std::pair<std::string_view, const std::vector<size_t>*>> lists,
                                std::string& out) {
    FERRY_ASSIGN_OR_RETURN(const Attr attr, parse_attr({field.value, 0}));
    for (const auto& [name, order] : lists) {
      if (attr.name != name || !is_moved(*order)) continue;
      FERRY_ASSIGN_OR_RETURN(const std::string value, reorder_list(attr.value, *order));
      FERRY_ASSIGN_OR_RETURN(const std::string entry, edit_entry(field.value, [&](Bytes) -> Result<std::string> { return value; }));
      put(out, field.number, entry);
      return true;
    }
    return false;
  }

  Result<bool> function(Bytes message, std::string& out) {
    const Edit* edit = nullptr;
    proto::Reader in(message);
    while (in.next()) {
      if (in.tag() != bytes_tag(1)) {
        in.skip();
        continue;
      }
      proto::Reader op = in.message();
      while (op.next()) {
        if (op.tag() != bytes_tag(1)) {
          op.skip();
          continue;
        }
        const std::string_view name = op.text();
        for (const Edit& candidate : edits_) {
          if (candidate.object && candidate.wrapper == name) edit = &candidate;
        }
      }
      FERRY_RETURN_IF_ERROR(op.status());
    }
    FERRY_RETURN_IF_ERROR(in.status());
    if (edit == nullptr) return false;
    FERRY_ASSIGN_OR_RETURN(
        const std::string edited, proto::splice(message, [&](const RawField& field, std::string& to) -> Result<bool> {
          if (field.wire != proto::Wire::bytes) return false;
          if (field.number == 1) {
            std::string signature(field.text());
            if (is_moved(edit->input_order)) {
              FERRY_ASSIGN_OR_RETURN(signature, reorder(std::as_bytes(std::span(signature)), 2, edit->input_order));
            }
            if (is_moved(edit->output_order)) {
              FERRY_ASSIGN_OR_RETURN(signature, reorder(std::as_bytes(std::span(signature)), 3, edit->output_order));
            }
            put(to, 1, signature);
            return true;
          }
          if (field.number == 5)
            return attribute(field, {{"_input_shapes", &edit->input_order}, {"_output_shapes", &edit->output_order}}, to);
          if (field.number != 7) return false;
          FERRY_ASSIGN_OR_RETURN(const std::string entry, argument(field.value, *edit));
          put(to, 7, entry);
          return true;
        }));
    put(out, 1, edited);
    return true;
  }

  // An entry of arg_attr: the place of the argument, and the name that its user gave it.
  static Result<std::string> argument(Bytes entry, const Edit& edit) {
    bool has_key = false;
    FERRY_ASSIGN_OR_RETURN(std::string edited, proto::splice(entry, [&](const RawField& field, std::string& out) -> Result<bool> {
                             if (field.number == 1 && field.wire == proto::Wire::varint) {
                               has_key = true;
                               proto::Reader in(field.raw);
                               if (!in.next()) return in.status();
                               proto::append_varint_field(out, 1, new_place(edit.input_order, in.varint()));
                               return true;
                             }
                             if (field.number != 2 || field.wire != proto::Wire::bytes) return false;
                             FERRY_ASSIGN_OR_RETURN(const std::string attrs,
                                                    proto::splice(field.value, [&](const RawField& attr, std::string& to) -> Result<bool> {
                                                      if (attr.number != 1 || attr.wire != proto::Wire::bytes) return false;
                                                      FERRY_ASSIGN_OR_RETURN(const Attr parsed, parse_attr({attr.value, 0}));
                                                      if (parsed.name != "_user_specified_name") return false;
                                                      const auto name = parsed.value.text();
                                                      if (!name.ok()) return false;
                                                      const auto changed = edit.inputs.find(*name);
                                                      if (changed == edit.inputs.end()) return false;
                                                      std::string value;
                                                      put(value, 2, changed->second);
                                                      FERRY_ASSIGN_OR_RETURN(
                                                          const std::string renamed_entry,
                                                          edit_entry(attr.value, [&](Bytes) -> Result<std::string> { return value; }));
                                                      put(to, 1, renamed_entry);
                                                      return true;
                                                    }));
                             put(out, 2, attrs);
                             return true;
                           }));
    // The key 0 may be left out.
    if (!has_key && new_place(edit.input_order, 0) != 0) {
      std::string with_key;
      proto::append_varint_field(with_key, 1, new_place(edit.input_order, 0));
      edited.insert(0, with_key);
    }
    return edited;
  }
  static uint64_t new_place(const std::vector<size_t>& order, uint64_t old) {
    const auto it = std::ranges::find(order, static_cast<size_t>(old));
    return it == order.end() ? old : static_cast<uint64_t>(it - order.begin());
  }

  // ---- The object graph

  Result<std::string> objects(Bytes message) {
    size_t id = 0;
    return proto::splice(message, [&](const RawField& field, std::string& out) -> Result<bool> {
      if (field.wire != proto::Wire::bytes) return false;
      if (field.number == 1) return object(id++, field.value, out);
      if (field.number != 2) return false;
      FERRY_ASSIGN_OR_RETURN(const MapEntry entry, parse_entry({field.value, 0}));
      for (const Edit& edit : edits_) {
        if (!edit.object || edit.wrapper != entry.key) continue;
        FERRY_ASSIGN_OR_RETURN(const std::string edited,
                               edit_entry(field.value, [&](Bytes concrete) { return concrete_function(concrete, edit); }));
        put(out, 2, edited);
        return true;
      }
      return false;
    });
  }

  Result<bool> object(size_t id, Bytes message, std::string& out) {
    const Edit* function = nullptr;
    Names keys;
    for (const Edit& edit : edits_) {
      if (edit.object == id) function = &edit;
      if (edit.map_object == id) keys.emplace(edit.key, edit.new_key);
    }
    if (function == nullptr && keys.empty()) return false;
    FERRY_ASSIGN_OR_RETURN(const std::string edited, proto::splice(message, [&](const RawField& field, std::string& to) -> Result<bool> {
                             if (field.wire != proto::Wire::bytes) return false;
                             if ((field.number == 1 || field.number == 15) && !keys.empty()) {
                               // A child: node_id = 1, local_name = 2.
                               FERRY_ASSIGN_OR_RETURN(
                                   const std::string child,
                                   proto::splice(field.value, [&](const RawField& part, std::string& inner) -> Result<bool> {
                                     if (part.number != 2 || part.wire != proto::Wire::bytes) return false;
                                     put(inner, 2, renamed(keys, part.text()));
                                     return true;
                                   }));
                               put(to, field.number, child);
                               return true;
                             }
                             if (field.number != 8 || function == nullptr) return false;
                             FERRY_ASSIGN_OR_RETURN(const std::string bare, bare_function(field.value, *function));
                             put(to, 8, bare);
                             return true;
                           }));
    put(out, 1, edited);
    return true;
  }

  // SavedBareConcreteFunction { argument_keywords = 2; function_spec = 4 }
  static Result<std::string> bare_function(Bytes message, const Edit& edit) {
    FERRY_ASSIGN_OR_RETURN(const std::string ordered, reorder(message, 2, edit.input_order));
    Names words = edit.inputs;  // which stand there as Python's names
    for (const auto& [from, to] : edit.inputs) words.emplace(sanitized(from), to);
    return proto::splice(std::as_bytes(std::span(ordered)), [&](const RawField& field, std::string& out) -> Result<bool> {
      if (field.wire != proto::Wire::bytes) return false;
      if (field.number == 2) {
        put(out, 2, renamed(edit.inputs, field.text()));
        return true;
      }
      if (field.number != 4) return false;
      // function_spec.fullargspec: the names of keyword arguments are texts in it.
      FERRY_ASSIGN_OR_RETURN(const std::string spec,
                             proto::splice(field.value, [&](const RawField& part, std::string& inner) -> Result<bool> {
                               if (part.number != 1 || part.wire != proto::Wire::bytes) return false;
                               FERRY_ASSIGN_OR_RETURN(const std::string value, structured(part.value, words, 0, true));
                               put(inner, 1, value);
                               return true;
                             }));
      put(out, 4, spec);
      return true;
    });
  }

  // SavedConcreteFunction { canonicalized_input_signature = 3; output_signature = 4 }
  static Result<std::string> concrete_function(Bytes message, const Edit& edit) {
    return proto::splice(message, [&](const RawField& field, std::string& out) -> Result<bool> {
      if (field.wire != proto::Wire::bytes || (field.number != 3 && field.number != 4)) return false;
      FERRY_ASSIGN_OR_RETURN(const std::string value, structured(field.value, field.number == 3 ? edit.inputs : edit.outputs, 0, false));
      put(out, field.number, value);
      return true;
    });
  }

  // A structured value in which dict keys and the names of tensor specs (or, in an argument list, texts) are renamed.
  static Result<std::string> structured(Bytes message, const Names& names, int depth, bool texts) {
    if (depth > 100) return limit_exceeded("a structured value is nested too deep");
    return proto::splice(message, [&](const RawField& field, std::string& out) -> Result<bool> {
      if (field.wire != proto::Wire::bytes) return false;
      std::string value;
      switch (field.number) {
        case 13: {  // string_value
          const auto it = names.find(field.text());
          if (!texts || it == names.end()) return false;
          value = sanitized(it->second);
          break;
        }
        case 33:    // tensor_spec_value: name = 1
        case 35: {  // bounded_tensor_spec_value
          FERRY_ASSIGN_OR_RETURN(value, proto::splice(field.value, [&](const RawField& part, std::string& inner) -> Result<bool> {
                                   if (part.number != 1 || part.wire != proto::Wire::bytes) return false;
                                   put(inner, 1, renamed(names, part.text()));
                                   return true;
                                 }));
          break;
        }
        case 51:
        case 52: {  // list_value, tuple_value: values = 1
          FERRY_ASSIGN_OR_RETURN(value, proto::splice(field.value, [&](const RawField& part, std::string& inner) -> Result<bool> {
                                   if (part.number != 1 || part.wire != proto::Wire::bytes) return false;
                                   FERRY_ASSIGN_OR_RETURN(const std::string item, structured(part.value, names, depth + 1, texts));
                                   put(inner, 1, item);
                                   return true;
                                 }));
          break;
        }
        case 53:
        case 54: {  // dict_value: fields = 1, by key; named_tuple_value: values = 2, whose keys are no names
          const bool dict = field.number == 53;
          FERRY_ASSIGN_OR_RETURN(value, proto::splice(field.value, [&](const RawField& part, std::string& inner) -> Result<bool> {
                                   if (part.number != (dict ? 1u : 2u) || part.wire != proto::Wire::bytes) return false;
                                   std::string entry(part.text());
                                   if (dict) {
                                     FERRY_ASSIGN_OR_RETURN(entry, rekey(part.value, names));
                                   }
                                   FERRY_ASSIGN_OR_RETURN(entry, edit_entry(std::as_bytes(std::span(entry)), [&](Bytes item) {
                                                            return structured(item, names, depth + 1, texts);
                                                          }));
                                   put(inner, part.number, entry);
                                   return true;
                                 }));
          break;
        }
        default: return false;
      }
      put(out, field.number, value);
      return true;
    });
  }

  const MetaGraph& meta_;
  std::vector<Edit> edits_;
  std::map<std::string_view, const Edit*, std::less<>> calls_;  // nodes that call a wrapper
};

// ---- Files

namespace fs = std::filesystem;

Status failed(std::string_view what, const fs::path& path, const std::error_code& error) {
  return io_error(concat(what, " ", ferry::quoted(path.string()), ": ", error.message()));
}

bool is_replaced(const fs::path& relative) {
  return relative == "saved_model.pb" || relative == "saved_model.pbtxt" || relative == "fingerprint.pb";
}

Status write_file(const fs::path& path, std::string_view bytes) {
  FERRY_ASSIGN_OR_RETURN(auto sink, open_sink(path.string()));
  FERRY_RETURN_IF_ERROR(sink->write(bytes));
  return sink->close();
}

Status copy_rest(const fs::path& from, const fs::path& to) {
  std::error_code error;
  for (fs::recursive_directory_iterator it(from, error), end; it != end; it.increment(error)) {
    if (error) return failed("cannot list", from, error);
    const fs::path relative = fs::relative(it->path(), from, error);
    if (error) return failed("cannot name", it->path(), error);
    if (is_replaced(relative)) continue;
    const fs::path target = to / relative;
    if (it->is_directory(error)) {
      fs::create_directories(target, error);
    } else {
      fs::create_hard_link(fs::canonical(it->path(), error), target, error);
      if (error) {
        error.clear();
        fs::copy_file(it->path(), target, error);
      }
    }
    if (error) return failed("cannot copy", it->path(), error);
  }
  return error ? failed("cannot list", from, error) : Status();
}

// The folder of a model on disk.
Result<fs::path> folder_of(const StoredModel& model) {
  std::error_code error;
  fs::path path = model.path();
  if (!fs::is_directory(path, error)) path = path.has_parent_path() ? path.parent_path() : fs::path(".");
  if (model.kind() != ModelKind::saved_model || model.folder() == nullptr || !fs::is_directory(path, error))
    return invalid_argument(concat("only SavedModel folders can be renamed in; this is a ", model_kind_name(model.kind())));
  return path;
}

}  // namespace

Result<std::string> rename_ports(const StoredModel& model, const ModelRenames& renames) {
  if (model.kind() != ModelKind::saved_model)
    return invalid_argument(concat("a ", model_kind_name(model.kind()), " has no signatures that could be renamed"));
  std::vector<bool> used(renames.inputs.size() + renames.outputs.size() + renames.signatures.size());
  std::vector<std::optional<std::string>> parts(model.size());
  std::vector<std::string> keys;
  for (size_t i = 0; i < model.size(); ++i) {
    FERRY_ASSIGN_OR_RETURN(const MetaGraph meta, model.read(i));
    FERRY_ASSIGN_OR_RETURN(const auto signatures, read_signatures(model, meta));
    for (const Signature& signature : signatures) keys.push_back(signature.key);
    FERRY_ASSIGN_OR_RETURN(auto edits, plan_edits(meta, signatures, renames, used));
    if (edits.empty()) continue;
    MetaEditor editor(meta, std::move(edits));
    FERRY_ASSIGN_OR_RETURN(parts[i], editor.run(meta.bytes().bytes()));
  }
  const auto unused = std::ranges::find(used, false);
  if (unused != used.end()) {
    const auto at = static_cast<size_t>(unused - used.begin());
    std::string there;
    for (const std::string& key : keys) there += concat(there.empty() ? "" : ", ", key);
    if (at >= renames.inputs.size() + renames.outputs.size()) {
      const auto& [from, to] = renames.signatures[at - renames.inputs.size() - renames.outputs.size()];
      return not_found(concat("no signature ", ferry::quoted(from), "; there are ", there.empty() ? "none" : there));
    }
    const bool input = at < renames.inputs.size();
    const PortRename& rename = input ? renames.inputs[at] : renames.outputs[at - renames.inputs.size()];
    const std::string who =
        rename.signature.empty() ? "no signature has" : concat("there is no signature ", ferry::quoted(rename.signature), " with");
    return not_found(concat(who, input ? " an input " : " an output ", ferry::quoted(rename.from), "; there are the signatures ", there));
  }
  size_t i = 0;
  return proto::splice(model.bytes().bytes(), [&](const RawField& field, std::string& out) -> Result<bool> {
    if (field.number != 2 || field.wire != proto::Wire::bytes) return false;
    const auto& part = parts[i++];
    if (!part) return false;
    put(out, 2, *part);
    return true;
  });
}

Status write_renamed(const StoredModel& model, const ModelRenames& renames, const std::string& folder) {
  FERRY_ASSIGN_OR_RETURN(const fs::path from, folder_of(model));
  FERRY_ASSIGN_OR_RETURN(const std::string bytes, rename_ports(model, renames));
  std::error_code error;
  fs::path target = fs::path(folder).lexically_normal();
  if (!target.has_filename()) target = target.parent_path();
  if (fs::exists(fs::symlink_status(target, error))) return invalid_argument(concat(ferry::quoted(folder), " is there already"));
  const fs::path beside = concat(target.string(), ".", getpid(), ".tmp");
  fs::create_directories(beside, error);
  if (error) return failed("cannot make", beside, error);
  Status status = copy_rest(from, beside);
  if (status.ok()) status = write_file(beside / "saved_model.pb", bytes);
  if (status.ok()) {
    fs::rename(beside, target, error);
    if (error) status = failed("cannot make", target, error);
  }
  if (!status.ok()) fs::remove_all(beside, error);
  return status;
}

Status rename_in_place(const StoredModel& model, const ModelRenames& renames) {
  FERRY_ASSIGN_OR_RETURN(const fs::path folder, folder_of(model));
  FERRY_ASSIGN_OR_RETURN(const std::string bytes, rename_ports(model, renames));
  FERRY_RETURN_IF_ERROR(write_file(folder / "saved_model.pb", bytes));
  std::error_code error;
  // TensorFlow prefers the binary file; what the others say is no longer true.
  fs::remove(folder / "saved_model.pbtxt", error);
  fs::remove(folder / "fingerprint.pb", error);
  return {};
}

}  // namespace ferry
