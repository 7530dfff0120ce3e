#include "formats/npz/metadata.h"

#include <rapidjson/encodedstream.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

namespace ferry::npz {
namespace {

constexpr std::string_view kMark = "{\"tensorferry\":\"1\"";

void append_text(std::string& out, std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += "\\u00";
      out += kHex[static_cast<unsigned char>(c) >> 4];
      out += kHex[c & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

// One object of strings; anything else stops the parse.
struct Handler : rapidjson::BaseReaderHandler<rapidjson::UTF8<>, Handler> {
  explicit Handler(Metadata& to) : out(to) {}
  bool Default() { return false; }
  bool StartObject() { return !std::exchange(open, true); }
  bool EndObject(rapidjson::SizeType) { return true; }
  bool Key(const char* text, rapidjson::SizeType size, bool) {
    key.assign(text, size);
    return true;
  }
  bool String(const char* text, rapidjson::SizeType size, bool) {
    if (!open) return false;
    if (first) {
      first = false;  // the mark
    } else {
      out.append(key, std::string(text, size));
    }
    return true;
  }
  Metadata& out;
  std::string key;
  bool open = false, first = true;
};

rapidjson::ParseResult parse(std::string_view text, Metadata& out) {
  rapidjson::MemoryStream bytes(text.data(), text.size());
  rapidjson::EncodedInputStream<rapidjson::UTF8<>, rapidjson::MemoryStream> stream(bytes);
  rapidjson::Reader reader;
  Handler handler(out);
  return reader.Parse<rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag>(stream, handler);
}

}  // namespace

Result<std::string> metadata_to_json(const Metadata& metadata) {
  std::string out(kMark);
  for (const auto& [key, value] : metadata) {
    out += ',';
    append_text(out, key);
    out += ':';
    append_text(out, value);
  }
  out += '}';
  Metadata back;
  if (parse(out, back).IsError()) return unsupported("npz keeps metadata as JSON, and a key or value is not UTF-8");
  return out;
}

bool is_our_json(std::string_view text) { return text.starts_with(kMark); }

Result<Metadata> metadata_from_json(std::string_view text) {
  Metadata out;
  if (const auto result = parse(text, out); result.IsError()) {
    return data_loss(concat("the archive's metadata is damaged at its byte ", result.Offset(), ", expected one JSON object of strings"));
  }
  return out;
}

}  // namespace ferry::npz
