#include "Checksum.h"

#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>

int checksum_is_supported(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("sse4.2") != 0;
}

#define HARDWARE __attribute__((target("sse4.2")))
#define STEP_8(crc, word) (uint32_t)_mm_crc32_u64(crc, word)
#define STEP_1(crc, byte) _mm_crc32_u8(crc, byte)

#elif defined(__aarch64__) && defined(__linux__)
#include <arm_acle.h>
#include <asm/hwcap.h>
#include <sys/auxv.h>

int checksum_is_supported(void) { return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0; }

#define HARDWARE __attribute__((target("crc")))
#define STEP_8(crc, word) __crc32cd(crc, word)
#define STEP_1(crc, byte) __crc32cb(crc, byte)

#endif

#ifdef HARDWARE

HARDWARE uint32_t checksum_extend(uint32_t previous, const void *bytes, size_t count) {
    const unsigned char *next = bytes;
    uint32_t crc = ~previous;
    while (count >= 8) {
        uint64_t word;
        memcpy(&word, next, 8);
        crc = STEP_8(crc, word);
        next += 8;
        count -= 8;
    }
    while (count > 0) {
        crc = STEP_1(crc, *next);
        next += 1;
        count -= 1;
    }
    return ~crc;
}

#else

int checksum_is_supported(void) { return 0; }

uint32_t checksum_extend(uint32_t previous, const void *bytes, size_t count) {
    (void)bytes;
    (void)count;
    return previous;
}

#endif
