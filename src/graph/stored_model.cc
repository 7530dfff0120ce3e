// SavedModel { int64 saved_model_schema_version = 1; repeated MetaGraphDef meta_graphs = 2 }
#include "ferry/stored_model.h"

#include <algorithm>
#include <filesystem>

#include "formats/ckpt/state.h"
#include "graph/detect.h"
#include "graph/parse.h"
#include "graph/schema.h"

namespace ferry {
namespace {

using namespace graph;

constexpr std::string_view kBinary = "saved_model.pb", kText = "saved_model.pbtxt", kChunked = "saved_model.cpb";
constexpr std::string_view kVariables = "variables/variables", kIndex = ".index", kMeta = ".meta";

std::string_view last_part(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  return path.substr(path.rfind('/') + 1);  // npos + 1 is 0
}

std::string list_of(std::span<const std::string> names) {
  std::string out;
  for (size_t i = 0; i < std::min<size_t>(names.size(), 8); ++i) out += concat(i == 0 ? "" : ", ", names[i]);
  if (names.size() > 8) out += ", …";
  return out;
}

bool is_number(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// The .meta of the latest checkpoint in a folder of them.
std::optional<std::string> latest_meta(const Folder& folder) {
  if (!folder.has(ckpt::kStateFile)) return std::nullopt;
  const auto source = folder.open(ckpt::kStateFile);
  if (!source.ok() || (*source)->size() > (1 << 24)) return std::nullopt;
  const auto bytes = (*source)->view(0, (*source)->size());
  if (!bytes.ok()) return std::nullopt;
  const auto state = ckpt::read_state(bytes->text());
  if (!state.ok()) return std::nullopt;
  std::string meta = concat(last_part(state->latest), kMeta);
  if (!folder.has(meta)) return std::nullopt;
  return meta;
}

// A folder without the file that makes it a SavedModel: what it has instead.
Status no_saved_model(const Folder& folder) {
  const std::string wanted = concat("the folder has no ", kBinary, " and no ", kText);
  const auto names = folder.list();
  if (!names.ok()) return names.status();
  if (names->empty()) return not_found(concat(wanted, ": it is empty"));
  std::vector<std::string> versions, graphs;
  for (const std::string& name : *names) {
    if (name.ends_with('/') && is_number(name.substr(0, name.size() - 1)) &&
        (folder.has(concat(name, kBinary)) || folder.has(concat(name, kText))))
      versions.push_back(name);
    if (name.ends_with(".meta") || name.ends_with(".pb") || name.ends_with(".pbtxt")) graphs.push_back(name);
  }
  if (!versions.empty()) return not_found(concat(wanted, ", but versions of one below it: name one of ", list_of(versions)));
  if (folder.has(kChunked)) return unsupported(concat(wanted, ", but ", kChunked, ": models over 2 GB in chunks are not read"));
  if (!graphs.empty()) return not_found(concat(wanted, "; other graphs are in it, name one: ", list_of(graphs)));
  return not_found(concat(wanted, "; found ", list_of(*names)));
}

}  // namespace

namespace graph {
std::optional<std::string> first_v1_shard(const Folder& folder, std::string_view prefix) {
  const auto names = folder.list();
  if (!names.ok()) return std::nullopt;
  const std::string wanted = concat(prefix, "-00000-of-");
  for (const std::string& name : *names) {
    if (name.starts_with(wanted) && is_number(std::string_view(name).substr(wanted.size()))) return name;
  }
  return std::nullopt;
}
}  // namespace graph

std::string_view model_kind_name(ModelKind kind) {
  switch (kind) {
    case ModelKind::saved_model: return "SavedModel";
    case ModelKind::meta_graph: return "MetaGraph";
    case ModelKind::graph: return "GraphDef";
  }
  __builtin_unreachable();
}

// FingerprintDef { uint64 saved_model_checksum = 1, graph_def_program_hash = 2, signature_def_hash = 3, saved_object_graph_hash = 4,
//                  checkpoint_hash = 5; VersionDef version = 6; string uuid = 7 }
Result<Fingerprint> Fingerprint::parse(std::span<const std::byte> message) {
  Fingerprint out;
  proto::Reader in(message);
  while (in.next()) {
    switch (in.tag()) {
      case varint_tag(1): out.saved_model_checksum = in.varint(); break;
      case varint_tag(2): out.graph_def_program_hash = in.varint(); break;
      case varint_tag(3): out.signature_def_hash = in.varint(); break;
      case varint_tag(4): out.saved_object_graph_hash = in.varint(); break;
      case varint_tag(5): out.checkpoint_hash = in.varint(); break;
      case bytes_tag(6): {
        proto::Reader version = in.message();
        while (version.next()) version.tag() == varint_tag(1) ? void(out.version = version.int32()) : version.skip();
        FERRY_RETURN_IF_ERROR(version.status());
        break;
      }
      case bytes_tag(7): out.uuid = in.text(); break;
      default: in.skip();
    }
  }
  FERRY_RETURN_IF_ERROR(in.status());
  return out;
}

Result<StoredModel> StoredModel::open(const std::string& path, const Limits& limits) {
  // Not find_place(): that leads from a .meta to its checkpoint.
  if (is_folder(path)) {
    FERRY_ASSIGN_OR_RETURN(StoredModel out, open_folder(directory(path, limits), limits));
    out.path_ = path;
    return out;
  }
  std::string file = path;
  std::error_code error;
  if (path != "-" && !std::filesystem::exists(path, error)) {
    if (std::string meta = concat(path, kMeta); std::filesystem::exists(meta, error)) file = std::move(meta);  // a checkpoint's prefix
  }
  FERRY_ASSIGN_OR_RETURN(const auto source, open_source(file, {.limits = limits}));
  FERRY_ASSIGN_OR_RETURN(StoredModel out, open_file(source, limits));
  out.path_ = path;
  return out;
}

Result<StoredModel> StoredModel::open(const Place& place, const Limits& limits) {
  return place.folder != nullptr ? open_folder(place.folder, limits) : open_file(place.source, limits);
}

Result<StoredModel> StoredModel::open_folder(std::shared_ptr<const Folder> folder, const Limits& limits) {
  std::string_view name = kBinary;
  if (!folder->has(kBinary)) {
    if (!folder->has(kText)) {
      if (const auto meta = latest_meta(*folder)) {
        FERRY_ASSIGN_OR_RETURN(const auto source, folder->open(*meta));
        return open_file(source, limits);
      }
      return no_saved_model(*folder);
    }
    name = kText;
  }
  FERRY_ASSIGN_OR_RETURN(const auto source, folder->open(name));
  auto opened = open_file(source, limits);
  if (!opened.ok()) return opened.status().with_context(name);
  StoredModel out = *std::move(opened);
  if (out.kind_ != ModelKind::saved_model) return data_loss(concat(name, " is a ", model_kind_name(out.kind_), ", expected a SavedModel"));
  out.path_ = std::string(folder->name());
  out.folder_ = std::move(folder);
  out.file_ = std::string(name);
  if (out.has(concat(kVariables, kIndex))) out.variables_ = std::string(kVariables);
  return out;
}

Result<StoredModel> StoredModel::open_file(std::shared_ptr<const ByteSource> source, const Limits& limits) {
  StoredModel out;
  out.limits_ = limits;
  out.path_ = std::string(source->name());
  out.file_ = std::string(last_part(source->name()));
  out.folder_ = source->folder();
  FERRY_ASSIGN_OR_RETURN(out.bytes_, source->view(0, source->size()));
  FERRY_ASSIGN_OR_RETURN(const Detected detected, detect(out.bytes_.bytes()));
  out.kind_ = detected.kind;
  out.is_text_ = detected.text;
  if (detected.text) {
    const textproto::Message* message = &schema::SavedModel;
    if (detected.kind == ModelKind::meta_graph) message = &schema::MetaGraphDef;
    if (detected.kind == ModelKind::graph) message = &schema::GraphDef;
    FERRY_ASSIGN_OR_RETURN(std::string wire, textproto::to_wire(out.bytes_.text(), *message, schema::messages(), limits));
    auto kept = std::make_shared<std::string>(std::move(wire));
    out.bytes_ = Buffer::adopt(kept->data(), kept->size(), kept);
  }
  const auto add = [&](Piece message) -> Status {
    FERRY_ASSIGN_OR_RETURN(const auto tags, parse_tags(message.bytes, message.base));
    Part part{{}, message.bytes, message.base};
    for (const std::string_view tag : tags) part.tags.emplace_back(tag);
    out.parts_.push_back(std::move(part));
    return {};
  };
  switch (out.kind_) {
    case ModelKind::graph: out.parts_.push_back({{}, out.bytes_.bytes(), 0}); break;
    case ModelKind::meta_graph: FERRY_RETURN_IF_ERROR(add({out.bytes_.bytes(), 0})); break;
    case ModelKind::saved_model: {
      proto::Reader in(out.bytes_.bytes());
      while (in.next()) {
        if (in.tag() == varint_tag(1)) {
          out.schema_version_ = in.int64();
        } else if (in.tag() == bytes_tag(2)) {
          const Piece message = piece(in);
          if (in.ok()) FERRY_RETURN_IF_ERROR(add(message));
        } else {
          in.skip();
        }
      }
      FERRY_RETURN_IF_ERROR(in.status());
      break;
    }
  }
  if (out.folder_ != nullptr) {
    // The checkpoint of `model.ckpt-7.meta`; that of a saved_model.pb which was named itself.
    if (out.kind_ == ModelKind::meta_graph) {
      std::string_view prefix = out.file_;
      if (prefix.ends_with(kMeta)) prefix.remove_suffix(kMeta.size());
      if (out.has(concat(prefix, kIndex)) || (prefix != out.file_ && out.has(prefix)) || first_v1_shard(*out.folder_, prefix))
        out.variables_ = std::string(prefix);
    } else if (out.kind_ == ModelKind::saved_model && out.has(concat(kVariables, kIndex))) {
      out.variables_ = std::string(kVariables);
    }
  }
  return out;
}

Result<size_t> StoredModel::choose(std::span<const std::string_view> tags) const {
  const auto same = [](const std::vector<std::string>& have, std::span<const std::string_view> wanted) {
    return std::ranges::all_of(wanted, [&](std::string_view tag) { return std::ranges::find(have, tag) != have.end(); }) &&
           std::ranges::all_of(have, [&](std::string_view tag) { return std::ranges::find(wanted, tag) != wanted.end(); });
  };
  if (parts_.empty()) return not_found("the SavedModel holds no meta graph");
  constexpr std::string_view kServe[] = {"serve"};
  if (tags.empty() && parts_.size() == 1) return size_t{0};
  const std::span<const std::string_view> wanted = tags.empty() ? std::span<const std::string_view>(kServe) : tags;
  for (size_t i = 0; i < parts_.size(); ++i) {
    if (same(parts_[i].tags, wanted)) return i;
  }
  std::string there, asked;
  for (const Part& part : parts_) {
    there += there.empty() ? "{" : ", {";
    for (size_t k = 0; k < part.tags.size(); ++k) there += concat(k == 0 ? "" : ", ", part.tags[k]);
    there += '}';
  }
  for (size_t k = 0; k < wanted.size(); ++k) asked += concat(k == 0 ? "" : ", ", wanted[k]);
  return not_found(concat("no meta graph has just the tags {", asked, "}; there are ", there));
}

Result<MetaGraph> StoredModel::read(size_t i) const {
  const Part& part = parts_[i];
  Buffer bytes = share(part.message, bytes_);
  if (kind_ == ModelKind::graph) {
    FERRY_ASSIGN_OR_RETURN(Graph graph, Graph::parse(std::move(bytes), part.base, limits_));
    return MetaGraph::of(std::move(graph));
  }
  return MetaGraph::parse(std::move(bytes), part.base, limits_);
}

Result<MetaGraph> StoredModel::read() const {
  FERRY_ASSIGN_OR_RETURN(const size_t i, choose());
  return read(i);
}

Result<std::string> StoredModel::asset_path(std::string_view filename) const {
  const std::string path = concat("assets/", filename);
  if (Status status = check_relative(path); !status.ok()) return status.with_context(concat("the asset ", quoted(filename)));
  if (folder_ == nullptr) return not_found(concat("the asset ", quoted(filename), ": the model is a stream and lies in no folder"));
  if (!folder_->has(path)) return not_found(concat("the asset ", ferry::quoted(path), " is not there"));
  return path;
}

std::vector<std::string> StoredModel::extra_assets() const {
  std::vector<std::string> out;
  if (folder_ == nullptr) return out;
  if (auto names = folder_->list("assets.extra"); names.ok()) out = *std::move(names);
  return out;
}

Result<std::optional<Fingerprint>> StoredModel::fingerprint() const {
  constexpr std::string_view kName = "fingerprint.pb";
  if (kind_ != ModelKind::saved_model || !has(kName)) return std::optional<Fingerprint>();
  FERRY_ASSIGN_OR_RETURN(const auto source, folder_->open(kName));
  FERRY_ASSIGN_OR_RETURN(const Buffer bytes, source->view(0, source->size()));
  auto out = Fingerprint::parse(bytes.bytes());
  if (!out.ok()) return out.status().with_context(kName);
  return std::optional<Fingerprint>(*std::move(out));
}

}  // namespace ferry
