// The safetensors format: named arrays behind a JSON header; composite tensors by the Parts rule.
#include <algorithm>
#include <unordered_set>

#include "ferry/format.h"
#include "formats/binsparse/spell.h"
#include "formats/safetensors/header.h"
#include "formats/safetensors/reader.h"
#include "wire/utf8.h"

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

struct Array {
  DenseTensor tensor;
  Stored stored;
};

// What is written, in the map's order.
struct Plan {
  std::vector<Item> items;
  std::vector<Array> arrays;
  Metadata metadata;
  std::unordered_set<std::string> keys;
};

Status add_metadata(Plan& plan, std::string key, std::string_view value) {
  if (!is_utf8(key) || !is_utf8(value))
    return unsupported(concat("safetensors keeps metadata as JSON, and ", quoted(key), " is not UTF-8"));
  if (!plan.keys.insert(key).second) {
    const std::string* before = plan.metadata.find(key);
    if (before != nullptr && *before == value) return {};
    return unsupported(concat("safetensors holds one metadata text a key, and ", quoted(key), " has two"));
  }
  plan.metadata.append(std::move(key), std::string(value));
  return {};
}

// Words that writing makes anew.
bool is_ours(std::string_view key) {
  return key == kDTypeKey || key == binsparse::kKey || key == kUntypedKey || key == kUntypedShapeKey ||
         (key.ends_with(kDTypeKey) && key.substr(0, key.size() - kDTypeKey.size()).ends_with('/'));
}

Status add_array(Plan& plan, SpelledArray spelt, const Metadata& own) {
  if (spelt.name == kMetadataName) return unsupported("safetensors keeps the name __metadata__ for itself; rename the tensor (--rename)");
  if (!is_utf8(spelt.name)) return unsupported(concat("safetensors keeps names as JSON, and ", quoted(spelt.name), " is not UTF-8"));
  Stored stored = stored_as(spelt.array, own);
  if (stored.declared) {
    FERRY_RETURN_IF_ERROR(add_metadata(plan, concat(spelt.name, "/", kDTypeKey), dtype_name(spelt.array.dtype())));
  }
  plan.items.push_back({std::move(spelt.name), stored.type, stored.shape, 0, 0});
  plan.arrays.push_back({std::move(spelt.array), std::move(stored)});
  return {};
}

Result<Plan> plan_of(const TensorMap& tensors, const FormatOptions& options) {
  FERRY_ASSIGN_OR_RETURN(const bool narrow, options.get_bool("narrow", false));
  Plan plan;
  static const Metadata kNone;
  for (const auto& [key, value] : tensors.metadata) FERRY_RETURN_IF_ERROR(add_metadata(plan, key, value));
  for (const auto& entry : tensors) {
    Metadata layout;
    FERRY_ASSIGN_OR_RETURN(auto arrays, spell_parts(entry.name, entry.tensor, layout, true));
    if (narrow) FERRY_RETURN_IF_ERROR(narrow_indices(arrays, entry.tensor));
    const bool itself = arrays.size() == 1 && arrays[0].name == entry.name;
    for (const auto& [key, value] : layout) FERRY_RETURN_IF_ERROR(add_metadata(plan, key, value));
    bool described = false;
    if (const auto* sparse = std::get_if<SparseTensor>(&entry.tensor)) {
      const std::string prefix = entry.name.empty() ? std::string() : concat(entry.name, "/");
      const std::string descriptor = binsparse::describe_parts(*sparse, prefix, arrays[0].array.dtype());  // an index array
      described = !descriptor.empty();
      if (described) FERRY_RETURN_IF_ERROR(add_metadata(plan, concat(prefix, binsparse::kKey), descriptor));
    }
    for (const auto& [key, value] : entry.metadata) {
      if (key == binsparse::kKey && !described) {
        FERRY_RETURN_IF_ERROR(add_metadata(plan, concat(entry.name, "/", key), value));
      } else if (!is_ours(key) && !layout.find(concat(entry.name, "/", key))) {
        FERRY_RETURN_IF_ERROR(add_metadata(plan, concat(entry.name, "/", key), value));
      }
    }
    for (SpelledArray& array : arrays) FERRY_RETURN_IF_ERROR(add_array(plan, std::move(array), itself ? entry.metadata : kNone));
  }
  std::unordered_set<std::string_view> names;
  for (const Item& item : plan.items) {
    if (!names.insert(item.name).second) {
      return invalid_argument(
          concat("two arrays are named ", quoted(item.name), ", one of them as part of a tensor; rename one (--rename)"));
    }
  }
  return plan;
}

Status write(const TensorMap& tensors, ByteSink& sink, const WriteOptions& options) {
  FERRY_ASSIGN_OR_RETURN(Plan plan, plan_of(tensors, options.format));
  // As the library: by dtype from the widest, then by name, so that no element lies across its own alignment.
  std::vector<size_t> order(plan.items.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto is_wide = [&](size_t i) { return plan.arrays[i].stored.coding == Coding::pairs; };
  std::ranges::sort(order, [&](size_t a, size_t b) {
    const Item &x = plan.items[a], &y = plan.items[b];
    if (is_wide(a) != is_wide(b)) return is_wide(a);
    return x.type != y.type ? x.type > y.type : x.name < y.name;
  });
  uint64_t at = 0;
  for (const size_t i : order) {
    Item& item = plan.items[i];
    item.begin = at;
    at += *bytes_of(item.type, item.shape);
    item.end = at;
  }
  // complex128 is aligned to 16 bytes here; everything else to 8, as the library does it.
  const std::string header = write_header(plan.items, plan.metadata, !order.empty() && is_wide(order[0]) ? 16 : 8);
  if (header.size() - 8 > kLongestHeader) {
    return unsupported(concat("the header would be ", header.size() - 8, " bytes long and safetensors allows ", kLongestHeader,
                              "; write several files (--select)"));
  }
  FERRY_RETURN_IF_ERROR(sink.write(header));
  for (const size_t i : order) {
    FERRY_ASSIGN_OR_RETURN(const Buffer bytes, encode(plan.arrays[i].tensor, plan.arrays[i].stored));
    FERRY_RETURN_IF_ERROR(sink.write(bytes.bytes()));
  }
  return {};
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
    .write = write,
    .open_names = open_names,
};

}  // namespace ferry::safetensors
