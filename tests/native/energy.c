/* The agent's meter of energy below a folder that a test made: a line for each order, and an answer to each. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "energy.h"

int main(int count, char **arguments) {
    static Meter meter;
    char order[16];
    int64_t now, microjoules = -1;
    if (count != 2) return 2;
    meter_find(&meter, arguments[1]);
    printf("%s\n", meter.source);
    fflush(stdout);
    while (scanf("%15s %" SCNd64, order, &now) == 2) {
        if (!strcmp(order, "start")) meter_start(&meter, now);
        if (!strcmp(order, "tick")) meter_tick(&meter, now);
        if (!strcmp(order, "stop")) {
            if (meter_stop(&meter, now, &microjoules))
                printf("%" PRId64 " ", microjoules);
            else
                printf("none %s", meter.problem);
        }
        printf("\n");
        fflush(stdout);
    }
    return 0;
}
