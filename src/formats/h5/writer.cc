// TensorMap → HDF5. Everything is laid out before the first byte goes: superblock, elements (each at a multiple of 64, so that a
// mapped file gives views), the heap of strings, object headers from the leaves to the root.
#include <algorithm>
#include <map>
#include <unordered_map>

#include "formats/h5/encode.h"
#include "formats/h5/h5.h"
#include "formats/h5/sparse_group.h"
#include "wire/json.h"
#include "wire/utf8.h"

namespace ferry::h5 {
namespace {

constexpr uint64_t kAlign = 64;
constexpr size_t kMostAttribute = 60'000;  // bytes of a message; HDF5 has 65535
constexpr size_t kMostText = UINT32_MAX;

// An attribute before strings have addresses.
struct PlannedAttribute {
  std::string name;
  std::string type, space;
  std::string data;                       // of numbers
  std::vector<StringHeap::Place> places;  // of texts
};

struct Node {
  std::string name;
  std::vector<size_t> children;  // in order; of a group
  std::unordered_map<std::string, size_t> by_name;
  std::vector<PlannedAttribute> attributes;
  bool is_dataset = false;
  DenseTensor tensor;
  std::string type;
  std::vector<StringHeap::Place> places;  // of a dataset of strings
  uint64_t data = 0, bytes = 0, header = 0;
};

class Plan {
 public:
  Plan() : nodes_(1) {}
  Status add(const std::string& path, DenseTensor tensor);
  Status add_map(const TensorMap& tensors);
  Status emit(ByteSink& sink);

 private:
  Status add_entry(const TensorMap::Entry& entry);
  Status add_sparse(const TensorMap::Entry& entry, const SparseTensor& x);
  Status add_metadata(const Metadata& metadata);
  Status add_metadata_of(std::string_view name, std::string_view key, std::string_view value);
  Result<size_t> group_at(std::string_view path);
  std::optional<size_t> find(std::string_view path) const;
  Status attribute(size_t node, std::string_view name, std::string_view value);
  Status texts_attribute(size_t node, std::string name, std::span<const std::string> texts, bool scalar);
  void numbers_attribute(size_t node, std::string name, std::span<const int64_t> values);
  std::vector<EncodedAttribute> encoded(const Node& node) const;

  std::vector<Node> nodes_;  // the root first
  StringHeap heap_;
};

Status bad_name(std::string_view name, std::string_view why) {
  return unsupported(concat("HDF5 cannot hold the name ", quoted(name), ": ", why, "; rename it (--rename)"));
}

// Names are paths, and HDF5 reads some of them otherwise than they are spelt.
Status check_name(std::string_view name) {
  if (name == kRootName) return bad_name(name, "it stands for the tensor without a name");
  if (name.find('\0') != std::string_view::npos) return bad_name(name, "it has a NUL byte");
  for (size_t at = 0;;) {
    const size_t slash = std::min(name.find('/', at), name.size());
    const std::string_view piece = name.substr(at, slash - at);
    if (piece.empty()) return bad_name(name, "it has an empty piece between its slashes");
    if (piece == ".") return bad_name(name, "a piece of it is '.'");
    if (piece.size() > 60'000) return bad_name(name, "a piece of it is longer than 60000 bytes");
    if (slash == name.size()) return {};
    at = slash + 1;
  }
}

Result<size_t> Plan::group_at(std::string_view path) {
  size_t at = 0;
  while (!path.empty()) {
    const size_t slash = std::min(path.find('/'), path.size());
    const std::string piece(path.substr(0, slash));
    path.remove_prefix(std::min(slash + 1, path.size()));
    const auto it = nodes_[at].by_name.find(piece);
    if (it != nodes_[at].by_name.end()) {
      at = it->second;
      if (nodes_[at].is_dataset) {
        return invalid_argument(concat(quoted(piece),
                                       " is the name of a tensor and the beginning of another's name; in HDF5 it is one or the "
                                       "other: rename one (--rename)"));
      }
      continue;
    }
    nodes_.emplace_back();
    nodes_.back().name = piece;
    nodes_[at].children.push_back(nodes_.size() - 1);
    nodes_[at].by_name.emplace(piece, nodes_.size() - 1);
    at = nodes_.size() - 1;
  }
  return at;
}

std::optional<size_t> Plan::find(std::string_view path) const {
  size_t at = 0;
  while (!path.empty()) {
    const size_t slash = std::min(path.find('/'), path.size());
    const auto it = nodes_[at].by_name.find(std::string(path.substr(0, slash)));
    if (it == nodes_[at].by_name.end()) return std::nullopt;
    at = it->second;
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return at;
}

Status Plan::add(const std::string& path, DenseTensor tensor) {
  const size_t slash = path.rfind('/');
  FERRY_ASSIGN_OR_RETURN(const size_t group, group_at(slash == std::string::npos ? "" : std::string_view(path).substr(0, slash)));
  std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  const auto there = nodes_[group].by_name.find(name);
  if (there != nodes_[group].by_name.end()) {
    return invalid_argument(concat("two things are named ", quoted(path),
                                   nodes_[there->second].is_dataset ? ""
                                                                    : ", a tensor and the beginning of "
                                                                      "another's name",
                                   "; rename one (--rename)"));
  }
  Node node;
  node.name = name;
  node.is_dataset = true;
  node.type = datatype(tensor.dtype());
  if (tensor.is_string()) {
    const StringsView strings = tensor.strings();
    bool utf8 = true;
    for (int64_t i = 0; i < strings.size(); ++i) {
      if (strings[i].size() > kMostText) return unsupported(concat("HDF5 cannot hold a string of ", strings[i].size(), " bytes"));
      utf8 = utf8 && is_utf8(strings[i]);
    }
    node.type = text_type(utf8);
    node.places.reserve(static_cast<size_t>(strings.size()));
    for (int64_t i = 0; i < strings.size(); ++i) node.places.push_back(heap_.add(strings[i]));
    node.bytes = static_cast<uint64_t>(strings.size()) * 16;
  } else {
    node.bytes = tensor.num_bytes();
  }
  const DType dtype = tensor.dtype();
  node.tensor = std::move(tensor);
  nodes_.push_back(std::move(node));
  nodes_[group].children.push_back(nodes_.size() - 1);
  nodes_[group].by_name.emplace(std::move(name), nodes_.size() - 1);
  return needs_dtype_attribute(dtype) ? attribute(nodes_.size() - 1, "dtype", dtype_name(dtype)) : Status();
}

Status Plan::texts_attribute(size_t node, std::string name, std::span<const std::string> texts, bool scalar) {
  PlannedAttribute out;
  out.name = std::move(name);
  bool utf8 = true;
  for (const std::string& text : texts) {
    if (text.find('\0') != std::string::npos)
      return unsupported(concat("an HDF5 attribute cannot hold text with a NUL byte: ", quoted(out.name)));
    utf8 = utf8 && is_utf8(text);
  }
  if (texts.size() * 16 + out.name.size() > kMostAttribute) {
    return unsupported(concat("the attribute ", quoted(out.name), " is too long a list for an HDF5 attribute"));
  }
  for (const std::string& text : texts) out.places.push_back(heap_.add(text));
  out.type = text_type(utf8);
  const int64_t count = static_cast<int64_t>(texts.size());
  out.space = scalar ? dataspace({}) : dataspace({&count, 1});
  nodes_[node].attributes.push_back(std::move(out));
  return {};
}

void Plan::numbers_attribute(size_t node, std::string name, std::span<const int64_t> values) {
  PlannedAttribute out;
  out.name = std::move(name);
  out.type = datatype(DType::int64);
  const int64_t count = static_cast<int64_t>(values.size());
  out.space = dataspace({&count, 1});
  out.data.assign(reinterpret_cast<const char*>(values.data()), values.size_bytes());
  nodes_[node].attributes.push_back(std::move(out));
}

// Keras divides lists of names that are too long for one attribute: weight_names0, weight_names1, …
std::string_view without_number(std::string_view name) { return name.substr(0, name.find_last_not_of("0123456789") + 1); }
bool lists_names(std::string_view name) {
  name = without_number(name);
  return name == "layer_names" || name == "weight_names";
}

// Metadata is text. A few attributes that AnnData and Keras insist on are lists of texts or truth values, which we read as JSON.
Status Plan::attribute(size_t node, std::string_view name, std::string_view value) {
  if (name.empty() || name.size() > 60'000 || name.find('\0') != std::string_view::npos) {
    return unsupported(concat("HDF5 has no attribute named ", quoted(name)));
  }
  for (const PlannedAttribute& there : nodes_[node].attributes) {
    if (there.name == name) return invalid_argument(concat("two attributes are named ", quoted(name)));
  }
  if (name == "column-order" || lists_names(name)) {
    json::Reader in(value);
    if (in.peek() == json::Token::array) {
      std::vector<std::string> texts;
      in.open();
      for (bool first = true; in.next_element(first);) in.read_string(texts.emplace_back());
      in.finish();
      if (in.ok()) return texts_attribute(node, std::string(name), texts, false);
    }
  }
  if (name == "ordered" && (value == "true" || value == "false")) {
    PlannedAttribute out;
    out.name = name;
    out.type = datatype(DType::bool_);
    out.space = dataspace({});
    out.data = value == "true" ? '\1' : '\0';
    nodes_[node].attributes.push_back(std::move(out));
    return {};
  }
  const std::string text(value);
  return texts_attribute(node, std::string(name), {&text, 1}, true);
}

Status Plan::add_sparse(const TensorMap::Entry& entry, const SparseTensor& x) {
  const std::string prefix = entry.name.empty() ? "" : concat(entry.name, "/");
  FERRY_RETURN_IF_ERROR(add(concat(prefix, "data"), x.values()));
  FERRY_RETURN_IF_ERROR(add(concat(prefix, "indices"), x.indices()));
  FERRY_RETURN_IF_ERROR(add(concat(prefix, "indptr"), x.indptr()));
  FERRY_ASSIGN_OR_RETURN(const size_t group, group_at(entry.name));
  FERRY_RETURN_IF_ERROR(attribute(group, kEncodingType, encoding_of(x.layout())));
  FERRY_RETURN_IF_ERROR(attribute(group, kEncodingVersion, "0.1.0"));
  numbers_attribute(group, "shape", x.shape().dims());
  return {};
}

bool has_nul(const DenseTensor& tensor) {
  return tensor.is_string() && std::ranges::find(tensor.string_bytes().text(), '\0') != tensor.string_bytes().text().end();
}

Status Plan::add_entry(const TensorMap::Entry& entry) {
  if (!entry.name.empty()) FERRY_RETURN_IF_ERROR(check_name(entry.name));
  const auto* sparse = std::get_if<SparseTensor>(&entry.tensor);
  if (sparse != nullptr && sparse->layout() != Layout::coo && !has_nul(sparse->values())) {
    FERRY_RETURN_IF_ERROR(add_sparse(entry, *sparse));
  } else {
    Metadata layout;
    FERRY_ASSIGN_OR_RETURN(auto arrays, spell_parts(entry.name, entry.tensor, layout));
    for (SpelledArray& array : arrays) {
      if (!has_nul(array.array)) {
        FERRY_RETURN_IF_ERROR(add(array.name.empty() ? std::string(kRootName) : array.name, std::move(array.array)));
        continue;
      }
      // HDF5's variable-length strings end at a NUL.
      FERRY_ASSIGN_OR_RETURN(auto split, spell_parts(array.name, Tensor(std::move(array.array)), layout, true));
      for (SpelledArray& piece : split) FERRY_RETURN_IF_ERROR(add(piece.name, std::move(piece.array)));
    }
    for (const auto& [key, value] : layout) {
      if (key.ends_with("/layout"))
        FERRY_RETURN_IF_ERROR(add_metadata_of(std::string_view(key).substr(0, key.size() - 7), "layout", value));
    }
  }
  for (const auto& [key, value] : entry.metadata) {
    const bool is_layout = key == "layout" && sparse != nullptr && sparse->layout() != Layout::coo;
    if (!is_layout) FERRY_RETURN_IF_ERROR(add_metadata_of(entry.name, key, value));
  }
  return {};
}

// An attribute of the object that the tensor `name` is; the tensor without a name has no object, so the root keeps it as "/KEY".
Status Plan::add_metadata_of(std::string_view name, std::string_view key, std::string_view value) {
  if (!name.empty()) {
    if (const auto node = find(name)) return attribute(*node, key, value);
  } else if (const auto node = find(kRootName)) {
    return attribute(*node, key, value);
  }
  return attribute(0, concat(name, "/", key), value);
}

bool describes_a_group(std::string_view attribute) {
  return attribute == kEncodingType || attribute == kEncodingVersion || attribute == "column-order" || lists_names(attribute);
}

// "a/b/KEY" is the attribute KEY of the group or dataset a/b where there is one, else an attribute of the root with that whole name.
Status Plan::add_metadata(const Metadata& metadata) {
  for (const auto& [key, value] : metadata) {
    if (key == kSkippedKey) continue;
    size_t slash = key.rfind('/');
    std::optional<size_t> node;
    while (slash != std::string::npos && slash > 0) {
      node = find(std::string_view(key).substr(0, slash));
      if (node) break;
      slash = key.rfind('/', slash - 1);
    }
    // AnnData and Keras also describe groups in which there is nothing.
    const size_t last = key.rfind('/');
    if (last != std::string::npos && describes_a_group(std::string_view(key).substr(last + 1)) &&
        check_name(std::string_view(key).substr(0, last)).ok() && slash != last) {
      if (const auto made = group_at(std::string_view(key).substr(0, last)); made.ok()) {
        node = *made;
        slash = last;
      }
    }
    if (node) {
      FERRY_RETURN_IF_ERROR(attribute(*node, std::string_view(key).substr(slash + 1), value));
    } else {
      FERRY_RETURN_IF_ERROR(attribute(0, key, value));
    }
  }
  return {};
}

Status Plan::add_map(const TensorMap& tensors) {
  for (const auto& entry : tensors) FERRY_RETURN_IF_ERROR(add_entry(entry));
  return add_metadata(tensors.metadata);
}

std::vector<EncodedAttribute> Plan::encoded(const Node& node) const {
  std::vector<EncodedAttribute> out;
  for (const PlannedAttribute& planned : node.attributes) {
    EncodedAttribute a{planned.name, planned.type, planned.space, planned.data};
    for (const auto& place : planned.places) heap_.append_reference(place, a.data);
    out.push_back(std::move(a));
  }
  return out;
}

Status Plan::emit(ByteSink& sink) {
  heap_.finish();
  uint64_t at = kSuperblockSize;
  for (Node& node : nodes_) {
    if (node.bytes == 0) continue;
    node.data = (at + kAlign - 1) / kAlign * kAlign;
    at = node.data + node.bytes;
  }
  const uint64_t heap_at = (at + 7) / 8 * 8;
  heap_.place_at(heap_at);
  at = heap_at + heap_.size();
  // A child is always made after its group, so that going backwards meets children first.
  std::vector<std::string> headers(nodes_.size());
  for (size_t i = nodes_.size(); i-- > 0;) {
    Node& node = nodes_[i];
    const auto attributes = encoded(node);
    if (node.is_dataset) {
      headers[i] = dataset_header(node.tensor, node.type, node.data, node.bytes, attributes);
    } else {
      std::vector<GroupLink> links;
      for (size_t child : node.children) links.push_back({nodes_[child].name, nodes_[child].header});
      headers[i] = group_header(links, attributes);
    }
    if (headers[i].size() > UINT32_MAX) return unsupported("a group of more tensors than one HDF5 object header holds");
    headers[i].append((8 - headers[i].size() % 8) % 8, '\0');
    node.header = at;
    at += headers[i].size();
  }
  FERRY_RETURN_IF_ERROR(sink.write(superblock(nodes_[0].header, at)));
  uint64_t done = kSuperblockSize;
  const auto pad_to = [&](uint64_t place) -> Status {
    const std::string zeros(place - done, '\0');
    done = place;
    return zeros.empty() ? Status() : sink.write(zeros);
  };
  for (const Node& node : nodes_) {
    if (node.bytes == 0) continue;
    FERRY_RETURN_IF_ERROR(pad_to(node.data));
    if (node.tensor.is_string()) {
      std::string references;
      for (const auto& place : node.places) heap_.append_reference(place, references);
      FERRY_RETURN_IF_ERROR(sink.write(references));
    } else {
      FERRY_RETURN_IF_ERROR(sink.write(node.tensor.buffer().bytes()));
    }
    done += node.bytes;
  }
  FERRY_RETURN_IF_ERROR(pad_to(heap_at));
  for (const std::string& collection : heap_.collections()) FERRY_RETURN_IF_ERROR(sink.write(collection));
  for (size_t i = nodes_.size(); i-- > 0;) FERRY_RETURN_IF_ERROR(sink.write(headers[i]));
  return {};
}

}  // namespace

Status write(const TensorMap& tensors, ByteSink& sink, const WriteOptions&) {
  Plan plan;
  FERRY_RETURN_IF_ERROR(plan.add_map(tensors));
  return plan.emit(sink);
}

}  // namespace ferry::h5
