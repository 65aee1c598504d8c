// SPDX-License-Identifier: Apache-2.0
// All of Boost.JSON's definitions, in the one file that may hold them.
#include <boost/json/src.hpp>
