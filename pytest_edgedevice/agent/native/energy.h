/* Energy that a device tells of itself: RAPL, energy and power sensors, its battery; the Python agent's energy.py.
 *
 * A meter reads one source before, during and after some work. All of them are of the device or of one of its rails,
 * never of one process; the source's name says which. What cannot be read gives a reason.
 */
#ifndef EDGEDEVICE_ENERGY_H
#define EDGEDEVICE_ENERGY_H

#include <stdbool.h>
#include <stdint.h>

enum { MOST_COUNTERS = 16, ENERGY_PATH = 512 };

typedef enum { METER_NONE, METER_COUNTERS, METER_POWER } MeterKind;

typedef struct {
    MeterKind kind;
    char source[160];  /* for people; "" without one */
    char problem[512]; /* why there is none, or why it told nothing */
    /* counters in microjoules, and where each starts over (0 where it does not) */
    char paths[MOST_COUNTERS][ENERGY_PATH];
    long long wraps[MOST_COUNTERS], before[MOST_COUNTERS];
    unsigned count;
    /* or a sensor: the product of the first `count` files times this is microwatts */
    double scale;
    unsigned readings;
    int64_t last_ns;
    double last_uw, area;
    bool failed;
} Meter;

/* The best source below a folder like /sys: counters before sensors of power, wires before the battery. */
void meter_find(Meter *meter, const char *sysfs);
void meter_start(Meter *meter, int64_t now_ns);
/* The work goes on; called as often as one likes. */
void meter_tick(Meter *meter, int64_t now_ns);
/* Microjoules since the start; false with the reason in `problem`. */
bool meter_stop(Meter *meter, int64_t now_ns, int64_t *microjoules);

#endif
