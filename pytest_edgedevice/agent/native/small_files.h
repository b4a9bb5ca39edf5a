/* Files of a line or a few, as the kernel shows them. */
#ifndef EDGEDEVICE_SMALL_FILES_H
#define EDGEDEVICE_SMALL_FILES_H

#include <stdbool.h>
#include <stddef.h>

/* The start of a file as text without what surrounds it; "" when it tells nothing. Returns `text`. */
char *read_text(const char *path, char *text, size_t room);
bool read_integer(const char *path, long long *value);
/* What follows "key:" (with any space before the colon) at the start of a line. */
bool find_line(const char *path, const char *key, char *value, size_t room);

#endif
