/* SHA-256 as FIPS 180-4 defines it. */
#ifndef EDGEDEVICE_SHA256_H
#define EDGEDEVICE_SHA256_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint32_t state[8];
    uint64_t length; /* bytes so far */
    unsigned char block[64];
} Sha256;

void sha256_start(Sha256 *hash);
void sha256_add(Sha256 *hash, const void *bytes, size_t count);
/* 64 lower-case hexadecimal digits and a NUL; the hash cannot be added to afterwards. */
void sha256_finish(Sha256 *hash, char hex[65]);

#endif
