#include "formats/pt/container.h"

#include "ferry/checked.h"

namespace ferry::pt {

using pickle::Id;
using pickle::Kind;

namespace {

class FileBytes : public StorageBytes {
 public:
  explicit FileBytes(std::shared_ptr<const ByteSource> source) : source_(std::move(source)) {}
  Result<Buffer> read(const Storage& storage) const override { return source_->view(storage.offset.value_or(0), storage.bytes); }

 private:
  std::shared_ptr<const ByteSource> source_;
};

}  // namespace

std::unique_ptr<StorageBytes> bytes_of_file(std::shared_ptr<const ByteSource> source) {
  return std::make_unique<FileBytes>(std::move(source));
}

Result<pickle::Document> read_pickle(std::span<const std::byte> bytes, uint64_t base, const OpenSettings& settings) {
  pickle::Options options;
  options.limits = settings.limits;
  options.base = base;
  options.resolve = resolver(settings.opaque);
  return pickle::read(bytes, options);
}

Result<std::string> key_of(const pickle::Document& document, Id id) {
  switch (document.kind(id)) {
    case Kind::text:
    case Kind::bytes: return std::string(document.text(id));
    case Kind::integer: return concat(document.integer(id));
    default:
      return data_loss_at(document.offset(id),
                          concat("the key of a storage is ", kind_name(document.kind(id)), ", expected a string or a number"));
  }
}

Result<std::optional<StorageClaim>> read_claim(const pickle::Document& document, Id persistent) {
  const auto bad = [&](std::string message) { return data_loss_at(document.offset(persistent), std::move(message)); };
  const Id id = document.items(persistent)[0];
  if (document.kind(id) != Kind::tuple || document.items(id).empty()) return bad("a persistent id is no tuple that begins with 'storage'");
  const auto items = document.items(id);
  const bool named = document.kind(items[0]) == Kind::text || document.kind(items[0]) == Kind::bytes;
  const std::string_view what = named ? document.text(items[0]) : std::string_view();
  if (what == "module") return std::optional<StorageClaim>();
  if (what != "storage" || items.size() < 5)
    return bad(concat("a persistent id begins with ", quoted(what), ", expected ('storage', class, key, location, size)"));
  StorageClaim out;
  if (document.kind(items[1]) == Kind::global)
    out.element = meaning(document.global(items[1]).tag).what == What::storage ? meaning(document.global(items[1]).tag).element : nullptr;
  if (out.element == nullptr) return bad("the class of a storage is none of PyTorch's");
  FERRY_ASSIGN_OR_RETURN(out.key, key_of(document, items[2]));
  if (document.kind(items[3]) == Kind::text || document.kind(items[3]) == Kind::bytes) out.location = document.text(items[3]);
  const auto bytes_of = [&](Id count) -> std::optional<uint64_t> {
    if (document.kind(count) != Kind::integer || document.integer(count) < 0) return std::nullopt;
    return checked_mul<uint64_t>(static_cast<uint64_t>(document.integer(count)), out.element->size);
  };
  const auto bytes = bytes_of(items[4]);
  if (!bytes) return bad("the size of a storage is no number of elements");
  out.bytes = *bytes;
  if (items.size() > 5 && document.kind(items[5]) == Kind::tuple) {
    const auto view = document.items(items[5]);
    const auto begin = view.size() == 3 ? bytes_of(view[1]) : std::nullopt, size = view.size() == 3 ? bytes_of(view[2]) : std::nullopt;
    if (!begin || !size || *begin > out.bytes || *size > out.bytes - *begin) return bad("a view of a storage lies outside it");
    FERRY_ASSIGN_OR_RETURN(std::string key, key_of(document, view[0]));
    out.view = StorageClaim::View{std::move(key), *begin, *size};
  }
  return std::optional(std::move(out));
}

}  // namespace ferry::pt
