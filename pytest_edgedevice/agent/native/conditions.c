#include "conditions.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <sched.h>
#ifdef __ANDROID__
#include <sys/system_properties.h>
#endif
#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

#include "small_files.h"

#define CPUFREQ "/sys/devices/system/cpu/cpu0/cpufreq/"
#ifndef THROTTLED
#define THROTTLED "/sys/devices/platform/soc/soc:firmware/get_throttled"
#endif

typedef struct {
    Text *text;
    bool any;
} Members;

static void put_key(Members *members, const char *key) {
    text_put(members->text, members->any ? "," : "{");
    members->any = true;
    text_json_string(members->text, key);
    text_put(members->text, ":");
}

static void put_text(Members *members, const char *key, const char *value) {
    if (!*value) return;
    put_key(members, key);
    text_json_string(members->text, value);
}

static void put_integer(Members *members, const char *key, long long value) {
    put_key(members, key);
    text_format(members->text, "%lld", value);
}

static void put_number(Members *members, const char *key, double value) {
    put_key(members, key);
    text_format(members->text, "%.10g", value);
}

static void put_end(Members *members) { text_put(members->text, members->any ? "}" : "{}"); }

static void put_megabytes(Members *members, const char *key, const char *line) {
    char value[64];
    if (find_line("/proc/meminfo", line, value, sizeof value))
        put_integer(members, key, strtoll(value, NULL, 10) * 1024 / 1000000);
}

static void put_model(Members *members) {
    char text[512] = "";
#ifdef __ANDROID__
    char property[PROP_VALUE_MAX] = "";
    if (__system_property_get("ro.product.model", property) > 0) {
        put_text(members, "model", property);
        return;
    }
#endif
    read_text("/proc/device-tree/model", text, sizeof text);
    if (!*text && !find_line("/proc/cpuinfo", "model name", text, sizeof text))
        find_line("/proc/cpuinfo", "Hardware", text, sizeof text);
    put_text(members, "model", text);
}

static void put_emulated(Members *members) {
    if (!is_emulated()) return;
    put_key(members, "emulated");
    text_put(members->text, "true");
}

long core_count(void) {
    cpu_set_t set;
    if (!sched_getaffinity(0, sizeof set, &set)) return CPU_COUNT(&set);
    return sysconf(_SC_NPROCESSORS_ONLN);
}

bool is_emulated(void) {
    char seen[2][4096];
    static const char *const links[] = {"/proc/thread-self/exe", "/proc/self/exe"};
    for (int at = 0; at < 2; at++) {
        /* an emulator of programs (QEMU's user mode) hides behind the second, and the kernel tells the first */
        ssize_t length = readlink(links[at], seen[at], sizeof seen[at] - 1);
        if (length < 0) return false;
        seen[at][length] = 0;
    }
    return strcmp(seen[0], seen[1]) != 0;
}

void put_facts(Text *text) {
    Members members = {.text = text};
    struct utsname name;
#ifdef __ANDROID__
    const char *system = "android";
#else
    const char *system = "linux";
#endif
    put_text(&members, "os", system);
    put_key(&members, system);
    text_put(text, "true");
    if (!uname(&name)) {
        put_text(&members, "arch", strcmp(name.machine, "aarch64") ? name.machine : "arm64");
        put_text(&members, "kernel", name.release);
    }
    put_integer(&members, "cores", core_count());
#ifdef __GLIBC__
    char libc[32];
    snprintf(libc, sizeof libc, "glibc %s", gnu_get_libc_version());
    put_text(&members, "libc", libc);
#endif
    put_model(&members);
    put_megabytes(&members, "memory_mb", "MemTotal");
    put_emulated(&members);
    put_end(&members);
}

/* The hottest thermal zone, in degrees Celsius. */
static void put_temperature(Members *members) {
    static const char folder[] = "/sys/class/thermal";
    DIR *listing = opendir(folder);
    bool known = false;
    long long hottest = 0, value;
    for (struct dirent *entry = listing ? readdir(listing) : NULL; entry; entry = readdir(listing)) {
        char path[512];
        if (strncmp(entry->d_name, "thermal_zone", strlen("thermal_zone"))) continue;
        snprintf(path, sizeof path, "%s/%s/temp", folder, entry->d_name);
        if (!read_integer(path, &value)) continue;
        if (!known || value > hottest) hottest = value;
        known = true;
    }
    if (listing) closedir(listing);
    if (known) put_number(members, "temperature_c", (double)hottest / 1000);
}

/* Share of the last ten seconds in which some task waited for a CPU, in percent. */
static void put_pressure(Members *members) {
    char text[512], *end;
    const char *field = strstr(read_text("/proc/pressure/cpu", text, sizeof text), "avg10=");
    if (!field) return;
    double value = strtod(field + strlen("avg10="), &end);
    if (end != field + strlen("avg10=")) put_number(members, "cpu_pressure_10s", value);
}

/* A Raspberry Pi's own word for under-voltage and throttling, now and since it started: hexadecimal digits. */
static void put_throttled(Members *members) {
    char value[24], word[32];
    read_text(THROTTLED, value, sizeof value);
    const char *digits = strncmp(value, "0x", 2) ? value : value + 2;
    size_t length = strspn(digits, "0123456789abcdefABCDEF");
    if (!length || digits[length]) return;
    snprintf(word, sizeof word, "0x%s", digits);
    put_text(members, "throttled", word);
}

void put_conditions(Text *text) {
    Members members = {.text = text};
    char value[128], *end;
    long long clock, limit, full;
    double load = strtod(read_text("/proc/loadavg", value, sizeof value), &end);
    if (end != value) put_number(&members, "load_1min", load);
    put_text(&members, "governor", read_text(CPUFREQ "scaling_governor", value, sizeof value));
    if (read_integer(CPUFREQ "scaling_cur_freq", &clock)) put_integer(&members, "clock_khz", clock);
    if (read_integer(CPUFREQ "scaling_max_freq", &limit) && read_integer(CPUFREQ "cpuinfo_max_freq", &full)) {
        put_key(&members, "clock_limited");
        text_put(text, limit < full ? "true" : "false");
    }
    put_temperature(&members);
    put_throttled(&members);
    put_pressure(&members);
    put_megabytes(&members, "memory_free_mb", "MemAvailable");
    put_emulated(&members);
    put_end(&members);
}
