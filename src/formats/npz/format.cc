// The npz format: a zip archive of npy arrays; composite tensors by the Parts rule, or as SciPy writes them.
#include <optional>
#include <unordered_set>

#include "ferry/format.h"
#include "formats/listed.h"
#include "formats/npy/npy.h"
#include "formats/npy/options.h"
#include "formats/npz/metadata.h"
#include "formats/npz/reader.h"
#include "formats/npz/scipy.h"
#include "io/zip.h"

namespace ferry::npz {
namespace {

Sniff sniff(std::span<const std::byte> head) {
  const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  if (text.starts_with("PK\5\6") && text.size() >= 22) return Sniff::likely;  // an archive of nothing, as numpy.savez makes it
  // A local header, then a name in .npy.
  if (text.size() < 30 || !text.starts_with("PK\3\4")) return Sniff::no;
  const auto name = static_cast<size_t>(static_cast<unsigned char>(text[26]) | static_cast<unsigned char>(text[27]) << 8);
  return text.size() >= 30 + name && text.substr(30, name).ends_with(".npy") ? Sniff::certain : Sniff::no;
}

// Whether the one tensor is written as SciPy does: asked for, or possible where nobody says.
Result<bool> is_for_scipy(const TensorReader& tensors, const WriteOptions& options, std::optional<SparseTensor>& root) {
  const std::string_view choice = options.format.get("scipy", "auto");
  const auto infos = tensors.tensors();
  if (infos.size() == 1 && infos[0].name.empty() && infos[0].kind != TensorKind::dense && infos[0].kind != TensorKind::ragged) {
    FERRY_ASSIGN_OR_RETURN(const Tensor tensor, read_as_listed(tensors, 0));
    root = std::get<SparseTensor>(tensor);
  }
  const bool can = root && !scipy_obstacle(*root);
  if (choice == "auto") return can;
  FERRY_ASSIGN_OR_RETURN(const bool wanted, options.format.get_bool("scipy", true));
  if (wanted && !root) {
    return unsupported("SciPy's npz holds one sparse tensor without a name; choose it with --select and rename it, or leave scipy unset");
  }
  if (wanted && !can) return unsupported(concat(*scipy_obstacle(*root), "; leave scipy unset, or cast the values"));
  return wanted;
}

// The arrays of one tensor in the order they are written, strings that npy cannot hold split into bytes and offsets.
Result<std::vector<SpelledArray>> spell(const TensorInfo& info, const Tensor& tensor, bool narrow, Metadata& metadata) {
  FERRY_ASSIGN_OR_RETURN(auto arrays, spell_parts(info.name, tensor, metadata));
  if (narrow) FERRY_RETURN_IF_ERROR(narrow_indices(arrays, tensor));
  for (const auto& [key, value] : info.metadata) {
    if (key == npy::kUntypedKey || (key == "layout" && (info.kind == TensorKind::csr || info.kind == TensorKind::csc))) continue;
    metadata.append(concat(info.name, "/", key), value);
  }
  std::vector<SpelledArray> out;
  for (SpelledArray& array : arrays) {
    if (!array.array.is_string() || npy::fits_fixed_width(array.array)) {
      out.push_back(std::move(array));
      continue;
    }
    FERRY_ASSIGN_OR_RETURN(auto split, spell_parts(array.name, Tensor(std::move(array.array)), metadata, true));
    for (SpelledArray& piece : split) out.push_back(std::move(piece));
  }
  return out;
}

Status write(const TensorReader& tensors, ByteSink& sink, const WriteOptions& options) {
  FERRY_ASSIGN_OR_RETURN(const bool compress, options.format.get_bool("compress", false));
  FERRY_ASSIGN_OR_RETURN(const bool narrow, options.format.get_bool("narrow", false));
  const ZipMethod method = compress ? ZipMethod::deflate : ZipMethod::stored;
  Metadata metadata = tensors.metadata();
  ZipWriter zip(sink);
  std::unordered_set<std::string> names;
  const auto add = [&](const SpelledArray& array) -> Status {
    if (!names.insert(array.name).second) {
      return invalid_argument(
          concat("two arrays are named ", quoted(array.name), ", one of them as part of a tensor; rename one (--rename)"));
    }
    auto encoded = npy::encode(array.array);
    if (!encoded.ok()) return encoded.status().with_context(concat("tensor ", quoted(array.name)));
    return zip.add(concat(array.name, ".npy"), encoded->header, encoded->elements, method);
  };
  // What is wrong with a name shows before the first byte.
  for (const TensorInfo& info : tensors.tensors()) {
    if (info.name.find('\0') != std::string::npos)
      return unsupported(concat("npz cannot hold the name ", quoted(info.name), ", it has a NUL byte"));
  }
  std::optional<SparseTensor> root;
  FERRY_ASSIGN_OR_RETURN(const bool scipy, is_for_scipy(tensors, options, root));
  if (scipy) {
    for (const auto& [key, value] : tensors.tensors()[0].metadata) metadata.append(concat("/", key), value);
    FERRY_ASSIGN_OR_RETURN(const auto arrays, spell_scipy(*root));
    for (const SpelledArray& array : arrays) FERRY_RETURN_IF_ERROR(add(array));
  } else {
    for (size_t i = 0; i < tensors.tensors().size(); ++i) {
      FERRY_ASSIGN_OR_RETURN(const Tensor tensor, read_as_listed(tensors, i));
      FERRY_ASSIGN_OR_RETURN(const auto arrays, spell(tensors.tensors()[i], tensor, narrow, metadata));
      for (const SpelledArray& array : arrays) FERRY_RETURN_IF_ERROR(add(array));
    }
  }
  if (metadata.empty()) return zip.finish();
  FERRY_ASSIGN_OR_RETURN(const std::string json, metadata_to_json(metadata));
  if (json.size() <= kLongestComment) return zip.finish(json);
  FERRY_RETURN_IF_ERROR(zip.add(kMetadataMember, std::as_bytes(std::span(json)), method));
  return zip.finish();
}

constexpr std::string_view kExtensions[] = {".npz"};
constexpr OptionSpec kOptions[] = {
    {"compress", "true|false", "deflate the arrays, as numpy.savez_compressed does; without it they open as views"},
    {"scipy", "auto|true|false", "write one unnamed sparse tensor so that scipy.sparse.load_npz reads it (auto: where SciPy can)"},
    {"narrow", "true|false", "int32 indices for sparse tensors where they fit: smaller; COO is read back as int64"},
    npy::kVoidOption,
};

}  // namespace

extern const Format kFormat;
const Format kFormat = {
    .id = "npz",
    .summary = "NumPy's archive of named arrays, and SciPy's sparse matrices",
    .readers = "NumPy, SciPy",
    .extensions = kExtensions,
    .capabilities = {.kinds = KindSet::all(), .dtypes = DTypeSet::all(), .names = true, .metadata = true, .many = true, .streams = false},
    .options = kOptions,
    .sniff = sniff,
    .open = open,
    .write_from = write,
    .open_names = open_names,
};

}  // namespace ferry::npz
