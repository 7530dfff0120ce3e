#include "formats/safetensors/plan.h"

#include <unordered_set>

#include "formats/binsparse/spell.h"
#include "formats/listed.h"
#include "wire/utf8.h"

namespace ferry::safetensors {
namespace {

constexpr uint64_t kKeep = 64 << 20;  // bytes of parts, in all

bool is_known(const TensorInfo& info) { return info.kind == TensorKind::dense && info.dtype != DType::string; }

// Words that writing makes anew.
bool is_ours(std::string_view key) {
  return key == kDTypeKey || key == binsparse::kKey || key == kUntypedKey || key == kUntypedShapeKey ||
         (key.ends_with(kDTypeKey) && key.substr(0, key.size() - kDTypeKey.size()).ends_with('/'));
}

Result<std::vector<SpelledArray>> parts_of(const std::string& name, const Tensor& tensor, bool narrow, Metadata& layout) {
  FERRY_ASSIGN_OR_RETURN(auto parts, spell_parts(name, tensor, layout, true));
  if (narrow) FERRY_RETURN_IF_ERROR(narrow_indices(parts, tensor));
  return parts;
}

class Planner {
 public:
  Planner(const TensorReader& tensors, bool narrow) : tensors_(tensors), narrow_(narrow) {}

  Status run(std::string_view format) {
    if (!format.empty()) FERRY_RETURN_IF_ERROR(add_metadata("format", format));
    for (const auto& [key, value] : tensors_.metadata()) {
      if (format.empty() || key != "format") FERRY_RETURN_IF_ERROR(add_metadata(key, value));
    }
    for (size_t i = 0; i < tensors_.tensors().size(); ++i) {
      owner_ = i;
      FERRY_RETURN_IF_ERROR(is_known(tensors_.tensors()[i]) ? add_known(i) : add_parts(i));
    }
    std::unordered_set<std::string_view> names;
    for (const Item& item : plan_.items) {
      if (!names.insert(item.name).second) {
        return invalid_argument(
            concat("two arrays are named ", quoted(item.name), ", one of them as part of a tensor; rename one (--rename)"));
      }
    }
    return {};
  }
  Plan take() && { return std::move(plan_); }

 private:
  Status add_metadata(std::string key, std::string_view value) {
    if (!is_utf8(key) || !is_utf8(value))
      return unsupported(concat("safetensors keeps metadata as JSON, and ", quoted(key), " is not UTF-8"));
    if (!keys_.insert(key).second) {
      const std::string* before = plan_.metadata.find(key);
      if (before != nullptr && *before == value) return {};
      return unsupported(concat("safetensors holds one metadata text a key, and ", quoted(key), " has two"));
    }
    plan_.metadata.append(std::move(key), std::string(value));
    plan_.owners.push_back(owner_);
    return {};
  }

  Status add_array(std::string name, DType dtype, const Shape& shape, const Metadata& own, PlannedArray array) {
    if (name == kMetadataName) return unsupported("safetensors keeps the name __metadata__ for itself; rename the tensor (--rename)");
    if (!is_utf8(name)) return unsupported(concat("safetensors keeps names as JSON, and ", quoted(name), " is not UTF-8"));
    array.stored = stored_as(dtype, shape, own);
    if (array.stored.declared) FERRY_RETURN_IF_ERROR(add_metadata(concat(name, "/", kDTypeKey), dtype_name(dtype)));
    plan_.items.push_back({std::move(name), array.stored.type, array.stored.shape, 0, 0});
    plan_.arrays.push_back(std::move(array));
    return {};
  }

  Status add_own_metadata(const TensorInfo& info, const Metadata& layout, bool described) {
    for (const auto& [key, value] : info.metadata) {
      if (key == binsparse::kKey ? described : is_ours(key) || layout.find(concat(info.name, "/", key)) != nullptr) continue;
      FERRY_RETURN_IF_ERROR(add_metadata(concat(info.name, "/", key), value));
    }
    return {};
  }

  Status add_known(size_t i) {
    const TensorInfo& info = tensors_.tensors()[i];
    FERRY_RETURN_IF_ERROR(add_own_metadata(info, {}, false));
    return add_array(info.name, info.dtype, info.shape, info.metadata, {i, 0, {}, std::nullopt});
  }

  Status add_parts(size_t i) {
    static const Metadata kNone;
    const TensorInfo& info = tensors_.tensors()[i];
    FERRY_ASSIGN_OR_RETURN(const Tensor tensor, read_as_listed(tensors_, i));
    Metadata layout;
    FERRY_ASSIGN_OR_RETURN(auto parts, parts_of(info.name, tensor, narrow_, layout));
    const bool itself = parts.size() == 1 && parts[0].name == info.name;
    for (const auto& [key, value] : layout) FERRY_RETURN_IF_ERROR(add_metadata(key, value));
    bool described = false;
    if (const auto* sparse = std::get_if<SparseTensor>(&tensor)) {
      const std::string prefix = info.name.empty() ? std::string() : concat(info.name, "/");
      const std::string descriptor = binsparse::describe_parts(*sparse, prefix, parts[0].array.dtype());  // an index array
      described = !descriptor.empty();
      if (described) FERRY_RETURN_IF_ERROR(add_metadata(concat(prefix, binsparse::kKey), descriptor));
    }
    FERRY_RETURN_IF_ERROR(add_own_metadata(info, layout, described));
    uint64_t bytes = 0;
    for (const SpelledArray& part : parts) bytes += part.array.num_bytes();
    const bool keep = bytes <= kKeep - kept_;
    if (keep) kept_ += bytes;
    for (size_t part = 0; part < parts.size(); ++part) {
      auto& [name, array] = parts[part];
      const DType dtype = array.dtype();
      const Shape shape = array.shape();
      if (!keep) array.buffer().drop_pages();
      FERRY_RETURN_IF_ERROR(add_array(std::move(name), dtype, shape, itself ? info.metadata : kNone,
                                      {i, part, {}, keep ? std::optional(std::move(array)) : std::nullopt}));
    }
    return {};
  }

  const TensorReader& tensors_;
  bool narrow_;
  uint64_t kept_ = 0;
  size_t owner_ = Plan::kAll;
  Plan plan_;
  std::unordered_set<std::string> keys_;
};

}  // namespace

Result<Plan> plan_of(const TensorReader& tensors, const WriteOptions& options) {
  FERRY_ASSIGN_OR_RETURN(const bool narrow, options.format.get_bool("narrow", false));
  Planner planner(tensors, narrow);
  FERRY_RETURN_IF_ERROR(planner.run(options.format.get("format")));
  return std::move(planner).take();
}

Result<DenseTensor> PlannedBytes::tensor_of(size_t at) {
  const PlannedArray& array = plan_.arrays[at];
  if (array.kept) return *array.kept;
  const TensorInfo& info = tensors_.tensors()[array.tensor];
  if (is_known(info)) {
    FERRY_ASSIGN_OR_RETURN(Tensor tensor, read_as_listed(tensors_, array.tensor));
    return std::get<DenseTensor>(std::move(tensor));
  }
  if (last_ != array.tensor) {
    last_ = SIZE_MAX;
    FERRY_ASSIGN_OR_RETURN(const Tensor tensor, read_as_listed(tensors_, array.tensor));
    FERRY_ASSIGN_OR_RETURN(const bool narrow, options_.format.get_bool("narrow", false));
    Metadata unused;
    FERRY_ASSIGN_OR_RETURN(parts_, parts_of(info.name, tensor, narrow, unused));
    last_ = array.tensor;
  }
  if (array.part >= parts_.size() || parts_[array.part].name != plan_.items[at].name) {
    return data_loss(concat("tensor ", quoted(info.name), " is another than when sizes were planned; the file has changed"));
  }
  return parts_[array.part].array;
}

Result<Buffer> PlannedBytes::read(size_t at) {
  FERRY_ASSIGN_OR_RETURN(const DenseTensor array, tensor_of(at));
  const Item& item = plan_.items[at];
  FERRY_ASSIGN_OR_RETURN(Buffer bytes, encode(array, plan_.arrays[at].stored));
  if (bytes.size() != bytes_of(item.type, item.shape)) {
    return data_loss(concat("array ", quoted(item.name), " has ", bytes.size(), " bytes, ", bytes_of(item.type, item.shape).value_or(0),
                            " were planned; the file has changed"));
  }
  return bytes;
}

}  // namespace ferry::safetensors
