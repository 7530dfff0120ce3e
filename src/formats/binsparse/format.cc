// Binsparse in an npz archive, as binsparse-python writes it: the arrays, and their descriptor in the member binsparse.npy.
// Several tensors: each in a folder of its name, with a descriptor of its own.
#include <algorithm>
#include <unordered_set>

#include "ferry/format.h"
#include "formats/binsparse/reader.h"
#include "formats/binsparse/spell.h"
#include "formats/npy/npy.h"
#include "formats/npz/metadata.h"
#include "formats/npz/reader.h"
#include "io/zip.h"
#include "wire/utf8.h"

namespace ferry::binsparse {
namespace {

constexpr std::string_view kMember = "binsparse.npy";
constexpr std::string_view kNameKey = "tensorferry_name";  // attribute: the name of a tensor whose arrays stand at top level
constexpr uint64_t kLongestDescriptor = 16 << 20;

bool claims(const ByteSource& source) { return zip_lists(source, kMember); }

std::string_view last_part(std::string_view name) { return name.substr(name.rfind('/') + 1); }

Result<std::unique_ptr<TensorReader>> open(std::shared_ptr<const ByteSource> source, const ReadOptions& options) {
  FERRY_ASSIGN_OR_RETURN(auto arrays, npz::open_arrays(std::move(source), options));
  std::vector<Described> described;
  const auto listed = arrays->arrays();
  for (size_t i = 0; i < listed.size(); ++i) {
    const TensorInfo& info = listed[i];
    if (last_part(info.name) != kKey || info.dtype != DType::string || info.shape.num_elements() != 1) continue;
    if (info.bytes / 4 > kLongestDescriptor) {
      return limit_exceeded(
          concat("member ", quoted(info.name), " is ", info.bytes, " bytes long, a descriptor at most ", kLongestDescriptor));
    }
    FERRY_ASSIGN_OR_RETURN(const DenseTensor text, arrays->read_array(i));
    const std::string prefix(info.name.substr(0, info.name.size() - kKey.size()));
    if (!prefix.empty() && !looks_like_descriptor(text.strings()[0])) continue;
    auto descriptor = parse_descriptor(text.strings()[0], options.limits);
    // Offsets count within the text.
    if (!descriptor.ok()) return descriptor.status().nested(concat("member ", quoted(info.name)));
    std::string name = prefix.substr(0, prefix.empty() ? 0 : prefix.size() - 1);
    if (const std::string* own = descriptor->attributes.find(kNameKey); own != nullptr && prefix.empty()) name = *own;
    descriptor->attributes.erase(kNameKey);
    described.push_back({std::move(name), prefix, *std::move(descriptor), {i}});
  }
  if (described.empty()) return data_loss("has no member binsparse.npy with a Binsparse descriptor; read it as npz");
  return reader_with_descriptors(std::move(arrays), std::move(described), options);
}

Status write(const TensorMap& tensors, ByteSink& sink, const WriteOptions& options) {
  FERRY_ASSIGN_OR_RETURN(const bool compress, options.format.get_bool("compress", false));
  const ZipMethod method = compress ? ZipMethod::deflate : ZipMethod::stored;
  ZipWriter zip(sink);
  std::unordered_set<std::string> names;
  if (tensors.empty()) return unsupported("Binsparse needs a tensor to describe, and none is given");
  const bool alone = tensors.size() == 1;
  for (const auto& entry : tensors) {
    auto spelt = spell(entry.tensor);
    if (!spelt.ok()) return spelt.status().with_context(concat("tensor ", quoted(entry.name)));
    const std::string prefix = alone || entry.name.empty() ? std::string() : concat(entry.name, "/");
    Metadata& attributes = spelt->descriptor.attributes;
    if (alone && !entry.name.empty()) attributes.append(std::string(kNameKey), entry.name);
    for (const auto& [key, value] : entry.metadata) {
      if (key == kKey || key == kNameKey || key == kArraysKey) continue;
      attributes.append(key, value);
    }
    const auto add = [&](std::string_view name, const npy::Encoded& encoded) -> Status {
      std::string member = concat(prefix, name, ".npy");
      if (!names.insert(member).second) {
        return invalid_argument(concat("two arrays are named ", quoted(concat(prefix, name)), "; rename a tensor (--rename)"));
      }
      if (member.find('\0') != std::string::npos)
        return unsupported(concat("npz cannot hold the name ", quoted(entry.name), ", it has a NUL byte"));
      const std::span<const std::byte> pieces[] = {std::as_bytes(std::span(encoded.header)), encoded.elements.bytes()};
      return zip.add(member, pieces, method);
    };
    for (const Array& array : spelt->arrays) {
      FERRY_ASSIGN_OR_RETURN(const npy::Encoded encoded, npy::encode(array.array));
      FERRY_RETURN_IF_ERROR(add(array.name, encoded));
    }
    auto text = npy::encode_unicode(write_descriptor(spelt->descriptor));
    if (!text.ok()) return text.status().with_context(concat("tensor ", quoted(entry.name), ": name or metadata"));
    FERRY_RETURN_IF_ERROR(add(kKey, *text));
  }
  if (tensors.metadata.empty()) return zip.finish();
  FERRY_ASSIGN_OR_RETURN(const std::string json, npz::metadata_to_json(tensors.metadata));
  if (json.size() <= npz::kLongestComment) return zip.finish(json);
  FERRY_RETURN_IF_ERROR(zip.add(npz::kMetadataMember, std::as_bytes(std::span(json)), method));
  return zip.finish();
}

constexpr std::string_view kExtensions[] = {".bsp.npz"};
constexpr OptionSpec kOptions[] = {
    {"compress", "true|false", "deflate the arrays; without it they open as views"},
    kFillOption,
};
constexpr DTypeSet kDTypes =
    DTypeSet::of(DType::uint8, DType::uint16, DType::uint32, DType::uint64, DType::int8, DType::int16, DType::int32, DType::int64,
                 DType::float32, DType::float64, DType::bool_, DType::complex64, DType::complex128);

}  // namespace

extern const Format kFormat;
const Format kFormat = {
    .id = "binsparse",
    .summary = "Binsparse 0.1 in an npz archive: sparse and dense arrays and a descriptor, as binsparse-python",
    .readers = "binsparse-python, NumPy",
    .extensions = kExtensions,
    .capabilities = {.kinds = {.dense = true, .coo = true, .csr = true, .csc = true},
                     .dtypes = kDTypes,
                     .names = true,
                     .metadata = true,
                     .many = true,
                     .streams = false},
    .options = kOptions,
    .sniff = nullptr,
    .open = open,
    .write = write,
    .within = "npz",
    .claims = claims,
};

}  // namespace ferry::binsparse
