# ferry_protos(name): our .proto files compiled by libprotobuf, the peer of benchmarks and fuzz targets; the library has no use for it.
function(ferry_protos name)
  find_package(Protobuf REQUIRED)
  foreach(proto tensor example)
    set(files ${CMAKE_CURRENT_BINARY_DIR}/${proto}.pb.cc ${CMAKE_CURRENT_BINARY_DIR}/${proto}.pb.h)
    add_custom_command(OUTPUT ${files} DEPENDS ${PROJECT_SOURCE_DIR}/proto/${proto}.proto
      COMMAND protobuf::protoc --proto_path=${PROJECT_SOURCE_DIR}/proto --cpp_out=${CMAKE_CURRENT_BINARY_DIR} ${proto}.proto)
    list(APPEND generated ${files})
  endforeach()
  add_library(${name} STATIC ${generated})
  target_link_libraries(${name} PUBLIC protobuf::libprotobuf)
  target_include_directories(${name} PUBLIC ${CMAKE_CURRENT_BINARY_DIR})
endfunction()
