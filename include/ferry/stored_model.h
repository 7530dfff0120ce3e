// StoredModel: a model as it lies on disk: a SavedModel folder, a `.meta` MetaGraph beside its checkpoint, or a GraphDef. What a file is,
// is told by its contents, binary or text, whatever its name.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/format.h"
#include "ferry/meta_graph.h"

namespace ferry {

enum class ModelKind : uint8_t { saved_model, meta_graph, graph };
std::string_view model_kind_name(ModelKind kind);  // "SavedModel", "MetaGraph", "GraphDef"

struct Fingerprint {
  uint64_t saved_model_checksum = 0, graph_def_program_hash = 0, signature_def_hash = 0, saved_object_graph_hash = 0, checkpoint_hash = 0;
  std::string uuid;
  int32_t version = 0;  // producer
  static Result<Fingerprint> parse(std::span<const std::byte> message);
};

// Keeps the bytes; opening reads structure only. Thread-safe: reading changes nothing.
class StoredModel {
 public:
  static Result<StoredModel> open(const std::string& path, const Limits& limits = {});
  static Result<StoredModel> open(const Place& place, const Limits& limits = {});

  ModelKind kind() const { return kind_; }
  bool is_text() const { return is_text_; }
  const std::string& path() const { return path_; }                        // the one given
  const std::string& file() const { return file_; }                        // the file with the graph, within its folder
  const std::shared_ptr<const Folder>& folder() const { return folder_; }  // where it lies; null for pipes and memory
  const Buffer& bytes() const { return bytes_; }                           // of the message, in wire format (text is turned into it)
  int64_t schema_version() const { return schema_version_; }

  // The meta graphs, each with its tags. A MetaGraph or GraphDef is one.
  size_t size() const { return parts_.size(); }
  std::span<const std::string> tags(size_t i) const { return parts_[i].tags; }
  // The one that has exactly these tags, as TensorFlow's loader wants it. Without tags: {serve} where there is one, else the only one.
  Result<size_t> choose(std::span<const std::string_view> tags = {}) const;
  Result<MetaGraph> read(size_t i) const;
  Result<MetaGraph> read() const;  // the one that choose() finds

  // ---- What lies beside it. Names are within folder().
  std::optional<std::string> variables() const { return variables_; }  // prefix of the checkpoint: "variables/variables", "model.ckpt-7"
  bool has(std::string_view name) const { return folder_ != nullptr && folder_->has(name); }
  // The file of an asset; an error where its name leaves the folder or nothing is there.
  Result<std::string> asset_path(std::string_view filename) const;
  std::vector<std::string> extra_assets() const;  // files in assets.extra
  bool has_keras_metadata() const { return has("keras_metadata.pb"); }
  Result<std::optional<Fingerprint>> fingerprint() const;

 private:
  struct Part {
    std::vector<std::string> tags;
    std::span<const std::byte> message;
    uint64_t base = 0;
  };
  static Result<StoredModel> open_file(std::shared_ptr<const ByteSource> source, const Limits& limits);
  static Result<StoredModel> open_folder(std::shared_ptr<const Folder> folder, const Limits& limits);
  ModelKind kind_ = ModelKind::graph;
  bool is_text_ = false;
  std::string path_, file_;
  std::shared_ptr<const Folder> folder_;
  Buffer bytes_;
  Limits limits_;
  int64_t schema_version_ = 0;
  std::vector<Part> parts_;
  std::optional<std::string> variables_;
};

}  // namespace ferry
