#include "formats/zarr/store.h"

#include <algorithm>
#include <charconv>
#include <map>

namespace ferry::zarr {
namespace {

constexpr uint64_t kLargestDocument = 256 << 20;

std::string within(std::string_view path, std::string_view name) { return path.empty() ? std::string(name) : concat(path, "/", name); }

Result<json::Tree> read_document(const Folder& folder, const std::string& name, const Limits& limits) {
  FERRY_ASSIGN_OR_RETURN(const auto source, folder.open(name));
  if (source->size() > kLargestDocument) return limit_exceeded(concat(quoted(name), " has ", source->size(), " bytes"));
  FERRY_ASSIGN_OR_RETURN(const Buffer bytes, source->view(0, source->size()));
  auto tree = json::parse_tree(bytes.text(), limits.free_expanded_bytes);
  if (!tree.ok()) return tree.status().nested(name);
  if (!tree->is(json::Token::object)) return data_loss(concat(name, " holds no JSON object"));
  return tree;
}

class Lister {
 public:
  Lister(const Folder& folder, const Limits& limits) : folder_(folder), limits_(limits) {}

  Result<std::vector<Node>> run() {
    bool done = false;
    if (folder_.has("zarr.json")) {
      FERRY_ASSIGN_OR_RETURN(const json::Tree root, read_document(folder_, "zarr.json", limits_));
      FERRY_RETURN_IF_ERROR(add_v3("", root));
      const json::Tree* all = root.find("consolidated_metadata");
      all = all == nullptr ? nullptr : all->find("metadata");
      if (all != nullptr && all->is(json::Token::object)) {
        for (size_t i = 0; i < all->keys.size(); ++i) FERRY_RETURN_IF_ERROR(add_v3(all->keys[i], all->items[i]));
        done = true;
      }
    } else if (folder_.has(".zmetadata")) {
      FERRY_ASSIGN_OR_RETURN(const json::Tree root, read_document(folder_, ".zmetadata", limits_));
      const json::Tree* all = root.find("metadata");
      if (all == nullptr || !all->is(json::Token::object)) return data_loss(".zmetadata has no member 'metadata'");
      FERRY_RETURN_IF_ERROR(add_consolidated_v2(*all));
      done = true;
    }
    if (!done) FERRY_RETURN_IF_ERROR(walk("", 0));
    std::ranges::sort(nodes_, {}, &Node::path);
    const auto twice = std::ranges::adjacent_find(nodes_, {}, &Node::path);
    if (twice != nodes_.end()) return data_loss(concat("two nodes are named ", quoted(twice->path)));
    if (nodes_.empty()) return data_loss("no zarr.json, .zgroup or .zarray: not a zarr store");
    return std::move(nodes_);
  }

 private:
  Status room(std::string_view path) {
    if (nodes_.size() >= limits_.max_tensors)
      return limit_exceeded(concat("the store has more than ", limits_.max_tensors, " arrays and groups (max_tensors)"));
    if (path.size() > limits_.max_name_bytes) return limit_exceeded(concat("a name has ", path.size(), " bytes (max_name_bytes)"));
    return {};
  }

  // As text, but for shapes: the trees of many documents would take many times the room of the store.
  Status keep_attributes(const json::Tree& from, Node& to) {
    kept_attributes_ += from.items.size();
    if (kept_attributes_ > limits_.max_tensors)
      return limit_exceeded(concat("the store has more than ", limits_.max_tensors, " attributes (max_tensors)"));
    to.attributes.kind = from.kind;
    to.attributes.keys = from.keys;
    for (size_t i = 0; i < from.items.size(); ++i) {
      const json::Tree& item = from.items[i];
      json::Tree& kept = to.attributes.items.emplace_back();
      kept.kind = item.kind;
      kept.text = item.text;
      if (i < from.keys.size() && from.keys[i] == "shape" && item.items.size() <= limits_.max_rank) kept.items = item.items;
    }
    return {};
  }

  Status add_v3(std::string_view path, const json::Tree& document) {
    FERRY_RETURN_IF_ERROR(room(path));
    if (!path.empty()) FERRY_RETURN_IF_ERROR(check_relative(path));
    const json::Tree* type = document.find("node_type");
    const json::Tree* format = document.find("zarr_format");
    if (format == nullptr || format->integer() != 3)
      return data_loss(concat(quoted(within(path, "zarr.json")), " is not of zarr_format 3"));
    Node node;
    node.path = path;
    node.is_array = type != nullptr && type->text == "array";
    if (const json::Tree* attributes = document.find("attributes"); attributes != nullptr) {
      FERRY_RETURN_IF_ERROR(keep_attributes(*attributes, node));
    }
    if (node.is_array) {
      auto array = parse_v3(document, limits_);
      if (!array.ok()) return array.status().with_context(concat("array ", quoted(path)));
      node.array = *std::move(array);
    }
    nodes_.push_back(std::move(node));
    return {};
  }

  Status add_v2(std::string_view path, const json::Tree* array, const json::Tree* attributes) {
    FERRY_RETURN_IF_ERROR(room(path));
    if (!path.empty()) FERRY_RETURN_IF_ERROR(check_relative(path));
    Node node;
    node.path = path;
    node.is_array = array != nullptr;
    if (attributes != nullptr) FERRY_RETURN_IF_ERROR(keep_attributes(*attributes, node));
    if (array != nullptr) {
      auto meta = parse_v2(*array, limits_);
      if (!meta.ok()) return meta.status().with_context(concat("array ", quoted(path)));
      node.array = *std::move(meta);
    }
    nodes_.push_back(std::move(node));
    return {};
  }

  Status add_consolidated_v2(const json::Tree& all) {
    struct Found {
      const json::Tree* array = nullptr;
      const json::Tree* attributes = nullptr;
      bool group = false;
    };
    std::map<std::string, Found, std::less<>> found;
    for (size_t i = 0; i < all.keys.size(); ++i) {
      const std::string& key = all.keys[i];
      const size_t slash = key.rfind('/');
      const std::string path = slash == std::string::npos ? "" : key.substr(0, slash);
      const std::string_view name = std::string_view(key).substr(slash == std::string::npos ? 0 : slash + 1);
      if (name == ".zarray") found[path].array = &all.items[i];
      if (name == ".zattrs") found[path].attributes = &all.items[i];
      if (name == ".zgroup") found[path].group = true;
    }
    for (const auto& [path, what] : found) {
      if (what.array != nullptr || what.group) FERRY_RETURN_IF_ERROR(add_v2(path, what.array, what.attributes));
    }
    return {};
  }

  Status walk(const std::string& path, uint64_t depth) {
    if (depth > limits_.max_nesting) return limit_exceeded(concat("groups nested deeper than ", limits_.max_nesting, " (max_nesting)"));
    FERRY_ASSIGN_OR_RETURN(const auto names, folder_.list(path));
    const auto has = [&](std::string_view name) { return std::ranges::binary_search(names, name); };
    if (has("zarr.json")) {
      if (depth > 0) {
        FERRY_ASSIGN_OR_RETURN(const json::Tree document, read_document(folder_, within(path, "zarr.json"), limits_));
        FERRY_RETURN_IF_ERROR(add_v3(path, document));
      }
      if (nodes_.back().is_array) return {};
    } else if (has(".zarray") || has(".zgroup")) {
      json::Tree array, attributes;
      if (has(".zarray")) {
        FERRY_ASSIGN_OR_RETURN(array, read_document(folder_, within(path, ".zarray"), limits_));
      }
      if (has(".zattrs")) {
        FERRY_ASSIGN_OR_RETURN(attributes, read_document(folder_, within(path, ".zattrs"), limits_));
      }
      FERRY_RETURN_IF_ERROR(add_v2(path, has(".zarray") ? &array : nullptr, &attributes));
      if (has(".zarray")) return {};
    }
    for (const std::string& name : names) {
      if (name.ends_with('/')) FERRY_RETURN_IF_ERROR(walk(within(path, std::string_view(name).substr(0, name.size() - 1)), depth + 1));
    }
    return {};
  }

  const Folder& folder_;
  const Limits& limits_;
  std::vector<Node> nodes_;
  uint64_t kept_attributes_ = 0;
};

class ChunkLister {
 public:
  ChunkLister(const Folder& folder, const ArrayMeta& array, const Limits& limits) : folder_(folder), array_(array), limits_(limits) {
    for (size_t axis = 0; axis < array.chunks.size(); ++axis) {
      const int64_t length = array.shape[axis];
      grid_.push_back(length / array.chunks[axis] + (length % array.chunks[axis] != 0));
    }
  }

  Status run(const std::string& path) {
    const size_t rank = grid_.size();
    if (rank == 0) {
      const std::string name = within(path, array_.prefix.empty() ? "0" : array_.prefix);
      if (folder_.has(name)) out_.push_back({name, {}});
      return {};
    }
    if (array_.separator == '/') return walk(array_.prefix.empty() ? path : within(path, array_.prefix), 0);
    auto names = folder_.list(path);
    if (!names.ok()) return names.status().code() == StatusCode::not_found ? Status() : names.status();
    const std::string prefix = array_.prefix.empty() ? "" : concat(array_.prefix, ".");
    for (const std::string& name : *names) {
      std::string_view rest = name;
      if (!rest.starts_with(prefix)) continue;
      rest.remove_prefix(prefix.size());
      at_.clear();
      for (size_t axis = 0; axis < rank; ++axis) {
        const size_t dot = axis + 1 < rank ? rest.find('.') : rest.size();
        if (dot == std::string_view::npos || !push(rest.substr(0, dot))) break;
        rest.remove_prefix(std::min(dot + 1, rest.size()));
      }
      if (at_.size() == rank) out_.push_back({within(path, name), at_});
    }
    return {};
  }
  std::vector<StoredChunk>&& take() && { return std::move(out_); }

 private:
  // The number of the next axis, as it is written: no sign, no zero before it, within the grid.
  bool push(std::string_view digits) {
    int64_t number = -1;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error != std::errc() || end != digits.data() + digits.size() || digits[0] == '-' || (digits[0] == '0' && digits.size() > 1))
      return false;
    if (number >= grid_[at_.size()]) return false;
    at_.push_back(number);
    return true;
  }

  Status walk(const std::string& path, size_t axis) {
    auto names = folder_.list(path);
    if (!names.ok()) return names.status().code() == StatusCode::not_found ? Status() : names.status();
    for (const std::string& name : *names) {
      const bool folder = name.ends_with('/');
      if (folder != (axis + 1 < grid_.size())) continue;
      const std::string_view digits = std::string_view(name).substr(0, name.size() - folder);
      if (digits.empty() || !push(digits)) continue;
      const std::string next = within(path, digits);
      if (folder) {
        FERRY_RETURN_IF_ERROR(walk(next, axis + 1));
      } else {
        if (out_.size() >= limits_.max_tensors) return limit_exceeded(concat("more than ", limits_.max_tensors, " chunks (max_tensors)"));
        out_.push_back({next, at_});
      }
      at_.pop_back();
    }
    return {};
  }

  const Folder& folder_;
  const ArrayMeta& array_;
  const Limits& limits_;
  std::vector<int64_t> grid_, at_;
  std::vector<StoredChunk> out_;
};

}  // namespace

Result<std::vector<Node>> list_nodes(const Folder& folder, const Limits& limits) { return Lister(folder, limits).run(); }

Result<std::vector<StoredChunk>> list_chunks(const Folder& folder, const Node& node, const Limits& limits) {
  ChunkLister lister(folder, node.array, limits);
  FERRY_RETURN_IF_ERROR(lister.run(node.path));
  return std::move(lister).take();
}

}  // namespace ferry::zarr
