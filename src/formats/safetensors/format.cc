// The safetensors format: named arrays behind a JSON header; composite tensors by the Parts rule.
#include <algorithm>
#include <filesystem>
#include <optional>

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

constexpr std::string_view kIndexEnd = ".index.json";

// The index of a set that is called by the name a single file would have.
std::optional<std::string> locate(const std::string& path, bool is_there) {
  if (is_there || !path.ends_with(".safetensors")) return std::nullopt;
  std::error_code error;
  std::string index = concat(path, kIndexEnd);
  return std::filesystem::is_regular_file(index, error) ? std::optional(std::move(index)) : std::nullopt;
}

// A folder as Hugging Face's libraries write a model's: its index or its one file.
constexpr std::string_view kModelFiles[] = {"model.safetensors.index.json", "model.safetensors",
                                            "diffusion_pytorch_model.safetensors.index.json", "diffusion_pytorch_model.safetensors"};

Sniff sniff_folder(const Folder& folder) {
  return std::ranges::any_of(kModelFiles, [&](std::string_view name) { return folder.has(name); }) ? Sniff::likely : Sniff::no;
}

Result<std::unique_ptr<TensorReader>> open_folder(std::shared_ptr<const Folder> folder, const ReadOptions& options) {
  for (const std::string_view name : kModelFiles) {
    if (!folder->has(name)) continue;
    FERRY_ASSIGN_OR_RETURN(auto source, folder->open(name));
    return open(std::move(source), options);
  }
  return not_found("the folder holds no model.safetensors and no model.safetensors.index.json; name a file in it");
}

constexpr std::string_view kExtensions[] = {".safetensors", ".safetensors.index.json"};

constexpr OptionSpec kOptions[] = {
    {"narrow", "true|false", "int32 indices for sparse tensors where they fit: smaller; COO is read back as int64"},
    {"shard_size", "SIZE", "write a sharded set of files of at most this size (5GB) and its index, as Hugging Face's libraries do"},
    {"format", "pt|tf|flax|mlx|TEXT", "what __metadata__ says of who wrote it, which transformers asks for"},
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
    .sniff_folder = sniff_folder,
    .open_folder = open_folder,
    .locate = locate,
    .write_files = write_shards,
    .asks_for_files = asks_for_shards,
};

}  // namespace ferry::safetensors
