// MetaGraph: a graph with what belongs to it: tags, signatures, collections, assets, the saver, the object graph.
// Views into the bytes; good as long as the MetaGraph they came from. Thread-safe: reading changes nothing.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "ferry/graph.h"
#include "ferry/saved_objects.h"

namespace ferry {

// How a signature says where a tensor is: by the name of one, of three, or of the components of a type.
struct TensorPlace {
  enum class Kind : uint8_t { none, name, coo_sparse, composite };
  Kind kind = Kind::none;
  std::string_view name;                          // "serving_default_x:0"
  std::string_view indices, values, dense_shape;  // of coo_sparse
  int type_number = 0;                            // 0 where it is not said; may lie, as the shape may
  PartialShape shape;
  LazyValue type_spec;  // of composite: a TypeSpecProto, as type_spec() reads it
  std::vector<TensorPlace> components;
  Result<StructuredValue> read_type_spec(const Limits& limits = {}) const;
};

struct SignatureDef {
  std::string_view key, method;
  // By name, sorted: the file's order means nothing.
  std::vector<std::pair<std::string_view, TensorPlace>> inputs, outputs;
  std::vector<std::pair<std::string_view, std::span<const std::byte>>> defaults;  // TensorProtos
};

struct Collection {
  enum class Kind : uint8_t { none, nodes, bytes, integers, numbers, any };
  Kind kind = Kind::none;
  std::string_view name;
  std::vector<std::string_view> texts;  // of nodes and bytes; of any: the values
  std::vector<std::string_view> types;  // of any: the type urls
  std::vector<int64_t> integers;
  std::vector<float> numbers;
};

struct SaverDef {
  std::string_view filename_tensor, save_tensor, restore_op;
  int32_t max_to_keep = 0;
  bool sharded = false;
  float keep_every_n_hours = 0;
  int32_t version = 0;  // 0 legacy, 1 V1, 2 V2
};

struct AssetFile {
  std::string_view tensor;    // that is fed its path; empty where only the object graph refers to it
  std::string_view filename;  // within `assets`
};

class MetaGraph {
 public:
  MetaGraph() = default;
  static Result<MetaGraph> parse(Buffer bytes, uint64_t base = 0, const Limits& limits = {});
  // A graph by itself.
  static MetaGraph of(Graph graph);

  const Graph& graph() const { return graph_; }
  std::span<const std::string_view> tags() const { return tags_; }
  bool has_tag(std::string_view tag) const;
  std::string_view tensorflow_version() const { return tensorflow_version_; }
  std::string_view tensorflow_git_version() const { return tensorflow_git_version_; }
  std::string_view version() const { return version_; }  // meta_graph_version
  bool stripped_default_attrs() const { return stripped_default_attrs_; }
  std::span<const std::pair<std::string_view, std::string_view>> function_aliases() const { return function_aliases_; }
  // The ops of the graph as the writer knew them; read anew by each call.
  Result<std::vector<OpDef>> ops() const;

  std::span<const SignatureDef> signatures() const { return signatures_; }  // by key, sorted
  const SignatureDef* find_signature(std::string_view key) const;
  std::vector<std::string_view> collection_names() const;  // sorted
  Result<Collection> collection(std::string_view name) const;
  bool has_collection(std::string_view name) const;
  const std::optional<SaverDef>& saver() const { return saver_; }
  std::span<const AssetFile> assets() const { return assets_; }
  bool has_objects() const { return objects_.data() != nullptr && objects_.size() > 0; }
  Result<SavedObjects> objects() const;  // read anew by each call

  const Buffer& bytes() const { return bytes_; }

 private:
  struct Part {
    std::string_view name;
    std::span<const std::byte> message;
    uint64_t base;
  };
  Status parse_info(Buffer bytes, uint64_t base);
  Buffer bytes_, info_, objects_;
  uint64_t objects_base_ = 0;
  Limits limits_;
  Graph graph_;
  std::vector<std::string_view> tags_;
  std::string_view tensorflow_version_, tensorflow_git_version_, version_;
  bool stripped_default_attrs_ = false;
  std::vector<std::pair<std::string_view, std::string_view>> function_aliases_;
  std::vector<Part> ops_, collections_;
  std::vector<SignatureDef> signatures_;
  std::optional<SaverDef> saver_;
  std::vector<AssetFile> assets_;
};

// The tags of a MetaGraphDef, and nothing else of it; they live as long as the bytes.
Result<std::vector<std::string_view>> parse_tags(std::span<const std::byte> message, uint64_t base = 0);

}  // namespace ferry
