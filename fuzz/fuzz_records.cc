// Any bytes as a file of records: memory and stream are read alike, salvage keeps what strict reading finds and more, its regions and
// records cover the stream without overlapping, and no index leads out of its file. The first byte says how much of the rest is the
// index.
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "ferry/records.h"
#include "records/tfrecord.h"

namespace {

using namespace ferry;

class Dribble : public ByteStream {
 public:
  explicit Dribble(std::span<const std::byte> bytes) : bytes_(bytes) {}
  Result<size_t> read(std::span<std::byte> out) override {
    const size_t size = std::min({out.size(), size_t{61}, bytes_.size() - at_});
    if (size > 0) std::memcpy(out.data(), bytes_.data() + at_, size);
    at_ += size;
    return size;
  }

 private:
  std::span<const std::byte> bytes_;
  size_t at_ = 0;
};

struct Found {
  std::vector<std::string> records;
  std::vector<std::pair<uint64_t, uint64_t>> regions;
  bool good = false;
};

void require(bool condition) {
  if (!condition) std::abort();
}

Found read_all(Result<RecordReader> opened) {
  Found out;
  if (!opened.ok()) return out;
  uint64_t behind = 0;
  while (opened->next()) {
    require(opened->offset() >= behind);
    behind = opened->offset() + opened->record().size() + records::kFrameBytes;
    require(opened->place().offset == behind);
    out.records.emplace_back(opened->text());
  }
  out.good = opened->status().ok();
  require(!opened->next());
  return out;
}

RecordReadOptions options_with(std::vector<std::pair<uint64_t, uint64_t>>* regions) {
  RecordReadOptions options;
  options.max_record_bytes = 1 << 20;
  options.limits.free_expanded_bytes = 1 << 22;
  options.limits.max_expanded_bytes = 1 << 24;
  if (regions != nullptr) {
    options.on_damage = [regions](const SkippedRegion& region) {
      require(region.begin <= region.end && !region.reason.ok());
      require(regions->empty() || regions->back().second <= region.begin);
      regions->emplace_back(region.begin, region.end);
      return true;
    };
  }
  return options;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::span<const std::byte> rest(reinterpret_cast<const std::byte*>(data + 1), size - 1);
  const auto index = rest.first(std::min<size_t>(rest.size(), data[0]));
  const auto file = rest.subspan(index.size());
  const auto source = memory_source(*Buffer::copy_of(file));

  std::vector<std::pair<uint64_t, uint64_t>> in_memory, in_stream;
  const Found strict = read_all(RecordReader::over(source, options_with(nullptr)));
  const Found a = read_all(RecordReader::over(source, options_with(&in_memory)));
  const Found b = read_all(RecordReader::over(std::make_unique<Dribble>(file), "x", options_with(&in_stream)));
  require(a.records.size() >= strict.records.size());
  for (size_t i = 0; i < strict.records.size(); ++i) require(a.records[i] == strict.records[i]);
  require(!strict.good || (in_memory.empty() && a.records.size() == strict.records.size()));
  if (record_compression_of(file.first(std::min<size_t>(file.size(), 64))) == RecordCompression::none) {
    require(a.records == b.records && in_memory == in_stream);
    require(a.good && b.good);
    uint64_t covered = 0;
    for (const std::string& record : a.records) covered += record.size() + records::kFrameBytes;
    for (const auto& [begin, end] : in_memory) covered += end - begin;
    require(covered == file.size());
    RecordIndexOptions options;
    options.on_damage = [](const SkippedRegion&) { return true; };
    options.verify = true;
    options.max_record_bytes = 1 << 20;
    const auto built = RecordIndex::build(source, options);
    require(built.ok() && built->size() == a.records.size());
    for (const auto spelling : {RecordIndex::Spelling::ours, RecordIndex::Spelling::lines}) {
      std::string bytes;
      require(built->write(*memory_sink(bytes), spelling).ok());
      const auto again = RecordIndex::parse(source, *Buffer::copy_of(bytes));
      // Lines cannot say that there is damage behind the last record.
      if (!again.ok()) require(spelling == RecordIndex::Spelling::lines);
      for (uint64_t i = 0; again.ok() && i < again->size(); ++i) require(again->read(i)->text() == a.records[i]);
    }
  }
  const auto parsed = RecordIndex::parse(source, *Buffer::copy_of(index));
  for (uint64_t i = 0; parsed.ok() && i < parsed->size(); ++i) (void)parsed->read(i);
  return 0;
}
