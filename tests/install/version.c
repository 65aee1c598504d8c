/* SPDX-License-Identifier: Apache-2.0
 *
 * A program in C that is built with what pkg-config says and nothing else. */
#include <attnrt/attnrt.h>
#include <stdio.h>

int main(void) { return puts(attnrt_version()) < 0; }
