/* statfs, which Glibc's Swift module leaves out. */
#pragma once
#include <stdint.h>
#include <sys/vfs.h>

/* The magic number of the file system that `path` is on; 0, with errno set, when it cannot be had. */
static inline uint32_t file_system_type(const char *path) {
    struct statfs status;
    return statfs(path, &status) == 0 ? (uint32_t)status.f_type : 0;
}
