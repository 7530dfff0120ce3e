#include "formats/npz/metadata.h"

#include "wire/json.h"
#include "wire/utf8.h"

namespace ferry::npz {
namespace {

constexpr std::string_view kMark = "{\"tensorferry\":\"1\"";

}  // namespace

Result<std::string> metadata_to_json(const Metadata& metadata) {
  std::string out(kMark);
  for (const auto& [key, value] : metadata) {
    if (!is_utf8(key) || !is_utf8(value)) return unsupported("npz keeps metadata as JSON, and a key or value is not UTF-8");
    out += ',';
    json::append_string(out, key);
    out += ':';
    json::append_string(out, value);
  }
  return out + '}';
}

bool is_our_json(std::string_view text) { return text.starts_with(kMark); }

Result<Metadata> metadata_from_json(std::string_view text) {
  json::Reader in(text);
  Metadata out;
  std::string key, value;
  in.open();
  bool mark = true;
  for (bool first = true; in.next_member(first, key);) {
    in.read_string(value);
    if (!mark) out.append(key, value);
    mark = false;
  }
  in.finish();
  if (!in.ok())
    return data_loss(concat("the archive's metadata is damaged at its byte ", in.offset(), ", expected one JSON object of strings"));
  return out;
}

}  // namespace ferry::npz
