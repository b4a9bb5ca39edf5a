#include "sha256.h"

#include <string.h>

static const uint32_t ROUND[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t turned(uint32_t word, unsigned by) { return word >> by | word << (32 - by); }

static void take_block(Sha256 *hash, const unsigned char *block) {
    uint32_t word[64];
    for (int at = 0; at < 16; at++)
        word[at] = (uint32_t)block[4 * at] << 24 | (uint32_t)block[4 * at + 1] << 16 |
                   (uint32_t)block[4 * at + 2] << 8 | block[4 * at + 3];
    for (int at = 16; at < 64; at++) {
        uint32_t near = word[at - 2], far = word[at - 15];
        word[at] = word[at - 16] + (turned(far, 7) ^ turned(far, 18) ^ far >> 3) + word[at - 7] +
                   (turned(near, 17) ^ turned(near, 19) ^ near >> 10);
    }
    /* Variables by name, which stay in registers: an array that is shifted is copied for each word. */
    uint32_t a = hash->state[0], b = hash->state[1], c = hash->state[2], d = hash->state[3];
    uint32_t e = hash->state[4], f = hash->state[5], g = hash->state[6], h = hash->state[7];
    for (int at = 0; at < 64; at++) {
        uint32_t first = h + (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) + ((e & f) ^ (~e & g)) +
                         ROUND[at] + word[at];
        uint32_t second = (turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g;
        g = f;
        f = e;
        e = d + first;
        d = c;
        c = b;
        b = a;
        a = first + second;
    }
    const uint32_t after[8] = {a, b, c, d, e, f, g, h};
    for (int at = 0; at < 8; at++) hash->state[at] += after[at];
}

void sha256_start(Sha256 *hash) {
    static const uint32_t begin[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memset(hash, 0, sizeof *hash);
    memcpy(hash->state, begin, sizeof begin);
}

void sha256_add(Sha256 *hash, const void *bytes, size_t count) {
    const unsigned char *from = bytes;
    size_t filled = (size_t)(hash->length % 64);
    hash->length += count;
    while (count) {
        if (!filled && count >= 64) {
            take_block(hash, from);
            from += 64;
            count -= 64;
            continue;
        }
        size_t taken = count < 64 - filled ? count : 64 - filled;
        memcpy(hash->block + filled, from, taken);
        from += taken;
        count -= taken;
        filled += taken;
        if (filled == 64) {
            take_block(hash, hash->block);
            filled = 0;
        }
    }
}

void sha256_finish(Sha256 *hash, char hex[65]) {
    static const char digits[] = "0123456789abcdef";
    static const unsigned char padding[64] = {0x80};
    uint64_t bits = hash->length * 8;
    unsigned char tail[8];
    size_t filled = (size_t)(hash->length % 64);
    sha256_add(hash, padding, filled < 56 ? 56 - filled : 120 - filled);
    for (int at = 0; at < 8; at++) tail[at] = (unsigned char)(bits >> (56 - 8 * at));
    sha256_add(hash, tail, sizeof tail);
    for (int at = 0; at < 64; at++) hex[at] = digits[hash->state[at / 8] >> (28 - 4 * (at % 8)) & 15];
    hex[64] = 0;
}
