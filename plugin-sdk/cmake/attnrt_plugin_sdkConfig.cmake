# SPDX-License-Identifier: Apache-2.0
# find_package(attnrt_plugin_sdk): the target attnrt::plugin_sdk and attnrt_add_plugin(), attnrt_add_conformance_test().
include(${CMAKE_CURRENT_LIST_DIR}/attnrt_plugin_sdkTargets.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/AttnrtPlugin.cmake)
