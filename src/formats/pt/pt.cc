// The format `pt`: PyTorch checkpoints, read only. docs/formats/pt.md
#include <algorithm>

#include "formats/pt/container.h"
#include "formats/pt/tree.h"

namespace ferry::pt {
namespace {

constexpr std::string_view kExtensions[] = {".pt", ".pth", ".pt.tar", ".pth.tar", ".ptl"};
constexpr OptionSpec kOptions[] = {
    {"objects", "refuse|opaque",
     "a class that is neither a tensor nor plain data: refuse the file, or read the tensors in its fields (nothing is run)"},
};

// Thread-safe: nothing changes after start().
class Reader : public TensorReader {
 public:
  Reader(Container container, Contents contents) : container_(std::move(container)), contents_(std::move(contents)) {}

  Status start(const Limits& limits, uint64_t file_size) {
    Tree tree;
    for (const Pickle& pickle : container_.pickles) {
      // A TorchScript without constants keeps an empty tuple of them.
      const auto& document = pickle.document;
      if (!pickle.prefix.empty() && document.kind(document.root()) == pickle::Kind::tuple && document.items(document.root()).empty())
        continue;
      const Interpreter interpreter(document, pickle.persistents, limits);
      FERRY_RETURN_IF_ERROR(list_tensors(document, interpreter, limits, document.bytes_read(), pickle.prefix, tree));
    }
    uint64_t made = 0;
    for (Entry& entry : tree.entries) {
      // A view of stride 0 can be any size, and one array be listed under many names: all that reading makes is held to one measure.
      if (__builtin_add_overflow(made, contents_.made(*entry.description), &made)) made = UINT64_MAX;
      if (made > limits.free_expanded_bytes && made / limits.max_expansion_ratio > file_size) {
        return limit_exceeded(concat("a file of ", file_size, " bytes stands for tensors of ", made, " and more; past ",
                                     limits.free_expanded_bytes, " bytes, more than ", limits.max_expansion_ratio,
                                     " times the file is refused (max_expansion_ratio)"));
      }
      auto info = contents_.inspect(*entry.description);
      if (!info.ok()) return info.status().with_context(concat("tensor ", quoted(entry.name)));
      info->name = std::move(entry.name);
      infos_.push_back(*std::move(info));
      tensors_.push_back(std::move(entry.description));
    }
    metadata_ = std::move(tree.metadata);
    return {};
  }

  std::span<const TensorInfo> tensors() const override { return infos_; }
  const Metadata& metadata() const override { return metadata_; }
  Result<Tensor> read(size_t i) const override {
    auto tensor = contents_.read(*tensors_[i]);
    if (!tensor.ok()) return tensor.status().with_context(concat("tensor ", quoted(infos_[i].name)));
    return tensor;
  }
  Status verify() const override {
    if (container_.verify) FERRY_RETURN_IF_ERROR(container_.verify());
    return TensorReader::verify();
  }

 private:
  Container container_;
  Contents contents_;
  std::vector<TensorInfo> infos_;
  std::vector<DescriptionPtr> tensors_;
  Metadata metadata_;
};

Sniff sniff(std::span<const std::byte> head) {
  if (looks_like_legacy(head)) return Sniff::certain;
  if (looks_like_tar(head)) return Sniff::certain;
  const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  if (!looks_like_zip(head) || text.size() < 30) return Sniff::no;
  // The first member of what PyTorch writes: PREFIX/data.pkl, for TorchScript also version, data/0, constants.pkl or code.
  const auto size = [&](size_t at) {
    return static_cast<size_t>(static_cast<uint8_t>(text[at]) | static_cast<uint8_t>(text[at + 1]) << 8);
  };
  const std::string_view name = text.substr(30, size(26));
  const std::string_view extra = text.substr(std::min(text.size(), 30 + size(26)), size(28));
  const size_t slash = name.find('/');
  const std::string_view rest = slash == std::string_view::npos ? name : name.substr(slash + 1);
  if (rest == "data.pkl" || rest == "constants.pkl") return Sniff::certain;
  // It aligns members with an extra field of its own, "FB".
  return slash != std::string_view::npos && extra.starts_with("FB") ? Sniff::certain : Sniff::no;
}

Result<std::unique_ptr<TensorReader>> open(std::shared_ptr<const ByteSource> source, const ReadOptions& options) {
  OpenSettings settings{options.limits, false};
  const std::string_view objects = options.format.get("objects", "refuse");
  if (objects != "refuse" && objects != "opaque")
    return invalid_argument(concat("option objects is ", quoted(objects), ", expected refuse or opaque"));
  settings.opaque = objects == "opaque";
  FERRY_ASSIGN_OR_RETURN(const Buffer head, source->view(0, std::min<uint64_t>(source->size(), 512)));
  const bool in_memory = source->in_memory();
  const uint64_t size = source->size();
  FERRY_ASSIGN_OR_RETURN(Container container, [&]() -> Result<Container> {
    if (looks_like_zip(head.bytes())) return open_zip(std::move(source), settings);
    if (looks_like_tar(head.bytes())) return open_tar(std::move(source), settings);
    if (looks_like_legacy(head.bytes())) return open_legacy(std::move(source), settings);
    return data_loss_at(
        0, "is none of the files that torch.save writes: a zip archive, a stream that begins with its magic number, a tar archive");
  }());
  Contents contents(std::move(container.storages), std::move(container.bytes), container.big_endian, in_memory, options);
  auto reader = std::make_unique<Reader>(std::move(container), std::move(contents));
  FERRY_RETURN_IF_ERROR(reader->start(options.limits, size));
  return std::unique_ptr<TensorReader>(std::move(reader));
}

}  // namespace

extern const Format kFormat;
const Format kFormat = {
    .id = "pt",
    .summary = "PyTorch checkpoints: torch.save of any version and TorchScript, read without running anything",
    .readers = "PyTorch",
    .extensions = kExtensions,
    .capabilities = {.kinds = KindSet::all(), .dtypes = DTypeSet::all(), .names = true, .metadata = true, .many = true, .streams = false},
    .options = kOptions,
    .sniff = sniff,
    .open = open,
    .write = nullptr,
};

}  // namespace ferry::pt
