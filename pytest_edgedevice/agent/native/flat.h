/* FlatBuffers, read with every offset checked: whatever leads outside reads as absent and sets `bad`. */
#ifndef EDGEDEVICE_FLAT_H
#define EDGEDEVICE_FLAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    const uint8_t *data;
    size_t size;
    bool bad;
} Flat;

/* Positions are in bytes from the start; 0 is "absent". */
size_t flat_root(Flat *flat);
/* An inline field's position; 0 when the table has none. */
size_t flat_field(Flat *flat, size_t table, unsigned field, size_t size);
/* What an offset field points to: a table, vector or string. */
size_t flat_child(Flat *flat, size_t table, unsigned field);
int64_t flat_integer(Flat *flat, size_t table, unsigned field, unsigned size, int64_t absent);
/* Items of a vector (or bytes of a string) of items of `size`; 0 when absent. */
uint32_t flat_count(Flat *flat, size_t vector, size_t size);
int64_t flat_item(Flat *flat, size_t vector, uint32_t at, unsigned size);
size_t flat_table(Flat *flat, size_t vector, uint32_t at);
const char *flat_text(Flat *flat, size_t string, uint32_t *length);

#endif
