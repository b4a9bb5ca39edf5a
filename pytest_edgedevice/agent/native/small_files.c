#include "small_files.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *read_text(const char *path, char *text, size_t room) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    size_t length = 0;
    while (file >= 0 && length + 1 < room) {
        ssize_t got = read(file, text + length, room - 1 - length);
        if (got <= 0) break;
        length += (size_t)got;
    }
    if (file >= 0) close(file);
    while (length && (text[length - 1] == '\n' || text[length - 1] == ' ' || !text[length - 1])) length--;
    text[length] = 0;
    return text;
}

bool read_integer(const char *path, long long *value) {
    char text[64], *end;
    read_text(path, text, sizeof text);
    *value = strtoll(text, &end, 10);
    return end != text && !*end;
}

bool find_line(const char *path, const char *key, char *value, size_t room) {
    char line[512];
    FILE *file = fopen(path, "re");
    bool found = false;
    while (file && !found && fgets(line, sizeof line, file)) {
        size_t length = strlen(key);
        const char *colon = strchr(line, ':');
        if (!colon || strncmp(line, key, length) || strspn(line + length, " \t") != (size_t)(colon - line) - length)
            continue;
        const char *from = colon + 1 + strspn(colon + 1, " \t");
        snprintf(value, room, "%.*s", (int)strcspn(from, "\n"), from);
        found = true;
    }
    if (file) fclose(file);
    return found;
}
