// Sharded sets: model.safetensors.index.json says in which file beside it each tensor lies. All headers are read when the set is
// opened, since the index knows neither dtypes nor shapes; tensors stay views of their own file.
#include <algorithm>
#include <unordered_map>

#include "formats/safetensors/header.h"
#include "formats/safetensors/reader.h"
#include "wire/json.h"

namespace ferry::safetensors {
namespace {

struct Index {
  std::vector<std::pair<std::string, uint32_t>> tensors;  // name → file
  std::vector<std::string> files;
  Metadata metadata;
};

Result<Index> read_index(const ByteSource& source, const Limits& limits) {
  if (source.size() > kLongestHeader) {
    return limit_exceeded(concat("the index is ", source.size(), " bytes long, as much as ", kLongestHeader, " are read"));
  }
  FERRY_ASSIGN_OR_RETURN(const Buffer text, source.view(0, source.size()));
  json::Reader in(text.text(), limits.max_nesting);
  Index out;
  bool found = false;
  std::string key, value;
  if (in.peek() != json::Token::object) in.fail("is neither a safetensors file nor the JSON index of a sharded set");
  if (in.ok()) in.open();
  std::unordered_map<std::string, uint32_t> files;
  for (bool first = true; in.ok() && in.next_member(first, key);) {
    if (key != kWeightMap && key != "metadata") {
      in.skip_value();
      continue;
    }
    const bool is_map = key == kWeightMap;
    if (in.peek() != json::Token::object) {
      in.fail(concat(key, " is no object"));
      break;
    }
    if (is_map && found) in.fail("weight_map is there twice");
    if (!in.ok()) break;
    found = found || is_map;
    in.open();
    for (bool one = true; in.next_member(one, key);) {
      const bool is_text = in.peek() == json::Token::string;
      const char* begin = in.at();
      if (is_text) {
        in.read_string(value);
      } else {
        in.skip_value();
        if (in.ok()) value.assign(begin, in.at());
      }
      if (!is_map) {
        if (in.ok()) out.metadata.append(key, value);
        continue;
      }
      if (!is_text) {
        in.fail(concat("weight_map of tensor ", quoted(key), " names no file"));
        break;
      }
      if (out.tensors.size() == limits.max_tensors)
        return limit_exceeded(concat("the index lists more than ", limits.max_tensors, " tensors (max_tensors)"));
      const auto [it, fresh] = files.emplace(value, static_cast<uint32_t>(out.files.size()));
      if (fresh) out.files.push_back(value);
      out.tensors.emplace_back(key, it->second);
    }
  }
  in.finish();
  FERRY_RETURN_IF_ERROR(in.status());
  if (!found) return data_loss("the index has no weight_map");
  return out;
}

// Thread-safe: nothing changes after start().
class ShardedArrays : public ArrayReader {
 public:
  Status start(const Folder& folder, Index index, const Limits& limits, std::vector<binsparse::Described>& described);
  std::span<const TensorInfo> arrays() const override { return infos_; }
  const Metadata& metadata() const override { return metadata_; }
  Result<DenseTensor> read_array(size_t i) const override {
    const auto [shard, at] = places_[i];
    auto tensor = shards_[shard]->read_array(at);
    if (!tensor.ok()) return in_shard(tensor.status(), shard);
    return tensor;
  }

 private:
  struct Place {
    uint32_t shard;
    size_t at;
  };
  // Offsets count from the shard's start, not the index's.
  Status in_shard(const Status& status, size_t shard) const { return status.nested(concat("shard ", quoted(files_[shard]))); }

  std::vector<std::string> files_;
  std::vector<std::unique_ptr<ArrayReader>> shards_;
  std::vector<TensorInfo> infos_;
  std::vector<Place> places_;
  Metadata metadata_;
};

Status ShardedArrays::start(const Folder& folder, Index index, const Limits& limits, std::vector<binsparse::Described>& described) {
  files_ = std::move(index.files);
  metadata_ = std::move(index.metadata);
  std::unordered_map<std::string_view, Place> found;
  for (uint32_t shard = 0; shard < files_.size(); ++shard) {
    auto source = folder.open(files_[shard]);
    if (!source.ok()) return in_shard(source.status(), shard);
    auto opened = open_file(*std::move(source), limits);
    if (!opened.ok()) return in_shard(opened.status(), shard);
    shards_.push_back(std::move(opened->arrays));
    for (auto& one : opened->described) described.push_back(std::move(one));
    const auto arrays = shards_.back()->arrays();
    for (size_t i = 0; i < arrays.size(); ++i) {
      const auto [it, fresh] = found.emplace(arrays[i].name, Place{shard, i});
      if (!fresh) {
        return data_loss(concat("tensor ", quoted(arrays[i].name), " is in two shards, ", quoted(files_[it->second.shard]), " and ",
                                quoted(files_[shard])));
      }
    }
    // Shards repeat what holds for all of them ("format": "pt"); the first to say a thing is believed.
    for (const auto& [key, value] : shards_.back()->metadata()) {
      if (metadata_.find(key) == nullptr) metadata_.append(key, value);
    }
  }
  const auto take = [&](Place place) {
    infos_.push_back(shards_[place.shard]->arrays()[place.at]);
    places_.push_back(place);
  };
  for (const auto& [name, shard] : index.tensors) {
    const auto it = found.find(name);
    if (it == found.end())
      return data_loss(concat("tensor ", quoted(name), " is not in shard ", quoted(files_[shard]), ", where weight_map has it"));
    if (it->second.shard == UINT32_MAX) return data_loss(concat("weight_map has tensor ", quoted(name), " twice"));
    if (it->second.shard != shard) {
      return data_loss(concat("tensor ", quoted(name), " is in shard ", quoted(files_[it->second.shard]), ", weight_map has it in ",
                              quoted(files_[shard])));
    }
    take(it->second);
    it->second.shard = UINT32_MAX;
  }
  // What the index forgot is there all the same.
  for (uint32_t shard = 0; shard < shards_.size(); ++shard) {
    const auto arrays = shards_[shard]->arrays();
    for (size_t i = 0; i < arrays.size(); ++i) {
      if (found[arrays[i].name].shard != UINT32_MAX) take({shard, i});
    }
  }
  return {};
}

}  // namespace

Result<Opened> open_shards(std::shared_ptr<const ByteSource> source, const Limits& limits) {
  FERRY_ASSIGN_OR_RETURN(Index index, read_index(*source, limits));
  const auto folder = source->folder();
  if (folder == nullptr && !index.files.empty()) {
    return unsupported("is the index of a sharded set, whose shards lie beside it; give it by its path, not through a pipe or as bytes");
  }
  Opened out;
  auto arrays = std::make_unique<ShardedArrays>();
  if (folder != nullptr) FERRY_RETURN_IF_ERROR(arrays->start(*folder, std::move(index), limits, out.described));
  out.arrays = std::move(arrays);
  return out;
}

}  // namespace ferry::safetensors
