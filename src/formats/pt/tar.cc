// The tar archive of PyTorch before 0.1.12: "storages" (their number, then for each a pickle (key, location, class), the number of
// elements as int64, and the elements; then a pickled list of views), "tensors" (their number, then for each a pickle (key, storage,
// class), int32 axes, 4 bytes, sizes, strides and offset as int64), and "pickle", whose persistent ids are keys of both.
#include <algorithm>
#include <array>
#include <cstring>

#include "ferry/checked.h"
#include "formats/pt/container.h"

namespace ferry::pt {

namespace {

using pickle::Id;
using pickle::Kind;

constexpr uint64_t kBlock = 512;
constexpr std::array<std::string_view, 4> kMembers = {"storages", "tensors", "pickle", "sys_info"};

std::string_view name_of(std::span<const std::byte> block) {
  const auto* text = reinterpret_cast<const char*>(block.data());
  std::string_view name(text, strnlen(text, 100));
  if (name.starts_with("./")) name.remove_prefix(2);
  return name;
}

// Octal digits, or base 256 for large ones.
std::optional<uint64_t> size_of(std::span<const std::byte> block) {
  uint64_t size = 0;
  const auto field = block.subspan(124, 12);
  if (static_cast<uint8_t>(field[0]) & 0x80) {
    for (size_t i = 4; i < 12; ++i) size = size << 8 | static_cast<uint8_t>(field[i]);
    return size;
  }
  for (const std::byte byte : field) {
    const auto c = static_cast<char>(byte);
    if (c == ' ' || c == '\0') continue;
    if (c < '0' || c > '7') return std::nullopt;
    size = size << 3 | static_cast<uint64_t>(c - '0');
  }
  return size;
}

struct Span {
  uint64_t begin = 0, end = 0;
  bool there = false;
};

struct Members {
  Span storages, tensors, pickle;
};

Result<Members> find_members(std::span<const std::byte> file) {
  Members out;
  uint64_t at = 0;
  while (file.size() - at >= kBlock) {
    const auto block = file.subspan(at, kBlock);
    if (block[0] == std::byte{0}) break;  // two empty blocks end it
    const auto size = size_of(block);
    if (!size || *size > file.size() - at - kBlock) {
      return data_loss_at(at, concat("tar member ", quoted(name_of(block)), " is said to be longer than the file"));
    }
    const Span span{at + kBlock, at + kBlock + *size, true};
    const char type = static_cast<char>(block[156]);
    if (type == '0' || type == '\0') {
      const std::string_view name = name_of(block);
      for (auto [wanted, slot] : {std::pair{"storages", &out.storages}, {"tensors", &out.tensors}, {"pickle", &out.pickle}}) {
        if (name != wanted) continue;
        if (slot->there) return data_loss_at(at, concat("tar member ", quoted(name), " is there twice"));
        *slot = span;
      }
    }
    const uint64_t padded = (*size + kBlock - 1) / kBlock * kBlock;
    if (padded > file.size() - at - kBlock) break;
    at += kBlock + padded;
  }
  for (auto [name, span] : {std::pair{"storages", &out.storages}, {"tensors", &out.tensors}, {"pickle", &out.pickle}}) {
    if (!span->there) return data_loss(concat("is a tar archive without the member ", name, ": not a PyTorch checkpoint, or cut short"));
  }
  return out;
}

class Opener {
 public:
  Opener(Buffer file, const OpenSettings& settings) : file_(std::move(file)), settings_(settings) {}

  Result<Container> run() {
    FERRY_ASSIGN_OR_RETURN(const Members members, find_members(file_.bytes()));
    FERRY_RETURN_IF_ERROR(read_storages(members.storages));
    FERRY_RETURN_IF_ERROR(read_tensors(members.tensors));
    Pickle& pickle = out_.pickles.emplace_back();
    pickle.bytes = file_;
    at_ = members.pickle.begin;
    end_ = members.pickle.end;
    FERRY_ASSIGN_OR_RETURN(pickle.document, next("the pickle of the checkpoint"));
    const auto& document = pickle.document;
    for (Id id = 0; id < document.size(); ++id) {
      if (document.kind(id) != Kind::persistent) continue;
      const Id key_id = document.items(id)[0];
      if (document.kind(key_id) == Kind::tuple) {  // a class of modules and its source
        pickle.persistents.emplace(id, Persistent{});
        continue;
      }
      FERRY_ASSIGN_OR_RETURN(const std::string key, key_of(document, key_id));
      const auto found = objects_.find(key);
      if (found == objects_.end())
        return data_loss_at(document.offset(id), concat("the pickle speaks of the object ", quoted(key), ", which is not in the file"));
      pickle.persistents.emplace(id, found->second);
    }
    return std::move(out_);
  }

 private:
  Result<pickle::Document> next(std::string_view what) {
    auto document = read_pickle(file_.bytes().subspan(at_, end_ - at_), at_, settings_);
    if (!document.ok()) return document.status().with_context(what);
    at_ += document->bytes_read();
    return document;
  }
  template <class T>
  Result<T> number(std::string_view what) {
    T value;
    if (end_ - at_ < sizeof(T)) return data_loss_at(at_, concat("the archive's member ends inside ", what));
    std::memcpy(&value, file_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return value;
  }
  Result<uint64_t> count(std::string_view what) {
    FERRY_ASSIGN_OR_RETURN(const auto document, next(what));
    const Id root = document.root();
    if (document.kind(root) != Kind::integer || document.integer(root) < 0) return data_loss_at(at_, concat(what, " is no number"));
    const auto out = static_cast<uint64_t>(document.integer(root));
    if (out > settings_.limits.max_tensors)
      return limit_exceeded(concat(what, " is ", out, ", the limit is ", settings_.limits.max_tensors, " (max_tensors)"));
    return out;
  }

  Status read_storages(const Span& span) {
    at_ = span.begin;
    end_ = span.end;
    FERRY_ASSIGN_OR_RETURN(const uint64_t storages, count("the number of storages"));
    for (uint64_t i = 0; i < storages; ++i) {
      FERRY_ASSIGN_OR_RETURN(const auto head, next("a storage"));
      const auto items = head.kind(head.root()) == Kind::tuple ? head.items(head.root()) : std::span<const Id>();
      const ElementType* element = nullptr;
      if (items.size() == 3 && head.kind(items[2]) == Kind::global) {
        const Meaning& meant = meaning(head.global(items[2]).tag);
        if (meant.what == What::storage) element = meant.element;
      }
      if (element == nullptr) return data_loss_at(at_, "a storage is no (key, location, class)");
      FERRY_ASSIGN_OR_RETURN(std::string key, key_of(head, items[0]));
      FERRY_ASSIGN_OR_RETURN(const int64_t elements, number<int64_t>("a storage"));
      const auto bytes = elements < 0 ? std::nullopt : checked_mul<uint64_t>(static_cast<uint64_t>(elements), element->size);
      if (!bytes || *bytes > end_ - at_)
        return data_loss_at(at_, concat("the storage ", quoted(key), " of ", elements, " elements is longer than the file"));
      Persistent object;
      object.element = element;
      object.storage = out_.storages.size();
      object.bytes = *bytes;
      if (head.kind(items[1]) == Kind::text) object.location = head.text(items[1]);
      Storage& storage = out_.storages.emplace_back();
      storage.key = key;
      storage.bytes = *bytes;
      storage.offset = at_;
      at_ += *bytes;
      objects_.insert_or_assign(std::move(key), std::move(object));
    }
    FERRY_ASSIGN_OR_RETURN(const auto views, next("the views of storages"));
    if (views.kind(views.root()) != Kind::list) return data_loss_at(at_, "the views of storages are no list");
    for (const Id id : views.items(views.root())) {
      const auto items = views.kind(id) == Kind::tuple ? views.items(id) : std::span<const Id>();
      if (items.size() != 4 || views.kind(items[2]) != Kind::integer || views.kind(items[3]) != Kind::integer) {
        return data_loss_at(views.offset(id), "a view of a storage is no (key, storage, offset, elements)");
      }
      FERRY_ASSIGN_OR_RETURN(std::string key, key_of(views, items[0]));
      FERRY_ASSIGN_OR_RETURN(const std::string root_key, key_of(views, items[1]));
      const auto root = objects_.find(root_key);
      if (root == objects_.end())
        return data_loss_at(views.offset(id), concat("a view is of the storage ", quoted(root_key), ", which is not in the file"));
      Persistent view = root->second;
      const int64_t offset = views.integer(items[2]), elements = views.integer(items[3]);
      const auto held = static_cast<int64_t>(view.bytes / view.element->size);
      if (offset < 0 || elements < 0 || offset > held || elements > held - offset)
        return data_loss_at(views.offset(id), "a view of a storage lies outside it");
      view.begin += static_cast<uint64_t>(offset) * view.element->size;
      view.bytes = static_cast<uint64_t>(elements) * view.element->size;
      objects_.insert_or_assign(std::move(key), std::move(view));
    }
    return {};
  }

  Status read_tensors(const Span& span) {
    at_ = span.begin;
    end_ = span.end;
    FERRY_ASSIGN_OR_RETURN(const uint64_t tensors, count("the number of tensors"));
    for (uint64_t i = 0; i < tensors; ++i) {
      FERRY_ASSIGN_OR_RETURN(const auto head, next("a tensor"));
      const auto items = head.kind(head.root()) == Kind::tuple ? head.items(head.root()) : std::span<const Id>();
      if (items.size() != 3) return data_loss_at(at_, "a tensor is no (key, storage, class)");
      FERRY_ASSIGN_OR_RETURN(std::string key, key_of(head, items[0]));
      FERRY_ASSIGN_OR_RETURN(const std::string storage_key, key_of(head, items[1]));
      const auto storage = objects_.find(storage_key);
      if (storage == objects_.end() || storage->second.element == nullptr) {
        return data_loss_at(at_,
                            concat("the tensor ", quoted(key), " lies in the storage ", quoted(storage_key), ", which is not in the file"));
      }
      const uint64_t tensor_at = at_;
      FERRY_ASSIGN_OR_RETURN(const int32_t rank, number<int32_t>("a tensor"));
      FERRY_ASSIGN_OR_RETURN(const int32_t unused, number<int32_t>("a tensor"));
      (void)unused;  // the rank was once written as eight bytes
      if (rank < 0 || static_cast<uint64_t>(rank) > settings_.limits.max_rank)
        return data_loss_at(tensor_at, concat("a tensor of ", rank, " axes"));
      Strided view;
      std::vector<int64_t> dims(static_cast<size_t>(rank));
      view.strides.resize(dims.size());
      for (auto* list : {&dims, &view.strides}) {
        for (int64_t& value : *list) {
          FERRY_ASSIGN_OR_RETURN(value, number<int64_t>("a tensor"));
        }
      }
      FERRY_ASSIGN_OR_RETURN(view.offset, number<int64_t>("a tensor"));
      auto shape = Shape::checked(dims, settings_.limits);
      if (!shape.ok()) return Status(shape.status().code(), std::string(shape.status().message()), tensor_at);
      view.shape = *std::move(shape);
      view.element = storage->second.element;
      view.storage = storage->second.storage;
      view.begin = storage->second.begin;
      if (const Status status = check_reach(view, storage->second.bytes); !status.ok())
        return data_loss_at(tensor_at, std::string(status.message()));
      Persistent object;
      object.tensor = std::make_shared<const Description>(Description{std::move(view), {}, {}});
      objects_.insert_or_assign(std::move(key), std::move(object));
    }
    return {};
  }

  Buffer file_;
  const OpenSettings& settings_;
  uint64_t at_ = 0, end_ = 0;
  std::unordered_map<std::string, Persistent> objects_;
  Container out_;
};

}  // namespace

bool looks_like_tar(std::span<const std::byte> head) {
  if (head.size() < kBlock) return false;
  const bool ustar = std::memcmp(head.data() + 257, "ustar", 5) == 0;
  return (ustar || head[257] == std::byte{0}) && size_of(head) && std::ranges::find(kMembers, name_of(head)) != kMembers.end();
}

Result<Container> open_tar(std::shared_ptr<const ByteSource> source, const OpenSettings& settings) {
  FERRY_ASSIGN_OR_RETURN(Buffer file, source->view(0, source->size()));
  FERRY_ASSIGN_OR_RETURN(Container out, Opener(std::move(file), settings).run());
  out.bytes = bytes_of_file(std::move(source));
  return out;
}

}  // namespace ferry::pt
