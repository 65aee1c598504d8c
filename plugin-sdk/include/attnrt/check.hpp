// SPDX-License-Identifier: Apache-2.0
//
// attnrt/check.hpp: the contract of plugin.h as code. Every function looks at what one call was given and says what is
// wrong with it in one sentence: the thing, the value seen, the value wanted. The host calls these before a plugin is
// entered, plugin.hpp calls them again inside the plugin. Memory of a device is never read; on the CPU lengths, block
// ids and slots are checked too. Header-only, C++17. All functions are [thread-safe].
#ifndef ATTNRT_CHECK_HPP
#define ATTNRT_CHECK_HPP
#include "attnrt/accept.hpp"
#include "attnrt/check/batch.hpp"
#include "attnrt/check/gather.hpp"
#include "attnrt/check/limits.hpp"
#include "attnrt/check/merge.hpp"
#include "attnrt/check/problem.hpp"
#include "attnrt/check/run.hpp"
#include "attnrt/check/write.hpp"
#endif
