// The h5 format: HDF5 files of named datasets; Keras weights, AnnData.
#include <algorithm>

#include "formats/h5/h5.h"
#include "formats/h5/shards.h"

namespace ferry::h5 {
namespace {

Sniff sniff(std::span<const std::byte> head) { return has_signature(head) || looks_like_shards(head) ? Sniff::certain : Sniff::no; }

Result<std::unique_ptr<TensorReader>> open_any(std::shared_ptr<const ByteSource> source, const ReadOptions& options) {
  FERRY_ASSIGN_OR_RETURN(const Buffer head, source->view(0, std::min<uint64_t>(source->size(), 4096)));
  return looks_like_shards(head.bytes()) ? open_shards(std::move(source), options) : open(std::move(source), options);
}

bool asks_for_shards(std::string_view name, const FormatOptions&) { return name.ends_with(kShardsSuffix); }

constexpr std::string_view kExtensions[] = {".h5", ".hdf5", ".h5ad", ".hdf", ".loom", ".weights.json"};
constexpr OptionSpec kOptions[] = {
    {"shard_size", "SIZE", "of NAME.weights.json: files of at most this size (5G), as Keras's max_shard_size"}};

}  // namespace

extern const Format kFormat;
const Format kFormat = {
    .id = "h5",
    .summary = "HDF5: named arrays, Keras weights, AnnData's sparse matrices",
    .readers = "h5py, Keras, AnnData, MATLAB",
    .extensions = kExtensions,
    .capabilities = {.kinds = KindSet::all(),
                     .dtypes = DTypeSet::all(),
                     .names = true,
                     .metadata = true,
                     .many = true,
                     .streams = false,
                     .max_rank = 32},
    .options = kOptions,
    .sniff = sniff,
    .open = open_any,
    .write = write,
    .write_files = write_shards,
    .asks_for_files = asks_for_shards,
};

}  // namespace ferry::h5
