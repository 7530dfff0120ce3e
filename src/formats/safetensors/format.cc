// The safetensors format: named arrays behind a JSON header; composite tensors by the Parts rule.
#include "ferry/format.h"
#include "formats/binsparse/spell.h"
#include "formats/safetensors/reader.h"
#include "formats/safetensors/write.h"

namespace ferry::safetensors {
namespace {

// Eight bytes of length, the last of them zero in any allowed header, and a JSON object.
Sniff sniff(std::span<const std::byte> head) {
  const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  // The index of a sharded set, as every writer begins it; one that hides behind long metadata is known by its name.
  if (text.find_first_not_of(" \t\r\n") != std::string_view::npos && text[text.find_first_not_of(" \t\r\n")] == '{' &&
      text.find("\"weight_map\"") != std::string_view::npos && text.find(".safetensors\"") != std::string_view::npos) {
    return Sniff::certain;
  }
  if (head.size() < 10) return Sniff::no;
  if (text.substr(4, 4) != std::string_view("\0\0\0\0", 4) || text[8] != '{') return Sniff::no;
  const char next = text[9];
  return next == '"' || next == '}' || next == ' ' || next == '\n' || next == '\r' || next == '\t' ? Sniff::certain : Sniff::no;
}

constexpr std::string_view kExtensions[] = {".safetensors"};

constexpr OptionSpec kOptions[] = {
    {"narrow", "true|false", "int32 indices for sparse tensors where they fit: smaller; COO is read back as int64"},
    binsparse::kFillOption,
};

}  // namespace

extern const Format kFormat;
const Format kFormat = {
    .id = "safetensors",
    .summary = "Hugging Face's named tensors behind a JSON header, and sharded sets by their index",
    .readers = "safetensors, PyTorch, JAX, Hugging Face",
    .extensions = kExtensions,
    .capabilities = {.kinds = KindSet::all(), .dtypes = DTypeSet::all(), .names = true, .metadata = true, .many = true, .streams = false},
    .options = kOptions,
    .sniff = sniff,
    .open = open,
    .write_from = write,
    .open_names = open_names,
};

}  // namespace ferry::safetensors
