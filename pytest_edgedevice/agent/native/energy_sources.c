/* Which source of energy a device has. */
#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "energy.h"
#include "small_files.h"
#include "text.h"

enum { MOST_FOUND = 32 };

/* A sensor or counter that was seen. */
typedef struct {
    char paths[2][ENERGY_PATH];
    unsigned count;
    char label[128]; /* the chip's name, a space, the rail's label */
    bool whole;
} Found;

typedef struct {
    Found found[MOST_FOUND];
    unsigned count;
} Search;

static void add_problem(Meter *meter, const char *format, ...) LIKE_PRINTF(2, 3);
static void add_problem(Meter *meter, const char *format, ...) {
    size_t length = strlen(meter->problem);
    va_list arguments;
    if (length) length += (size_t)snprintf(meter->problem + length, sizeof meter->problem - length, "; ");
    if (length >= sizeof meter->problem) return;
    va_start(arguments, format);
    vsnprintf(meter->problem + length, sizeof meter->problem - length, format, arguments);
    va_end(arguments);
}

static bool join(char path[ENERGY_PATH], const char *folder, const char *name) {
    int length = snprintf(path, ENERGY_PATH, "%s/%s", folder, name);
    return length > 0 && length < ENERGY_PATH;
}

static char *text_in(const char *folder, const char *name, char *text, size_t room) {
    char path[ENERGY_PATH];
    *text = 0;
    if (join(path, folder, name)) read_text(path, text, room);
    for (char *at = text; *at; at++)
        if (*at < ' ' || *at > '~') *at = '?';
    return text;
}

static bool starts(const char *text, const char *with) { return !strncasecmp(text, with, strlen(with)); }

/* Names in a folder, sorted; -1 where there is none. */
static int listed(const char *folder, struct dirent ***entries) { return scandir(folder, entries, NULL, alphasort); }

static void free_list(struct dirent **entries, int count) {
    for (int at = 0; at < count; at++) free(entries[at]);
    if (count >= 0) free(entries);
}

static bool is_package_zone(const char *name) {
    if (!starts(name, "intel-rapl:")) return false;
    const char *digits = name + strlen("intel-rapl:");
    return *digits && strspn(digits, "0123456789") == strlen(digits);
}

/* Of "psys", or of all packages. */
static bool find_rapl(Meter *meter, const char *classes) {
    char folder[ENERGY_PATH], zone[ENERGY_PATH], name[64];
    struct dirent **entries;
    bool whole = false, locked = false;
    if (!join(folder, classes, "powercap")) return false;
    int count = listed(folder, &entries);
    snprintf(meter->source, sizeof meter->source, "RAPL");
    for (int at = 0; at < count && !whole; at++) {
        if (!is_package_zone(entries[at]->d_name) || !join(zone, folder, entries[at]->d_name)) continue;
        text_in(zone, "name", name, sizeof name);
        whole = !strcmp(name, "psys");
        if ((!whole && !starts(name, "package")) || meter->count == MOST_COUNTERS) continue;
        if (whole) meter->count = 0, locked = false, snprintf(meter->source, sizeof meter->source, "RAPL");
        char *path = meter->paths[meter->count], limit[ENERGY_PATH];
        long long value;
        if (!join(path, zone, "energy_uj") || !join(limit, zone, "max_energy_range_uj")) continue;
        locked |= !read_integer(path, &value);
        meter->wraps[meter->count] = read_integer(limit, &value) ? value : 0;
        size_t length = strlen(meter->source);
        snprintf(meter->source + length, sizeof meter->source - length, "%s %s", meter->count ? "," : "", name);
        meter->count++;
    }
    free_list(entries, count);
    if (meter->count && !locked) return true;
    if (meter->count) add_problem(meter, "RAPL is there, and only root may read it (/sys/class/powercap/*/energy_uj)");
    meter->count = 0;
    meter->source[0] = 0;
    return false;
}

/* Whether a rail's label has a word that says that it feeds all others. */
static bool is_whole(const char *label) {
    static const char *const words[] = {"in", "vin", "input", "total", "system", "psys"};
    for (const char *at = label; *at; at += strspn(at, "_ ")) {
        size_t length = strcspn(at, "_ ");
        for (size_t word = 0; word < sizeof words / sizeof *words; word++)
            if (strlen(words[word]) == length && !strncasecmp(at, words[word], length)) return true;
        at += length;
    }
    return false;
}

static void add_found(Search *search, const char *chip, const char *folder, const char *first, const char *second,
                      const char *label) {
    Found *one = &search->found[search->count];
    long long value;
    if (search->count == MOST_FOUND || !join(one->paths[0], folder, first) || !read_integer(one->paths[0], &value))
        return;
    if (second && (!join(one->paths[1], folder, second) || !read_integer(one->paths[1], &value))) return;
    one->count = second ? 2 : 1;
    snprintf(one->label, sizeof one->label, "%.40s%s%.80s", chip, *label ? " " : "", label);
    one->whole = is_whole(label);
    search->count++;
}

/* Files KIND<number>_SUFFIX of a chip. */
static bool look_at(Search *search, const char *chip, const char *folder, const char *kind, const char *suffix) {
    struct dirent **entries;
    unsigned before = search->count;
    int count = listed(folder, &entries);
    for (int at = 0; at < count; at++) {
        const char *name = entries[at]->d_name;
        int number;
        char rest[32], label_name[64], label[80], second[64];
        if (!starts(name, kind) || sscanf(name + strlen(kind), "%d_%31s", &number, rest) != 2 || strcmp(rest, suffix))
            continue;
        bool current = !strcmp(kind, "curr"); /* milliamperes, and millivolts of the same number */
        snprintf(second, sizeof second, "in%d_input", number);
        snprintf(label_name, sizeof label_name, "%s%d_label", current ? "in" : kind, number);
        text_in(folder, label_name, label, sizeof label);
        if (current && !*label) {
            snprintf(label_name, sizeof label_name, "curr%d_label", number);
            text_in(folder, label_name, label, sizeof label);
        }
        add_found(search, chip, folder, name, current ? second : NULL, label);
    }
    free_list(entries, count);
    return search->count > before;
}

static void search_chips(Search *search, const char *classes, bool energy) {
    /* chips whose sensors are of a part that may not even run the model */
    static const char *const parts[] = {"amdgpu", "nouveau",   "nvidia",   "i915",   "xe",
                                        "nvme",   "drivetemp", "coretemp", "k10temp"};
    char folder[ENERGY_PATH], chip[ENERGY_PATH], name[64];
    struct dirent **entries;
    if (!join(folder, classes, "hwmon")) return;
    int count = listed(folder, &entries);
    for (int at = 0; at < count; at++) {
        bool part = entries[at]->d_name[0] == '.' || !join(chip, folder, entries[at]->d_name);
        if (part) continue;
        text_in(chip, "name", name, sizeof name);
        for (size_t next = 0; next < sizeof parts / sizeof *parts; next++) part |= starts(name, parts[next]);
        if (part) continue;
        if (energy)
            look_at(search, name, chip, "energy", "input");
        else if (!look_at(search, name, chip, "power", "input") && !look_at(search, name, chip, "power", "average") &&
                 starts(name, "ina"))
            look_at(search, name, chip, "curr", "input");
    }
    free_list(entries, count);
}

static void use(Meter *meter, const Found *one) {
    for (unsigned at = 0; at < one->count && meter->count < MOST_COUNTERS; at++)
        memcpy(meter->paths[meter->count++], one->paths[at], ENERGY_PATH);
}

static bool find_sensors(Meter *meter, const char *classes, bool energy) {
    Search search = {.count = 0};
    const Found *chosen = NULL;
    unsigned fitting = 0;
    search_chips(&search, classes, energy);
    for (unsigned at = 0; energy && at < search.count; at++) {
        const char *label = strchr(search.found[at].label, ' ');
        if (!label || (!starts(label + 1, "esocket") && !starts(label + 1, "package"))) continue;
        use(meter, &search.found[at]);
        snprintf(meter->source, sizeof meter->source, "hwmon %.*s, all sockets", (int)(label - search.found[at].label),
                 search.found[at].label);
    }
    if (meter->count) return true;
    for (unsigned at = 0; at < search.count; at++) {
        if (energy || !search.found[at].whole) continue;
        chosen = &search.found[at];
        fitting++;
    }
    if (!fitting && search.count) chosen = search.found, fitting = search.count;
    if (fitting > 1)
        add_problem(meter, "%u %s sensors, and none says that it is of the whole device", fitting,
                    energy ? "energy" : "power");
    if (fitting != 1) return false;
    use(meter, chosen);
    meter->scale = 1;
    snprintf(meter->source, sizeof meter->source, "hwmon %s", chosen->label);
    return true;
}

static bool find_battery(Meter *meter, const char *classes) {
    char folder[ENERGY_PATH], supply[ENERGY_PATH], text[64];
    struct dirent **entries;
    if (!join(folder, classes, "power_supply")) return false;
    int count = listed(folder, &entries);
    for (int at = 0; at < count && !meter->count; at++) {
        const char *name = entries[at]->d_name;
        long long value = 0, other = 0;
        if (*name == '.' || !join(supply, folder, name)) continue;
        if (strcmp(text_in(supply, "type", text, sizeof text), "Battery")) continue;
        if (!strcmp(text_in(supply, "scope", text, sizeof text), "Device")) continue;
        if (strcmp(text_in(supply, "status", text, sizeof text), "Discharging")) {
            for (char *letter = text; *letter; letter++)
                if (*letter >= 'A' && *letter <= 'Z') *letter = (char)(*letter - 'A' + 'a');
            add_problem(meter, "the battery is %s: what flows from it says nothing; unplug the charger",
                        *text ? text : "of unknown state");
            continue;
        }
        bool power = join(meter->paths[0], supply, "power_now") && read_integer(meter->paths[0], &value) && value;
        bool flow = !power && join(meter->paths[0], supply, "current_now") && read_integer(meter->paths[0], &value) &&
                    join(meter->paths[1], supply, "voltage_now") && read_integer(meter->paths[1], &other) && value &&
                    other;
        meter->count = power ? 1 : flow ? 2 : 0;
        meter->scale = power ? 1 : 1e-6;
        if (meter->count)
            snprintf(meter->source, sizeof meter->source, "battery %.100s", name);
        else
            add_problem(meter, "the battery %.100s tells neither its power nor its current", name);
    }
    free_list(entries, count);
    return meter->count > 0;
}

void meter_find(Meter *meter, const char *sysfs) {
    char classes[ENERGY_PATH];
    memset(meter, 0, sizeof *meter);
    if (!join(classes, sysfs, "class")) return;
    if (find_rapl(meter, classes) || find_sensors(meter, classes, true))
        meter->kind = METER_COUNTERS;
    else if (find_sensors(meter, classes, false) || find_battery(meter, classes))
        meter->kind = METER_POWER;
    else if (!*meter->problem)
        add_problem(meter, "this device tells no energy: no RAPL, no power sensor, no battery");
}
