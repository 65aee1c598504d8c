# SPDX-License-Identifier: Apache-2.0
#
# attnrt_add_plugin(NAME SOURCES file... [VERSION version] [LINK library...] [COMPILE_OPTIONS option...] [NO_INSTALL])
#
# Builds NAME.so, a plugin that keeps the laws of loading: it exports attnrt_plugin_query and nothing else, leaves no
# symbol unresolved, carries a build id and the attnrt ELF note. The build fails with a sentence where it does not.
#
#   VERSION          of the plugin, PROJECT_VERSION as a rule; at most 15 characters
#   LINK             libraries of the kernels' own; prefer static ones
#   COMPILE_OPTIONS  of all its sources; for one file use set_source_files_properties()
#   NO_INSTALL       build only; otherwise `cmake --install` puts it into <prefix>/lib/attnrt/plugins
#
# The sources see ATTNRT_PLUGIN_NAME and ATTNRT_PLUGIN_VERSION as string literals. Where the variable
# ATTNRT_PLUGIN_OUTPUT_DIRECTORY is set the .so is built there, else in the current binary folder.
include_guard(GLOBAL)

function(attnrt_add_plugin name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "NO_INSTALL" "VERSION" "SOURCES;LINK;COMPILE_OPTIONS")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "attnrt_add_plugin(${name}): '${arg_UNPARSED_ARGUMENTS}' is not understood, "
                        "wanted SOURCES, VERSION, LINK, COMPILE_OPTIONS or NO_INSTALL")
  endif()
  if(NOT arg_SOURCES)
    message(FATAL_ERROR "attnrt_add_plugin(${name}): no SOURCES, wanted at least one file")
  endif()
  if(NOT arg_VERSION)
    set(arg_VERSION ${PROJECT_VERSION})
  endif()
  string(LENGTH "${name}" name_length)
  string(LENGTH "${arg_VERSION}" version_length)
  if(NOT name MATCHES "^[a-z][a-z0-9_]*$" OR name_length GREATER 31)
    message(FATAL_ERROR "attnrt_add_plugin: the name is '${name}', wanted a-z, 0-9 and _, at most 31 characters")
  endif()
  if(version_length EQUAL 0 OR version_length GREATER 15)
    message(FATAL_ERROR "attnrt_add_plugin(${name}): the version is '${arg_VERSION}', wanted 1 to 15 characters")
  endif()

  add_library(${name} MODULE ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE attnrt::plugin_sdk ${arg_LINK})
  target_compile_features(${name} PRIVATE cxx_std_17)
  target_compile_options(${name} PRIVATE ${arg_COMPILE_OPTIONS})
  target_compile_definitions(${name} PRIVATE ATTNRT_PLUGIN_NAME="${name}" ATTNRT_PLUGIN_VERSION="${arg_VERSION}")
  set_target_properties(${name} PROPERTIES
    PREFIX "" SUFFIX ".so"
    POSITION_INDEPENDENT_CODE ON
    C_VISIBILITY_PRESET hidden
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON
    LINK_DEPENDS ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/plugin.map)
  if(ATTNRT_PLUGIN_OUTPUT_DIRECTORY)
    set_target_properties(${name} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${ATTNRT_PLUGIN_OUTPUT_DIRECTORY})
  endif()

  target_link_options(${name} PRIVATE
    LINKER:--version-script=${CMAKE_CURRENT_FUNCTION_LIST_DIR}/plugin.map LINKER:--build-id=sha1 LINKER:-z,relro LINKER:-z,now)
  # A sanitizer's functions may be the program's to give, so nothing can be demanded there.
  get_directory_property(directory_options COMPILE_OPTIONS)
  if(NOT "${CMAKE_CXX_FLAGS} ${directory_options} ${arg_COMPILE_OPTIONS}" MATCHES "-fsanitize=")
    target_link_options(${name} PRIVATE LINKER:-z,defs)
  endif()

  add_custom_command(TARGET ${name} POST_BUILD
    COMMAND ${CMAKE_COMMAND} -DPLUGIN=$<TARGET_FILE:${name}> -DNM=${CMAKE_NM} -DREADELF=${CMAKE_READELF}
            -P ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/check_plugin.cmake
    VERBATIM)

  if(NOT arg_NO_INSTALL)
    if(NOT CMAKE_INSTALL_LIBDIR)
      set(CMAKE_INSTALL_LIBDIR lib)
    endif()
    install(TARGETS ${name} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/attnrt/plugins COMPONENT plugins)
  endif()
endfunction()

# attnrt_add_conformance_test(NAME [BACKEND backend] [DEPTH quick|normal|all])
#
# Adds the CTest test NAME.conformance: the conformance kit on every variant of the plugin NAME that the machine can execute,
# or on those of one backend. The kit, attnrt::conformance, has the project's compiler and flags; a test of your own may link
# it, too. Building it takes longer than building most plugins, so that a plain build leaves it out: the test
# NAME.conformance_kit, which CTest runs first, builds it, and the target NAME_verify builds kit and plugin and runs the same
# check without CTest.
function(attnrt_add_conformance_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "BACKEND;DEPTH" "")
  if(arg_UNPARSED_ARGUMENTS OR NOT TARGET ${name})
    message(FATAL_ERROR "attnrt_add_conformance_test(${ARGV}): wanted the name of a plugin, then BACKEND or DEPTH")
  endif()
  if(NOT TARGET attnrt_conformance)
    set(kit ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/conformance)
    if(NOT EXISTS ${kit})
      set(kit ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../conformance)
    endif()
    add_subdirectory(${kit} ${CMAKE_BINARY_DIR}/attnrt_conformance EXCLUDE_FROM_ALL)
  endif()
  if(NOT arg_DEPTH)
    set(arg_DEPTH normal)
  endif()
  set(check attnrt_conformance_program $<TARGET_FILE:${name}> ${arg_DEPTH} ${arg_BACKEND})
  cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)
  add_test(NAME ${name}.conformance_kit
           COMMAND ${CMAKE_COMMAND} --build ${CMAKE_BINARY_DIR} --config $<CONFIG> --parallel ${cores}
                   --target attnrt_conformance_program)
  add_test(NAME ${name}.conformance COMMAND ${check})
  # Two plugins of one project must not build one kit at the same time.
  set_tests_properties(${name}.conformance_kit PROPERTIES FIXTURES_SETUP ${name}.conformance_kit
                                                          RESOURCE_LOCK attnrt_conformance_kit)
  set_tests_properties(${name}.conformance PROPERTIES FIXTURES_REQUIRED ${name}.conformance_kit)
  add_custom_target(${name}_verify COMMAND ${check} USES_TERMINAL VERBATIM)
  add_dependencies(${name}_verify attnrt_conformance_program ${name})
endfunction()
