// A zip archive: PREFIX/data.pkl, its storages as PREFIX/data/KEY. TorchScript adds PREFIX/constants.pkl and code, which is not read.
#include <algorithm>

#include "formats/pt/container.h"
#include "io/zip.h"

namespace ferry::pt {
namespace {

constexpr std::string_view kPickle = "data.pkl", kConstants = "constants.pkl";

Status in_member(const Status& status, const ZipMember& member) {
  const std::string context = concat("member ", quoted(member.name));
  // Bytes of a compressed member have no place of their own in the file.
  return member.method == ZipMethod::stored ? status.with_context(context) : status.nested(context);
}

class ZipBytes : public StorageBytes {
 public:
  explicit ZipBytes(std::shared_ptr<const ZipReader> zip) : zip_(std::move(zip)) {}
  Result<Buffer> read(const Storage& storage) const override {
    FERRY_ASSIGN_OR_RETURN(const Buffer bytes, zip_->read(storage.member));
    return bytes.slice(0, storage.bytes);
  }

 private:
  std::shared_ptr<const ZipReader> zip_;
};

// Members by name.
using Directory = std::unordered_map<std::string_view, size_t>;

class Opener {
 public:
  Opener(std::shared_ptr<const ZipReader> zip, const OpenSettings& settings) : zip_(std::move(zip)), settings_(settings) {
    for (size_t i = 0; i < zip_->members().size(); ++i) directory_.emplace(zip_->members()[i].name, i);
  }

  Result<Container> run() {
    FERRY_ASSIGN_OR_RETURN(const std::string root, find_root());
    if (const auto order = directory_.find(concat(root, "byteorder")); order != directory_.end()) {
      FERRY_ASSIGN_OR_RETURN(const Buffer text, zip_->head(order->second, 16));
      if (text.text() != "little" && text.text() != "big") {
        return data_loss(
            concat("member ", quoted(zip_->members()[order->second].name), " says ", quoted(text.text()), ", expected little or big"));
      }
      out_.big_endian = text.text() == "big";
    }
    FERRY_RETURN_IF_ERROR(add_pickle(directory_.at(concat(root, kPickle)), concat(root, "data/"), ""));
    if (const auto constants = directory_.find(concat(root, kConstants)); constants != directory_.end()) {
      FERRY_RETURN_IF_ERROR(add_pickle(constants->second, concat(root, "constants/"), "constants"));
    }
    out_.bytes = std::make_unique<ZipBytes>(zip_);
    out_.verify = [zip = zip_]() -> Status {
      for (size_t i = 0; i < zip->members().size(); ++i) FERRY_RETURN_IF_ERROR(zip->verify(i));
      return {};
    };
    return std::move(out_);
  }

 private:
  // The folder in which data.pkl lies, with its slash.
  Result<std::string> find_root() const {
    const ZipMember* found = nullptr;
    for (const ZipMember& member : zip_->members()) {
      if (!member.name.ends_with(kPickle)) continue;
      const std::string_view folder = std::string_view(member.name).substr(0, member.name.size() - kPickle.size());
      if (!folder.empty() && (folder.back() != '/' || folder.find('/') + 1 != folder.size())) continue;
      if (found != nullptr)
        return data_loss(concat("members ", quoted(found->name), " and ", quoted(member.name), ": expected one data.pkl"));
      found = &member;
    }
    if (found != nullptr) return found->name.substr(0, found->name.size() - kPickle.size());
    const bool script = std::ranges::any_of(zip_->members(), [](const ZipMember& member) { return member.name.ends_with("/model.json"); });
    if (script) return unsupported("TorchScript of before PyTorch 1.4 (model.json); load it with torch.jit.load and save it anew");
    return data_loss(concat("is a zip archive of ", zip_->members().size(), " members, none of them data.pkl: not a PyTorch checkpoint"));
  }

  Status add_pickle(size_t index, const std::string& folder, std::string_view prefix) {
    const ZipMember& member = zip_->members()[index];
    Pickle& pickle = out_.pickles.emplace_back();
    pickle.prefix = prefix;
    FERRY_ASSIGN_OR_RETURN(pickle.bytes, zip_->read(index));
    const bool stored = member.method == ZipMethod::stored;
    auto document = read_pickle(pickle.bytes.bytes(), stored ? member.data : 0, settings_);
    if (!document.ok()) return in_member(document.status(), member);
    pickle.document = *std::move(document);
    for (pickle::Id id = 0; id < pickle.document.size(); ++id) {
      if (pickle.document.kind(id) != pickle::Kind::persistent) continue;
      const auto persistent = resolve(pickle.document, id, folder);
      if (!persistent.ok()) return in_member(persistent.status(), member);
      pickle.persistents.emplace(id, *persistent);
    }
    return {};
  }

  Result<Persistent> resolve(const pickle::Document& document, pickle::Id id, const std::string& folder) {
    FERRY_ASSIGN_OR_RETURN(const auto claim, read_claim(document, id));
    Persistent out;
    if (!claim) return out;
    const std::string name = concat(folder, claim->key);
    const auto found = directory_.find(name);
    if (found == directory_.end()) {
      // An empty storage has no member in the files of some writers.
      if (claim->bytes > 0) {
        return data_loss_at(document.offset(id),
                            concat("the storage ", quoted(claim->key), " of ", claim->bytes, " bytes has no member ", quoted(name)));
      }
    } else if (const ZipMember& member = zip_->members()[found->second]; member.size < claim->bytes) {
      return data_loss_at(document.offset(id), concat("the storage ", quoted(claim->key), " is said to have ", claim->bytes,
                                                      " bytes, its member ", quoted(name), " has ", member.size));
    }
    const auto [it, fresh] = by_name_.emplace(name, out_.storages.size());
    if (fresh) {
      Storage& storage = out_.storages.emplace_back();
      storage.key = claim->key;
      if (found != directory_.end()) {
        const ZipMember& member = zip_->members()[found->second];
        storage.member = found->second;
        storage.bytes = member.size;
        storage.packed = member.method != ZipMethod::stored;
        if (!storage.packed) storage.offset = member.data;
      }
    }
    out.element = claim->element;
    out.storage = it->second;
    out.bytes = claim->bytes;
    out.location = claim->location;
    return out;
  }

  std::shared_ptr<const ZipReader> zip_;
  const OpenSettings& settings_;
  Directory directory_;
  std::unordered_map<std::string, size_t> by_name_;
  Container out_;
};

}  // namespace

bool looks_like_zip(std::span<const std::byte> head) {
  return std::string_view(reinterpret_cast<const char*>(head.data()), head.size()).starts_with("PK\3\4");
}

Result<Container> open_zip(std::shared_ptr<const ByteSource> source, const OpenSettings& settings) {
  FERRY_ASSIGN_OR_RETURN(ZipReader zip, ZipReader::open(std::move(source), settings.limits));
  return Opener(std::make_shared<const ZipReader>(std::move(zip)), settings).run();
}

}  // namespace ferry::pt
