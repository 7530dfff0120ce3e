// JSON text → TensorMap: which of the shapes of a file it has, and its names.
#include <algorithm>

#include "formats/json/composite.h"
#include "formats/json/json.h"
#include "formats/json/rows.h"
#include "formats/json/value.h"

namespace ferry::json {
namespace {

class Parser {
 public:
  Parser(std::string_view text, const ParseOptions& options) : text_{text, options, Reader(text, options.limits.max_nesting)} {}

  Result<TensorMap> run() {
    TensorMap out;
    if (in_.peek() == Token::end) return data_loss_at(in_.offset(), "the JSON text is empty, expected a value");
    const Status status = root(out);
    if (!in_.ok()) return in_.status();
    FERRY_RETURN_IF_ERROR(status);
    in_.finish();
    if (!in_.ok()) return in_.status();
    return out;
  }

 private:
  Status add(TensorMap& out, std::string name, Value& value) {
    Metadata metadata;
    if (Value* given = value.is_object && is_tensor(value) ? value.find("metadata") : nullptr) {
      FERRY_RETURN_IF_ERROR(read_metadata(*given, metadata));
    }
    auto tensor = to_tensor(text_, value);
    if (!tensor.ok()) return tensor.status().with_context(quoted(name));
    return out.add(std::move(name), *std::move(tensor), std::move(metadata));
  }

  // {"name": value, …}, or one tensor.
  Status add_all(TensorMap& out, Value& value) {
    if (!value.is_object || is_tensor(value)) return add(out, "", value);
    for (Member& member : value.members) FERRY_RETURN_IF_ERROR(add(out, member.key, member.value));
    return {};
  }

  Status root(TensorMap& out) {
    if (in_.peek() != Token::object) {
      Value value = read_value(text_);
      return in_.ok() ? add_all(out, value) : Status();
    }
    // Which of the shapes of a file this is shows in the names, so these are looked at before the rows of `instances`.
    bool inputs = false, instances = false, others = false;
    uint64_t rows_at = 0;
    {
      Reader ahead = in_;
      std::string key;
      ahead.open();
      for (bool first = true; ahead.next_member(first, key);) {
        if (key == "instances" && ahead.peek() == Token::array) {
          rows_at = ahead.offset();
          instances = true;
        } else if (key == "inputs") {
          inputs = true;
        } else if (key != "signature_name" && key != "__metadata__") {
          others = true;
        }
        if (!inputs && !instances && others && key != "__metadata__") break;  // named tensors: no need to look on
        ahead.skip_value();
      }
    }
    if (instances && !others && !inputs) return body_of_rows(out, rows_at);
    Value value;
    value.offset = in_.offset();
    read_object(text_, value);
    if (!in_.ok()) return {};
    if (Value* map = value.find("__metadata__"); map != nullptr && value.is_object && map->is_object && !is_tensor(*map)) {
      FERRY_RETURN_IF_ERROR(read_metadata(*map, out.metadata));
      std::erase_if(value.members, [](const Member& m) { return m.key == "__metadata__"; });
    }
    if (!inputs || others || instances || !value.is_object) return add_all(out, value);
    FERRY_RETURN_IF_ERROR(signature_name(value, out));
    return add_all(out, *value.find("inputs"));
  }

  Status signature_name(Value& body, TensorMap& out) {
    Value* name = body.find("signature_name");
    if (name == nullptr) return {};
    const auto text = name->list.scalar_string();
    if (!text) return data_loss_at(name->offset, "signature_name is no string");
    out.metadata.set("signature_name", *text);
    return {};
  }

  Status body_of_rows(TensorMap& out, uint64_t rows_at) {
    Value body;
    body.is_object = true;
    std::string key;
    std::vector<Column> columns;
    Status failed;
    in_.open();
    for (bool first = true; in_.next_member(first, key);) {
      in_.peek();
      if (key == "instances" && in_.offset() == rows_at) {
        failed = read_rows(text_, columns);
        if (!failed.ok()) return failed;
      } else {
        body.members.push_back({key, read_value(text_)});
      }
    }
    if (!in_.ok()) return {};
    if (Value* map = body.find("__metadata__")) FERRY_RETURN_IF_ERROR(read_metadata(*map, out.metadata));
    FERRY_RETURN_IF_ERROR(signature_name(body, out));
    for (Column& column : columns) {
      auto tensor = stack(column);
      if (!tensor.ok()) return tensor.status().with_context(concat("instances, input ", quoted(column.name)));
      FERRY_RETURN_IF_ERROR(out.add(std::move(column.name), *std::move(tensor)));
    }
    return {};
  }

  Text text_;
  Reader& in_ = text_.in;
};

}  // namespace

Result<TensorMap> parse_tensors(std::string_view text, const ParseOptions& options) { return Parser(text, options).run(); }

}  // namespace ferry::json
