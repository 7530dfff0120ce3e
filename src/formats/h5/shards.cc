#include "formats/h5/shards.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "formats/byte_size.h"
#include "formats/h5/h5.h"
#include "formats/listed.h"
#include "io/file_set.h"
#include "io/file_stream.h"
#include "wire/json.h"

namespace ferry::h5 {
namespace {

constexpr uint64_t kMostJson = 100'000'000;
constexpr uint64_t kUsualShard = uint64_t{5} << 30;  // as Keras, whose GB are 2^30 bytes
constexpr std::string_view kVars = "vars";

// The files in the order in which layers name them.
Result<std::vector<std::string>> read_map(const ByteSource& source, const Limits& limits) {
  if (source.size() > kMostJson)
    return limit_exceeded(concat("the map is ", source.size(), " bytes long, as much as ", kMostJson, " are read"));
  FERRY_ASSIGN_OR_RETURN(const Buffer text, source.view(0, source.size()));
  json::Reader in(text.text(), limits.max_nesting);
  std::vector<std::string> files;
  std::string key, file;
  bool found = false;
  const auto take = [&] {
    in.read_string(file);
    if (in.ok() && std::ranges::find(files, file) == files.end()) files.push_back(file);
  };
  if (in.peek() != json::Token::object) in.fail("is no map of sharded weights, which is a JSON object");
  if (in.ok()) in.open();
  for (bool first = true; in.ok() && in.next_member(first, key);) {
    if (key != "weight_map" || in.peek() != json::Token::object) {
      in.skip_value();
      continue;
    }
    found = true;
    in.open();
    for (bool one = true; in.ok() && in.next_member(one, key);) {
      if (in.peek() == json::Token::string) {
        take();
        continue;
      }
      if (in.peek() != json::Token::array) {
        in.fail(concat("weight_map of ", quoted(key), " names no files"));
        break;
      }
      in.open();
      for (bool item = true; in.ok() && in.next_element(item);) {
        if (in.peek() != json::Token::string) in.fail(concat("weight_map of ", quoted(key), " names no file"));
        if (in.ok()) take();
      }
    }
  }
  in.finish();
  FERRY_RETURN_IF_ERROR(in.status());
  if (!found) return data_loss("the map has no weight_map");
  return files;
}

// Thread-safe: nothing changes after start().
class ShardedReader : public TensorReader {
 public:
  Status start(const Folder& folder, std::vector<std::string> files, const ReadOptions& options) {
    std::unordered_map<std::string, size_t> shard_of;
    files_ = std::move(files);
    for (size_t shard = 0; shard < files_.size(); ++shard) {
      const auto in_shard = [&](const Status& status) { return status.nested(concat("shard ", quoted(files_[shard]))); };
      auto source = folder.open(files_[shard]);
      if (!source.ok()) return in_shard(source.status());
      auto reader = open(*std::move(source), options);
      if (!reader.ok()) return in_shard(reader.status());
      shards_.push_back(*std::move(reader));
      const auto infos = shards_.back()->tensors();
      for (size_t i = 0; i < infos.size(); ++i) {
        const auto [it, fresh] = shard_of.emplace(infos[i].name, shard);
        if (!fresh) {
          return data_loss(
              concat("tensor ", quoted(infos[i].name), " is in two shards, ", quoted(files_[it->second]), " and ", quoted(files_[shard])));
        }
        infos_.push_back(infos[i]);
        places_.emplace_back(shard, i);
      }
      for (const auto& [key, value] : shards_.back()->metadata()) {
        if (metadata_.find(key) == nullptr) metadata_.append(key, value);
      }
    }
    return {};
  }
  std::span<const TensorInfo> tensors() const override { return infos_; }
  Result<Tensor> read(size_t i) const override {
    const auto [shard, at] = places_[i];
    auto tensor = shards_[shard]->read(at);
    if (!tensor.ok()) return tensor.status().nested(concat("shard ", quoted(files_[shard])));
    return tensor;
  }
  const Metadata& metadata() const override { return metadata_; }

 private:
  std::vector<std::string> files_;
  std::vector<std::unique_ptr<TensorReader>> shards_;
  std::vector<TensorInfo> infos_;
  std::vector<std::pair<size_t, size_t>> places_;
  Metadata metadata_;
};

// "layers/dense/vars" of "layers/dense/vars/0"; nothing for what is no variable of a layer.
std::string_view layer_of(std::string_view name) {
  const size_t slash = name.rfind('/');
  const std::string_view group = name.substr(0, slash == std::string_view::npos ? 0 : slash);
  return group == kVars || group.ends_with("/vars") ? group : std::string_view();
}

struct Layer {
  std::string group;
  std::vector<size_t> tensors;
  uint64_t bytes = 0;
};

Result<std::vector<Layer>> layers_of(const TensorReader& tensors) {
  std::vector<Layer> out;
  std::unordered_map<std::string_view, size_t> known;
  for (size_t i = 0; i < tensors.tensors().size(); ++i) {
    const TensorInfo& info = tensors.tensors()[i];
    const std::string_view group = layer_of(info.name);
    if (group.empty()) {
      return unsupported(concat("Keras finds weights as layers/NAME/vars/0, and ", quoted(info.name),
                                " is none of those; rename it (--rename), or write h5"));
    }
    const auto [it, fresh] = known.emplace(group, out.size());
    if (fresh) out.push_back({std::string(group), {}, 0});
    out[it->second].tensors.push_back(i);
    out[it->second].bytes += info.bytes;
  }
  return out;
}

std::string shard_file(std::string_view stem, size_t shard) {
  char number[24];
  const int size = std::snprintf(number, sizeof number, "_%05zu", shard);
  return concat(stem, std::string_view(number, static_cast<size_t>(size)), ".weights.h5");
}

}  // namespace

bool looks_like_shards(std::span<const std::byte> head) {
  const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  const size_t start = text.find_first_not_of(" \t\r\n");
  return start != std::string_view::npos && text[start] == '{' && text.find("\"weight_map\"") != std::string_view::npos &&
         text.find(".weights.h5\"") != std::string_view::npos;
}

Result<std::unique_ptr<TensorReader>> open_shards(std::shared_ptr<const ByteSource> source, const ReadOptions& options) {
  FERRY_ASSIGN_OR_RETURN(std::vector<std::string> files, read_map(*source, options.limits));
  const auto folder = source->folder();
  if (folder == nullptr && !files.empty()) {
    return unsupported("is the map of sharded weights, which lie beside it; give it by its path, not through a pipe or as bytes");
  }
  auto out = std::make_unique<ShardedReader>();
  if (folder != nullptr) FERRY_RETURN_IF_ERROR(out->start(*folder, std::move(files), options));
  return std::unique_ptr<TensorReader>(std::move(out));
}

Status write_shards(const TensorReader& tensors, FileSet& files, std::string_view name, const WriteOptions& options) {
  uint64_t most = kUsualShard;
  if (const std::string_view text = options.format.get("shard_size"); !text.empty()) {
    FERRY_ASSIGN_OR_RETURN(most, byte_size_option("shard_size", text));
  }
  if (!name.ends_with(kShardsSuffix) || name.size() == kShardsSuffix.size()) {
    return invalid_argument("Keras calls the map of sharded weights NAME.weights.json");
  }
  const std::string_view stem = name.substr(0, name.size() - kShardsSuffix.size());
  FERRY_ASSIGN_OR_RETURN(const std::vector<Layer> layers, layers_of(tensors));
  uint64_t total = 0;
  std::string map;
  size_t shard = 0;
  for (size_t first = 0; first < layers.size() || (shard == 0 && layers.empty()); ++shard) {
    TensorMap content;
    uint64_t bytes = 0;
    size_t end = first;
    for (; end < layers.size() && (end == first || bytes + layers[end].bytes <= most); ++end) bytes += layers[end].bytes;
    for (size_t i = first; i < end; ++i) {
      for (const size_t at : layers[i].tensors) {
        FERRY_ASSIGN_OR_RETURN(Tensor tensor, read_as_listed(tensors, at));
        FERRY_RETURN_IF_ERROR(content.add(tensors.tensors()[at].name, std::move(tensor), tensors.tensors()[at].metadata));
      }
      map += map.empty() ? "\n        " : ",\n        ";
      json::append_string(map, concat("/", layers[i].group));
      map += ": [\n            ";
      json::append_string(map, shard_file(stem, shard));
      map += "\n        ]";
    }
    // A layer's own words go with it, the others with the first.
    for (const auto& [key, value] : tensors.metadata()) {
      const auto owner = std::ranges::find_if(layers, [&](const Layer& layer) {
        return key.size() > layer.group.size() && key.starts_with(layer.group) && key[layer.group.size()] == '/';
      });
      const auto position = static_cast<size_t>(owner - layers.begin());
      if (owner == layers.end() ? shard == 0 : position >= first && position < end) content.metadata.append(key, value);
    }
    total += bytes;
    FERRY_ASSIGN_OR_RETURN(ByteSink* const sink, files.create(shard_file(stem, shard)));
    FERRY_RETURN_IF_ERROR(write(content, *sink, options));
    FERRY_RETURN_IF_ERROR(flush(*sink));
    first = end;
    if (layers.empty()) break;
  }
  FERRY_ASSIGN_OR_RETURN(ByteSink* const sink, files.create(name));
  return sink->write(concat("{\n    \"metadata\": {\n        \"total_size\": ", total, "\n    },\n    \"weight_map\": {", map,
                            map.empty() ? "}\n}" : "\n    }\n}"));
}

}  // namespace ferry::h5
