# Install: headers, library, `find_package(TensorFerry)`, pkg-config, the programs.
include(CMakePackageConfigHelpers)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/ferry DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS ferry EXPORT TensorFerryTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT TensorFerryTargets NAMESPACE TensorFerry:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/TensorFerry)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/TensorFerryConfig.cmake.in ${PROJECT_BINARY_DIR}/TensorFerryConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/TensorFerry)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/TensorFerryConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/TensorFerryConfig.cmake ${PROJECT_BINARY_DIR}/TensorFerryConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/TensorFerry)
# From the .pc file back to the prefix, so that an installed tree can be moved.
file(RELATIVE_PATH FERRY_PC_TO_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(${PROJECT_SOURCE_DIR}/cmake/tensorferry.pc.in ${PROJECT_BINARY_DIR}/tensorferry.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/tensorferry.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
if(FERRY_CLI)
  install(TARGETS ferry_main RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  install(FILES ${PROJECT_BINARY_DIR}/bin/tensorferry ${PROJECT_BINARY_DIR}/bin/tensorflow_model_server DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
