#include "flat.h"

#include <string.h>

static bool inside(Flat *flat, size_t at, size_t count) {
    if (at <= flat->size && count <= flat->size - at) return true;
    flat->bad = true;
    return false;
}

static uint64_t read_unsigned(Flat *flat, size_t at, unsigned size) {
    uint64_t value = 0;
    if (!inside(flat, at, size)) return 0;
    for (unsigned next = size; next-- > 0;) value = value << 8 | flat->data[at + next];
    return value;
}

static int64_t read_signed(Flat *flat, size_t at, unsigned size) {
    uint64_t value = read_unsigned(flat, at, size);
    uint64_t sign = (uint64_t)1 << (8 * size - 1);
    return (int64_t)((value ^ sign) - sign);
}

static size_t follow(Flat *flat, size_t at) {
    size_t offset = (size_t)read_unsigned(flat, at, 4);
    if (offset && inside(flat, at, offset) && inside(flat, at + offset, 4)) return at + offset;
    flat->bad = true;
    return 0;
}

size_t flat_root(Flat *flat) { return follow(flat, 0); }

size_t flat_field(Flat *flat, size_t table, unsigned field, size_t size) {
    if (!table) return 0;
    int64_t back = read_signed(flat, table, 4);
    int64_t start = (int64_t)table - back;
    if (start < 0 || !inside(flat, (size_t)start, 4)) {
        flat->bad = true;
        return 0;
    }
    size_t known = (size_t)read_unsigned(flat, (size_t)start, 2);
    size_t entry = 4 + 2 * (size_t)field;
    if (entry + 2 > known) return 0;
    size_t offset = (size_t)read_unsigned(flat, (size_t)start + entry, 2);
    if (!offset || !inside(flat, table + offset, size)) return 0;
    return table + offset;
}

size_t flat_child(Flat *flat, size_t table, unsigned field) {
    size_t at = flat_field(flat, table, field, 4);
    return at ? follow(flat, at) : 0;
}

int64_t flat_integer(Flat *flat, size_t table, unsigned field, unsigned size, int64_t absent) {
    size_t at = flat_field(flat, table, field, size);
    return at ? read_signed(flat, at, size) : absent;
}

uint32_t flat_count(Flat *flat, size_t vector, size_t size) {
    if (!vector) return 0;
    uint32_t count = (uint32_t)read_unsigned(flat, vector, 4);
    size_t room = flat->size - vector; /* `vector` came from follow */
    if (count <= (room - 4) / size) return count;
    flat->bad = true;
    return 0;
}

int64_t flat_item(Flat *flat, size_t vector, uint32_t at, unsigned size) {
    return read_signed(flat, vector + 4 + (size_t)at * size, size);
}

size_t flat_table(Flat *flat, size_t vector, uint32_t at) { return follow(flat, vector + 4 + (size_t)at * 4); }

const char *flat_text(Flat *flat, size_t string, uint32_t *length) {
    *length = flat_count(flat, string, 1);
    return string ? (const char *)flat->data + string + 4 : "";
}
