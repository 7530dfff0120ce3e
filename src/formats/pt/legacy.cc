// The stream of PyTorch 0.1.12 to 1.5: pickles of a magic number, a version, facts about the writer's machine, the object and the keys
// of the storages; then for each key the number of elements as int64, and the elements. Always little-endian.
#include <cstring>

#include "ferry/checked.h"
#include "formats/pt/container.h"

namespace ferry::pt {
namespace {

// 0x1950a86a20f9469cfc6c
constexpr std::string_view kMagic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
constexpr std::string_view kMagicLine = "L119547037146038801333356L\n";
constexpr int64_t kVersion = 1001;

}  // namespace

bool looks_like_legacy(std::span<const std::byte> head) {
  std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  if (text.size() >= 2 && text[0] == '\x80') text.remove_prefix(2);                     // PROTO
  if (text.size() >= 9 && text[0] == '\x95') text.remove_prefix(9);                     // FRAME
  if (text.starts_with("\x8a\x0a") && text.substr(2).starts_with(kMagic)) return true;  // LONG1
  return text.starts_with(kMagicLine);
}

Result<Container> open_legacy(std::shared_ptr<const ByteSource> source, const OpenSettings& settings) {
  using pickle::Id;
  using pickle::Kind;
  FERRY_ASSIGN_OR_RETURN(const Buffer file, source->view(0, source->size()));
  uint64_t at = 0;
  const auto next = [&](std::string_view what) -> Result<pickle::Document> {
    auto document = read_pickle(file.bytes().subspan(at), at, settings);
    if (!document.ok()) return document.status().with_context(what);
    at += document->bytes_read();
    return document;
  };
  FERRY_ASSIGN_OR_RETURN(const auto magic, next("the magic number"));
  if (magic.kind(magic.root()) != Kind::big_integer || magic.text(magic.root()) != kMagic)
    return data_loss_at(0, "does not begin with PyTorch's magic number");
  FERRY_ASSIGN_OR_RETURN(const auto version, next("the version"));
  if (version.kind(version.root()) != Kind::integer || version.integer(version.root()) != kVersion) {
    return unsupported(concat("a checkpoint of another version than ", kVersion, "; load it in PyTorch and save it anew"));
  }
  FERRY_ASSIGN_OR_RETURN(const auto machine, next("the facts about the machine"));

  Container out;
  Pickle& pickle = out.pickles.emplace_back();
  pickle.bytes = file;
  FERRY_ASSIGN_OR_RETURN(pickle.document, next("the pickle of the checkpoint"));
  FERRY_ASSIGN_OR_RETURN(const auto keys, next("the keys of the storages"));
  if (keys.kind(keys.root()) != Kind::list) return data_loss_at(keys.offset(keys.root()), "the keys of the storages are no list");

  // Storages lie in the order of their keys; how wide their elements are is said where they are used.
  std::unordered_map<std::string, size_t> by_key;
  std::vector<std::pair<Id, StorageClaim>> claims;
  for (Id id = 0; id < pickle.document.size(); ++id) {
    if (pickle.document.kind(id) != Kind::persistent) continue;
    FERRY_ASSIGN_OR_RETURN(auto claim, read_claim(pickle.document, id));
    if (!claim) continue;
    const auto [it, fresh] = by_key.emplace(claim->key, out.storages.size());
    if (fresh) {
      Storage& storage = out.storages.emplace_back();
      storage.key = claim->key;
      storage.bytes = claim->bytes;
    } else if (out.storages[it->second].bytes != claim->bytes) {
      return data_loss_at(pickle.document.offset(id), concat("the storage ", quoted(claim->key), " has ", out.storages[it->second].bytes,
                                                             " bytes in one place and ", claim->bytes, " in another"));
    }
    claims.emplace_back(id, *std::move(claim));
  }
  std::unordered_map<std::string_view, uint64_t> widths;
  for (const auto& [id, claim] : claims) widths.emplace(claim.key, claim.element->size);
  for (const Id key_id : keys.items(keys.root())) {
    FERRY_ASSIGN_OR_RETURN(const std::string key, key_of(keys, key_id));
    const auto found = by_key.find(key);
    if (found == by_key.end())
      return data_loss_at(keys.offset(key_id),
                          concat("the storage ", quoted(key), " is announced and nowhere used, so its width is not known"));
    Storage& storage = out.storages[found->second];
    if (storage.offset) return data_loss_at(keys.offset(key_id), concat("the storage ", quoted(key), " is announced twice"));
    int64_t count;
    if (file.size() - at < sizeof(count)) return data_loss_at(at, concat("the file ends before the storage ", quoted(key)));
    std::memcpy(&count, file.data() + at, sizeof(count));
    const auto bytes = count < 0 ? std::nullopt : checked_mul<uint64_t>(static_cast<uint64_t>(count), widths.at(key));
    if (!bytes || *bytes != storage.bytes) {
      return data_loss_at(
          at, concat("the storage ", quoted(key), " begins with ", count, " elements, the pickle says ", storage.bytes / widths.at(key)));
    }
    at += sizeof(count);
    if (*bytes > file.size() - at) {
      return data_loss_at(at, concat("the storage ", quoted(key), " needs ", *bytes, " bytes, only ", file.size() - at, " remain"));
    }
    storage.offset = at;
    at += *bytes;
  }
  for (auto& [id, claim] : claims) {
    const size_t index = by_key.at(claim.key);
    if (!out.storages[index].offset && claim.bytes > 0) {
      return data_loss_at(pickle.document.offset(id), concat("the storage ", quoted(claim.key), " is used, and is not in the file"));
    }
    Persistent persistent{claim.element, index, 0, claim.bytes, claim.location, nullptr};
    if (claim.view) {
      persistent.begin = claim.view->begin;
      persistent.bytes = claim.view->bytes;
    }
    pickle.persistents.emplace(id, std::move(persistent));
  }
  out.bytes = bytes_of_file(std::move(source));
  return out;
}

}  // namespace ferry::pt
