# SPDX-License-Identifier: Apache-2.0
# Boost for our own use, without a Boost library at run time: Boost.JSON is compiled from its headers into one static,
# position-independent, hidden library (Debian's libboost_json.a is not position-independent, and its shared one would
# meet an engine's own), Boost.DLL is header-only over std::filesystem.
find_package(Boost 1.81 REQUIRED COMPONENTS headers)
find_package(Threads REQUIRED)

add_library(attnrt_boost STATIC ${CMAKE_CURRENT_LIST_DIR}/boost_json.cpp)
target_compile_definitions(attnrt_boost PUBLIC BOOST_DLL_USE_STD_FS BOOST_ALL_NO_LIB)
target_link_libraries(attnrt_boost PUBLIC Boost::headers ${CMAKE_DL_LIBS} Threads::Threads)
