/* Racing reads and writes of SQLite's wal-index, which Swift's memory model does not cover.
 *
 * Everything here works on a shared mapping of the -shm file that other processes change at the
 * same time. Offsets and rules are those of walformat.html, "The WAL-Index File Format"; all
 * integers are in the machine's byte order. Header-only: no state, no allocation. */
#pragma once
#include <stdint.h>
#include "Checksum.h"
#include "FileBirth.h"
#include "FileSystemType.h"

enum {
    WALINDEX_BLOCK_BYTES = 32768,
    WALINDEX_HASH_SLOTS = 8192,
    /* Page numbers in block 0 and in every later block. */
    WALINDEX_FIRST_BLOCK_FRAMES = 4062,
    WALINDEX_BLOCK_FRAMES = 4096,
    WALINDEX_HEADER_BYTES = 48,
    WALINDEX_BACKFILL_OFFSET = 96,
    WALINDEX_READ_MARK_OFFSET = 100,
    WALINDEX_BACKFILL_ATTEMPTED_OFFSET = 128,
    WALINDEX_PREFIX_BYTES = 136,
    WALINDEX_HASH_OFFSET = 16384,
    /* A read mark that nobody uses. */
    WALINDEX_MARK_UNUSED = -1,
};

/* The commands of open file description locks, which Glibc's Swift module does not show. */
enum {
    WALINDEX_OFD_GETLK = 36,
    WALINDEX_OFD_SETLK = 37,
    WALINDEX_OFD_SETLKW = 38,
};

/* One copy of the header. The salts are the raw bytes of the WAL's header. */
typedef struct walindex_header {
    uint32_t version;
    uint32_t unused;
    uint32_t change_counter;
    uint8_t is_initialised;
    uint8_t has_big_endian_checksums;
    uint16_t page_size; /* 65536 is stored as 1 */
    uint32_t max_frame;
    uint32_t page_count;
    uint32_t frame_checksum[2];
    uint32_t salts[2];
    uint32_t checksum[2];
} walindex_header;

_Static_assert(sizeof(walindex_header) == WALINDEX_HEADER_BYTES, "as SQLite lays it out");

static inline uint32_t walindex_load(const void *map, uint32_t offset) {
    return __atomic_load_n((const uint32_t *)((const char *)map + offset), __ATOMIC_ACQUIRE);
}

static inline void walindex_store(void *map, uint32_t offset, uint32_t value) {
    __atomic_store_n((uint32_t *)((char *)map + offset), value, __ATOMIC_RELEASE);
}

static inline void walindex_barrier(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

/* The header's own checksum: over its first 40 bytes, in the machine's byte order. */
static inline void walindex_header_checksum(const walindex_header *header, uint32_t sums[2]) {
    uint32_t words[10];
    __builtin_memcpy(words, header, sizeof words);
    uint32_t s0 = 0, s1 = 0;
    for (int index = 0; index < 10; index += 2) {
        s0 += words[index] + s1;
        s1 += words[index + 1] + s0;
    }
    sums[0] = s0;
    sums[1] = s1;
}

/* Reads both copies; 1 if they agree, are initialised and carry the right checksum, else 0 (a
 * writer is between the two, or died there). */
static inline int walindex_read_header(const void *map, walindex_header *out) {
    uint32_t first[12], second[12];
    const uint32_t *words = (const uint32_t *)map;
    for (int i = 0; i < 12; i++) first[i] = __atomic_load_n(words + i, __ATOMIC_RELAXED);
    walindex_barrier();
    for (int i = 0; i < 12; i++) second[i] = __atomic_load_n(words + 12 + i, __ATOMIC_RELAXED);
    if (__builtin_memcmp(first, second, sizeof first) != 0) return 0;
    __builtin_memcpy(out, first, sizeof first);
    uint32_t sums[2];
    walindex_header_checksum(out, sums);
    return out->is_initialised && sums[0] == out->checksum[0] && sums[1] == out->checksum[1];
}

/* Completes the header's checksum and publishes both copies, the second one first. The caller holds
 * WRITE; what the header refers to is in the file already. */
static inline void walindex_publish_header(void *map, walindex_header *header) {
    header->version = 3007000;
    header->is_initialised = 1;
    walindex_header_checksum(header, header->checksum);
    uint32_t from[12];
    __builtin_memcpy(from, header, sizeof from);
    uint32_t *words = (uint32_t *)map;
    walindex_barrier();
    for (int i = 0; i < 12; i++) __atomic_store_n(words + 12 + i, from[i], __ATOMIC_RELAXED);
    walindex_barrier();
    for (int i = 0; i < 12; i++) __atomic_store_n(words + i, from[i], __ATOMIC_RELAXED);
    walindex_barrier();
}

/* The block that indexes `frame` (from 1). */
static inline uint32_t walindex_block(uint32_t frame) {
    return (frame + WALINDEX_BLOCK_FRAMES - WALINDEX_FIRST_BLOCK_FRAMES - 1)
        / WALINDEX_BLOCK_FRAMES;
}

/* The frame before the first one of `block`. */
static inline uint32_t walindex_block_base(uint32_t block) {
    return block == 0
        ? 0 : WALINDEX_FIRST_BLOCK_FRAMES + (block - 1) * (uint32_t)WALINDEX_BLOCK_FRAMES;
}

static inline uint32_t *walindex_block_pages(void *map, uint32_t block) {
    char *start = (char *)map + (uint64_t)block * WALINDEX_BLOCK_BYTES;
    return (uint32_t *)(start + (block == 0 ? WALINDEX_PREFIX_BYTES : 0));
}

static inline uint16_t *walindex_block_hash(void *map, uint32_t block) {
    return (uint16_t *)((char *)map + (uint64_t)block * WALINDEX_BLOCK_BYTES + WALINDEX_HASH_OFFSET);
}

/* The page number that `frame` holds; its block must be mapped and backed by the file. */
static inline uint32_t walindex_page(void *map, uint32_t frame) {
    uint32_t block = walindex_block(frame);
    return __atomic_load_n(
        walindex_block_pages(map, block) + (frame - walindex_block_base(block) - 1),
        __ATOMIC_RELAXED);
}

/* Forgets the frames after `max_frame` that a dead writer left in that frame's block. WRITE is held. */
static inline void walindex_clean(void *map, uint32_t max_frame) {
    if (max_frame == 0) return;
    uint32_t block = walindex_block(max_frame);
    uint32_t limit = max_frame - walindex_block_base(block);
    uint32_t capacity = block == 0 ? WALINDEX_FIRST_BLOCK_FRAMES : WALINDEX_BLOCK_FRAMES;
    uint16_t *hash = walindex_block_hash(map, block);
    uint32_t *pages = walindex_block_pages(map, block);
    for (int slot = 0; slot < WALINDEX_HASH_SLOTS; slot++)
        if (__atomic_load_n(hash + slot, __ATOMIC_RELAXED) > limit)
            __atomic_store_n(hash + slot, 0, __ATOMIC_RELAXED);
    for (uint32_t index = limit; index < capacity; index++)
        __atomic_store_n(pages + index, 0, __ATOMIC_RELAXED);
}

/* Enters `page` as the content of `frame`, which is not below any frame entered since the header
 * said `max_frame`. WRITE is held and the block is mapped and backed by the file.
 * Returns 0 when the table is damaged (no free slot), else 1. */
static inline int walindex_enter(void *map, uint32_t max_frame, uint32_t frame, uint32_t page) {
    uint32_t block = walindex_block(frame);
    uint32_t index = frame - walindex_block_base(block);
    uint16_t *hash = walindex_block_hash(map, block);
    uint32_t *pages = walindex_block_pages(map, block);
    if (index == 1) {
        /* The first entry of a block: nothing in it means anything any more. */
        uint32_t capacity = block == 0 ? WALINDEX_FIRST_BLOCK_FRAMES : WALINDEX_BLOCK_FRAMES;
        for (uint32_t i = 0; i < capacity; i++) __atomic_store_n(pages + i, 0, __ATOMIC_RELAXED);
        for (int i = 0; i < WALINDEX_HASH_SLOTS; i++) __atomic_store_n(hash + i, 0, __ATOMIC_RELAXED);
    }
    if (__atomic_load_n(pages + index - 1, __ATOMIC_RELAXED) != 0) walindex_clean(map, max_frame);
    uint32_t slot = (page * 383) & (WALINDEX_HASH_SLOTS - 1);
    for (uint32_t probes = index; __atomic_load_n(hash + slot, __ATOMIC_RELAXED) != 0; probes--) {
        if (probes == 0) return 0;
        slot = (slot + 1) & (WALINDEX_HASH_SLOTS - 1);
    }
    __atomic_store_n(pages + index - 1, page, __ATOMIC_RELAXED);
    __atomic_store_n(hash + slot, (uint16_t)index, __ATOMIC_RELEASE);
    return 1;
}
