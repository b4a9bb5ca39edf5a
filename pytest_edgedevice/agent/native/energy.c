#include "energy.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "small_files.h"

#define POWER_STEP_NS ((int64_t)100000000) /* power is read so often while the model runs */
enum { LEAST_READINGS = 5 };

static bool problem(Meter *meter, const char *what) {
    char source[sizeof meter->source];
    memcpy(source, meter->source, sizeof source);
    snprintf(meter->problem, sizeof meter->problem, "%s: %s", source, what);
    return false;
}

/* The product of a sensor's files in microwatts. */
static bool read_power(const Meter *meter, double *microwatts) {
    *microwatts = meter->scale;
    for (unsigned at = 0; at < meter->count; at++) {
        long long value;
        if (!read_integer(meter->paths[at], &value)) return false;
        *microwatts *= fabs((double)value); /* some gauges count a discharge below zero */
    }
    return true;
}

static void take_power(Meter *meter, int64_t now_ns) {
    double now;
    if (!read_power(meter, &now)) {
        meter->failed = true;
        return;
    }
    if (meter->readings) meter->area += (double)(now_ns - meter->last_ns) * (meter->last_uw + now) / 2;
    meter->last_ns = now_ns;
    meter->last_uw = now;
    meter->readings++;
}

void meter_start(Meter *meter, int64_t now_ns) {
    meter->readings = 0;
    meter->area = 0;
    meter->failed = false;
    if (meter->kind == METER_POWER) take_power(meter, now_ns);
    for (unsigned at = 0; meter->kind == METER_COUNTERS && at < meter->count; at++)
        meter->failed |= !read_integer(meter->paths[at], &meter->before[at]);
}

void meter_tick(Meter *meter, int64_t now_ns) {
    if (meter->kind == METER_POWER && meter->readings && now_ns - meter->last_ns >= POWER_STEP_NS)
        take_power(meter, now_ns);
}

static bool stop_counters(Meter *meter, int64_t *microjoules) {
    *microjoules = 0;
    for (unsigned at = 0; at < meter->count; at++) {
        long long after, before = meter->before[at];
        if (meter->failed || !read_integer(meter->paths[at], &after)) return problem(meter, "it could not be read");
        if (after < before && !meter->wraps[at]) return problem(meter, "its counter went backwards");
        *microjoules += after >= before ? after - before : after - before + meter->wraps[at];
    }
    if (*microjoules > 0) return true;
    return problem(meter, "its counter did not move in that time; measure for longer");
}

bool meter_stop(Meter *meter, int64_t now_ns, int64_t *microjoules) {
    char text[96];
    if (meter->kind == METER_NONE) return false;
    if (meter->kind == METER_COUNTERS) return stop_counters(meter, microjoules);
    if (meter->readings && now_ns > meter->last_ns) take_power(meter, now_ns);
    if (meter->failed || !meter->readings) return problem(meter, "the sensor could not be read");
    if (meter->readings < LEAST_READINGS) {
        snprintf(text, sizeof text, "only %u readings in that time; measure for longer", meter->readings);
        return problem(meter, text);
    }
    if (!(meter->area > 0)) return problem(meter, "the sensor shows no power");
    double total = meter->area / 1e9;
    *microjoules = total < 1 ? 1 : (int64_t)(total + 0.5);
    return true;
}
