#include "engine.h"

#include <string.h>

bool placement_complete(const Placement *placement, const LoadOptions *options) {
    if (!strcmp(options->delegate, "default")) return true;
    return !placement->left && !strcmp(placement->proven, options->delegate);
}

void placement_clear(Placement *placement) {
    text_free(&placement->left_over);
    *placement = (Placement){.proven = "cpu"};
}

void placement_leave(Placement *placement, const char *name, size_t count) {
    if (!count) return;
    if (placement->left) text_put(&placement->left_over, ",");
    text_json_string(&placement->left_over, name);
    text_format(&placement->left_over, ":%zu", count);
    placement->left += count;
}
