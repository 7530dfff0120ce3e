#include "formats/safetensors/write.h"

#include <algorithm>
#include <map>

#include "formats/byte_size.h"
#include "formats/safetensors/plan.h"
#include "io/file_set.h"
#include "io/file_stream.h"
#include "wire/json.h"

namespace ferry::safetensors {
namespace {

constexpr std::string_view kSuffix = ".safetensors", kIndexSuffix = ".safetensors.index.json";
constexpr uint64_t kUsualShard = 5'000'000'000;  // as Hugging Face's libraries

bool is_wide(const PlannedArray& array) { return array.stored.coding == Coding::pairs; }

// As the library: by dtype from the widest, then by name, so that no element lies across its own alignment.
void sort_arrays(const Plan& plan, std::vector<size_t>& arrays) {
  std::ranges::sort(arrays, [&](size_t a, size_t b) {
    const Item &x = plan.items[a], &y = plan.items[b];
    const bool wide = is_wide(plan.arrays[a]);
    if (wide != is_wide(plan.arrays[b])) return wide;
    return x.type != y.type ? x.type > y.type : x.name < y.name;
  });
}

// These arrays of the plan, in that order.
Status write_file(Plan& plan, const std::vector<size_t>& order, const Metadata& metadata, PlannedBytes& arrays, ByteSink& sink) {
  uint64_t at = 0;
  for (const size_t i : order) {
    Item& item = plan.items[i];
    item.begin = at;
    at += *bytes_of(item.type, item.shape);
    item.end = at;
  }
  std::vector<Item> listed;  // as the plan has them
  std::vector<size_t> positions = order;
  std::ranges::sort(positions);
  for (const size_t i : positions) listed.push_back(plan.items[i]);
  // complex128 is aligned to 16 bytes here; everything else to 8, as the library does it.
  const std::string header = write_header(listed, metadata, !order.empty() && is_wide(plan.arrays[order[0]]) ? 16 : 8);
  if (header.size() - 8 > kLongestHeader) {
    return unsupported(concat("the header would be ", header.size() - 8, " bytes long and safetensors allows ", kLongestHeader,
                              "; write several files (--set shard_size=5GB)"));
  }
  sink.expect(header.size() + at);
  FERRY_RETURN_IF_ERROR(sink.write(header));
  for (const size_t i : order) {
    FERRY_ASSIGN_OR_RETURN(const Buffer bytes, arrays.read(i));
    FERRY_RETURN_IF_ERROR(write_through(sink, bytes));
  }
  return {};
}

// As theirs: the tensors in order, each whole, as many to a shard as it takes. A larger one has a shard of its own, and the one that is
// being filled goes on behind it.
std::vector<std::vector<size_t>> share_out(const Plan& plan, uint64_t most) {
  std::vector<std::vector<size_t>> out;
  std::vector<size_t> filling;
  uint64_t filled = 0;
  for (size_t i = 0; i < plan.arrays.size();) {
    std::vector<size_t> tensor;
    uint64_t bytes = 0;
    for (const size_t first = i; i < plan.arrays.size() && plan.arrays[i].tensor == plan.arrays[first].tensor; ++i) {
      tensor.push_back(i);
      bytes += *bytes_of(plan.items[i].type, plan.items[i].shape);
    }
    if (bytes > most) {
      out.push_back(std::move(tensor));
      continue;
    }
    if (filled + bytes > most) {
      out.push_back(std::exchange(filling, {}));
      filled = 0;
    }
    filled += bytes;
    filling.insert(filling.end(), tensor.begin(), tensor.end());
  }
  if (!filling.empty() || out.empty()) out.push_back(std::move(filling));
  return out;
}

std::string shard_file(std::string_view stem, size_t shard, size_t shards) {
  char numbers[48];
  const int size = std::snprintf(numbers, sizeof numbers, "-%05zu-of-%05zu", shard + 1, shards);
  return concat(stem, std::string_view(numbers, static_cast<size_t>(size)), kSuffix);
}

// Tensors and files sorted, as json.dumps(sort_keys=True, indent=2) gives it.
std::string index_text(const Plan& plan, const std::vector<std::vector<size_t>>& shards, std::string_view stem) {
  uint64_t total = 0;
  std::map<std::string_view, size_t> file_of;
  for (size_t shard = 0; shard < shards.size(); ++shard) {
    for (const size_t i : shards[shard]) {
      file_of.emplace(plan.items[i].name, shard);
      total += *bytes_of(plan.items[i].type, plan.items[i].shape);
    }
  }
  std::string out = concat("{\n  \"metadata\": {\n    \"total_size\": ", total, "\n  },\n  \"weight_map\": {");
  for (const auto& [name, shard] : file_of) {
    out += out.ends_with('{') ? "\n    " : ",\n    ";
    json::append_string(out, name);
    out += ": ";
    json::append_string(out, shard_file(stem, shard, shards.size()));
  }
  out += file_of.empty() ? "}\n}\n" : "\n  }\n}\n";
  return out;
}

}  // namespace

Status write(const TensorReader& tensors, ByteSink& sink, const WriteOptions& options) {
  FERRY_ASSIGN_OR_RETURN(Plan plan, plan_of(tensors, options));
  PlannedBytes arrays(tensors, plan, options);
  std::vector<size_t> order(plan.items.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  sort_arrays(plan, order);
  return write_file(plan, order, plan.metadata, arrays, sink);
}

bool asks_for_shards(std::string_view name, const FormatOptions& options) {
  return name.ends_with(kIndexSuffix) || !options.get("shard_size").empty();
}

Status write_shards(const TensorReader& tensors, FileSet& files, std::string_view name, const WriteOptions& options) {
  uint64_t most = kUsualShard;
  if (const std::string_view text = options.format.get("shard_size"); !text.empty()) {
    FERRY_ASSIGN_OR_RETURN(most, byte_size_option("shard_size", text));
  }
  const bool indexed = name.ends_with(kIndexSuffix);
  std::string_view stem = name;
  if (indexed) {
    stem.remove_suffix(kIndexSuffix.size());
  } else if (stem.ends_with(kSuffix)) {
    stem.remove_suffix(kSuffix.size());
  }
  if (stem.empty() || stem == name) return invalid_argument("a sharded set is called NAME.safetensors or NAME.safetensors.index.json");
  FERRY_ASSIGN_OR_RETURN(Plan plan, plan_of(tensors, options));
  PlannedBytes arrays(tensors, plan, options);
  const auto shards = share_out(plan, most);
  if (shards.size() > 99'999)
    return unsupported(concat(shards.size(), " shards are more than five digits can count; give a larger shard_size"));
  const bool alone = shards.size() == 1 && !indexed;
  std::vector<size_t> shard_of(tensors.tensors().size(), 0);
  for (size_t shard = 0; shard < shards.size(); ++shard) {
    for (const size_t i : shards[shard]) shard_of[plan.arrays[i].tensor] = shard;
  }
  for (size_t shard = 0; shard < shards.size(); ++shard) {
    // What is about one tensor stands with it; what is about all of them in every shard, but for an old set's total.
    Metadata metadata;
    size_t entry = 0;
    for (const auto& [key, value] : plan.metadata) {
      const size_t owner = plan.owners[entry++];
      if (owner == Plan::kAll ? key != "total_size" : shard_of[owner] == shard) metadata.append(key, value);
    }
    std::vector<size_t> order = shards[shard];
    sort_arrays(plan, order);
    FERRY_ASSIGN_OR_RETURN(ByteSink* const sink, files.create(alone ? std::string(name) : shard_file(stem, shard, shards.size())));
    FERRY_RETURN_IF_ERROR(write_file(plan, order, metadata, arrays, *sink));
    FERRY_RETURN_IF_ERROR(flush(*sink));  // it waits for the others, and needs no memory for that
  }
  if (alone) return {};
  FERRY_ASSIGN_OR_RETURN(ByteSink* const index, files.create(concat(stem, kIndexSuffix)));
  return index->write(index_text(plan, shards, stem));
}

}  // namespace ferry::safetensors
