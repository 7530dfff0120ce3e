// The three messages in wire format:
//   SavedModel    1: a varint (the schema's version), 2: MetaGraphDefs
//   MetaGraphDef  1: MetaInfoDef, 2: GraphDef, 4: collections, 5: signatures
//   GraphDef      1: NodeDefs, each with a name in 1 and an op in 2; 2: the library; 4: versions
#include "graph/detect.h"

#include <algorithm>

#include "graph/parse.h"
#include "wire/text_proto.h"

namespace ferry::graph {
namespace {

bool is_identifier(std::string_view text) {
  return !text.empty() && text.size() < (1 << 16) && std::ranges::all_of(text, [](char c) { return c > ' ' && c != 0x7f; });
}

bool looks_like_node(std::span<const std::byte> bytes) {
  bool name = false, op = false;
  proto::Reader in(bytes);
  while (in.next()) {
    if (in.tag() == bytes_tag(1)) {
      if (!is_identifier(in.text())) return false;
      name = true;
    } else if (in.tag() == bytes_tag(2)) {
      if (!is_identifier(in.text())) return false;
      op = true;
    } else {
      in.skip();
    }
    if (name && op) return true;
  }
  return false;
}

// A library has functions, whose signature is a message with a name.
bool looks_like_library(std::span<const std::byte> bytes) {
  proto::Reader in(bytes);
  while (in.next()) {
    if (in.tag() != bytes_tag(1)) {
      in.skip();
      continue;
    }
    proto::Reader function = in.message();
    while (function.next()) {
      if (function.tag() != bytes_tag(1)) {
        function.skip();
        continue;
      }
      proto::Reader signature = function.message();
      return signature.next() && signature.tag() == bytes_tag(1) && is_identifier(signature.text());
    }
    return false;
  }
  return false;
}

bool looks_like_graph(std::span<const std::byte> bytes) {
  bool versions = bytes.empty();
  proto::Reader in(bytes);
  while (in.next()) {
    if (in.tag() == bytes_tag(1)) return looks_like_node(in.bytes());
    if (in.tag() == bytes_tag(2)) return looks_like_library(in.bytes());
    if (in.tag() == bytes_tag(4)) versions = true;
    in.skip();
  }
  return versions && in.ok();
}

std::optional<ModelKind> detect_binary(std::span<const std::byte> bytes) {
  bool first_is_varint = false, second = false;
  std::optional<std::span<const std::byte>> one, two;
  proto::Reader in(bytes);
  for (int fields = 0; fields < 64 && in.next(); ++fields) {
    if (in.tag() == varint_tag(1)) first_is_varint = true;
    if (in.tag() == bytes_tag(1) && !one) {
      one = in.bytes();
      continue;
    }
    if (in.tag() == bytes_tag(2) && !two) {
      two = in.bytes();
      second = true;
      continue;
    }
    in.skip();
  }
  if (!in.ok()) return std::nullopt;
  if (first_is_varint && !one) return ModelKind::saved_model;
  if (one && looks_like_node(*one)) return ModelKind::graph;
  if (!one && second && looks_like_library(*two)) return ModelKind::graph;
  if (second && looks_like_graph(*two)) return ModelKind::meta_graph;
  // Without its graph: the tags or the version in field 1 and something of a MetaGraph behind it.
  if (!one && !second) return std::nullopt;
  if (second) {
    // A SavedModel whose schema version is left out.
    proto::Reader meta(*two);
    while (meta.next()) {
      if (meta.tag() == bytes_tag(2)) return looks_like_graph(meta.bytes()) ? std::optional(ModelKind::saved_model) : std::nullopt;
      meta.skip();
    }
  }
  return std::nullopt;
}

std::optional<ModelKind> detect_text(std::string_view text) {
  const std::string_view field = textproto::first_field(text);
  constexpr std::string_view kMeta[] = {"meta_info_def", "graph_def",      "saver_def",       "collection_def",
                                        "signature_def", "asset_file_def", "object_graph_def"};
  if (field == "saved_model_schema_version" || field == "meta_graphs") return ModelKind::saved_model;
  if (std::ranges::find(kMeta, field) != std::end(kMeta)) return ModelKind::meta_graph;
  if (field == "node" || field == "library" || field == "versions" || field == "version") return ModelKind::graph;
  return std::nullopt;
}

std::string describe(std::span<const std::byte> bytes) {
  const std::string_view text = text_of(bytes);
  const auto has = [&](size_t at, std::string_view magic) {
    return text.size() >= at + magic.size() && text.substr(at, magic.size()) == magic;
  };
  if (text.empty()) return "the file is empty";
  if (has(0, "version https://git-lfs")) return "this is a git-lfs pointer and not the file itself: fetch it with `git lfs pull`";
  if (has(0, "\x89HDF")) return "this is an HDF5 file (weights, without a graph)";
  if (has(0, "PK\x03\x04")) return "this is a zip archive (.keras, .npz, .pt, or a packed folder: unpack that)";
  if (has(4, "TFL3")) return "this is a TensorFlow Lite model, which has no GraphDef";
  if (has(0, "{")) return "this is JSON";
  size_t space = 0;
  while (space < text.size() && (text[space] == ' ' || text[space] == '\n' || text[space] == '\r' || text[space] == '\t')) ++space;
  if (has(space, "<!") || has(space, "<html") || has(space, "<HTML")) return "this is an HTML page, perhaps of a download that failed";
  if (text.size() >= 48 && text.substr(text.size() - 8) == "\x57\xfb\x80\x8b\x24\x75\x47\xdb")
    return "this is a checkpoint's index; the graph is in its .meta file or in saved_model.pb";
  if (const std::string_view field = textproto::first_field(text); !field.empty())
    return concat("the text begins with the field ", quoted(field), ", which no such message has");
  return concat("it begins with ", quoted(text.substr(0, 16)));
}

}  // namespace

Result<Detected> detect(std::span<const std::byte> bytes) {
  // Text first: a text that happens to be fields of a wire format is not, once its first word is a field's name.
  if (const auto kind = detect_text(text_of(bytes))) return Detected{*kind, true};
  if (const auto kind = detect_binary(bytes)) return Detected{*kind, false};
  // Cut off in the middle, what stands first may still tell what it would be; the parser then says where it ends.
  if (bytes.size() > 4) {
    proto::Reader in(bytes);
    if (in.next()) {
      if (in.tag() == varint_tag(1)) {
        in.skip();
        if (in.ok() && in.next() && in.tag() == bytes_tag(2)) return Detected{ModelKind::saved_model, false};
      } else if (in.tag() == bytes_tag(1)) {
        if (looks_like_node(in.bytes()) && in.ok()) return Detected{ModelKind::graph, false};
      }
    }
  }
  return data_loss(concat("no SavedModel, MetaGraph or GraphDef, neither binary nor text: ", describe(bytes)));
}

}  // namespace ferry::graph
