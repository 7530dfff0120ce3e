// Damaged checkpoints: what TensorFlow wrote, and variants of it (an index compressed with snappy, two data files), with bits flipped, cut,
// spliced, mixed with another checkpoint, and with entries changed under checksums that fit again.
//   ckpt_mutations [COUNT] [FIRST]     cases FIRST … FIRST + COUNT - 1; a case is its number, so that one can be run alone
// Nothing may crash or hang, and what is given as a tensor has to be one that somebody wrote: where no checksum was repaired, the original
// to the bit; where one was, elements that some checksum vouches for.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>

#include "ferry/checkpoint.h"
#include "ferry/crc32c.h"
#include "ferry/format.h"
#include "support/memory_folder.h"
#include "wire/protobuf.h"
#include "wire/sorted_table.h"

namespace ferry {
namespace {

namespace fs = std::filesystem;
using testing_support::MemoryFolder;
using Files = std::map<std::string, std::string, std::less<>>;
using Entries = std::vector<std::pair<std::string, std::string>>;

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 1) {}
  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  size_t below(size_t limit) { return limit == 0 ? 0 : static_cast<size_t>(next() % limit); }

 private:
  uint64_t state_;
};

std::string slurp(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// ---- Tables, made as they are asked for

std::string as_bytes(uint32_t value) { return {reinterpret_cast<const char*>(&value), 4}; }

// Valid snappy that compresses nothing: literals of up to 60 bytes.
std::string snappy_of(std::string_view text) {
  std::string out;
  proto::append_varint(out, text.size());
  while (!text.empty()) {
    const std::string_view piece = text.substr(0, 60);
    out += static_cast<char>((piece.size() - 1) << 2);
    out += piece;
    text.remove_prefix(piece.size());
  }
  return out;
}

struct TableStyle {
  bool snappy = false;
  size_t entries_a_block = 3;
};

std::string block_of(std::span<const std::pair<std::string, std::string>> entries) {
  std::string out, restarts;
  std::string_view last;
  for (size_t i = 0; i < entries.size(); ++i) {
    const auto& [key, value] = entries[i];
    size_t shared = 0;
    if (i % 2 == 0) {
      restarts += as_bytes(static_cast<uint32_t>(out.size()));
    } else {
      while (shared < std::min(last.size(), key.size()) && last[shared] == key[shared]) ++shared;
    }
    proto::append_varint(out, shared);
    proto::append_varint(out, key.size() - shared);
    proto::append_varint(out, value.size());
    out += key.substr(shared) + value;
    last = key;
  }
  if (restarts.empty()) restarts = as_bytes(0);
  return out + restarts + as_bytes(static_cast<uint32_t>(restarts.size() / 4));
}

// In any order, whatever the keys: the point is that the checksums fit.
std::string table_of(const Entries& entries, TableStyle style) {
  std::string file;
  const auto append = [&](std::string block) {
    std::string place;
    if (style.snappy) block = snappy_of(block);
    proto::append_varint(place, file.size());
    proto::append_varint(place, block.size());
    block += style.snappy ? '\1' : '\0';
    file += block + as_bytes(mask_crc(crc32c(std::as_bytes(std::span(block)))));
    return place;
  };
  Entries index;
  for (size_t i = 0; i < entries.size(); i += style.entries_a_block) {
    const size_t count = std::min(style.entries_a_block, entries.size() - i);
    index.emplace_back(entries[i + count - 1].first, append(block_of(std::span(entries).subspan(i, count))));
  }
  std::string footer = append(block_of({}));
  footer += append(block_of(index));
  footer.resize(40);
  const uint64_t magic = kSortedTableMagic;
  footer.append(reinterpret_cast<const char*>(&magic), 8);
  return file + footer;
}

Entries entries_of(const std::string& file) {
  Entries out;
  const auto table = SortedTable::open(*Buffer::copy_of(file));
  if (!table.ok()) std::abort();
  for (size_t i = 0; i < table->num_blocks(); ++i) {
    const auto block = table->block(i);
    for (BlockCursor in = table->entries(i, *block); in.next();) {
      out.emplace_back(in.key(), std::string(reinterpret_cast<const char*>(in.value().data()), in.value().size()));
    }
  }
  return out;
}

// ---- Checkpoints

struct Subject {
  std::string name, index;  // the file that is opened
  Files files;
  bool bundle = true;  // with entries in the index and crcs in them
  TableStyle style;
  Entries entries;
  std::map<std::string, Tensor, std::less<>> tensors;
  std::set<uint32_t> crcs;  // masked, of entries
};

ReadOptions reading() {
  ReadOptions options;
  options.parts.enabled = false;
  options.limits.max_tensor_bytes = 16 << 20;
  options.limits.max_tensors = 100'000;
  return options;
}

Result<std::unique_ptr<TensorReader>> open(const Files& files, const std::string& index, const ReadOptions& options = reading()) {
  const auto folder = std::make_shared<MemoryFolder>();
  folder->files = files;
  FERRY_ASSIGN_OR_RETURN(auto source, folder->open(index));
  return open_tensors(Place{std::move(source), nullptr}, find_format("ckpt"), options);
}

std::optional<uint32_t> crc_in(std::string_view entry) {
  std::optional<uint32_t> out;
  proto::Reader in(entry);
  while (in.next()) {
    if (in.tag() == proto::fixed32_tag(6)) {
      out = in.fixed32();
    } else {
      in.skip();
    }
  }
  return out;
}

Subject finished(Subject subject) {
  subject.entries = entries_of(subject.files.at(subject.index));
  const auto reader = open(subject.files, subject.index);
  if (!reader.ok()) std::fprintf(stderr, "%s: %s\n", subject.name.c_str(), reader.status().to_string().c_str()), std::abort();
  for (size_t i = 0; i < (*reader)->tensors().size(); ++i) {
    auto tensor = (*reader)->read(i);
    if (!tensor.ok()) std::abort();
    subject.tensors.emplace((*reader)->tensors()[i].name, *std::move(tensor));
  }
  for (const auto& [key, value] : subject.entries) {
    if (const auto crc = crc_in(value)) subject.crcs.insert(*crc);
  }
  return subject;
}

std::vector<Subject> subjects() {
  std::vector<Subject> out;
  const fs::path goldens = FERRY_GOLDENS;
  std::vector<fs::path> indexes;
  for (const auto& file : fs::recursive_directory_iterator(goldens / "ckpt" / "v2")) indexes.push_back(file.path());
  for (const auto& model : fs::directory_iterator(goldens / "model")) indexes.push_back(model.path() / "variables" / "variables.index");
  std::ranges::sort(indexes);
  for (const fs::path& index : indexes) {
    if (index.extension() != ".index" || !fs::exists(index)) continue;
    const std::string data = index.string().substr(0, index.string().size() - 6) + ".data-00000-of-00001";
    if (!fs::exists(data)) continue;
    const Files files = {{"m.index", slurp(index)}, {"m.data-00000-of-00001", slurp(data)}};
    Subject plain{.name = index.string(), .index = "m.index", .files = files, .style = {}, .entries = {}, .tensors = {}, .crcs = {}};
    out.push_back(finished(plain));
    // The same behind snappy, in blocks of two; and every other tensor in a second data file.
    Subject packed = plain;
    packed.name += " (snappy)";
    packed.style = {.snappy = true, .entries_a_block = 2};
    Entries entries = out.back().entries;
    packed.files["m.index"] = table_of(entries, packed.style);
    out.push_back(finished(packed));
    Subject two = plain;
    two.name += " (two data files)";
    for (size_t i = 0; i < entries.size(); ++i) {
      if (entries[i].first.empty()) {
        entries[i].second = std::string("\x08\x02\x1a\x02\x08\x01");
      } else if (i % 2 == 0) {
        entries[i].second += "\x18\x01";  // shard_id; the last one counts
      }
    }
    const std::string bytes = files.at("m.data-00000-of-00001");
    two.files = {{"m.index", table_of(entries, two.style)}, {"m.data-00000-of-00002", bytes}, {"m.data-00001-of-00002", bytes}};
    out.push_back(finished(two));
  }
  for (const char* name : {"few.ckpt", "pieces.ckpt"}) {
    Subject v1{.name = name,
               .index = name,
               .files = {{name, slurp(goldens / "ckpt" / name)}},
               .bundle = false,
               .style = {},
               .entries = {},
               .tensors = {},
               .crcs = {}};
    out.push_back(finished(v1));
  }
  return out;
}

// ---- Damage

std::string& any_file(Files& files, Random& random) {
  auto it = files.begin();
  std::advance(it, static_cast<ptrdiff_t>(random.below(files.size())));
  return it->second;
}

void flip(std::string& bytes, Random& random, size_t times) {
  for (size_t i = 0; i < times && !bytes.empty(); ++i) {
    char& byte = bytes[random.below(bytes.size())];
    byte = static_cast<char>(byte ^ (1 << random.below(8)));
  }
}

void splice(std::string& bytes, std::string_view other, Random& random) {
  if (other.empty()) return;
  const size_t from = random.below(other.size()), size = random.below(std::min<size_t>(other.size() - from, 64) + 1),
               at = random.below(bytes.size() + 1);
  const std::string piece(other.substr(from, size));
  bytes.replace(at, random.below(2) == 0 ? std::min(size, bytes.size() - at) : random.below(bytes.size() - at + 1), piece);
}

// A number that somebody might trust.
uint64_t any_number(Random& random) {
  constexpr uint64_t kNumbers[] = {
      0, 1, 2, 3, 7, 255, 1 << 20, uint64_t{1} << 31, uint64_t{1} << 32, (uint64_t{1} << 62) + 1, uint64_t{1} << 63, ~uint64_t{0}};
  return random.below(3) == 0 ? random.next() >> random.below(64) : kNumbers[random.below(std::size(kNumbers))];
}

// One varint of a message, wherever it is, becomes another.
void change_varint(std::string& bytes, Random& random) {
  if (bytes.empty()) return;
  const size_t at = random.below(bytes.size());
  size_t end = at;
  while (end < bytes.size() && (bytes[end] & 0x80) != 0) ++end;
  std::string number;
  proto::append_varint(number, any_number(random));
  bytes.replace(at, std::min(end + 1, bytes.size()) - at, number);
}

// The crc of the entries that a mutation set, which then vouch for their bytes.
struct Damage {
  Files files;
  bool checksums_stand = true;  // nothing was repaired: every tensor is the original
  std::set<uint32_t> crcs;
};

void change_entries(const Subject& subject, const Subject& other, Damage& damage, Random& random) {
  Entries entries = subject.entries;
  const size_t times = 1 + random.below(3);
  for (size_t k = 0; k < times && !entries.empty(); ++k) {
    const size_t i = random.below(entries.size());
    auto& [key, value] = entries[i];
    switch (random.below(8)) {
      case 0: flip(value, random, 1 + random.below(4)); break;
      case 1: change_varint(value, random); break;
      case 2: value.resize(random.below(value.size() + 1)); break;
      case 3: value += entries[random.below(entries.size())].second; break;  // fields twice: the last counts
      case 4: flip(key, random, 1 + random.below(2)); break;
      case 5: entries.erase(entries.begin() + static_cast<ptrdiff_t>(i)); break;
      case 6: entries.push_back(entries[random.below(entries.size())]); break;
      case 7: value = other.entries[random.below(other.entries.size())].second; break;
    }
  }
  if (random.below(4) != 0) std::ranges::stable_sort(entries);
  damage.files[subject.index] = table_of(entries, {.snappy = random.below(2) == 0, .entries_a_block = 1 + random.below(8)});
  damage.checksums_stand = false;
  damage.crcs = subject.crcs;
  damage.crcs.insert(other.crcs.begin(), other.crcs.end());
}

// Other elements, and an entry whose crc fits them.
void repair_data(const Subject& subject, Damage& damage, Random& random) {
  Entries entries = subject.entries;
  const size_t i = random.below(entries.size());
  proto::Reader in(entries[i].second);
  uint64_t offset = 0, size = 0;
  while (in.next()) {
    switch (in.tag()) {
      case proto::varint_tag(4): offset = in.varint(); break;
      case proto::varint_tag(5): size = in.varint(); break;
      default: in.skip();
    }
  }
  std::string crc_field;
  for (auto& [name, bytes] : damage.files) {
    if (name == subject.index || size == 0 || offset + size > bytes.size()) continue;
    std::string part = bytes.substr(offset, size);
    flip(part, random, 1 + random.below(8));
    bytes.replace(offset, size, part);
    const uint32_t crc = mask_crc(crc32c(std::as_bytes(std::span(part))));
    damage.crcs.insert(crc);
    crc_field = std::string("\x35") + as_bytes(crc);
  }
  entries[i].second += crc_field;
  damage.crcs.insert(subject.crcs.begin(), subject.crcs.end());
  damage.files[subject.index] = table_of(entries, subject.style);
  damage.checksums_stand = false;
}

Damage damaged(const Subject& subject, const Subject& other, Random& random) {
  Damage out;
  out.files = subject.files;
  switch (random.below(subject.bundle ? 8 : 4)) {
    case 0: flip(any_file(out.files, random), random, 1 + random.below(4)); break;
    case 1: {
      std::string& bytes = any_file(out.files, random);
      bytes.resize(random.below(bytes.size() + 1));
      break;
    }
    case 2: splice(any_file(out.files, random), any_file(out.files, random), random); break;
    case 3: {
      Files foreign = other.files;
      splice(any_file(out.files, random), any_file(foreign, random), random);
      break;
    }
    case 4: {  // data files of two checkpoints, or of one, in each other's place
      Files foreign = other.files;
      for (auto& [name, bytes] : out.files) {
        if (name != subject.index) bytes = any_file(foreign, random);
      }
      break;
    }
    case 5:
    case 6: change_entries(subject, other, out, random); break;
    case 7: repair_data(subject, out, random); break;
  }
  return out;
}

// ---- Judging

[[noreturn]] void complain(const Subject& subject, std::string_view tensor, const char* what) {
  std::fprintf(stderr, "%s: tensor '%.*s' %s\n", subject.name.c_str(), static_cast<int>(tensor.size()), tensor.data(), what);
  std::abort();
}

void judge(const Subject& subject, const Damage& damage, const TensorInfo& info, const Tensor& tensor) {
  if (!validate(tensor, Validation::bounds).ok()) complain(subject, info.name, "is out of bounds");
  if (damage.checksums_stand) {
    const auto it = subject.tensors.find(info.name);
    if (it == subject.tensors.end()) complain(subject, info.name, "was never written");
    if (!identical(tensor, it->second)) complain(subject, info.name, "is another one");
    return;
  }
  // Whole tensors of fixed-size elements: some entry's checksum is theirs.
  const auto& dense = std::get<DenseTensor>(tensor);
  if (!subject.bundle || dense.is_string() || info.metadata.find("slices") != nullptr) return;
  if (!damage.crcs.contains(mask_crc(crc32c(dense.buffer().bytes())))) {
    // An entry's own crc may have been changed to that of its bytes, by chance 1 in 2^32.
    complain(subject, info.name, "has elements that no checksum vouches for");
  }
}

size_t run(const Subject& subject, const Damage& damage) {
  size_t good = 0;
  const auto reader = open(damage.files, subject.index);
  if (!reader.ok()) {
    if (reader.status().code() == StatusCode::internal || reader.status().message().empty())
      complain(subject, "", "is refused without a sentence");
  } else {
    (void)(*reader)->verify();
    for (size_t i = 0; i < (*reader)->tensors().size(); ++i) {
      const auto tensor = (*reader)->read(i);
      if (!tensor.ok()) continue;
      ++good;
      judge(subject, damage, (*reader)->tensors()[i], *tensor);
    }
    if (const auto objects = read_object_graph(**reader); objects.ok()) {
      const ObjectGraph* const graph = objects->has_value() ? &**objects : nullptr;
      (void)describe_variables((*reader)->tensors(), graph);
      if (graph != nullptr) (void)check_objects(*graph, **reader);
    }
  }
  ReadOptions grouped = reading();
  grouped.parts.enabled = true;
  if (const auto logical = open(damage.files, subject.index, grouped); logical.ok()) {
    for (size_t i = 0; i < (*logical)->tensors().size(); ++i) (void)(*logical)->read(i);
  }
  // By key, without a listing.
  const auto folder = std::make_shared<MemoryFolder>();
  folder->files = damage.files;
  const auto checkpoint = Checkpoint::open(Place{*folder->open(subject.index), nullptr}, find_format("ckpt"), reading());
  for (const auto& [name, original] : subject.tensors) {
    if (!checkpoint.ok()) break;
    const auto tensor = checkpoint->read(name);
    if (!tensor.ok() || !tensor->has_value() || !damage.checksums_stand) continue;
    if (!identical(**tensor, original)) complain(subject, name, "read by its key is another one");
  }
  return good;
}

}  // namespace
}  // namespace ferry

int main(int count, char** words) {
  using namespace ferry;
  const uint64_t cases = count > 1 ? std::strtoull(words[1], nullptr, 10) : 2000,
                 first = count > 2 ? std::strtoull(words[2], nullptr, 10) : 1;
  const auto all = subjects();
  size_t given = 0, refused = 0;
  for (uint64_t number = first; number < first + cases; ++number) {
    Random random(number);
    const Subject& subject = all[random.below(all.size())];
    const Subject& other = all[random.below(all.size())];
    // Told beforehand: what crashes cannot say which it was.
    if (cases == 1) std::printf("%s, with %s\n", subject.name.c_str(), other.name.c_str());
    static uint64_t current;
    current = number;
    std::signal(SIGABRT, [](int) {
      std::fprintf(stderr, "case %llu\n", static_cast<unsigned long long>(current));
      std::signal(SIGABRT, SIG_DFL);
      std::abort();
    });
    const size_t good = run(subject, damaged(subject, other, random));
    given += good;
    refused += good == 0;
  }
  std::printf("%llu mutations of %zu checkpoints: %zu tensors given, all of them right; %zu gave none\n",
              static_cast<unsigned long long>(cases), all.size(), given, refused);
  return 0;
}
