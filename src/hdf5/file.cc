#include "hdf5/file.h"

#include <algorithm>
#include <cstring>

namespace ferry::hdf5 {
namespace {

constexpr int kDepth = 200;

// libhdf5 asks for a copy of the image; it gets the image.
struct Image {
  const std::byte* data;
};
void* image_malloc(size_t, H5FD_file_image_op_t, void* udata) { return const_cast<std::byte*>(static_cast<Image*>(udata)->data); }
void* image_memcpy(void* to, const void*, size_t, H5FD_file_image_op_t, void*) { return to; }
void* image_realloc(void*, size_t, H5FD_file_image_op_t, void*) { return nullptr; }
herr_t image_free(void*, H5FD_file_image_op_t, void*) { return 0; }
void* image_udata_copy(void* udata) { return udata; }
herr_t image_udata_free(void*) { return 0; }

struct Link {
  std::string name;
  H5L_type_t type;
  haddr_t address;
};

struct Links {
  std::vector<Link> found;
  uint64_t most;
};

herr_t collect(hid_t, const char* name, const H5L_info_t* info, void* data) {
  auto& links = *static_cast<Links*>(data);
  if (links.found.size() >= links.most) return -1;
  links.found.push_back({name, info->type, info->type == H5L_TYPE_HARD ? info->u.address : HADDR_UNDEF});
  return 0;
}

std::string below(const std::string& path, const std::string& name) { return path.empty() ? name : path + "/" + name; }

herr_t innermost(unsigned, const H5E_error2_t* error, void* data) {
  if (error->desc != nullptr) *static_cast<std::string*>(data) = error->desc;
  return 0;
}

}  // namespace

std::string last_error() {
  std::string out;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, innermost, &out);
  H5Eclear2(H5E_DEFAULT);
  return out.empty() ? "no reason given" : out;
}

Problem File::open(const std::byte* image, size_t size) {
  static Image kept;  // libhdf5 keeps the pointer; there is one file at a time
  kept.data = image;
  const Handle access(H5Pcreate(H5P_FILE_ACCESS));
  H5Pset_fapl_core(access.get(), 64 << 10, 0);
  H5FD_file_image_callbacks_t callbacks{image_malloc, image_memcpy, image_realloc, image_free, image_udata_copy, image_udata_free, &kept};
  H5Pset_file_image_callbacks(access.get(), &callbacks);
  H5Pset_file_image(access.get(), const_cast<std::byte*>(image), size);
  H5Pset_fclose_degree(access.get(), H5F_CLOSE_STRONG);
  file_ = Handle(H5Fopen("image", H5F_ACC_RDONLY, access.get()));
  if (!file_) return {h5::ReplyStatus::data_loss, "libhdf5 cannot open it: " + last_error()};
  return {};
}

void File::skip(const std::string& path, std::string_view why) {
  objects_.push_back({});
  out_->byte(static_cast<uint8_t>(h5::ObjectKind::skipped));
  out_->text(path);
  out_->text(why);
}

Problem File::list(uint64_t max_objects, Output& out) {
  max_objects_ = max_objects;
  out_ = &out;
  objects_.clear();
  groups_.clear();
  problem_ = {};
  const size_t start = out.bytes().size();
  out.number(0);
  H5O_info_t info;
  if (H5Oget_info2(file_.get(), &info, H5O_INFO_BASIC) < 0)
    return {h5::ReplyStatus::data_loss, "the root group is damaged: " + last_error()};
  visit("", info.addr, 0);
  const uint64_t count = objects_.size();
  std::memcpy(out.bytes().data() + start, &count, 8);
  return problem_;
}

// Every object under each of its hard links; but a group only once, which ends cycles.
void File::visit(const std::string& path, haddr_t address, int depth) {
  if (objects_.size() >= max_objects_) {
    problem_ = {h5::ReplyStatus::limit_exceeded, "it has more than " + std::to_string(max_objects_) + " objects (max_tensors)"};
    return;
  }
  const Handle object(H5Oopen_by_addr(file_.get(), address));
  if (!object) {
    problem_ = {h5::ReplyStatus::data_loss, "the object '" + path + "' is damaged: " + last_error()};
    return;
  }
  switch (H5Iget_type(object.get())) {
    case H5I_GROUP:
      if (!groups_.insert(address).second) return;
      if (depth > kDepth) return skip(path, "groups nested deeper than 200");
      objects_.push_back({});
      out_->byte(static_cast<uint8_t>(h5::ObjectKind::group));
      out_->text(path);
      list_attributes(object.get(), *out_);
      return walk(object.get(), path, depth);
    case H5I_DATASET: return list_dataset(path, address, object.get());
    case H5I_DATATYPE: return;  // no data
    default: return skip(path, "an object of no known kind");
  }
}

void File::walk(hid_t group, const std::string& path, int depth) {
  // In the order of creation where the file keeps it, else by name.
  H5_index_t index = H5_INDEX_NAME;
  if (const Handle plist(H5Gget_create_plist(group)); plist) {
    unsigned order = 0;
    if (H5Pget_link_creation_order(plist.get(), &order) >= 0 && (order & H5P_CRT_ORDER_TRACKED) != 0) index = H5_INDEX_CRT_ORDER;
  }
  Links links{{}, max_objects_ + 1};
  hsize_t at = 0;
  if (H5Literate(group, index, H5_ITER_INC, &at, collect, &links) < 0) {
    problem_ = links.found.size() > max_objects_
                   ? Problem{h5::ReplyStatus::limit_exceeded, "it has more than " + std::to_string(max_objects_) + " objects (max_tensors)"}
                   : Problem{h5::ReplyStatus::data_loss, "the group '/" + path + "' is damaged: " + last_error()};
    return;
  }
  for (const Link& link : links.found) {
    const std::string name = below(path, link.name);
    if (link.type == H5L_TYPE_HARD) {
      visit(name, link.address, depth + 1);
    } else if (link.type != H5L_TYPE_SOFT) {  // what a soft link names is listed under its own name
      skip(name, "a link into another file, not followed");
    }
    if (!problem_.ok()) return;
  }
}

std::string File::obstacle_of(hid_t dataset, uint64_t bytes, bool exact, uint64_t& offset) const {
  const Handle plist(H5Dget_create_plist(dataset));
  if (!plist) return "its creation properties are damaged: " + last_error();
  const H5D_layout_t layout = H5Pget_layout(plist.get());
  if (layout == H5D_VIRTUAL) return "it is a virtual dataset, pieces of other datasets and files, which are not opened";
  if (H5Pget_external_count(plist.get()) > 0) return "its data lies in other files (external storage), which are not opened";
  const int filters = H5Pget_nfilters(plist.get());
  for (int i = 0; i < filters; ++i) {
    unsigned flags = 0, config = 0;
    size_t values = 0;
    char name[64] = "";
    const H5Z_filter_t id =
        H5Pget_filter2(plist.get(), static_cast<unsigned>(i), &flags, &values, nullptr, sizeof(name) - 1, name, &config);
    if (id >= 0 && H5Zfilter_avail(id) <= 0) {
      H5Eclear2(H5E_DEFAULT);
      return "its chunks went through the HDF5 filter '" + std::string(name) + "' (number " + std::to_string(id) +
             "), which ferry-hdf5 does not have; rewrite it with gzip (h5repack -f GZIP=4)";
    }
  }
  if (layout == H5D_CONTIGUOUS && exact && H5Dget_storage_size(dataset) == bytes) {
    const haddr_t address = H5Dget_offset(dataset);
    if (address != HADDR_UNDEF) offset = address;
  }
  return "";
}

void File::list_elements(const std::string& path, const Object& object, const Element& element, hid_t dataset, bool attributes) {
  const Handle space(H5Dget_space(dataset));
  const int rank = space ? H5Sget_simple_extent_ndims(space.get()) : -1;
  if (rank < 0 || rank > H5S_MAX_RANK) {
    problem_ = {h5::ReplyStatus::data_loss, "the dataset '" + path + "' has a damaged shape: " + last_error()};
    return;
  }
  std::vector<uint64_t> dims;
  hsize_t extent[H5S_MAX_RANK] = {};
  if (H5Sget_simple_extent_type(space.get()) == H5S_NULL) {
    dims = {0};
  } else {
    H5Sget_simple_extent_dims(space.get(), extent, nullptr);
    dims.assign(extent, extent + rank);
  }
  dims.insert(dims.end(), element.axes.begin(), element.axes.end());
  uint64_t bytes = element.size;
  for (uint64_t dim : dims) {
    if (__builtin_mul_overflow(bytes, dim, &bytes)) bytes = UINT64_MAX;
  }
  uint64_t offset = h5::kNowhere, values = 0;
  std::string obstacle = obstacle_of(dataset, bytes, element.exact && element.kind != h5::ElementKind::strings, offset);
  if (obstacle.empty() && element.kind == h5::ElementKind::rows && !count_row_values(dataset, element, values)) {
    obstacle = "its rows are damaged: " + last_error();
  }
  objects_.push_back(object);
  out_->byte(static_cast<uint8_t>(h5::ObjectKind::dataset));
  out_->text(path);
  out_->byte(static_cast<uint8_t>(element.kind));
  out_->byte(element.dtype);
  out_->byte(static_cast<uint8_t>(dims.size()));
  for (uint64_t dim : dims) out_->number(dim);
  out_->number(offset);
  out_->number(values);
  out_->text(obstacle);
  if (attributes) {
    list_attributes(dataset, *out_);
  } else {
    out_->count(0);
  }
}

void File::list_dataset(const std::string& path, haddr_t address, hid_t dataset) {
  const Handle type(H5Dget_type(dataset));
  if (!type) {
    problem_ = {h5::ReplyStatus::data_loss, "the dataset '" + path + "' has a damaged type: " + last_error()};
    return;
  }
  if (!is_record(type.get())) {
    const Element element = classify(type.get());
    if (!element.obstacle.empty()) return skip(path, element.obstacle);
    return list_elements(path, {address, ""}, element, dataset, true);
  }
  objects_.push_back({});
  out_->byte(static_cast<uint8_t>(h5::ObjectKind::group));
  out_->text(path);
  list_attributes(dataset, *out_);
  const int members = H5Tget_nmembers(type.get());
  for (int i = 0; i < members && problem_.ok(); ++i) {
    char* name = H5Tget_member_name(type.get(), static_cast<unsigned>(i));
    const std::string field = name == nullptr ? "" : name;
    H5free_memory(name);
    const Handle member(H5Tget_member_type(type.get(), static_cast<unsigned>(i)));
    Element element = classify(member.get());
    element.exact = false;  // strewn over the records
    if (!element.obstacle.empty()) {
      skip(below(path, field), element.obstacle);
    } else if (element.kind == h5::ElementKind::rows) {
      skip(below(path, field), "variable-length rows within records");
    } else {
      list_elements(below(path, field), {address, field}, element, dataset, false);
    }
  }
}

Problem File::read(uint64_t index, Destination& to) {
  if (index >= objects_.size() || objects_[index].address == HADDR_UNDEF) return {h5::ReplyStatus::data_loss, "there is no such dataset"};
  const Object& object = objects_[index];
  const Handle dataset(H5Oopen_by_addr(file_.get(), object.address));
  if (!dataset || H5Iget_type(dataset.get()) != H5I_DATASET) return {h5::ReplyStatus::data_loss, "it is damaged: " + last_error()};
  const Handle type(H5Dget_type(dataset.get()));
  if (!type) return {h5::ReplyStatus::data_loss, "its type is damaged: " + last_error()};
  if (object.field.empty()) {
    const Element element = classify(type.get());
    if (!element.obstacle.empty()) return {h5::ReplyStatus::unsupported, element.obstacle};
    return read_elements(dataset.get(), element, element.memory.get(), to);
  }
  const int at = H5Tget_member_index(type.get(), object.field.c_str());
  if (at < 0) return {h5::ReplyStatus::data_loss, "its type is damaged: " + last_error()};
  const Handle member(H5Tget_member_type(type.get(), static_cast<unsigned>(at)));
  const Element element = classify(member.get());
  if (!element.obstacle.empty()) return {h5::ReplyStatus::unsupported, element.obstacle};
  const Handle memory(H5Tcreate(H5T_COMPOUND, H5Tget_size(element.memory.get())));
  H5Tinsert(memory.get(), object.field.c_str(), 0, element.memory.get());
  return read_elements(dataset.get(), element, memory.get(), to);
}

}  // namespace ferry::hdf5
