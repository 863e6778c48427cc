/* CRC-32C by the processor's own instruction, which Swift cannot name. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Whether this processor has the instruction. */
int checksum_is_supported(void);

/* The checksum of what `previous` covered, 0 for nothing, and then `count` bytes. */
uint32_t checksum_extend(uint32_t previous, const void *bytes, size_t count);
