// The keras format: a .keras archive, which is config.json, metadata.json and model.weights.h5 in a zip. The weights are an HDF5
// file (formats/h5); the texts are metadata of the whole, under their own names.
#include "ferry/format.h"
#include "formats/h5/h5.h"
#include "io/zip.h"

namespace ferry::keras {
namespace {

constexpr std::string_view kWeights = "model.weights.h5", kConfig = "config.json", kAbout = "metadata.json";
constexpr uint64_t kMostText = 64 << 20;

// Keras writes metadata.json first.
Sniff sniff(std::span<const std::byte> head) {
  const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  if (text.size() < 30 || !text.starts_with("PK\3\4")) return Sniff::no;
  const auto size = static_cast<size_t>(static_cast<unsigned char>(text[26]) | static_cast<unsigned char>(text[27]) << 8);
  if (text.size() < 30 + size) return Sniff::no;
  const std::string_view name = text.substr(30, size);
  return name == kWeights ? Sniff::certain : name == kConfig || name == kAbout ? Sniff::likely : Sniff::no;
}

Result<std::unique_ptr<TensorReader>> open(std::shared_ptr<const ByteSource> source, const ReadOptions& options) {
  FERRY_ASSIGN_OR_RETURN(const ZipReader zip, ZipReader::open(source, options.limits));
  Metadata texts;
  const ZipMember* weights = nullptr;
  size_t at = 0;
  for (size_t i = 0; i < zip.members().size(); ++i) {
    const ZipMember& member = zip.members()[i];
    if (member.name == kWeights) {
      weights = &member;
      at = i;
    } else if ((member.name == kConfig || member.name == kAbout) && member.size <= kMostText) {
      FERRY_ASSIGN_OR_RETURN(const Buffer text, zip.read(i));
      texts.append(member.name, std::string(text.text()));
    } else if (member.name == "model.weights.json") {
      return unsupported("the weights lie in several files (model.weights.json), which is not read; save the model without max_shard_size");
    }
  }
  if (weights == nullptr) return data_loss(concat("is a zip archive without the member ", quoted(kWeights), ": no Keras 3 model"));
  std::shared_ptr<const ByteSource> h5;
  if (weights->method == ZipMethod::stored) {
    FERRY_ASSIGN_OR_RETURN(h5, sub_source(source, weights->data, weights->size, concat(source->name(), "!", kWeights)));
  } else {
    FERRY_ASSIGN_OR_RETURN(Buffer bytes, zip.read(at));
    h5 = memory_source(std::move(bytes), concat(source->name(), "!", kWeights));
  }
  auto reader = h5::open_with(std::move(h5), options, std::move(texts));
  if (!reader.ok()) return reader.status().nested(concat("member ", quoted(kWeights)));
  return reader;
}

// Weights for a model whose config came along: read from a .keras file, or set by the user.
Status write(const TensorMap& tensors, ByteSink& sink, const WriteOptions& options) {
  const std::string* config = tensors.metadata.find(kConfig);
  if (config == nullptr) {
    return unsupported(
        "a .keras file holds a model, and there is no metadata 'config.json' to say which; write the weights alone as NAME.weights.h5");
  }
  const std::string* about = tensors.metadata.find(kAbout);
  TensorMap weights = tensors;
  weights.metadata.erase(kConfig);
  weights.metadata.erase(kAbout);
  std::string h5;
  const auto memory = memory_sink(h5);
  FERRY_RETURN_IF_ERROR(h5::write(weights, *memory, options));
  FERRY_RETURN_IF_ERROR(memory->close());
  ZipWriter zip(sink);
  const auto add = [&](std::string_view name, std::string_view text) { return zip.add(name, std::as_bytes(std::span(text))); };
  FERRY_RETURN_IF_ERROR(add(kAbout, about != nullptr ? std::string_view(*about) : "{}"));
  FERRY_RETURN_IF_ERROR(add(kConfig, *config));
  FERRY_RETURN_IF_ERROR(add(kWeights, h5));
  return zip.finish();
}

constexpr std::string_view kExtensions[] = {".keras"};

}  // namespace

extern const Format kFormat;
const Format kFormat = {
    .id = "keras",
    .summary = "Keras 3 models: the weights, with config.json as metadata",
    .readers = "Keras 3",
    .extensions = kExtensions,
    .capabilities = {.kinds = KindSet::all(),
                     .dtypes = DTypeSet::all(),
                     .names = true,
                     .metadata = true,
                     .many = true,
                     .streams = false,
                     .max_rank = 32},
    .options = {},
    .sniff = sniff,
    .open = open,
    .write = write,
};

}  // namespace ferry::keras
