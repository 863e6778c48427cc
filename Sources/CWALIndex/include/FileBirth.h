/* statx, which needs _GNU_SOURCE and which Glibc's Swift module therefore leaves out. */
#pragma once
#include <stdint.h>

/* When the file of `descriptor` was made, in nanoseconds since 1970; 0 where nobody knows. */
int64_t walindex_birth(int descriptor);
