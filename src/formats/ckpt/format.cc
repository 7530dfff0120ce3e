// TensorFlow's checkpoints, by their index, prefix, folder, or any other file of theirs.
#include "ferry/format.h"
#include "formats/ckpt/bundle.h"
#include "formats/ckpt/lookup.h"
#include "formats/ckpt/saver_v1.h"
#include "formats/ckpt/state.h"
#include "formats/ckpt/write.h"
#include "formats/listed.h"
#include "io/file_set.h"
#include "tensor/part_words.h"

namespace ferry::ckpt {
namespace {

Sniff sniff(std::span<const std::byte> head) {
  const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  return text.starts_with(kStateStart) ? Sniff::certain : Sniff::no;
}

Sniff sniff_end(std::span<const std::byte> tail) { return ends_like_sorted_table(tail) ? Sniff::certain : Sniff::no; }

// A small index is read rather than mapped, which takes a tenth of the time.
Result<SortedTable> open_table(const ByteSource& source, const Limits& limits) {
  constexpr uint64_t kSmall = 16 << 10;
  if (source.size() > kSmall) {
    FERRY_ASSIGN_OR_RETURN(Buffer bytes, source.view(0, source.size()));
    return SortedTable::open(std::move(bytes), limits);
  }
  FERRY_ASSIGN_OR_RETURN(MutableBuffer bytes, MutableBuffer::allocate(source.size()));
  FERRY_RETURN_IF_ERROR(source.read_at(0, {bytes.data(), bytes.size()}));
  return SortedTable::open(std::move(bytes).freeze(), limits);
}

// A table with the first of its values; `source` is its file, that of the checkpoint that a state file names.
struct Opened {
  std::shared_ptr<const ByteSource> source;
  SortedTable table;
  Buffer header;
};
Result<Opened> open_index(std::shared_ptr<const ByteSource> source, const Limits& limits) {
  std::byte head[kStateStart.size()];
  if (source->size() >= sizeof head) {
    FERRY_RETURN_IF_ERROR(source->read_at(0, head));
    if (sniff(head) == Sniff::certain) {
      const auto folder = source->folder();
      if (folder == nullptr)
        return unsupported("the state file names a checkpoint beside it, and from a pipe or from memory nothing is beside it");
      FERRY_ASSIGN_OR_RETURN(source, open_state(*folder, *source));
    }
  }
  FERRY_ASSIGN_OR_RETURN(SortedTable table, open_table(*source, limits));
  FERRY_ASSIGN_OR_RETURN(auto header, table.find(""));
  if (!header) return data_loss("a table without the entry that would make it a checkpoint");
  return Opened{std::move(source), std::move(table), *std::move(header)};
}

// The other files of a sharded Saver V1, whose names end in -00000-of-00002.
Status open_siblings(const ByteSource& first, std::vector<SortedTable>& tables, const Limits& limits) {
  constexpr size_t kNumbers = 15;
  const auto folder = first.folder();
  const std::string_view name = last_part(first.name());
  if (folder == nullptr || name.size() <= kNumbers) return {};
  const std::string_view tail = name.substr(name.size() - kNumbers);
  const auto digits = [](std::string_view text) { return text.find_first_not_of("0123456789") == std::string_view::npos; };
  if (tail[0] != '-' || tail.substr(6, 4) != "-of-" || !digits(tail.substr(1, 5)) || !digits(tail.substr(10))) return {};
  const int shards = std::stoi(std::string(tail.substr(10)));
  for (int shard = 0; shard < shards; ++shard) {
    const std::string numbers = shard_numbers(shard, shards);
    if (tail == numbers) continue;
    const std::string sibling = concat(name.substr(0, name.size() - kNumbers), numbers);
    FERRY_ASSIGN_OR_RETURN(const auto source, folder->open(sibling));
    auto table = open_table(*source, limits);
    if (!table.ok()) return table.status().nested(quoted(sibling));
    tables.push_back(*std::move(table));
  }
  return {};
}

Result<std::unique_ptr<TensorReader>> open(std::shared_ptr<const ByteSource> source, const ReadOptions& options) {
  FERRY_ASSIGN_OR_RETURN(Opened index, open_index(std::move(source), options.limits));
  std::unique_ptr<ArrayReader> arrays;
  if (is_saver_v1(index.header.bytes())) {
    std::vector<SortedTable> tables;
    tables.push_back(std::move(index.table));
    FERRY_RETURN_IF_ERROR(open_siblings(*index.source, tables, options.limits));
    FERRY_ASSIGN_OR_RETURN(arrays, open_saver_v1(std::move(tables), options));
  } else {
    FERRY_ASSIGN_OR_RETURN(auto bundle, Bundle::open(std::move(index.source), std::move(index.table), index.header.bytes(), options));
    FERRY_ASSIGN_OR_RETURN(arrays, list_bundle(std::move(bundle), options.limits));
  }
  return reader_with_parts(std::move(arrays), options);
}

Sniff sniff_folder(const Folder& folder) { return may_hold(folder) ? Sniff::likely : Sniff::no; }

Result<std::unique_ptr<TensorReader>> open_folder(std::shared_ptr<const Folder> folder, const ReadOptions& options) {
  FERRY_ASSIGN_OR_RETURN(auto source, open_latest(*folder));
  return open(std::move(source), options);
}

// NAME or NAME.index gives NAME.data-00000-of-00001 and then NAME.index.
Status write_files(const TensorReader& tensors, FileSet& files, std::string_view name, const WriteOptions&) {
  if (name.ends_with(kIndexSuffix)) name.remove_suffix(kIndexSuffix.size());
  if (name.empty()) return invalid_argument("the path of a checkpoint ends in its name, a folder alone has none");
  FERRY_ASSIGN_OR_RETURN(ByteSink* const data, files.create(shard_name(name, 0, 1)));
  BundleWriter out(*data);
  // What is wrong with a name shows before the first byte.
  for (const TensorInfo& info : tensors.tensors()) {
    if (info.kind == TensorKind::dense) FERRY_RETURN_IF_ERROR(BundleWriter::check_name(info.name));
  }
  for (size_t i = 0; i < tensors.tensors().size(); ++i) {
    FERRY_ASSIGN_OR_RETURN(const Tensor tensor, read_as_listed(tensors, i));
    Metadata unused;  // layouts: only COO is written
    FERRY_ASSIGN_OR_RETURN(const auto arrays, spell_parts(tensors.tensors()[i].name, tensor, unused));
    for (const SpelledArray& array : arrays) FERRY_RETURN_IF_ERROR(out.add(array.name, array.array));
  }
  FERRY_ASSIGN_OR_RETURN(ByteSink* const index, files.create(concat(name, kIndexSuffix)));
  return index->write(std::move(out).finish());
}

constexpr KindSet kKinds{.dense = true, .coo = true, .csr = false, .csc = false, .ragged = true};
constexpr std::string_view kExtensions[] = {".index"};

}  // namespace

Result<std::unique_ptr<Lookup>> Lookup::open(const Place& place, const ReadOptions& options) {
  if (!options.parts.explicit_groups.empty()) return std::unique_ptr<Lookup>();
  std::shared_ptr<const ByteSource> source = place.source;
  if (source == nullptr) {
    FERRY_ASSIGN_OR_RETURN(source, open_latest(*place.folder));
  }
  FERRY_ASSIGN_OR_RETURN(Opened index, open_index(std::move(source), options.limits));
  if (is_saver_v1(index.header.bytes())) return std::unique_ptr<Lookup>();
  FERRY_ASSIGN_OR_RETURN(auto bundle, Bundle::open(std::move(index.source), std::move(index.table), index.header.bytes(), options));
  return std::unique_ptr<Lookup>(new Lookup(std::move(bundle), options.parts.enabled));
}

bool Lookup::is_listing_cheaper(uint64_t looks) const {
  constexpr uint64_t kEntryBytes = 48, kFew = 8;
  return looks > bundle_->table().file_bytes() / (kEntryBytes * kFew) + kFew;
}

Result<std::optional<DenseTensor>> Lookup::read(std::string_view name) const {
  constexpr auto kAskListing = std::nullopt;
  // The header's key, the slices' keys.
  if (name.empty() || is_slice_key(name) || (parts_ && may_be_part(name))) return std::optional<DenseTensor>(kAskListing);
  FERRY_ASSIGN_OR_RETURN(const auto entry, bundle_->find(name));
  // A group whose name an array has stays plain (Parts), so that what is found here is what the listing would give.
  if (!entry) return std::optional<DenseTensor>(kAskListing);
  const auto context = [&](const Status& status) { return status.with_context(concat("entry ", quoted(name))); };
  const auto dtype = Bundle::dtype_of(*entry);
  if (!dtype.ok()) return context(dtype.status());
  if (is_skipped(*dtype)) return std::optional<DenseTensor>(kAskListing);
  if (const Status status = bundle_->check(*entry, *dtype); !status.ok()) return context(status);
  FERRY_ASSIGN_OR_RETURN(DenseTensor tensor, bundle_->read(name, *entry, *dtype, bundle_->checks()));
  return std::optional(std::move(tensor));
}

extern const Format kFormat;
const Format kFormat = {
    .id = "ckpt",
    .summary = "TensorFlow's checkpoints: tensor bundles (Saver V2, tf.train.Checkpoint, a SavedModel's variables) and Saver V1",
    .readers = "TensorFlow, Keras",
    .extensions = kExtensions,
    .capabilities = {.kinds = kKinds, .dtypes = DTypeSet::all(), .names = true, .metadata = false, .many = true, .streams = false},
    .options = {},
    .sniff = sniff,
    .open = open,
    .sniff_folder = sniff_folder,
    .open_folder = open_folder,
    .sniff_end = sniff_end,
    .locate = locate,
    .write_files = write_files,
};

}  // namespace ferry::ckpt
