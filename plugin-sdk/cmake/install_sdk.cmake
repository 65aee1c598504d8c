# SPDX-License-Identifier: Apache-2.0
# Installs the SDK (component sdk): headers, the package attnrt_plugin_sdk, the conformance kit, the templates.
include(CMakePackageConfigHelpers)

set(sdk_package ${CMAKE_INSTALL_DATADIR}/attnrt_plugin_sdk)
write_basic_package_version_file(
  ${CMAKE_CURRENT_BINARY_DIR}/attnrt_plugin_sdkConfigVersion.cmake COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)

install(DIRECTORY include/attnrt DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT sdk)
install(TARGETS attnrt_plugin_sdk EXPORT attnrt_plugin_sdkTargets COMPONENT sdk)
install(EXPORT attnrt_plugin_sdkTargets NAMESPACE attnrt:: DESTINATION ${sdk_package} COMPONENT sdk)
install(FILES cmake/attnrt_plugin_sdkConfig.cmake cmake/AttnrtPlugin.cmake cmake/plugin.map cmake/check_plugin.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/attnrt_plugin_sdkConfigVersion.cmake
        DESTINATION ${sdk_package} COMPONENT sdk)
install(DIRECTORY conformance DESTINATION ${sdk_package} COMPONENT sdk)
install(DIRECTORY template template-gpu DESTINATION ${CMAKE_INSTALL_DATADIR}/attnrt COMPONENT sdk)
install(FILES examples/minimal.c DESTINATION ${CMAKE_INSTALL_DATADIR}/attnrt/examples COMPONENT sdk)
install(FILES README.md DESTINATION ${sdk_package} COMPONENT sdk)

# For build systems other than CMake: where the headers, the version script and the check after linking are.
cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX BASE_DIRECTORY ${CMAKE_INSTALL_FULL_DATADIR}/pkgconfig
           OUTPUT_VARIABLE ATTNRT_PREFIX_FROM_PC)
configure_file(cmake/attnrt-plugin-sdk.pc.in attnrt-plugin-sdk.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/attnrt-plugin-sdk.pc DESTINATION ${CMAKE_INSTALL_DATADIR}/pkgconfig
        COMPONENT sdk)
